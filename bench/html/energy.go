package html

import (
	"cmp"
	"fmt"
	"slices"

	"qgo/bench"
	"qgo/bench/machine"
	"qgo/gguf/show"
)

// energyChart shows, for what was measured in several power modes, how many
// tokens a joule is enough for against how many come a second.
func energyChart(all []run) *chart {
	c := &chart{
		Title: "Tokens per joule by power mode", X: &axis{Label: "tokens/s"}, Y: &axis{Label: "tokens/J"},
		Caption: "Each point is a power mode, whose name and mean power stand beside it: further right is faster, further up takes less energy. Energy is that of the rails that feed the whole board, or of CPU and GPU.",
	}
	groups := map[[dims]string][]run{}
	var shown []run
	for _, r := range all {
		if r.PowerMode != "" && r.TokensPerJoule() > 0 && r.rate() > 0 && !r.apart {
			key := without(r.values, dimPower)
			groups[key] = append(groups[key], r)
			shown = append(shown, r)
		}
	}
	shown = slices.DeleteFunc(shown, func(r run) bool { return len(groups[without(r.values, dimPower)]) < 2 })
	name := namer(shown, dimPower)
	for _, r := range shown {
		key := without(r.values, dimPower)
		group := groups[key]
		delete(groups, key) // once
		if group == nil {
			continue
		}
		slices.SortStableFunc(group, func(a, b run) int { return cmp.Compare(a.rate(), b.rate()) })
		line := series{Name: name(group[0]), As: asBoth}
		for _, x := range group {
			line.add(x.rate(), x.TokensPerJoule(), fmt.Sprintf("%s, %s W", x.values[dimPower], number(x.Watts())))
		}
		c.Series = append(c.Series, line)
	}
	if len(c.Series) == 0 {
		return nil
	}
	c.paint()
	c.reach()
	return c
}

// slowed marks what slowed the machine down.
func (c *chart) slowed(all []machine.Slowdown) {
	for _, s := range all[:min(len(all), maxMarks)] {
		when := digits(s.From.Seconds())
		c.Marks = append(c.Marks, mark{X: &when, Text: "at " + spanText(s) + " s: " + reasonText(s), Quiet: true})
	}
}

// slowdown is a row of the table of slowdowns.
type slowdown struct{ Time, Reason string }

// slowdowns are at most so many rows, and how many are left out.
func slowdowns(r *bench.Report, most int) (rows []slowdown, left int) {
	all := r.Series.AllSlowdowns()
	n := min(len(all), most)
	for _, s := range all[:n] {
		rows = append(rows, slowdown{spanText(s), reasonText(s)})
	}
	return rows, len(all) - n
}

// spanText says from when to when, in seconds.
func spanText(s machine.Slowdown) string {
	from, to := fmt.Sprintf("%.1f", s.From.Seconds()), fmt.Sprintf("%.1f", s.To.Seconds())
	if from == to {
		return from
	}
	return from + " to " + to
}

func reasonText(s machine.Slowdown) string {
	const longest = 200
	return cut(show.Lines(s.Reason), longest)
}
