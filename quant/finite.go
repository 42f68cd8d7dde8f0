package quant

// NotFinite returns the index of the first block of type t in data that stands
// for infinities or NaN, or -1. That is told by its floating-point numbers: the
// weights themselves, or their scales.
func NotFinite(t Type, data []byte) int {
	const (
		exponentF32  = 0x7f800000
		exponentF16  = 0x7c00
		exponentBF16 = 0x7f80
	)
	f := &formats[t]
	switch t {
	case F32:
		for i := 0; i+4 <= len(data); i += 4 {
			if le.Uint32(data[i:])&exponentF32 == exponentF32 {
				return i / 4
			}
		}
		return -1
	case F16, BF16:
		mask := uint16(exponentF16)
		if t == BF16 {
			mask = exponentBF16
		}
		for i := 0; i+2 <= len(data); i += 2 {
			if le.Uint16(data[i:])&mask == mask {
				return i / 2
			}
		}
		return -1
	}
	for i := 0; i+f.bytes <= len(data); i += f.bytes {
		for _, at := range f.words {
			if le.Uint16(data[i+at:])&exponentF16 == exponentF16 {
				return i / f.bytes
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
func Overflows(t Type, data []byte, x []float32) bool {
	if t != F32 && t != BF16 && abs(extreme(x)) > tooLarge {
		return true
	}
	return NotFinite(t, data) >= 0
}
