package codec

import (
	"math"

	"github.com/x448/float16"

	"qgo/quant"
)

func init() {
	register(quant.F32, functions{dequantize: fromF32, quantize: toF32})
	register(quant.F16, functions{dequantize: fromF16, quantize: toF16})
	register(quant.BF16, functions{dequantize: fromBF16, quantize: toBF16})
}

func fromF32(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = math.Float32frombits(le.Uint32(src[4*i:]))
	}
}

func toF32(dst []byte, src []float32) {
	for i, v := range src {
		le.PutUint32(dst[4*i:], math.Float32bits(v))
	}
}

func fromF16(dst []float32, src []byte) {
	src = src[:2*len(dst)]
	for i := range dst {
		dst[i] = halfTable[le.Uint16(src[2*i:])]
	}
}

func toF16(dst []byte, src []float32) {
	for i, v := range src {
		putHalf(dst[2*i:], v)
	}
}

func fromBF16(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = math.Float32frombits(uint32(le.Uint16(src[2*i:])) << 16)
	}
}

func toBF16(dst []byte, src []float32) {
	for i, v := range src {
		le.PutUint16(dst[2*i:], Bfloat16(v))
	}
}

// Bfloat16 rounds a number to bfloat16: to the nearest, ties to even; a NaN stays one.
func Bfloat16(v float32) uint16 {
	bits := math.Float32bits(v)
	if v != v {
		return uint16(bits>>16) | 0x40
	}
	return uint16((bits + 0x7fff + bits>>16&1) >> 16)
}

func half(b []byte) float32 { return halfToFloat(le.Uint16(b)) }

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

// putHalf stores v as a 16-bit float and returns the value stored.
func putHalf(b []byte, v float32) float32 {
	h := float16.Fromfloat32(v)
	le.PutUint16(b, h.Bits())
	return h.Float32()
}
