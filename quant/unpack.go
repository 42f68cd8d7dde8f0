package quant

import (
	"encoding/binary"
	"unsafe"

	"github.com/x448/float16"
)

// Codes is a run of quantised weights taken apart: weight j of group g, the
// run's weight number g*Group+j, is
//
//	Scale[g]*Q[g*Group+j] + Min[g]
//
// in float32 arithmetic, rounded after the product and after the sum. Every
// integer format of GGUF has this shape, so that integer kernels and
// repackers need to know no bit layout.
type Codes struct {
	Group  int       // weights per scale: 16 or 32
	HasMin bool      // false when every Min is zero
	Q      []int8    // one code a weight
	Scale  []float32 // one a group
	Min    []float32 // one a group; not written when HasMin is false
}

// NewCodes returns room for runs of up to n weights.
func NewCodes(n int) *Codes {
	return &Codes{Q: make([]int8, n), Scale: make([]float32, n/16), Min: make([]float32, n/16)}
}

// Integer reports whether weights of type t are integer codes with scales,
// which [Codes.Unpack] takes apart, and not floating-point numbers.
func (t Type) Integer() bool {
	switch t {
	case F32, F16, BF16:
		return false
	}
	return t.Valid()
}

// Unpack takes apart the weights of whole blocks of an integer type. c must
// have room for them.
func (c *Codes) Unpack(t Type, src []byte) {
	c.Group, c.HasMin = t.grouping()
	size, n := t.BlockBytes(), t.BlockLen()
	groups := n / c.Group
	codes := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(c.Q))), len(c.Q))
	for i := 0; (i+1)*size <= len(src); i++ {
		g := i * groups
		unpackBlock(t, src[i*size:(i+1)*size], codes[i*n:(i+1)*n], c.Scale[g:g+groups], c.Min[g:g+groups])
	}
}

// grouping returns how many weights of an integer type share a scale, and
// whether they have a minimum.
func (t Type) grouping() (group int, hasMin bool) {
	switch t {
	case Q2_K:
		return 16, true
	case Q3_K, Q6_K:
		return 16, false
	case Q4_1, Q5_1, Q4_K, Q5_K:
		return 32, true
	}
	return 32, false
}

// unpackBlock writes one block's codes (as bytes), scales and minima. It is a
// switch and not a table of functions so that the callers' buffers may stay
// on the stack.
func unpackBlock(t Type, b, q []byte, scale, min []float32) {
	switch t {
	case Q4_0:
		unpackQ4_0(b, q, scale)
	case Q4_1:
		unpackQ4_1(b, q, scale, min)
	case Q5_0:
		unpackQ5_0(b, q, scale)
	case Q5_1:
		unpackQ5_1(b, q, scale, min)
	case Q8_0:
		unpackQ8_0(b, q, scale)
	case Q2_K:
		unpackQ2_K(b, q, scale, min)
	case Q3_K:
		unpackQ3_K(b, q, scale)
	case Q4_K:
		unpackQ4_K(b, q, scale, min)
	case Q5_K:
		unpackQ5_K(b, q, scale, min)
	case Q6_K:
		unpackQ6_K(b, q, scale)
	case IQ4_NL:
		unpackIQ4_NL(b, q, scale)
	default:
		panic("quant: " + t.String() + " has no codes")
	}
}

// Codes are written eight at a time: one in each byte of a uint64.
const (
	ones    = 0x0101010101010101
	nibbles = 0x0f * ones
	threes  = 3 * ones
)

var le = binary.LittleEndian

func half(b []byte) float32 { return float16.Frombits(le.Uint16(b)).Float32() }

