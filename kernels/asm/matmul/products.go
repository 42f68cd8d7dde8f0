package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"

	"qgo/kernels/asm/isa"
)

// Products of codes and activations with AVX2, which has no product of four
// bytes:
//
//   - VPMADDUBSW multiplies unsigned codes with activations and adds pairs in 16
//     bits. As many of them are added as fit, four for codes below 32 and two
//     for codes below 64, before VPMADDWD with ones widens them.
//   - Products of codes of 8 bits would not fit. They are taken as signed
//     numbers: |code| times the activation with the code's sign, pairs of which
//     are at most 128·127·2 < 2^15.

// multiply2 multiplies the codes of group g with activation rows.
func (k *kernel) multiply2(s *isa.ISA, g int, rows []row2) {
	ones := s.Bits(1<<16 | 1)
	wide := k.low+k.high > 5 // only two products of pairs fit in 16 bits together
	for v := 0; v < 4; v += 2 {
		for _, r := range rows {
			for i, x := range yX {
				VPBROADCASTD(r.x.Offset(16*g+4*(v+i)), x)
			}
			for half, sum := range r.sum {
				first := yTmp
				if v == 0 {
					first = sum
				}
				VPMADDUBSW(yX[0], yW[v][half], first)
				VPMADDUBSW(yX[1], yW[v+1][half], yTmp2)
				VPADDW(yTmp2, first, first)
				if wide {
					VPMADDWD(ones, first, first)
				}
				if v > 0 {
					if wide {
						VPADDD(first, sum, sum)
					} else {
						VPADDW(first, sum, sum)
					}
				}
			}
		}
	}
	for _, r := range rows {
		for _, sum := range r.sum {
			if !wide {
				VPMADDWD(ones, sum, sum)
			}
		}
	}
	if k.offset == 0 {
		return
	}
	for i, r := range rows {
		VPBROADCASTD(r.x.Offset(offNegSum+4*g), yX[i])
		VPSLLD(U8(k.offset), yX[i], yX[i])
		for _, sum := range r.sum {
			VPADDD(yX[i], sum, sum)
		}
	}
}

var signedLevelData Mem

func signedLevels() Mem {
	if signedLevelData.Base == nil {
		signedLevelData = GLOBL("signedLevels", RODATA|NOPTR)
		for i, v := range levels {
			DATA(i, U8(v))
		}
	}
	return signedLevelData
}

// signed2 puts the signed codes of 8 bits of group g into the frame, and their
// absolute values into registers.
func (k *kernel) signed2(s *isa.ISA, f *frame2, g int) {
	mask, table := yTmp2, yX[0]
	if k.levels {
		VMOVDQU(k.lowMask(s), mask)
		VBROADCASTI128(signedLevels(), table)
	} else {
		VMOVDQU(s.Bits(bytes4(0x80)), mask)
	}
	for half := range 2 {
		for v, w := range yW {
			switch {
			case !k.levels:
				VPXOR(k.plane2(4*g+v, half), mask, yTmp)
			case g == 0:
				VPAND(k.plane2(v, half), mask, yTmp)
			default:
				VMOVDQU(k.plane2(v, half), yTmp)
				VPSRLD(U8(4), yTmp, yTmp)
				VPAND(mask, yTmp, yTmp)
			}
			if k.levels {
				VPSHUFB(yTmp, table, yTmp)
			}
			VMOVDQU(yTmp, f.at(f.codes+(2*v+half)*yBytes))
			VPABSB(yTmp, w[half])
		}
	}
}

// multiplySigned2 is multiply2 for signed codes of 8 bits.
func (k *kernel) multiplySigned2(s *isa.ISA, f *frame2, g int, rows []row2) {
	ones := yTmp2
	VMOVDQU(s.Bits(1<<16|1), ones)
	for v, abs := range yW {
		for i, r := range rows {
			VPBROADCASTD(r.x.Offset(16*g+4*v), yX[i])
			for half, sum := range r.sum {
				part := yTmp
				if v == 0 {
					part = sum
				}
				VPSIGNB(f.at(f.codes+(2*v+half)*yBytes), yX[i], yTmp)
				VPMADDUBSW(yTmp, abs[half], part)
				VPMADDWD(ones, part, part)
				if v > 0 {
					VPADDD(yTmp, sum, sum)
				}
			}
		}
	}
}
