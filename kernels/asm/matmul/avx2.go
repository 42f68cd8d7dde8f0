package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"qgo/kernels/asm/isa"
)

// The kernels for AVX2, whose registers hold eight rows of a panel, half of it.
// There are only 16 registers: they hold the codes of one group of 16 columns
// of a tile, both halves, so that an activation that is broadcast is multiplied
// with both. Each group is multiplied with all activation rows before the next
// one is unpacked; what is added up stands in the stack frame, which the
// first-level cache holds.
//
//   - VPMADDUBSW multiplies unsigned codes with activations and adds pairs in 16
//     bits. As many of them are added as fit, four for codes below 32 and two
//     for codes below 64, before VPMADDWD with ones widens them.
//   - Products of codes of 8 bits would not fit. They are taken as signed
//     numbers: |code| times the activation with the code's sign, pairs of which
//     are at most 128·127·2 < 2^15.

var y = []reg.Register{
	reg.Y0, reg.Y1, reg.Y2, reg.Y3, reg.Y4, reg.Y5, reg.Y6, reg.Y7,
	reg.Y8, reg.Y9, reg.Y10, reg.Y11, reg.Y12, reg.Y13, reg.Y14, reg.Y15,
}

// How the kernels use registers; pairs are for the two halves.
var (
	yW    = [4][2]reg.Register{{y[0], y[1]}, {y[2], y[3]}, {y[4], y[5]}, {y[6], y[7]}} // codes
	ySum  = [2]reg.Register{y[8], y[9]}
	yPart = [2]reg.Register{y[10], y[11]}
	yX    = y[12] // activations
	yTmp  = y[13]
	yOnes = y[14] // of 16 bits
	yMask = y[15] // of the low bits
)

const (
	halfRows  = 8 // rows of a half
	yBytes    = 32
	rowBytes  = 2 * yBytes // of a row of the frame
	halfPlane = planeBytes / 2
)

// rowUnroll is the number of activation rows in the body of the loop over them.
const rowUnroll = 2

// frame2 is what an AVX2 kernel keeps in the stack frame. It begins on a cache
// line.
type frame2 struct {
	base  reg.Register
	heads int // of a K-quant, as float32: [scale, minimum][half]
	// scales and minima of a tile: [group][half]
	scales, minima int
	codes          int // of 8 bits, signed: [vector][half]
	sums           int // of the first group: [activation row][half]
	results        int // [activation row][half]
}

// newFrame lays the frame out.
func (k *kernel) newFrame() *frame2 {
	f := &frame2{base: GP64()}
	size := 0
	part := func(vectors int) int {
		size += vectors * yBytes
		return size - vectors*yBytes
	}
	f.sums, f.results = part(2*k.n), part(2*k.n)
	groups := 32 / k.group
	f.scales = part(2 * groups)
	if k.super {
		f.heads = part(4)
	}
	if k.minima {
		f.minima = part(2 * groups)
	}
	if k.signed() {
		f.codes = part(8)
	}
	const line = 64
	LEAQ(AllocLocal(size+line).Offset(line-1), f.base)
	ANDQ(I8(-line), f.base)
	return f
}

func (f *frame2) at(offset int) Mem { return Mem{Base: f.base, Disp: offset} }

func (k *kernel) avx2(s *isa.ISA) {
	k.begin(min(k.n, rowUnroll))
	f := k.newFrame()
	VMOVDQU(s.Bits(1<<16|1), yOnes)
	switch k.low {
	case 4:
		VMOVDQU(s.Bits(bytes4(0x0f)), yMask)
	case 2:
		VMOVDQU(s.Bits(bytes4(0x03)), yMask)
	case 8:
		VMOVDQU(s.Bits(bytes4(0x80)), yMask)
	}
	k.panels(func(loadDst func()) {
		VPXOR(yTmp, yTmp, yTmp)
		for i := range 2 * k.n {
			VMOVDQU(yTmp, f.at(f.results+i*yBytes))
		}
		k.tiles(func() { k.heads2(f) }, func() {
			k.scales2(s, f)
			for g := range 2 {
				if k.signed() {
					k.signed2(f, g)
				} else {
					k.unpack2(s, g)
				}
				k.rows2(f, func(x, row Mem) {
					if k.signed() {
						k.multiplySigned2(f, g, x)
					} else {
						k.multiply2(g, x)
					}
					k.scaled2(f, g, x, row)
				})
			}
		})
		stride := GP64()
		loadDst()
		MOVQ(k.arg(argDstStride), stride)
		for i := range k.n {
			for half := range 2 {
				VMOVUPS(f.at(f.results+i*rowBytes+half*yBytes), yTmp)
				VMOVUPS(yTmp, Mem{Base: k.dst, Disp: half * yBytes})
			}
			if i+1 < k.n {
				ADDQ(stride, k.dst)
			}
		}
	})
	VZEROUPPER()
	RET()
}

