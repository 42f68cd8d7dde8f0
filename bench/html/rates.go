package html

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"qgo/bench"
)

// sweep is something of which a rate can be a function.
type sweep struct {
	name, label string
	x           dim
	of          func(run) int
	prefillOnly bool
}

var sweeps = []sweep{
	{name: "threads", label: "threads", x: dimThreads, of: func(r run) int { return r.Threads }},
	{name: "depth", label: "tokens in the KV cache before", x: dimDepth, of: func(r run) int { return r.Depth }},
	{name: "batch", label: "tokens in a batch", x: dimBatch, of: func(r run) int { return r.Batch }},
	{name: "prompt length", label: "tokens of the prompt", x: dimTest, of: func(r run) int { return r.Prompt }, prefillOnly: true},
}

// sweepCharts shows the rate of each phase by what varies.
func sweepCharts(all []run) (list []*chart) {
	for _, s := range sweeps {
		for _, phase := range []string{prefill, decode, both} {
			if s.prefillOnly && phase != prefill || s.x == dimBatch && phase == decode {
				continue // the batch is that of prefill
			}
			if c := s.chart(all, phase); c != nil {
				list = append(list, c)
			}
		}
	}
	return list
}

// chart joins results that differ in nothing but x; nil if there are none.
func (s sweep) chart(all []run, phase string) *chart {
	groups := map[[dims]string][]run{}
	var order [][dims]string
	for _, r := range all {
		if r.phase() != phase || r.rate() <= 0 || s.of(r) == 0 && s.x != dimDepth {
			continue
		}
		key := without(r.values, s.x)
		if groups[key] == nil {
			order = append(order, key)
		}
		groups[key] = append(groups[key], r)
	}
	order = slices.DeleteFunc(order, func(key [dims]string) bool { return distinct(groups[key], []dim{s.x}) < 2 })
	if len(order) == 0 {
		return nil
	}
	var shown []run
	for _, key := range order {
		shown = append(shown, groups[key]...)
	}
	name := namer(shown, s.x)
	c := &chart{Title: strings.ToUpper(phase[:1]) + phase[1:] + " by " + s.name, X: &axis{Label: s.label}, Y: &axis{Label: "tokens/s"}}
	var values []float64
	lo, hi := 0.0, 0.0
	for _, key := range order {
		group := groups[key]
		slices.SortStableFunc(group, func(a, b run) int { return cmp.Compare(s.of(a), s.of(b)) })
		line := series{Name: name(group[0]), As: asBoth}
		for _, r := range group {
			x := float64(s.of(r))
			if !slices.Contains(values, x) {
				values = append(values, x)
			}
			if r.apart {
				c.Apart = append(c.Apart, apart{x, name(r) + ": " + number(r.rate()) + " tokens/s, impossible"})
				continue
			}
			line.add(x, r.rate(), spread(r))
			if lo == 0 || r.rate() < lo {
				lo = r.rate()
			}
			hi = max(hi, r.rate())
		}
		if len(line.Points) > 0 {
			c.Series = append(c.Series, line)
		}
	}
	if len(c.Series) == 0 {
		return nil
	}
	slices.Sort(values)
	const few = 9
	if len(values) <= few {
		c.X.Ticks = values
	}
	c.X.Log = values[0] > 0
	c.Y.Log = hi > wide*lo
	c.paint()
	c.reach()
	c.Caption = "Median rates; a line joins results that differ in nothing but " + s.name + "."
	return c
}

// spread is what a tip says of the repetitions of a rate.
func spread(r run) string {
	n := len(r.Rates())
	if n < 2 {
		return " "
	}
	return fmt.Sprintf("± %s, %s", number(r.Rates().Stddev()), count(n, "repetition"))
}

// bySize plots a figure of each result against the size of its model. No line
// joins models: they differ in more than size.
func bySize(all []run, title, label string, value func(run) float64) *chart {
	var shown []run
	for _, r := range all {
		if value(r) > 0 && r.ModelSize > 0 {
			shown = append(shown, r)
		}
	}
	if distinct(shown, []dim{dimModel}) < 2 {
		return nil
	}
	unit, per := "GB", 1e9
	if !slices.ContainsFunc(shown, func(r run) bool { return r.ModelSize > 2e8 }) {
		unit, per = "MB", 1e6
	}
	c := &chart{Title: title, X: &axis{Label: "size of the model's file, " + unit}, Y: &axis{Label: label}}
	c.group(shown, namer(shown, dimModel, dimBatch, dimBuild, dimFile, dimAgain), func(r run) (float64, float64, string) {
		return float64(r.ModelSize) / per, value(r), r.values[dimModel] + ", " + with(r)
	})
	if len(c.Series) == 0 {
		return nil
	}
	lo, hi := math.Inf(1), 0.0
	for _, s := range c.Series {
		for _, p := range s.Points {
			lo, hi = min(lo, p[1]), max(hi, p[1])
		}
	}
	c.Y.Log = hi > wide*lo
	c.paint()
	c.reach()
	return c
}

// group adds a series of dots for each name; what is impossible stands apart.
func (c *chart) group(all []run, name func(run) string, at func(run) (x, y float64, tip string)) {
	index := map[string]int{}
	for i, s := range c.Series {
		index[s.Name] = i
	}
	for _, r := range all {
		x, y, tip := at(r)
		n := name(r)
		if r.apart && finite(x, y) {
			c.Apart = append(c.Apart, apart{digits(x), n + ": " + number(y) + ", impossible"})
			continue
		}
		if !finite(x, y) {
			continue
		}
		i, ok := index[n]
		if !ok {
			i = len(c.Series)
			index[n], c.Series = i, append(c.Series, series{Name: n, As: asDots})
		}
		c.Series[i].add(x, y, cmp.Or(tip, " "))
	}
}

