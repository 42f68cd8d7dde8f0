package generic

import (
	"encoding/binary"
	"unsafe"

	"qgo/quant/codec"
	"qgo/tensor"
)

// Integer dot products without vector instructions: one 64-bit
// multiplication does several. Take codes a, b of two weights and their
// activations x, y, and
//
//	(a + b·2^32) · (y + x·2^32) = a·y + (a·x + b·y)·2^32   (mod 2^64)
//
// The upper half is the dot product. Codes of at most 4 bits have room for
// four products in the upper quarter. The activations are put in that form
// once for many rows of weights, and the weights come in that form by masking
// eight bytes.
const (
	lanes16 = 0x000f000f000f000f
	lanes32 = 0x000000ff000000ff

	// What is below the upper part may be negative and would borrow from it.
	borrow16 = 1 << 47
	borrow32 = 1 << 31
)

var le = binary.LittleEndian

// packedGroup is a block of activations ready to be multiplied with one of 32 weights:
// see above.
type packedGroup struct {
	scale [2]float32
	whole bool       // the block is one group: the scales are equal
	sum   [2]float32 // of the activations,
	both  float32    // and of all
	start [2]uint64  // what the sums of products begin with
	words [16]uint64 // 8 of them for codes of at most 4 bits
}

// narrow reports whether four products fit, summed over 16 codes:
// 16 · 15 · 127 < 2^15.
func narrow(w *codec.Codes, x *tensor.Acts) bool { return w.Bits <= 4 && !x.Fine() }

// pack writes row i of x to dst, for multiplication with rows like w. Blocks are whole
// groups or two.
func pack(dst []packedGroup, x *tensor.Acts, i int, w *codec.Codes, whole, narrow bool) {
	if x.Fine() {
		packWords(dst, x.WordsRow(i), w)
		return
	}
	row := x.QuantRow(i)
	for g := range dst {
		p, b := &dst[g], &row[g]
		p.scale, p.whole, p.sum, p.both = b.D, whole, b.Sum, b.Both[0]
		for h, start := range b.Start {
			offset := int64(w.Offset) * int64(start) / 128
			if narrow {
				p.start[h] = uint64(offset<<48 + borrow16)
			} else {
				p.start[h] = uint64(offset<<32 + borrow32)
			}
		}
		for j := range 4 {
			c := (*[8]int8)(b.Q[8*j:])
			if narrow {
				p.words[2*j] = lane(c[6], 0) + lane(c[4], 16) + lane(c[2], 32) + lane(c[0], 48)
				p.words[2*j+1] = lane(c[7], 0) + lane(c[5], 16) + lane(c[3], 32) + lane(c[1], 48)
				continue
			}
			for k := range 4 {
				p.words[4*j+k] = lane(c[k+4], 0) + lane(c[k], 32)
			}
		}
	}
}

// packWords is pack for activations in 16 bits, whose products with codes of 8 bits have
// room in 32: 8 · 255 · 2^14 < 2^31.
func packWords(dst []packedGroup, row []tensor.Words, w *codec.Codes) {
	for g := range dst {
		p, b := &dst[g], &row[g]
		p.scale, p.whole, p.sum, p.both = [2]float32{b.D, b.D}, true, b.Sum, b.Both
		code := func(j int) int16 { return b.Q[tensor.WordIndex(j)] }
		for h := range p.start {
			start := int64(0)
			for j := range tensor.GroupLen {
				start -= int64(w.Offset) * int64(code(h*tensor.GroupLen+j))
			}
			p.start[h] = uint64(start<<32 + borrow32)
		}
		for j := range p.words {
			j := j/4*8 + j%4
			p.words[j/8*4+j%4] = lane(code(j+4), 0) + lane(code(j), 32)
		}
	}
}

func lane[T int8 | int16](v T, shift int) uint64 { return uint64(int64(v)) << shift }

// dot multiplies a weight row with a packed activation row.
func dot(w *codec.Codes, x []packedGroup, narrow bool) float32 {
	switch fine := w.Group == 16; {
	case narrow && fine && x[0].whole:
		return dotNarrowSub(w, x)
	case fine && x[0].whole:
		return dotWideSub(w, x)
	case narrow && fine:
		return dotNarrow16(w, x)
	case narrow:
		return dotNarrow32(w, x)
	case fine:
		return dotWide16(w, x)
	default:
		return dotWide32(w, x)
	}
}

