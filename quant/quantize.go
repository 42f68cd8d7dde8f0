package quant

import (
	"math"

	"github.com/x448/float16"
)

// Quantize writes src as blocks of type t to dst. len(src) is a multiple of
// the block length, and the values are finite.
//
// The formats with blocks of 32 take the scale from the extreme values of a
// block, as ggml does. The K-quants and IQ4_NL search for the scale and
// minimum of least squared error.
func Quantize(t Type, dst []byte, src []float32) {
	switch t {
	case F32:
		for i, v := range src {
			le.PutUint32(dst[4*i:], math.Float32bits(v))
		}
		return
	case F16:
		for i, v := range src {
			putHalf(dst[2*i:], v)
		}
		return
	case BF16:
		for i, v := range src {
			le.PutUint16(dst[2*i:], bfloat16(v))
		}
		return
	}
	size, n := t.BlockBytes(), t.BlockLen()
	for ; len(src) >= n; dst, src = dst[size:], src[n:] {
		b, x := dst[:size:size], src[:n:n]
		clear(b)
		switch t {
		case Q4_0:
			packQ4_0(b, x)
		case Q4_1:
			packQ4_1(b, x)
		case Q5_0:
			packQ5_0(b, x)
		case Q5_1:
			packQ5_1(b, x)
		case Q8_0:
			packQ8_0(b, x)
		case IQ4_NL:
			packIQ4_NL(b, x)
		case Q2_K:
			packQ2_K(b, x)
		case Q3_K:
			packQ3_K(b, x)
		case Q4_K, Q5_K:
			packQ45_K(t, b, x)
		case Q6_K:
			packQ6_K(b, x)
		default:
			panic("quant: cannot quantise to " + t.String())
		}
	}
}

// putHalf stores v as a 16-bit float and returns the value stored.
func putHalf(b []byte, v float32) float32 {
	h := float16.Fromfloat32(v)
	le.PutUint16(b, h.Bits())
	return h.Float32()
}

// bfloat16 rounds to the nearest, ties to even; a NaN stays one.
func bfloat16(v float32) uint16 {
	bits := math.Float32bits(v)
	if v != v {
		return uint16(bits>>16) | 0x40
	}
	return uint16((bits + 0x7fff + bits>>16&1) >> 16)
}

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

func packQ4_0(b []byte, x []float32) {
	// The extreme value becomes code -8, which has no positive counterpart.
	d := extreme(x) / -8
	inv := inverse(d)
	putHalf(b, d)
	for i := range 16 {
		lo := min(int(x[i]*inv+8.5), 15)
		hi := min(int(x[16+i]*inv+8.5), 15)
		b[2+i] = byte(lo | hi<<4)
	}
}

func packQ4_1(b []byte, x []float32) {
	lo, hi := bounds(x)
	d := (hi - lo) / 15
	inv := inverse(d)
	putHalf(b, d)
	putHalf(b[2:], lo)
	for i := range 16 {
		l := min(int((x[i]-lo)*inv+0.5), 15)
		h := min(int((x[16+i]-lo)*inv+0.5), 15)
		b[4+i] = byte(l | h<<4)
	}
}

func packQ5_0(b []byte, x []float32) {
	d := extreme(x) / -16
	inv := inverse(d)
	putHalf(b, d)
	var high uint32
	for i := range 16 {
		l := min(int(x[i]*inv+16.5), 31)
		h := min(int(x[16+i]*inv+16.5), 31)
		b[6+i] = byte(l&15 | h&15<<4)
		high |= uint32(l>>4)<<i | uint32(h>>4)<<(16+i)
	}
	le.PutUint32(b[2:], high)
}

func packQ5_1(b []byte, x []float32) {
	lo, hi := bounds(x)
	d := (hi - lo) / 31
	inv := inverse(d)
	putHalf(b, d)
	putHalf(b[2:], lo)
	var high uint32
	for i := range 16 {
		l := min(int((x[i]-lo)*inv+0.5), 31)
		h := min(int((x[16+i]-lo)*inv+0.5), 31)
		b[8+i] = byte(l&15 | h&15<<4)
		high |= uint32(l>>4)<<i | uint32(h>>4)<<(16+i)
	}
	le.PutUint32(b[4:], high)
}

func packQ8_0(b []byte, x []float32) {
	d := abs(extreme(x)) / 127
	inv := inverse(d)
	putHalf(b, d)
	for i, v := range x {
		b[2+i] = byte(nearest(v * inv))
	}
}

func packIQ4_NL(b []byte, x []float32) {
	inv := inverse(putHalf(b, scanIQ4.scale(x)))
	for i := range 16 {
		b[2+i] = byte(nearestLevel(x[i]*inv) | nearestLevel(x[16+i]*inv)<<4)
	}
}

// levelOf is the index of the level of IQ4_NL nearest to (i-256)/2, and to
// all values up to the next: the midpoints between levels are multiples of
// one half.
var levelOf = func() (t [512]uint8) {
	level := 0
	for i := range t {
		for level < 15 && i-256 >= (int(iq4nl[level])+int(iq4nl[level+1])) {
			level++
		}
		t[i] = uint8(level)
	}
	return t
}()

// nearestLevel returns the index of the level of IQ4_NL nearest to v.
func nearestLevel(v float32) int {
	return int(levelOf[clamp(int(2*v+256), 0, 511)&511])
}
