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
func expandWords(s *isa.ISA, f panels.Format) {
	name := "expandWords" + f.Name
	isa.Func(name, "func(a *byte)", name+" writes "+f.Name+" weights as words.")
	from, to, left := expandArgs()
	v := registers(s)
	c := newWordScale(s, v[10:])
	load := func(half, col int, dst reg.Register) {
		m := Mem{Base: from, Disp: (col*panelRows + half*s.Lanes) * f.Bytes}
		if f.Name == "F16" {
			VCVTPH2PS(m, dst)
			return
		}
		VPMOVZXWD(m, dst)
		VPSLLD(U8(16), dst, dst)
	}
	isa.Repeat("tile", left, 1, func() {
		for half := range s.Regs() {
			// Columns are added in order, as in plain Go.
			top, sum := v[0], v[1]
			for col := range tileCols {
				x := v[2+col%8]
				load(half, col, x)
				c.abs(x)
				if col == 0 {
					VMOVAPS(x, top)
					VMOVAPS(x, sum)
					continue
				}
				VPMAXSD(x, top, top)
				VADDPS(x, sum, sum)
			}
			d, inv := c.scale(top, sum)
			at := func(line int) Mem { return Mem{Base: to, Disp: line*lineBytes + half*s.Lanes*4} }
			for col := 0; col < tileCols; col += 4 {
				for pair := range 2 {
					low, high := v[2+2*pair], v[3+2*pair]
					load(half, col+pair, low)
					load(half, col+pair+2, high)
					for _, x := range []reg.Register{low, high} {
						VMULPS(inv, x, x)
						VCVTPS2DQ(x, x) // to the nearest, ties to even
					}
					VPSLLD(U8(16), high, high)
					c.evenWords(low, high)
					VMOVUPS(high, at(col/2+pair))
				}
			}
			VMOVUPS(d, at(tileCols/2))
		}
		ADDQ(U32(tileCols*panelRows*f.Bytes), from)
		ADDQ(U32(panels.WordTileBytes), to)
	})
	isa.End()
}

// wordScale is the choice of the scales of words, with its constants: in registers with AVX-512,
// otherwise in memory.
type wordScale struct {
	isa                                       *isa.ISA
	sign, most, total, small, large, one, nan Op
	even                                      reg.Register // words with AVX-512
	d, inv, bad, drop                         reg.Register
}

// newWordScale returns one that has the registers v.
func newWordScale(s *isa.ISA, v []reg.Register) *wordScale {
	c := &wordScale{isa: s, d: v[0], inv: v[1], bad: v[2], drop: v[3]}
	v = v[4:]
	constant := func(bits uint32) Op {
		if !s.Wide() {
			return s.Bits(bits)
		}
		tmp, to := GP32(), v[0]
		v = v[1:]
		MOVL(U32(bits), tmp)
		VPBROADCASTD(tmp, to)
		return to
	}
	number := func(x float32) Op { return constant(math.Float32bits(x)) }
	c.sign = constant(0x7fffffff)
	c.most, c.total = number(1.0/panels.MostWord), number(1.0/panels.MostWords)
	c.small, c.large = number(0x1p-50), number(0x1p50)
	c.one, c.nan = number(1), number(float32(math.NaN()))
	if s.Wide() {
		bits := GP32()
		c.even = K()
		MOVL(U32(0x55555555), bits)
		KMOVD(bits, c.even)
	}
	return c
}

// abs clears the signs of x.
func (c *wordScale) abs(x reg.Register) {
	if c.isa.Wide() {
		VPANDD(c.sign, x, x)
	} else {
		VPAND(c.sign, x, x)
	}
}

