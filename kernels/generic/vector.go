package generic

import "math"

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
