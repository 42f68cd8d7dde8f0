package html

import (
	"fmt"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/palette"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"qgo/bench"
	"qgo/gguf/show"
)

// platformFigure compares machines and engines: a group of bars for each test,
// scaled to the best of the test.
func platformFigure(_ []*bench.Report, all []run) *figure {
	who := func(r run) string { return r.Engine + " on " + r.machine() }
	type cell struct{ who, test string }
	rates := map[cell]float64{}
	best := map[string]float64{}
	what := func(r run) string { return r.file() + " " + r.Test().Name() }
	for _, r := range all {
		v := r.MedianTS
		if r.Scenario != "" {
			v = r.DecodeTS
		}
		if v > 0 {
			c := cell{who(r), what(r)}
			rates[c] = max(rates[c], v)
			best[c.test] = max(best[c.test], v)
		}
	}
	platforms := names(all, who)
	// Only what two of them have done can be compared.
	tests := slices.DeleteFunc(names(all, what), func(test string) bool {
		n := 0
		for _, p := range platforms {
			if rates[cell{p, test}] > 0 {
				n++
			}
		}
		return n < 2
	})
	if len(tests) == 0 {
		return nil
	}
	p := newPlot("", "share of the test's best, %")
	bar := vg.Points(min(28, 300/float64(len(tests)*len(platforms))))
	for i, name := range platforms {
		var values plotter.Values
		for _, t := range tests {
			share := 0.0
			if best[t] > 0 {
				share = 100 * rates[cell{name, t}] / best[t]
			}
			values = append(values, share)
		}
		chart, err := plotter.NewBarChart(values, bar)
		if err != nil {
			return nil
		}
		chart.Color, chart.LineStyle.Width = colour(i), 0
		chart.Offset = bar * vg.Length(float64(i)-float64(len(platforms)-1)/2)
		p.Add(chart)
		p.Legend.Add(show.Text(name), chart)
	}
	labels := make([]string, len(tests))
	for i, t := range tests {
		labels[i] = fmt.Sprintf("%s, %.5g t/s", show.Text(t), best[t])
	}
	p.NominalX(labels...)
	tilt(p, len(tests))
	p.Y.Min, p.Y.Max = 0, 100
	return &figure{title: "Platforms and engines", plot: p, caption: "Median rate in each test (of decode in scenarios), as a share of the best, which stands below."}
}

// tilt writes many labels of the x axis aslant.
func tilt(p *plot.Plot, n int) {
	if n > 3 {
		p.X.Tick.Label.Rotation = math.Pi / 6
		p.X.Tick.Label.XAlign, p.X.Tick.Label.YAlign = draw.XRight, draw.YCenter
	}
	p.X.Tick.Label.Font.Size = vg.Points(8)
}

// itlFigure shows how many gaps between tokens are how long.
func itlFigure(_ []*bench.Report, all []run) *figure {
	p := newPlot("gap between tokens, ms", "gaps at most so long, %")
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	grid(p)
	name := func(r run) string { return r.model() + " " + r.Test().Name() }
	if len(names(all, name)) > len(colours) {
		name = run.model // more curves than anybody can tell apart
	}
	count, lo, hi := 0, math.Inf(1), 0.0
	for _, curve := range names(all, name) {
		var gaps []float64
		for _, r := range all {
			if name(r) != curve {
				continue
			}
			for _, rep := range r.Reps {
				for _, g := range rep.Gaps {
					gaps = append(gaps, max(float64(g), 1)/1e6)
				}
			}
		}
		if len(gaps) < 2 {
			continue
		}
		slices.Sort(gaps)
		// A few hundred points draw the curve as well as all.
		step := max(len(gaps)/300, 1)
		var xy plotter.XYs
		for i := 0; i < len(gaps); i += step {
			xy = append(xy, plotter.XY{X: gaps[i], Y: 100 * float64(i+1) / float64(len(gaps))})
		}
		hi = max(hi, gaps[int(0.995*float64(len(gaps)-1))])
		lo = min(lo, gaps[0])
		line(p, curve, count, count >= len(colours), xy)
		count++
	}
	if count == 0 {
		return nil
	}
	p.X.Min, p.X.Max = lo, max(hi, 1.01*lo)
	p.Y.Min, p.Y.Max = 0, 100
	return &figure{title: "Distribution of inter-token latencies", plot: p, caption: "Cumulative share of the gaps; the slowest half per cent is cut off."}
}

