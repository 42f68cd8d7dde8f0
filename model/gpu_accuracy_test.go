package model

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"qgo/model/synth"
	"qgo/quant"
)

// gpuBars are the largest mean KL divergence, in nats, from exact arithmetic on
// the CPU with the same type of KV cache, if the GPU's is to be exact, too. A
// cache that rounds makes more of small differences, which now and then round to
// another number: in float16 that has made 1.1e-7, with 4e-12 where nothing is rounded.
var gpuBars = map[string]float64{"f32": 1e-9, "f16": 5e-7, "q8_0": 1e-4}

// TestGPUAccuracy compares logits with those of exact arithmetic on the CPU, in
// prefill and in decode, for all types of weights and of the KV cache.
func TestGPUAccuracy(t *testing.T) {
	beside(t)
	dev := anyGPU(t)
	for _, file := range tinyFiles {
		ids := readGolden(t).SeqIDs
		if *realGPU < 0 {
			if file.name != "q8_0" {
				continue
			}
			ids = ids[:16]
		}
		t.Run(file.name, func(t *testing.T) {
			phases := map[string]func(m *Model) []float32{
				"prefill": func(m *Model) []float32 { return slices.Clone(logits(t, m, ids, WantAll)) },
				"decode":  func(m *Model) []float32 { return decoded(t, m, ids) },
			}
			for _, kv := range []string{"f32", "f16", "q8_0"} {
				gpu := loadTiny(t, file.name, Options{Exact: true, Device: dev, GPULayers: AllLayers, KV: kv, Context: 512, Notify: func(s string) { t.Error(s) }})
				cpu := loadTiny(t, file.name, Options{Exact: true, KV: kv})
				for name, phase := range phases {
					kl, top := divergence(t, phase(gpu), phase(cpu), gpu.Vocab)
					t.Logf("%s, KV %s: KL %.3g, same top token %.2f %%", name, kv, kl, 100*top)
					if !(kl <= gpuBars[kv]) {
						t.Errorf("%s, KV %s: mean KL %.3g, want at most %.3g", name, kv, kl, gpuBars[kv])
					}
				}
			}
		})
	}
}

// TestGPUDivergence has a GPU's usual arithmetic, which multiplies prompts in float16
// where it has units for that, diverge no more from exact arithmetic than llama.cpp does.
func TestGPUDivergence(t *testing.T) {
	if *realGPU < 0 {
		t.Skip("takes minutes in the emulator; kernels/cuda tests prefill in it")
	}
	diverges(t, way{name: "on the GPU", options: Options{Device: anyGPU(t), GPULayers: AllLayers}, most: 1, less: 0.5})
}

// decoded computes the first half of a text in batches of different sizes and
// the rest token by token; it returns the logits of the rest.
func decoded(t testing.TB, m *Model, ids []int32) (all []float32) {
	t.Helper()
	kv := newKV(t, m, len(ids))
	half := len(ids) / 2
	for _, n := range []int{1, 2, 3, half} {
		next := ids[kv.Len():min(kv.Len()+n, half)]
		if err := m.Forward(context.Background(), []Seq{{KV: kv, Tokens: next}}); err != nil {
			t.Fatal(err)
		}
	}
	for kv.Len() < len(ids) {
		seq := []Seq{{KV: kv, Tokens: ids[kv.Len() : kv.Len()+1], Want: WantLast}}
		if err := m.Forward(context.Background(), seq); err != nil {
			t.Fatal(err)
		}
		all = append(all, seq[0].Logits...)
	}
	return all
}

// TestGPUGolden generates the known answers token for token.
func TestGPUGolden(t *testing.T) {
	beside(t)
	dev := anyGPU(t)
	for _, name := range []string{"f16", "q8_0"} {
		prompts, most := readGolden(t).Prompts, 1000
		if *realGPU < 0 {
			if name != "q8_0" {
				continue
			}
			prompts, most = prompts[:1], 8
		}
		t.Run(name, func(t *testing.T) {
			m := loadTiny(t, name, Options{Device: dev, GPULayers: AllLayers, Context: 512})
			for i, p := range prompts {
				n := min(most, len(p.Generated))
				if got := greedy(t, m, p.IDs, n); !slices.Equal(got, p.Generated[:n]) {
					t.Errorf("prompt %d: %v, want %v", i, got, p.Generated[:n])
				}
			}
		})
	}
}

// TestGPUWide compares with logits in float64 at positions of a long text:
// heads of 128, an untied head, large biases of the keys.
func TestGPUWide(t *testing.T) {
	beside(t)
	dev := anyGPU(t)
	w := readWide(t)
	for _, name := range []string{"f16", "q8_0", "q6_k", "q4_k_m", "q4_0", "q2_k"} {
		positions := w.Positions
		if *realGPU < 0 {
			if name != "q4_0" {
				continue
			}
			positions = positions[:1]
		}
		t.Run(name, func(t *testing.T) {
			want := floats(t, "wide128", "wide128-"+name+".f32")
			m := load(t, Options{Exact: true, Device: dev, GPULayers: AllLayers, KV: "f32"}, "wide128", "wide128-"+name+".gguf")
			ids := w.IDs[:positions[len(positions)-1]+1]
			all := logits(t, m, ids, WantAll)
			worst := 0.0
			for i, pos := range positions {
				d := distance(all[pos*m.Vocab:(pos+1)*m.Vocab], want[i*m.Vocab:(i+1)*m.Vocab])
				worst = max(worst, d)
				if !(d <= 1e-5) {
					t.Errorf("position %d: relative distance %.2g, want at most 1e-5", pos, d)
				}
			}
			t.Logf("worst distance %.2g", worst)
		})
	}
}

