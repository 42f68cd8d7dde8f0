package codec

import "qgo/quant"

func init() {
	register(quant.Q2_K, functions{unpackQ2_K, subQ2_K, nil, each(quant.Q2_K, packQ2_K)})
	register(quant.Q3_K, functions{unpackQ3_K, subQ3_K, nil, each(quant.Q3_K, packQ3_K)})
	register(quant.Q4_K, functions{unpackQ4_K, subQ45_K, nil, each(quant.Q4_K, packQ4_K)})
	register(quant.Q5_K, functions{unpackQ5_K, subQ45_K, nil, each(quant.Q5_K, packQ5_K)})
	register(quant.Q6_K, functions{unpackQ6_K, subQ6_K, nil, each(quant.Q6_K, packQ6_K)})
}

func unpackQ2_K(c *Codes, src []byte) {
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

func subQ2_K(s *Scales, k int, b []byte) {
	for g, v := range b[:16] {
		s.Sub[16*k+g], s.SubMin[16*k+g] = v&15, v>>4
	}
}

func unpackQ3_K(c *Codes, src []byte) {
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

func subQ3_K(s *Scales, k int, b []byte) {
	for g := range 16 {
		s.Sub[16*k+g] = uint8(scaleQ3_K(g, (*[12]byte)(b[96:])))
	}
}

// scaleQ3_K returns the scale of group g of 16 from the 12 bytes of a Q3_K
// block: the low four bits of each in 8 bytes, the two high bits in 4.
func scaleQ3_K(g int, b *[12]byte) int8 {
	s := b[g%8] >> (4 * (g / 8)) & 15
	s |= b[8+g%4] >> (2 * (g / 4)) & 3 << 4
	return int8(s) - 32
}

// unpackScales reads the scales and minima of superblock k of Q4_K or Q5_K.
func (c *Codes) unpackScales(k int, b *[16]byte) {
	d, dmin := half(b[:]), half(b[2:])
	for g := range 8 {
		s, m := scaleMin6(g, (*[12]byte)(b[4:]))
		c.Scale[8*k+g], c.Min[8*k+g] = d*float32(s), -(dmin * float32(m))
	}
}

func subQ45_K(s *Scales, k int, b []byte) {
	for g := range 8 {
		s.Sub[8*k+g], s.SubMin[8*k+g] = scaleMin6(g, (*[12]byte)(b[4:]))
	}
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

func unpackQ4_K(c *Codes, src []byte) {
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

func unpackQ5_K(c *Codes, src []byte) {
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

func unpackQ6_K(c *Codes, src []byte) {
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

func subQ6_K(s *Scales, k int, b []byte) { copy(s.Sub[16*k:], b[192:208]) }
