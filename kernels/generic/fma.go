package generic

import "math"

// FMA returns a*b + c, rounded once, unless the sum is subnormal. The product is
// exact as a float64. The sum is rounded twice, which matters only where the first
// rounding makes a tie of the second: then it moves to where the rest is.
func FMA(a, b, c float32) float32 {
	p, x := float64(a)*float64(b), float64(c)
	sum := p + x
	if math.Float64bits(sum)<<35 == 1<<63 {
		q := sum - p
		sum += min(max((p-(sum-q)+(x-q))*0x1p1000, -1), 1) * math.Abs(sum*0x1p-52)
	}
	return float32(sum)
}
