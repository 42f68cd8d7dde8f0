package sweep

import (
	"strings"
	"testing"

	"qgo/bench"
	"qgo/bench/roofline"
)

// decode is a cell that memory binds, with these rates of qgo by those of one
// engine; the bandwidth stays the same.
func decode(ratios ...float64) *Cell {
	c := &Cell{Model: "m.gguf", Test: "tg16", Threads: 2, Binds: roofline.Memory, OfBound: 0.9, Engines: []EngineRun{{Name: "qgo"}, {Name: "other"}}}
	for _, x := range ratios {
		c.Turns = append(c.Turns, Turn{Rates: []float64{x * 50, 50}, Bandwidth: []float64{20e9, 20e9, 20e9}, Peak: []float64{1e12, 1e12, 1e12}, Foreign: []float64{0.01, 0}})
	}
	return c
}

var three = Rule{Pairs: 3, Most: 6, Steady: 0.2, Foreign: 0.05, Level: 0.03, Patience: 60}

func TestGrade(t *testing.T) {
	with := func(c *Cell, change func(*Cell)) *Cell {
		change(c)
		return c
	}
	for name, test := range map[string]struct {
		cell  *Cell
		grade Grade
		why   string
	}{
		"ahead":                {decode(1.2, 1.21, 1.19), Ahead, ""},
		"behind":               {decode(0.8, 0.81, 0.79), Behind, ""},
		"level":                {decode(1.01, 1.0, 1.005), Level, ""},
		"level though above 1": {decode(1.011, 1.01, 1.0105), Level, ""},
		"undecided":            {decode(0.9, 1.2, 1.0), Void, "3 pairs do not decide: the ratio lies between 0.7"},
		"too few":              {decode(1.2, 1.2), Void, "2 of 2 pairs hold"},
		"bandwidth moves": {with(decode(1.2, 1.21, 1.19, 1.2), func(c *Cell) {
			c.Turns[0].Bandwidth[1], c.Turns[1].Bandwidth[2] = 25e9, 15e9
		}), Void, "2 of 4 pairs hold; in 2 the bandwidth moved by more than 20 %"},
		"bandwidth moves, and does not bind": {with(decode(1.2, 1.21, 1.19), func(c *Cell) {
			c.Binds, c.Turns[0].Bandwidth[1] = roofline.Compute, 25e9
		}), Ahead, ""},
		"the peak moves": {with(decode(1.2, 1.21, 1.19), func(c *Cell) {
			c.Binds, c.Turns[0].Peak[1] = roofline.Compute, 2e12
		}), Void, "in 1 the peak moved"},
		"others compute": {with(decode(1.2, 1.21, 1.19), func(c *Cell) {
			c.Turns[2].Foreign[1] = 0.06
		}), Void, "in 1 others took more than 5 % of the CPUs' time"},
		"others compute beside busy loops": {with(decode(1.2, 1.21, 1.19), func(c *Cell) {
			c.Turns[2].Foreign[1], c.Busy = 0.6, 1
		}), Ahead, ""},
		"an engine that fails": {with(decode(1.2, 1.21, 1.19), func(c *Cell) {
			c.Turns[0].Rates[1], c.Turns[1].Rates[1], c.Turns[2].Rates[1] = 0, 0, 0
			c.Engines[1].Error = "no such flag"
		}), Void, "it gave no result: no such flag"},
		"an engine that is late": {with(decode(1.2, 1.21, 1.19), func(c *Cell) {
			c.Turns[0].Rates[1], c.Turns[1].Rates[1], c.Turns[2].Rates[1] = 0, 0, 0
			c.Engines[1].Late = 2
		}), Ahead, "no result in 60 s, 2 times"},
		"late now and then": {with(decode(1.2, 1.21, 1.19), func(c *Cell) {
			c.Turns[0].Rates[1] = 0
			c.Engines[1].Late = 1
		}), Void, "2 of 3 pairs hold"},
	} {
		v := test.cell.Verdicts(&three)
		if len(v) != 1 || v[0].Grade != test.grade || test.why == "" && v[0].Reason != "" || !strings.Contains(v[0].Reason, test.why) {
			t.Errorf("%s: %+v, want %s, %q", name, v, test.grade, test.why)
		}
	}
}

// TestStates takes the ratios of two states apart.
func TestStates(t *testing.T) {
	c := decode(1.5, 1.1, 1.5, 1.1, 1.5, 1.1, 1.5)
	for i := 1; i < 7; i += 2 {
		c.Turns[i].Bandwidth = []float64{40e9, 40e9, 40e9}
	}
	v := c.Verdicts(&three)[0]
	if v.Grade != Ahead || len(v.ByState) != 2 {
		t.Fatalf("%+v", v)
	}
	for i, want := range []string{"1.50 (1.50 to 1.50, 4 pairs) at 20.0 GB/s", "1.10 (1.10 to 1.10, 3 pairs) at 40.0 GB/s"} {
		if got := v.ByState[i].Words(c.Binds); got != want {
			t.Errorf("state %d: %s, want %s", i, got, want)
		}
	}
	if v.ByState[0].State != bench.Slow {
		t.Errorf("%+v", v.ByState[0])
	}
	c.Turns = c.Turns[:4] // two pairs of each
	if v := c.Verdicts(&three)[0]; len(v.ByState) != 0 {
		t.Errorf("two pairs of a state: %+v", v.ByState)
	}
}

// TestOrder has the losses first, by the fastest other engine of each cell.
func TestOrder(t *testing.T) {
	r := &Result{Header: Header{Plan: Plan{Rule: three}}}
	add := func(name string, c *Cell, third float64) {
		c.Model = name
		c.Engines = append(c.Engines, EngineRun{Name: "third"})
		for i := range c.Turns {
			c.Turns[i].Rates = append(c.Turns[i].Rates, third)
		}
		r.Cells = append(r.Cells, c)
	}
	add("far ahead", decode(1.4, 1.41, 1.4), 40)
	add("ahead", decode(1.2, 1.21, 1.2), 40)
	add("behind the third", decode(1.4, 1.41, 1.4), 100)
	add("void", decode(0.5, 2, 1), 40)
	add("level", decode(1, 1.001, 1), 40)
	var got []string
	all := r.Grade()
	for i := range all {
		got = append(got, all[i].Model+": "+string(all[i].Best().Grade))
	}
	want := "behind the third: behind, void: void, level: level, ahead: ahead, far ahead: ahead"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("%s, want %s", s, want)
	}
	if got, want := Count(all), "Against the fastest other engine of each cell, of 5 cells: 2 ahead, 1 level, 1 void, 1 behind."; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
