package generic

import "math"

// The bounds of [Exp]: below ExpMin its result is 0 (the exact one would be
// below 1.19e-38, next to the subnormal numbers), above ExpMax infinite.
const (
	ExpMin = -87.33
	ExpMax = 88.72283 // the largest float32 whose exponential is one too
)

// Constants of [Exp]: the exponential is split as 2^n * exp(r) with
// |r| <= ln2/2, where n*Ln2Hi is exact, and exp(r) = 1 + r + r²·P(r).
// The polynomial is that of expf in S. Moshier's Cephes library.
const (
	Log2E = 1.44269504088896341
	Ln2Hi = 0.693359375
	Ln2Lo = -2.12194440e-4
	ExpP0 = 1.9875691500e-4
	ExpP1 = 1.3981999507e-3
	ExpP2 = 8.3334519073e-3
	ExpP3 = 4.1665795894e-2
	ExpP4 = 1.6666665459e-1
	ExpP5 = 5.0000001201e-1
)

// toInteger is 1.5 * 2^23: a sum with it has no room for a fraction, so that
// the number is rounded to the nearest integer, ties to even, which then
// stands in the last bits.
const toInteger = 12582912

// Exp returns e^x with an error below 2 units in the last place (0 below
// [ExpMin]). Like all functions of this package it rounds after every
// operation, so that all instruction sets can compute the same bits.
func Exp(x float32) float32 {
	switch {
	case x < ExpMin:
		return 0
	case x > ExpMax:
		return float32(math.Inf(1))
	case x != x:
		return x
	}
	t := float32(x*Log2E) + toInteger
	n := t - toInteger
	r := x - float32(n*Ln2Hi)
	r -= float32(n * Ln2Lo)
	p := float32(ExpP0*r) + ExpP1
	p = float32(p*r) + ExpP2
	p = float32(p*r) + ExpP3
	p = float32(p*r) + ExpP4
	p = float32(p*r) + ExpP5
	y := float32(p*float32(r*r)) + r + 1
	// The last bits of t are n: they are added to the exponent of y.
	return math.Float32frombits(math.Float32bits(y) + math.Float32bits(t)<<23)
}
