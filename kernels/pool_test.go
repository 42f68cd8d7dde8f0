package kernels

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"
)

// pass goes through a phase in which nothing is done.
func pass(w *Worker) {
	for it := w.Items(w.Of, 1); it.Next(); {
		it.Commit()
	}
}

func TestAbortEndsJob(t *testing.T) {
	p := NewPool(4, true)
	defer p.Close()
	want := errors.New("enough")
	for range 20 {
		err := p.Run(func(w *Worker) {
			if w.ID == 2 {
				w.Abort(want)
			}
			for { // Without worker 2 there would be no end.
				pass(w)
			}
		})
		if err != want {
			t.Fatalf("Run returned %v, want %v", err, want)
		}
	}
	if err := p.Run(pass); err != nil {
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
		for {
			pass(w)
		}
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
		for {
			pass(w)
		}
	})
	t.Fatal("Run returned")
}

// TestGoexit ends the goroutine of each worker in turn, as t.FailNow does in a
// test: nobody waits for it for ever, and the pool has all workers again.
func TestGoexit(t *testing.T) {
	p := NewPool(3, true)
	defer p.Close()
	all := errors.New("all workers are here")
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
				for {
					pass(w)
				}
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
		err := p.Run(func(w *Worker) {
			if ran.Add(1) == 3 {
				w.Abort(all)
			}
			for { // In vain if a worker is missing.
				pass(w)
			}
		})
		if err != all {
			t.Errorf("after worker %d ended: %v", id, err)
		}
	}
}

func TestRunAllocatesNothing(t *testing.T) {
	p := NewPool(2, true)
	defer p.Close()
	job := func(w *Worker) {
		for range 100 {
			pass(w)
		}
	}
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

func BenchmarkPhase(b *testing.B) {
	for _, n := range []int{1, 2, 16} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p := NewPool(Cores(), true)
			defer p.Close()
			p.Run(func(w *Worker) {
				for range b.N {
					for it := w.Items(n, 1); it.Next(); {
						it.Commit()
					}
				}
			})
		})
	}
}

func BenchmarkRun(b *testing.B) {
	p := NewPool(2, true)
	defer p.Close()
	job := func(*Worker) {}
	for b.Loop() {
		p.Run(job)
	}
}

// TestSleep has workers sleep at once that would look for a job for an hour, and
// wakes them by the next one.
func TestSleep(t *testing.T) {
	p := newPool(3, false, time.Hour)
	defer p.Close()
	for range 3 {
		var items atomic.Int32
		if err := p.Run(func(w *Worker) {
			for it := w.Items(30, 1); it.Next(); {
				if it.Commit() {
					items.Add(int32(it.Hi - it.Lo))
				}
			}
		}); err != nil || items.Load() != 30 {
			t.Fatalf("%d items, %v", items.Load(), err)
		}
		p.Sleep()
		for end := time.Now().Add(time.Minute); p.parked.Load() < 2; runtime.Gosched() {
			if time.Now().After(end) {
				t.Fatalf("after a minute %d of 2 workers sleep", p.parked.Load())
			}
		}
	}
}
