package kernels

import (
	"sync"
	"sync/atomic"
	"testing"
)

// TestPhases writes every item in one phase and reads what the others wrote in
// the next: who came through early would read an old value, and an item that
// was done twice or not at all would show in its sum.
func TestPhases(t *testing.T) {
	for _, workers := range []int{1, 2, 3, 5} {
		p := NewPool(workers, true)
		for _, n := range []int{0, 1, 2, 7, 64, 1000} {
			for _, most := range []int{1, 5, MaxItems} {
				sums := make([]int, n)
				var wrong atomic.Int32
				err := p.Run(func(w *Worker) {
					for round := range 20 {
						for it := w.Items(n, most); it.Next(); {
							if it.Hi <= it.Lo || it.Hi-it.Lo > most || it.Hi > n {
								t.Errorf("items [%d, %d) of %d, want at most %d", it.Lo, it.Hi, n, most)
							}
							if it.Commit() {
								for i := it.Lo; i < it.Hi; i++ {
									sums[i] += round
								}
							}
						}
						for it := w.Items(n, 4); it.Next(); {
							bad := 0
							for i := it.Lo; i < it.Hi; i++ {
								if sums[n-1-i] != round*(round+1)/2 {
									bad++
								}
							}
							if it.Commit() {
								wrong.Add(int32(bad))
							}
						}
					}
				})
				if err != nil {
					t.Fatal(err)
				}
				if wrong.Load() > 0 {
					t.Fatalf("%d workers, %d items: %d wrong values", workers, n, wrong.Load())
				}
			}
		}
		p.Close()
	}
}

// hold makes a worker wait at its first call of at until release is called.
type hold struct {
	once    sync.Once
	reached chan struct{}
	goOn    chan struct{}
}

func newHold() *hold { return &hold{reached: make(chan struct{}), goOn: make(chan struct{})} }

func (h *hold) at() {
	h.once.Do(func() {
		close(h.reached)
		<-h.goOn
	})
}

func (h *hold) release() { close(h.goOn) }

// TestHeldUp holds up each worker but the caller in turn, while it computes a
// chunk, until the job is over: nobody waits for it, every item is committed
// once, and what it did late is dropped.
func TestHeldUp(t *testing.T) {
	if !hedging {
		t.Skip("the race detector is on: nobody computes a chunk again")
	}
	const workers, n, phases = 4, 64, 10
	p := NewPool(workers, false)
	defer p.Close()
	for held := 1; held < workers; held++ {
		h := newHold()
		sums := make([]int, n) // only who committed writes here
		left := make(chan struct{})
		job := func(w *Worker) {
			if w.ID == held {
				defer close(left)
			}
			for phase := range phases {
				for it := w.Items(n, MaxItems); it.Next(); {
					late := false
					switch {
					case phase == 3 && w.ID == held:
						h.at()
						late = true
					case phase == 3:
						<-h.reached // so that there is something to be late with
					}
					if !it.Commit() {
						continue
					}
					if late {
						t.Error("a chunk that came late was committed")
					}
					for i := it.Lo; i < it.Hi; i++ {
						sums[i]++
					}
				}
			}
		}
		if err := p.Run(job); err != nil {
			t.Fatal(err)
		}
		check := func(when string) {
			t.Helper()
			for i, sum := range sums {
				if sum != phases {
					t.Fatalf("%s: item %d was done %d times in %d phases", when, i, sum, phases)
				}
			}
		}
		check("worker held up")
		h.release()
		<-left
		check("worker back")
	}
}

// TestAbsent holds up a worker between two phases: others do its share of all
// that follow, and what it never began it does not do later.
func TestAbsent(t *testing.T) {
	const workers, n, phases = 3, 50, 5
	p := NewPool(workers, false)
	defer p.Close()
	h := newHold()
	var done [n]atomic.Int32
	left := make(chan struct{})
	err := p.Run(func(w *Worker) {
		if w.ID == 1 {
			defer close(left)
		}
		for phase := range phases {
			if w.ID == 1 && phase == 2 {
				h.at()
			}
			for it := w.Items(n, MaxItems); it.Next(); {
				if it.Commit() {
					for i := it.Lo; i < it.Hi; i++ {
						done[i].Add(1)
					}
				}
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	h.release()
	<-left
	for i := range done {
		if k := done[i].Load(); k != phases {
			t.Errorf("item %d was done %d times in %d phases", i, k, phases)
		}
	}
}

// TestJobsOverlap holds up a worker in one job: the next one runs to its end
// without it, and only then waits for it.
func TestJobsOverlap(t *testing.T) {
	p := NewPool(2, false)
	defer p.Close()
	h := newHold()
	if err := p.Run(func(w *Worker) {
		if w.ID == 1 {
			h.at()
		} else {
			<-h.reached
		}
		pass(w)
	}); err != nil {
		t.Fatal(err)
	}
	ran := make(chan struct{})
	returned := make(chan struct{})
	go func() {
		_ = p.Run(func(w *Worker) {
			pass(w)
			if w.ID == 0 {
				close(ran)
			}
		})
		close(returned)
	}()
	<-ran
	select {
	case <-returned:
		t.Error("Run returned while a worker was in the job before")
	default:
	}
	h.release()
	<-returned
}

func TestDrainWaitsForTheLate(t *testing.T) {
	p := NewPool(2, false)
	defer p.Close()
	h := newHold()
	var back atomic.Bool
	if err := p.Run(func(w *Worker) {
		if w.ID == 1 {
			h.at()
			back.Store(true)
		} else {
			<-h.reached
		}
		pass(w)
	}); err != nil {
		t.Fatal(err)
	}
	go h.release()
	p.Drain()
	if !back.Load() {
		t.Error("Drain returned while a worker was in a job")
	}
}

// TestTagsWrap lets the numbers of phases pass the range of a span's tag, with
// phases that leave some workers without a share for long, and with one that
// has no place in the team meanwhile.
func TestTagsWrap(t *testing.T) {
	p := NewPool(3, false)
	defer p.Close()
	seat := func(size int) {
		p.place.Store(uint64(newPlace(0, size)))
		p.mu.Lock()
		p.rest.Broadcast()
		p.mu.Unlock()
	}
	// As if so many phases had gone by between two jobs, each with too few
	// items to touch all desks.
	const step = 1<<(tagBits-2) - 1
	for i := range 1<<32/step + 2 {
		p.phase.Add(step)
		seat(2 + i/5%2)
		var sum atomic.Int32
		if err := p.Run(func(w *Worker) {
			for range 3 {
				for it := w.Items(30, 4); it.Next(); {
					if it.Commit() {
						sum.Add(int32(it.Hi - it.Lo))
					}
				}
			}
		}); err != nil || sum.Load() != 90 {
			t.Fatalf("after phase %d: %d items of 90 done, error %v", p.phase.Load(), sum.Load(), err)
		}
	}
}

func TestChunkMustBeCommitted(t *testing.T) {
	p := NewPool(1, false)
	defer p.Close()
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	_ = p.Run(func(w *Worker) {
		for it := w.Items(2, 1); it.Next(); {
		}
	})
}
