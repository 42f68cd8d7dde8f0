package model

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"qgo/gguf"
	"qgo/kernels/tier"
	"qgo/kernels/tier/tiertest"
	"qgo/model/arch"
	"qgo/model/synth"
)

// normed returns a model with norms of heads in the proportions of Qwen3 4B: heads of
// 128 values, together twice the width. Its tokens are those of the known answers
// modulo its vocabulary.
func normed(t testing.TB, mix string, n int) (*gguf.File, *reference, []int32) {
	t.Helper()
	spec, err := synth.ParseSpec("qwen3-4b", mix)
	if err != nil {
		t.Fatal(err)
	}
	spec.Width, spec.FFN, spec.Blocks, spec.Heads, spec.KV, spec.Vocab = 256, 512, 2, 4, 2, 2000
	f, err := synth.Build(spec)
	if err != nil {
		t.Fatal(err)
	}
	ids := slices.Clone(text(t, n))
	for i := range ids {
		ids[i] %= int32(spec.Vocab)
	}
	return f, &reference{f: f, width: 256, heads: 4, kv: 2, dim: 128, blocks: 2, ropeBase: 1e6, eps: float64(float32(1e-6))}, ids
}

func loaded(t testing.TB, f *gguf.File, o Options) *Model {
	t.Helper()
	o.Notify = func(text string) { t.Error(text) }
	m, err := Load(context.Background(), f, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// inParts returns the logits after each of the tokens, which are computed in
// passes of so many.
func inParts(t testing.TB, m *Model, ids []int32, sizes ...int) (all []float32) {
	t.Helper()
	kv := newKV(t, m, len(ids))
	for _, n := range sizes {
		seq := []Seq{{KV: kv, Tokens: ids[:n], Want: WantAll}}
		if err := m.Forward(context.Background(), seq); err != nil {
			t.Fatal(err)
		}
		all, ids = append(all, seq[0].Logits...), ids[n:]
	}
	return all
}

// TestHeadNorms goes every way through the norms of heads, prompts of few and of
// many rows and single tokens after them, with keys and values of each type.
func TestHeadNorms(t *testing.T) {
	f, r, ids := normed(t, "f32", 44)
	want := r.logits(ids)
	compare := func(t *testing.T, o Options, most float64) {
		o.Context, o.MaxRows = 64, 40
		if e := deviation(inParts(t, loaded(t, f, o), ids, 40, 1, 2, 1), want); !(e <= most) {
			t.Errorf("KV of %s: the logits differ by %.2g of their size, want at most %.2g", o.KV, e, most)
		}
	}
	tiertest.ForAll(t, func(t *testing.T, tier *tier.Tier) {
		for kv, most := range map[string]float64{"f32": 1e-6, "f16": 3e-4, "q8_0": 5e-3} {
			compare(t, Options{Tier: tier.Name, KV: kv}, most)
		}
	})
	t.Run("exact", func(t *testing.T) { compare(t, Options{Exact: true, KV: "f32"}, 1e-6) })
}

// TestHeadNormThreads demands the same bits from any number of workers.
func TestHeadNormThreads(t *testing.T) {
	crowds = true
	defer func() { crowds = false }()
	f, _, ids := normed(t, "q4_k_m", 70)
	var want []float32
	for _, threads := range []int{1, 2, 5} {
		got := inParts(t, loaded(t, f, Options{Threads: threads, Context: 80}), ids, 67, 1, 1, 1)
		if want == nil {
			want = got
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d threads: the logits are not those of one", threads)
		}
	}
}

// TestHeadNormsAllocateNothing per token, in decode and in prefill.
func TestHeadNormsAllocateNothing(t *testing.T) {
	f, _, ids := normed(t, "q8_0", 32)
	allocatesNothing(t, loaded(t, f, Options{Context: 64, MaxRows: 32}), ids)
}

// TestGPUHeadNorms goes the same ways on a GPU, whole and with a part of the
// model on the CPU.
func TestGPUHeadNorms(t *testing.T) {
	beside(t)
	dev := anyGPU(t)
	for _, c := range []struct {
		mix    string
		layers int
	}{{"f32", AllLayers}, {"f32", 2}, {"q8_0", AllLayers}} {
		f, r, ids := normed(t, c.mix, 14)
		m := loaded(t, f, Options{Device: dev, GPULayers: c.layers, KV: "f32", Context: 16, MaxRows: 12})
		if e := deviation(inParts(t, m, ids, 11, 1, 2), r.logits(ids)); !(e <= 1e-6) {
			t.Errorf("%s, %s: the logits differ by %.2g of their size", c.mix, m.Placement(), e)
		}
	}
}

// TestHeadNormTensors: a family with norms of heads does without none of them.
func TestHeadNormTensors(t *testing.T) {
	for _, name := range []string{"attn_q_norm", "attn_k_norm"} {
		spec, err := synth.ParseSpec("qwen3-0.6b", "q8_0")
		if err != nil {
			t.Fatal(err)
		}
		spec.Blocks, spec.Vocab = 1, 1000
		f, err := spec.Outline()
		if err != nil {
			t.Fatal(err)
		}
		name = fmt.Sprintf("blk.0.%s.weight", name)
		x, ok := f.Tensor(name)
		if !ok || !slices.Equal(x.Dims, []int{128}) {
			t.Fatalf("%s is %+v", name, x)
		}
		x.Dims = []int{64}
		_, _, _, err = Survey(f, Options{})
		if want := "tensor " + name + ": expected the shape [128], found [64]"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	if !arch.Qwen3.HeadNorm || arch.Qwen3.Bias || arch.Qwen2.HeadNorm || !arch.Qwen2.Bias {
		t.Error("the families have each other's tensors")
	}
}
