package codec

import "qgo/quant"

func init() {
	register(quant.IQ4_NL, functions{unpack: unpackIQ4_NL, quantize: each(quant.IQ4_NL, packIQ4_NL)})
}

var iq4nl = quant.IQ4_NL.Format().Levels

func unpackIQ4_NL(c *Codes, src []byte) {
	blocks, codes, scale, _ := run[[18]byte](c, src)
	for g := range blocks {
		b, q := &blocks[g], &codes[g]
		scale[g] = half(b[:])
		lookUp(q, (*[16]byte)(b[2:]), iq4nl)
	}
}

// lookUp replaces 32 codes by their levels.
func lookUp(q *[32]byte, codes *[16]byte, levels *[16]int8) {
	for i, v := range codes {
		q[i], q[16+i] = byte(levels[v&15])^0x80, byte(levels[v>>4])^0x80
	}
}

func packIQ4_NL(b []byte, x []float32) {
	storeIQ4((*[16]byte)(b[2:]), x, inverse(putHalf(b, scanIQ4.scale(x))))
}

// storeIQ4 writes the codes of 32 weights, which inv scales.
func storeIQ4(codes *[16]byte, x []float32, inv float32) {
	for i := range codes {
		codes[i] = byte(nearestLevel(x[i]*inv) | nearestLevel(x[16+i]*inv)<<4)
	}
}

// levelOf is the index of the level of IQ4_NL nearest to (i-256)/2, and to
// all values up to the next: the midpoints between levels are multiples of
// one half.
var levelOf = func() (t [512]uint8) {
	level := 0
	for i := range t {
		for level < 15 && i-256 >= (int(iq4nl[level])+int(iq4nl[level+1])) {
			level++
		}
		t[i] = uint8(level)
	}
	return t
}()

// nearestLevel returns the index of the level of IQ4_NL nearest to v.
func nearestLevel(v float32) int {
	return int(levelOf[clamp(int(2*v+256), 0, 511)&511])
}
