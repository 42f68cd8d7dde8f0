package bench

import (
	"math"
	"path/filepath"

	"golang.org/x/perf/benchmath"
	"gonum.org/v1/gonum/stat/distuv"
)

// confidence is that of all intervals.
const confidence = 0.95

// Ratio is how many times as fast one engine is as another.
type Ratio struct {
	Ratio  float64 `json:"ratio"`
	Lo, Hi float64 // bounds of the confidence interval
	Pairs  int     `json:"pairs,omitempty"`
}

// PairedRatio compares repetitions that took turns: it is the geometric mean
// of the ratios of pairs, with the interval of Student's t over their
// logarithms. The interval of fewer than two pairs is endless.
func PairedRatio(ours, theirs Sample) Ratio {
	n := min(len(ours), len(theirs))
	var ratios Sample
	for i := range n {
		if ours[i] > 0 && theirs[i] > 0 {
			ratios = append(ratios, math.Log(ours[i]/theirs[i]))
		}
	}
	r := Ratio{Pairs: len(ratios), Ratio: math.Exp(ratios.Mean()), Lo: 0, Hi: math.Inf(1)}
	if len(ratios) < 2 {
		return r
	}
	r.interval(ratios.Mean(), ratios.Stddev()/math.Sqrt(float64(len(ratios))), float64(len(ratios)-1))
	return r
}

// interval sets the bounds of a ratio from its logarithm, the standard error
// of that, and the degrees of freedom.
func (r *Ratio) interval(mean, err, freedom float64) {
	half := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: freedom}.Quantile(1-(1-confidence)/2) * err
	r.Lo, r.Hi = math.Exp(mean-half), math.Exp(mean+half)
}

// UnpairedRatio compares repetitions that were measured at different times:
// the ratio of the geometric means, with the interval of Welch (1947) over the
// logarithms. Its interval is endless if either has fewer than two.
func UnpairedRatio(ours, theirs Sample) Ratio {
	a, b := logs(ours), logs(theirs)
	mean := a.Mean() - b.Mean()
	r := Ratio{Ratio: math.Exp(mean), Lo: 0, Hi: math.Inf(1)}
	if len(a) < 2 || len(b) < 2 {
		return r
	}
	va, vb := a.Stddev()*a.Stddev()/float64(len(a)), b.Stddev()*b.Stddev()/float64(len(b))
	freedom := float64(len(a) + len(b) - 2)
	if va+vb > 0 {
		freedom = (va + vb) * (va + vb) / (va*va/float64(len(a)-1) + vb*vb/float64(len(b)-1))
	}
	r.interval(mean, math.Sqrt(va+vb), freedom)
	return r
}

// logs are the logarithms of the positive values.
func logs(s Sample) (all Sample) {
	for _, v := range s {
		if v > 0 {
			all = append(all, math.Log(v))
		}
	}
	return all
}

// Contest is a pair of results of the same test by qgo and another engine.
type Contest struct {
	Ours, Theirs *Result
	Ratio
}

// Ratios compares qgo's results with those of other engines in the same test,
// with the same file and threads.
func (r *Report) Ratios() (all []Contest) {
	for _, ours := range r.Results {
		for _, theirs := range r.Results {
			if ours.Engine != "qgo" || theirs.Engine == "qgo" || ours.Test() != theirs.Test() ||
				filepath.Base(ours.ModelFilename) != filepath.Base(theirs.ModelFilename) || ours.Threads != theirs.Threads {
				continue
			}
			ratio := PairedRatio
			if !theirs.Paired {
				ratio = UnpairedRatio
			}
			all = append(all, Contest{ours, theirs, ratio(ours.Rates(), theirs.Rates())})
		}
	}
	return all
}

// Rates are the rates of a result by which it is compared: of decode where it
// has both phases.
func (r *Result) Rates() Sample {
	if r.Scenario != "" || r.Prompt > 0 && r.Gen > 0 {
		return r.rates()
	}
	return r.SamplesTS
}

// Change is how a result differs from an earlier one.
type Change struct {
	Old, New    *Result
	OldRate     float64 // median
	NewRate     float64
	Delta       float64 // share by which the new one is faster
	P           float64 // probability of such a difference if there were none
	Significant bool
	OldN, NewN  int
	TooFew      bool // for the test to find any difference
}

// alpha is the probability below which a difference counts.
const alpha = 0.05

// Compare matches the results of two reports, by engine, model, test and
// threads, and tests each pair with the U-test of Mann and Whitney (1947), as
// benchstat does. What has no partner comes back in unmatched.
func Compare(old, new *Report) (changes []Change, unmatched []*Result) {
	changes, unmatched = []Change{}, []*Result{} // no null in JSON
	left := map[contender][]*Result{}
	for _, o := range old.Results {
		left[o.contender()] = append(left[o.contender()], o)
	}
	for _, n := range new.Results {
		k := n.contender()
		if len(left[k]) == 0 {
			unmatched = append(unmatched, n)
			continue
		}
		changes = append(changes, change(left[k][0], n))
		left[k] = left[k][1:]
	}
	for _, o := range old.Results { // in their order
		if k := o.contender(); len(left[k]) > 0 && left[k][0] == o {
			unmatched = append(unmatched, o)
			left[k] = left[k][1:]
		}
	}
	return changes, unmatched
}

// contender is what two results must have in common to be compared.
type contender struct {
	Test
	engine, file string
	threads      int
}

func (r *Result) contender() contender {
	return contender{r.Test(), r.Engine, filepath.Base(r.ModelFilename), r.Threads}
}

func change(old, new *Result) Change {
	a, b := old.Rates(), new.Rates()
	c := Change{Old: old, New: new, OldRate: a.Median(), NewRate: b.Median(), OldN: len(a), NewN: len(b), P: 1}
	if c.OldRate > 0 {
		c.Delta = c.NewRate/c.OldRate - 1
	}
	if len(a) == 0 || len(b) == 0 {
		c.TooFew = true
		return c
	}
	thresholds := benchmath.DefaultThresholds
	thresholds.CompareAlpha = alpha
	test := benchmath.AssumeNothing.Compare(benchmath.NewSample(a, &thresholds), benchmath.NewSample(b, &thresholds))
	c.P = test.P
	c.Significant = c.P < alpha
	// Of n+m values ordered at random, one order in (n+m over n), times two
	// for both directions, is the most extreme: more than alpha for so few.
	c.TooFew = 2/binomial(len(a)+len(b), len(a)) > alpha
	return c
}

func binomial(n, k int) float64 {
	v := 1.0
	for i := 1; i <= k; i++ {
		v = v * float64(n-k+i) / float64(i)
	}
	return v
}
