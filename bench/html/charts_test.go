package html

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"qgo/bench"
	"qgo/bench/machine"
)

// sweepReport varies threads, batch and depth.
func sweepReport(t *testing.T) *bench.Report {
	t.Helper()
	r := &bench.Report{Machine: machine.Info{CPU: "CPU & more"}}
	for _, threads := range []int{1, 2} {
		for _, batch := range []int{64, 512} {
			for _, test := range []bench.Test{{Prompt: 64}, {Prompt: 64, Depth: 256}, {Gen: 16}} {
				r.Results = append(r.Results, result(t, "0.5b:q4_0", test, "qgo", threads, batch, 0))
			}
		}
	}
	return r
}

// TestSweeps joins only results that differ in nothing but x.
func TestSweeps(t *testing.T) {
	_, charts := written(t, []*bench.Report{sweepReport(t)})
	for title, want := range map[string]string{
		"Prefill by threads": "batch 64; depth 256, batch 64; batch 512; depth 256, batch 512",
		"Decode by threads":  "batch 64; batch 512",
		"Prefill by depth":   "1 thread, batch 64; 1 thread, batch 512; 2 threads, batch 64; 2 threads, batch 512",
		"Prefill by batch":   "1 thread; depth 256, 1 thread; 2 threads; depth 256, 2 threads",
	} {
		c := titled(t, charts, title)
		got := strings.Join(names(c), "; ")
		if got = strings.ReplaceAll(got, "qwen2.5-0.5b-q4_0; ", ""); got != want {
			t.Errorf("%s: series %s, want %s", title, got, want)
		}
		for _, s := range c.Series {
			if len(s.Points) != 2 || s.Points[0][0] >= s.Points[1][0] {
				t.Errorf("%s: %s has the points %v", title, s.Name, s.Points)
			}
		}
	}
	for _, c := range charts {
		if c.Title == "Decode by depth" || c.Title == "Prefill by prompt length" || c.Title == "Decode by batch" {
			t.Errorf("a chart %q of what does not vary", c.Title)
		}
	}
	// One result more of the same test is no second point of a line.
	r := sweepReport(t)
	r.Results = append(r.Results, r.Results[0])
	_, charts = written(t, []*bench.Report{r})
	for _, s := range titled(t, charts, "Prefill by threads").Series {
		if len(s.Points) != 2 {
			t.Errorf("%s: %v", s.Name, s.Points)
		}
	}
}

// TestElsewhere names figures of another machine by it, and no threads where
// their number is unknown.
func TestElsewhere(t *testing.T) {
	r := sweepReport(t)
	study := result(t, "0.5b:q4_0", bench.Test{Prompt: 64}, "study on jetson-nano", 4, 64, 0)
	study.CPUInfo, study.Threads = "Jetson Nano 2GB", 0
	r.Results = append(r.Results, study)
	page, charts := written(t, []*bench.Report{r})
	var bars []string
	for _, b := range titled(t, charts, "Platforms and engines").Bars {
		bars = append(bars, b.Head+b.Name)
	}
	if got, want := strings.Join(bars, "; "), "qwen2.5-0.5b-q4_0 pp64; qgo, CPU & more; study on jetson-nano, Jetson Nano 2GB"; got != want {
		t.Errorf("bars %s, want %s", got, want)
	}
	if !strings.Contains(page, ">Jetson Nano 2GB") || strings.Contains(page, "0 threads") {
		t.Error("the table does not name the machine")
	}
}

// TestImpossible draws what cannot be apart, whether bench has said so or not.
func TestImpossible(t *testing.T) {
	r := sweepReport(t)
	wrong := r.Results[2] // tg16 with 1 thread and batch 64
	wrong.MedianTS = 158633
	told := result(t, "0.5b:q4_0", bench.Test{Prompt: 64}, "llama.cpp", 2, 64, 0)
	told.MedianTS, told.Impossible = 158633, true
	r.Results = append(r.Results, told)
	page, charts := written(t, []*bench.Report{r})
	for _, want := range []string{
		"<li>qwen2.5-0.5b-q4_0, qgo: decode is above its bound, which is impossible",
		"qgo, tg16, 1 thread, batch 64: 158633 tokens/s", "llama.cpp, pp64, 2 threads, batch 64: 158633 tokens/s", `<tr class="bad">`,
	} {
		if !strings.Contains(strings.ReplaceAll(page, "<li>qgo: ", "<li>qwen2.5-0.5b-q4_0, qgo: "), want) {
			t.Errorf("no %q", want)
		}
	}
	c := titled(t, charts, "Decode by threads")
	if c.Y.Hi > 100 || len(c.Apart) != 1 || c.Apart[0].X != 1 || !strings.Contains(c.Apart[0].Text, "158633 tokens/s, impossible") {
		t.Errorf("the axis reaches to %v, apart is %+v", c.Y.Hi, c.Apart)
	}
	for _, b := range titled(t, charts, "Platforms and engines").Bars[1:] {
		if impossible := b.Name == "llama.cpp"; impossible != (b.Share == 0) || !impossible && b.Share != 100 || strings.HasSuffix(b.Text, "impossible") != impossible {
			t.Errorf("bar %+v", b)
		}
	}
}

