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
			out[k] = toBfloat(v)
		}
	}
}

// expandBfloat writes row r of w to dst as numbers that bfloat16 holds: integer
// weights as code times scale plus what is added, rounded once to float32 and
// then to bfloat16.
func expandBfloat(dst []float32, w tensor.Tensor, r int, c *codec.Codes) {
	if !w.Type.Integer() {
		codec.Dequantize(w.Type, dst, w.Row(r))
		for j, v := range dst {
			dst[j] = number(toBfloat(v))
		}
		return
	}
	c.Unpack(w.Type, w.Row(r))
	for j := range dst {
		g := j / c.Group
		scale := c.Scale[g]
		add := float32(-float32(c.Offset) * scale) // exact: Offset is a power of two
		if c.HasMin {
			add = c.Min[g]
		}
		// The product is exact in float64, and so is the sum but for numbers
		// whose sizes are far apart: FMA rounds that only once.
		v := float32(math.FMA(float64(c.Q[j]), float64(scale), float64(add)))
		dst[j] = number(codec.Bfloat16(v))
	}
}

// toBfloat rounds as the instructions do: see [Bfloat].
func toBfloat(v float32) uint16 {
	if math.Abs(float64(v)) < 0x1p-126 {
		v *= 0 // keeps the sign
	}
	return codec.Bfloat16(v)
}

func number(bfloat uint16) float32 { return math.Float32frombits(uint32(bfloat) << 16) }

// sumTiles adds the products of x and w to sum in the order of TDPBF16PS (Intel
// 64 and IA-32 Architectures Software Developer's Manual, volume 2): of each 32
// columns the products of the even and of the odd ones are summed apart, and the
// sum of the two is added to the result. A product of two such numbers is exact in
// float32.
func sumTiles(sum float32, x []tensor.Block, w []float32) float32 {
	for g := range x {
		b := x[g].Bfloats()
		var even, odd float32
		for k := 0; k < tensor.BlockLen; k += 2 {
			even += number(b[k]) * w[g*tensor.BlockLen+k]
			odd += number(b[k+1]) * w[g*tensor.BlockLen+k+1]
		}
		sum += even + odd
	}
	return sum
}

// sumPairs is sumTiles in the order of VDPBF16PS: of two columns the odd one's
// product is added first.
func sumPairs(sum float32, x []tensor.Block, w []float32) float32 {
	for g := range x {
		b := x[g].Bfloats()
		for k := 0; k < tensor.BlockLen; k += 2 {
			sum += number(b[k+1]) * w[g*tensor.BlockLen+k+1]
			sum += number(b[k]) * w[g*tensor.BlockLen+k]
		}
	}
	return sum
}

// MatMulTiles is [MatMul] for activations in bfloat16 and weights that are
// rounded to it, with sums in the order of TDPBF16PS.
func MatMulTiles(dst []float32, stride int, w tensor.Tensor, r0, r1 int, x *tensor.Acts, s *Scratch) {
	matMulBfloat(dst, stride, w, r0, r1, x, s, sumTiles)
}

// MatMulPairs is [MatMulTiles] with sums in the order of VDPBF16PS.
func MatMulPairs(dst []float32, stride int, w tensor.Tensor, r0, r1 int, x *tensor.Acts, s *Scratch) {
	matMulBfloat(dst, stride, w, r0, r1, x, s, sumPairs)
}

func matMulBfloat(dst []float32, stride int, w tensor.Tensor, r0, r1 int, x *tensor.Acts, s *Scratch, sum func(float32, []tensor.Block, []float32) float32) {
	s.grow(w.Cols)
	weights := s.row[:w.Cols]
	for r := r0; r < r1; r++ {
		expandBfloat(weights, w, r, &s.codes)
		for i := range x.N {
			dst[i*stride+r-r0] = sum(0, x.QuantRow(i), weights)
		}
	}
}
