package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"qgo/kernels/asm/isa"
	"qgo/kernels/asm/panels"
)

// The kernels for AVX2, whose registers hold eight rows of a panel, half of it.
// There are only 16 registers: they hold the codes of one group of 16 columns
// of a tile, both halves, so that an activation that is broadcast is multiplied
// with both. Each group is multiplied with all activation rows before the next
// one is unpacked; what is added up stands in the stack frame, which the
// first-level cache holds.
//
// What bounds them on a Zen 3, for an activation row and a tile (1024
// operations), is the number of instructions: docs/kernels.md has them. So a block of
// activations is one group, whose sum is converted and scaled once.

var y = []reg.Register{
	reg.Y0, reg.Y1, reg.Y2, reg.Y3, reg.Y4, reg.Y5, reg.Y6, reg.Y7,
	reg.Y8, reg.Y9, reg.Y10, reg.Y11, reg.Y12, reg.Y13, reg.Y14, reg.Y15,
}

// How the kernels use registers; pairs are for the two halves.
var (
	yW    = [4][2]reg.Register{{y[0], y[1]}, {y[2], y[3]}, {y[4], y[5]}, {y[6], y[7]}} // codes
	ySum  = [rowUnroll][2]reg.Register{{y[8], y[9]}, {y[10], y[11]}}
	yX    = [2]reg.Register{y[12], y[13]} // activations
	yTmp  = y[14]
	yTmp2 = y[15]
)

const (
	halfRows  = 8 // rows of a half
	yBytes    = 32
	rowBytes  = 2 * yBytes // of a row of the frame
	halfPlane = panels.PlaneBytes / 2
)

// rowUnroll is the number of activation rows that are computed at a time. Their
// instructions alternate: one row's would wait for each other, and fill the
// schedulers of the CPU waiting.
const rowUnroll = 2

// row2 is an activation row that is being computed.
type row2 struct {
	x     Mem // its block
	frame Mem // its part of the frame
	sum   [2]reg.Register
}

func (k *kernel) avx2(s *isa.ISA) {
	k.begin(min(k.n, k.unroll()))
	if k.vnni {
		k.left = k.leftmost()
	}
	f := k.newFrame()
	k.panels(func(loadDst func()) {
		VPXOR(yTmp, yTmp, yTmp)
		for i := range 2 * f.rows {
			VMOVDQU(yTmp, f.at(f.results+i*yBytes))
			if k.subScaled() {
				VMOVDQU(yTmp, f.at(f.blocks+i*yBytes))
			}
		}
		k.tiles(func() { k.heads2(f) }, func() {
			if k.subScaled() {
				k.subScales2(s, f)
			} else {
				k.scales2(s, f)
			}
			if k.words {
				k.wordTile(s, f)
				return
			}
			for g := range 2 {
				switch {
				case k.signed():
					if k.n > 1 {
						k.signed2(s, f, g)
					}
				case k.Low == 8 || k.Levels != nil:
					k.unpack8(s, g)
				default:
					k.unpack2(s, g)
				}
				k.rows2(f, rowUnroll, func(rows []row2) {
					switch {
					case k.vnni:
						k.dotProducts(g, rows)
					case k.signed() && k.n > 1:
						k.signedProducts2(s, f, g, rows)
					case k.signed():
						k.signedProducts(s, g, rows[0])
					default:
						k.multiply2(s, f, g, rows)
					}
					switch {
					case !k.whole():
						k.addStart(g, rows)
						k.scaled2(f, g, rows)
					case g == 0:
						k.keepSums(f, rows)
					case k.subScaled():
						k.addSums(s, f, rows)
						k.subtractOffset(f, rows)
						k.addToBlock(f, rows)
					default:
						k.addSums(s, f, rows)
						k.addStart(g, rows)
						k.scaled2(f, g, rows)
					}
				})
			}
		}, func() {
			if k.subScaled() {
				k.streams("end", func() { k.endBlock(f) })
			}
		})
		loadDst()
		k.storeResults(s, f)
	})
	isa.End()
}

// storeResults stores the results of all activation rows or streams.
func (k *kernel) storeResults(s *isa.ISA, f *frame2) {
	left := k.leftmost()
	if left > 0 {
		VMOVUPS(s.Bits(power(-left)), yTmp2)
	}
	store := func(row Mem) {
		for half := range 2 {
			result := row.Offset(f.results + half*yBytes)
			if left > 0 {
				VMULPS(result, yTmp2, yTmp)
			} else {
				VMOVUPS(result, yTmp)
			}
			VMOVUPS(yTmp, Mem{Base: k.dst, Disp: half * yBytes})
		}
	}
	if k.row != nil {
		streams := GP64()
		MOVQ(k.arg(panels.ArgStreams), streams)
		MOVQ(k.firstRow, k.row)
		isa.Repeat("results", streams, 1, func() {
			store(Mem{Base: k.row})
			ADDQ(U8(rowBytes), k.row)
			ADDQ(k.arg(panels.ArgStreamDst), k.dst)
		})
		return
	}
	stride := GP64()
	MOVQ(k.arg(panels.ArgDstStride), stride)
	k.eachResult(stride, func(i int) { store(f.at(i * rowBytes)) })
}

