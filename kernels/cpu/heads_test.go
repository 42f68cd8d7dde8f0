package cpu

import (
	"context"
	"slices"
	"testing"

	"qgo/kernels"
	"qgo/kernels/plan"
	"qgo/kernels/tier"
	"qgo/quant"
)

// TestRows computes sequences in batches of several sizes: few rows, which every
// worker norms for itself, and many, heads that fill panels and blocks of
// activations and heads that do not, must all have the same bits.
func TestRows(t *testing.T) {
	best, err := tier.ByName("")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []plan.Dims{
		{Heads: 4, KVHeads: 2, HeadDim: 64},
		{Heads: 7, KVHeads: 1, HeadDim: 64}, // parts of 3, 2 and 2 heads for 3 workers
		{Heads: 4, KVHeads: 4, HeadDim: 48}, // heads end within panels, and within blocks
		{Heads: 12, KVHeads: 6, HeadDim: 16},
		{Heads: 16, KVHeads: 16, HeadDim: 10},
	} {
		d.Width, d.FFN, d.Vocab, d.Eps = 64, 160, 50, 1e-6 // 10 panels of gate and up: shares end within blocks
		var want []float32
		for _, workers := range []int{1, 3} {
			if testing.Short() && workers == 1 {
				continue
			}
			for _, rows := range []int{40, 1, ownRows, ownRows + 1, fewRows + 1} {
				pool := kernels.NewPool(workers, false)
				s, err := New(random(d), Options{Pool: pool, Tier: best, Workers: workers, MaxRows: 40, MaxCtx: 300})
				if err != nil {
					t.Fatal(err)
				}
				kv, err := s.NewKV(300, quant.F16)
				if err != nil {
					t.Fatal(err)
				}
				var got []float32
				const all = 270 // more than one chunk of attention
				for pos := 0; pos < all; pos += rows {
					n := min(rows, all-pos)
					if pos < 240 && rows < 40 { // the same for all, and quickly done
						n = 40
					}
					b := &plan.Batch{Spans: []plan.Span{{KV: kv, Pos: pos, N: n}}, Tokens: make([]int32, n), Logits: make([]float32, n*d.Vocab)}
					for i := range n {
						b.Tokens[i] = int32((pos + i) % d.Vocab)
						b.Outputs = append(b.Outputs, i)
					}
					if err := s.Run(context.Background(), b); err != nil {
						t.Fatal(err)
					}
					got = append(got, b.Logits...)
					pos += n - rows
				}
				kv.Close()
				s.Close()
				pool.Close()
				if want == nil {
					want = got
				}
				if !slices.Equal(got, want) {
					t.Errorf("%d workers, %d rows, %+v: other logits", workers, rows, d)
				}
			}
		}
	}
}