func ttftChart(all []run) *chart {
	c := bySize(all, "Time to first token and model size", "median time to first token, s", func(r run) float64 {
		if r.TTFT == nil {
			return 0
		}
		return r.TTFT.P50 / 1000
	})
	if c != nil {
		c.Caption = "From the request with its text to the text of the first token: template, tokeniser and prefill, with the model loaded."
	}
	return c
}

func sizeChart(all []run) *chart {
	c := bySize(all, "Decode and model size", "decode, tokens/s", decodeRate)
	if c != nil {
		c.Caption = "Median rate of the tokens after the first."
	}
	return c
}

// decodeRate is the rate of decode, 0 if there was none.
func decodeRate(r run) float64 {
	if r.phase() != decode {
		return 0
	}
	return r.rate()
}

// maxGroups is the number of tests in which platforms are compared.
const maxGroups = 30

// platformChart compares machines and engines: rows for each test, scaled to
// the best possible rate of the test.
func platformChart(all []run) *chart {
	who := nameBy(all, []dim{dimEngine, dimMachine, dimDevice})
	best := map[string]map[string]run{} // test, then platform
	var tests, platforms []string
	for _, r := range all {
		test := r.values[dimModel] + " " + r.test()
		if r.rate() <= 0 {
			continue
		}
		if best[test] == nil {
			tests, best[test] = append(tests, test), map[string]run{}
		}
		if !slices.Contains(platforms, who(r)) {
			platforms = append(platforms, who(r))
		}
		old, ok := best[test][who(r)]
		if !ok || old.apart && !r.apart || old.apart == r.apart && r.rate() > old.rate() {
			best[test][who(r)] = r
		}
	}
	tests = slices.DeleteFunc(tests, func(t string) bool { return len(best[t]) < 2 })
	if len(tests) == 0 {
		return nil
	}
	left := max(len(tests)-maxGroups, 0)
	c := &chart{Title: "Platforms and engines", Caption: "Median rate in each test (of decode in scenarios), with the threads and the batch that are best for it; the bar is its share of the test's best."}
	if left > 0 {
		c.Caption += fmt.Sprintf(" %s more are left out.", count(left, "test"))
	}
	for _, test := range tests[:len(tests)-left] {
		top := 0.0
		for _, r := range best[test] {
			if !r.apart {
				top = max(top, r.rate())
			}
		}
		c.Bars = append(c.Bars, bar{Head: test, Colour: grey})
		for i, p := range platforms {
			if r, ok := best[test][p]; ok {
				c.Bars = append(c.Bars, platformBar(r, p, i, top))
			}
		}
	}
	return c
}

func platformBar(r run, name string, i int, top float64) bar {
	b := bar{Name: name, Colour: i, Text: number(r.rate()) + " t/s", Tip: with(r)}
	if i >= colours {
		b.Colour = grey
	}
	if r.apart {
		b.Text += ", impossible"
	} else if top > 0 {
		b.Share = digits(100 * r.rate() / top)
	}
	return b
}

// with is how a result was set.
func with(r run) string {
	var parts []string
	for _, d := range []dim{dimThreads, dimBatch, dimKV, dimFile} {
		if v := r.values[d]; v != "" {
			parts = append(parts, v)
		}
	}
	return strings.Join(parts, ", ")
}

// heatChart shows decode in every scenario by every model.
func heatChart(all []run) *chart {
	var shown []run
	for _, r := range all {
		if r.Scenario != "" && r.DecodeTS > 0 && finite(r.DecodeTS, 0) {
			shown = append(shown, r)
		}
	}
	if len(shown) == 0 {
		return nil
	}
	name := namer(shown, dimTest)
	h := &heat{Unit: "tokens/s"}
	for _, s := range bench.Scenarios { // in their order, and then others
		if slices.ContainsFunc(shown, func(r run) bool { return r.test() == s.Name() }) {
			h.Columns = append(h.Columns, s.Name())
		}
	}
	const maxColumns = 12
	left := 0
	c := &chart{Title: "Scenarios and models", Heat: h, Caption: "Median rate of decode in tokens/s; darker is faster, and the scale begins at 0. ! marks what is impossible."}
	for _, r := range shown {
		x, y := slices.Index(h.Columns, r.test()), slices.Index(h.Rows, name(r))
		if x < 0 {
			if len(h.Columns) == maxColumns {
				left++
				continue
			}
			x, h.Columns = len(h.Columns), append(h.Columns, r.test())
		}
		if y < 0 {
			y, h.Rows, h.Values = len(h.Rows), append(h.Rows, name(r)), append(h.Values, make([]*float64, maxColumns))
		}
		v := digits(r.DecodeTS)
		if r.apart {
			v = -v // charts.js shows it, but not on the scale
		}
		h.Values[y][x], h.Most = &v, max(h.Most, v)
	}
	for y := range h.Values {
		h.Values[y] = h.Values[y][:len(h.Columns)]
	}
	if left > 0 {
		c.Caption += fmt.Sprintf(" %s of further scenarios are left out.", count(left, "result"))
	}
	return c
}
