package codec

import "math"

// nearest rounds to the nearest integer, ties to even, by letting the sum
// with 1.5 * 2^23 push the fraction out. |x| must be below 2^22.
func nearest(x float32) int {
	return int(math.Float32bits(x+12582912)&0x7fffff) - 0x400000
}

func clamp(x, lo, hi int) int { return min(max(x, lo), hi) }

// inverse returns 1/d, or 0 for 0 and where 1/d is infinite.
func inverse(d float32) float32 {
	if inv := 1 / d; inv-inv == 0 {
		return inv
	}
	return 0
}

// extreme returns the value of the largest magnitude.
func extreme(x []float32) float32 {
	var top uint32
	for _, v := range x {
		if b := math.Float32bits(v); b<<1 > top<<1 { // magnitudes without signs
			top = b
		}
	}
	return math.Float32frombits(top)
}

func abs(v float32) float32 { return math.Float32frombits(math.Float32bits(v) &^ (1 << 31)) }

func bounds(x []float32) (lo, hi float32) {
	lo, hi = x[0], x[0]
	for _, v := range x[1:] {
		lo, hi = min(lo, v), max(hi, v)
	}
	return lo, hi
}
