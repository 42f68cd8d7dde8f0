package generic

import (
	"math"

	"qgo/tensor"
)

// steps are the lengths, in units of a group's scale, that the largest value
// of the group may get: see Quantize.
var steps = [...]float32{127, 124, 121, 118}

// Quantize writes the 8-bit form of the values x, whose number is a multiple
// of 32: for each group of 16 the codes q = x·step/max|x|, rounded to the
// nearest, ties to even; the scale d = Σxq/Σq², which brings d·q nearest to x
// in the sense of least squares; and the sums that kernels need. Of the few
// steps that are tried, it takes the one whose d·q is the nearest: the sum of
// so few rounding errors varies much, and the best of four draws saves a fifth
// of the divergence from exact arithmetic. A group with an infinity or a NaN
// gets the scale NaN, so that what is computed from it shows as NaN and not as
// a plausible number.
func Quantize(x []float32, dst []tensor.Block) {
	for i := range dst {
		b := &dst[i]
		var sums [2]int32
		for h := range b.D {
			in := (*[tensor.GroupLen]float32)(x[i*tensor.BlockLen+h*tensor.GroupLen:])
			out := (*[tensor.GroupLen]int8)(b.Q[h*tensor.GroupLen:])
			b.D[h], sums[h] = quantizeGroup(in, out)
		}
		b.SetSums(sums)
	}
}

// quantizeGroup quantises one group and returns its scale and Σq. All sums
// are of 16 terms in order, rounded to float32 after every operation.
func quantizeGroup(in *[tensor.GroupLen]float32, out *[tensor.GroupLen]int8) (d float32, sum int32) {
	*out = [tensor.GroupLen]int8{}
	var top float32
	for _, v := range in {
		top = max(top, float32(math.Abs(float64(v)))) // a NaN stays
	}
	switch {
	case !(top <= maxTop):
		return float32(math.NaN()), 0
	case top < minTop:
		return 0, 0
	}
	best, step := float32(0), float32(0)
	for _, s := range steps {
		inv := s / top
		var xq, qq float32
		for _, v := range in {
			c := roundToEven(float32(v * inv))
			xq += float32(v * c)
			qq += float32(c * c)
		}
		// Σx² less the squared error; xq is divided first so that it stays
		// finite.
		if gain := float32(xq/qq) * xq; gain > best {
			best, step, d = gain, s, xq/qq
		}
	}
	inv := step / top
	for i, v := range in {
		c := int32(roundToEven(float32(v * inv)))
		out[i] = int8(c)
		sum += c
	}
	return d, sum
}

// roundToEven rounds to the nearest integer, ties to even. Adding and taking
// away 1.5·2^23 does that for |x| < 2^22.
func roundToEven(x float32) float32 {
	const magic = 3 << 22
	return float32(x+magic) - magic
}

// minTop and maxTop bound the largest value of a group, so that every number on
// the way is finite and normal. What is smaller is taken for zero, what is
// larger for a failure.
const (
	minTop = 0x1p-50
	maxTop = 0x1p50
)