// TestPossible takes no rate for impossible that the best probes allow.
func TestPossible(t *testing.T) {
	r := sweepReport(t)
	res := r.Results[0] // a prefill, bound by arithmetic: 1 thread, 64 tokens
	for i := range res.Reps {
		res.Reps[i].PeakBefore, res.Reps[i].PeakAfter = 40e9, 50e9
	}
	res.Reps[2].PeakAfter = 80e9
	most := 80e9 / res.Measured.FLOP
	for share, want := range map[float64]bool{0.5: false, 1.04: false, 1.06: true} {
		res.MedianTS = share * most
		if got := runs([]*bench.Report{{Results: r.Results[:1]}}, nil)[0].apart; got != want {
			t.Errorf("%v t/s where 80 GOP/s at best allow %v: impossible %v", res.MedianTS, most, got)
		}
	}
}

// TestAxes has numbers on every axis, whatever the data are.
func TestAxes(t *testing.T) {
	for _, c := range []struct {
		lo, hi float64
		want   string
	}{
		{33, 34, "[20 50]"}, {1, 1, "[1 2]"}, {3, 800, "[2 5 10 20 50 100 200 500 1000]"}, {0.5, 90000, "[1 10 100 1000 10000 100000]"},
		{1e-24, 1e24, ""}, {7e-24, 8e-24, ""}, {0, 5, ""},
	} {
		a := axis{Log: true}
		a.settle(c.lo, c.hi)
		if got := fmt.Sprint(a.Ticks); c.want != "" && got != c.want || len(a.Ticks) < 2 || len(a.Ticks) > 9 || !(a.Lo > 0 && a.Hi > a.Lo) || a.Hi < c.hi {
			t.Errorf("from %v to %v: %+v, want the ticks %s", c.lo, c.hi, a, c.want)
		}
	}
	for _, c := range [][2]float64{{0, 0}, {5, 5}, {30, 1e24}, {1, -1}} {
		var a axis
		if a.settle(c[0], c[1]); a.Lo != 0 || !(a.Hi > 0) {
			t.Errorf("from %v: %+v", c, a)
		}
	}
}

// TestColours gives no two series the same colour.
func TestColours(t *testing.T) {
	c := &chart{X: &axis{}, Y: &axis{}}
	for i := range 11 {
		c.Series = append(c.Series, series{Points: make([][2]float64, 1+i%3)})
	}
	c.paint()
	seen := map[int]int{}
	for _, s := range c.Series {
		seen[s.Colour]++
	}
	if c.Others != 3 || seen[grey] != 3 || len(seen) != colours+1 {
		t.Errorf("%d in grey, colours %v", c.Others, seen)
	}
}

// TestHeat has a scale on which near values are near.
func TestHeat(t *testing.T) {
	c := titled(t, charts([]*bench.Report{report(t)}, nil, runs([]*bench.Report{report(t)}, nil), limits{points: 100, own: 1}), "Scenarios and models")
	if len(c.Heat.Columns) != len(bench.Scenarios) || len(c.Heat.Rows) != 4 {
		t.Fatalf("%d columns, rows %q", len(c.Heat.Columns), c.Heat.Rows)
	}
	most := 0.0
	for _, row := range c.Heat.Values {
		for _, v := range row {
			if v == nil || *v <= 0 {
				t.Fatalf("values %v", row)
			}
			most = max(most, *v)
		}
	}
	if c.Heat.Most != most {
		t.Errorf("the scale is from 0 to %v, want %v", c.Heat.Most, most)
	}
}

// TestMemoryBounds calls the bound by the best probe so, and the median a median.
func TestMemoryBounds(t *testing.T) {
	_, charts := written(t, []*bench.Report{sweepReport(t)})
	c := titled(t, charts, "Memory and performance")
	n := len(c.Series)
	best, median := c.Series[n-2], c.Series[n-1]
	if best.Name != "bound by the best probe, 20 GB/s" || best.Dash || median.Name != "bound by the median of the probes, 19.5 GB/s" || !median.Dash {
		t.Errorf("%q and %q", best.Name, median.Name)
	}
	for _, p := range best.Points {
		if d := p[0]*p[1] - 20; d > 1e-3 || d < -1e-3 {
			t.Errorf("at %v GB a token the bound is %v t/s", p[0], p[1])
		}
	}
}

// TestMarks marks where the machine changed.
func TestMarks(t *testing.T) {
	r := sweepReport(t)
	r.Series.Zones = []machine.Zone{{Name: "CPU-therm", Passive: 55}}
	r.Series.Events = []string{"the supply's voltage fell"}
	for i := range 20 {
		clock := 1.43e9
		if i >= 16 {
			clock = 0.9e9
		}
		r.Series.Samples = append(r.Series.Samples, machine.Sample{At: time.Duration(i) * time.Second, CPU: 0.9, Clock: clock, Temps: []float64{40 + float64(i)}})
	}
	res := result(t, "0.5b:q4_0", bench.Test{Gen: 16}, "qgo", 4, 64, 30)
	res.Reps[2].After = 8e9
	res.Summarise(bench.Limits{}, r.Reference)
	r.Results = append(r.Results, res)
	page, charts := written(t, []*bench.Report{r})
	for _, want := range []string{
		"Marked: at 15 s CPU-therm reaches 55 °C, where it is throttled", "During the run: the supply&#39;s voltage fell.",
		"Marked: at 16 s the CPU clock falls to 0.90 GHz.", "s the bandwidth becomes slow.",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q", want)
		}
	}
	if !slices.Contains(names(titled(t, charts, "Bandwidth during the run")), "bandwidth in the slow state") {
		t.Error("the slow state is not told apart")
	}
	if m := titled(t, charts, "Temperature over time").Marks; len(m) != 2 || *m[1].Y != 55 {
		t.Errorf("marks %+v", m)
	}
}
