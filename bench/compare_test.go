package bench

import (
	"math"
	"strings"
	"testing"

	"qgo/bench/roofline"
	"qgo/model"
)

func TestPairedRatio(t *testing.T) {
	// Ratios of 2, 2 and 2 at rates that drift: the interval has no width.
	r := PairedRatio(Sample{10, 20, 30}, Sample{5, 10, 15})
	if math.Abs(r.Ratio-2) > 1e-12 || math.Abs(r.Hi-r.Lo) > 1e-9 || r.Pairs != 3 {
		t.Errorf("%+v", r)
	}
	// Logarithms of 0 and ln 4: mean ln 2, deviation ln 4/√2, and Student's t
	// of one degree of freedom at 97.5 % is 12.706.
	r = PairedRatio(Sample{1, 4}, Sample{1, 1})
	half := 12.7062 * math.Log(4) / math.Sqrt2 / math.Sqrt2
	if math.Abs(r.Ratio-2) > 1e-12 || math.Abs(math.Log(r.Hi)-math.Log(2)-half) > 1e-3 || math.Abs(math.Log(2)-math.Log(r.Lo)-half) > 1e-3 {
		t.Errorf("%+v, want 2 and a half width of %v", r, half)
	}
	if r = PairedRatio(Sample{3}, Sample{1}); r.Lo != 0 || !math.IsInf(r.Hi, 1) {
		t.Errorf("one pair: %+v", r)
	}
}

func results(rates ...Sample) *Report {
	r := &Report{}
	for i, s := range rates {
		r.Results = append(r.Results, &Result{Engine: "qgo", Gen: 10 + i, SamplesTS: s, ModelFilename: "x/m.gguf"})
	}
	return r
}

func TestCompare(t *testing.T) {
	old := results(Sample{10, 11, 10.5, 10.2}, Sample{10, 11, 12, 13}, Sample{1, 2}, Sample{7})
	new := results(Sample{20, 21, 20.5, 20.2}, Sample{11, 12, 10, 13}, Sample{5, 6})
	new.Results[0].ModelFilename = "y/m.gguf"
	c, err := Compare(old, new, false)
	if err != nil || len(c.Changes) != 3 || len(c.Unmatched) != 1 || c.Unmatched[0].Gen != 13 {
		t.Fatalf("%+v, %v", c, err)
	}
	// All of four are above all of four: 2 of the 70 orders are so extreme.
	if c := c.Changes[0]; !c.Significant || c.Verdict != Faster || math.Abs(c.P-2.0/70) > 1e-9 || math.Abs(c.Delta-20.35/10.35+1) > 1e-9 {
		t.Errorf("%+v", c)
	}
	if c := c.Changes[1]; c.Significant || c.Verdict != NoChange || c.P < 0.5 {
		t.Errorf("%+v", c)
	}
	if c := c.Changes[2]; c.Significant || c.Verdict != TooFew || c.Cause != "2 and 2 repetitions" {
		t.Errorf("%+v", c)
	}
}