// minus subtracts c from each byte of v; bytes of v and c are below 128.
func minus(v, c uint64) uint64 {
	const tops = 0x80 * ones
	return ((v | tops) - c*ones) ^ tops
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

func unpackQ4_0(b, q []byte, scale []float32) {
	scale[0] = half(b)
	for i := 0; i < 16; i += 8 {
		v := le.Uint64(b[2+i:])
		le.PutUint64(q[i:], minus(v&nibbles, 8))
		le.PutUint64(q[16+i:], minus(v>>4&nibbles, 8))
	}
}

func unpackQ4_1(b, q []byte, scale, min []float32) {
	scale[0], min[0] = half(b), half(b[2:])
	for i := 0; i < 16; i += 8 {
		v := le.Uint64(b[4+i:])
		le.PutUint64(q[i:], v&nibbles)
		le.PutUint64(q[16+i:], v>>4&nibbles)
	}
}

func unpackQ5_0(b, q []byte, scale []float32) {
	scale[0] = half(b)
	for i := 0; i < 16; i += 8 {
		v := le.Uint64(b[6+i:])
		le.PutUint64(q[i:], minus(v&nibbles|spread[b[2+i/8]]<<4, 16))
		le.PutUint64(q[16+i:], minus(v>>4&nibbles|spread[b[4+i/8]]<<4, 16))
	}
}

func unpackQ5_1(b, q []byte, scale, min []float32) {
	scale[0], min[0] = half(b), half(b[2:])
	for i := 0; i < 16; i += 8 {
		v := le.Uint64(b[8+i:])
		le.PutUint64(q[i:], v&nibbles|spread[b[4+i/8]]<<4)
		le.PutUint64(q[16+i:], v>>4&nibbles|spread[b[6+i/8]]<<4)
	}
}

func unpackQ8_0(b, q []byte, scale []float32) {
	scale[0] = half(b)
	copy(q, b[2:34])
}

// iq4nl holds the 16 levels of IQ4_NL (kvalues_iq4nl in ggml).
var iq4nl = [16]int8{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}

func unpackIQ4_NL(b, q []byte, scale []float32) {
	scale[0] = half(b)
	for i, v := range b[2:18] {
		q[i], q[16+i] = byte(iq4nl[v&15]), byte(iq4nl[v>>4])
	}
}

func unpackQ2_K(b, q []byte, scale, min []float32) {
	d, dmin := half(b[80:]), half(b[82:])
	for g, s := range b[:16] {
		scale[g], min[g] = d*float32(s&15), -(dmin * float32(s>>4))
	}
	for i := 0; i < 64; i += 8 {
		v := le.Uint64(b[16+i:])
		o := i/32*128 + i%32
		for j := range 4 {
			le.PutUint64(q[o+32*j:], v>>(2*j)&threes)
		}
	}
}

func unpackQ3_K(b, q []byte, scale []float32) {
	d := half(b[108:])
	for g := range 16 {
		// Four low bits of each 6-bit scale in 8 bytes, two high bits in 4.
		s := b[96+g%8] >> (4 * (g / 8)) & 15
		s |= b[104+g%4] >> (2 * (g / 4)) & 3 << 4
		scale[g] = d * float32(int(s)-32)
	}
	for i := 0; i < 64; i += 8 {
		v, h := le.Uint64(b[32+i:]), le.Uint64(b[i%32:])
		o := i/32*128 + i%32
		for j := range 4 {
			hi := h >> (i/32*4 + j) & ones << 2
			le.PutUint64(q[o+32*j:], minus(v>>(2*j)&threes|hi, 4))
		}
	}
}

// scaleMin6 returns 6-bit scale and minimum number j of 8 from the 12 bytes
// of a Q4_K or Q5_K block: 0 to 3 stand in the low 6 bits of bytes 0 to 7; 4
// to 7 in the nibbles of bytes 8 to 11 and the top bits of bytes 0 to 7.
func scaleMin6(j int, s []byte) (scale, min byte) {
	if j < 4 {
		return s[j] & 63, s[j+4] & 63
	}
	return s[j+4]&15 | s[j-4]>>6<<4, s[j+4]>>4 | s[j]>>6<<4
}

func unpackScales45(b []byte, scale, min []float32) {
	d, dmin := half(b), half(b[2:])
	for g := range 8 {
		s, m := scaleMin6(g, b[4:16])
		scale[g], min[g] = d*float32(s), -(dmin * float32(m))
	}
}

func unpackQ4_K(b, q []byte, scale, min []float32) {
	unpackScales45(b, scale, min)
	for i := 0; i < 128; i += 8 {
		v := le.Uint64(b[16+i:])
		o := i/32*64 + i%32
		le.PutUint64(q[o:], v&nibbles)
		le.PutUint64(q[o+32:], v>>4&nibbles)
	}
}

func unpackQ5_K(b, q []byte, scale, min []float32) {
	unpackScales45(b, scale, min)
	for i := 0; i < 128; i += 8 {
		v, h := le.Uint64(b[48+i:]), le.Uint64(b[16+i%32:])>>(i/32*2)
		o := i/32*64 + i%32
		le.PutUint64(q[o:], v&nibbles|h&ones<<4)
		le.PutUint64(q[o+32:], v>>4&nibbles|h>>1&ones<<4)
	}
}

func unpackQ6_K(b, q []byte, scale []float32) {
	d := half(b[208:])
	for g := range 16 {
		scale[g] = d * float32(int8(b[192+g]))
	}
	for i := 0; i < 64; i += 8 {
		o, l := i/32*128+i%32, i/32*64+i%32
		lo, hi, h := le.Uint64(b[l:]), le.Uint64(b[l+32:]), le.Uint64(b[128+i:])
		le.PutUint64(q[o:], minus(lo&nibbles|h&threes<<4, 32))
		le.PutUint64(q[o+32:], minus(hi&nibbles|h>>2&threes<<4, 32))
		le.PutUint64(q[o+64:], minus(lo>>4&nibbles|h>>4&threes<<4, 32))
		le.PutUint64(q[o+96:], minus(hi>>4&nibbles|h>>6&threes<<4, 32))
	}
}
