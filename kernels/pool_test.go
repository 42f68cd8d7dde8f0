package kernels

import (
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"unsafe"
)

// TestBarrier adds up what every worker wrote before each barrier: a worker
// that came through early would read an old value.
func TestBarrier(t *testing.T) {
	for _, n := range []int{1, 2, 3, 8} {
		p := NewPool(n, true)
		cells := make([]int, n*16)
		var wrong atomic.Int32
		for range 3 {
			err := p.Run(func(w *Worker) {
				for round := 1; round <= 300; round++ {
					cells[w.ID*16] = round
					w.Barrier()
					for id := range w.Of {
						if cells[id*16] != round {
							wrong.Add(1)
						}
					}
					w.Barrier()
				}
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if wrong.Load() != 0 {
			t.Errorf("%d workers: %d values read before they were written", n, wrong.Load())
		}
		p.Close()
	}
}

func TestRangeCoversAll(t *testing.T) {
	for _, n := range []int{0, 1, 5, 16, 17, 896, 151936} {
		for _, align := range []int{1, 8, 16} {
			for of := 1; of <= 7; of++ {
				next := 0
				for id := range of {
					w := &Worker{ID: id, Of: of}
					lo, hi := w.Range(n, align)
					if lo != next || hi < lo || lo%align != 0 && lo != n {
						t.Fatalf("Range(%d, %d) of worker %d of %d is [%d, %d), want it to start at %d", n, align, id, of, lo, hi, next)
					}
					next = hi
				}
				if next != n {
					t.Fatalf("ranges of %d workers cover %d of %d items", of, next, n)
				}
			}
		}
	}
}

func TestAbortReleasesBarriers(t *testing.T) {
	p := NewPool(4, true)
	defer p.Close()
	want := errors.New("enough")
	for range 20 {
		err := p.Run(func(w *Worker) {
			if w.ID == 2 {
				w.Abort(want)
			}
			w.Barrier()
			t.Error("a barrier was passed that worker 2 never reached")
		})
		if err != want {
			t.Fatalf("Run returned %v, want %v", err, want)
		}
	}
	if err := p.Run(func(w *Worker) { w.Barrier() }); err != nil {
		t.Fatalf("the pool is unusable after an abort: %v", err)
	}
}

func TestFaultBecomesError(t *testing.T) {
	p := NewPool(2, true)
	defer p.Close()
	err := p.Run(func(w *Worker) {
		if w.ID == 1 {
			// An address that no system maps.
			addr := uintptr(1 << 46)
			_ = **(**byte)(unsafe.Pointer(&addr))
		}
		w.Barrier()
	})
	if err == nil || !strings.Contains(err.Error(), "cut short") {
		t.Fatalf("a memory fault gave the error %v", err)
	}
}

func TestBugPanicsInCaller(t *testing.T) {
	p := NewPool(2, true)
	defer p.Close()
	defer func() {
		if v := recover(); v != "a bug" {
			t.Fatalf("recovered %v, want the worker's panic", v)
		}
	}()
	p.Run(func(w *Worker) {
		if w.ID == 1 {
			panic("a bug")
		}
		w.Barrier()
	})
	t.Fatal("Run returned")
}

// TestGoexit ends the goroutine of each worker in turn, as t.FailNow does in a
// test: nobody waits for it for ever, and the pool has all workers again.
func TestGoexit(t *testing.T) {
	p := NewPool(3, true)
	defer p.Close()
	for id := range 3 {
		failed := make(chan error, 1)
		go func() {
			returned := false
			defer func() {
				if !returned {
					failed <- nil
				}
			}()
			err := p.Run(func(w *Worker) {
				if w.ID == id {
					runtime.Goexit()
				}
				w.Barrier()
				t.Errorf("a barrier was passed that worker %d never reached", id)
			})
			returned = true
			failed <- err
		}()
		want := errGoexit
		if id == 0 {
			want = nil // Run does not return either
		}
		if err := <-failed; err != want {
			t.Errorf("worker %d ended: Run returned %v, want %v", id, err, want)
		}
		var ran atomic.Int32
		if err := p.Run(func(w *Worker) { ran.Add(1); w.Barrier() }); err != nil || ran.Load() != 3 {
			t.Errorf("after worker %d ended, %d of 3 workers ran, error %v", id, ran.Load(), err)
		}
	}
}

func TestRunAllocatesNothing(t *testing.T) {
	p := NewPool(2, true)
	defer p.Close()
	job := func(w *Worker) { w.Barrier() }
	// Not testing.AllocsPerRun: it runs everything on one core, where workers
	// would wait for each other's time slices.
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const runs = 100
	for range runs {
		p.Run(job)
	}
	runtime.ReadMemStats(&after)
	if n := (after.Mallocs - before.Mallocs) / runs; n != 0 {
		t.Errorf("a run allocates %v times", n)
	}
}

func BenchmarkBarrier(b *testing.B) {
	p := NewPool(2, true)
	defer p.Close()
	p.Run(func(w *Worker) {
		for range b.N {
			w.Barrier()
		}
	})
}

func BenchmarkRun(b *testing.B) {
	p := NewPool(2, true)
	defer p.Close()
	job := func(*Worker) {}
	for b.Loop() {
		p.Run(job)
	}
}
