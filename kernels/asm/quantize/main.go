// Command quantize generates the kernels that quantise activations: see
// generic.Quantize, with which they agree to the last bit.
//
// A lane is a group of 16 values: the values of 16 groups are transposed, so
// that vector i holds value i of each group and sums need no shuffles. Where groups are
// of 32 values, two neighbouring lanes are one.
package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"qgo/kernels/asm/isa"
	"qgo/kernels/asm/panels"
)

const (
	groups     = 16 // quantised at a time
	groupLen   = 16
	groupBytes = 4 * groupLen
)

var steps = [...]float32{127, 124, 121, 118}

func main() {
	s := isa.Parse()
	// The arguments are a *float32, a *tensor.Block or *tensor.Words, and the number of times.
	const signature = "func(x *float32, dst *byte, n int)"
	TEXT("quantize", NOSPLIT, signature)
	if s.Wide() {
		quantize512(s)
	} else {
		quantize2(s, false)
		TEXT("quantize32", NOSPLIT, signature)
		quantize2(s, true)
		TEXT("quantizeWords", NOSPLIT, signature)
		words2(s)
	}
	Generate()
}

func quantize512(s *isa.ISA) {
	x, dst, n := isa.Arg("x"), isa.Arg("dst"), isa.Arg("n")
	isa.Repeat("next", n, 1, func() {
		v := transpose(s, load(x))
		top, bad, zero := largest(v)
		step, d := choose(v, top)
		store(s, v, step, top, d, bad, zero, dst)
		ADDQ(U32(groups*groupBytes), x)
		ADDQ(U32(groups/2*panels.BlockBytes), dst)
	})
	isa.End()
}

func splat(bits uint32) reg.VecVirtual {
	tmp, v := GP32(), ZMM()
	MOVL(U32(bits), tmp)
	VPBROADCASTD(tmp, v)
	return v
}

func splatFloat(x float32) reg.VecVirtual { return splat(math.Float32bits(x)) }

func load(x reg.Register) (rows [groups]reg.VecVirtual) {
	for i := range rows {
		rows[i] = ZMM()
		VMOVUPS(Mem{Base: x, Disp: i * groupBytes}, rows[i])
	}
	return rows
}

// transposeParts transposes the four values that four registers have in each
// part of 128 bits.
func transposeParts(s *isa.ISA, r []reg.VecVirtual) []reg.VecVirtual {
	lo0, hi0, lo1, hi1 := s.Vec(), s.Vec(), s.Vec(), s.Vec()
	VUNPCKLPS(r[1], r[0], lo0)
	VUNPCKHPS(r[1], r[0], hi0)
	VUNPCKLPS(r[3], r[2], lo1)
	VUNPCKHPS(r[3], r[2], hi1)
	t := s.Vecs(4)
	VUNPCKLPD(lo1, lo0, t[0])
	VUNPCKHPD(lo1, lo0, t[1])
	VUNPCKLPD(hi1, hi0, t[2])
	VUNPCKHPD(hi1, hi0, t[3])
	return t
}

// transpose makes vector i hold value i of all rows.
func transpose(s *isa.ISA, rows [groups]reg.VecVirtual) (v [groupLen]reg.VecVirtual) {
	// quads[q][m] has in its four parts of 128 bits values m, m+4, m+8 and
	// m+12 of rows 4q to 4q+3.
	var quads [4][]reg.VecVirtual
	for q := range quads {
		quads[q] = transposeParts(s, rows[4*q:4*q+4])
	}
	const (
		firstHalves  = 0x44 // parts 0 and 1 of both operands
		secondHalves = 0xee
		even         = 0x88 // parts 0 and 2 of both operands
		odd          = 0xdd
	)
	for m := range 4 {
		for half, parts := range []int{firstHalves, secondHalves} {
			a, b := ZMM(), ZMM()
			VSHUFF32X4(U8(parts), quads[1][m], quads[0][m], a)
			VSHUFF32X4(U8(parts), quads[3][m], quads[2][m], b)
			i := 8*half + m
			v[i], v[i+4] = ZMM(), ZMM()
			VSHUFF32X4(U8(even), b, a, v[i])
			VSHUFF32X4(U8(odd), b, a, v[i+4])
		}
	}
	return v
}

// largest returns the largest absolute value of each group, and the groups
// where it is too large, or no number, and where it is too small. As integers,
// infinities and then NaNs are larger than all numbers.
func largest(v [groupLen]reg.VecVirtual) (top, bad, zero reg.Register) {
	t, mask := ZMM(), splat(0x7fffffff)
	VPANDD(mask, v[0], t)
	for _, x := range v[1:] {
		abs := ZMM()
		VPANDD(mask, x, abs)
		VPMAXSD(abs, t, t)
	}
	bad, zero = K(), K()
	const greater, less = 6, 1
	VPCMPD(U8(greater), splatFloat(0x1p50), t, bad)
	VPCMPD(U8(less), splatFloat(0x1p-50), t, zero)
	return t, bad, zero
}

