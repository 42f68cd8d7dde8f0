package main

import (
	"fmt"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"qgo/kernels/asm/isa"
	"qgo/kernels/asm/panels"
)

// Products of codes and activations with AVX2, which has no product of four
// bytes:
//
//   - VPMADDUBSW multiplies unsigned codes with activations and adds pairs in 16
//     bits. As many of them are added as fit, eight for codes below 16, four for
//     codes below 32 and two for codes below 64, before VPMADDWD with ones widens
//     them.
//   - Products of codes of 8 bits would not fit. They are taken as signed
//     numbers: |code| times the activation with the code's sign, pairs of which
//     are at most 128·127·2 < 2^15.
//   - Where weights have sub-scales for 16 columns, VPMADDWD multiplies with those
//     instead of ones: see file subscales.go.

// ones widens sums of 16 bits. Products become as large as those of codes that are
// unpacked to the left.
func (k *kernel) ones(s *isa.ISA) Mem { return s.Bits(1 << k.leftmost() * (1<<16 | 1)) }

// widener is what VPMADDWD multiplies sums of group g of half a panel with: ones, or
// sub-scales.
func (k *kernel) widener(s *isa.ISA, f *frame2, g, half int) Mem {
	if k.subScaled() {
		return f.at(f.scales + (2*g+half)*yBytes)
	}
	return k.ones(s)
}

// multiply2 multiplies the codes of group g with activation rows. The sums have 16 bits
// if those of both groups fit, else 32.
func (k *kernel) multiply2(s *isa.ISA, f *frame2, g int, rows []row2) {
	wide := k.Low+k.High > 5 // only two products of pairs fit in 16 bits together
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
					VPMADDWD(k.widener(s, f, g, half), first, first)
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
	if !wide && !k.narrow() {
		eachSum(rows, func(_ row2, half int, sum reg.Register) { VPMADDWD(k.widener(s, f, g, half), sum, sum) })
	}
}

// narrow reports whether the sums of a tile's 32 products are added in 16 bits, which
// those of codes below 16 fit in: 8 pairs are at most 8 · 2 · 15 · 127 < 2^15.
func (k *kernel) narrow() bool {
	return k.whole() && !k.subScaled() && !k.signed() && k.Low+k.High <= 4
}

// addStart adds to the sums of group g, or of both groups, where they begin.
func (k *kernel) addStart(g int, rows []row2) {
	if k.vnni || k.signed() || k.Shift() == 0 {
		return
	}
	for i, r := range rows {
		VPBROADCASTD(r.x.Offset(panels.OffStart+4*g), yX[i])
		if k.whole() {
			VPBROADCASTD(r.x.Offset(panels.OffStart), yTmp)
			VPADDD(yTmp, yX[i], yX[i])
		}
		for _, sum := range r.sum {
			VPADDD(yX[i], sum, sum)
		}
	}
}

// tables are the levels that have been written as data: those with something
// added under the number of that.
var tables [256]map[*[16]int8]Mem

// table is the data of levels with add added; types may share them.
func table(name string, levels *[16]int8, add int) Mem {
	known := &tables[add]
	if *known == nil {
		*known = map[*[16]int8]Mem{}
	}
	m, ok := (*known)[levels]
	if !ok {
		if n := len(*known); n > 0 {
			name = fmt.Sprint(name, n)
		}
		m = GLOBL(name, RODATA|NOPTR)
		for i, v := range levels {
			DATA(i, U8(int(v)+add))
		}
		(*known)[levels] = m
	}
	return m
}

func signedLevels(levels *[16]int8) Mem { return table("signedLevels", levels, 0) }

// signedCodes puts vector v of group g of half a tile, codes of 8 bits, into w.
// mask and table are registers with constants.
func (k *kernel) signedCodes(g, v, half int, mask, table, w reg.Register) {
	if k.Levels == nil {
		VPXOR(k.plane2(4*g+v, half), mask, w)
	} else {
		k.levels2(g, v, half, mask, table, w)
	}
}

// levels2 puts the levels of vector v of group g of half a tile into w.
func (k *kernel) levels2(g, v, half int, mask, table, w reg.Register) {
	if g == 0 {
		VPAND(k.plane2(v, half), mask, w)
	} else {
		VMOVDQU(k.plane2(v, half), w)
		VPSRLD(U8(4), w, w)
		VPAND(mask, w, w)
	}
	VPSHUFB(w, table, w)
}

// signedConstants loads the constants of signedCodes.
func (k *kernel) signedConstants(s *isa.ISA, mask, table reg.Register) {
	if k.Levels != nil {
		VMOVDQU(s.Bits(k.lowBits()), mask)
		VBROADCASTI128(signedLevels(k.Levels), table)
	} else {
		VMOVDQU(s.Bits(bytes4(0x80)), mask)
	}
}

// signedProducts multiplies codes of 8 bits of group g with one activation row.
// With more rows than one it pays to keep them: see signed2.
func (k *kernel) signedProducts(s *isa.ISA, g int, r row2) {
	mask, table, ones := yW[0][0], yW[0][1], yW[1][0]
	code, abs := yW[1][1], yW[2][0]
	k.signedConstants(s, mask, table)
	VMOVDQU(s.Bits(1<<16|1), ones)
	for v := range yW {
		VPBROADCASTD(r.x.Offset(16*g+4*v), yX[0])
		for half, sum := range r.sum {
			k.signedCodes(g, v, half, mask, table, code)
			VPABSB(code, abs)
			addSigned(v, code, abs, yX[0], ones, sum)
		}
	}
}

// addSigned adds the products of vector v of signed codes, whose absolute values
// are abs, with activations x to sum, which the first vector begins.
func addSigned(v int, code Op, abs, x, ones, sum reg.Register) {
	to := yTmp
	if v == 0 {
		to = sum
	}
	VPSIGNB(code, x, yTmp)
	VPMADDUBSW(yTmp, abs, to)
	VPMADDWD(ones, to, to)
	if v > 0 {
		VPADDD(yTmp, sum, sum)
	}
}

// signed2 puts codes of 8 bits of group g into the frame, and their absolute
// values into registers.
func (k *kernel) signed2(s *isa.ISA, f *frame2, g int) {
	mask, table := yTmp2, yX[0]
	k.signedConstants(s, mask, table)
	for half := range 2 {
		for v, abs := range yW {
			k.signedCodes(g, v, half, mask, table, yTmp)
			VMOVDQU(yTmp, f.at(f.codes+(2*v+half)*yBytes))
			VPABSB(yTmp, abs[half])
		}
	}
}

// signedProducts2 multiplies the codes of signed2 with activation rows.
func (k *kernel) signedProducts2(s *isa.ISA, f *frame2, g int, rows []row2) {
	ones := yTmp2
	VMOVDQU(s.Bits(1<<16|1), ones)
	for v, abs := range yW {
		for i, r := range rows {
			VPBROADCASTD(r.x.Offset(16*g+4*v), yX[i])
			for half, sum := range r.sum {
				addSigned(v, f.at(f.codes+(2*v+half)*yBytes), abs[half], yX[i], ones, sum)
			}
		}
	}
}