// rows2 repeats body for all activation rows, so many at a time.
func (k *kernel) rows2(f *frame2, unroll int, body func(rows []row2)) {
	x, frame := k.xBase[0], f.base
	if k.row != nil {
		frame = k.row
	}
	unroll = min(unroll, k.n)
	loop := k.n > unroll
	if loop {
		x, frame = GP64(), GP64()
		MOVQ(k.xBase[0], x)
		MOVQ(f.base, frame)
	}
	rows := make([]row2, unroll)
	for i := range rows {
		m := k.at(i, 0)
		m.Base = x
		rows[i] = row2{m, Mem{Base: frame, Disp: i * rowBytes}, sumsOf(i)}
	}
	if !loop {
		body(rows)
		return
	}
	left := GP64()
	MOVQ(U32(k.n/unroll), left)
	isa.Repeat(isa.NewLabel("rows"), left, 1, func() {
		body(rows)
		LEAQ(Mem{Base: x, Index: rows[1].x.Index, Scale: uint8(unroll)}, x)
		ADDQ(U32(unroll*rowBytes), frame)
	})
}

// sumsOf are the registers of the sums of row i of those that are computed at a time. More
// than rowUnroll are where no codes are in registers.
func sumsOf(i int) [2]reg.Register {
	if i < rowUnroll {
		return ySum[i]
	}
	return yW[i-rowUnroll]
}

// heads2 puts what heads tiles of a K-quant into the frame.
func (k *kernel) heads2(f *frame2) {
	numbers := 2
	if k.Minima {
		numbers = 4
	}
	for i := range numbers {
		VCVTPH2PS(Mem{Base: k.head, Disp: i * halfRows * 2}, yTmp)
		VMOVUPS(yTmp, k.headAt(f, i/2, i%2))
	}
}

// scales2 puts the scales and minima of a tile into the frame.
func (k *kernel) scales2(s *isa.ISA, f *frame2) {
	for half := range 2 {
		if !k.Super {
			VCVTPH2PS(k.scale(half*halfRows*2), yTmp)
			VMOVUPS(yTmp, f.at(f.scales+half*yBytes))
			if k.Minima {
				VCVTPH2PS(k.scale(panels.HalfBytes+half*halfRows*2), yTmp)
				VMOVUPS(yTmp, f.at(f.minima+half*yBytes))
			}
			continue
		}
		sub := func(i int) Mem { return k.scale(i*panels.SubBytes + half*halfRows) }
		// store writes an integer times the head's number to the frame.
		store := func(v reg.Register, number, to, g int) {
			VCVTDQ2PS(v, v)
			VMULPS(k.headAt(f, number, half), v, v)
			VMOVUPS(v, f.at(to+(2*g+half)*yBytes))
		}
		switch {
		case k.Group == 32 && k.Minima: // one of both
			VPMOVZXBD(sub(0), yTmp)
			store(yTmp, 0, f.scales, 0)
			VPMOVZXBD(sub(1), yTmp)
			store(yTmp, 1, f.minima, 0)
		case k.Minima: // two of both, in four bits each
			for g := range 2 {
				VPMOVZXBD(sub(g), yTmp)
				VPSRLD(U8(4), yTmp, yTmp2)
				VPAND(s.Bits(15), yTmp, yTmp)
				store(yTmp, 0, f.scales, g)
				store(yTmp2, 1, f.minima, g)
			}
		default: // signed scales
			for g := range k.Groups() {
				VPMOVSXBD(sub(g), yTmp)
				store(yTmp, 0, f.scales, g)
			}
		}
	}
}

// plane2 is the address of half a plane of codes.
func (k *kernel) plane2(i, half int) Mem { return k.code(i*panels.PlaneBytes + half*halfPlane) }

