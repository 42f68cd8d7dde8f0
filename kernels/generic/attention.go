package generic

import (
	"math"

	"qgo/quant"
)

// AttnChunk is the number of positions that attention takes at a time. Depth
// is cut at its multiples and the parts are merged in order, whoever computed
// them, so that results do not depend on the number of workers.
const AttnChunk = 256

// AttnTile is a block of queries that look at one chunk of one KV head. The
// results are those of softmax over the chunk alone, not yet divided by Sum:
// Acc = Σ_j exp(s_j - Max) v_j with s_j = q·k_j and Sum = Σ_j exp(s_j - Max).
// A query that sees nothing here gets Sum 0 and Max -Inf.
type AttnTile struct {
	KV      quant.Type // type of the rows of K and V: F32, F16 or Q8_0
	HeadDim int
	Q       []float32 // [n][HeadDim], with the scale 1/√HeadDim in it
	Visible []int     // [n] the leading rows of K and V that query i sees
	K, V    []byte    // rows of HeadDim values
	Acc     []float32 // [n][HeadDim] out
	Max     []float32 // [n] out
	Sum     []float32 // [n] out
}

// AttnScratch is a worker's room for one chunk.
type AttnScratch struct {
	K, V   []float32 // [AttnChunk][HeadDim]
	Scores [AttnChunk]float32
}

// NewAttnScratch returns room for heads of headDim values.
func NewAttnScratch(headDim int) *AttnScratch {
	return &AttnScratch{K: make([]float32, AttnChunk*headDim), V: make([]float32, AttnChunk*headDim)}
}

// Attend computes a tile.
func Attend(t *AttnTile, s *AttnScratch) {
	rows := 0
	for _, n := range t.Visible {
		rows = max(rows, n)
	}
	d := t.HeadDim
	bytes := rows * t.KV.RowBytes(d)
	quant.Dequantize(t.KV, s.K[:rows*d], t.K[:bytes])
	quant.Dequantize(t.KV, s.V[:rows*d], t.V[:bytes])
	for i, n := range t.Visible {
		acc := t.Acc[i*d : (i+1)*d]
		clear(acc)
		top := float32(math.Inf(-1))
		for j := range n {
			v := Dot(t.Q[i*d:(i+1)*d], s.K[j*d:(j+1)*d])
			s.Scores[j] = v
			top = max(top, v)
		}
		var sum float32
		for j := range n {
			p := float32(math.Exp(float64(s.Scores[j] - top)))
			sum += p
			for c, v := range s.V[j*d : (j+1)*d] {
				acc[c] += p * v
			}
		}
		t.Max[i], t.Sum[i] = top, sum
	}
}

// Merge adds the results of a further chunk (acc2, max2, sum2) of one query
// to those of the chunks before it, and returns the new maximum and sum
// (Milakov and Gimelshein 2018, arXiv:1805.02867).
func Merge(acc []float32, max1, sum1 float32, acc2 []float32, max2, sum2 float32) (float32, float32) {
	if sum2 == 0 {
		return max1, sum1
	}
	if sum1 == 0 {
		copy(acc, acc2)
		return max2, sum2
	}
	top := max(max1, max2)
	f1 := float32(math.Exp(float64(max1 - top)))
	f2 := float32(math.Exp(float64(max2 - top)))
	for i, v := range acc2 {
		acc[i] = acc[i]*f1 + v*f2
	}
	return top, sum1*f1 + sum2*f2
}
