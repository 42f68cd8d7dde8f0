package kernels

import "time"

// How long a worker looks before it sleeps. To sleep and to be woken takes
// some 100 µs in virtual machines, in which the next phase is missed too: a
// worker that was late once would make everybody sleep in every phase. So
// workers are patient, longer than a time slice that another process may take
// from one of them. Where workers share cores, the one that is waited for may
// need this very core: they give it up between looks.
const patience = 10 * time.Millisecond

// A worker looks that often before it looks at the clock, or gives up its core.
const (
	looks        = 64
	crowdedLooks = 4
)

func (p *Pool) looks() int {
	if p.crowded {
		return crowdedLooks
	}
	return looks
}

// look reports whether ready holds, now or in the next moment.
func (p *Pool) look(ready func() bool) bool {
	for range p.looks() {
		if ready() {
			return true
		}
		pause()
	}
	return false
}

func (p *Pool) wait(ready func() bool) {
	for start := (time.Time{}); !p.look(ready); {
		now := time.Now()
		if start.IsZero() {
			start = now
		}
		if now.Sub(start) > p.patience || p.drowsy.Load() {
			p.park(ready)
			return
		}
		if p.crowded {
			yield()
		}
	}
}

func (p *Pool) park(ready func() bool) {
	p.mu.Lock()
	p.parked.Add(1)
	for !ready() {
		p.cond.Wait()
	}
	p.parked.Add(-1)
	p.mu.Unlock()
}

// wake must follow the change that a parked worker waits for. The order of
// the two atomic accesses on either side (parked, then condition; condition,
// then parked) makes a lost wake-up impossible.
func (p *Pool) wake() {
	if p.parked.Load() > 0 {
		p.mu.Lock()
		p.cond.Broadcast()
		p.mu.Unlock()
	}
}
