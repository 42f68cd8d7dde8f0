package generic

import (
	"math"

	"qgo/quant/codec"
	"qgo/tensor"
)

// The largest word of a weight, and the largest sum of the words of 32. With activations of
// at most [tensor.MaxWord] the sum of 32 products, (2^17-16+16)·(2^14-1) where each word was
// rounded up, fits in 32 bits.
const (
	mostWord  = 1<<15 - 1
	mostWords = 1<<17 - 16
)

// ExpandWords writes the values w, whose number is a multiple of 32, as words: for each 32
// the codes q = w/d, rounded to the nearest, ties to even, and the scale d, which is
// max|w|/(2^15-1) or Σ|w|/(2^17-16), whichever is larger. So the largest of values that
// differ as weights do gets 12 000 or more: their errors are a quarter of what rounding
// activations to float16 brings. A block with an infinity, a NaN or a value above 2^50 gets
// the scale NaN; one whose values are all below 2^-50 is zero.
func ExpandWords(w []float32, q []int16, d []float32) {
	for g := range d {
		in, out := w[g*tensor.BlockLen:][:tensor.BlockLen], q[g*tensor.BlockLen:][:tensor.BlockLen]
		var top, sum float32
		for _, v := range in {
			abs := float32(math.Abs(float64(v)))
			top = max(top, abs) // a NaN stays
			sum += abs
		}
		clear(out)
		switch {
		case !(top <= maxTop):
			d[g] = float32(math.NaN())
		case top < minTop:
			d[g] = 0
		default:
			d[g] = max(float32(top*(1.0/mostWord)), float32(sum*(1.0/mostWords)))
			inv := 1 / d[g]
			for j, v := range in {
				out[j] = int16(roundToEven(float32(v * inv)))
			}
		}
	}
}

// MatMulWords is [MatMul] for activations of [QuantizeWords] and floating-point weights as
// words: the integer sums of 32 columns, times the scale of the activations, are added,
// with one rounding, times that of the weights.
func MatMulWords(dst []float32, stride int, w tensor.Tensor, r0, r1 int, x *tensor.Acts, s *Scratch) {
	s.grow(w.Cols)
	row := s.row[:w.Cols]
	codes, scales := make([]int16, w.Cols), make([]float32, w.Cols/tensor.BlockLen)
	for r := r0; r < r1; r++ {
		codec.Dequantize(w.Type, row, w.Row(r))
		ExpandWords(row, codes, scales)
		for i := range x.N {
			var acc float32
			for g, b := range x.WordsRow(i) {
				var sum int32
				for j, q := range codes[g*tensor.BlockLen:][:tensor.BlockLen] {
					sum += int32(q) * int32(b.Q[tensor.WordIndex(j)])
				}
				acc = FMA(float32(float32(sum)*b.D), scales[g], acc)
			}
			dst[i*stride+r-r0] = acc
		}
	}
}
