package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"qgo/kernels/asm/isa"
	"qgo/kernels/asm/panels"
)

// Weights with a scale for every 16 columns, where activations have one for 32. These
// scales are sub-scales, small integers, times the scale of a block of 256. VPMADDWD,
// which widens sums of 16 bits anyhow, multiplies with the sub-scales of both halves of a
// tile, whose sums are then added as integers and converted once. A block's tiles are added
// up, times the scales of activations, before its scale multiplies them.
//
// Sums of 16 bits are those of other formats: with Q6_K four products of 63 and 127, with
// Q2_K and Q3_K eight of 7 and 127 fit. In 32 bits those of Q6_K are at most 32·63·127·128 <
// 2^25, of which the offset takes away at most 32·32·127·128 < 2^24.

// subScaled reports whether sums are multiplied with sub-scales as integers.
func (k *kernel) subScaled() bool { return k.whole() && k.Group == 16 }

// subScales2 puts the sub-scales of a tile into the frame, each twice in the 32 bits of
// its row.
func (k *kernel) subScales2(s *isa.ISA, f *frame2) {
	for half := range 2 {
		var pairs [2]reg.Register
		for g := range pairs {
			sub, at := yW[g][half], k.scale(g*panels.SubBytes+half*halfRows)
			pairs[g] = sub
			if k.Minima { // which are in the upper four bits
				VPMOVZXBD(at, sub)
				VPAND(s.Bits(15), sub, sub)
			} else {
				VPMOVSXBD(at, sub)
			}
			VPSLLD(U8(16), sub, yTmp)
			VPBLENDW(U8(upperWords), yTmp, sub, sub)
			VMOVDQU(sub, f.at(f.scales+(2*g+half)*yBytes))
		}
		if f.offsets != 0 {
			VPBLENDW(U8(upperWords), pairs[1], pairs[0], yTmp)
			VPSLLW(U8(k.Shift()), yTmp, yTmp)
			VMOVDQU(yTmp, f.at(f.offsets+half*yBytes))
		}
	}
}

// upperWords are the upper halves of lanes of 32 bits, for VPBLENDW.
const upperWords = 0xaa

// subtractOffset takes what codes have added away from sums of both groups: the sums of
// activations times the offset times sub-scales. Those of activations, negated, are put in
// the two halves of 32 bits for that; with Q6_K the factors are at most 32·128 < 2^15.
func (k *kernel) subtractOffset(f *frame2, rows []row2) {
	if k.Shift() == 0 {
		return
	}
	for i, r := range rows {
		VPBROADCASTQ(r.x.Offset(panels.OffStart), yX[i])
		VPSRAD(U8(7), yX[i], yX[i])
		VPACKSSDW(yX[i], yX[i], yX[i])
		for half, sum := range r.sum {
			VPMADDWD(f.at(f.offsets+half*yBytes), yX[i], yTmp)
			VPADDD(yTmp, sum, sum)
		}
	}
}

// addToBlock adds a tile's sums, times the scales of activations, to those of the block.
func (k *kernel) addToBlock(f *frame2, rows []row2) {
	eachSum(rows, func(_ row2, _ int, sum reg.Register) { VCVTDQ2PS(sum, sum) })
	for i, r := range rows {
		VBROADCASTSS(r.x.Offset(k.offD(0)), yX[i])
		for half, sum := range r.sum {
			VFMADD213PS(r.frame.Offset(f.blocks+half*yBytes), yX[i], sum)
		}
	}
	eachSum(rows, func(r row2, half int, sum reg.Register) { VMOVUPS(sum, r.frame.Offset(f.blocks+half*yBytes)) })
}

// endBlock adds what a block's tiles have in common to results: minima, and the sums times
// the head's scales. The next block's sums begin. The addresses of weights and activations
// are those behind the block.
func (k *kernel) endBlock(f *frame2) {
	if k.Minima {
		k.blockMinima(f)
	}
	k.rows2(f, rowUnroll, func(rows []row2) {
		eachSum(rows, func(r row2, half int, sum reg.Register) { VMOVUPS(r.frame.Offset(f.results+half*yBytes), sum) })
		if k.Minima {
			k.subtractMinima(f, rows)
		}
		VPXOR(yTmp, yTmp, yTmp)
		eachSum(rows, func(r row2, half int, sum reg.Register) {
			block := r.frame.Offset(f.blocks + half*yBytes)
			VMOVUPS(block, yTmp2)
			VMOVUPS(yTmp, block)
			VFMADD231PS(k.headAt(f, 0, half), yTmp2, sum)
			VMOVUPS(sum, r.frame.Offset(f.results+half*yBytes))
		})
	})
}

// blockMinima puts the minima of a block's tiles into the frame, which stand in the upper
// halves of the bytes that have sub-scales.
func (k *kernel) blockMinima(f *frame2) {
	for i := range k.minima() {
		t, g := i/2, i%2
		at := (t/2-panels.SuperTiles/2)*k.PairBytes() + t%2*k.ScaleBytes() + g*panels.SubBytes
		for half := range 2 {
			VPMOVZXBD(Mem{Base: k.pair, Disp: at + half*halfRows}, yTmp)
			VPSRLD(U8(4), yTmp, yTmp)
			VCVTDQ2PS(yTmp, yTmp)
			VMULPS(k.headAt(f, 1, half), yTmp, yTmp)
			VMOVUPS(yTmp, f.at(f.minima+(2*i+half)*yBytes))
		}
	}
}

// subtractMinima subtracts them, times the sums of activations, from results.
func (k *kernel) subtractMinima(f *frame2, rows []row2) {
	for i := range k.minima() {
		t, g := i/2, i%2
		for j, r := range rows {
			VBROADCASTSS(r.x.Offset((t-panels.SuperTiles)*k.blockBytes()+k.offSum(g)), yX[j])
		}
		for j, r := range rows {
			for half, sum := range r.sum {
				VFNMADD231PS(f.at(f.minima+(2*i+half)*yBytes), yX[j], sum)
			}
		}
	}
}