// heat is the grid of a heat map.
type heat struct {
	values [][]float64 // [row][column], NaN for none
}

func (h heat) Dims() (columns, rows int) { return len(h.values[0]), len(h.values) }
func (h heat) Z(column, row int) float64 { return h.values[row][column] }
func (h heat) X(column int) float64      { return float64(column) }
func (h heat) Y(row int) float64         { return float64(row) }

// heatFigure shows decode in every scenario by every model.
func heatFigure(_ []*bench.Report, all []run) *figure {
	var requests []run
	for _, r := range all {
		if r.Scenario != "" && r.DecodeTS > 0 {
			requests = append(requests, r)
		}
	}
	if len(requests) == 0 {
		return nil
	}
	scenario := func(r run) string { return r.Scenario }
	columns, rows := names(requests, scenario), names(requests, run.model)
	h := heat{}
	var labels plotter.XYLabels
	lo, hi := math.Inf(1), 0.0
	for y, row := range rows {
		values := make([]float64, len(columns))
		for x, column := range columns {
			values[x] = math.NaN()
			for _, r := range requests {
				if r.model() == row && r.Scenario == column {
					values[x] = r.DecodeTS
					lo, hi = min(lo, r.DecodeTS), max(hi, r.DecodeTS)
				}
			}
			if !math.IsNaN(values[x]) {
				labels.XYs = append(labels.XYs, plotter.XY{X: float64(x), Y: float64(y)})
				labels.Labels = append(labels.Labels, fmt.Sprintf("%.1f", values[x]))
			}
		}
		h.values = append(h.values, values)
	}
	if hi == lo {
		lo = 0
	}
	p := newPlot("", "")
	m := plotter.NewHeatMap(h, blues{})
	m.Min, m.Max, m.NaN = lo, hi, color.Gray{240}
	p.Add(m)
	text, err := plotter.NewLabels(labels)
	if err != nil {
		return nil
	}
	for i := range text.TextStyle {
		text.TextStyle[i].XAlign, text.TextStyle[i].YAlign = draw.XCenter, draw.YCenter
		text.TextStyle[i].Font = p.X.Tick.Label.Font
		text.TextStyle[i].Font.Size = vg.Points(9)
	}
	p.Add(text)
	p.NominalX(shown(columns)...)
	p.NominalY(shown(rows)...)
	tilt(p, len(columns))
	return &figure{title: "Scenarios and models", plot: p, caption: "Median rate of decode in tokens/s; darker is faster."}
}

// shown are names as they are shown.
func shown(names []string) []string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = show.Text(name)
	}
	return all
}

// blues go from white to blue; text in black is legible on all of them.
type blues struct{}

func (blues) Colors() []color.Color {
	var all []color.Color
	for i := range 64 {
		f := float64(i) / 63
		all = append(all, color.RGBA{uint8(247 - 140*f), uint8(251 - 77*f), uint8(255 - 41*f), 255})
	}
	return all
}

var _ palette.Palette = blues{}

