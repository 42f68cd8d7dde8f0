package html

import (
	"strings"
	"testing"
	"time"

	"qgo/bench"
	"qgo/bench/machine"
)

// TestEnergy draws tokens per joule of what was measured in several modes.
func TestEnergy(t *testing.T) {
	r := &bench.Report{Machine: machine.Info{CPU: "CPU & more"}}
	of := func(mode machine.PowerMode, test bench.Test, joules float64) *bench.Result {
		res := result(t, "0.5b:q4_0", test, "qgo", 4, 64, 0)
		res.PowerMode, res.JoulesPerToken = mode, joules
		for i := range res.Reps {
			res.Reps[i].Joules = 2 * float64(res.Reps[i].NS) / 1e9
		}
		r.Results = append(r.Results, res)
		return res
	}
	for _, mode := range []machine.PowerMode{"as-is", "governor=powersave"} {
		rate := bench.Rate{Best: 20e9, Median: 20e9}
		r.Ceilings = append(r.Ceilings, &bench.Ceilings{Threads: 4, PowerMode: mode, Read: rate, Peaks: []bench.PeakRate{{Type: "fp32", Rate: rate}}})
	}
	decode, prefill := bench.Test{Gen: 16}, bench.Test{Prompt: 64}
	fast := of("as-is", decode, 0.5)
	slow := of("governor=powersave", decode, 0.2)
	slow.MedianTS /= 2
	of("as-is", prefill, 0) // without energy
	of("governor=powersave", prefill, 0.1)
	page, charts := written(t, []*bench.Report{r})
	c := titled(t, charts, "Tokens per joule by power mode")
	if len(c.Series) != 1 || len(c.Series[0].Points) != 2 || c.X.Label != "tokens/s" || c.Y.Label != "tokens/J" {
		t.Fatalf("%+v", c)
	}
	s := c.Series[0]
	want := [][2]float64{{digits(slow.MedianTS), 5}, {digits(fast.MedianTS), 2}}
	if s.Points[0] != want[0] || s.Points[1] != want[1] || s.Tips[0] != "governor=powersave, 2 W" || s.Tips[1] != "as-is, 2 W" {
		t.Errorf("%+v, want the points %v", s, want)
	}
	if !strings.Contains(page, `<td class="l">governor=powersave`) {
		t.Error("the table does not tell the power mode")
	}
	for _, want := range []string{"<p>4 threads, governor=powersave: read 20.0", "<p>4 threads, as-is: read 20.0"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q", want)
		}
	}
	if roofs := strings.Join(names(titled(t, charts, "Roofline")), "\n"); !strings.Contains(roofs, "fp32 20 GOP/s, 20 GB/s, 4 threads, governor=powersave") {
		t.Errorf("roofs %s", roofs)
	}
	r.Results = r.Results[1:]
	_, charts = written(t, []*bench.Report{r})
	for _, c := range charts {
		if c.Title == "Tokens per joule by power mode" {
			t.Error("a chart of one mode")
		}
	}
}

// TestSlowdowns marks what slowed the machine down, and lists it.
func TestSlowdowns(t *testing.T) {
	r := report(t) // 55 °C, from which on it is throttled, are reached after 15 s
	r.Series.Slowdowns = []machine.Slowdown{{From: 2 * time.Second, To: 2 * time.Second, Reason: "under-voltage <b>\x1b"}, {From: 3 * time.Second, To: 9 * time.Second, Reason: "capped"}}
	page, charts := written(t, []*bench.Report{r})
	for _, want := range []string{
		"What slowed the machine down", `<tr><td class="l">2.0<td class="l" style="white-space: normal">under-voltage &lt;b&gt;` + "\ufffd\n",
		`<td class="l">3.0 to 9.0<td class="l" style="white-space: normal">capped`, `<td class="l">15.0 to 19.0<td class="l" style="white-space: normal">CPU-therm is at 59 °C, and throttled from 55 °C on`,
		">the clock is 1.27 GHz of 1.43 at 53 °C of CPU-therm",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q", want)
		}
	}
	for title, want := range map[string]int{"Bandwidth during the run": 4, "Temperature over time": 2, "Clock and use over time": 4, "Power over time": 4} {
		n := 0
		c := titled(t, charts, title)
		for _, m := range c.Marks {
			if m.X != nil && strings.HasPrefix(m.Text, "at ") {
				n++
			}
			if m.X != nil && *m.X == 3 && m.Text != "at 3.0 to 9.0 s: capped" {
				t.Errorf("%s: %+v", title, m)
			}
		}
		if n != want {
			t.Errorf("%s: %d marks, want %d: %+v", title, n, want, c.Marks)
		}
	}
	if page, _ := written(t, []*bench.Report{sweepReport(t)}); strings.Contains(page, "What slowed") {
		t.Error("a table of nothing")
	}
	r.Series.Slowdowns = make([]machine.Slowdown, 50)
	if page, _ := written(t, []*bench.Report{r}); !strings.Contains(page, "<p>32 more are in the file.</p>") {
		t.Error("what the table leaves out is not said")
	}
}
