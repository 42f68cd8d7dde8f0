package html

import (
	"fmt"
	"math"
	"slices"

	"qgo/bench"
	"qgo/bench/roofline"
	"qgo/gguf/show"
)

// rooflineChart shows both phases of the results of one machine under what it
// can do.
func rooflineChart(report *bench.Report, all []run) *chart {
	c := &chart{
		Title: "Roofline", X: &axis{Label: "operations per byte read", Log: true}, Y: &axis{Label: "GFLOP/s", Log: true},
		Caption: "A point below a line could be faster: by memory on the slope, by arithmetic under the flat part. Grey lines are limits by the best measurements; the dashed reference is another machine, not this one's measure.",
	}
	name := nameBy(all, []dim{dimModel, dimEngine, dimDevice, dimThreads})
	phase := func(r run) string {
		if r.phase() == prefill {
			return prefill
		}
		return decode
	}
	var shown []run
	for _, r := range all {
		if b := r.Measured; b != nil && b.Intensity > 0 && r.GFLOPS > 0 {
			shown = append(shown, r)
		}
	}
	c.group(shown, func(r run) string { return phase(r) + " of " + name(r) }, func(r run) (float64, float64, string) {
		return r.Measured.Intensity, r.GFLOPS, r.test() + ": " + number(r.rate()) + " tokens/s"
	})
	c.group(shown, func(r run) string { return prefill + " of " + name(r) }, func(r run) (float64, float64, string) {
		if r.phase() != decode || r.PrefillTS <= 0 || r.Cost == nil {
			return math.NaN(), 0, ""
		}
		w := roofline.Prefill(*r.Cost, r.Prompt, 0, max(r.Batch, 1)) // a request has both phases
		return w.Intensity(), r.PrefillTS * w.FLOP / float64(w.Tokens) / 1e9, r.test() + ": " + number(r.PrefillTS) + " tokens/s"
	})
	c.Series = slices.DeleteFunc(c.Series, func(s series) bool { return len(s.Points) == 0 })
	if len(c.Series) == 0 {
		return nil
	}
	for i := range c.Apart { // they stand by their rate, not by operations
		c.Apart[i].Text += " (GFLOP/s)"
	}
	c.paint()
	c.roofs(report)
	c.reach()
	return c
}

// roofs adds the limits of the machine, over the range of the points.
func (c *chart) roofs(report *bench.Report) {
	lo, hi := 1.0, 1000.0
	for _, s := range c.Series {
		for _, p := range s.Points {
			lo, hi = min(lo, p[0]), max(hi, p[0])
		}
	}
	hi *= 4
	var labels []float64
	roof := func(name string, dash bool, bandwidth, peak float64) {
		if bandwidth <= 0 || peak <= 0 || !finite(bandwidth, peak) {
			return
		}
		s := series{Name: name, As: asLine, Colour: grey, Dash: dash}
		s.add(lo, min(lo*bandwidth, peak)/1e9, "")
		if ridge := peak / bandwidth; ridge > lo && ridge < hi {
			s.add(ridge, peak/1e9, "")
		}
		end := min(hi*bandwidth, peak) / 1e9
		s.add(hi, end, "")
		const near = 1.35 // labels of lines nearer than that would cover each other
		s.Label = !slices.ContainsFunc(labels, func(v float64) bool { return v < near*end && end < near*v })
		if s.Label {
			labels = append(labels, end)
		}
		c.Series = append(c.Series, s)
	}
	const most = 12
	if g := report.GPU; g != nil {
		peak := g.Peak()
		roof(fmt.Sprintf("%s: %s %s GFLOP/s, %s GB/s", show.Text(g.Name), show.Text(peak.Type), number(peak.Best/1e9), number(g.Read.Best/1e9)), false, g.Read.Best, peak.Best)
	}
	ceilings := slices.Clone(report.Ceilings) // that of the most threads has the labels
	slices.SortStableFunc(ceilings, func(a, b *bench.Ceilings) int { return b.Threads - a.Threads })
	n := 0
	for _, ceiling := range ceilings {
		with := bench.Threads(ceiling.Threads)
		if ceiling.PowerMode != "" {
			with += ", " + show.Text(string(ceiling.PowerMode))
		}
		for _, peak := range ceiling.Peaks {
			if n++; n <= most {
				roof(fmt.Sprintf("%s %s GOP/s, %s GB/s, %s", show.Text(peak.Type), number(peak.Best/1e9), number(ceiling.Read.Best/1e9), with), false, ceiling.Read.Best, peak.Best)
			}
		}
	}
	if m := report.Reference; m.Bandwidth > 0 && m.FP32 > 0 {
		peak, typ := m.Peak()
		roof(fmt.Sprintf("reference: %s, %s %s GOP/s, %s GB/s", show.Text(m.Name), show.Text(typ), number(peak/1e9), number(m.Bandwidth/1e9)), true, m.Bandwidth, peak)
	}
}

