package codec

import "qgo/quant"

// NotFinite returns the index of the first block of type t in data that stands
// for infinities or NaN, or -1. That is told by its floating-point numbers: the
// weights themselves, or their scales.
func NotFinite(t quant.Type, data []byte) int {
	f := t.Format()
	at, mask := f.Halves, quant.F16.Format().Exponent
	if !t.Integer() {
		at, mask = []int{f.Bytes - 2}, f.Exponent
	}
	for i := 0; i+f.Bytes <= len(data); i += f.Bytes {
		for _, j := range at {
			if le.Uint16(data[i+j:])&mask == mask {
				return i / f.Bytes
			}
		}
	}
	return -1
}

// tooLarge is a magnitude above that of every weight that a format with 16-bit
// scales holds; Q6_K reaches the highest, with scales up to 65504 * 128 for
// codes up to 32. The square of what is below does not overflow.
const tooLarge = 65504 * 128 * 33

// Overflows reports whether block data of type t, which was made from x, does
// not hold it because its numbers are too large for the type.
func Overflows(t quant.Type, data []byte, x []float32) bool {
	if t != quant.F32 && t != quant.BF16 && abs(extreme(x)) > tooLarge {
		return true
	}
	return NotFinite(t, data) >= 0
}
