package sweep

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"qgo/bench"
	"qgo/bench/roofline"
)

// Grade is what a cell is called.
type Grade string

// The grades, as qgo stands to another engine: the losses first.
const (
	Behind Grade = "behind" // the whole interval of the ratio is below 1
	Void   Grade = "void"   // too few pairs held, or they do not decide
	Level  Grade = "level"  // the whole interval is within the rule's level of 1
	Ahead  Grade = "ahead"  // the whole interval is above 1
)

// Grades in the order of tables.
var Grades = []Grade{Behind, Void, Level, Ahead}

// Verdict is how qgo stands to an engine in a cell.
type Verdict struct {
	Engine  string
	Ours    float64     // median of qgo's rates in the turns that hold, tokens a second
	Rate    float64     // of the engine's
	Ratio   bench.Ratio // qgo's rate by the engine's
	Grade   Grade
	Reason  string       // of a void cell, or where an engine gave nothing
	ByState []StateRatio // if there were two states
}

// StateRatio is the ratio within a state of what was probed.
type StateRatio struct {
	State string
	Level float64 // median of the probes
	bench.Ratio
}

// voids are reasons for which a turn does not hold.
const (
	moved = "the %s moved by more than %.0f %%"
	taken = "others took more than %.0f %% of the CPUs' time"
)

// void says why a turn does not hold, "" if it does. Beside busy loops all hold.
func (c *Cell) void(t *Turn, r *Rule) string {
	if c.Busy > 0 {
		return "" // the probes share the CPUs with the loops
	}
	probes, what := t.Bandwidth, "bandwidth"
	switch c.Binds {
	case roofline.Memory:
	case roofline.Compute:
		probes, what = t.Peak, "peak"
	default:
		probes = nil
	}
	lo, hi := math.Inf(1), 0.0
	for _, p := range probes {
		lo, hi = min(lo, p), max(hi, p)
	}
	if hi > lo*(1+r.Steady) {
		return fmt.Sprintf(moved, what, 100*r.Steady)
	}
	for _, f := range t.Foreign {
		if f > r.Foreign {
			return fmt.Sprintf(taken, 100*r.Foreign)
		}
	}
	return ""
}

// holding are the turns that hold, and the reasons of the others with their
// numbers.
func (c *Cell) holding(r *Rule) (held []*Turn, voids map[string]int) {
	voids = map[string]int{}
	for i := range c.Turns {
		t := &c.Turns[i]
		if why := c.void(t, r); why != "" {
			voids[why]++
		} else {
			held = append(held, t)
		}
	}
	return held, voids
}

// Verdicts grade a cell against each engine, in the order of the plan.
func (c *Cell) Verdicts(r *Rule) (all []Verdict) {
	held, voids := c.holding(r)
	for i := range c.Engines {
		if i > 0 {
			all = append(all, c.against(i, r, held, voids))
		}
	}
	return all
}

// against grades a cell against the engine with that index.
func (c *Cell) against(engine int, r *Rule, held []*Turn, voids map[string]int) Verdict {
	e := &c.Engines[engine]
	v := Verdict{Engine: e.Name}
	var ours, theirs, all bench.Sample
	for _, t := range held {
		all = append(all, t.Rates[0])
		if t.Rates[engine] > 0 {
			ours, theirs = append(ours, t.Rates[0]), append(theirs, t.Rates[engine])
		}
	}
	v.Ours, v.Rate, v.Ratio = all.Median(), theirs.Median(), bench.PairedRatio(ours, theirs)
	switch {
	case e.Late > 0 && len(theirs) == 0 && len(all) > 0:
		v.Grade, v.Reason = Ahead, fmt.Sprintf("no result in %.0f s, %d times", r.Patience, e.Late)
	case len(theirs) == 0 && e.Error != "":
		v.Grade, v.Reason = Void, "it gave no result: "+e.Error
	case len(theirs) < r.Pairs:
		v.Grade, v.Reason = Void, fmt.Sprintf("%d of %d pairs hold", len(theirs), len(c.Turns))
		for _, why := range slices.Sorted(maps.Keys(voids)) {
			v.Reason += fmt.Sprintf("; in %d %s", voids[why], why)
		}
	default:
		v.Grade = r.grade(v.Ratio)
		if v.Grade == Void {
			v.Reason = fmt.Sprintf("%d pairs do not decide: the ratio lies between %.2f and %.2f", v.Ratio.Pairs, v.Ratio.Lo, v.Ratio.Hi)
		}
		if c.Busy == 0 {
			v.ByState = c.byState(engine, held)
		}
	}
	return v
}

// grade grades a ratio of enough pairs.
func (r *Rule) grade(x bench.Ratio) Grade {
	switch {
	case x.Lo >= 1/(1+r.Level) && x.Hi <= 1+r.Level:
		return Level
	case x.Lo > 1:
		return Ahead
	case x.Hi < 1:
		return Behind
	}
	return Void
}

// pairsOfState is of how many pairs a state's ratio is, at least.
const pairsOfState = 3

// byState are the ratios within the states of what binds the cell, if there were
// two, as far as there are enough pairs.
func (c *Cell) byState(engine int, held []*Turn) (all []StateRatio) {
	level := func(t *Turn) float64 {
		if c.Binds == roofline.Compute {
			return bench.Sample(t.Peak).Mean()
		}
		return bench.Sample(t.Bandwidth).Mean()
	}
	var probes bench.Sample
	for _, t := range held {
		probes = append(probes, level(t))
	}
	states := bench.FindStates(probes)
	if !states.Two() {
		return nil
	}
	for _, name := range []string{bench.Slow, bench.Fast} {
		var ours, theirs, of bench.Sample
		for i, t := range held {
			if states.Of(probes[i]) == name && t.Rates[engine] > 0 {
				ours, theirs, of = append(ours, t.Rates[0]), append(theirs, t.Rates[engine]), append(of, probes[i])
			}
		}
		if len(of) >= pairsOfState {
			all = append(all, StateRatio{name, of.Median(), bench.PairedRatio(ours, theirs)})
		}
	}
	return all
}
