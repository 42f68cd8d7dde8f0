package html

import (
	"fmt"
	"image/color"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"qgo/bench"
	"qgo/bench/roofline"
	"qgo/gguf/show"
)

// figure is a plot with what stands below it.
type figure struct {
	title, caption string
	plot           *plot.Plot
	width, height  vg.Length
}

// colours are those of Okabe and Ito, which people with colour-blindness can
// tell apart too.
var colours = []color.RGBA{
	{0, 114, 178, 255}, {213, 94, 0, 255}, {0, 158, 115, 255}, {204, 121, 167, 255},
	{86, 180, 233, 255}, {230, 159, 0, 255}, {90, 90, 90, 255},
}

func colour(i int) color.RGBA { return colours[i%len(colours)] }

var shapes = []draw.GlyphDrawer{draw.CircleGlyph{}, draw.BoxGlyph{}, draw.PyramidGlyph{}, draw.RingGlyph{}, draw.SquareGlyph{}, draw.CrossGlyph{}}

// newPlot returns an empty plot in the page's style.
func newPlot(x, y string) *plot.Plot {
	p := plot.New()
	sans := font.Font{Typeface: "Liberation", Variant: "Sans"}
	for _, f := range []*font.Font{&p.X.Label.TextStyle.Font, &p.Y.Label.TextStyle.Font, &p.X.Tick.Label.Font, &p.Y.Tick.Label.Font, &p.Legend.TextStyle.Font, &p.Title.TextStyle.Font} {
		size := f.Size
		*f = sans
		f.Size = size
	}
	p.Legend.TextStyle.Font.Size = vg.Points(9)
	p.Legend.Padding = vg.Points(2)
	p.X.Tick.Marker, p.Y.Tick.Marker = ticks{}, ticks{}
	p.X.Label.Text, p.Y.Label.Text = x, y
	p.X.Padding, p.Y.Padding = vg.Points(4), vg.Points(4)
	return p
}

// draw draws the figure with a margin, and its legend to the right, where it
// covers nothing.
func (f *figure) draw(c vg.CanvasSizer) {
	const margin = 10
	settle(&f.plot.X)
	settle(&f.plot.Y)
	area := draw.Crop(draw.New(c), margin, -margin, margin, -margin)
	legend := f.plot.Legend
	f.plot.Legend = plot.NewLegend()
	width := max(legend.Rectangle(area).Size().X, 0)
	f.plot.Draw(draw.Crop(area, 0, -width-2*margin, 0, 0))
	legend.Top, legend.Left, legend.XOffs = true, true, area.Size().X-width
	legend.Draw(area)
	f.plot.Legend = legend
}

// light is the style of lines behind the data.
func light() draw.LineStyle {
	return draw.LineStyle{Color: color.Gray{225}, Width: vg.Points(0.5)}
}

func grid(p *plot.Plot) {
	g := plotter.NewGrid()
	g.Horizontal, g.Vertical = light(), light()
	p.Add(g)
}

// line adds a line with a name.
func line(p *plot.Plot, name string, i int, dashed bool, xy plotter.XYs) {
	l := &plotter.Line{XYs: drawable(p, xy), LineStyle: draw.LineStyle{Color: colour(i), Width: vg.Points(1.5)}}
	if dashed {
		l.Dashes = []vg.Length{vg.Points(5), vg.Points(3)}
	}
	add(p, name, l, len(l.XYs))
}

// points adds points with a name.
func points(p *plot.Plot, name string, i int, xy plotter.XYs) {
	s := &plotter.Scatter{XYs: drawable(p, xy), GlyphStyle: draw.GlyphStyle{Color: colour(i), Radius: vg.Points(4), Shape: shapes[i%len(shapes)]}}
	add(p, name, s, len(s.XYs))
}

// add adds n points that are drawn in some way to a plot and its legend.
func add(p *plot.Plot, name string, how interface {
	plot.Plotter
	plot.Thumbnailer
}, n int) {
	if n == 0 {
		return
	}
	p.Add(how)
	if name != "" {
		p.Legend.Add(show.Text(name), how)
	}
}

// run is a result with the report that it is from.
type run struct {
	*bench.Result
	report *bench.Report
}

func runs(reports []*bench.Report) (all []run) {
	for _, r := range reports {
		for _, res := range r.Results {
			all = append(all, run{res, r})
		}
	}
	return all
}

// model is what a result's model is called in plots.
func (r run) model() string {
	if r.Engine != "qgo" {
		return r.file() + ", " + r.Engine
	}
	return r.file()
}

// file is the model without the engine.
func (r run) file() string {
	name := strings.TrimSuffix(filepath.Base(r.ModelFilename), ".gguf")
	return show.Text(strings.TrimPrefix(name, "synthetic-"))
}

