package bench

import (
	"fmt"
	"slices"
	"strings"

	"qgo/bench/roofline"
)

// Verdict says in a sentence how near a result comes to the machine's bound.
func (r *Result) Verdict() string {
	if r.Measured == nil {
		return ""
	}
	return r.Subject(nil) + " " + conclude([]*Result{r})
}

// Verdicts says how near qgo's results come to the machine's bound: one
// sentence for all results of a model of which the same holds.
func Verdicts(results []*Result) (sentences []string) {
	results = Own(results)
	varying := Varying(results)
	groups := map[string][]*Result{}
	var order []string
	for _, r := range results {
		if r.Measured == nil {
			continue
		}
		key := strings.Join([]string{r.what(), r.Words(LabelSize, LabelDevice), r.finding()}, "\n")
		if groups[key] == nil {
			order = append(order, key)
		}
		groups[key] = append(groups[key], r)
	}
	for _, key := range order {
		group := groups[key]
		about := group[0].Details(varying)
		if len(group) > 1 {
			about += "; also " + others(group)
		}
		sentences = append(sentences, fmt.Sprintf("%s (%s) %s", group[0].what(), about, conclude(group)))
	}
	return sentences
}

// Own are qgo's results.
func Own(results []*Result) (own []*Result) {
	for _, r := range results {
		if r.Engine == "qgo" {
			own = append(own, r)
		}
	}
	return own
}

// mostOthers is the number of results of a sentence that are named beside the
// first.
const mostOthers = 6

// others says in what the results of a group differ from its first.
func others(group []*Result) string {
	var all []string
	for _, r := range group[1:] {
		if text := r.Beside(group[0]); text != "" && !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	switch more := len(all) - mostOthers; {
	case len(all) == 0:
		return "measured again"
	case more > 1:
		return fmt.Sprintf("%s and %d more", strings.Join(all[:mostOthers], ", "), more)
	}
	return strings.Join(all, ", ")
}

// finding is what a verdict says, without the numbers of its result.
func (r *Result) finding() string {
	switch {
	case r.Impossible:
		return "is above its bound, which is impossible: the timing or the count of bytes is wrong"
	case r.Cached():
		return "cached"
	}
	return fmt.Sprintf("is bound by %s: %s its bound", r.limit(), nearness(r.OfMeasured))
}

// conclude is the verdict on results with the same finding.
func conclude(group []*Result) string {
	first := group[0]
	switch {
	case first.Impossible:
		return first.finding()
	case first.Cached():
		return fmt.Sprintf("reads %s GB/s, more than memory gives: the model stays in the caches", span(group, "%.1f", func(r *Result) float64 { return r.GBS }))
	}
	share := span(group, "%.0f", func(r *Result) float64 { return 100 * r.OfMeasured })
	if len(group) > 1 {
		return fmt.Sprintf("%s (%s %%)", first.finding(), share)
	}
	return fmt.Sprintf("%s of %.1f t/s (%s %%)%s", first.finding(), first.Measured.Rate, share, first.slowest())
}

// span is the range of a value over results, in the form of one number where
// that is the same.
func span(group []*Result, form string, value func(*Result) float64) string {
	var all Sample
	for _, r := range group {
		all = append(all, value(r))
	}
	lo, hi := fmt.Sprintf(form, slices.Min(all)), fmt.Sprintf(form, slices.Max(all))
	if lo == hi {
		return lo
	}
	return lo + " to " + hi
}

// limit says what sets the bound, with numbers.
func (r *Result) limit() string {
	switch b := r.Measured; {
	case b.Binds == roofline.Launches && b.LaunchRate*r.Launches > 0:
		return fmt.Sprintf("launches: %.4g kernels a token, %.1f µs each at the least", r.Launches, 1e6/(b.LaunchRate*r.Launches))
	case b.Binds == roofline.Exchanges && b.ExchangeRate*r.Exchanges > 0:
		return fmt.Sprintf("exchanges: %.4g times a token all multiprocessors need a vector that they make together, %.2f µs each at the least", r.Exchanges, 1e6/(b.ExchangeRate*r.Exchanges))
	}
	return r.BoundBy()
}

// BoundBy says what sets the measured bound.
func (r *Result) BoundBy() string {
	b := r.Measured
	switch {
	case b.Binds == roofline.Launches:
		return "launches of kernels"
	case b.Binds == roofline.Exchanges:
		return "vectors that multiprocessors exchange"
	case b.Binds == roofline.Compute && len(b.Parts) > 0:
		return "what GPU and CPU multiply"
	case b.Binds == roofline.Compute && r.OnGPU():
		return "what the GPU multiplies"
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