// What follows defines the arithmetic of all tiers: dot products of codes are exact,
// every other operation is a multiplication or a fused multiply-add and rounds to
// float32.

// pair adds up the scaled dot products of both halves of a block. Those of one group
// are added as integers.
func pair(x *packedGroup, lo, hi int32) float32 {
	if x.whole {
		return x.scale[0] * float32(lo+hi)
	}
	return FMA(x.scale[1], float32(hi), x.scale[0]*float32(lo))
}

// add2 adds the dot products of both halves to y, for weights with a scale for each of
// them.
func add2(y float32, scale [2]float32, x *packedGroup, lo, hi int32) float32 {
	y = FMA(scale[0], x.scale[0]*float32(lo), y)
	return FMA(scale[1], x.scale[1]*float32(hi), y)
}

// subScaled adds up the dot products of both halves of one group as integers, times the
// small integers of their scales, which are int8. The sum is exact as a float32 too, for it
// is at most 32 · 128 · 32 · 127 < 2^24; with activations in 16 bits it is less than 2^31,
// and rounded. The number that makes scales of small integers, one
// for 256 weights, multiplies the sum of what these are with the scales of activations.
func subScaled(sub [2]uint8, lo, hi int32) float32 {
	return float32(int32(int8(sub[0]))*lo + int32(int8(sub[1]))*hi)
}

// dotNarrow32 is dot for codes below 16 with a scale for every 32.
func dotNarrow32(w *codec.Codes, x []packedGroup) (y float32) {
	codes, hasMin := groups(w.Q, len(x)), w.HasMin
	scale, minimum := w.Scale[:len(x)], w.Min[:len(x)]
	for g := range x {
		c, x := &codes[g], &x[g]
		lo := x.start[0] + narrow8(c, 0, &x.words) + narrow8(c, 8, &x.words)
		hi := x.start[1] + narrow8(c, 16, &x.words) + narrow8(c, 24, &x.words)
		y = FMA(scale[g], pair(x, upper16(lo), upper16(hi)), y)
		if hasMin {
			y = FMA(minimum[g], x.both, y)
		}
	}
	return y
}

// dotNarrow16 is dot for codes below 16 with a scale for every 16.
func dotNarrow16(w *codec.Codes, x []packedGroup) (y float32) {
	codes, hasMin := groups(w.Q, len(x)), w.HasMin
	scale, minimum := pairs(w.Scale, len(x)), pairs(w.Min, len(x))
	for g := range x {
		c, x := &codes[g], &x[g]
		lo := x.start[0] + narrow8(c, 0, &x.words) + narrow8(c, 8, &x.words)
		hi := x.start[1] + narrow8(c, 16, &x.words) + narrow8(c, 24, &x.words)
		y = add2(y, scale[g], x, upper16(lo), upper16(hi))
		if hasMin {
			y = FMA(minimum[g][1], x.sum[1], FMA(minimum[g][0], x.sum[0], y))
		}
	}
	return y
}

// dotNarrowSub is dot for codes below 16 with a scale for every 16, and whole blocks of
// activations.
func dotNarrowSub(w *codec.Codes, x []packedGroup) (y float32) {
	codes, hasMin := groups(w.Q, len(x)), w.HasMin
	sub, minimum, sum := pairs(w.Sub, len(x)), pairs(w.Min, len(x)), float32(0)
	for g := range x {
		c, x := &codes[g], &x[g]
		lo := x.start[0] + narrow8(c, 0, &x.words) + narrow8(c, 8, &x.words)
		hi := x.start[1] + narrow8(c, 16, &x.words) + narrow8(c, 24, &x.words)
		sum = FMA(x.scale[0], subScaled(sub[g], upper16(lo), upper16(hi)), sum)
		if hasMin {
			y = FMA(minimum[g][1], x.sum[1], FMA(minimum[g][0], x.sum[0], y))
		}
		if g%8 == 7 {
			y, sum = FMA(w.D[g/8], sum, y), 0
		}
	}
	return y
}

