package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"qgo/kernels/asm/isa"
	"qgo/kernels/asm/panels"
)

const tileCols = 32

// expandWords generates what writes floating-point weights as words: see generic.ExpandWords.
func expandWords(f panels.Format) {
	name := "expandWords" + f.Name
	isa.Func(name, "func(a *byte)", name+" writes "+f.Name+" weights as words.")
	from, to, left := expandArgs()
	sign, most, total := z[31], z[30], z[29]
	splat(0x7fffffff, sign)
	splatFloat(1.0/panels.MostWord, most)
	splatFloat(1.0/panels.MostWords, total)
	small, large, one, nan := z[28], z[27], z[26], z[25]
	splatFloat(0x1p-50, small)
	splatFloat(0x1p50, large)
	splatFloat(1, one)
	splatFloat(float32(math.NaN()), nan)
	even, bits := K(), GP32()
	MOVL(U32(0x55555555), bits)
	KMOVD(bits, even)
	column := panelRows * f.Bytes
	load := func(c int, dst reg.Register) {
		m := Mem{Base: from, Disp: c * column}
		if f.Name == "F16" {
			VCVTPH2PS(m, dst)
			return
		}
		VPMOVZXWD(m, dst)
		VPSLLD(U8(16), dst, dst)
	}
	isa.Repeat("tile", left, 1, func() {
		// Columns are added in order, as in plain Go.
		top, sum := z[0], z[1]
		for c := range tileCols {
			v := z[2+c%8]
			load(c, v)
			VPANDD(sign, v, v)
			if c == 0 {
				VMOVDQA32(v, top)
				VMOVAPS(v, sum)
				continue
			}
			VPMAXSD(v, top, top)
			VADDPS(v, sum, sum)
		}
		bad, keep := K(), K()
		const greater, notLess = 6, 5
		VPCMPD(U8(greater), large, top, bad)
		VPCMPD(U8(notLess), small, top, keep)
		d, inv := z[10], z[11]
		VMULPS(most, top, d)
		VMULPS(total, sum, inv)
		VMAXPS(inv, d, d)
		VMOVAPS_Z(d, keep, d)
		VDIVPS_Z(d, one, keep, inv)
		VMOVAPS(nan, bad, d)
		for c := 0; c < tileCols; c += 4 {
			for pair := range 2 {
				low, high := z[2+2*pair], z[3+2*pair]
				load(c+pair, low)
				load(c+pair+2, high)
				for _, v := range []reg.Register{low, high} {
					VMULPS(inv, v, v)
					VCVTPS2DQ(v, v) // to the nearest, ties to even
				}
				VPSLLD(U8(16), high, high)
				VMOVDQU16(low, even, high)
				VMOVDQU32(high, Mem{Base: to, Disp: (c/2 + pair) * lineBytes})
			}
		}
		VMOVUPS(d, Mem{Base: to, Disp: tileCols / 2 * lineBytes})
		ADDQ(U32(tileCols*column), from)
		ADDQ(U32(panels.WordTileBytes), to)
	})
	isa.End()
}

func splat(bits uint32, v reg.Register) {
	tmp := GP32()
	MOVL(U32(bits), tmp)
	VPBROADCASTD(tmp, v)
}

func splatFloat(x float32, v reg.Register) { splat(math.Float32bits(x), v) }

// multiplyWords generates the product of rows of activations in 16 bits with 32 rows of
// weights as words. Sums of 32 columns are integers. Scaled, they are added to the results, which
// stay in memory: there is no room for both in registers.
func multiplyWords() {
	isa.Func("multiplyWords", "func(a *byte)", "multiplyWords multiplies activations with weights as words: see panel.TileArgs.")
	k := newRows()
	k.each(func(n int) {
		zero := z[31]
		VPXORD(zero, zero, zero)
		k.ifAdding(false, func() {
			k.eachResult(n, func(_, _ int, dst Mem) { VMOVUPS(zero, dst) })
		})
		MOVQ(k.at(panels.TileArgTiles), k.left)
		sums := z[:2*n]
		isa.Repeat(isa.NewLabel("tile"), k.left, 1, func() {
			for _, sum := range sums {
				VPXORD(sum, sum, sum)
			}
			pairs := GP64()
			MOVQ(U32(tileCols/2/unroll), pairs)
			isa.Repeat(isa.NewLabel("pairs"), pairs, 1, func() {
				k.products(n, sums, func(x, w, sum reg.Register) { VPDPWSSD(w, x, sum) })
			})
			scales := z[28:30]
			for p := range k.w {
				VMOVUPS(Mem{Base: k.w[p]}, scales[p])
				ADDQ(U8(lineBytes), k.w[p])
			}
			k.eachResult(n, func(i, p int, dst Mem) {
				sum := sums[2*i+p]
				VCVTDQ2PS(sum, sum)
				VMULPS_BCST(k.activation(i, 0), sum, sum)
				VFMADD213PS(dst, scales[p], sum)
				VMOVUPS(sum, dst)
			})
			k.skip(panels.WordsBytes - panels.WordsOffD)
		})
	})
	isa.End()
}
