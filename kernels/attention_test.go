package kernels_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"qgo/kernels/generic"
	"qgo/kernels/generic/attntest"
	"qgo/kernels/tier"
	"qgo/kernels/tier/tiertest"
	"qgo/quant"
	"qgo/quant/codec"
)

// sizes are those of the tiles' numbers.
var sizes = attntest.Sizes{Queries: 1, Keys: 10, Values: 10}

// attendFused is generic.Attend with products that are not rounded before
// they are added.
func attendFused(t *generic.AttnTile, keys []float32, s *generic.AttnScratch) {
	d, size := t.HeadDim, t.KV.RowBytes(t.HeadDim)
	v := make([]float32, d)
	for i, n := range t.Visible {
		acc := t.Acc[i*d : (i+1)*d]
		clear(acc)
		for j := range n {
			s.Scores[j] = 0
			for c, q := range t.Q[i*d : (i+1)*d] {
				s.Scores[j] = generic.FMA(q, keys[j*d+c], s.Scores[j])
			}
		}
		t.Max[i], t.Sum[i] = generic.Softmax(s.Scores[:n])
		for j, p := range s.Scores[:n] {
			codec.Dequantize(t.KV, v, t.V[j*size:(j+1)*size])
			for c := range acc {
				acc[c] = generic.FMA(p, v[c], acc[c])
			}
		}
	}
}

// TestAttend compares attention with plain Go's, bit for bit, or with the fused
// form of it.
func TestAttend(t *testing.T) {
	dims := []int{16, 32, 40, 48, 64, 80, 96, 128, 256}
	positions := []int{1, 15, 16, 17, 31, 100, 255, 256}
	counts := []int{1, 2, 5, 6, 7, 8, 9, 14, 17, 64}
	if testing.Short() { // fused sums in plain Go are slow, more so on an emulated CPU
		dims, positions, counts = []int{16, 40, 64, 96}, []int{1, 17, 100, 256}, []int{1, 2, 6, 9}
	}
	tiertest.ForAll(t, func(t *testing.T, tier *tier.Tier) {
		rng := rand.New(rand.NewPCG(7, 8))
		for _, typ := range []quant.Type{quant.F32, quant.F16, quant.Q8_0} {
			for _, d := range dims {
				if d%typ.BlockLen() != 0 {
					continue
				}
				for _, rows := range positions {
					for _, n := range counts {
						if n > 9 && rows != 100 && d != 64 {
							continue
						}
						a, keys := attntest.Tile(rng, typ, d, n, rows, sizes)
						for i := range n {
							switch {
							case n > 1 && i == n/2:
								a.Visible = append(a.Visible, 0)
							case i%5 == 4:
								a.Visible = append(a.Visible, rng.IntN(rows)+1)
							default:
								a.Visible = append(a.Visible, rows)
							}
						}
						run := func(attend func(*generic.AttnTile, *generic.AttnScratch)) []float32 {
							return attntest.Results(rng, a, func(a *generic.AttnTile) { attend(a, generic.NewAttnScratch(d)) })
						}
						want := run(generic.Attend)
						if tier.Fused && d%16 == 0 { // a head of other sizes is plain Go's
							want = run(func(a *generic.AttnTile, s *generic.AttnScratch) { attendFused(a, keys, s) })
						}
						equal(t, fmt.Sprintf("%v, %d values, %d queries, %d positions", typ, d, n, rows), run(tier.Attend), want)
					}
				}
			}
		}
	})
}

// BenchmarkAttend is a whole chunk for the queries of a decoded token (7 heads
// of the 0.5B on one KV head) and of a tile of prefill.
func BenchmarkAttend(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, tier := range tier.All() {
		for _, typ := range []quant.Type{quant.F32, quant.F16, quant.Q8_0} {
			for _, n := range []int{7, 56} {
				const d = 64
				a, _ := attntest.Tile(rng, typ, d, n, generic.AttnChunk, sizes)
				for range n {
					a.Visible = append(a.Visible, generic.AttnChunk)
				}
				a.Acc, a.Max, a.Sum = make([]float32, n*d), make([]float32, n), make([]float32, n)
				s := generic.NewAttnScratch(d)
				b.Run(fmt.Sprintf("%s/%v/n=%d", tier.Name, typ, n), func(b *testing.B) {
					b.SetBytes(int64(len(a.K) + len(a.V)))
					for b.Loop() {
						tier.Attend(a, s)
					}
					b.ReportMetric(4*d*generic.AttnChunk*float64(n)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
				})
			}
		}
	}
}
