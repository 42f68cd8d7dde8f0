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
// tile, whose sums are then added as integers and converted and scaled once. Without
// minima, a block's sums are added up before its scale multiplies them.
//
// With Q6_K a sum of 32 bits is at most 32·63·127·128 < 2^25, and what the offset takes
// away from it at most 32·32·127·128 < 2^24.

// subScaled reports whether sums are multiplied with sub-scales as integers.
func (k *kernel) subScaled() bool { return k.whole() && k.Group == 16 }

// blockSums reports whether the tiles of a block are added up without its scale.
func (k *kernel) blockSums() bool { return k.subScaled() && !k.Minima }

// subScales2 puts the sub-scales of a tile into the frame, each twice in the 32 bits of
// its row, and the minima.
func (k *kernel) subScales2(s *isa.ISA, f *frame2) {
	for half := range 2 {
		var pairs [2]reg.Register
		for g := range pairs {
			sub, at := yW[g][half], k.scale(g*panels.SubBytes+half*halfRows)
			pairs[g] = sub
			if k.Minima { // each byte has both
				VPMOVZXBD(at, sub)
				VPSRLD(U8(4), sub, yTmp)
				VPAND(s.Bits(15), sub, sub)
				k.scaled(f, yTmp, 1, half, f.minima+(2*g+half)*yBytes)
			} else {
				VPMOVSXBD(at, sub)
			}
			VPSLLD(U8(16), sub, yTmp)
			VPBLENDW(U8(upperWords), yTmp, sub, sub)
			VMOVDQU(sub, f.at(f.scales+(2*g+half)*yBytes))
		}
		if k.Shift() > 0 {
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
	for i, r := range rows {
		VBROADCASTSS(r.x.Offset(panels.OffD), yX[i])
		for half, sum := range r.sum {
			VFMADD213PS(r.frame.Offset(f.blocks+half*yBytes), yX[i], sum)
		}
	}
	eachSum(rows, func(r row2, half int, sum reg.Register) { VMOVUPS(sum, r.frame.Offset(f.blocks+half*yBytes)) })
}

// endBlock adds the sums of a block, times its scales, to results, and begins the next.
func (k *kernel) endBlock(f *frame2, rows []row2) {
	VPXOR(yTmp, yTmp, yTmp)
	for half, scale := range yX {
		VMOVUPS(k.headAt(f, 0, half), scale)
	}
	eachSum(rows, func(r row2, half int, sum reg.Register) {
		block, result := r.frame.Offset(f.blocks+half*yBytes), r.frame.Offset(f.results+half*yBytes)
		VMOVUPS(block, sum)
		VMOVUPS(yTmp, block)
		VFMADD213PS(result, yX[half], sum)
		VMOVUPS(sum, result)
	})
}
