package model

import (
	"context"
	"encoding/json"
	"math"
	"testing"

	"qgo/kernels/tier"
	"qgo/testdata"
)

// bar is what a file must come to.
type bar struct {
	dir, file string
	kl, top   float64
}

// bars are what llama.cpp's CPU path reaches: mean KL and top-1 agreement in
// percent, on the held-out text and on wide128.
var bars = []bar{
	{"godoc-tiny", "f16", 1.10e-05, 99.80}, {"godoc-tiny", "q8_0", 6.07e-03, 96.97}, {"godoc-tiny", "q6_k", 8.75e-03, 97.27},
	{"godoc-tiny", "q5_k_m", 1.02e-02, 95.61}, {"godoc-tiny", "q5_1", 6.28e-03, 96.88}, {"godoc-tiny", "q5_0", 6.42e-03, 97.27},
	{"godoc-tiny", "q4_k_m", 9.81e-03, 95.61}, {"godoc-tiny", "q4_1", 7.33e-03, 95.80}, {"godoc-tiny", "q4_0", 6.38e-03, 96.58},
	{"godoc-tiny", "iq4_nl", 6.13e-03, 97.75}, {"godoc-tiny", "q3_k_m", 1.00e-02, 95.80}, {"godoc-tiny", "q2_k", 1.18e-02, 96.48},
	{"wide128", "f16", 3.7e-6, 99.9}, {"wide128", "q8_0", 4.0e-4, 97.3}, {"wide128", "q6_k", 1.1e-3, 95.7},
	{"wide128", "q4_k_m", 1.1e-3, 95.3}, {"wide128", "q4_0", 4.4e-4, 97.1}, {"wide128", "q2_k", 1.1e-3, 95.7},
}

// TestDivergence holds the default arithmetic to the accuracy of
// llama.cpp's, at every position of two texts, and that of tiers with activations in
// groups of 32 on every machine.
func TestDivergence(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds per file")
	}
	var heldout []int32
	if err := json.Unmarshal(testdata.Read(t, "godoc-tiny", "eval_heldout_ids.json"), &heldout); err != nil {
		t.Fatal(err)
	}
	texts := map[string][]int32{"godoc-tiny": heldout, "wide128": readWide(t).IDs}
	var of16, of32 divergences
	for _, bar := range bars {
		t.Run(bar.dir+"-"+bar.file, func(t *testing.T) {
			open := func(o Options) *Model {
				if bar.dir == "godoc-tiny" {
					return loadTiny(t, bar.file, o)
				}
				return load(t, o, bar.dir, bar.dir+"-"+bar.file+".gguf")
			}
			ids := texts[bar.dir]
			exact := logits(t, open(Options{Exact: true}), ids, WantAll)
			m := open(Options{})
			if m.tier.Group == 16 {
				kl, top := divergence(t, logits(t, m, ids, WantAll), exact, m.Vocab)
				limit := 1.1
				if bar.file == "f16" {
					limit = 1
				}
				of16.add(t, "as it is", bar, kl, top, limit, 0.5)
				m.groupBy32(t)
			}
			kl, top := divergence(t, logits(t, m, ids, WantAll), exact, m.Vocab)
			// A whole percent, since whether the same token is on top is a
			// matter of chance: of 1024 positions 33 differ, so 5.7 more or
			// less do. What must not be worse than llama.cpp's is their mean.
			of32.add(t, "in groups of 32", bar, kl, top, 1, 1)
		})
	}
	of16.check(t, "as it is")
	of32.check(t, "in groups of 32")
}

// groupBy32 computes with activations in groups of 32 from now on. Kernels for groups
// of 16 read both scales of a block, which are equal then: products differ by
// rounding from those of kernels for 32.
func (m *Model) groupBy32(t *testing.T) {
	t.Helper()
	for _, s := range m.stages {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	of32 := *m.tier
	of32.Group, of32.Bfloat = tier.Go32.Group, nil
	of32.MatMul, of32.Quantize = tier.Go32.MatMul, tier.Go32.Quantize
	m.tier = &of32
	if err := m.placeCPU(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
}

// divergences are those of several quantised files, together.
type divergences struct {
	logRatio   float64 // of mean KL to llama.cpp's, summed
	top, barOf float64 // top-1 agreements in percent, summed, and llama.cpp's
	files      float64
}

// add holds the divergence of a file to so many times llama.cpp's, and its top-1
// agreement to so many percent less.
func (d *divergences) add(t *testing.T, how string, b bar, kl, top, limit, less float64) {
	t.Helper()
	t.Logf("%s: mean KL %.3g (llama.cpp %.3g), top-1 %.2f %% (%.2f %%)", how, kl, b.kl, 100*top, b.top)
	if !(kl <= limit*b.kl) {
		t.Errorf("%s: mean KL %.3g, want at most %.3g", how, kl, limit*b.kl)
	}
	if 100*top < b.top-less {
		t.Errorf("%s: top-1 agreement %.2f %%, want at least %.2f %%", how, 100*top, b.top-less)
	}
	if b.file != "f16" {
		d.logRatio += math.Log(kl / b.kl)
		d.top, d.barOf = d.top+100*top, d.barOf+b.top
		d.files++
	}
}

// check holds all of them together to llama.cpp's.
func (d *divergences) check(t *testing.T, how string) {
	t.Helper()
	if d.files <= 2 {
		return
	}
	mean := math.Exp(d.logRatio / d.files)
	t.Logf("%s: over %.0f quantised files the geometric mean of the KL ratios is %.3f, mean top-1 agreement %.2f %% (%.2f %%)",
		how, d.files, mean, d.top/d.files, d.barOf/d.files)
	if mean > 1 {
		t.Errorf("%s: geometric mean of the KL ratios %.3f, want at most 1", how, mean)
	}
	if d.top < d.barOf {
		t.Errorf("%s: mean top-1 agreement %.2f %%, want at least %.2f %%", how, d.top/d.files, d.barOf/d.files)
	}
}
