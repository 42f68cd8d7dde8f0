package html

import (
	"fmt"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
)

// ticks are at round numbers: 1, 2 or 5 times a power of ten.
type ticks struct{}

// Ticks returns about six ticks.
func (ticks) Ticks(lo, hi float64) (all []plot.Tick) {
	step := math.Pow(10, math.Floor(math.Log10((hi-lo)/6)))
	for _, f := range []float64{1, 2, 5, 10} {
		if (hi-lo)/(f*step) <= 8 {
			step *= f
			break
		}
	}
	first := math.Ceil(lo / step)
	for i := range 10 { // of a step that is lost in rounding, not for ever
		if v := (first + float64(i)) * step; v <= hi+step/1e6 {
			all = append(all, plot.Tick{Value: v, Label: fmt.Sprintf("%.6g", v)})
		}
	}
	return all
}

// logarithmic reports whether an axis is.
func logarithmic(a *plot.Axis) bool {
	_, is := a.Scale.(plot.LogScale)
	return is
}

// decades is the length of a logarithmic axis at most.
const decades = 1e12

// settle gives an axis a range that can be drawn, whatever the data are: the
// library panics at a logarithmic one that is not above 0, and divides by the
// length of any.
func settle(a *plot.Axis) {
	finite := !math.IsInf(a.Min, 0) && !math.IsNaN(a.Min) && !math.IsInf(a.Max, 0) && !math.IsNaN(a.Max)
	if logarithmic(a) {
		if !finite || a.Max <= 0 {
			a.Min, a.Max = 1, 10
		}
		if a.Min = max(a.Min, a.Max/decades); a.Max < 1.001*a.Min {
			a.Max = 10 * a.Min
		}
		return
	}
	if !finite {
		a.Min, a.Max = 0, 1
	}
	const least = 1e-6 // of the numbers themselves
	if size := max(math.Abs(a.Min), math.Abs(a.Max)); !(a.Max-a.Min > least*size) {
		a.Min, a.Max = a.Min-max(size/2, least), a.Max+max(size/2, least)
	}
}

// maxPoints is the number of points of a line that are drawn: more than a
// page's width has.
const maxPoints = 2000

// drawable are the points that a plot can show, thinned out if there are many.
func drawable(p *plot.Plot, xy plotter.XYs) (all plotter.XYs) {
	step := (len(xy) + maxPoints - 1) / maxPoints
	shows := func(a *plot.Axis, v float64) bool {
		return !math.IsNaN(v) && !math.IsInf(v, 0) && (v > 0 || !logarithmic(a))
	}
	for i := 0; i < len(xy); i += step {
		if shows(&p.X, xy[i].X) && shows(&p.Y, xy[i].Y) {
			all = append(all, xy[i])
		}
	}
	return all
}
