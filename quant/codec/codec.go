// Package codec takes blocks of quantised weights apart and makes them:
// dequantisation that agrees with ggml's formulas bit for bit, quantisation, and
// the integer codes and scales that kernels lay out anew. What the types are is
// in package quant. A file here has the functions of one type or of a few alike,
// and registers them.
package codec

import (
	"encoding/binary"

	"github.com/x448/float16"

	"qgo/quant"
)

// functions are those of a type. All take whole blocks.
type functions struct {
	// unpack is for integer types: see [Codes.Unpack], but without levels, and for
	// super-blocks without scales. The K-quants do without it.
	unpack func(c *Codes, src []byte)
	// subScales reads the small scales of a super-block, one for each of its groups:
	// see [Scales].
	subScales func(sub, subMin []uint8, block []byte)

	dequantize func(dst []float32, src []byte) // of floating-point types
	quantize   func(dst []byte, src []float32) // nil if the type is for reading only
}

var types [quant.Count]functions

// register makes the functions of a type known.
func register(t quant.Type, f functions) { types[t] = f }

// Codes is a run of quantised weights taken apart: weight j of group g, the
// run's weight number g*Group+j, is
//
//	Scale[g]*(Q[g*Group+j]-Offset) + Min[g]
//
// in float32 arithmetic, rounded after the product and after the sum. Every
// integer type of GGUF has this shape, so that integer kernels and
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

	// What the scales of a K-quant are products of: a number for each of its blocks, and
	// a small integer for each group, an int8. See [Scales].
	D   []float32
	Sub []uint8

	subMin [16]uint8 // of a block
}

// NewCodes returns room for runs of up to n weights.
func NewCodes(n int) *Codes {
	return &Codes{
		Q: make([]uint8, n), Scale: make([]float32, n/16), Min: make([]float32, n/16),
		D: make([]float32, n/256), Sub: make([]uint8, n/16),
	}
}

// Unpack takes apart the weights of whole blocks of an integer type. c must
// have room for them.
func (c *Codes) Unpack(t quant.Type, src []byte) {
	c.Numbers(t, src)
	f := t.Format()
	if f.Super {
		c.multiplyScales(t, src)
	}
	if f.Levels == nil {
		return
	}
	var value [16]uint8
	for i, v := range f.Levels {
		value[i] = uint8(int(v) + f.Offset)
	}
	q := c.Q[:len(src)/f.Bytes*f.Len]
	for i, n := range q {
		q[i] = value[n&15]
	}
}

// Numbers takes apart the codes of whole blocks as they are in the file: those that
// stand for levels stay numbers of levels. It may leave the scales alone.
func (c *Codes) Numbers(t quant.Type, src []byte) {
	f := t.Format()
	c.Group, c.Bits, c.Offset, c.HasMin = f.Group, f.CodeBits(), f.Offset, f.Minima
	if f.LowAt == nil {
		types[t].unpack(c, src)
		return
	}
	for q := c.Q; len(src) >= f.Bytes; q, src = q[f.Len:], src[f.Bytes:] {
		for i, run := range f.LowAt {
			b, q := (*[32]byte)(src[run.Byte:]), (*[32]byte)(q[32*i:])
			mask, shift := uint64(1<<f.Low-1)*ones, run.Shift&7
			for j := 0; j < 32; j += 8 {
				le.PutUint64(q[j:], le.Uint64(b[j:])>>shift&mask)
			}
		}
		for i, run := range f.HighAt {
			b, q := (*[32]byte)(src[run.Byte:]), (*[32]byte)(q[32*i:])
			mask, shift, low := uint64(1<<f.High-1)*ones, run.Shift&7, f.Low&7
			for j := 0; j < 32; j += 8 {
				le.PutUint64(q[j:], le.Uint64(q[j:])|le.Uint64(b[j:])>>shift&mask<<low)
			}
		}
	}
}

// multiplyScales writes the scales and minima of super-blocks.
func (c *Codes) multiplyScales(t quant.Type, src []byte) {
	f := t.Format()
	groups := f.Len / f.Group
	for k := 0; len(src) >= f.Bytes; k, src = k+1, src[f.Bytes:] {
		at := k * groups
		types[t].subScales(c.Sub[at:], c.subMin[:], src[:f.Bytes])
		d := half(src[f.Halves[0]:])
		c.D[k] = d
		for g, s := range c.Sub[at : at+groups] {
			c.Scale[at+g] = d * float32(int8(s))
		}
		if !f.Minima {
			continue
		}
		d = half(src[f.Halves[1]:])
		for g, s := range c.subMin[:groups] {
			c.Min[at+g] = -(d * float32(s))
		}
	}
}

