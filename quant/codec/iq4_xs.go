package codec

import "qgo/quant"

func init() {
	register(quant.IQ4_XS, functions{unpack: unpackIQ4_XS, subScales: subIQ4_XS, quantize: each(quant.IQ4_XS, packIQ4_XS)})
}

// A block of IQ4_XS is a float16 scale; the two high bits of eight scales in 16
// bits, and their four low bits in four bytes; and codes as those of IQ4_NL.
const startIQ4_XS = 8

func unpackIQ4_XS(c *Codes, src []byte) {
	for q := c.Q; len(src) >= 136; q, src = q[256:], src[136:] {
		for g := range 8 {
			codes := src[startIQ4_XS+16*g:][:16]
			split4((*[32]byte)(q[32*g:]), le.Uint64(codes), le.Uint64(codes[8:]))
		}
	}
}

func subIQ4_XS(sub, _ []uint8, b []byte) {
	high := le.Uint16(b[2:])
	for g := range 8 {
		sub[g] = b[4+g/2]>>(4*(g%2))&15 | uint8(high>>(2*g)&3)<<4 - 32
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
		iq4.store((*[16]byte)(b[startIQ4_XS+16*g:]), x[32*g:], inverse(d*float32(v)))
	}
	le.PutUint16(b[2:], high)
}
