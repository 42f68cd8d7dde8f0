package codec

import "qgo/quant"

func init() {
	register(quant.Q2_K, functions{subScales: subQ2_K, quantize: each(quant.Q2_K, packQ2_K)})
	register(quant.Q3_K, functions{subScales: subQ3_K, quantize: each(quant.Q3_K, packQ3_K)})
	register(quant.Q4_K, functions{subScales: subQ45_K, quantize: each(quant.Q4_K, packQ4_K)})
	register(quant.Q5_K, functions{subScales: subQ45_K, quantize: each(quant.Q5_K, packQ5_K)})
	register(quant.Q6_K, functions{subScales: subQ6_K, quantize: each(quant.Q6_K, packQ6_K)})
}

func subQ2_K(sub, subMin []uint8, b []byte) {
	for g := 0; g < 16; g += 8 {
		v := le.Uint64(b[g:])
		le.PutUint64(sub[g:], v&nibbles)
		le.PutUint64(subMin[g:], v>>4&nibbles)
	}
}

// subQ3_K reads the 16 scales of Q3_K, less 32: the low four bits of each stand in 8
// bytes, the two high bits in 4.
func subQ3_K(sub, _ []uint8, b []byte) {
	low, high := le.Uint64(b[96:]), uint64(le.Uint32(b[104:]))
	first := low&nibbles | (high|high>>2<<32)&threes<<4
	last := low>>4&nibbles | (high>>4|high>>6<<32)&threes<<4
	// No byte borrows from the next one: the sign is set before, and turned after.
	const sign = 0x80 * ones
	le.PutUint64(sub, (first|sign)-32*ones^sign)
	le.PutUint64(sub[8:], (last|sign)-32*ones^sign)
}

// subQ45_K reads the eight scales and minima of Q4_K and Q5_K, of 6 bits each, from
// 12 bytes: numbers 0 to 3 stand in the low 6 bits of bytes 0 to 7; 4 to 7 in the
// nibbles of bytes 8 to 11 and the top bits of bytes 0 to 7.
func subQ45_K(sub, subMin []uint8, b []byte) {
	const six, four, two = 0x3f3f3f3f, 0x0f0f0f0f, 0x03030303
	scale, minimum, both := le.Uint32(b[4:]), le.Uint32(b[8:]), le.Uint32(b[12:])
	le.PutUint32(sub, scale&six)
	le.PutUint32(sub[4:], both&four|scale>>6&two<<4)
	le.PutUint32(subMin, minimum&six)
	le.PutUint32(subMin[4:], both>>4&four|minimum>>6&two<<4)
}

func subQ6_K(sub, _ []uint8, b []byte) { copy(sub, b[192:208]) }