// machine is what its machine is called.
func (r run) machine() string {
	name := r.report.Machine.Board
	if name == "" || r.report.Machine.Arch == "amd64" {
		name = r.report.Machine.CPU
	}
	if on := r.Devices(); on != "" {
		name += ", " + on
	}
	return name
}

// decode is the rate of decode, 0 if there was none.
func (r run) decode() float64 {
	switch {
	case r.Gen == 0:
		return 0
	case r.Scenario != "" || r.DecodeTS > 0:
		return r.DecodeTS
	case r.Prompt > 0:
		return 0
	}
	return r.MedianTS
}

// names returns each name once, in order.
func names(all []run, name func(run) string) (list []string) {
	for _, r := range all {
		if n := name(r); !slices.Contains(list, n) {
			list = append(list, n)
		}
	}
	return list
}

// maxRuns is the number of results that plots show: of more nobody could tell
// one from another.
const maxRuns = 200

// figures makes all plots for which there are data, and says how many results
// they leave out.
func figures(reports []*bench.Report) (list []*figure, left int) {
	all := runs(reports)
	if left = max(len(all)-maxRuns, 0); left > 0 {
		all = all[:maxRuns]
	}
	gpus := gpuNames(reports)
	for _, make := range []func([]*bench.Report, []run) *figure{
		rooflineFigure, ttftFigure, rateFigure, platformFigure, memoryFigure, itlFigure, heatFigure, bandwidthFigure, thermalFigure, powerFigure,
	} {
		if f := make(reports, all); f != nil {
			f.width, f.height = 10*vg.Inch, 4*vg.Inch
			f.title += gpus
			list = append(list, f)
		}
	}
	return list, left
}

// maxGPUs is the number of GPUs that titles name.
const maxGPUs = 3

// gpuNames is what titles say of the GPUs that were used.
func gpuNames(reports []*bench.Report) string {
	var all []string
	for _, r := range reports {
		if r.GPU != nil && len(all) < maxGPUs && !slices.Contains(all, show.Text(r.GPU.Name)) {
			all = append(all, show.Text(r.GPU.Name))
		}
	}
	if all == nil {
		return ""
	}
	return ", on " + strings.Join(all, " and ")
}

// rooflineFigure shows both phases of every model under the ceilings.
func rooflineFigure(reports []*bench.Report, all []run) *figure {
	p := newPlot("operations per byte read", "GFLOP/s")
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.LogTicks{Prec: -1}, plot.LogTicks{Prec: -1}
	grid(p)
	loX, hiX, loY := 1.0, 4000.0, math.Inf(1)
	found := false
	byName := map[string]plotter.XYs{}
	var order []string
	for _, r := range all {
		if r.Measured == nil {
			continue
		}
		put := func(phase string, at plotter.XY) {
			if !(at.X > 0 && at.Y > 0) {
				return
			}
			found = true
			name := phase + " of " + r.model()
			if len(reports) > 1 {
				name += ", " + r.machine()
			}
			if byName[name] == nil {
				order = append(order, name)
			}
			byName[name] = append(byName[name], at)
			loX, hiX, loY = min(loX, at.X/2), max(hiX, at.X*2), min(loY, at.Y/2)
		}
		phase := "prefill"
		if r.Decodes() {
			phase = "decode"
		}
		put(phase, plotter.XY{X: r.Measured.Intensity, Y: r.GFLOPS})
		if r.PrefillTS > 0 && r.Cost != nil { // a request has both phases
			w := roofline.Prefill(*r.Cost, r.Prompt, 0, max(r.Batch, 1))
			put("prefill", plotter.XY{X: w.Intensity(), Y: r.PrefillTS * w.FLOP / float64(w.Tokens) / 1e9})
		}
	}
	if !found {
		return nil
	}
	roof := func(name string, i int, dashed bool, bandwidth, peak float64) {
		if bandwidth <= 0 || peak <= 0 {
			return
		}
		ridge := peak / bandwidth
		xy := plotter.XYs{{X: loX, Y: loX * bandwidth / 1e9}}
		if ridge > loX && ridge < hiX {
			xy = append(xy, plotter.XY{X: ridge, Y: peak / 1e9})
		}
		line(p, name, i, dashed, append(xy, plotter.XY{X: hiX, Y: min(hiX*bandwidth, peak) / 1e9}))
		loY = min(loY, loX*bandwidth/1e9)
	}
	n := 0
	for _, r := range reports {
		if g := r.GPU; g != nil {
			roof(fmt.Sprintf("%.0f GB/s, %.0f GFLOP/s fp32, %s", g.Read.Best/1e9, g.Peak()/1e9, g.Name), n, false, g.Read.Best, g.Peak())
			n++
		}
		for _, c := range r.Ceilings {
			for _, peak := range c.Peaks {
				roof(fmt.Sprintf("%.0f GB/s, %.0f GOP/s %s, %s", c.Read.Best/1e9, peak.Best/1e9, peak.Type, bench.Threads(c.Threads)), n, false, c.Read.Best, peak.Best)
				n++
			}
		}
	}
	if m := reports[0].Reference; m.Bandwidth > 0 && m.FP32 > 0 {
		peak, typ := m.Peak()
		roof(fmt.Sprintf("reference: %s, %.1f GB/s, %s", m.Name, m.Bandwidth/1e9, typ), 6, true, m.Bandwidth, peak)
	}
	for i, name := range order {
		points(p, name, i, byName[name])
	}
	p.X.Min, p.X.Max, p.Y.Min = loX, hiX, loY
	p.Y.Max *= 1.5
	return &figure{title: "Roofline", plot: p,
		caption: "A point below a line could be faster: by memory on the slope, by arithmetic under the flat part. The dashed reference is another machine, not this one's measure."}
}

