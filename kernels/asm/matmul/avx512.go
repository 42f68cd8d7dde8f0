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
	k.left = k.leftmost()
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
		}, func() {})
		stride := GP64()
		loadDst()
		MOVQ(k.arg(panels.ArgDstStride), stride)
		left := k.leftmost()
		if left > 0 {
			splat512(power(-left), zTmp)
		}
		k.eachResult(stride, func(i int) {
			if left > 0 {
				VMULPS(zTmp, zY[i], zY[i])
			}
			VMOVUPS(zY[i], Mem{Base: k.dst})
		})
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
		splat512(k.lowBits()<<k.left, zMask)
	}
	switch {
	case k.Levels != nil:
		VBROADCASTI32X4(levelTable(k.Levels), zMask2)
	case k.High > 0:
		splat512(k.highBits()<<k.left, zMask2)
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

// unpack512 takes the codes of a tile apart, shifted to the left by k.left.
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
			k.part512(zTmp, k.left, zW[v])
			k.part512(zTmp, k.left-4, zW[v+4])
		}
	case 2:
		for p := range 2 {
			VMOVDQU32(plane(p), zTmp)
			for i := range 4 {
				k.part512(zTmp, k.left-2*i, zW[4*p+i])
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
			k.merge512(zTmp, k.left+k.Low-k.High*i, zW[vectors*p+i])
		}
	}
}

// part512 takes the low bits of codes w from a plane, shifted to the left.
func (k *kernel) part512(plane reg.Register, shift int, w reg.Register) {
	VPANDD(zMask, shifted(plane, shift, w), w)
}

// merge512 puts high bits, shifted to the left, into codes.
func (k *kernel) merge512(bits reg.Register, shift int, w reg.Register) {
	bits = shifted(bits, shift, zLo)
	const orAnd = 0xf8 // w | bits & mask
	VPTERNLOGD(U8(orAnd), zMask2, bits, w)
}

// row512 multiplies the tile with activation row i.
func (k *kernel) row512(i int) {
	sums := []reg.Register{zLo, zHi}
	for g, sum := range sums {
		if k.Shift() > 0 {
			VPBROADCASTD(k.at(i, panels.OffStart+4*g), sum)
		} else {
			VPXORD(sum, sum, sum)
		}
	}
	for v := range 4 {
		VPDPBUSD_BCST(k.at(i, 4*v), zW[v], zLo)
		VPDPBUSD_BCST(k.at(i, 4*v+16), zW[v+4], zHi)
	}
	for _, sum := range sums {
		VCVTDQ2PS(sum, sum)
	}
	VMULPS_BCST(k.at(i, panels.OffD), zLo, zLo)
	if k.Group == 32 {
		VFMADD231PS_BCST(k.at(i, panels.OffD+4), zHi, zLo)
	} else {
		VMULPS_BCST(k.at(i, panels.OffD+4), zHi, zHi)
	}
	for g := range k.Groups() {
		VFMADD231PS(zScale[g], sums[g], zY[i])
	}
	if !k.Minima {
		return
	}
	for g := range k.Groups() {
		if k.Super {
			VFNMADD231PS_BCST(k.at(i, k.OffSums()+4*g), zMin[g], zY[i])
		} else {
			VFMADD231PS_BCST(k.at(i, k.OffSums()+4*g), zMin[g], zY[i])
		}
	}
}
