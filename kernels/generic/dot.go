package generic

import (
	"encoding/binary"

	"qgo/quant"
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
	bias16 = 1 << 47
	bias32 = 1 << 31
)

var le = binary.LittleEndian

// narrow reports whether four products fit, summed over 16 codes:
// 16 · 15 · 127 < 2^15.
func (s *Scratch) narrow() bool { return s.codes.Bits <= 4 }

// pack puts n rows of activations from first on into s.packed and returns the
// number of words of a row.
func (s *Scratch) pack(x *tensor.Acts, first, n int) (words int) {
	words = x.Cols / 2
	if s.narrow() {
		words = x.Cols / 4
	}
	for i := range n {
		q, _, _ := x.QuantRow(first + i)
		dst := s.packed[i*words : (i+1)*words]
		for ; len(q) >= 8; q = q[8:] {
			c := (*[8]int8)(q)
			if s.narrow() {
				dst[0] = lane(c[6], 0) + lane(c[4], 16) + lane(c[2], 32) + lane(c[0], 48)
				dst[1] = lane(c[7], 0) + lane(c[5], 16) + lane(c[3], 32) + lane(c[1], 48)
				dst = dst[2:]
				continue
			}
			for k := range 4 {
				dst[k] = lane(c[k+4], 0) + lane(c[k], 32)
			}
			dst = dst[4:]
		}
	}
	return words
}

func lane(v int8, shift int) uint64 { return uint64(int64(v)) << shift }

// dot multiplies the weight row in s.codes with a packed activation row, whose
// groups of 32 have the scales d and whose groups of 16 the sums.
func (s *Scratch) dot(x []uint64, d []float32, sums []int16) float32 {
	w := s.codes
	dots := s.dots[:len(sums)]
	if s.narrow() {
		dotsNarrow(dots, w.Q, x)
	} else {
		dotsWide(dots, w.Q, x)
	}
	if w.Group == 32 {
		return scale32(w, dots, d, sums)
	}
	return scale16(w, dots, d, sums)
}

// scale32 sums up the dot products of 16 codes each for a weight row with a
// scale for every 32.
func scale32(w *quant.Codes, dots []int32, d []float32, sums []int16) float32 {
	var y float32
	offset := int32(w.Offset)
	scale, minimum := w.Scale[:len(d)], w.Min[:len(d)]
	dots, sums = dots[:2*len(d)], sums[:2*len(d)]
	for g, x := range d {
		sum := int32(sums[2*g]) + int32(sums[2*g+1])
		v := scale[g] * float32(dots[2*g]+dots[2*g+1]-offset*sum)
		if w.HasMin {
			v += minimum[g] * float32(sum)
		}
		y += x * v
	}
	return y
}

// scale16 is scale32 for a scale for every 16.
func scale16(w *quant.Codes, dots []int32, d []float32, sums []int16) float32 {
	var y float32
	offset := int32(w.Offset)
	scale, minimum := w.Scale[:2*len(d)], w.Min[:2*len(d)]
	dots, sums = dots[:2*len(d)], sums[:2*len(d)]
	for g, x := range d {
		lo, hi := int32(sums[2*g]), int32(sums[2*g+1])
		v := scale[2*g]*float32(dots[2*g]-offset*lo) + scale[2*g+1]*float32(dots[2*g+1]-offset*hi)
		if w.HasMin {
			v += minimum[2*g]*float32(lo) + minimum[2*g+1]*float32(hi)
		}
		y += x * v
	}
	return y
}

// dotsNarrow multiplies every 16 codes below 16 of q with 16 activations in 4
// words of x.
func dotsNarrow(dst []int32, q []uint8, x []uint64) {
	for i := range dst {
		c, x := (*[16]uint8)(q[16*i:]), (*[4]uint64)(x[4*i:])
		v, w := le.Uint64(c[:]), le.Uint64(c[8:])
		acc := (v&lanes16)*x[0] + (v>>8&lanes16)*x[1]
		acc += (w&lanes16)*x[2] + (w>>8&lanes16)*x[3]
		dst[i] = int32(int64(acc+bias16) >> 48)
	}
}

// dotsWide multiplies every 16 codes of up to 8 bits of q with 16 activations
// in 8 words of x.
func dotsWide(dst []int32, q []uint8, x []uint64) {
	for i := range dst {
		c, x := (*[16]uint8)(q[16*i:]), (*[8]uint64)(x[8*i:])
		v, w := le.Uint64(c[:]), le.Uint64(c[8:])
		acc := (v&lanes32)*x[0] + (v>>8&lanes32)*x[1]
		acc += (v>>16&lanes32)*x[2] + (v>>24&lanes32)*x[3]
		acc += (w&lanes32)*x[4] + (w>>8&lanes32)*x[5]
		acc += (w>>16&lanes32)*x[6] + (w>>24&lanes32)*x[7]
		dst[i] = int32(int64(acc+bias32) >> 32)
	}
}
