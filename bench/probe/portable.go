package probe

import (
	"encoding/binary"
	"unsafe"
)

// portable returns the kernels in plain Go. Their peak is that of scalar code,
// not the machine's.
func portable() *Kernels {
	return &Kernels{
		Name:  "go",
		Reads: []func([]byte) uint64{read},
		Copy:  func(dst, src []byte) { copy(dst, src) },
		Triad: func(a, b, c []byte) {
			x, y, z := floats(a), floats(b), floats(c)
			for i := range x {
				x[i] = y[i] + 3*z[i]
			}
		},
		Peaks: []Peak{{"fp32", "scalar Go", 2 * 8, multiplyAdd, 8}},
	}
}

// read adds in independent sums: it must wait for memory and nothing else.
func read(b []byte) uint64 {
	le := binary.LittleEndian
	var s0, s1, s2, s3 uint64
	for ; len(b) >= 64; b = b[64:] {
		c := b[:64:64]
		s0 += le.Uint64(c) + le.Uint64(c[8:])
		s1 += le.Uint64(c[16:]) + le.Uint64(c[24:])
		s2 += le.Uint64(c[32:]) + le.Uint64(c[40:])
		s3 += le.Uint64(c[48:]) + le.Uint64(c[56:])
	}
	return s0 + s1 + s2 + s3
}

// floats views b as float32 values.
func floats(b []byte) []float32 {
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/4)
}

var one float32 = 1 // not a constant to the compiler

func multiplyAdd(rounds int) float64 {
	x := one
	var a, b, c, d, e, f, g, h float32
	for range rounds {
		a += x * x
		b += x * x
		c += x * x
		d += x * x
		e += x * x
		f += x * x
		g += x * x
		h += x * x
	}
	return float64(a + b + c + d + e + f + g + h)
}