// scale returns the scale of values, and its reciprocal, or zero, whose largest absolute value is
// top and whose sum of those is sum. As integers, infinities and then NaNs are larger than all
// numbers.
func (c *wordScale) scale(top, sum reg.Register) (d, inv reg.Register) {
	d, inv = c.d, c.inv
	VMULPS(c.most, top, d)
	VMULPS(c.total, sum, inv)
	VMAXPS(inv, d, d)
	if c.isa.Wide() {
		bad, keep := K(), K()
		const greater, notLess = 6, 5
		VPCMPD(U8(greater), c.large, top, bad)
		VPCMPD(U8(notLess), c.small, top, keep)
		VMOVAPS_Z(d, keep, d)
		VDIVPS_Z(d, c.one, keep, inv)
		VMOVAPS(c.nan, bad, d)
		return d, inv
	}
	VPCMPGTD(c.large, top, c.bad)
	VMOVUPS(c.small, c.drop)
	VPCMPGTD(top, c.drop, c.drop)
	VMOVUPS(c.one, inv)
	VDIVPS(d, inv, inv)
	VPANDN(inv, c.drop, inv)
	VPANDN(d, c.drop, d)
	VBLENDVPS(c.bad, c.nan, d, d)
	return d, inv
}

// evenWords puts the words of even number of low in those of high.
func (c *wordScale) evenWords(low, high reg.Register) {
	if c.isa.Wide() {
		VMOVDQU16(low, c.even, high)
	} else {
		VPBLENDW(U8(0x55), low, high, high)
	}
}

// multiplyWords generates the product of rows of activations in 16 bits with 32 rows of
// weights as words: for AVX2 one without VNNI, and one with AVX-VNNI.
func multiplyWords(s *isa.ISA) {
	if s.Wide() {
		multiplyWordsWith(s, "multiplyWords", func(_ *rows, x, w, sum reg.Register) { VPDPWSSD(w, x, sum) })
		return
	}
	multiplyWordsWith(s, "multiplyWords", func(k *rows, x, w, sum reg.Register) {
		VPMADDWD(w, x, k.tmp)
		VPADDD(k.tmp, sum, sum)
	})
	multiplyWordsWith(s, "dotWords", func(_ *rows, x, w, sum reg.Register) { isa.DotYMM("VPDPWSSD", 0x52, x, w, sum) })
}

// multiplyWordsWith generates it with that product of a pair of columns. Sums of 32 columns
// are integers. Scaled, they are added to the results, which stay in memory: there is no
// room for both in registers.
func multiplyWordsWith(s *isa.ISA, name string, dot func(k *rows, x, w, sum reg.Register)) {
	isa.Func(name, "func(a *byte)", name+" multiplies activations with weights as words: see panel.TileArgs.")
	k := newRows(s)
	k.each(func(n int) {
		s.Zero(k.tmp)
		k.ifAdding(false, func() {
			k.eachResult(n, func(_, _ int, _ reg.Register, dst Mem) { VMOVUPS(k.tmp, dst) })
		})
		MOVQ(k.at(panels.TileArgTiles), k.left)
		isa.Repeat(isa.NewLabel("tile"), k.left, 1, func() {
			for _, sum := range k.sums {
				s.Zero(sum)
			}
			pairs := GP64()
			MOVQ(U32(tileCols/2/unroll), pairs)
			isa.Repeat(isa.NewLabel("pairs"), pairs, 1, func() {
				k.products(n, func(x, w, sum reg.Register) { dot(k, x, w, sum) })
			})
			k.eachWeights(0, func(scales reg.Register, at Mem) { VMOVUPS(at, scales) })
			k.skipWeights(lineBytes)
			k.eachResult(n, func(i, v int, sum reg.Register, dst Mem) {
				VCVTDQ2PS(sum, sum)
				switch {
				case s.Wide():
					VMULPS_BCST(k.activation(i, 0), sum, sum)
				case v == 0:
					VBROADCASTSS(k.activation(i, 0), k.number)
					fallthrough
				default:
					VMULPS(k.number, sum, sum)
				}
				VFMADD213PS(dst, k.vectors[v].reg, sum)
				VMOVUPS(sum, dst)
			})
			k.skip(n, panels.WordsBytes-panels.WordsOffD)
		})
	})
	isa.End()
}
