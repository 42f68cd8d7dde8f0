package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"qgo/kernels/asm/isa"
	"qgo/kernels/asm/panels"
)

// The kernel for AVX2 has lanes for 8 groups, and the transposed values in its
// stack frame.
const (
	groups2 = 8
	yBytes  = 32
)

// quantize2 generates the kernel for groups of 16 or, if they are whole blocks, of 32.
func quantize2(s *isa.ISA, whole bool) {
	x, dst, n := isa.Arg("x"), isa.Arg("dst"), isa.Arg("n")
	frame := AllocLocal(groupLen * yBytes)
	value := func(i int) Mem { return frame.Offset(i * yBytes) }
	isa.Repeat(isa.NewLabel("next"), n, 1, func() {
		transpose2(s, x, value)
		top := largest2(s, value)
		if whole {
			withNeighbours(VPMAXSD, top)
		}
		step, d := choose2(s, value, top, whole)
		store2(s, value, step, top, d, dst)
		ADDQ(U32(groups2*groupBytes), x)
		ADDQ(U32(groups2/2*panels.BlockBytes), dst)
	})
	isa.End()
}

// transpose2 makes value i a vector of value i of all groups.
func transpose2(s *isa.ISA, x reg.Register, value func(int) Mem) {
	for half := range 2 {
		// quads[q][m] has in its two parts of 128 bits values m and m+4 of
		// groups 4q to 4q+3.
		var quads [2][]reg.VecVirtual
		for q := range quads {
			r := make([]reg.VecVirtual, 4)
			for i := range r {
				r[i] = YMM()
				VMOVUPS(Mem{Base: x, Disp: (4*q+i)*groupBytes + half*yBytes}, r[i])
			}
			quads[q] = transposeParts(s, r)
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

// withNeighbours combines each two neighbouring lanes.
func withNeighbours(op func(...Op), v reg.VecVirtual) {
	other := YMM()
	VPSHUFD(U8(swapped), v, other)
	op(other, v, v)
}

// choose2 returns the best step of each group and the scale that goes with it.
func choose2(s *isa.ISA, value func(int) Mem, top reg.VecVirtual, whole bool) (step, d reg.VecVirtual) {
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
		if whole {
			withNeighbours(VADDPS, xq)
			withNeighbours(VADDPS, qq)
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
	storeCodes(s, words, dst)
	zeros := YMM()
	VPXOR(zeros, zeros, zeros)
	storeSums(s, sum, d, zeros, dst)
}