// dotWide32 is dot for codes of up to 8 bits with a scale for every 32.
func dotWide32(w *codec.Codes, x []packedGroup) (y float32) {
	codes, hasMin := groups(w.Q, len(x)), w.HasMin
	scale, minimum := w.Scale[:len(x)], w.Min[:len(x)]
	for g := range x {
		c, x := &codes[g], &x[g]
		lo := x.start[0] + wide8(c, 0, &x.words) + wide8(c, 8, &x.words)
		hi := x.start[1] + wide8(c, 16, &x.words) + wide8(c, 24, &x.words)
		y = FMA(scale[g], pair(x, upper32(lo), upper32(hi)), y)
		if hasMin {
			y = FMA(minimum[g], x.both, y)
		}
	}
	return y
}

// dotWide16 is dot for codes of up to 8 bits with a scale for every 16.
func dotWide16(w *codec.Codes, x []packedGroup) (y float32) {
	codes, hasMin := groups(w.Q, len(x)), w.HasMin
	scale, minimum := pairs(w.Scale, len(x)), pairs(w.Min, len(x))
	for g := range x {
		c, x := &codes[g], &x[g]
		lo := x.start[0] + wide8(c, 0, &x.words) + wide8(c, 8, &x.words)
		hi := x.start[1] + wide8(c, 16, &x.words) + wide8(c, 24, &x.words)
		y = add2(y, scale[g], x, upper32(lo), upper32(hi))
		if hasMin {
			y = FMA(minimum[g][1], x.sum[1], FMA(minimum[g][0], x.sum[0], y))
		}
	}
	return y
}

// dotWideSub is dot for codes of up to 8 bits with a scale for every 16, and whole blocks of
// activations.
func dotWideSub(w *codec.Codes, x []packedGroup) (y float32) {
	codes, hasMin := groups(w.Q, len(x)), w.HasMin
	sub, minimum, sum := pairs(w.Sub, len(x)), pairs(w.Min, len(x)), float32(0)
	for g := range x {
		c, x := &codes[g], &x[g]
		lo := x.start[0] + wide8(c, 0, &x.words) + wide8(c, 8, &x.words)
		hi := x.start[1] + wide8(c, 16, &x.words) + wide8(c, 24, &x.words)
		sum = FMA(x.scale[0], subScaled(sub[g], upper32(lo), upper32(hi)), sum)
		if hasMin {
			y = FMA(minimum[g][1], x.sum[1], FMA(minimum[g][0], x.sum[0], y))
		}
		if g%8 == 7 {
			y, sum = FMA(w.D[g/8], sum, y), 0
		}
	}
	return y
}

// groups returns the first n groups of 32 codes, pairs the first n pairs of
// scales: a range over them needs no bounds checks.
func groups(q []uint8, n int) [][32]uint8 {
	return unsafe.Slice((*[32]uint8)(q[:32*n]), n)
}

func pairs[T any](x []T, n int) [][2]T {
	return unsafe.Slice((*[2]T)(x[:2*n]), n)
}

// narrow8 multiplies 8 codes below 16 from number j on with their
// activations. The dot product is the upper16 of the result, and that of a sum
// of two results, if the sum begins with a packedGroup's start.
func narrow8(c *[32]uint8, j int, x *[16]uint64) uint64 {
	v := le.Uint64(c[j:])
	return (v&lanes16)*x[j/4] + (v>>8&lanes16)*x[j/4+1]
}

func upper16(acc uint64) int32 { return int32(int64(acc) >> 48) }

// wide8 multiplies 8 codes from number j on with their activations. The dot
// product is the upper32 of the result in the same way.
func wide8(c *[32]uint8, j int, x *[16]uint64) uint64 {
	v, i := le.Uint64(c[j:]), j/2
	return (v&lanes32)*x[i] + (v>>8&lanes32)*x[i+1] + (v>>16&lanes32)*x[i+2] + (v>>24&lanes32)*x[i+3]
}

func upper32(acc uint64) int32 { return int32(int64(acc) >> 32) }