// TestImpossible checks that a rate above the bound is flagged, but not that of
// a model that caches hold.
func TestImpossible(t *testing.T) {
	big, err := roofline.OutlineByName("0.5b:q4_0", model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	small := big.Cost
	small.Weights = 10e6
	for _, c := range []struct {
		cost       model.Cost
		test       Test
		ns         int64
		peak       float64 // operations a second; 0 if it is not known
		impossible bool
		verdict    string
	}{
		{big.Cost, Test{Gen: 100}, 2e9, 0, false, "near its bound"},
		{big.Cost, Test{Gen: 100}, 1e9, 0, true, "impossible"},
		{small, Test{Gen: 100}, 1e7, 0, false, "caches"},
		// 100 tokens are 72 GFLOP in prefill and, with the head, 99 in decode.
		{small, Test{Gen: 100}, 1e7, 12e12, false, "caches"},
		{small, Test{Gen: 100}, 1e7, 8e12, true, "impossible"},
		{big.Cost, Test{Prompt: 100}, 1e8, 0.8e12, false, "at its bound"},
		{big.Cost, Test{Prompt: 100}, 1e8, 0.6e12, true, "impossible"},
	} {
		r := &Result{Engine: "qgo", Prompt: c.test.Prompt, Gen: c.test.Gen, Batch: 100, Cost: &c.cost}
		for range 3 {
			r.Reps = append(r.Reps, Rep{NS: c.ns, Prompt: c.test.Prompt, Gen: c.test.Gen, Before: 22e9, After: 22e9, PeakBefore: c.peak, PeakAfter: c.peak})
		}
		r.Summarise(Limits{}, roofline.Machine{})
		if r.Impossible != c.impossible || !strings.Contains(r.Verdict(), c.verdict) {
			t.Errorf("%.3g t/s: impossible %v, %q", r.MedianTS, r.Impossible, r.Verdict())
		}
	}
}

// TestByState checks that rates are not averaged over two states of memory.
func TestByState(t *testing.T) {
	s, err := roofline.OutlineByName("0.5b:q4_0", model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := &Result{Engine: "qgo", Gen: 100, Cost: &s.Cost}
	for _, rep := range []struct {
		ns            int64
		before, after float64
	}{{2e9, 40e9, 40e9}, {15e8, 40e9, 77e9}, {1e9, 77e9, 77e9}, {1e9, 77e9, 77e9}} {
		r.Reps = append(r.Reps, Rep{NS: rep.ns, Gen: 100, Before: rep.before, After: rep.after})
	}
	r.Summarise(Limits{}, roofline.Machine{})
	states := r.ByState()
	if len(states) != 3 || r.Bandwidth.Flips != 1 {
		t.Fatalf("%+v, %+v", states, r.Bandwidth)
	}
	w := roofline.DecodeMean(s.Cost, 100, 0).Bytes
	for i, want := range []StateRate{
		{Slow, 1, 40e9, 50, 50 * w / 40e9}, {Mixed, 1, 58.5e9, 100 / 1.5, 100 / 1.5 * w / 58.5e9}, {Fast, 2, 77e9, 100, 100 * w / 77e9},
	} {
		got := states[i]
		if got.State != want.State || got.Reps != want.Reps || got.Bandwidth != want.Bandwidth || math.Abs(got.Rate-want.Rate) > 1e-6 || math.Abs(got.Share-want.Share) > 1e-9 {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}

func TestBestThreads(t *testing.T) {
	r := results(Sample{10}, Sample{10}, Sample{10}, Sample{9}, Sample{11}, Sample{9.9})
	for i, res := range r.Results {
		res.Gen, res.Threads = 8+i/3, []int{1, 4, 8}[i%3]
	}
	got := BestThreads(r.Results)
	if len(got) != 1 || got[0].Gen != 9 || got[0].Threads != 4 || got[0].Most != 8 || math.Abs(got[0].Loss-0.1) > 1e-9 {
		t.Errorf("%+v, want 4 of 8 threads for the second test", got)
	}
}

func TestUnpairedRatio(t *testing.T) {
	// Logarithms of 0 and 2 against -1, 0 and 1: means 1 and 0, variances of
	// the means 1 and 1/3. Welch's degrees of freedom are 32/19.
	r := UnpairedRatio(Sample{1, math.Exp(2)}, Sample{math.Exp(-1), 1, math.E})
	const half = 5.1763 * 1.154700 // Student's t of 32/19 degrees of freedom at 97.5 %
	if math.Abs(r.Ratio-math.E) > 1e-9 || math.Abs(math.Log(r.Hi)-1-half) > 0.001 || math.Abs(1-math.Log(r.Lo)-half) > 0.001 || r.Pairs != 0 {
		t.Errorf("%+v (%v), want e and a half width of %v", r, math.Log(r.Hi)-1, half)
	}
	if r = UnpairedRatio(Sample{4, 4}, Sample{2}); r.Ratio != 2 || !math.IsInf(r.Hi, 1) {
		t.Errorf("one against two: %+v", r)
	}
}
