package codec

// requantize is the last step of the formats with minima: the codes for the
// scale and minimum that are stored.
func requantize(q []byte, x []float32, scale, minimum float32, n int) {
	inv := inverse(scale)
	for i := range q {
		q[i] = byte(clamp(nearest((x[i]+minimum)*inv), 0, n))
	}
}

// shareScales returns the factor that makes the largest of the values, none
// negative, the integer n, and the values as such integers.
func shareScales(out []byte, values []float32, n int) float32 {
	d := extreme(values) / float32(n)
	inv := inverse(d)
	for i, v := range values {
		out[i] = byte(min(nearest(v*inv), n))
	}
	return d
}

func packQ2_K(b []byte, x []float32) {
	var scales, mins [16]float32
	for g := range scales {
		scales[g], mins[g] = scanQ2.scaleMin(x[16*g : 16*g+16])
	}
	var s, m [16]byte
	d := putHalf(b[80:], shareScales(s[:], scales[:], 15))
	dmin := putHalf(b[82:], shareScales(m[:], mins[:], 15))
	var q [256]byte
	for g := range s {
		b[g] = s[g] | m[g]<<4
		requantize(q[16*g:16*g+16], x[16*g:], d*float32(s[g]), dmin*float32(m[g]), 3)
	}
	for i := range 64 {
		o := i/32*128 + i%32
		b[16+i] = q[o] | q[o+32]<<2 | q[o+64]<<4 | q[o+96]<<6
	}
}

// shareSigned is shareScales for scales of either sign and integers from -n
// to n-1: the largest in magnitude becomes -n.
func shareSigned(out []int8, values []float32, n int) float32 {
	d := extreme(values) / float32(-n)
	inv := inverse(d)
	for i, v := range values {
		out[i] = int8(clamp(nearest(v*inv), -n, n-1))
	}
	return d
}

// requantizeSigned writes the codes from -n to n-1, n added.
func requantizeSigned(q []byte, x []float32, scale float32, n int) {
	inv := inverse(scale)
	for i := range q {
		q[i] = byte(clamp(nearest(x[i]*inv), -n, n-1) + n)
	}
}

func packQ3_K(b []byte, x []float32) {
	var scales [16]float32
	for g := range scales {
		scales[g] = scanQ3.scale(x[16*g : 16*g+16])
	}
	var s [16]int8
	var q [256]byte
	d := putHalf(b[108:], shareSigned(s[:], scales[:], 32))
	for g := range s {
		requantizeSigned(q[16*g:16*g+16], x[16*g:], d*float32(s[g]), 4)
		l := byte(s[g] + 32)
		b[96+g%8] |= l & 15 << (4 * (g / 8))
		b[104+g%4] |= l >> 4 << (2 * (g / 4))
	}
	for i, v := range q {
		b[i%32] |= v >> 2 << (i / 32)
		b[32+i/128*32+i%32] |= v & 3 << (i % 128 / 32 * 2)
	}
}

func packQ4_K(b []byte, x []float32) { packQ45_K(b, b[16:], nil, x, scanQ4, 15) }

func packQ5_K(b []byte, x []float32) { packQ45_K(b, b[48:], b[16:48], x, scanQ5, 31) }

// packQ45_K writes the low four bits of the codes, which are up to n, to low and
// the fifth ones to high, if there are any.
func packQ45_K(b, low, high []byte, x []float32, fit *scan, n int) {
	var scales, mins [8]float32
	for g := range scales {
		scales[g], mins[g] = fit.scaleMin(x[32*g : 32*g+32])
	}
	var s, m [8]byte
	d := putHalf(b, shareScales(s[:], scales[:], 63))
	dmin := putHalf(b[2:], shareScales(m[:], mins[:], 63))
	var q [256]byte
	for g := range s {
		requantize(q[32*g:32*g+32], x[32*g:], d*float32(s[g]), dmin*float32(m[g]), n)
	}
	// See subQ45_K.
	for j := range 4 {
		b[4+j] = s[j] | s[j+4]>>4<<6
		b[8+j] = m[j] | m[j+4]>>4<<6
		b[12+j] = s[j+4]&15 | m[j+4]&15<<4
	}
	if high != nil {
		for i, v := range q {
			high[i%32] |= v >> 4 << (i / 32)
		}
	}
	for i := range 128 {
		o := i/32*64 + i%32
		low[i] = q[o]&15 | q[o+32]&15<<4
	}
}

func packQ6_K(b []byte, x []float32) {
	var scales [16]float32
	for g := range scales {
		scales[g] = scanQ6.scale(x[16*g : 16*g+16])
	}
	var s [16]int8
	var q [256]byte
	d := putHalf(b[208:], shareSigned(s[:], scales[:], 128))
	for g := range s {
		b[192+g] = byte(s[g])
		requantizeSigned(q[16*g:16*g+16], x[16*g:], d*float32(s[g]), 32)
	}
	for i := range 64 {
		o, l := i/32*128+i%32, i/32*64+i%32
		b[l] = q[o]&15 | q[o+64]&15<<4
		b[l+32] = q[o+32]&15 | q[o+96]&15<<4
		b[128+i] = q[o]>>4 | q[o+32]>>4<<2 | q[o+64]>>4<<4 | q[o+96]>>4<<6
	}
}
