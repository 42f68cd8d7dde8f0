package generic

import (
	"math"
	"math/rand/v2"
	"testing"

	"qgo/quant"
	"qgo/quant/codec"
)

// TestAttendSplit compares with Attend, with scores of a few units and in the hundreds. A query
// that sees nothing has no results, and NaNs behind what is seen do no harm.
func TestAttendSplit(t *testing.T) {
	for _, c := range []struct{ queries, scores, fine, rounded float64 }{
		{1, 1e-4, 1e-4, 4e-3},
		{30, 5e-3, 5e-3, 1e-2},
	} {
		testAttendSplit(t, c.queries, c.scores, map[bool]float64{true: c.fine, false: c.rounded})
	}
}

// testAttendSplit wants scores of queries of that size, and the outputs with fine and without, so
// near Attend's.
func testAttendSplit(t *testing.T, queries, scores float64, outputs map[bool]float64) {
	const d, rows, n = 64, 100, 5
	rng := rand.New(rand.NewPCG(1, 2))
	values := func(n int, size float64) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(size * rng.NormFloat64())
		}
		return x
	}
	size := quant.F16.RowBytes(d)
	tile := AttnTile{
		KV: quant.F16, HeadDim: d, Q: values(n*d, queries), Visible: []int{rows, 0, 1, 37, rows},
		K: make([]byte, (rows+KeyBlock-1)/KeyBlock*KeyBlock*size), V: make([]byte, rows*size),
	}
	for i := range tile.K {
		tile.K[i] = 0xff
	}
	key := make([]byte, size)
	for i := range rows {
		codec.Quantize(quant.F16, key, values(d, 0.5))
		PutKey(quant.F16, tile.K, i, key)
	}
	codec.Quantize(quant.F16, tile.V, values(rows*d, 1))
	results := func(attend func(*AttnTile, *AttnScratch)) AttnTile {
		r := tile
		r.Acc, r.Max, r.Sum = values(n*d, 1), values(n, 1), values(n, 1)
		attend(&r, NewAttnScratch(d))
		return r
	}
	want := results(Attend)
	for fine, most := range outputs {
		got := results(func(a *AttnTile, s *AttnScratch) { AttendSplit(a, s, fine) })
		if !math.IsInf(float64(got.Max[1]), -1) || got.Sum[1] != 0 || got.Acc[d] != 0 {
			t.Errorf("fine %t: of a query that sees nothing the largest score is %g, the sum %g", fine, got.Max[1], got.Sum[1])
		}
		for i := range n {
			if tile.Visible[i] == 0 {
				continue
			}
			if far := math.Abs(float64(got.Max[i] - want.Max[i])); !(far < scores) {
				t.Errorf("fine %t: query %d has the largest score %g, want %g", fine, i, got.Max[i], want.Max[i])
			}
			var diff, norm float64
			for c := i * d; c < (i+1)*d; c++ {
				w := float64(want.Acc[c] / want.Sum[i])
				diff += math.Pow(float64(got.Acc[c]/got.Sum[i])-w, 2)
				norm += w * w
			}
			if far := math.Sqrt(diff / norm); !(far < most) {
				t.Errorf("fine %t: the output of query %d is %.2g of its size away, want less than %g", fine, i, far, most)
			}
		}
	}
}
