package codec

import "qgo/quant"

func init() {
	register(quant.IQ4_XS, functions{unpackIQ4_XS, subIQ4_XS, nil, each(quant.IQ4_XS, packIQ4_XS)})
}

// A block of IQ4_XS is a float16 scale; the two high bits of eight scales in 16
// bits, and their four low bits in four bytes; and codes as those of IQ4_NL.
const codesIQ4_XS = 8

func unpackIQ4_XS(c *Codes, src []byte) {
	for k := 0; len(src) >= 136; k, src = k+1, src[136:] {
		b, q := (*[136]byte)(src), c.Q[256*k:][:256]
		d := half(b[:])
		for g := range 8 {
			c.Scale[8*k+g] = d * float32(scaleIQ4_XS(g, b))
			lookUp((*[32]byte)(q[32*g:]), (*[16]byte)(b[codesIQ4_XS+16*g:]), iq4.values)
		}
	}
}

// scaleIQ4_XS returns the scale of group g of 8.
func scaleIQ4_XS(g int, b *[136]byte) int8 {
	s := b[4+g/2] >> (4 * (g % 2)) & 15
	return int8(s|uint8(le.Uint16(b[2:])>>(2*g)&3)<<4) - 32
}

func subIQ4_XS(s *Scales, k int, b []byte) {
	for g := range 8 {
		s.Sub[8*k+g] = uint8(scaleIQ4_XS(g, (*[136]byte)(b)))
	}
}

func packIQ4_XS(b []byte, x []float32) {
	var scales [8]float32
	for g := range scales {
		scales[g] = iq4.scan.scale(x[32*g : 32*g+32])
	}
	var s [8]int8
	d := putHalf(b, shareSigned(s[:], scales[:], 32))
	var high uint16
	for g, v := range s {
		l := uint8(v + 32)
		b[4+g/2] |= l & 15 << (4 * (g % 2))
		high |= uint16(l>>4) << (2 * g)
		iq4.store((*[16]byte)(b[codesIQ4_XS+16*g:]), x[32*g:], inverse(d*float32(v)))
	}
	le.PutUint16(b[2:], high)
}
