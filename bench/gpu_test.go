package bench

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"qgo/bench/roofline"
	"qgo/model"
)

// TestGPURate checks, by a clock of its own, how many passes are timed together,
// and that a rate is that of a pass.
func TestGPURate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turns []int
		r, err := gpuRate(10, 40*time.Millisecond, func(n int) error {
			turns = append(turns, n)
			time.Sleep(time.Duration(n) * time.Millisecond / 10)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		// 16 times as many at most, then a fifth more than would take 5 ms, and
		// those for 40 ms.
		want := []int{1, 16, 60, 60, 60, 60, 60, 60, 60, 60}
		if !slices.Equal(turns, want) || r.Passes != 7 {
			t.Errorf("passes timed together: %v, want %v; %d timings", turns, want, r.Passes)
		}
		if math.Abs(r.Best-100e3) > 1 || math.Abs(r.Median-100e3) > 1 {
			t.Errorf("%+v, want 10 in a tenth of a millisecond", r)
		}
	})
	failure := errors.New("lost")
	if _, err := gpuRate(1, time.Millisecond, func(int) error { return failure }); !errors.Is(err, failure) {
		t.Errorf("a pass that fails: %v", err)
	}
}

// TestGPUBound checks the bound of a model on a GPU, and of one in two parts.
func TestGPUBound(t *testing.T) {
	s, err := roofline.OutlineByName("0.5b:q4_0", model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	l := Limits{CPU: roofline.Limits{Peak: 1e12}, GPU: roofline.Limits{Peak: 60e12, Launch: 2e-6, Exchange: 1e-6}}
	half := s.Cost
	half.Weights, half.MACs, half.Head, half.HeadW, half.KVRow, half.KVMACs = half.Weights/2, half.MACs/2, 0, 0, half.KVRow/2, half.KVMACs/2
	w := roofline.DecodeMean(s.Cost, 100, 0).Bytes
	for _, c := range []struct {
		gpu     model.Cost
		before  float64
		done    counts // for each token
		rate    float64
		verdict string
	}{
		{s.Cost, 300e9, counts{300, 0}, 300e9 / w, "decode of m.gguf (tg100) is bound by what the GPU's memory reads: far from its bound"},
		{s.Cost, 3000e9, counts{300, 0}, 1 / (300 * 2e-6), "decode of m.gguf (tg100) is bound by launches: 300 kernels a token, 2.0 µs each at the least: far from its bound of 1666.7 t/s"},
		{s.Cost, 3000e9, counts{3, 120}, 1 / (120 * 1e-6), "is bound by exchanges: 120 times a token all multiprocessors need a vector that they make together, 1.00 µs each at the least: far from its bound of 8333.3 t/s"},
		{half, 300e9, counts{300, 0}, 1 / (300*2e-6 + w/2/30e9), "what the memories of GPU and CPU read: far from its bound of 156.7 t/s (32 %), of whose time the CPU takes 91 % and the GPU 9 %"},
	} {
		r := &Result{Engine: "qgo", Gen: 100, Cost: &s.Cost, GPUCost: &c.gpu, GPUInfo: "H", GPULayers: 26, Backends: "CUDA", ModelFilename: "dir/m.gguf"}
		gaps := make([]int64, 100)
		for i := range gaps {
			gaps[i] = 2e7
		}
		for range 3 {
			r.Reps = append(r.Reps, Rep{NS: 2e9, Gen: 100, Gaps: gaps, Before: c.before, After: c.before, CPUBefore: 30e9, CPUAfter: 30e9, Launches: 100 * c.done.launches, Exchanges: 100 * c.done.exchanges})
		}
		r.Summarise(l, roofline.Machine{})
		if math.Abs(r.Measured.Rate-c.rate) > 1e-6*c.rate || math.Abs(r.OfMeasured-50/c.rate) > 1e-6 || r.Launches != float64(c.done.launches) || r.Exchanges != float64(c.done.exchanges) {
			t.Errorf("bound %+v, want %v t/s", r.Measured, c.rate)
		}
		if !strings.Contains(r.Verdict(), c.verdict) {
			t.Errorf("verdict %q, want %q", r.Verdict(), c.verdict)
		}
	}
}

// TestBaselineDevices checks that an engine is judged by the bandwidth of the
// device that it ran on.
func TestBaselineDevices(t *testing.T) {
	cost := model.Cost{Weights: 1e9, MACs: 1e9}
	ours := func(gpu bool) *Result {
		r := &Result{Engine: "qgo", Gen: 10, Cost: &cost, Backends: "CPU", Reps: []Rep{{NS: 1e9, Gen: 10, Before: 100e9, After: 100e9}}}
		if gpu {
			r.Backends, r.GPUInfo, r.GPULayers, r.GPUCost = "CUDA", "H", 26, &cost
		}
		return r
	}
	for _, c := range []struct {
		ours, theirs bool
		bound        float64 // 0 for none
	}{{false, false, 100}, {true, true, 100}, {true, false, 0}, {false, true, 0}} {
		theirs := &Result{Engine: "llama.cpp", Gen: 10, Backends: "CPU", GPULayers: 99, Reps: []Rep{{NS: 1e9, Gen: 10}}}
		if c.theirs {
			theirs.Backends, theirs.GPUInfo = "CUDA", "H"
		}
		got := (&turn{result: theirs}).finish(ours(c.ours), Limits{}, roofline.Machine{})
		if rate := boundRate(got); math.Abs(rate-c.bound) > 1e-6 {
			t.Errorf("qgo on a GPU: %v, the other: %v: a bound of %v, want %v", c.ours, c.theirs, rate, c.bound)
		}
	}
}

// TestBaselineSplit checks that another engine, with as much of the model on the
// GPU, is judged by the bandwidths of both devices.
func TestBaselineSplit(t *testing.T) {
	cost, half := model.Cost{Weights: 2e9}, model.Cost{Weights: 1e9}
	split := func(engine string) *Result {
		return &Result{Engine: engine, Gen: 10, Backends: "CUDA", GPUInfo: "H", GPULayers: 13}
	}
	ours := split("qgo")
	ours.Cost, ours.GPUCost = &cost, &half
	for _, b := range []float64{1, 2} {
		ours.Reps = append(ours.Reps, Rep{NS: 1e9, Gen: 10, Before: 100e9 * b, After: 100e9 * b, CPUBefore: 10e9 * b, CPUAfter: 10e9 * b})
	}
	theirs := split("llama.cpp")
	theirs.Reps = []Rep{{NS: 1e9, Gen: 10}, {NS: 1e9, Gen: 10}}
	got := (&turn{result: theirs}).finish(ours, Limits{}, roofline.Machine{})
	for i, want := range []Rep{
		{Before: 100e9, After: 200e9, CPUBefore: 10e9, CPUAfter: 20e9}, {Before: 200e9, After: 200e9, CPUBefore: 20e9, CPUAfter: 20e9},
	} {
		rep := got.Reps[i]
		if rep.Before != want.Before || rep.After != want.After || rep.CPUBefore != want.CPUBefore || rep.CPUAfter != want.CPUAfter {
			t.Errorf("repetition %d: %+v, want %+v", i, rep, want)
		}
	}
	// Medians of the probes 100, 200, 200 and 10, 20, 20 GB/s.
	if want := 1 / (1e9/200e9 + 1e9/20e9); math.Abs(boundRate(got)-want) > 1e-9 {
		t.Errorf("a bound of %v t/s, want %v", boundRate(got), want)
	}
}

func boundRate(r *Result) float64 {
	if r.Measured == nil {
		return 0
	}
	return r.Measured.Rate
}
