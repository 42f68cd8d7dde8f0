package cpu

import (
	"context"
	"math"
	"slices"
	"testing"

	"qgo/kernels"
	"qgo/kernels/generic"
	"qgo/kernels/plan"
	"qgo/kernels/tier"
	"qgo/quant"
)

// TestBfloat computes many tokens with a tier that multiplies them in bfloat16:
// the bits depend neither on how the tokens are cut into batches nor on the
// number of workers, are near those of a tier without, and few tokens have the
// same as there.
func TestBfloat(t *testing.T) {
	const rows = 36
	bfloat := *tier.Go
	bfloat.Bfloat = generic.Bfloat
	compute := func(on *tier.Tier, workers int, many bool, cuts ...int) []float32 {
		pool := kernels.NewPool(workers, false)
		defer pool.Close()
		s, err := New(small(), Options{Pool: pool, Tier: on, Workers: workers, MaxRows: rows, MaxCtx: rows})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		kv, err := s.NewKV(rows, quant.F16)
		if err != nil {
			t.Fatal(err)
		}
		defer kv.Close()
		var b *plan.Batch
		for first := 0; first < rows; {
			n := rows - first
			if len(cuts) > 0 {
				n, cuts = cuts[0], cuts[1:]
			}
			b = &plan.Batch{
				Spans: []plan.Span{{KV: kv, Pos: first, N: n}}, Many: many,
				Outputs: []int{n - 1}, Logits: make([]float32, s.Vocab),
			}
			for i := range n {
				b.Tokens = append(b.Tokens, int32(7*(first+i)%s.Vocab))
			}
			if err := s.Run(context.Background(), b); err != nil {
				t.Fatal(err)
			}
			first += n
		}
		return b.Logits
	}
	many := compute(&bfloat, 1, true)
	for _, cuts := range [][]int{{33}, {1, 16, 3}} {
		if !slices.Equal(compute(&bfloat, 2, true, cuts...), many) {
			t.Errorf("cut after %v the logits differ", cuts)
		}
	}
	few := compute(tier.Go, 1, false)
	if !slices.Equal(compute(&bfloat, 1, false), few) || !slices.Equal(compute(tier.Go, 1, true), few) {
		t.Error("without bfloat16 the logits differ")
	}
	var diff, size float64
	for i, v := range few {
		diff += math.Pow(float64(many[i]-v), 2)
		size += math.Pow(float64(v), 2)
	}
	if far := math.Sqrt(diff / size); far == 0 || !(far < 0.02) {
		t.Errorf("the distance from 8-bit activations is %.2g of the logits, want more than 0 and less than 0.02", far)
	}
}