// Scales is what the scales and minima of a run of quantised weights are made
// of. The formats with blocks of 32 have a float16 scale, and some a minimum,
// for each block, which is a group. The K-quants have them for each block of
// 256, and small integers for each group that they are multiplied with:
//
//	scale = D·Sub, minimum = -Min·SubMin
//
// Repackers keep the parts, because the products are longer.
type Scales struct {
	D, Min      []uint16 // float16, one a block; no Min if the type has none
	Sub, SubMin []uint8  // K-quants: one a group; Sub is an int8
}

// NewScales returns room for runs of up to n weights.
func NewScales(n int) *Scales {
	return &Scales{
		D: make([]uint16, n/32), Min: make([]uint16, n/32),
		Sub: make([]uint8, n/16), SubMin: make([]uint8, n/16),
	}
}

// Read takes the scales of whole blocks of an integer type. s must have room
// for them.
func (s *Scales) Read(t quant.Type, src []byte) {
	f, sub := t.Format(), types[t].subScales
	groups := f.Len / f.Group
	for k := 0; len(src) >= f.Bytes; k, src = k+1, src[f.Bytes:] {
		s.D[k] = le.Uint16(src[f.Halves[0]:])
		if f.Minima {
			s.Min[k] = le.Uint16(src[f.Halves[1]:])
		}
		if sub != nil {
			sub(s.Sub[groups*k:], s.SubMin[groups*k:], src[:f.Bytes])
		}
	}
}

// SetScales overwrites the float16 numbers of a block with those of next. It
// makes blocks of random bytes usable in tests.
func SetScales(t quant.Type, block []byte, next func() float32) {
	for _, i := range t.Format().Halves {
		le.PutUint16(block[i:], float16.Fromfloat32(next()).Bits())
	}
}

// Dequantize writes the len(dst) weights of src, whole blocks of type t, as
// float32. The results equal those of ggml's formulas bit for bit.
func Dequantize(t quant.Type, dst []float32, src []byte) {
	if f := types[t].dequantize; f != nil {
		f(dst, src)
		return
	}
	c := takeBlock()
	size, n := t.BlockBytes(), t.BlockLen()
	for ; len(dst) >= n; dst, src = dst[n:], src[size:] {
		c.Unpack(t, src[:size])
		c.dequantize(dst[:n])
	}
	select {
	case spareBlocks <- c:
	default:
	}
}

// spareBlocks are Codes of a block for Dequantize, which looks tokens up and must
// not allocate then. The garbage collector would empty a sync.Pool.
var spareBlocks = make(chan *Codes, 64)

func takeBlock() *Codes {
	select {
	case c := <-spareBlocks:
		return c
	default:
		return NewCodes(256)
	}
}

// dequantize writes the weights.
func (c *Codes) dequantize(dst []float32) {
	for g := range len(dst) / c.Group {
		out, q := dst[g*c.Group:(g+1)*c.Group], c.Q[g*c.Group:(g+1)*c.Group]
		d := c.Scale[g]
		if !c.HasMin {
			for i := range out {
				out[i] = d * float32(int(q[i])-c.Offset)
			}
			continue
		}
		m := c.Min[g]
		for i := range out {
			// The conversion keeps compilers from fusing the two
			// operations, which would round only once.
			out[i] = float32(d*float32(int(q[i])-c.Offset)) + m
		}
	}
}

// Quantize writes src as blocks of type t, to which there is quantisation, to
// dst. len(src) is a multiple of the block length, and the values are finite.
//
// The types with blocks of 32 take the scale from the extreme values of a
// block, as ggml does. The K-quants and IQ4_NL search for the scale and
// minimum of least squared error.
func Quantize(t quant.Type, dst []byte, src []float32) { types[t].quantize(dst, src) }

// each returns quantisation block by block, by a function that writes to a
// block of zeros.
func each(t quant.Type, pack func(b []byte, x []float32)) func(dst []byte, src []float32) {
	size, n := t.BlockBytes(), t.BlockLen()
	return func(dst []byte, src []float32) {
		for ; len(src) >= n; dst, src = dst[size:], src[n:] {
			b := dst[:size:size]
			clear(b)
			pack(b, src[:n:n])
		}
	}
}

var le = binary.LittleEndian
