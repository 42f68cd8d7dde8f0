package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"qgo/kernels/asm/isa"
	"qgo/kernels/asm/panels"
)

var z = []reg.Register{
	reg.Z0, reg.Z1, reg.Z2, reg.Z3, reg.Z4, reg.Z5, reg.Z6, reg.Z7,
	reg.Z8, reg.Z9, reg.Z10, reg.Z11, reg.Z12, reg.Z13, reg.Z14, reg.Z15,
	reg.Z16, reg.Z17, reg.Z18, reg.Z19, reg.Z20, reg.Z21, reg.Z22, reg.Z23,
	reg.Z24, reg.Z25, reg.Z26, reg.Z27, reg.Z28, reg.Z29, reg.Z30, reg.Z31,
}

// How the kernels use registers: results of up to 16 rows, the eight vectors
// of codes of a tile, its scales, and what is left for masks and temporaries.
var (
	zY     = z[:16]
	zW     = z[16:24]
	zScale = z[24:26] // of the groups
	zMin   = z[26:28]
	zLo    = z[28]
	zHi    = z[29]
	zTmp   = z[30]
	zMask  = z[31] // of the low bits
	zMask2 = z[27] // of the high bits, or the levels; Q2_K alone needs it for a minimum
)

// avx512 generates the kernel for AVX-512 with VNNI: 64 bytes of codes, 4 of
// each row, times 4 bytes of activations is one instruction.
func (k *kernel) avx512() {
	k.begin(k.n)
	k.constants512()
	k.panels(func(loadDst func()) {
		for i := range k.n {
			VPXORD(zY[i], zY[i], zY[i])
		}
		k.tiles(func() {}, func() {
			k.scales512()
			k.unpack512()
			for i := range k.n {
				k.row512(i)
			}
		})
		stride := GP64()
		loadDst()
		MOVQ(k.arg(panels.ArgDstStride), stride)
		k.eachResult(stride, func(i int) { VMOVUPS(zY[i], Mem{Base: k.dst}) })
	})
	isa.End()
}

func splat512(value uint32, dst reg.Register) {
	tmp := GP32()
	MOVL(U32(value), tmp)
	VPBROADCASTD(tmp, dst)
}

func (k *kernel) constants512() {
	if k.Low < 8 {
		splat512(k.lowBits(), zMask)
	}
	switch {
	case k.Levels != nil:
		VBROADCASTI32X4(levelTable(k.Levels), zMask2)
	case k.High > 0:
		splat512(k.highBits(), zMask2)
	}
}

// levelTable is the levels as unsigned codes.
func levelTable(levels *[16]int8) Mem { return table("levels", levels, 128) }

// scales512 reads a tile's scales and minima.
func (k *kernel) scales512() {
	if !k.Super {
		VCVTPH2PS(k.scale(0), zScale[0])
		if k.Minima {
			VCVTPH2PS(k.scale(panels.HalfBytes), zMin[0])
		}
		return
	}
	sub := func(i int) Mem { return k.scale(i * panels.SubBytes) }
	switch {
	case k.Group == 32 && k.Minima: // one of both
		VPMOVZXBD(sub(0), zScale[0])
		VPMOVZXBD(sub(1), zMin[0])
	case k.Minima: // two of both, in four bits each
		for g := range 2 {
			VPMOVZXBD(sub(g), zScale[g])
			VPSRLD(U8(4), zScale[g], zMin[g])
			VPANDD(zMask15(), zScale[g], zScale[g])
		}
	default: // signed scales
		for g := range k.Groups() {
			VPMOVSXBD(sub(g), zScale[g])
		}
	}
	numbers := [][]reg.Register{zScale, zMin}
	if !k.Minima {
		numbers = numbers[:1]
	}
	for i, number := range numbers {
		VCVTPH2PS(Mem{Base: k.head, Disp: i * panels.HalfBytes}, zTmp)
		for _, v := range number[:k.Groups()] {
			VCVTDQ2PS(v, v)
			VMULPS(zTmp, v, v)
		}
	}
}

