package bench

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"qgo/gguf/show"
)

// Verify computes again what a report states and returns, in words, what does not
// follow from its repetitions and what cannot be. What other engines are known for
// without having taken part is left out: their repetitions are not there.
func (r *Report) Verify() (faults []string) {
	for i, c := range r.Ceilings {
		for name, rate := range c.rates() {
			if rate.Median > rate.Best || rate.Least > rate.Median || rate.Best > 0 && rate.Median <= 0 {
				faults = append(faults, fmt.Sprintf("ceilings[%d]: %s has a median of %.4g, between %.4g and %.4g", i, show.Text(name), rate.Median, rate.Least, rate.Best))
			}
		}
	}
	for i, res := range r.Results {
		if res.Engine != "qgo" && !res.Paired {
			continue
		}
		for _, fault := range r.verify(res) {
			faults = append(faults, fmt.Sprintf("results[%d], %s of %s: %s", i, show.Text(res.Test().Name()), show.Text(res.Engine), fault))
		}
	}
	return faults
}

// rates are all rates of ceilings, by name.
func (c *Ceilings) rates() map[string]Rate {
	all := map[string]Rate{"read": c.Read, "copy": c.Copy, "triad": c.Triad}
	for _, p := range c.Peaks {
		all["the peak of "+p.Type] = p.Rate
	}
	return all
}

// limits are those of the devices that a result was computed on.
func (r *Report) limits(res *Result) (l Limits) {
	l.Cache = r.Machine.Cache
	for _, c := range r.Ceilings {
		if c.Threads == res.Threads && c.PowerMode == res.PowerMode {
			l.CPU = c.limits()
		}
	}
	if r.GPU != nil {
		l.GPU = r.GPU.limits()
	}
	for _, c := range r.GPUModes {
		if c.PowerMode == res.PowerMode {
			l.GPU = c.limits()
		}
	}
	return l
}

func (r *Report) verify(res *Result) (faults []string) {
	var last time.Duration
	for i := range res.Reps {
		rep := &res.Reps[i]
		sum := rep.TTFT
		for _, gap := range rep.Gaps {
			sum += gap
		}
		switch {
		case rep.NS <= 0 || rep.Prompt+rep.Gen <= 0:
			faults = append(faults, fmt.Sprintf("repetition %d took %d ns for %d tokens", i+1, rep.NS, rep.Prompt+rep.Gen))
		case sum > rep.NS+rep.NS/1e6+1:
			faults = append(faults, fmt.Sprintf("the tokens of repetition %d took %d ns, and all of it %d", i+1, sum, rep.NS))
		case rep.Start < last && !res.Paired:
			faults = append(faults, fmt.Sprintf("repetition %d began before the one before it had ended", i+1))
		case !rep.Partial && (rep.Gen != res.Gen || res.Scenario == "" && rep.Prompt != res.Prompt):
			faults = append(faults, fmt.Sprintf("repetition %d is of %d and %d tokens, and not of %d and %d", i+1, rep.Prompt, rep.Gen, res.Prompt, res.Gen))
		}
		last = rep.Start + time.Duration(rep.NS)
	}
	again := *res
	again.Reps = slices.Clone(res.Reps)
	again.Summarise(r.limits(res), r.Reference)
	again.AddEnergy(&r.Series)
	stated, computed := numbers(res), numbers(&again)
	for _, name := range slices.Sorted(maps.Keys(stated)) {
		if a, b := stated[name], computed[name]; math.Abs(a-b) > 1e-6*max(math.Abs(a), math.Abs(b)) {
			faults = append(faults, fmt.Sprintf("%s is %.6g, and %.6g by its repetitions", show.Text(name), a, b))
		}
	}
	if again.Impossible {
		faults = append(faults, fmt.Sprintf("%.1f t/s are impossible: the bound by the best that was probed is lower", again.rates().Median()))
	}
	return faults
}

// numbers are all numbers of a result as it is written, by the path to each.
func numbers(res *Result) map[string]float64 {
	all := map[string]float64{}
	text, err := json.Marshal(res)
	if err != nil {
		return all // no number is infinite or none
	}
	var v any
	if json.Unmarshal(text, &v) != nil {
		return all
	}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case float64:
			all[path] = v
		case bool:
			if v {
				all[path] = 1
			}
		case map[string]any:
			for k, e := range v {
				walk(path+"."+k, e)
			}
		case []any:
			for i, e := range v {
				walk(fmt.Sprintf("%s[%d]", path, i), e)
			}
		}
	}
	for k, e := range v.(map[string]any) {
		walk(k, e)
	}
	return all
}
