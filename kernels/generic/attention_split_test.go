package generic_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"qgo/kernels/generic"
	"qgo/kernels/generic/attntest"
	"qgo/quant"
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
	tile, _ := attntest.Tile(rng, quant.F16, d, n, rows, attntest.Sizes{Queries: queries, Keys: 0.5, Values: 1})
	tile.Visible = []int{rows, 0, 1, 37, rows}
	results := func(attend func(*generic.AttnTile, *generic.AttnScratch)) (acc, top, sum []float32) {
		all := attntest.Results(rng, tile, func(a *generic.AttnTile) { attend(a, generic.NewAttnScratch(d)) })
		return all[:n*d], all[n*d:][:n], all[n*d+n:]
	}
	acc, top, sum := results(generic.Attend)
	for fine, most := range outputs {
		acc2, top2, sum2 := results(func(a *generic.AttnTile, s *generic.AttnScratch) { generic.AttendSplit(a, s, fine) })
		for i, visible := range tile.Visible {
			if visible == 0 {
				if !math.IsInf(float64(top2[i]), -1) || sum2[i] != 0 || acc2[i*d] != 0 {
					t.Errorf("fine %t: of a query that sees nothing the largest score is %g, the sum %g", fine, top2[i], sum2[i])
				}
				continue
			}
			if far := math.Abs(float64(top2[i] - top[i])); !(far < scores) {
				t.Errorf("fine %t: query %d has the largest score %g, want %g", fine, i, top2[i], top[i])
			}
			var diff, norm float64
			for c := i * d; c < (i+1)*d; c++ {
				want := float64(acc[c] / sum[i])
				diff += math.Pow(float64(acc2[c]/sum2[i])-want, 2)
				norm += want * want
			}
			if far := math.Sqrt(diff / norm); !(far < most) {
				t.Errorf("fine %t: the output of query %d is %.2g of its size away, want less than %g", fine, i, far, most)
			}
		}
	}
}
