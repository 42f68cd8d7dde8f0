package quant

import (
	"encoding/binary"
	"unsafe"
)

// Codes is a run of quantised weights taken apart: weight j of group g, the
// run's weight number g*Group+j, is
//
//	Scale[g]*(Q[g*Group+j]-Offset) + Min[g]
//
// in float32 arithmetic, rounded after the product and after the sum. Every
// integer format of GGUF has this shape, so that integer kernels and
// repackers need to know no bit layout. The codes are unsigned because that
// is how most formats store them and how vector instructions want them.
type Codes struct {
	Group  int       // weights per scale: 16 or 32
	Bits   int       // of a code
	Offset int       // subtracted from every code
	HasMin bool      // false when every Min is zero
	Q      []uint8   // one code a weight
	Scale  []float32 // one a group
	Min    []float32 // one a group; not written when HasMin is false
}

// NewCodes returns room for runs of up to n weights.
func NewCodes(n int) *Codes {
	return &Codes{Q: make([]uint8, n), Scale: make([]float32, n/16), Min: make([]float32, n/16)}
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
	l := t.layout()
	c.Group, c.Bits, c.Offset, c.HasMin = l.group, l.bits, l.offset, l.hasMin
	// A switch and not a table of functions, so that callers may keep c and
	// its slices on the stack.
	switch t {
	case Q4_0:
		c.unpackQ4_0(src)
	case Q4_1:
		c.unpackQ4_1(src)
	case Q5_0:
		c.unpackQ5_0(src)
	case Q5_1:
		c.unpackQ5_1(src)
	case Q8_0:
		c.unpackQ8_0(src)
	case Q2_K:
		c.unpackQ2_K(src)
	case Q3_K:
		c.unpackQ3_K(src)
	case Q4_K:
		c.unpackQ4_K(src)
	case Q5_K:
		c.unpackQ5_K(src)
	case Q6_K:
		c.unpackQ6_K(src)
	case IQ4_NL:
		c.unpackIQ4_NL(src)
	default:
		panic("quant: " + t.String() + " has no codes")
	}
}

// layout is what the codes of a type have in common: see [Codes].
type layout struct {
	group, bits, offset int
	hasMin              bool
}

var layouts = [...]layout{
	Q4_0:   {32, 4, 8, false},
	Q4_1:   {32, 4, 0, true},
	Q5_0:   {32, 5, 16, false},
	Q5_1:   {32, 5, 0, true},
	Q8_0:   {32, 8, 128, false},
	Q2_K:   {16, 2, 0, true},
	Q3_K:   {16, 3, 4, false},
	Q4_K:   {32, 4, 0, true},
	Q5_K:   {32, 5, 0, true},
	Q6_K:   {16, 6, 32, false},
	IQ4_NL: {32, 8, 128, false},
}

func (t Type) layout() layout { return layouts[t] }

// Codes are written eight at a time: one in each byte of a uint64.
const (
	ones    = 0x0101010101010101
	nibbles = 0x0f * ones
	threes  = 3 * ones
)

var le = binary.LittleEndian

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

func half(b []byte) float32 { return halfToFloat(le.Uint16(b)) }

// spread[b] has bit i of b as the value of byte i.
var spread = func() (t [256]uint64) {
	for b := range t {
		for i := range 8 {
			t[b] |= uint64(b>>i&1) << (8 * i)
		}
	}
	return t
}()

