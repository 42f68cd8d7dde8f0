package codec

import (
	"unsafe"

	"qgo/quant"
)

func init() {
	register(quant.Q4_0, functions{unpack: unpackQ4_0, quantize: each(quant.Q4_0, packQ4_0)})
	register(quant.Q4_1, functions{unpack: unpackQ4_1, quantize: each(quant.Q4_1, packQ4_1)})
	register(quant.Q5_0, functions{unpack: unpackQ5_0, quantize: each(quant.Q5_0, packQ5_0)})
	register(quant.Q5_1, functions{unpack: unpackQ5_1, quantize: each(quant.Q5_1, packQ5_1)})
	register(quant.Q8_0, functions{unpack: unpackQ8_0, quantize: each(quant.Q8_0, packQ8_0)})
}

// Codes are written eight at a time: one in each byte of a uint64.
const (
	ones    = 0x0101010101010101
	nibbles = 0x0f * ones
	threes  = 3 * ones
)

// view returns b as arrays of bytes: a range over them needs no bounds checks.
func view[T [18]byte | [20]byte | [22]byte | [24]byte | [32]byte | [34]byte](b []byte) []T {
	var block T
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/len(block))
}

// run returns the blocks of src and, as long, the codes, scales and minima
// that they have.
func run[T [18]byte | [20]byte | [22]byte | [24]byte | [34]byte](c *Codes, src []byte) (blocks []T, q [][32]byte, scale, minimum []float32) {
	blocks = view[T](src)
	n := len(blocks)
	return blocks, view[[32]byte](c.Q)[:n], c.Scale[:n], c.Min[:n]
}

// spread[b] has bit i of b as the value of byte i.
var spread = func() (t [256]uint64) {
	for b := range t {
		for i := range 8 {
			t[b] |= uint64(b>>i&1) << (8 * i)
		}
	}
	return t
}()

func unpackQ4_0(c *Codes, src []byte) {
	blocks, codes, scale, _ := run[[18]byte](c, src)
	for g := range blocks {
		b, q := &blocks[g], &codes[g]
		scale[g] = half(b[:])
		split4(q, le.Uint64(b[2:]), le.Uint64(b[10:]))
	}
}

// split4 writes the low halves of the bytes of lo and hi to the first 16
// codes, the high halves to the others.
func split4(q *[32]byte, lo, hi uint64) {
	le.PutUint64(q[:], lo&nibbles)
	le.PutUint64(q[8:], hi&nibbles)
	le.PutUint64(q[16:], lo>>4&nibbles)
	le.PutUint64(q[24:], hi>>4&nibbles)
}

// split5 is split4 with fifth bits: those of the 32 codes in order.
func split5(q *[32]byte, lo, hi uint64, fifth *[4]byte) {
	le.PutUint64(q[:], lo&nibbles|spread[fifth[0]]<<4)
	le.PutUint64(q[8:], hi&nibbles|spread[fifth[1]]<<4)
	le.PutUint64(q[16:], lo>>4&nibbles|spread[fifth[2]]<<4)
	le.PutUint64(q[24:], hi>>4&nibbles|spread[fifth[3]]<<4)
}

func unpackQ4_1(c *Codes, src []byte) {
	blocks, codes, scale, minimum := run[[20]byte](c, src)
	for g := range blocks {
		b, q := &blocks[g], &codes[g]
		scale[g], minimum[g] = half(b[:]), half(b[2:])
		split4(q, le.Uint64(b[4:]), le.Uint64(b[12:]))
	}
}

func unpackQ5_0(c *Codes, src []byte) {
	blocks, codes, scale, _ := run[[22]byte](c, src)
	for g := range blocks {
		b, q := &blocks[g], &codes[g]
		scale[g] = half(b[:])
		split5(q, le.Uint64(b[6:]), le.Uint64(b[14:]), (*[4]byte)(b[2:]))
	}
}

func unpackQ5_1(c *Codes, src []byte) {
	blocks, codes, scale, minimum := run[[24]byte](c, src)
	for g := range blocks {
		b, q := &blocks[g], &codes[g]
		scale[g], minimum[g] = half(b[:]), half(b[2:])
		split5(q, le.Uint64(b[8:]), le.Uint64(b[16:]), (*[4]byte)(b[4:]))
	}
}

func unpackQ8_0(c *Codes, src []byte) {
	const sign = 0x80 * ones // from -128..127 to 0..255
	blocks, codes, scale, _ := run[[34]byte](c, src)
	for g := range blocks {
		b, q := &blocks[g], &codes[g]
		scale[g] = half(b[:])
		le.PutUint64(q[:], le.Uint64(b[2:])^sign)
		le.PutUint64(q[8:], le.Uint64(b[10:])^sign)
		le.PutUint64(q[16:], le.Uint64(b[18:])^sign)
		le.PutUint64(q[24:], le.Uint64(b[26:])^sign)
	}
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
