package cuda

import (
	"math/rand/v2"
	"slices"
	"testing"

	"qgo/kernels/cuda/emulator"
	"qgo/kernels/plan"
	"qgo/quant"
)

// TestStreamShape says how heads of known sizes are shared, and that one whose rows do not fit
// into a block's memory is not.
func TestStreamShape(t *testing.T) {
	const sms, memory = 132, 227 << 10
	for _, c := range []struct {
		rows, cols int
		typ        quant.Type
		want       streamShape
	}{
		{151936, 896, quant.Q4_0, streamShape{4, 28*144 + 4*2*16*504, 132}},
		{151936, 896, quant.F16, streamShape{3, 28*144 + 3*2*16*1792, 132}},
		{1000, 896, quant.Q6_K, streamShape{4, 28*144 + 4*2*(16*734+32), 16}},
		{151936, 8192, quant.F16, streamShape{}},
	} {
		l := &linear{typ: c.typ}
		l.w.rows, l.w.cols = int32(c.rows), int32(c.cols)
		if got := streamShapeOf(l, sms, memory); got != c.want {
			t.Errorf("%d by %d of %v: %v, want %v", c.rows, c.cols, c.typ, got, c.want)
		}
	}
}

// TestHeadTiles computes logits of so many tokens that warps have several tiles of the head each: to the bits
// of those that are computed for several rows.
func TestHeadTiles(t *testing.T) {
	for _, capability := range []int{tensorCapability, earlyCapability} {
		for _, typ := range []quant.Type{quant.Q4_0, quant.Q6_K, quant.F16} {
			dev := tokenGPUOf(t, emulator.Options{SMs: 4, Capability: capability})
			p, rng := shape(t, 64, 2, typ), rand.New(rand.NewPCG(1, 2))
			const odd = 16*tileRows - 3
			p.Vocab = 2*dev.info.SMs*streamWarps*tileRows + odd
			embedding := matrix(t, rng, typ, p.Vocab, p.Width)
			p.Embedding, p.Head.W = &embedding, matrix(t, rng, typ, p.Vocab, p.Width)
			s := tokenStageFor(t, dev, p, plan.Options{MaxRows: 2, MaxCtx: 100})
			if tiles, warps := ceil(p.Vocab, tileRows), s.stream.blocks*s.stream.warps; tiles < 2*warps {
				t.Fatalf("%d tiles are too few for %d warps to have two and more each", tiles, warps)
			}
			a, b := newKV(t, s, 100, quant.F16), newKV(t, s, 100, quant.F16)
			spanA, spanB := plan.Span{KV: a, N: 1}, plan.Span{KV: b, N: 1}
			want := logitsOfRows(t, s, []plan.Span{spanA, spanB}, []int32{3, 8})
			for range 3 {
				if got := logitsOfRows(t, s, []plan.Span{spanA}, []int32{3}); !slices.Equal(got, want[:p.Vocab]) {
					t.Fatalf("%v, capability %d: logits of a token differ from those of two", typ, capability)
				}
				if got := logitsOfRows(t, s, []plan.Span{spanB}, []int32{8}); !slices.Equal(got, want[p.Vocab:]) {
					t.Fatalf("%v, capability %d: logits of another token differ from those of two", typ, capability)
				}
				bestOf(t, s, a, rng, 1)
			}
		}
	}
}
