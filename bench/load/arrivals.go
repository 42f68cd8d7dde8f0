package load

import (
	"math/rand/v2"
	"sync"
	"time"
)

// arrivals say when requests arrive. In a closed loop one arrives when a user
// is free. In an open loop they arrive as a Poisson process whatever the
// engine does, and those that find all users busy wait for one, in order.
type arrivals struct {
	span time.Duration        // none is taken after it; 0 means no limit
	gap  func() time.Duration // to the next arrival; nil in a closed loop

	mu      sync.Mutex
	taken   int
	left    int           // requests that may still be taken
	at      time.Duration // of the latest arrival in an open loop
	waiting int           // arrivals that nobody had taken when the span ended
}

func newArrivals(p *Plan, users int) *arrivals {
	a := &arrivals{span: p.Span, left: maxRequests}
	if p.Span == 0 {
		a.left = users * p.Requests
	}
	if p.Rate > 0 {
		a.gap = poisson(p.Rate, p.Seed)
	}
	return a
}

// poisson returns the gaps of a Poisson process: exponential ones, whose mean is
// 1/rate. They are the same for the same seed.
func poisson(rate float64, seed uint64) func() time.Duration {
	rng := rand.New(rand.NewPCG(seed, 0))
	return func() time.Duration { return time.Duration(rng.ExpFloat64() / rate * float64(time.Second)) }
}

// next takes a request for a user who is free now: its number and when it
// arrives, or arrived. ok is false if there are no more.
func (a *arrivals) next(now time.Duration) (n int, at time.Duration, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.left > 0 {
		at = now
		if a.gap != nil {
			a.at += a.gap()
			at = a.at
		}
		if a.span > 0 && at >= a.span {
			a.left = 0
			break
		}
		a.left--
		if a.span > 0 && now >= a.span {
			a.waiting++
			continue
		}
		a.taken++
		return a.taken - 1, at, true
	}
	return 0, 0, false
}
