package bench

import (
	"math"
	"slices"
)

// apart is the ratio of bandwidths from which on two probes are said to have
// seen the machine in two states.
const apart = 1.25

// States are the levels between which the memory's bandwidth moves:
// on a shared host, or where something else runs now and then, one average
// would be true at no time.
type States struct {
	Slow  float64 `json:"slow"` // median of the slow probes, 0 if there is one state
	Fast  float64 `json:"fast"` // median of the others
	Split float64 `json:"split"`
	Flips int     `json:"flips"` // from one state to the other, in order of time
}

// FindStates sorts probes, in order of time, into a fast and a slow state: at
// the widest gap, by ratio, between neighbours of their order, if those on
// either side of it are far enough apart.
func FindStates(probes Sample) States {
	if len(probes) == 0 {
		return States{}
	}
	sorted := slices.Sorted(slices.Values(probes))
	widest, at := 1.0, 0
	for i := 1; i < len(sorted); i++ {
		if r := sorted[i] / sorted[i-1]; r > widest {
			widest, at = r, i
		}
	}
	slow, fast := Sample(sorted[:at]), Sample(sorted[at:])
	if at == 0 || fast.Median()/slow.Median() < apart {
		return States{Fast: Sample(sorted).Median()}
	}
	s := States{Slow: slow.Median(), Fast: fast.Median(), Split: math.Sqrt(sorted[at-1] * sorted[at])}
	for i := 1; i < len(probes); i++ {
		if s.Of(probes[i]) != s.Of(probes[i-1]) {
			s.Flips++
		}
	}
	return s
}

// Two reports whether there are two states.
func (s States) Two() bool { return s.Slow > 0 }

// Names of states.
const (
	Steady = "steady"
	Slow   = "slow"
	Fast   = "fast"
	Mixed  = "mixed" // slow before and fast after, or the other way round
)

// Of is the state that a probe saw.
func (s States) Of(probe float64) string {
	switch {
	case !s.Two():
		return Steady
	case probe < s.Split:
		return Slow
	}
	return Fast
}

// Around is the state of what ran between two probes.
func (s States) Around(before, after float64) string {
	b, a := s.Of(before), s.Of(after)
	if a != b {
		return Mixed
	}
	return a
}