// bandwidthFigure shows every probe of the bandwidth in order of time, and what
// decode read between them.
func bandwidthFigure(_ []*bench.Report, all []run) *figure {
	p := newPlot("time, s", "GB/s")
	grid(p)
	var probes, reads plotter.XYs
	for _, r := range all {
		rates := r.Rates()
		for i, rep := range r.Reps {
			if rep.After == 0 || r.Engine != "qgo" || len(all) > 0 && r.report != all[0].report {
				continue
			}
			start, end := rep.Start.Seconds(), rep.Start.Seconds()+float64(rep.NS)/1e9
			if i == 0 {
				probes = append(probes, plotter.XY{X: start, Y: rep.Before / 1e9})
			}
			probes = append(probes, plotter.XY{X: end, Y: rep.After / 1e9})
			if median := rates.Median(); r.Decodes() && median > 0 {
				reads = append(reads, plotter.XY{X: (start + end) / 2, Y: r.GBS * rates[i] / median})
			}
		}
	}
	if len(probes) == 0 {
		return nil
	}
	line(p, "", 0, true, probes)
	points(p, "bandwidth, probed", 0, probes)
	if len(reads) > 0 {
		points(p, "read by decode", 1, reads)
	}
	p.Y.Min = 0
	return &figure{title: "Bandwidth during the run", plot: p, caption: "Probes before and after every repetition; where they jump, the machine changed under the measurement."}
}

// thermalFigure shows temperatures and the clock over time, in their units, on
// one axis each: °C, and the clock as a share of its highest.
func thermalFigure(reports []*bench.Report, _ []run) *figure {
	s := &reports[0].Series
	p := newPlot("time, s", "°C; clock in % of its highest; CPU use in %")
	grid(p)
	n := 0
	for i, z := range s.Zones {
		var xy plotter.XYs
		for _, x := range s.Samples {
			if i < len(x.Temps) && x.Temps[i] > 0 {
				xy = append(xy, plotter.XY{X: x.At.Seconds(), Y: x.Temps[i]})
			}
		}
		if len(xy) > 1 {
			line(p, z.Name+", °C", n, false, xy)
			n++
		}
	}
	highest, highestGPU := 0.0, 0.0
	for _, x := range s.Samples {
		highest, highestGPU = max(highest, x.Clock), max(highestGPU, x.GPUClock)
	}
	var clock, gpuClock, use plotter.XYs
	for i, x := range s.Samples {
		if x.Clock > 0 {
			clock = append(clock, plotter.XY{X: x.At.Seconds(), Y: 100 * x.Clock / highest})
		}
		if x.GPUClock > 0 {
			gpuClock = append(gpuClock, plotter.XY{X: x.At.Seconds(), Y: 100 * x.GPUClock / highestGPU})
		}
		if i > 0 {
			use = append(use, plotter.XY{X: x.At.Seconds(), Y: 100 * x.CPU})
		}
	}
	if len(clock) > 1 {
		line(p, fmt.Sprintf("CPU clock, of %.2f GHz", highest/1e9), n, true, clock)
		n++
	}
	if len(gpuClock) > 1 {
		line(p, fmt.Sprintf("GPU clock, of %.2f GHz", highestGPU/1e9), n, true, gpuClock)
		n++
	}
	if len(use) < 2 {
		return nil
	}
	line(p, "CPU use", n, true, use)
	p.Y.Min, p.Y.Max = 0, 110
	caption := "The first report's machine."
	if len(s.Zones) == 0 || highest == 0 {
		caption += " It has no temperature sensor or no clock that can be read."
	}
	return &figure{title: "Temperature and clock over time", plot: p, caption: caption}
}

// powerFigure shows the rails' power over time.
func powerFigure(reports []*bench.Report, _ []run) *figure {
	s := &reports[0].Series
	p := newPlot("time, s", "W")
	grid(p)
	n := 0
	for i, r := range s.Rails {
		var xy plotter.XYs
		for _, x := range s.Samples {
			if i < len(x.Watts) && x.Watts[i] >= 0 {
				xy = append(xy, plotter.XY{X: x.At.Seconds(), Y: x.Watts[i]})
			}
		}
		if len(xy) > 1 {
			line(p, r.Name, n, false, xy)
			n++
		}
	}
	if n == 0 {
		return nil
	}
	p.Y.Min = 0
	return &figure{title: "Power over time", plot: p, caption: "By the board's own sensors."}
}
