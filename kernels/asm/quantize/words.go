package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"qgo/kernels/asm/isa"
	"qgo/kernels/asm/panels"
)

const maxWord = 1<<14 - 1

// Immediates of shuffles of four parts.
const (
	middle = 0xd8 // 0, 2, 1, 3
	halves = 0x4e // 2, 3, 0, 1
	pairs  = 0xb1 // 1, 0, 3, 2
)

// words2 generates the kernel for activations in 16 bits: see generic.QuantizeWords. A block
// is four vectors of eight values.
func words2(s *isa.ISA) {
	x, dst, n := isa.Arg("x"), isa.Arg("dst"), isa.Arg("n")
	isa.Repeat("block", n, 1, func() {
		v, top := s.Vecs(4), YMM()
		for i, v := range v {
			VMOVUPS(Mem{Base: x, Disp: i * yBytes}, v)
			abs := YMM()
			VPAND(s.Bits(0x7fffffff), v, abs)
			if i == 0 {
				VMOVDQA(abs, top)
			} else {
				VPMAXSD(abs, top, top)
			}
		}
		// As integers, infinities and then NaNs are larger than all numbers.
		other := YMM()
		VPERMQ(U8(halves), top, other)
		VPMAXSD(other, top, top)
		for _, shuffle := range []uint8{halves, pairs} {
			VPSHUFD(U8(shuffle), top, other)
			VPMAXSD(other, top, top)
		}
		inv, d, zero, bad, drop := YMM(), YMM(), YMM(), YMM(), YMM()
		VMOVUPS(s.Const(maxWord), inv)
		VDIVPS(inv, top, d)
		VDIVPS(top, inv, inv)
		VPCMPGTD(s.Const(0x1p50), top, bad)
		VMOVUPS(s.Const(0x1p-50), zero)
		VPCMPGTD(top, zero, zero)
		VPOR(bad, zero, drop)
		VPANDN(d, zero, d)
		VBLENDVPS(bad, s.Const(math.NaN()), d, d)
		for _, v := range v {
			VMULPS(inv, v, v)
			VCVTPS2DQ(v, v) // to the nearest, ties to even
			VPANDN(v, drop, v)
		}
		storeWordSums(v, d, dst)
		for i := 0; i < 4; i += 2 {
			// Of each four columns the middle ones change places.
			VPSHUFD(U8(middle), v[i], v[i])
			VPSHUFD(U8(middle), v[i+1], v[i+1])
			VPACKSSDW(v[i+1], v[i], v[i])
			VPERMQ(U8(middle), v[i], v[i])
			VMOVDQU(v[i], Mem{Base: dst, Disp: i / 2 * yBytes})
		}
		ADDQ(U32(4*yBytes), x)
		ADDQ(U32(panels.WordsBytes), dst)
	})
	isa.End()
}

// storeWordSums stores the scale of codes v, which every lane of d has, and what follows
// from their sums.
func storeWordSums(v []reg.VecVirtual, d reg.VecVirtual, dst reg.Register) {
	first, last, high := YMM(), YMM(), XMM()
	VPADDD(v[1], v[0], first)
	VPADDD(v[3], v[2], last)
	VPHADDD(last, first, first)
	VPHADDD(first, first, first) // in both parts of 128 bits the sums of both halves, twice
	VEXTRACTI128(U8(1), first, high)
	sums, both := first.AsX(), XMM()
	VPADDD(high, sums, sums)
	VCVTDQ2PS(sums, sums)
	VMULPS(d.AsX(), sums, sums)
	VHADDPS(sums, sums, both)
	VUNPCKLPS(both, d.AsX(), both)
	VMOVLHPS(sums, both, both)
	VMOVUPS(both, Mem{Base: dst, Disp: panels.WordsOffD})
}
