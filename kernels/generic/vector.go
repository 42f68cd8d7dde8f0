package generic

import (
	"math"

	"qgo/tensor"
)

// Quantize writes the 8-bit form of the values x, whose number is a multiple
// of 32: for each group of 32, d = max|x|/127 and q = x/d rounded to the
// nearest, ties to even; and for each 16, the sum of q. A group with an
// infinity or a NaN gets the scale NaN, so that what is computed from it
// shows as NaN and not as a plausible number.
func Quantize(x []float32, q []int8, d []float32, s []int16) {
	for g := range d {
		in, out := (*[tensor.GroupLen]float32)(x[g*tensor.GroupLen:]), (*[tensor.GroupLen]int8)(q[g*tensor.GroupLen:])
		var top float32
		for _, v := range in {
			top = max(top, float32(math.Abs(float64(v)))) // a NaN stays
		}
		var scale, inv float32
		switch {
		case top != top || top > math.MaxFloat32:
			scale = float32(math.NaN())
		case top > 0:
			scale = top / 127
			inv = 127 / top
			if inv > math.MaxFloat32 { // top is subnormal: nothing left to tell apart
				scale, inv = 0, 0
			}
		}
		d[g] = scale
		var sums [2]int16
		for i, v := range in {
			var c int8
			if inv != 0 {
				c = int8(math.RoundToEven(float64(v * inv)))
			}
			out[i] = c
			sums[i/tensor.SumLen] += int16(c)
		}
		s[2*g], s[2*g+1] = sums[0], sums[1]
	}
}

// RMSNorm writes x scaled to root mean square 1 (eps guards the division) and
// multiplied with w element by element (Zhang and Sennrich 2019,
// arXiv:1910.07467). dst may be x.
func RMSNorm(dst, x, w []float32, eps float32) {
	var sum float64
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	scale := float32(1 / math.Sqrt(sum/float64(len(x))+float64(eps)))
	for i, v := range x {
		dst[i] = v * scale * w[i]
	}
}

// Rope rotates the heads that x consists of, each of 2*len(cos) values: value
// i and value i+len(cos) by the angle with that cosine and sine (the NeoX
// pairing of Su et al. 2021, arXiv:2104.09864).
func Rope(x, cos, sin []float32) {
	half := len(cos)
	for ; len(x) >= 2*half; x = x[2*half:] {
		a, b := x[:half], x[half:2*half]
		for i, c := range cos {
			u, v := a[i], b[i]
			a[i] = u*c - v*sin[i]
			b[i] = v*c + u*sin[i]
		}
	}
}

// SwiGLU writes silu(gate)*up to gate, where silu(x) = x/(1+exp(-x)) (Shazeer
// 2020, arXiv:2002.05202).
func SwiGLU(gate, up []float32) {
	for i, g := range gate {
		gate[i] = float32(float64(g)/(1+math.Exp(-float64(g)))) * up[i]
	}
}

// Add adds x to dst.
func Add(dst, x []float32) {
	for i, v := range x {
		dst[i] += v
	}
}