func (c *Codes) unpackQ4_0(src []byte) {
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

func (c *Codes) unpackQ4_1(src []byte) {
	blocks, codes, scale, minimum := run[[20]byte](c, src)
	for g := range blocks {
		b, q := &blocks[g], &codes[g]
		scale[g], minimum[g] = half(b[:]), half(b[2:])
		split4(q, le.Uint64(b[4:]), le.Uint64(b[12:]))
	}
}

func (c *Codes) unpackQ5_0(src []byte) {
	blocks, codes, scale, _ := run[[22]byte](c, src)
	for g := range blocks {
		b, q := &blocks[g], &codes[g]
		scale[g] = half(b[:])
		split5(q, le.Uint64(b[6:]), le.Uint64(b[14:]), (*[4]byte)(b[2:]))
	}
}

func (c *Codes) unpackQ5_1(src []byte) {
	blocks, codes, scale, minimum := run[[24]byte](c, src)
	for g := range blocks {
		b, q := &blocks[g], &codes[g]
		scale[g], minimum[g] = half(b[:]), half(b[2:])
		split5(q, le.Uint64(b[8:]), le.Uint64(b[16:]), (*[4]byte)(b[4:]))
	}
}

func (c *Codes) unpackQ8_0(src []byte) {
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

// iq4nl holds the 16 levels of IQ4_NL (kvalues_iq4nl in ggml).
var iq4nl = [16]int8{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}

func (c *Codes) unpackIQ4_NL(src []byte) {
	blocks, codes, scale, _ := run[[18]byte](c, src)
	for g := range blocks {
		b, q := &blocks[g], &codes[g]
		scale[g] = half(b[:])
		for i, v := range b[2:18] {
			q[i], q[16+i] = byte(iq4nl[v&15])^0x80, byte(iq4nl[v>>4])^0x80
		}
	}
}

func (c *Codes) unpackQ2_K(src []byte) {
	for k := 0; len(src) >= 84; k, src = k+1, src[84:] {
		b, q := (*[84]byte)(src), (*[256]byte)(c.Q[256*k:])
		d, dmin := half(b[80:]), half(b[82:])
		for g, s := range b[:16] {
			c.Scale[16*k+g], c.Min[16*k+g] = d*float32(s&15), -(dmin * float32(s>>4))
		}
		for i := 0; i < 64; i += 8 {
			v := le.Uint64(b[16+i:])
			o := i/32*128 + i%32
			for j := range 4 {
				le.PutUint64(q[o+32*j:], v>>(2*j)&threes)
			}
		}
	}
}

func (c *Codes) unpackQ3_K(src []byte) {
	for k := 0; len(src) >= 110; k, src = k+1, src[110:] {
		b, q := (*[110]byte)(src), (*[256]byte)(c.Q[256*k:])
		d := half(b[108:])
		for g := range 16 {
			c.Scale[16*k+g] = d * float32(scaleQ3_K(g, (*[12]byte)(b[96:])))
		}
		for i := 0; i < 64; i += 8 {
			v, h := le.Uint64(b[32+i:]), le.Uint64(b[i%32:])
			o := i/32*128 + i%32
			for j := range 4 {
				hi := h >> (i/32*4 + j) & ones << 2
				le.PutUint64(q[o+32*j:], v>>(2*j)&threes|hi)
			}
		}
	}
}

// unpackScales reads the scales and minima of superblock k of Q4_K or Q5_K.
func (c *Codes) unpackScales(k int, b *[16]byte) {
	d, dmin := half(b[:]), half(b[2:])
	for g := range 8 {
		s, m := scaleMin6(g, (*[12]byte)(b[4:]))
		c.Scale[8*k+g], c.Min[8*k+g] = d*float32(s), -(dmin * float32(m))
	}
}

func (c *Codes) unpackQ4_K(src []byte) {
	for k := 0; len(src) >= 144; k, src = k+1, src[144:] {
		b, q := (*[144]byte)(src), (*[256]byte)(c.Q[256*k:])
		c.unpackScales(k, (*[16]byte)(b[:]))
		for i := 0; i < 128; i += 8 {
			v := le.Uint64(b[16+i:])
			o := i/32*64 + i%32
			le.PutUint64(q[o:], v&nibbles)
			le.PutUint64(q[o+32:], v>>4&nibbles)
		}
	}
}

func (c *Codes) unpackQ5_K(src []byte) {
	for k := 0; len(src) >= 176; k, src = k+1, src[176:] {
		b, q := (*[176]byte)(src), (*[256]byte)(c.Q[256*k:])
		c.unpackScales(k, (*[16]byte)(b[:]))
		for i := 0; i < 128; i += 8 {
			v, h := le.Uint64(b[48+i:]), le.Uint64(b[16+i%32:])>>(i/32*2)
			o := i/32*64 + i%32
			le.PutUint64(q[o:], v&nibbles|h&ones<<4)
			le.PutUint64(q[o+32:], v>>4&nibbles|h>>1&ones<<4)
		}
	}
}

func (c *Codes) unpackQ6_K(src []byte) {
	for k := 0; len(src) >= 210; k, src = k+1, src[210:] {
		b, q := (*[210]byte)(src), (*[256]byte)(c.Q[256*k:])
		d := half(b[208:])
		for g := range 16 {
			c.Scale[16*k+g] = d * float32(int8(b[192+g]))
		}
		for i := 0; i < 64; i += 8 {
			o, l := i/32*128+i%32, i/32*64+i%32
			lo, hi, h := le.Uint64(b[l:]), le.Uint64(b[l+32:]), le.Uint64(b[128+i:])
			le.PutUint64(q[o:], lo&nibbles|h&threes<<4)
			le.PutUint64(q[o+32:], hi&nibbles|h>>2&threes<<4)
			le.PutUint64(q[o+64:], lo>>4&nibbles|h>>4&threes<<4)
			le.PutUint64(q[o+96:], hi>>4&nibbles|h>>6&threes<<4)
		}
	}
}
