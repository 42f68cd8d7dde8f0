package codec

import (
	"math"

	"qgo/quant"
)

func init() { register(quant.MXFP4, functions{unpack: unpackMXFP4}) }

// A block of MXFP4 is an exponent, which scales all its weights, and 32 codes
// (OCP Microscaling Formats Specification 1.0, 5.3 and 6.3). The levels are
// twice the values of the codes, so the scale is half of what it says there.
func unpackMXFP4(c *Codes, src []byte) {
	for g := 0; len(src) >= 17; g, src = g+1, src[17:] {
		c.Scale[g] = float32(math.Ldexp(1, int(src[0])-128))
		split4((*[32]byte)(c.Q[32*g:]), le.Uint64(src[1:]), le.Uint64(src[9:]))
	}
}
