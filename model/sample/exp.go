package sample

import "math"

// steps is how many values of 2^x a table holds for x from 0 to 1.
const steps = 256

// powers holds the bits of 2^(i/steps). Products and square roots are rounded alike by
// every processor, which math.Exp2 does not promise.
var powers = func() (bits [steps]uint64) {
	root, table := 2.0, [steps]float64{1}
	for half := steps / 2; half > 0; half /= 2 {
		root = math.Sqrt(root)
		for i := 0; i < steps; i += 2 * half {
			table[i+half] = table[i] * root
		}
	}
	for i, x := range table {
		bits[i] = math.Float64bits(x)
	}
	return bits
}()

const (
	// Added to a smaller number it leaves no bits for a fraction: the sum is rounded to an
	// integer, whose low bits are those of the sum's representation.
	toInteger     = 3 << 51
	toIntegerBits = 0x4338000000000000
	// Below 2^-1022 numbers lose precision.
	mostSteps = 1022 * steps
	// 2^(f/steps) = 1 + c1×f + c2×f² + c3×f³: Taylor's series.
	c1 = math.Ln2 / steps
	c2 = c1 * c1 / 2
	c3 = c2 * c1 / 3
)

// exp2 returns 2^(y/steps), for y from minus infinity to 0, and −y rounded to an integer.
// Its relative error is below 1e-12; instead of less than 2^-1022 it returns 0, and
// mostSteps.
//
// It takes a fraction of math.Exp's time, above all because it is inlined (its cost is
// just within the compiler's budget), and gives the same bits on every machine: the
// conversions keep compilers from fusing products and sums, which round differently then.
func exp2(y float64) (value float64, down uint64) {
	rounded := y + toInteger
	bits := math.Float64bits(rounded)
	down = toIntegerBits - bits
	if down > mostSteps {
		return 0, mostSteps
	}
	f := y - (rounded - toInteger)
	p := 1 + float64(f*(c1+float64(f*(c2+float64(f*c3)))))
	return float64(math.Float64frombits(powers[bits%steps]+bits/steps<<52) * p), down
}

// softmax gives tokens weights in proportion to their probabilities.
type softmax struct {
	top   float64 // the largest logit, whose weight is 1
	scale float64
}

func softmaxOf(top float32, temperature float64) softmax {
	// 0 times infinity would be NaN.
	return softmax{float64(top), min(steps*math.Log2E/temperature, math.MaxFloat64)}
}

// exponent is what exp2 makes the weight of a logit of.
func (w softmax) exponent(logit float32) float64 {
	return float64((float64(logit) - w.top) * w.scale)
}

// weight returns exp((logit − top) / temperature).
func (w softmax) weight(logit float32) float64 {
	value, _ := exp2(w.exponent(logit))
	return value
}
