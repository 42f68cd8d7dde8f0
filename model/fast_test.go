package model

import (
	"slices"
	"testing"

	"qgo/kernels/plan"
)

// TestFastDivergence holds --fast, which multiplies prompts in bfloat16 with
// floating-point weights, to what rounding both to that costs, and to what it
// leaves alone.
func TestFastDivergence(t *testing.T) {
	texts := readTexts(t)
	for dir, most := range map[string]float64{"godoc-tiny": 1e-3, "wide128": 1e-4} {
		open := func(o Options) *Model { return loadFrom(t, dir, "f16", o) }
		ids := texts[dir]
		if testing.Short() {
			ids = ids[:2*plan.Many]
		}
		m := open(Options{Fast: true})
		if !m.Fast() {
			t.Skip("this CPU has neither AVX-512 BF16 nor AMX")
		}
		got, exact := logits(t, m, ids, WantAll), exactLogits(t, dir, "f16", ids)
		kl, top := divergence(t, got, exact, m.Vocab)
		t.Logf("%s: mean KL %.3g, top-1 %.2f %%", dir, kl, 100*top)
		if kl == 0 || !(kl < most) {
			t.Errorf("%s: mean KL %.3g, want more than 0 and less than %.3g", dir, kl, most)
		}
		few := ids[:plan.Many-1]
		if plain := open(Options{}); !slices.Equal(logits(t, m, few, WantAll), logits(t, plain, few, WantAll)) {
			t.Errorf("%s: few tokens have other bits", dir)
		}
		// On the file as it is nothing is faster, so nothing is rounded.
		if o := open(Options{Fast: true, NoRepack: true}); o.Fast() {
			t.Errorf("%s: without panels there is no difference to be made", dir)
		}
	}
	if loadTiny(t, "q8_0", Options{Fast: true}).Fast() {
		t.Error("integer weights are multiplied as ever")
	}
}
