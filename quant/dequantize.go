package quant

import "math"

// Dequantize writes the len(dst) weights of src, whole blocks of type t, as
// float32. The results equal those of ggml's formulas bit for bit.
func Dequantize(t Type, dst []float32, src []byte) {
	switch t {
	case F32:
		for i := range dst {
			dst[i] = math.Float32frombits(le.Uint32(src[4*i:]))
		}
	case F16:
		src = src[:2*len(dst)]
		for i := range dst {
			dst[i] = halfTable[le.Uint16(src[2*i:])]
		}
	case BF16:
		for i := range dst {
			dst[i] = math.Float32frombits(uint32(le.Uint16(src[2*i:])) << 16)
		}
	default:
		dequantizeBlocks(t, dst, src)
	}
}

// halfToFloat does what x448/float16 does, with one branch that is hardly
// ever taken: the exponent is put right by a multiplication, which also takes
// care of subnormal numbers.
func halfToFloat(h uint16) float32 {
	const twoTo112 = 0x77800000 // the difference of the two exponent biases
	bits := uint32(h&0x7fff) << 13
	if bits >= 0x7c00<<13 { // infinity and NaN
		return math.Float32frombits(bits | 0x7f800000 | uint32(h>>15)<<31)
	}
	v := math.Float32frombits(bits) * math.Float32frombits(twoTo112)
	return math.Float32frombits(math.Float32bits(v) | uint32(h>>15)<<31)
}

var halfTable = func() (t [1 << 16]float32) {
	for i := range t {
		t[i] = halfToFloat(uint16(i))
	}
	return t
}()

func dequantizeBlocks(t Type, dst []float32, src []byte) {
	var q [256]uint8
	var scale, min [16]float32
	size, n := t.BlockBytes(), t.BlockLen()
	c := Codes{Q: q[:], Scale: scale[:], Min: min[:]}
	for ; len(dst) >= n; dst, src = dst[n:], src[size:] {
		c.Unpack(t, src[:size])
		for g := range n / c.Group {
			out, q := dst[g*c.Group:(g+1)*c.Group], q[g*c.Group:(g+1)*c.Group]
			d := scale[g]
			if !c.HasMin {
				for i := range out {
					out[i] = d * float32(int(q[i])-c.Offset)
				}
				continue
			}
			m := min[g]
			for i := range out {
				// The conversion keeps compilers from fusing the two
				// operations, which would round only once.
				out[i] = float32(d*float32(int(q[i])-c.Offset)) + m
			}
		}
	}
}