// unpack2 takes the codes of group g of a tile apart, those of up to 6 bits,
// shifted to the left by k.left.
func (k *kernel) unpack2(s *isa.ISA, g int) {
	mask := yTmp2
	VMOVDQU(s.Bits(k.lowBits()<<k.left), mask)
	for half := range 2 {
		for v, w := range yW {
			w := w[half]
			if k.Low == 4 {
				if shift := k.left - 4*g; shift == 0 {
					VPAND(k.plane2(v, half), mask, w)
				} else {
					VMOVDQU(k.plane2(v, half), w)
					VPAND(shifted(w, shift, w), mask, w)
				}
				continue
			}
			if v == 0 {
				VMOVDQU(k.plane2(g, half), yTmp)
			}
			VPAND(shifted(yTmp, k.left-2*v, w), mask, w)
		}
	}
	if k.High == 0 {
		return
	}
	// One plane has a bit of each vector, two have two bits of half of them.
	VMOVDQU(s.Bits(k.highBits()<<k.left), mask)
	plane, left := k.Low, k.left+k.Low-4*g
	if k.High == 2 {
		plane, left = k.Low+g, k.left+k.Low
	}
	for half := range 2 {
		VMOVDQU(k.plane2(plane, half), yX[0])
		for v, w := range yW {
			VPAND(mask, shifted(yX[0], left-k.High*v, yTmp), yTmp)
			VPOR(yTmp, w[half], w[half])
		}
	}
}

// eachSum calls do for the sums of activation rows.
func eachSum(rows []row2, do func(r row2, half int, sum reg.Register)) {
	for _, r := range rows {
		for half, sum := range r.sum {
			do(r, half, sum)
		}
	}
}

// whole reports whether the sums of a tile's 32 columns are added as integers: with AVX2
// alone activations have one scale for them, and weights have one or sub-scales.
func (k *kernel) whole() bool { return !k.vnni }

// keepSums puts the sums of the first 16 columns into the frame, in 16 or 32 bits as
// they are.
func (k *kernel) keepSums(f *frame2, rows []row2) {
	eachSum(rows, func(r row2, half int, sum reg.Register) {
		VMOVDQU(sum, r.frame.Offset(f.sums+half*yBytes))
	})
}

// addSums adds them to those of the last 16 columns, and makes them 32 bits wide.
func (k *kernel) addSums(s *isa.ISA, f *frame2, rows []row2) {
	eachSum(rows, func(r row2, half int, sum reg.Register) {
		first := r.frame.Offset(f.sums + half*yBytes)
		if k.narrow() {
			VPADDW(first, sum, sum)
			VPMADDWD(k.ones(s), sum, sum)
		} else {
			VPADDD(first, sum, sum)
		}
	})
}

// scaled2 scales the sums of group g of activation rows and adds them to the rows'
// results, once for both groups if the weights have one scale for them. Sums of whole
// tiles come with g = 1.
func (k *kernel) scaled2(f *frame2, g int, rows []row2) {
	each := func(do func(r row2, half int, sum reg.Register)) { eachSum(rows, do) }
	pair := k.Group == 32 && !k.whole() // both groups are scaled before they are added
	each(func(_ row2, _ int, sum reg.Register) { VCVTDQ2PS(sum, sum) })
	for i, r := range rows {
		VBROADCASTSS(r.x.Offset(k.offD(g)), yX[i])
		for half, sum := range r.sum {
			if pair && g == 1 {
				VFMADD213PS(r.frame.Offset(f.sums+half*yBytes), yX[i], sum)
			} else {
				VMULPS(yX[i], sum, sum)
			}
		}
	}
	if pair && g == 0 {
		each(func(r row2, half int, sum reg.Register) { VMOVUPS(sum, r.frame.Offset(f.sums+half*yBytes)) })
		return
	}
	scales := f.scales
	if k.Group == 16 {
		scales += 2 * g * yBytes
	}
	for half, scale := range yX {
		VMOVUPS(f.at(scales+half*yBytes), scale)
	}
	each(func(r row2, half int, sum reg.Register) {
		VFMADD213PS(r.frame.Offset(f.results+half*yBytes), yX[half], sum)
	})
	if k.Minima && g == 1 {
		for _, r := range rows {
			k.minimum2(f, r)
		}
	}
	each(func(r row2, half int, sum reg.Register) { VMOVUPS(sum, r.frame.Offset(f.results+half*yBytes)) })
}

// minimum2 adds an activation row's sums times the minima to its results.
func (k *kernel) minimum2(f *frame2, r row2) {
	for g := range k.Groups() {
		VBROADCASTSS(r.x.Offset(k.offSum(g)), yX[0])
		for half, sum := range r.sum {
			minimum := f.at(f.minima + (2*g+half)*yBytes)
			if k.Super {
				VFNMADD231PS(minimum, yX[0], sum)
			} else {
				VFMADD231PS(minimum, yX[0], sum)
			}
		}
	}
}
