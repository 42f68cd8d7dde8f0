package bench

import (
	"context"
	"testing"
	"time"

	"qgo/bench/roofline"
	"qgo/model"
)

// TestClock follows a plan of two tests, whose bounds are 1 s of prefill and
// 2 s of decode.
func TestClock(t *testing.T) {
	cost := model.Cost{Weights: 1e9, MACs: 1e9}
	p := &Plan{Models: []string{""}, Threads: []int{1}, Batches: []int{0}, Tests: []Test{{Prompt: 500}, {Gen: 20}}, Reps: 3}
	c := newClock(p, map[string]model.Cost{"": cost})
	if got := c.left(); got != 0 {
		t.Errorf("%v are left of a plan for an unknown machine", got)
	}
	c.limits = roofline.Limits{Bandwidth: 1e10, Peak: 1e12}
	near := func(what string, want float64) {
		t.Helper()
		if got := c.left().Seconds(); got < want-0.01 || got > want+0.01 {
			t.Errorf("%s: %v s are left, want %v", what, got, want)
		}
	}
	const (
		prefill, decode = 1.0, 2.0 // by the bounds
		probes          = 2 * 0.04
		warm            = 0.8 // of decode, 8 of 20 tokens
		load            = 1e9 / loadRate
	)
	near("at the start", load+4*prefillPace*prefill+3*probes+3*decodePace*decode+decodePace*warm+3*probes)
	// Prefill takes three times as long as by its bound.
	c.repeated(&Rep{NS: 3e9, Prompt: 500})
	near("after one repetition", 2*(3*prefill+probes)+3*decodePace*decode+decodePace*warm+3*probes)
	c.next()
	near("after the first test", 3*decodePace*decode+decodePace*warm+3*probes)
	rep := Rep{NS: 5e9, Gen: 20}
	for range 20 {
		rep.Gaps = append(rep.Gaps, 250e6)
	}
	c.repeated(&rep)
	near("after a decode of 5 s", 2*(5+probes))
	c.next()
	near("at the end", 0)
	c.repeated(&rep) // more of a test than was planned does no harm
}

// TestStatus expects to hear how long a plan takes once the machine is known.
func TestStatus(t *testing.T) {
	p := planOf(Test{Prompt: 8}, Test{Gen: 4})
	var first, last Status
	p.Progress = func(s Status) {
		if last = s; first.Left == 0 {
			first = s
		}
	}
	if _, err := p.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if first.Left <= 0 || first.Left > time.Minute || first.Step != "loading "+demoFile {
		t.Errorf("the first estimate is %+v", first)
	}
	if last.Left <= 0 || last.Left > first.Left+time.Second || last.Step != "tg4: repetition 2" {
		t.Errorf("the last estimate is %+v after %+v", last, first)
	}
}
