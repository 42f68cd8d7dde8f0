package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"qgo/kernels/asm/isa"
	"qgo/kernels/asm/panels"
)

// Products with activations in 16 bits, with AVX2: VPMADDWD multiplies words and adds pairs
// in 32 bits. Codes of all formats become signed words, once for all rows of activations: the
// even and then the odd bytes of four columns, without their offset, times their sub-scales
// if they have some. For a row all formats take the same instructions then; the sums of a
// tile are whole, and are scaled once.
//
// Words are at most 32·128, those of Q6_K, and activations below 2^14, so that 32 products
// are below 2^31: see tensor.MaxWord.

// tileWords is the number of vectors of words of half a tile.
const tileWords = 2 * panels.TileQuads

// wordUnroll is the number of activation rows that are computed at a time: that many are
// multiplied with words that are loaded once.
const wordUnroll = 4

// unroll is rowUnroll, or what it is with words.
func (k *kernel) unroll() int {
	if k.words {
		return wordUnroll
	}
	return rowUnroll
}

// wordTile multiplies a tile with all activation rows. For one row its words do not go
// through the frame.
func (k *kernel) wordTile(s *isa.ISA, f *frame2) {
	if k.n > 1 {
		k.eachWord(s, f, func(i, half int, w reg.Register) { VMOVDQU(w, f.word(i, half)) })
	}
	k.rows2(f, wordUnroll, func(rows []row2) {
		if k.n == 1 {
			k.wordRow(s, f, rows[0])
		} else {
			k.wordRows(f, rows)
		}
		for len(rows) > 0 {
			n := min(rowUnroll, len(rows))
			if k.subScaled() {
				k.addToBlock(f, rows[:n])
			} else {
				k.scaled2(f, 1, rows[:n])
			}
			rows = rows[n:]
		}
	})
}

// wordRow multiplies words with one row as they are unpacked.
func (k *kernel) wordRow(s *isa.ISA, f *frame2, r row2) {
	k.eachWord(s, f, func(i, half int, w reg.Register) {
		x := yX[i%2]
		if half == 0 {
			VPBROADCASTD(r.x.Offset(4*i), x)
		}
		addWords(i, w, x, w, r.sum[half])
	})
}

// wordRows multiplies words in the frame with several rows.
func (k *kernel) wordRows(f *frame2, rows []row2) {
	x := []reg.Register{yW[2][0], yW[2][1], yW[3][0], yW[3][1]}
	words, tmp := yX, [2]reg.Register{yTmp, yTmp2}
	for i := range tileWords {
		for j, r := range rows {
			VPBROADCASTD(r.x.Offset(4*i), x[j])
		}
		for half, w := range words {
			VMOVDQU(f.word(i, half), w)
			for j, r := range rows {
				addWords(i, w, x[j], tmp[j%2], r.sum[half])
			}
		}
	}
}

// addWords adds the products of words number i with activations x to sum, which the first
// ones begin.
func addWords(i int, words, x, tmp, sum reg.Register) {
	if i == 0 {
		VPMADDWD(words, x, sum)
		return
	}
	VPMADDWD(words, x, tmp)
	VPADDD(tmp, sum, sum)
}

// eachWord makes words of a tile's codes, vector i of each half: those with an even i are of
// even bytes. It leaves the sums of the first row alone, and yX while do gets the words of
// four columns.
func (k *kernel) eachWord(s *isa.ISA, f *frame2, do func(i, half int, w reg.Register)) {
	for g := range 2 {
		k.signedBytes(s, g)
		for v := range yW {
			for half, odd := range yW[v] {
				even := ySum[1][half]
				VPSLLW(U8(8), odd, even)
				VPSRAW(U8(8), even, even)
				VPSRAW(U8(8), odd, odd)
				for p, w := range []reg.Register{even, odd} {
					if k.subScaled() {
						VPMULLW(f.at(f.scales+(2*g+half)*yBytes), w, w)
					}
					do(2*(4*g+v)+p, half, w)
				}
			}
		}
	}
}

// signedBytes unpacks the codes of group g, without their offset.
func (k *kernel) signedBytes(s *isa.ISA, g int) {
	if !k.signed() {
		k.unpack2(s, g)
	} else {
		k.signedConstants(s, yTmp2, yX[0])
	}
	if k.Offset != 0 && !k.signed() {
		VMOVDQU(s.Bits(bytes4(uint8(k.Offset))), yTmp)
	}
	for half := range 2 {
		for v := range yW {
			switch w := yW[v][half]; {
			case k.signed():
				k.signedCodes(g, v, half, yTmp2, yX[0], w)
			case k.Offset != 0:
				VPSUBB(yTmp, w, w)
			}
		}
	}
}

// What follows is where kernels find the parts of a block of activations, which depends on
// its form.

func (k *kernel) blockBytes() int {
	if k.words {
		return panels.WordsBytes
	}
	return panels.BlockBytes
}

// offD is where the scale of group g is, offSum where its scaled sum is.
func (k *kernel) offD(g int) int {
	if k.words {
		return panels.WordsOffD
	}
	return panels.OffD + 4*g
}

func (k *kernel) offSum(g int) int {
	switch {
	case k.words && k.Group == 32:
		return panels.WordsOffBoth
	case k.words:
		return panels.WordsOffSum + 4*g
	}
	return k.OffSums() + 4*g
}
