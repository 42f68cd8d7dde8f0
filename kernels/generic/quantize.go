package generic

import (
	"math"
	"unsafe"

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
func Quantize(x []float32, dst []tensor.Block) { quantize(x, dst, 1) }

// Quantize32 is [Quantize] with groups of 32: both scales of a block are that of all
// its values.
func Quantize32(x []float32, dst []tensor.Block) { quantize(x, dst, 2) }

// quantize quantises with a scale for so many halves of a block.
func quantize(x []float32, dst []tensor.Block, halves int) {
	const n = tensor.BlockLen / tensor.GroupLen
	x = x[:len(dst)*tensor.BlockLen]
	in := unsafe.Slice((*[tensor.GroupLen]float32)(unsafe.Pointer(unsafe.SliceData(x))), n*len(dst))
	for i := range dst {
		b := &dst[i]
		out := unsafe.Slice((*[tensor.GroupLen]int8)(b.Q[:]), n)
		var sums [n]int32
		for h := 0; h < n; h += halves {
			d := quantizeGroup(in[n*i+h:][:halves], out[h:h+halves])
			for j := range halves {
				b.D[h+j] = d
				for _, q := range out[h+j] {
					sums[h+j] += int32(q)
				}
			}
		}
		b.SetSums(sums)
	}
}

// quantizeGroup quantises one group, of one half of a block or of two, and returns its
// scale. All sums are of 16 terms in order, and then of both halves, rounded to
// float32 after every operation.
func quantizeGroup(in [][tensor.GroupLen]float32, out [][tensor.GroupLen]int8) (d float32) {
	clear(out)
	var top float32
	for h := range in {
		for _, v := range in[h] {
			top = max(top, float32(math.Abs(float64(v)))) // a NaN stays
		}
	}
	switch {
	case !(top <= maxTop):
		return float32(math.NaN())
	case top < minTop:
		return 0
	}
	best, step := float32(0), float32(0)
	for _, s := range steps {
		inv := s / top
		xq, qq := fit(&in[0], inv)
		if len(in) > 1 {
			xq2, qq2 := fit(&in[1], inv)
			xq, qq = xq+xq2, qq+qq2
		}
		// Σx² less the squared error; xq is divided first so that it stays
		// finite.
		if gain := float32(xq/qq) * xq; gain > best {
			best, step, d = gain, s, xq/qq
		}
	}
	inv := step / top
	for h := range in {
		for i, v := range in[h] {
			out[h][i] = int8(int32(roundToEven(float32(v * inv))))
		}
	}
	return d
}

// QuantizeWords writes the 16-bit form of the values x, whose number is a multiple of 32:
// for each 32 the codes q = x·MaxWord/max|x|, rounded to the nearest, ties to even, and the
// scale max|x|/MaxWord. Codes are so fine that another step or scale would bring nothing.
// Infinities and NaNs are as in [Quantize].
func QuantizeWords(x []float32, dst []tensor.Words) {
	x = x[:len(dst)*tensor.BlockLen]
	for i := range dst {
		quantizeWords((*[tensor.BlockLen]float32)(x[i*tensor.BlockLen:]), &dst[i])
	}
}

func quantizeWords(x *[tensor.BlockLen]float32, w *tensor.Words) {
	var top float32
	for _, v := range x {
		top = max(top, float32(math.Abs(float64(v)))) // a NaN stays
	}
	var sums [2]int32
	switch {
	case !(top <= maxTop):
		*w = tensor.Words{D: float32(math.NaN())}
	case top < minTop:
		*w = tensor.Words{}
	default:
		inv := tensor.MaxWord / top
		w.D = top / tensor.MaxWord
		for j, v := range x {
			q := int32(roundToEven(float32(v * inv)))
			w.Q[tensor.WordIndex(j)] = int16(q)
			sums[j/tensor.GroupLen] += q
		}
	}
	w.SetSums(sums)
}

// fit returns Σxq and Σq² of the codes q = x·inv.
func fit(x *[tensor.GroupLen]float32, inv float32) (xq, qq float32) {
	for _, v := range x {
		c := roundToEven(float32(v * inv))
		xq += float32(v * c)
		qq += float32(c * c)
	}
	return xq, qq
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
