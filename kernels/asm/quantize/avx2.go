package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"qgo/kernels/asm/isa"
)

// The kernel for AVX2 has lanes for 8 groups, and the transposed values in its
// stack frame.
const (
	groups2 = 8
	yBytes  = 32
)

func quantize2(s *isa.ISA) {
	x, dst, n := isa.Arg("x"), isa.Arg("dst"), isa.Arg("n")
	frame := AllocLocal(groupLen * yBytes)
	value := func(i int) Mem { return frame.Offset(i * yBytes) }
	isa.Repeat("next", n, 1, func() {
		transpose2(x, value)
		top := largest2(s, value)
		step, d := choose2(s, value, top)
		store2(s, value, step, top, d, dst)
		ADDQ(U32(groups2*groupBytes), x)
		ADDQ(U32(groups2/2*blockBytes), dst)
	})
	isa.End()
}

// transpose2 makes value i a vector of value i of all groups.
func transpose2(x reg.Register, value func(int) Mem) {
	for half := range 2 {
		// quads[q][m] has in its two parts of 128 bits values m and m+4 of
		// groups 4q to 4q+3.
		var quads [2][4]reg.VecVirtual
		for q := range quads {
			r := make([]reg.VecVirtual, 4)
			for i := range r {
				r[i] = YMM()
				VMOVUPS(Mem{Base: x, Disp: (4*q+i)*groupBytes + half*yBytes}, r[i])
			}
			lo0, lo1 := YMM(), YMM()
			VUNPCKLPS(r[1], r[0], lo0)
			VUNPCKHPS(r[1], r[0], r[0])
			VUNPCKLPS(r[3], r[2], lo1)
			VUNPCKHPS(r[3], r[2], r[2])
			for m := range quads[q] {
				quads[q][m] = YMM()
			}
			VUNPCKLPD(lo1, lo0, quads[q][0])
			VUNPCKHPD(lo1, lo0, quads[q][1])
			VUNPCKLPD(r[2], r[0], quads[q][2])
			VUNPCKHPD(r[2], r[0], quads[q][3])
		}
		const lowParts, highParts = 0x20, 0x31
		for m := range 4 {
			v := YMM()
			VPERM2F128(U8(lowParts), quads[1][m], quads[0][m], v)
			VMOVUPS(v, value(8*half+m))
			VPERM2F128(U8(highParts), quads[1][m], quads[0][m], v)
			VMOVUPS(v, value(8*half+m+4))
		}
	}
}

// largest2 returns the largest absolute value of each group.
func largest2(s *isa.ISA, value func(int) Mem) reg.VecVirtual {
	top, abs := YMM(), YMM()
	mask := YMM()
	VMOVUPS(s.Bits(0x7fffffff), mask)
	VANDPS(value(0), mask, top)
	for i := 1; i < groupLen; i++ {
		VANDPS(value(i), mask, abs)
		VPMAXSD(abs, top, top)
	}
	return top
}

// choose2 returns the best step of each group and the scale that goes with it.
func choose2(s *isa.ISA, value func(int) Mem, top reg.VecVirtual) (step, d reg.VecVirtual) {
	best := YMM()
	step, d = YMM(), YMM()
	for i, length := range steps {
		inv := YMM()
		VMOVUPS(s.Const(float64(length)), inv)
		VDIVPS(top, inv, inv)
		xq, qq := YMM(), YMM()
		for j := range groupLen {
			v, c := YMM(), YMM()
			VMOVUPS(value(j), v)
			VMULPS(inv, v, c)
			VROUNDPS(U8(0), c, c) // to the nearest, ties to even
			if j == 0 {
				VMULPS(c, v, xq)
				VMULPS(c, c, qq)
				continue
			}
			VMULPS(c, v, v)
			VADDPS(v, xq, xq)
			VFMADD231PS(c, c, qq) // exact: all terms are integers below 2^24
		}
		ratio, gain := YMM(), YMM()
		VDIVPS(qq, xq, ratio)
		VMULPS(xq, ratio, gain)
		if i == 0 {
			VMOVAPS(gain, best)
			VMOVUPS(s.Const(float64(length)), step)
			VMOVAPS(ratio, d)
			continue
		}
		better := YMM()
		const greater = 30 // ordered, quiet
		VCMPPS(U8(greater), best, gain, better)
		VBLENDVPS(better, gain, best, best)
		VBLENDVPS(better, s.Const(float64(length)), step, step)
		VBLENDVPS(better, ratio, d, d)
	}
	return step, d
}