// zMask15 makes a mask of 15 in each lane.
func zMask15() reg.Register {
	splat512(15, zLo)
	return zLo
}

// unpack512 takes the codes of a tile apart.
func (k *kernel) unpack512() {
	plane := func(i int) Mem { return k.code(i * panels.PlaneBytes) }
	switch k.Low {
	case 8:
		for v := range panels.TileQuads {
			VMOVDQU32(plane(v), zW[v])
		}
	case 4:
		for v := range 4 {
			VMOVDQU32(plane(v), zTmp)
			VPANDD(zMask, zTmp, zW[v])
			VPSRLD(U8(4), zTmp, zTmp)
			VPANDD(zMask, zTmp, zW[v+4])
		}
	case 2:
		for p := range 2 {
			VMOVDQU32(plane(p), zTmp)
			VPANDD(zMask, zTmp, zW[4*p])
			for i := 1; i < 4; i++ {
				VPSRLD(U8(2*i), zTmp, zW[4*p+i])
				VPANDD(zMask, zW[4*p+i], zW[4*p+i])
			}
		}
	}
	if k.Levels != nil {
		for v := range panels.TileQuads {
			VPSHUFB(zW[v], zMask2, zW[v])
		}
	}
	for p := range k.High {
		VMOVDQU32(plane(k.Low+p), zTmp)
		vectors := panels.TileQuads / k.High // in a plane
		for i := range vectors {
			k.merge512(zTmp, k.Low-k.High*i, zW[vectors*p+i])
		}
	}
}

// merge512 puts high bits, shifted to the left, into codes.
func (k *kernel) merge512(bits reg.Register, shift int, w reg.Register) {
	switch {
	case shift > 0:
		VPSLLD(U8(shift), bits, zLo)
		bits = zLo
	case shift < 0:
		VPSRLD(U8(-shift), bits, zLo)
		bits = zLo
	}
	const orAnd = 0xf8 // w | bits & mask
	VPTERNLOGD(U8(orAnd), zMask2, bits, w)
}

// row512 multiplies the tile with activation row i.
func (k *kernel) row512(i int) {
	for g, acc := range []reg.Register{zLo, zHi} {
		if k.Shift() > 0 {
			VPSLLD_BCST(U8(k.Shift()), k.at(i, panels.OffNegSum+4*g), acc)
		} else {
			VPXORD(acc, acc, acc)
		}
	}
	for v := range 4 {
		VPDPBUSD_BCST(k.at(i, 4*v), zW[v], zLo)
		VPDPBUSD_BCST(k.at(i, 4*v+16), zW[v+4], zHi)
	}
	for g, acc := range []reg.Register{zLo, zHi} {
		VCVTDQ2PS(acc, acc)
		VMULPS_BCST(k.at(i, panels.OffD+4*g), acc, acc)
		if k.Group == 16 {
			VMULPS(zScale[g], acc, acc)
		}
	}
	VADDPS(zHi, zLo, zLo)
	if k.Group == 32 {
		VMULPS(zScale[0], zLo, zLo)
	}
	VADDPS(zLo, zY[i], zY[i])
	if !k.Minima {
		return
	}
	VBROADCASTSS(k.at(i, panels.OffSum), zLo)
	if k.Group == 32 {
		VADDPS_BCST(k.at(i, panels.OffSum+4), zLo, zLo)
		VMULPS(zMin[0], zLo, zLo)
	} else {
		VMULPS(zMin[0], zLo, zLo)
		VMULPS_BCST(k.at(i, panels.OffSum+4), zMin[1], zHi)
		VADDPS(zHi, zLo, zLo)
	}
	if k.Super {
		VSUBPS(zLo, zY[i], zY[i])
	} else {
		VADDPS(zLo, zY[i], zY[i])
	}
}
