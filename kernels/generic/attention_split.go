package generic

import (
	"math"

	"qgo/quant"
	"qgo/quant/codec"
	"qgo/tensor"
)

// AttendSplit is [Attend] for float16 keys and values and heads of a multiple of 32 values, with
// factors that are split into two numbers in bfloat16, the nearest one and what that leaves: 16
// bits of a query, and all 11 of a key. Scores are in the hundreds, and the softmax takes them
// absolutely. Of the four products that of the two rests, 2^-16 of the whole, is left out. The
// other three are added in the order of TDPBF16PS, those of one kind after the other: large
// times large, rest times large, large times rest. With fine the weights of the softmax and the
// values are split too; otherwise they are rounded. Numbers below 2^-126 on the way are zero for AMX; results
// above 2^-100 do not show it. Values beyond Visible, up to the most that a query sees, are multiplied
// with zero: they must be finite.
func AttendSplit(t *AttnTile, s *AttnScratch, fine bool) {
	d := t.HeadDim
	size := t.KV.RowBytes(d)
	q, p := splitFactor(d), splitFactor(AttnChunk)
	key, row, column := make([]float32, d), make([]byte, size), make([]float32, AttnChunk)
	keys, values := [AttnChunk]factor{}, make([]factor, d)
	rows := 0
	for _, n := range t.Visible {
		rows = max(rows, n)
	}
	for j := range rows {
		GetKey(quant.F16, row, t.K, j)
		codec.Dequantize(quant.F16, key, row)
		keys[j] = splitFactor(d)
		keys[j].set(key)
	}
	codec.Dequantize(quant.F16, s.V[:rows*d], t.V[:rows*size])
	for c := range d {
		clear(column)
		for j := range rows {
			column[j] = s.V[j*d+c]
		}
		values[c] = splitFactor(AttnChunk)
		values[c].set(column)
	}
	for i, n := range t.Visible {
		acc := t.Acc[i*d : (i+1)*d]
		if n == 0 {
			clear(acc)
			t.Max[i], t.Sum[i] = float32(math.Inf(-1)), 0
			continue
		}
		q.set(t.Q[i*d : (i+1)*d])
		for j := range n {
			s.Scores[j] = q.times(&keys[j])
		}
		t.Max[i], t.Sum[i] = Softmax(s.Scores[:n])
		clear(column[n:])
		copy(column, s.Scores[:n])
		p.set(column)
		for c := range acc {
			if fine {
				acc[c] = p.times(&values[c])
			} else {
				acc[c] = sumTilesOf(0, p.large, values[c].large)
			}
		}
	}
}

// factor is a row of numbers that are split in two.
type factor struct{ large, rest []tensor.Block }

func splitFactor(n int) factor {
	return factor{make([]tensor.Block, n/tensor.BlockLen), make([]tensor.Block, n/tensor.BlockLen)}
}

// set splits x.
func (f *factor) set(x []float32) {
	for g := range f.large {
		large, rest := f.large[g].Bfloats(), f.rest[g].Bfloats()
		for k, v := range x[g*tensor.BlockLen:][:tensor.BlockLen] {
			large[k] = toBfloat(v)
			rest[k] = toBfloat(v - number(large[k]))
		}
	}
}

// times is the sum of three products.
func (f *factor) times(w *factor) float32 {
	sum := sumTilesOf(0, f.large, w.large)
	sum = sumTilesOf(sum, f.rest, w.large)
	return sumTilesOf(sum, f.large, w.rest)
}

// sumTilesOf is sumTiles with both factors in blocks.
func sumTilesOf(sum float32, x, w []tensor.Block) float32 {
	for g := range x {
		a, b := x[g].Bfloats(), w[g].Bfloats()
		var even, odd float32
		for k := 0; k < tensor.BlockLen; k += 2 {
			even += float32(number(a[k]) * number(b[k]))
			odd += float32(number(a[k+1]) * number(b[k+1]))
		}
		sum += even + odd
	}
	return sum
}