// store2 writes codes, scales and sums.
func store2(s *isa.ISA, value func(int) Mem, step, top, d reg.VecVirtual, dst reg.Register) {
	inv := YMM()
	VDIVPS(top, step, inv)
	// As integers, infinities and then NaNs are larger than all numbers.
	bad, zero, drop := YMM(), YMM(), YMM()
	VPCMPGTD(s.Const(0x1p50), top, bad)
	VMOVUPS(s.Const(0x1p-50), zero)
	VPCMPGTD(top, zero, zero)
	VPOR(bad, zero, drop)
	VBLENDVPS(zero, s.Const(0), d, d)
	VBLENDVPS(bad, s.Const(math.NaN()), d, d)
	sum := YMM()
	VPXOR(sum, sum, sum)
	var words [4]reg.VecVirtual // words[i] has codes 4i to 4i+3 of each group
	for i := range words {
		words[i] = YMM()
		for j := range 4 {
			c := YMM()
			VMULPS(value(4*i+j), inv, c)
			VCVTPS2DQ(c, c)
			VPANDN(c, drop, c)
			VPADDD(c, sum, sum)
			switch j {
			case 0:
				VPAND(s.Bits(0xff), c, words[i])
				continue
			case 3:
				VPSLLD(U8(24), c, c)
			default:
				VPAND(s.Bits(0xff), c, c)
				VPSLLD(U8(8*j), c, c)
			}
			VPOR(c, words[i], words[i])
		}
	}
	// In each part of 128 bits: the 16 codes of one of two groups.
	lo0, hi0, lo1, hi1 := YMM(), YMM(), YMM(), YMM()
	VPUNPCKLDQ(words[1], words[0], lo0)
	VPUNPCKHDQ(words[1], words[0], hi0)
	VPUNPCKLDQ(words[3], words[2], lo1)
	VPUNPCKHDQ(words[3], words[2], hi1)
	for g, pair := range [][2]reg.VecVirtual{{lo0, lo1}, {hi0, hi1}} {
		a, b := YMM(), YMM()
		VPUNPCKLQDQ(pair[1], pair[0], a)
		VPUNPCKHQDQ(pair[1], pair[0], b)
		storeParts2(a, dst, func(part int) int { return group(4*part + 2*g) })
		storeParts2(b, dst, func(part int) int { return group(4*part + 2*g + 1) })
	}
	zeros, scaled := YMM(), YMM()
	VPXOR(zeros, zeros, zeros)
	VCVTDQ2PS(sum, scaled)
	VMULPS(d, scaled, scaled)
	VPSUBD(sum, zeros, sum)
	storePairs2(d, sum, dst, offD)
	storePairs2(scaled, zeros, dst, offSum)
}

// storePairs2 writes, for each block, the two values of a and then of b.
func storePairs2(a, b, dst reg.Register, offset int) {
	even, odd := YMM(), YMM()
	VPUNPCKLQDQ(b, a, even)
	VPUNPCKHQDQ(b, a, odd)
	storeParts2(even, dst, func(part int) int { return 2*part*blockBytes + offset })
	storeParts2(odd, dst, func(part int) int { return (2*part+1)*blockBytes + offset })
}

// storeParts2 writes the two parts of v.
func storeParts2(v reg.VecVirtual, dst reg.Register, at func(part int) int) {
	VMOVDQU(v.AsX(), Mem{Base: dst, Disp: at(0)})
	VEXTRACTI128(U8(1), v, Mem{Base: dst, Disp: at(1)})
}
