package quant

import "github.com/x448/float16"

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
func (s *Scales) Read(t Type, src []byte) {
	size, words := t.BlockBytes(), formats[t].words
	for k := 0; len(src) >= size; k, src = k+1, src[size:] {
		s.D[k] = le.Uint16(src[words[0]:])
		if len(words) > 1 {
			s.Min[k] = le.Uint16(src[words[1]:])
		}
		switch t {
		case Q2_K:
			for g, v := range src[:16] {
				s.Sub[16*k+g], s.SubMin[16*k+g] = v&15, v>>4
			}
		case Q3_K:
			for g := range 16 {
				s.Sub[16*k+g] = uint8(scaleQ3_K(g, (*[12]byte)(src[96:])))
			}
		case Q4_K, Q5_K:
			for g := range 8 {
				s.Sub[8*k+g], s.SubMin[8*k+g] = scaleMin6(g, (*[12]byte)(src[4:]))
			}
		case Q6_K:
			copy(s.Sub[16*k:], src[192:208])
		}
	}
}

// scaleQ3_K returns the scale of group g of 16 from the 12 bytes of a Q3_K
// block: the low four bits of each in 8 bytes, the two high bits in 4.
func scaleQ3_K(g int, b *[12]byte) int8 {
	s := b[g%8] >> (4 * (g / 8)) & 15
	s |= b[8+g%4] >> (2 * (g / 4)) & 3 << 4
	return int8(s) - 32
}

// scaleMin6 returns 6-bit scale and minimum number j of 8 from the 12 bytes
// of a Q4_K or Q5_K block: 0 to 3 stand in the low 6 bits of bytes 0 to 7; 4
// to 7 in the nibbles of bytes 8 to 11 and the top bits of bytes 0 to 7.
func scaleMin6(j int, s *[12]byte) (scale, min byte) {
	if j < 4 {
		return s[j] & 63, s[j+4] & 63
	}
	return s[j+4]&15 | s[j-4]>>6<<4, s[j+4]>>4 | s[j]>>6<<4
}

// SetScales overwrites the float16 numbers of a block with those of next. It
// makes blocks of random bytes usable in tests.
func SetScales(t Type, block []byte, next func() float32) {
	for _, i := range formats[t].words {
		le.PutUint16(block[i:], float16.Fromfloat32(next()).Bits())
	}
}
