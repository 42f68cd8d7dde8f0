package generic

import (
	"math"
	"unsafe"

	"qgo/quant"
	"qgo/quant/codec"
)

// AttnChunk is the number of positions that attention takes at a time. Depth
// is cut at its multiples and the parts are merged in order, whoever computed
// them, so that results do not depend on the number of workers.
const AttnChunk = 256

// AttnQueries is the largest number of queries that a kernel may compute
// together: it has room for their scores.
const AttnQueries = 8

// AttnTile is a block of queries that look at one chunk of one KV head. The
// results are those of softmax over the chunk alone, not yet divided by Sum:
// Acc = Σ_j exp(s_j - Max) v_j with s_j = q·k_j and Sum = Σ_j exp(s_j - Max).
// A query that sees nothing here gets Sum 0 and Max -Inf.
type AttnTile struct {
	KV      quant.Type // type of K and V: F32, F16 or Q8_0
	HeadDim int
	Q       []float32 // [n][HeadDim], with the scale 1/√HeadDim in it
	Visible []int     // [n] the leading positions that query i sees, up to AttnChunk
	K       []byte    // whole blocks of KeyBlock keys: see PutKey
	V       []byte    // rows of HeadDim values, one a position
	Acc     []float32 // [n][HeadDim] out
	Max     []float32 // [n] out
	Sum     []float32 // [n] out
}

// AttnScratch is a worker's room for one chunk.
type AttnScratch struct {
	K, V   []float32 // [AttnChunk][HeadDim] in the order of the tile's
	Scores [AttnQueries * AttnChunk]float32
}

// NewAttnScratch returns room for heads of headDim values.
func NewAttnScratch(headDim int) *AttnScratch {
	return &AttnScratch{K: make([]float32, AttnChunk*headDim), V: make([]float32, AttnChunk*headDim)}
}

// AttnScratchBytes is the memory that NewAttnScratch(headDim) takes.
func AttnScratchBytes(headDim int) int {
	return 2*AttnChunk*headDim*4 + int(unsafe.Sizeof(AttnScratch{}))
}

// Attend computes a tile. Its order of operations is that of all tiers: a
// score is summed value after value of the head, the weights of the softmax in
// 16 interleaved parts that are added in halves, the output position after
// position. What lies beyond Visible has no influence.
func Attend(t *AttnTile, s *AttnScratch) {
	rows := 0
	for _, n := range t.Visible {
		rows = max(rows, n)
	}
	d := t.HeadDim
	size := t.KV.RowBytes(d)
	blocks := (rows + KeyBlock - 1) / KeyBlock
	floatKeys(t.KV, s.K[:blocks*KeyBlock*d], t.K[:blocks*KeyBlock*size])
	codec.Dequantize(t.KV, s.V[:rows*d], t.V[:rows*size])
	for i, n := range t.Visible {
		q, acc := t.Q[i*d:(i+1)*d], t.Acc[i*d:(i+1)*d]
		for j := 0; j < n; j += KeyBlock {
			scores((*[KeyBlock]float32)(s.Scores[j:]), q, runs(s.K[j*d:], d))
		}
		t.Max[i], t.Sum[i] = Softmax(s.Scores[:n])
		clear(acc)
		for j, p := range s.Scores[:n] {
			v := s.V[j*d : (j+1)*d]
			for c := range acc {
				acc[c] += float32(p * v[c])
			}
		}
	}
}

// scores computes the scalar products of q with a block of keys, eight at a
// time to keep them in registers.
func scores(out *[KeyBlock]float32, q []float32, keys [][KeyBlock]float32) {
	keys = keys[:len(q)]
	for half := 0; half < KeyBlock; half += 8 {
		var s0, s1, s2, s3, s4, s5, s6, s7 float32
		for c, v := range q {
			k := (*[8]float32)(keys[c][half:])
			s0 += float32(v * k[0])
			s1 += float32(v * k[1])
			s2 += float32(v * k[2])
			s3 += float32(v * k[3])
			s4 += float32(v * k[4])
			s5 += float32(v * k[5])
			s6 += float32(v * k[6])
			s7 += float32(v * k[7])
		}
		*(*[8]float32)(out[half:]) = [8]float32{s0, s1, s2, s3, s4, s5, s6, s7}
	}
}

// Softmax replaces the scores s by exp(s - max) and returns the maximum, NaNs
// left out (-Inf for no scores), and the sum of the results.
func Softmax(s []float32) (top, sum float32) {
	var tops, sums [16]float32
	for i := range tops {
		tops[i] = float32(math.Inf(-1))
	}
	for j, v := range s {
		if v > tops[j%16] {
			tops[j%16] = v
		}
	}
	for w := 8; w > 0; w /= 2 {
		for i := range tops[:w] {
			if tops[i+w] > tops[i] {
				tops[i] = tops[i+w]
			}
		}
	}
	for j, v := range s {
		s[j] = Exp(v - tops[0])
		sums[j%16] += s[j]
	}
	for w := 8; w > 0; w /= 2 {
		for i := range sums[:w] {
			sums[i] += sums[i+w]
		}
	}
	return tops[0], sums[0]
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
	f1, f2, top, sum := MergeFactors(max1, sum1, max2, sum2)
	for i, v := range acc2 {
		acc[i] = float32(acc[i]*f1) + float32(v*f2)
	}
	return top, sum
}

// MergeFactors returns what [Merge] multiplies the two outputs with, and the
// maximum and sum of both parts.
func MergeFactors(max1, sum1, max2, sum2 float32) (f1, f2, top, sum float32) {
	top = max(max1, max2)
	f1, f2 = Exp(max1-top), Exp(max2-top)
	return f1, f2, top, float32(sum1*f1) + float32(sum2*f2)
}
