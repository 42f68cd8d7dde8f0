package codec

import "qgo/quant"

func init() {
	register(quant.IQ4_NL, functions{unpack: unpackIQ4_NL, quantize: each(quant.IQ4_NL, packIQ4_NL)})
}

// iq4 are the levels of IQ4_NL and IQ4_XS. The scan lets the extreme weight stand
// for 109 to 145: around the outermost levels, -127 and 113.
var iq4 = newLevels(quant.IQ4_NL, 109, 4)

func unpackIQ4_NL(c *Codes, src []byte) {
	blocks, codes, scale, _ := run[[18]byte](c, src)
	for g := range blocks {
		b, q := &blocks[g], &codes[g]
		scale[g] = half(b[:])
		split4(q, le.Uint64(b[2:]), le.Uint64(b[10:]))
	}
}

func packIQ4_NL(b []byte, x []float32) {
	iq4.store((*[16]byte)(b[2:]), x, inverse(putHalf(b, iq4.scan.scale(x))))
}
