package bench

import (
	"fmt"
	"math"
	"strings"
)

// Conditions by which differences are weighed.
const (
	// ByBandwidth divides each repetition's rate by the bandwidth probed
	// around it, where memory binds.
	ByBandwidth = "bandwidth"
	// ByPeak divides it by the peak of arithmetic probed around it, where the
	// CPU's compute binds.
	ByPeak = "peak"
	// ByLoad divides it by the share of the CPUs' time that others left.
	ByLoad = "foreign load"
	// BySharedCPU divides the slower rates by what others left of one CPU if
	// all of their load was on that one, for threads wait for the slowest of
	// them, and the faster ones by what they left if it was on all alike.
	BySharedCPU = "a shared CPU"
)

// Weighed is a difference of rates that were divided by what may explain it.
type Weighed struct {
	By []string `json:"by"`
	Difference
	Stands bool `json:"stands"` // it counts, in the direction of the rates
}

// explanation is a combination of conditions with their values, repetition by
// repetition.
type explanation struct {
	names    []string
	old, new Sample
}

// explanations are the conditions that both files tell, alone and together.
func (c *Change) explanations() (all []explanation) {
	before, after := &c.OldConditions, &c.NewConditions
	if before.free != nil && after.free != nil {
		all = append(all, explanation{[]string{ByLoad}, before.free, after.free})
		if max(before.busy(), after.busy()) > noticed {
			old, new := before.free.Mean(), after.slowestShare()
			if c.Delta > 0 {
				old, new = before.slowestShare(), after.free.Mean()
			}
			all = append(all, explanation{[]string{BySharedCPU}, repeat(old, c.OldN), repeat(new, c.NewN)})
		}
	}
	if before.binds == "" || before.binds != after.binds {
		return all
	}
	load := all
	all = append([]explanation{{[]string{before.binds}, before.probes, after.probes}}, load...)
	for _, e := range load {
		all = append(all, explanation{append([]string{before.binds}, e.names...), multiply(before.probes, e.old), multiply(after.probes, e.new)})
	}
	return all
}

// weigh finds what is left of the difference of the rates when they are divided
// by each explanation.
func (c *Change) weigh(old, new Sample) {
	c.Least = c.spread
	probed := math.Inf(1) // the least spread of what was divided by probes, with their noise
	for _, by := range c.explanations() {
		w := Weighed{By: by.names, Difference: difference(divide(old, by.old), divide(new, by.new))}
		c.Weighed = append(c.Weighed, w)
		if c.Least = min(c.Least, w.spread); w.probed() {
			probed = min(probed, w.spread)
		}
	}
	c.Least = max(c.Least, smallest)
	for i := range c.Weighed {
		w := &c.Weighed[i]
		w.Stands = c.counts(w.Difference) && w.Delta < 0 == (c.Delta < 0) && (!w.probed() || math.Abs(w.Delta) > probed)
	}
}

// probed reports whether the rates were divided by probes.
func (w *Weighed) probed() bool { return w.By[0] == ByBandwidth || w.By[0] == ByPeak }

// repeat is a value n times.
func repeat(v float64, n int) Sample {
	s := make(Sample, n)
	for i := range s {
		s[i] = v
	}
	return s
}

func multiply(a, b Sample) Sample {
	s := make(Sample, min(len(a), len(b)))
	for i := range s {
		s[i] = a[i] * b[i]
	}
	return s
}

func divide(a, b Sample) Sample {
	s := make(Sample, min(len(a), len(b)))
	for i := range s {
		s[i] = a[i] / b[i]
	}
	return s
}

// judge is the verdict and why: a difference of the rates is one only if no
// condition explains it.
func (c *Change) judge() (verdict, cause string) {
	switch {
	case c.TooFew:
		return TooFew, fmt.Sprintf("%d and %d repetitions", c.OldN, c.NewN)
	case !c.Significant:
		return NoChange, c.hidden()
	case !c.counts(c.Difference):
		return NoChange, fmt.Sprintf("repetitions of the same binary differ by %.1f %%", 100*c.Least)
	}
	var doubt *Weighed
	for i := range c.Weighed {
		if w := &c.Weighed[i]; !w.Stands && (doubt == nil || !c.explained(doubt) && c.explained(w)) {
			doubt = w
		}
	}
	if doubt != nil {
		return Unclear, c.explain(doubt)
	}
	if c.Delta < 0 {
		return Slower, ""
	}
	return Faster, ""
}

// hidden says where the rates do not differ, but would have if what binds them
// had been the same.
func (c *Change) hidden() string {
	by := c.OldConditions.binds
	if by == "" || by != c.NewConditions.binds {
		return ""
	}
	first := &c.Weighed[0]
	for i := range c.Weighed {
		if w := &c.Weighed[i]; w.By[0] == by && (!c.counts(w.Difference) || w.Delta < 0 != (first.Delta < 0)) {
			return "" // there is none, or the foreign load may be why
		}
	}
	return fmt.Sprintf("but divided by the %s, the change is %s", c.differences(first.By), percent(first.Delta))
}

// explained reports whether less than half is left of a difference of the rates
// that does not stand, or its sign is another one.
func (c *Change) explained(w *Weighed) bool {
	return w.Delta < 0 != (c.Delta < 0) || math.Abs(w.Delta) <= c.Least || math.Abs(w.Delta) < math.Abs(c.Delta)/2
}

// explain says how conditions explain a difference of the rates.
func (c *Change) explain(w *Weighed) string {
	text := c.differences(w.By)
	if c.explained(w) {
		return "explained by the " + text
	}
	return fmt.Sprintf("divided by the %s, the change is %s, which may be chance or noise (p=%.3f)", text, percent(w.Delta), w.P)
}

// differences says how conditions differed.
func (c *Change) differences(by []string) string {
	before, after := &c.OldConditions, &c.NewConditions
	var all []string
	for _, name := range by {
		switch name {
		case ByBandwidth:
			all = append(all, "bandwidth, which differed by "+percent(after.Bandwidth/before.Bandwidth-1))
		case ByPeak:
			all = append(all, "peak, which differed by "+percent(after.Peak/before.Peak-1))
		case ByLoad:
			all = append(all, fmt.Sprintf("foreign load, which was %.0f %% and then %.0f %% of the CPUs", 100**before.Foreign, 100**after.Foreign))
		case BySharedCPU:
			all = append(all, fmt.Sprintf("foreign load, which took %.1f and then %.1f CPUs, perhaps all of it from one thread, for which the others wait", before.busy(), after.busy()))
		}
	}
	return strings.Join(all, ", and the ")
}

// percent is a change as text.
func percent(delta float64) string { return fmt.Sprintf("%+.1f %%", 100*delta) }