// rows2 repeats body for all activation rows. x is the address of a row's
// block, row that of its part of the frame.
func (k *kernel) rows2(f *frame2, body func(x, row Mem)) {
	if k.n <= rowUnroll {
		for i, x := range k.x {
			body(x.Offset(k.tile*blockBytes), f.at(i*rowBytes))
		}
		return
	}
	x, row, left := GP64(), GP64(), GP64()
	MOVQ(k.xBase[0], x)
	MOVQ(f.base, row)
	MOVQ(U32(k.n/rowUnroll), left)
	label := isa.NewLabel("rows")
	Label(label)
	for i, m := range k.x {
		m.Base = x
		body(m.Offset(k.tile*blockBytes), Mem{Base: row, Disp: i * rowBytes})
	}
	next := k.x[1]
	next.Base, next.Scale = x, rowUnroll
	LEAQ(next, x)
	ADDQ(U32(rowUnroll*rowBytes), row)
	DECQ(left)
	JNZ(LabelRef(label))
}

// heads2 puts what heads tiles of a K-quant into the frame.
func (k *kernel) heads2(f *frame2) {
	numbers := 2
	if k.minima {
		numbers = 4
	}
	for i := range numbers {
		VCVTPH2PS(Mem{Base: k.head, Disp: i * halfRows * 2}, yTmp)
		VMOVUPS(yTmp, f.at(f.heads+i*yBytes))
	}
}

// scales2 puts the scales and minima of a tile into the frame.
func (k *kernel) scales2(s *isa.ISA, f *frame2) {
	for half := range 2 {
		if !k.super {
			VCVTPH2PS(k.scale(half*halfRows*2), yTmp)
			VMOVUPS(yTmp, f.at(f.scales+half*yBytes))
			if k.minima {
				VCVTPH2PS(k.scale(halfBytes+half*halfRows*2), yTmp)
				VMOVUPS(yTmp, f.at(f.minima+half*yBytes))
			}
			continue
		}
		sub := func(i int) Mem { return k.scale(i*subBytes + half*halfRows) }
		// store writes an integer times the head's number to the frame.
		store := func(v reg.Register, number, to, g int) {
			VCVTDQ2PS(v, v)
			VMULPS(f.at(f.heads+(2*number+half)*yBytes), v, v)
			VMOVUPS(v, f.at(to+(2*g+half)*yBytes))
		}
		switch {
		case k.group == 32: // a scale and a minimum
			VPMOVZXBD(sub(0), yTmp)
			store(yTmp, 0, f.scales, 0)
			VPMOVZXBD(sub(1), yTmp)
			store(yTmp, 1, f.minima, 0)
		case k.minima: // two of both, in four bits each
			for g := range 2 {
				VPMOVZXBD(sub(g), yTmp)
				VPSRLD(U8(4), yTmp, yX)
				VPAND(s.Bits(15), yTmp, yTmp)
				store(yTmp, 0, f.scales, g)
				store(yX, 1, f.minima, g)
			}
		default: // two signed scales
			for g := range 2 {
				VPMOVSXBD(sub(g), yTmp)
				store(yTmp, 0, f.scales, g)
			}
		}
	}
}

// plane2 is the address of half a plane of codes.
func (k *kernel) plane2(i, half int) Mem { return k.code(i*planeBytes + half*halfPlane) }

// unpack2 takes the codes of group g of a tile apart, those of up to 6 bits.
func (k *kernel) unpack2(s *isa.ISA, g int) {
	for half := range 2 {
		switch {
		case k.low == 2:
			VMOVDQU(k.plane2(g, half), yTmp)
			VPAND(yMask, yTmp, yW[0][half])
			for v := 1; v < 4; v++ {
				VPSRLD(U8(2*v), yTmp, yW[v][half])
				VPAND(yMask, yW[v][half], yW[v][half])
			}
		case g == 0:
			for v := range 4 {
				VPAND(k.plane2(v, half), yMask, yW[v][half])
			}
		default:
			for v := range 4 {
				VMOVDQU(k.plane2(v, half), yTmp)
				VPSRLD(U8(4), yTmp, yTmp)
				VPAND(yMask, yTmp, yW[v][half])
			}
		}
		if k.high == 0 {
			continue
		}
		// One plane has a bit of each vector, two have two bits of half of them.
		bits, mask := yX, s.Bits(bytes4(uint8(1<<k.high-1)<<k.low))
		from := k.low - 4*g
		plane := k.low
		if k.high == 2 {
			from, plane = k.low, k.low+g
		}
		VMOVDQU(k.plane2(plane, half), bits)
		for v := range 4 {
			shifted := yTmp
			switch shift := from - k.high*v; {
			case shift > 0:
				VPSLLD(U8(shift), bits, shifted)
			case shift < 0:
				VPSRLD(U8(-shift), bits, shifted)
			default:
				shifted = bits
			}
			VPAND(mask, shifted, yTmp)
			VPOR(yTmp, yW[v][half], yW[v][half])
		}
	}
}

