package bench

import (
	"slices"
	"time"

	"qgo/bench/machine"
)

// AddEnergy sets the energy of all repetitions from the series of a monitor.
func (r *Result) AddEnergy(s *machine.Series) {
	var perToken Sample
	for i := range r.Reps {
		rep := &r.Reps[i]
		if j, ok := s.Energy(rep.Start, rep.Start+time.Duration(rep.NS)); ok {
			rep.Joules = j
			perToken = append(perToken, j/float64(max(rep.Prompt+rep.Gen, 1)))
		}
	}
	r.JoulesPerToken = perToken.Median()
}

// OfRequests reports whether repetitions are requests: their energy is that of prompt and answer.
func (r *Result) OfRequests() bool {
	return slices.ContainsFunc(r.Reps, func(rep Rep) bool { return rep.Prompt > 0 && rep.Gen > 0 })
}

// TokensPerJoule is how many tokens, of prompt and answer, a joule is enough
// for; 0 if it is not known.
func (r *Result) TokensPerJoule() float64 {
	if r.JoulesPerToken <= 0 {
		return 0
	}
	return 1 / r.JoulesPerToken
}

// Watts is the mean power of the repetitions; 0 if it is not known.
func (r *Result) Watts() float64 {
	var joules float64
	var ns int64
	for i := range r.Reps {
		if rep := &r.Reps[i]; rep.Joules > 0 {
			joules, ns = joules+rep.Joules, ns+rep.NS
		}
	}
	if ns <= 0 {
		return 0
	}
	return joules / (float64(ns) / 1e9)
}

// BestMode are the power modes in which a test is fastest and in which it takes
// the least energy.
type BestMode struct {
	All     []*Result // one in each mode
	Fastest *Result
	Thrifty *Result // nil if no energy is known
}

// BestModes compares the power modes of each of qgo's tests that was measured
// in several.
func BestModes(results []*Result) (all []BestMode) {
	byKey := map[string]*BestMode{}
	var order []string
	results = slices.DeleteFunc(Own(results), func(r *Result) bool { return r.PowerMode == "" })
	free := []string{LabelPower}
	if !sweepsThreads(results) {
		free = append(free, LabelThreads) // fewer where a mode switches CPUs off
	}
	for _, r := range results {
		k := r.except(free...)
		b := byKey[k]
		if b == nil {
			b = &BestMode{Fastest: r}
			byKey[k] = b
			order = append(order, k)
		}
		b.All = append(b.All, r)
		if r.Rates().Median() > b.Fastest.Rates().Median() {
			b.Fastest = r
		}
		if r.JoulesPerToken > 0 && (b.Thrifty == nil || r.JoulesPerToken < b.Thrifty.JoulesPerToken) {
			b.Thrifty = r
		}
	}
	for _, k := range order {
		if b := byKey[k]; len(b.All) > 1 {
			all = append(all, *b)
		}
	}
	return all
}

// sweepsThreads reports whether there are several numbers of threads in one
// power mode.
func sweepsThreads(results []*Result) bool {
	threads := map[machine.PowerMode]int{}
	for _, r := range results {
		if n, ok := threads[r.PowerMode]; ok && n != r.Threads {
			return true
		}
		threads[r.PowerMode] = r.Threads
	}
	return false
}
