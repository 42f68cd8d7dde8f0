package bench

import (
	"math"

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
// with the same file and threads. What took turns is compared with the result
// that it took turns with.
func (r *Report) Ratios() (all []Contest) {
	for _, ours := range r.Results {
		for i, theirs := range r.Results {
			if !ours.rivals(theirs) {
				continue
			}
			ratio := UnpairedRatio
			if theirs.Paired {
				if ratio = PairedRatio; r.turnsOf(i) != ours {
					continue
				}
			}
			all = append(all, Contest{ours, theirs, ratio(ours.Rates(), theirs.Rates())})
		}
	}
	return all
}

// rivals reports whether a result of qgo may be compared with that of another
// engine.
func (r *Result) rivals(theirs *Result) bool {
	power := theirs.PowerMode == "" || r.PowerMode == theirs.PowerMode
	return power && r.Engine == "qgo" && theirs.Engine != "qgo" && r.Test() == theirs.Test() && r.fileName() == theirs.fileName() && r.Threads == theirs.Threads
}

// turnsOf is the result of qgo that the paired result with that index took
// turns with: the last one before it.
func (r *Report) turnsOf(index int) *Result {
	for i := index - 1; i >= 0; i-- {
		if r.Results[i].rivals(r.Results[index]) {
			return r.Results[i]
		}
	}
	return nil
}

// Rates are the rates of a result by which it is compared: of decode where it
// has both phases.
func (r *Result) Rates() Sample {
	if r.Scenario != "" || r.Prompt > 0 && r.Gen > 0 {
		return r.rates()
	}
	return r.SamplesTS
}