// TestGPUDeep cuts a model of 24 blocks at every layer. With usual arithmetic a cut diverges about
// as much from exact arithmetic as the CPU by itself: with random weights most of that is due to keys
// and values in float16.
func TestGPUDeep(t *testing.T) {
	if *realGPU < 0 {
		t.Skip("takes minutes in the emulator; TestGPUSplits is a smaller one")
	}
	dev := anyGPU(t)
	mix, err := quant.ParseMix("q4_k_m")
	if err != nil {
		t.Fatal(err)
	}
	spec := synth.Spec{Shape: synth.Shape{Name: "deep", Width: 512, FFN: 1024, Blocks: 24, Heads: 8, KV: 2}, Mix: mix, Vocab: 3000, Seed: 1}
	ids := make([]int32, 80)
	for i := range ids {
		ids[i] = int32(i * 37 % 2000)
	}
	var exact []float32
	for _, o := range []Options{{Exact: true}, {}} {
		bar := gpuBars["f32"]
		for layers := range 27 {
			f, err := synth.Build(spec)
			if err != nil {
				t.Fatal(err)
			}
			o.Context = 128
			if layers > 0 {
				o.Device, o.GPULayers = dev, layers
			}
			m, err := Load(context.Background(), f, o)
			if err != nil {
				t.Fatal(err)
			}
			got := append(slices.Clone(logits(t, m, ids, WantAll)), decoded(t, m, ids)...)
			if exact == nil {
				exact = got
			}
			kl, _ := divergence(t, got, exact, m.Vocab)
			t.Logf("exact %v, %s: KL %.3g", o.Exact, m.Placement(), kl)
			if !o.Exact && layers == 0 {
				bar = 1.25 * kl
			}
			if !(kl <= bar) || m.OnGPU() != (layers > 0) {
				t.Errorf("exact %v, %d layers on the GPU: mean KL %.3g, want at most %.3g", o.Exact, layers, kl, bar)
			}
			if err := m.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestGPULong decodes a long text: the logits at its end are those that exact
// prefill gives, and no memory is lost. Activations of 11 bits are 1e-3 away from
// exact ones after 20 tokens; errors that add up would show after 10 000.
func TestGPULong(t *testing.T) {
	beside(t)
	n := 10000
	if *realGPU < 0 {
		n = 12
	}
	dev := anyGPU(t)
	load := func(exact bool) *Model {
		return tiny(t, Options{Exact: exact, Device: dev, GPULayers: AllLayers, Context: n, KV: "f32"})
	}
	ids := readGolden(t).Prompts[0].IDs[:5]
	for exact, bar := range map[bool]float64{true: 1e-4, false: 4e-3} {
		t.Run(fmt.Sprintf("exact %v", exact), func(t *testing.T) {
			m, reference := load(exact), load(true)
			before, _, err := dev.MemInfo()
			if err != nil {
				t.Fatal(err)
			}
			func() {
				kv, err := m.NewKV(n)
				if err != nil {
					t.Fatal(err)
				}
				defer kv.Close()
				seq := []Seq{{KV: kv, Tokens: ids, Want: WantLast, Greedy: n - len(ids) + 1}}
				if err := m.Forward(context.Background(), seq); err != nil {
					t.Fatal(err)
				}
				text := append(slices.Clone(ids), seq[0].Out...)
				want := logits(t, reference, text[:n], WantLast)
				d := distance(seq[0].Logits, want)
				t.Logf("after %d tokens the relative distance is %.2g", n, d)
				if !(d <= bar) {
					t.Errorf("after %d tokens the relative distance is %.2g, want at most %g", n, d, bar)
				}
			}()
			if after, _, err := dev.MemInfo(); err != nil || after != before {
				t.Errorf("%d bytes are free, %d were before: %v", after, before, err)
			}
		})
	}
}

// BenchmarkGPU measures decode and prefill of a model of the shape of
// Qwen2.5-0.5B with a small vocabulary, whose head is made up for by blocks.
func BenchmarkGPU(b *testing.B) {
	if *realGPU < 0 {
		b.Skip("needs a GPU: -gpu 0")
	}
	dev := anyGPU(b)
	for _, name := range []string{"q4_0", "q8_0", "q4_k_m", "f16"} {
		mix, err := quant.ParseMix(name)
		if err != nil {
			b.Fatal(err)
		}
		f, err := synth.Build(synth.Spec{Shape: synth.Shapes[0], Mix: mix, Vocab: 32000, Seed: 1})
		if err != nil {
			b.Fatal(err)
		}
		m, err := Load(context.Background(), f, Options{Device: dev, GPULayers: AllLayers})
		if err != nil {
			b.Fatal(err)
		}
		for _, n := range []int{1, 8, 512} {
			ids := make([]int32, n)
			kv := newKV(b, m, 1024)
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				for b.Loop() {
					kv.Truncate(0)
					if err := m.Forward(context.Background(), []Seq{{KV: kv, Tokens: ids, Want: WantLast}}); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "tokens/s")
			})
			kv.Close()
		}
		if err := m.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
