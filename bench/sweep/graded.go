package sweep

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/dustin/go-humanize/english"

	"qgo/bench"
	"qgo/bench/roofline"
)

// Graded is a cell with its verdicts.
type Graded struct {
	*Cell
	Verdicts []Verdict // in the order of the plan's engines
}

// Best is the verdict against the engine that is fastest in the cell.
func (g *Graded) Best() *Verdict {
	best := &g.Verdicts[0]
	for i := range g.Verdicts {
		if v := &g.Verdicts[i]; v.Rate > best.Rate {
			best = v
		}
	}
	return best
}

// Grade grades all cells by the result's own rule: the losses first, and of equal
// grades the smaller ratio.
func (r *Result) Grade() (all []Graded) {
	for _, c := range r.Cells {
		all = append(all, Graded{c, c.Verdicts(&r.Plan.Rule)})
	}
	slices.SortStableFunc(all, func(a, b Graded) int {
		x, y := a.Best(), b.Best()
		return cmp.Or(slices.Index(Grades, x.Grade)-slices.Index(Grades, y.Grade), cmp.Compare(x.Ratio.Ratio, y.Ratio.Ratio))
	})
	return all
}

// Missing is the number of the plan's cells that have not been measured.
func (r *Result) Missing() int { return r.Plan.cells() - len(r.Cells) }

// Count says in words how many cells have which grade.
func Count(all []Graded) string {
	counts := map[Grade]int{}
	for i := range all {
		counts[all[i].Best().Grade]++
	}
	var parts []string
	for _, g := range slices.Backward(Grades) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[g], g))
	}
	return fmt.Sprintf("Against the fastest other engine of each cell, of %s: %s.", english.Plural(len(all), "cell", ""), strings.Join(parts, ", "))
}

// Words says the rule in a sentence.
func (r *Rule) Words() string {
	return fmt.Sprintf("%d pairs must hold, of at most %d turns. A turn does not hold if what binds the test, the memory's bandwidth or the CPU's peak, moved by more than %.0f %% between the probes before, within and after it, or others took more than %.0f %% of the CPUs' time; beside busy loops all hold. "+
		"By the 95 %% interval of the mean ratio of the pairs, a cell is level if the interval lies within %.0f %% of 1, else ahead if it lies above 1, behind if it lies below, and void if it holds 1 or too few pairs hold. An engine that takes longer than %.0f s for a turn is late, and is left out after %d times.",
		r.Pairs, r.Most, 100*r.Steady, 100*r.Foreign, 100*r.Level, r.Patience, patienceFor)
}

// Bounds says between what the ratio lies, "" if it has no interval.
func Bounds(r bench.Ratio) string {
	if r.Pairs < 2 {
		return ""
	}
	return fmt.Sprintf("%.2f to %.2f", r.Lo, r.Hi)
}

// Words says the ratio in a state, such as "1.04 (0.98 to 1.10, 5 pairs) at 24.1
// GB/s".
func (s *StateRatio) Words(binds string) string {
	text := english.Plural(s.Pairs, "pair", "")
	if b := Bounds(s.Ratio); b != "" {
		text = b + ", " + text
	}
	unit := "GB/s"
	if binds == roofline.Compute {
		unit = "GOP/s"
	}
	return fmt.Sprintf("%.2f (%s) at %.1f %s", s.Ratio.Ratio, text, s.Level/1e9, unit)
}