// multiply2 multiplies the codes of group g with an activation row.
func (k *kernel) multiply2(g int, x Mem) {
	most := 4 // products of pairs that fit in 16 bits together
	if k.low+k.high > 5 {
		most = 2
	}
	for v := range 4 {
		VPBROADCASTD(x.Offset(16*g+4*v), yX)
		for half, w := range yW[v] {
			part := yPart[half]
			if v < most {
				part = ySum[half]
			}
			if v%most == 0 {
				VPMADDUBSW(yX, w, part)
				continue
			}
			VPMADDUBSW(yX, w, yTmp)
			VPADDW(yTmp, part, part)
			if v%most == most-1 {
				VPMADDWD(yOnes, part, part)
				if v >= most {
					VPADDD(part, ySum[half], ySum[half])
				}
			}
		}
	}
	if k.offset > 0 {
		VPBROADCASTD(x.Offset(offNegSum+4*g), yX)
		VPSLLD(U8(k.offset), yX, yX)
		for _, sum := range ySum {
			VPADDD(yX, sum, sum)
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
func (k *kernel) signed2(f *frame2, g int) {
	table := yX
	if k.levels {
		VBROADCASTI128(signedLevels(), table)
	}
	for half := range 2 {
		for v := range 4 {
			switch {
			case !k.levels:
				VPXOR(k.plane2(4*g+v, half), yMask, yTmp)
			case g == 0:
				VPAND(k.plane2(v, half), yMask, yTmp)
			default:
				VMOVDQU(k.plane2(v, half), yTmp)
				VPSRLD(U8(4), yTmp, yTmp)
				VPAND(yMask, yTmp, yTmp)
			}
			if k.levels {
				VPSHUFB(yTmp, table, yTmp)
			}
			VMOVDQU(yTmp, f.at(f.codes+(2*v+half)*yBytes))
			VPABSB(yTmp, yW[v][half])
		}
	}
}

// multiplySigned2 is multiply2 for signed codes of 8 bits.
func (k *kernel) multiplySigned2(f *frame2, g int, x Mem) {
	for v := range 4 {
		VPBROADCASTD(x.Offset(16*g+4*v), yX)
		for half, abs := range yW[v] {
			part := yTmp
			if v == 0 {
				part = ySum[half]
			}
			VPSIGNB(f.at(f.codes+(2*v+half)*yBytes), yX, yTmp)
			VPMADDUBSW(yTmp, abs, part)
			VPMADDWD(yOnes, part, part)
			if v > 0 {
				VPADDD(yTmp, ySum[half], ySum[half])
			}
		}
	}
}

// scaled2 scales the sums of group g of an activation row. The tile's scaled
// sum is added to the row's results.
func (k *kernel) scaled2(f *frame2, g int, x, row Mem) {
	at := func(offset, half int) Mem { return row.Offset(offset + half*yBytes) }
	VBROADCASTSS(x.Offset(offD+4*g), yX)
	for half, sum := range ySum {
		VCVTDQ2PS(sum, sum)
		VMULPS(yX, sum, sum)
		if k.group == 16 {
			VMULPS(f.at(f.scales+(2*g+half)*yBytes), sum, sum)
		}
		if g == 0 {
			VMOVUPS(sum, at(f.sums, half))
			continue
		}
		VADDPS(at(f.sums, half), sum, sum)
		if k.group == 32 {
			VMULPS(f.at(f.scales+half*yBytes), sum, sum)
		}
		VADDPS(at(f.results, half), sum, sum)
	}
	if g == 0 {
		return
	}
	if k.minima {
		k.minimum2(f, x)
	}
	for half, sum := range ySum {
		VMOVUPS(sum, at(f.results, half))
	}
}

// minimum2 adds an activation row's sums times the minima to its results.
func (k *kernel) minimum2(f *frame2, x Mem) {
	VBROADCASTSS(x.Offset(offSum), yX)
	if k.group == 32 {
		VBROADCASTSS(x.Offset(offSum+4), yTmp)
		VADDPS(yTmp, yX, yX)
	} else {
		VBROADCASTSS(x.Offset(offSum+4), yPart[1])
	}
	for half, sum := range ySum {
		VMULPS(f.at(f.minima+half*yBytes), yX, yTmp)
		if k.group == 16 {
			VMULPS(f.at(f.minima+(2+half)*yBytes), yPart[1], yPart[0])
			VADDPS(yPart[0], yTmp, yTmp)
		}
		if k.super {
			VSUBPS(yTmp, sum, sum)
		} else {
			VADDPS(yTmp, sum, sum)
		}
	}
}
