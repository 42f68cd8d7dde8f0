package bench

import (
	"fmt"
	"math"
	"slices"

	"golang.org/x/perf/benchmath"
)

// CompareSchema is the version of [Comparison] as JSON.
const CompareSchema = "qgo.bench.compare/1"

// Comparison is what changed from one report to another.
type Comparison struct {
	Schema string `json:"schema"`
	// OldMachine and NewMachine are the machines' names.
	OldMachine string    `json:"old_machine"`
	NewMachine string    `json:"new_machine"`
	Changes    []Change  `json:"changes"`
	Unmatched  []*Result `json:"unmatched"` // results of either without a partner
}

// Verdicts on a change.
const (
	Faster   = "faster"
	Slower   = "slower"
	NoChange = "no change"
	Unclear  = "unclear" // the rates differ, but the conditions may be why
	TooFew   = "too few"
)

// Change is how a result differs from an earlier one.
type Change struct {
	Old           *Result    `json:"old"`
	New           *Result    `json:"new"`
	OldConditions Conditions `json:"old_conditions"`
	NewConditions Conditions `json:"new_conditions"`
	OldRate       float64    `json:"old_rate"` // median
	NewRate       float64    `json:"new_rate"`
	OldN          int        `json:"old_repetitions"`
	NewN          int        `json:"new_repetitions"`
	Difference
	// Weighed are the differences of the rates after they were divided by the
	// conditions that may explain them.
	Weighed []Weighed `json:"weighed"`
	// Least is the share from which on a difference counts: repetitions of
	// one binary differ by as much.
	Least   float64  `json:"least"`
	TooFew  bool     `json:"too_few"`           // for the test to find any difference
	Verdict string   `json:"verdict"`           // [Faster], [Slower] and so on
	Cause   string   `json:"cause,omitempty"`   // of the verdict, in words
	Differs []string `json:"differs,omitempty"` // labels that differ, such as [LabelKernels]
}

// Difference is that of two samples of rates.
type Difference struct {
	Delta       float64 `json:"delta"` // share by which the new median is larger
	P           float64 `json:"p"`     // probability of such a difference if there were none
	Significant bool    `json:"significant"`

	spread float64 // the larger distance of the quartiles, as a share of its median
}

// alpha is the probability below which a difference counts.
const alpha = 0.05

// smallest is the least share that counts as a difference.
const smallest = 0.01

// Compare pairs the results of two reports by all that identifies them but the
// kernels, and says of each pair whether it changed: see [Change]. It is an
// error if nothing can be paired, or if it is ambiguous what to pair. Reports
// of different machines are [ErrMachines] unless across is set.
func Compare(old, new *Report, across bool) (*Comparison, error) {
	if !across && !sameMachine(old, new) {
		return nil, fmt.Errorf("the results are %w, %s and %s", ErrMachines, old.MachineName(), new.MachineName())
	}
	olds, news := old.subjects(across), new.subjects(across)
	if err := twice(olds); err != nil {
		return nil, fmt.Errorf("the old file %w", err)
	}
	if err := twice(news); err != nil {
		return nil, fmt.Errorf("the new file %w", err)
	}
	partners, err := pair(olds, news)
	if err != nil {
		return nil, err
	}
	c := &Comparison{CompareSchema, old.MachineName(), new.MachineName(), []Change{}, []*Result{}}
	oldLoad, newLoad := newLoadCurve(&old.Series), newLoadCurve(&new.Series)
	for n, o := range partners {
		if o < 0 {
			c.Unmatched = append(c.Unmatched, new.Results[n])
			continue
		}
		a, b := old.Results[o], new.Results[n]
		c.Changes = append(c.Changes, newChange(a, b, old.conditions(a, oldLoad), new.conditions(b, newLoad)))
	}
	for o, r := range old.Results {
		if !slices.Contains(partners, o) {
			c.Unmatched = append(c.Unmatched, r)
		}
	}
	if len(c.Changes) == 0 {
		return nil, fmt.Errorf("the files have no result in common: the old one has %s, the new one %s", olds[0].FullName(), news[0].FullName())
	}
	return c, nil
}

func newChange(old, new *Result, before, after Conditions) Change {
	a, b := old.Rates(), new.Rates()
	c := Change{
		Old: old, New: new, OldConditions: before, NewConditions: after, Weighed: []Weighed{},
		OldRate: a.Median(), NewRate: b.Median(), OldN: len(a), NewN: len(b), Difference: difference(a, b),
	}
	for _, name := range Varying([]*Result{old, new}) {
		known := old.Label(name) != "" && new.Label(name) != "" || name == LabelRepack
		if known && slices.Contains(compared, name) {
			c.Differs = append(c.Differs, name)
		}
	}
	// Of n+m values ordered at random, one order in (n+m over n), times two
	// for both directions, is the most extreme: more than alpha for so few.
	c.TooFew = len(a) == 0 || len(b) == 0 || 2/binomial(len(a)+len(b), len(a)) > alpha
	c.weigh(a, b)
	c.Verdict, c.Cause = c.judge()
	return c
}

// difference compares two samples by the U-test of Mann and Whitney (1947), as
// benchstat does.
func difference(old, new Sample) Difference {
	d := Difference{P: 1, spread: max(old.spread(), new.spread())}
	if m := old.Median(); m > 0 {
		d.Delta = new.Median()/m - 1
	}
	if len(old) == 0 || len(new) == 0 {
		return d
	}
	thresholds := benchmath.DefaultThresholds
	thresholds.CompareAlpha = alpha
	old, new = slices.Clone(old), slices.Clone(new) // which are sorted
	d.P = benchmath.AssumeNothing.Compare(benchmath.NewSample(old, &thresholds), benchmath.NewSample(new, &thresholds)).P
	d.Significant = d.P < alpha
	return d
}

// counts reports whether a difference is more than chance and noise.
func (c *Change) counts(d Difference) bool { return d.Significant && math.Abs(d.Delta) > c.Least }

func binomial(n, k int) float64 {
	v := 1.0
	for i := 1; i <= k; i++ {
		v = v * float64(n-k+i) / float64(i)
	}
	return v
}