// memoryChart shows decode against what a token reads, under the bounds by the
// probes of one machine.
func memoryChart(_ *bench.Report, all []run) *chart {
	c := &chart{
		Title: "Memory and performance", X: &axis{Label: "GB read per token"}, Y: &axis{Label: "decode, tokens/s"},
		Caption: "What a token reads, weights and KV cache, against how many tokens come a second. The line is the bound by the best probe of the bandwidth, which nothing but caches passes; the dashed one is that by the median of the probes, above which half of the time may be.",
	}
	var shown []run
	for _, r := range all {
		if r.Measured != nil && r.Measured.Bytes > 0 && decodeRate(r) > 0 {
			shown = append(shown, r)
		}
	}
	c.group(shown, nameBy(shown, []dim{dimModel, dimEngine, dimDevice, dimThreads}), func(r run) (float64, float64, string) {
		return r.Measured.Bytes / 1e9, decodeRate(r), r.test() + ", " + with(r)
	})
	if len(c.Series) == 0 {
		return nil
	}
	c.paint()
	hi := 0.0
	for _, s := range c.Series {
		for _, p := range s.Points {
			hi = max(hi, p[0])
		}
	}
	c.reach()
	for _, gpu := range []bool{false, true} {
		var probes bench.Sample
		for _, r := range shown {
			if r.OnGPU() == gpu && !r.elsewhere() {
				probes = append(probes, r.probes()...)
			}
		}
		if len(probes) > 0 {
			on := ""
			if gpu {
				on = " of the GPU's memory"
			}
			c.curve("bound by the best probe"+on, slices.Max(probes)/1e9, hi, false)
			c.curve("bound by the median of the probes"+on, probes.Median()/1e9, hi, true)
		}
	}
	return c
}

// probes are the bandwidths around the result's repetitions.
func (r run) probes() (all bench.Sample) {
	for i := range r.Reps {
		for _, v := range []float64{r.Reps[i].Before, r.Reps[i].After} {
			if v > 0 {
				all = append(all, v)
			}
		}
	}
	return all
}

// curve adds the rates that a bandwidth allows, as far as the axes reach.
func (c *chart) curve(name string, bandwidth, hi float64, dash bool) {
	s := series{Name: fmt.Sprintf("%s, %s GB/s", name, number(bandwidth)), As: asLine, Colour: grey, Dash: dash}
	c.X.Hi = max(c.X.Hi, digits(1.3*hi))
	c.Y.Hi = max(c.Y.Hi, digits(1.3*bandwidth/hi))
	const steps = 60
	for i := range steps + 1 {
		if x := c.X.Hi * float64(i) / steps; x > 0 && bandwidth/x <= c.Y.Hi {
			s.add(x, bandwidth/x, "")
		}
	}
	c.Series = append(c.Series, s)
}

// maxCurves is the number of distributions that are drawn.
const maxCurves = 24

// itlChart shows how many gaps between tokens are how long.
func itlChart(all []run) *chart {
	c := &chart{Title: "Distribution of inter-token latencies", X: &axis{Label: "gap between tokens, ms", Log: true}, Y: &axis{Label: "gaps at most so long, %"}}
	var shown []run
	for _, r := range all {
		n := 0
		for i := range r.Reps {
			n += len(r.Reps[i].Gaps)
		}
		if n > 1 {
			shown = append(shown, r)
		}
	}
	left := max(len(shown)-maxCurves, 0)
	shown = shown[:len(shown)-left]
	if len(shown) == 0 {
		return nil
	}
	name := namer(shown)
	hi := 0.0
	for _, r := range shown {
		var gaps bench.Sample
		for i := range r.Reps {
			for _, g := range r.Reps[i].Gaps {
				gaps = append(gaps, max(float64(g), 1)/1e6)
			}
		}
		slices.Sort(gaps)
		hi = max(hi, gaps[int(0.995*float64(len(gaps)-1))])
		s := series{Name: name(r), As: asSteps}
		step := max(len(gaps)/200, 1)
		for i := 0; i < len(gaps); i += step {
			s.add(gaps[i], 100*float64(i+1)/float64(len(gaps)), "")
		}
		s.add(gaps[len(gaps)-1], 100, "")
		c.Series = append(c.Series, s)
	}
	c.paint()
	c.reach()
	for i := range c.Series { // what would stretch the axis for a few gaps
		s := &c.Series[i]
		for len(s.Points) > 1 && s.Points[len(s.Points)-1][0] > hi {
			s.Points = s.Points[:len(s.Points)-1]
		}
	}
	c.X.Ticks = nil
	c.reach()
	c.Y.Hi = 100
	c.Caption = "Cumulative share of the gaps; the slowest half per cent is cut off."
	if left > 0 {
		c.Caption += fmt.Sprintf(" %s more are left out.", count(left, "result"))
	}
	return c
}
