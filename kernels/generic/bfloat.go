package generic

import (
	"math"

	"qgo/quant/codec"
	"qgo/tensor"
)

// Bfloat rounds the values x, whose number is a multiple of 32, to bfloat16: to
// the nearest, ties to even. Unlike the 8-bit form, in which a group's small
// values lose more than its large ones, all lose at most 2^-9 of themselves, but
// those below 2^-126, which become zero, as for the instructions that do this.
func Bfloat(x []float32, dst []tensor.Block) {
	for i := range dst {
		in, out := (*[tensor.BlockLen]float32)(x[i*tensor.BlockLen:]), dst[i].Bfloats()
		for k, v := range in {
			if math.Abs(float64(v)) < 0x1p-126 {
				v *= 0 // keeps the sign
			}
			out[k] = codec.Bfloat16(v)
		}
	}
}

// expandBfloat writes a row of unpacked weights to dst as numbers that bfloat16
// holds: code times scale plus what is added, rounded once to float32 and then
// to bfloat16.
func expandBfloat(dst []float32, w *codec.Codes) {
	for j := range dst {
		g := j / w.Group
		scale := w.Scale[g]
		add := float32(-float32(w.Offset) * scale) // exact: Offset is a power of two
		if w.HasMin {
			add = w.Min[g]
		}
		// The product is exact in float64, and so is the sum but for numbers
		// whose sizes are far apart: FMA rounds that only once.
		v := float32(math.FMA(float64(w.Q[j]), float64(scale), float64(add)))
		dst[j] = math.Float32frombits(uint32(codec.Bfloat16(v)) << 16)
	}
}

// matMulBfloat is [MatMul] for weights and activations in bfloat16. Its order of
// sums is that of TDPBF16PS (Intel 64 and IA-32 Architectures Software
// Developer's Manual, volume 2): of each 32 columns the products of the even
// and of the odd ones are summed apart, and the sum of the two is added to the
// result. A product of two such numbers is exact in float32.
func matMulBfloat(dst []float32, stride int, w tensor.Tensor, r0, r1 int, x *tensor.Acts, s *Scratch) {
	weights := s.row[:w.Cols]
	for r := r0; r < r1; r++ {
		s.codes.Unpack(w.Type, w.Row(r))
		expandBfloat(weights, &s.codes)
		for i := range x.N {
			var sum float32
			for g := range x.QuantRow(i) {
				b := x.QuantRow(i)[g].Bfloats()
				var even, odd float32
				for k := 0; k < tensor.BlockLen; k += 2 {
					even += math.Float32frombits(uint32(b[k])<<16) * weights[g*tensor.BlockLen+k]
					odd += math.Float32frombits(uint32(b[k+1])<<16) * weights[g*tensor.BlockLen+k+1]
				}
				sum += even + odd
			}
			dst[i*stride+r-r0] = sum
		}
	}
}
