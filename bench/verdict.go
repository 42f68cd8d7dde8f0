package bench

import (
	"fmt"

	"qgo/bench/roofline"
)

// Verdict says in a sentence how near a result comes to the machine's bound.
func (r *Result) Verdict() string {
	b := r.Measured
	if b == nil {
		return ""
	}
	what := "prefill"
	if r.Decodes() {
		what = "decode"
	}
	if r.Impossible {
		return fmt.Sprintf("%s is above its bound, which is impossible: the timing or the count of bytes is wrong", what)
	}
	if r.Cached() {
		return fmt.Sprintf("%s reads %.1f GB/s, more than memory gives: the model stays in the caches", what, r.GBS)
	}
	limit := "memory reads"
	if b.Binds == roofline.Compute {
		limit = "the CPU multiplies"
	}
	return fmt.Sprintf("%s is bound by what %s: %s its bound of %.1f t/s (%.0f %%)", what, limit, nearness(r.OfMeasured), b.Rate, 100*r.OfMeasured)
}

// nearness is a share of a bound in words.
func nearness(share float64) string {
	switch {
	case share >= 0.9:
		return "at"
	case share >= 0.7:
		return "near"
	case share >= 0.4:
		return "half way to"
	}
	return "far from"
}

// StateRate is what a result was while the memory was in one state.
type StateRate struct {
	State     string
	Reps      int
	Bandwidth float64 // median of the probes around, bytes a second
	Rate      float64 // median, tokens a second
	Share     float64 // of the bound by those probes
}

// ByState groups the repetitions by the state of the bandwidth.
func (r *Result) ByState() (all []StateRate) {
	if r.Cost == nil || !r.Bandwidth.Two() {
		return nil
	}
	w, rates := r.work(), r.rates()
	for _, state := range []string{Slow, Mixed, Fast} {
		var probes, rate Sample
		for i := range r.Reps {
			if r.Reps[i].State == state {
				probes, rate = append(probes, r.Reps[i].probed()), append(rate, rates[i])
			}
		}
		if len(rate) > 0 {
			s := StateRate{State: state, Reps: len(rate), Bandwidth: probes.Median(), Rate: rate.Median()}
			s.Share = s.Rate / w.Bound(s.Bandwidth, 0).Rate
			all = append(all, s)
		}
	}
	return all
}