// bySize plots a figure of each result against the size of its model.
func bySize(all []run, label string, series func(r run) (name string, value float64)) *plot.Plot {
	unit, per := "GB", 1e9
	if !slices.ContainsFunc(all, func(r run) bool { return r.ModelSize > 2e8 }) {
		unit, per = "MB", 1e6
	}
	p := newPlot("model file, "+unit, label)
	grid(p)
	byName := map[string]plotter.XYs{}
	var order []string
	for _, r := range all {
		name, v := series(r)
		if v <= 0 || r.ModelSize == 0 {
			continue
		}
		if byName[name] == nil {
			order = append(order, name)
		}
		byName[name] = append(byName[name], plotter.XY{X: float64(r.ModelSize) / per, Y: v})
	}
	if len(order) == 0 {
		return nil
	}
	for i, name := range order {
		xy := byName[name]
		slices.SortFunc(xy, func(a, b plotter.XY) int { return int(math.Copysign(1, a.X-b.X)) })
		points(p, name, i, xy)
		if len(xy) > 1 {
			line(p, "", i, true, xy)
		}
	}
	p.X.Min, p.Y.Min = 0, 0
	p.X.Max *= 1.15
	return p
}

func ttftFigure(_ []*bench.Report, all []run) *figure {
	p := bySize(all, "median time to first token, s", func(r run) (string, float64) {
		if r.TTFT == nil {
			return "", 0
		}
		return fmt.Sprintf("%s (%d tokens)", r.Scenario, r.Prompt), r.TTFT.P50 / 1000
	})
	if p == nil {
		return nil
	}
	return &figure{title: "Time to first token and model size", plot: p, caption: "From the request with its text to the text of the first token: template, tokeniser and prefill, with the model loaded."}
}

func rateFigure(_ []*bench.Report, all []run) *figure {
	p := bySize(all, "decode, tokens/s", func(r run) (string, float64) {
		return r.Engine + " " + r.Test().Name(), r.decode()
	})
	if p == nil {
		return nil
	}
	return &figure{title: "Decode and model size", plot: p, caption: "Median rate of the tokens after the first."}
}

func memoryFigure(_ []*bench.Report, all []run) *figure {
	p := newPlot("bytes read per token, GB", "decode, tokens/s")
	grid(p)
	byName := map[string]plotter.XYs{}
	hi, found := 0.0, false
	for _, r := range all {
		if v := r.decode(); v > 0 && r.Measured != nil && r.Measured.Bytes > 0 {
			byName[r.model()] = append(byName[r.model()], plotter.XY{X: r.Measured.Bytes / 1e9, Y: v})
			hi, found = max(hi, r.Measured.Bytes/1e9), true
		}
	}
	if !found {
		return nil
	}
	for i, name := range names(all, run.model) {
		if xy := byName[name]; xy != nil {
			points(p, name, i, xy)
		}
	}
	// The bound by the median of all probes.
	var probes bench.Sample
	for _, r := range all {
		for _, rep := range r.Reps {
			if rep.After > 0 {
				probes = append(probes, rep.After)
			}
		}
	}
	if bandwidth := probes.Median() / 1e9; bandwidth > 0 {
		curve := plotter.NewFunction(func(x float64) float64 { return bandwidth / x })
		curve.XMin, curve.XMax = hi/4, 1.3*hi
		curve.LineStyle = draw.LineStyle{Color: colour(6), Width: vg.Points(1.2), Dashes: []vg.Length{vg.Points(5), vg.Points(3)}}
		p.Add(curve)
		p.Legend.Add(fmt.Sprintf("bound by %.0f GB/s", bandwidth), curve)
		p.Y.Max = max(p.Y.Max, 4*bandwidth/hi)
	}
	p.X.Min, p.X.Max, p.Y.Min = 0, 1.35*hi, 0
	return &figure{title: "Memory and performance", plot: p, caption: "What a token reads, weights and KV cache, against how many tokens come a second; the dashed line is the bound by the median of the probed bandwidths."}
}
