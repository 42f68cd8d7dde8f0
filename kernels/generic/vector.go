package generic

import (
	"math"

	"qgo/tensor"
)

// steps are the lengths, in units of a group's scale, that the largest value
// of the group may get: see Quantize.
var steps = [...]float64{127, 124, 121, 118}

// Quantize writes the 8-bit form of the values x, whose number is a multiple
// of 16: for each group of 16 the codes q = x·step/max|x|, rounded to the
// nearest, ties to even; the scale d = Σxq/Σq², which brings d·q nearest to x
// in the sense of least squares; and s = Σq. Of the few steps that are tried,
// it takes the one whose d·q is the nearest: the sum of so few rounding errors
// varies much, and the best of four draws saves a fifth of the divergence from
// exact arithmetic. A group with an infinity or a NaN gets the scale NaN, so
// that what is computed from it shows as NaN and not as a plausible number.
func Quantize(x []float32, q []int8, d []float32, s []int16) {
	for g := range d {
		in, out := (*[tensor.GroupLen]float32)(x[g*tensor.GroupLen:]), (*[tensor.GroupLen]int8)(q[g*tensor.GroupLen:])
		var top float32
		for _, v := range in {
			top = max(top, float32(math.Abs(float64(v)))) // a NaN stays
		}
		*out, d[g], s[g] = [tensor.GroupLen]int8{}, 0, 0
		switch {
		case top != top || top > math.MaxFloat32:
			d[g] = float32(math.NaN())
			continue
		case top < minTop:
			continue
		}
		gain := 0.0 // Σx² less the squared error
		for _, step := range steps {
			inv := step / float64(top)
			var codes [tensor.GroupLen]int8
			var xq, qq float64
			var sum int16
			for i, v := range in {
				c := math.RoundToEven(float64(v) * inv)
				codes[i] = int8(c)
				sum += int16(c)
				xq += float64(v) * c
				qq += c * c
			}
			if better := xq * xq / qq; better > gain {
				gain, *out, d[g], s[g] = better, codes, float32(xq/qq), sum
			}
		}
	}
}

// minTop bounds the values that are taken for zero: their scale would be a
// subnormal number.
const minTop = 0x1p-119

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
