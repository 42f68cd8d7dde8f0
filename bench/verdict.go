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
	return fmt.Sprintf("%s is bound by %s: %s its bound of %.1f t/s (%.0f %%)%s", what, r.limit(), nearness(r.OfMeasured), b.Rate, 100*r.OfMeasured, r.slowest())
}

// limit says what sets the bound.
func (r *Result) limit() string {
	b := r.Measured
	switch {
	case b.Binds == roofline.Launches && b.LaunchRate*r.Launches > 0:
		return fmt.Sprintf("launches: %.4g kernels a token, %.1f µs each at the least", r.Launches, 1e6/(b.LaunchRate*r.Launches))
	case b.Binds == roofline.Compute && len(b.Parts) > 0:
		return "what GPU and CPU multiply"
	case b.Binds == roofline.Compute && r.OnGPU():
		return "what the GPU multiplies in float32"
	case b.Binds == roofline.Compute:
		return "what the CPU multiplies"
	case len(b.Parts) > 0:
		return "what the memories of GPU and CPU read"
	case r.OnGPU():
		return "what the GPU's memory reads"
	}
	return "what memory reads"
}

// slowest says, of a model on two devices, which takes most of the time.
func (r *Result) slowest() string {
	if len(r.Measured.Parts) != 2 || r.Measured.Parts[0].Rate == 0 {
		return ""
	}
	cpu := r.Measured.Rate / r.Measured.Parts[0].Rate
	return fmt.Sprintf(", of whose time the CPU takes %.0f %% and the GPU %.0f %%", 100*cpu, 100*(1-cpu))
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
	rates := r.rates()
	for _, state := range []string{Slow, Mixed, Fast} {
		var probes, cpuProbes, rate Sample
		for i := range r.Reps {
			if r.Reps[i].State == state {
				b := r.Reps[i].probed()
				if b.main == 0 {
					continue
				}
				probes, cpuProbes, rate = append(probes, b.main), append(cpuProbes, b.cpu), append(rate, rates[i])
			}
		}
		if len(rate) > 0 {
			s := StateRate{State: state, Reps: len(rate), Bandwidth: probes.Median(), Rate: rate.Median()}
			s.Share = s.Rate / r.bound(probed{main: s.Bandwidth, cpu: cpuProbes.Median()}, Limits{}).Rate
			all = append(all, s)
		}
	}
	return all
}
