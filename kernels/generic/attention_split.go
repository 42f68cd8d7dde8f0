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
	key, row, column := make([]float32, d), make([]byte, size), make([]float32, AttnChunk)
	keys, values := [AttnChunk]halves{}, make([]halves, d)
	rows := 0
	for _, n := range t.Visible {
		rows = max(rows, n)
	}
	for j := range rows {
		GetKey(quant.F16, row, t.K, j)
		codec.Dequantize(quant.F16, key, row)
		keys[j] = splitNumbers(key)
	}
	codec.Dequantize(quant.F16, s.V[:rows*d], t.V[:rows*size])
	for c := range d {
		for j := range rows {
			column[j] = s.V[j*d+c]
		}
		values[c] = splitNumbers(column)
	}
	for i, n := range t.Visible {
		acc := t.Acc[i*d : (i+1)*d]
		if n == 0 {
			clear(acc)
			t.Max[i], t.Sum[i] = float32(math.Inf(-1)), 0
			continue
		}
		q := splitNumbers(t.Q[i*d : (i+1)*d]).blocks()
		for j := range n {
			s.Scores[j] = q.times(keys[j])
		}
		t.Max[i], t.Sum[i] = Softmax(s.Scores[:n])
		clear(column[n:])
		copy(column, s.Scores[:n])
		p := splitNumbers(column).blocks()
		for c := range acc {
			if fine {
				acc[c] = p.times(values[c])
			} else {
				acc[c] = sumTiles(0, p.large, values[c].large)
			}
		}
	}
}

// halves are numbers that are split in two, which bfloat16 holds.
type halves struct{ large, rest []float32 }

func splitNumbers(x []float32) halves {
	h := halves{make([]float32, len(x)), make([]float32, len(x))}
	for i, v := range x {
		h.large[i] = number(toBfloat(v))
		h.rest[i] = number(toBfloat(v - h.large[i]))
	}
	return h
}

// blocks returns them in blocks.
func (h halves) blocks() halfBlocks {
	n := len(h.large) / tensor.BlockLen
	b := halfBlocks{make([]tensor.Block, n), make([]tensor.Block, n)}
	Bfloat(h.large, b.large)
	Bfloat(h.rest, b.rest)
	return b
}

type halfBlocks struct{ large, rest []tensor.Block }

// times is the sum of three products.
func (b halfBlocks) times(w halves) float32 {
	sum := sumTiles(0, b.large, w.large)
	sum = sumTiles(sum, b.rest, w.large)
	return sumTiles(sum, b.large, w.rest)
}