// choose returns the best step of each group and the scale that goes with it.
func choose(v [groupLen]reg.VecVirtual, top reg.Register) (step, d reg.Register) {
	best := ZMM()
	step, d = ZMM(), ZMM()
	for i, s := range steps {
		length := splatFloat(s)
		inv := ZMM()
		VDIVPS(top, length, inv)
		xq, qq := ZMM(), ZMM()
		for j, x := range v {
			c := ZMM()
			VMULPS(inv, x, c)
			VRNDSCALEPS(U8(0), c, c) // to the nearest, ties to even
			product := xq
			if j > 0 {
				product = ZMM()
			}
			VMULPS(c, x, product)
			if j == 0 {
				VMULPS(c, c, qq)
				continue
			}
			VADDPS(product, xq, xq)
			VFMADD231PS(c, c, qq) // exact: all terms are integers below 2^24
		}
		ratio, gain := ZMM(), ZMM()
		VDIVPS(qq, xq, ratio)
		VMULPS(xq, ratio, gain)
		if i == 0 {
			VMOVAPS(gain, best)
			VMOVAPS(length, step)
			VMOVAPS(ratio, d)
			continue
		}
		better := K()
		const greater = 30 // ordered, quiet
		VCMPPS(U8(greater), best, gain, better)
		VMOVAPS(gain, better, best)
		VMOVAPS(length, better, step)
		VMOVAPS(ratio, better, d)
	}
	return step, d
}

// store writes codes, scales and sums.
func store(s *isa.ISA, v [groupLen]reg.VecVirtual, step, top, d, bad, zero reg.Register, dst reg.Register) {
	inv := ZMM()
	VDIVPS(top, step, inv)
	keep := K()
	KORW(bad, zero, keep)
	KNOTW(keep, keep)
	mask := splat(0xff)
	sum := ZMM()
	// Four codes a lane: words[i] has codes 4i to 4i+3 of each group.
	var words [4]reg.VecVirtual
	for i := range words {
		words[i] = ZMM()
		for j := range 4 {
			c := ZMM()
			VMULPS(inv, v[4*i+j], c)
			VCVTPS2DQ_Z(c, keep, c)
			if i == 0 && j == 0 {
				VMOVDQA32(c, sum)
			} else {
				VPADDD(c, sum, sum)
			}
			switch j {
			case 0:
				VPANDD(mask, c, words[i])
			case 3:
				VPSLLD(U8(24), c, c)
				VPORD(c, words[i], words[i])
			default:
				VPANDD(mask, c, c)
				VPSLLD(U8(8*j), c, c)
				VPORD(c, words[i], words[i])
			}
		}
	}
	storeCodes(s, words, dst)
	zeros := ZMM()
	VPXORD(zeros, zeros, zeros)
	VMOVAPS(zeros, zero, d)
	VMOVAPS(splat(0x7fc00000), bad, d)
	storeSums(s, sum, d, zeros, dst)
}

// swapped is VPSHUFD's order that swaps each two neighbours.
const swapped = 0xb1

// storeSums writes scales and what follows from them and the sums of codes.
func storeSums(s *isa.ISA, sum, d, zeros, dst reg.Register) {
	scaled, both, start := s.Vec(), s.Vec(), s.Vec()
	VCVTDQ2PS(sum, scaled)
	VMULPS(d, scaled, scaled)
	VPSHUFD(U8(swapped), scaled, both)
	VADDPS(scaled, both, both)
	VPSUBD(sum, zeros, start)
	VPSLLD(U8(7), start, start)
	storePairs(s, d, start, dst, panels.OffD)
	storePairs(s, scaled, both, dst, panels.OffSum)
}

// storeCodes writes codes, of which words[i] has 4i to 4i+3 of each group.
func storeCodes(s *isa.ISA, words [4]reg.VecVirtual, dst reg.Register) {
	// In each part of 128 bits: the 16 codes of a group.
	lo0, hi0, lo1, hi1 := s.Vec(), s.Vec(), s.Vec(), s.Vec()
	VPUNPCKLDQ(words[1], words[0], lo0)
	VPUNPCKHDQ(words[1], words[0], hi0)
	VPUNPCKLDQ(words[3], words[2], lo1)
	VPUNPCKHDQ(words[3], words[2], hi1)
	for g, pair := range [][2]reg.VecVirtual{{lo0, lo1}, {hi0, hi1}} {
		a, b := s.Vec(), s.Vec()
		VPUNPCKLQDQ(pair[1], pair[0], a)
		VPUNPCKHQDQ(pair[1], pair[0], b)
		storeParts(s, a, dst, func(part int) int { return group(4*part + 2*g) })
		storeParts(s, b, dst, func(part int) int { return group(4*part + 2*g + 1) })
	}
}

// group is where the codes of a group are.
func group(g int) int { return g/2*panels.BlockBytes + g%2*groupLen }

// storePairs writes, for each block, the two values of a and then of b.
func storePairs(s *isa.ISA, a, b, dst reg.Register, offset int) {
	even, odd := s.Vec(), s.Vec()
	VPUNPCKLQDQ(b, a, even)
	VPUNPCKHQDQ(b, a, odd)
	storeParts(s, even, dst, func(part int) int { return 2*part*panels.BlockBytes + offset })
	storeParts(s, odd, dst, func(part int) int { return (2*part+1)*panels.BlockBytes + offset })
}

// storeParts writes the parts of v, 128 bits each.
func storeParts(s *isa.ISA, v reg.VecVirtual, dst reg.Register, at func(part int) int) {
	if !s.Wide() {
		VMOVDQU(v.AsX(), Mem{Base: dst, Disp: at(0)})
		VEXTRACTI128(U8(1), v, Mem{Base: dst, Disp: at(1)})
		return
	}
	VMOVDQU32(v.AsX(), Mem{Base: dst, Disp: at(0)})
	for part := 1; part < 4; part++ {
		VEXTRACTI32X4(U8(part), v, Mem{Base: dst, Disp: at(part)})
	}
}
