package model

import (
	"slices"
	"testing"

	"qgo/kernels/cuda"
	"qgo/kernels/cuda/emulator"
	"qgo/model/draft"
	"qgo/model/sample"
)

// tensorGPU is anyGPU with units for products of matrices.
func tensorGPU(t *testing.T) *cuda.Device {
	t.Helper()
	if *realGPU >= 0 {
		return anyGPU(t)
	}
	if testing.Short() {
		t.Skip("takes long in the emulator")
	}
	return emulated(t, emulator.Options{Capability: 80})
}

// TestGPURowsAlone demands of a GPU what TestRowsAlone does: a pass of several tokens has
// each one's bits, wherever the model is cut, or the model says that it does not.
func TestGPURowsAlone(t *testing.T) {
	beside(t)
	dev := tensorGPU(t)
	for _, layers := range []int{3, AllLayers} {
		if layers == AllLayers && *realGPU < 0 {
			break // takes long in the emulator; TestGPUSpeculation has all there
		}
		m := tiny(t, Options{Device: dev, GPULayers: layers, Context: 64})
		if want := 1 + draft.MaxTokens; m.sameRows() != want || m.NoSpeculation() != "" {
			t.Fatalf("%s: %d rows, want %d; %s", m.Placement(), m.sameRows(), want, m.NoSpeculation())
		}
		rowsAlone(t, m.Placement().String(), m, text(t, 20), []int{4})
	}
	exact := tiny(t, Options{Device: dev, GPULayers: AllLayers, Context: 64, Exact: true})
	if exact.sameRows() != 1 || exact.NoSpeculation() == "" {
		t.Errorf("exact: %d rows; %q", exact.sameRows(), exact.NoSpeculation())
	}
}

// TestGPUSpeculation writes the same with guesses and without, greedy, sampled by the
// largest logits, where these are too few, and where all are wanted.
func TestGPUSpeculation(t *testing.T) {
	beside(t)
	m := tiny(t, Options{Device: tensorGPU(t), GPULayers: AllLayers, Context: 128})
	passage := text(t, 9)
	prompt := slices.Concat(passage, passage[:4])
	ways := map[string]sample.Params{
		"sampled":   {Temperature: 0.3, TopK: 20, TopP: 0.8, Seed: 4},
		"penalised": {Temperature: 0.1, TopK: 63, PresencePenalty: 1, Seed: 3},
	}
	if *realGPU >= 0 { // the emulator takes long
		ways["greedy"] = sample.Params{}
		ways["of all"] = sample.Params{Temperature: 0.5, Seed: 3}
	}
	for way, p := range ways {
		g := Generation{IgnoreEOG: true, MaxTokens: 8, Sampling: p}
		want := write(t, m, prompt, g)
		g.Speculate = true
		got := write(t, m, prompt, g)
		if !slices.Equal(got.tokens, want.tokens) || !slices.Equal(got.held, want.held) {
			t.Errorf("%s: %d, without guesses %d", way, got.tokens, want.tokens)
		}
		if got.stats.Drafted == 0 {
			t.Errorf("%s: nothing was guessed: this text repeats", way)
		}
		t.Logf("%s: %d of %d guesses right", way, got.stats.Accepted, got.stats.Drafted)
	}
}
