package generic

import (
	"math"

	"qgo/quant"
	"qgo/quant/codec"
)

// RMSNorm writes x scaled to root mean square 1 (eps guards the division) and
// multiplied with w element by element (Zhang and Sennrich 2019,
// arXiv:1910.07467). dst may be x. The squares are summed in float64, where
// they are exact, in 16 interleaved parts that are then added in halves.
func RMSNorm(dst, x, w []float32, eps float32) {
	var sums [16]float64
	for i, v := range x {
		sums[i%16] += float64(float64(v) * float64(v))
	}
	for w := 8; w > 0; w /= 2 {
		for i := range sums[:w] {
			sums[i] += sums[i+w]
		}
	}
	scale := RMSScale(sums[0], len(x), eps)
	for i, v := range x {
		dst[i] = v * scale * w[i]
	}
}

// RMSScale is the factor of [RMSNorm] for n values with that sum of squares.
func RMSScale(sum float64, n int, eps float32) float32 {
	return float32(1 / math.Sqrt(sum/float64(n)+float64(eps)))
}

// Rope rotates the heads that x consists of, each of 2*len(cos) values: value
// i and value i+len(cos) by the angle with that cosine and sine (the NeoX
// pairing of Su et al. 2021, arXiv:2104.09864).
func Rope(x, cos, sin []float32) {
	half := len(cos)
	if half == 0 {
		return
	}
	for ; len(x) >= 2*half; x = x[2*half:] {
		a, b := x[:half], x[half:2*half]
		for i, c := range cos {
			u, v := a[i], b[i]
			a[i] = float32(u*c) - float32(v*sin[i])
			b[i] = float32(v*c) + float32(u*sin[i])
		}
	}
}

// SwiGLU writes silu(gate)*up to gate, where silu(x) = x/(1+exp(-x)) (Shazeer
// 2020, arXiv:2002.05202). It tends to -0 for very negative gates, as far as
// they are finite.
func SwiGLU(gate, up []float32) {
	for i, g := range gate {
		gate[i] = g / (1 + Exp(-g)) * up[i]
	}
}

// Add adds x to dst.
func Add(dst, x []float32) {
	for i, v := range x {
		dst[i] += v
	}
}

// Scale writes x*f to dst, which may be x.
func Scale(dst, x []float32, f float32) {
	for i, v := range x {
		dst[i] = v * f
	}
}

// Halves writes x as little-endian float16 to dst, rounded to the nearest,
// ties to even. What is too large becomes infinite, a NaN a quiet NaN.
func Halves(dst []byte, x []float32) { codec.Quantize(quant.F16, dst, x) }
