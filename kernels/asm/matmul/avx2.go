package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The kernels for AVX2, whose registers hold eight rows of a panel: a tile is
// computed in two halves. There is no product of four bytes and no room for
// results, so:
//
//   - VPMADDUBSW multiplies unsigned codes with activations and adds pairs in 16
//     bits. As many of them are added as fit, four for codes below 32 and two
//     for codes below 64, before VPMADDWD with ones widens them.
//   - Products of codes of 8 bits would not fit. They are taken as signed
//     numbers: |code| times the activation with the code's sign, pairs of which
//     are at most 128·127·2 < 2^15.
//   - Results and scales stand in the stack frame, which the first-level cache
//     holds.

var y = []reg.Register{
	reg.Y0, reg.Y1, reg.Y2, reg.Y3, reg.Y4, reg.Y5, reg.Y6, reg.Y7,
	reg.Y8, reg.Y9, reg.Y10, reg.Y11, reg.Y12, reg.Y13, reg.Y14, reg.Y15,
}

// How the kernels use registers.
var (
	yW     = y[:8]        // codes; for 8 bits four of them, then their absolute values
	yLo    = y[8]         // sums of the two groups
	yHi    = y[9]         //
	yX     = y[10]        // activations
	yTmp   = y[11]        //
	yTmp2  = y[12]        //
	yOnes  = y[13]        // of 16 bits
	yMask2 = y[14]        // of the high bits, or the levels
	yMask  = y[15]        // of the low bits
	yBits  = [2]int{8, 9} // registers of planes of high bits while codes are unpacked
)

const (
	halfRows  = 8 // rows of a half
	yBytes    = 32
	halfPlane = planeBytes / 2
)

// frame2 is what an AVX2 kernel keeps in the stack frame.
type frame2 struct {
	results Mem // [half][activation row]
	scales  Mem // of the two groups
	minima  Mem
	sums    Mem // [activation row][group], of codes of 8 bits
}

func (k *kernel) avx2() {
	k.begin()
	f := &frame2{
		results: AllocLocal(2 * k.n * yBytes),
		scales:  AllocLocal(2 * yBytes),
		minima:  AllocLocal(2 * yBytes),
	}
	if k.signed() {
		f.sums = AllocLocal(2 * k.n * yBytes)
	}
	k.constants2()
	k.panels(func(loadDst func()) {
		VPXOR(yTmp, yTmp, yTmp)
		for i := range 2 * k.n {
			VMOVDQU(yTmp, f.results.Offset(i*yBytes))
		}
		k.tiles(func() {}, func() {
			for half := range 2 {
				k.scales2(f, half)
				if k.signed() {
					k.signed2(f, half)
				} else {
					k.unpack2(half)
				}
				for i := range k.n {
					if k.signed() {
						VMOVDQU(f.sums.Offset(2*i*yBytes), yLo)
						VMOVDQU(f.sums.Offset((2*i+1)*yBytes), yHi)
					} else {
						k.multiply2(i)
					}
					k.scaled2(f, half, i)
				}
			}
		})
		stride := GP64()
		loadDst()
		MOVQ(k.arg(argDstStride), stride)
		for i := range k.n {
			for half := range 2 {
				VMOVUPS(f.results.Offset((half*k.n+i)*yBytes), yTmp)
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

func splat2(value uint32, dst reg.Register) {
	tmp := GP32()
	MOVL(U32(value), tmp)
	VMOVD(tmp, dst.(reg.VecPhysical).AsX())
	VPBROADCASTD(dst.(reg.VecPhysical).AsX(), dst)
}

func (k *kernel) constants2() {
	splat2(1<<16|1, yOnes)
	switch k.low {
	case 4:
		splat2(bytes4(0x0f), yMask)
	case 2:
		splat2(bytes4(0x03), yMask)
	case 8:
		splat2(bytes4(0x80), yMask)
	}
	switch {
	case k.levels:
		VBROADCASTI128(signedLevels(), yMask2)
	case k.high == 1:
		splat2(bytes4(1<<k.low), yMask2)
	case k.high == 2:
		splat2(bytes4(3<<k.low), yMask2)
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

// scales2 puts the scales and minima of half a tile into the frame.
func (k *kernel) scales2(f *frame2, half int) {
	part := func(m Mem, bytes int) Mem { return m.Offset(half * halfRows * bytes) }
	if !k.super {
		VCVTPH2PS(part(k.scale(0), 2), yTmp)
		VMOVUPS(yTmp, f.scales)
		if k.minima {
			VCVTPH2PS(part(k.scale(halfBytes), 2), yTmp)
			VMOVUPS(yTmp, f.minima)
		}
		return
	}
	sub := func(i int) Mem { return part(k.scale(i*subBytes), 1) }
	head := func(i int) Mem { return part(Mem{Base: k.head, Disp: i * halfBytes}, 2) }
	VCVTPH2PS(head(0), yX)
	if k.minima {
		VCVTPH2PS(head(1), yHi)
	}
	// store writes an integer times the head's number to the frame.
	store := func(v, factor reg.Register, m Mem) {
		VCVTDQ2PS(v, v)
		VMULPS(factor, v, v)
		VMOVUPS(v, m)
	}
	switch {
	case k.group == 32: // a scale and a minimum
		VPMOVZXBD(sub(0), yTmp)
		store(yTmp, yX, f.scales)
		VPMOVZXBD(sub(1), yTmp)
		store(yTmp, yHi, f.minima)
	case k.minima: // two of both, in four bits each
		splat2(15, yLo)
		for g := range 2 {
			VPMOVZXBD(sub(g), yTmp)
			VPSRLD(U8(4), yTmp, yTmp2)
			VPAND(yLo, yTmp, yTmp)
			store(yTmp, yX, f.scales.Offset(g*yBytes))
			store(yTmp2, yHi, f.minima.Offset(g*yBytes))
		}
	default: // two signed scales
		for g := range 2 {
			VPMOVSXBD(sub(g), yTmp)
			store(yTmp, yX, f.scales.Offset(g*yBytes))
		}
	}
}

// plane2 is the address of half a plane of codes.
func (k *kernel) plane2(i, half int) Mem { return k.code(i*planeBytes + half*halfPlane) }

// unpack2 takes the codes of half a tile apart, those of up to 6 bits.
func (k *kernel) unpack2(half int) {
	planes := k.low // of 8 vectors each
	switch k.low {
	case 4:
		for v := range 4 {
			VMOVDQU(k.plane2(v, half), yTmp)
			VPAND(yMask, yTmp, yW[v])
			VPSRLD(U8(4), yTmp, yTmp)
			VPAND(yMask, yTmp, yW[v+4])
		}
	case 2:
		for p := range 2 {
			VMOVDQU(k.plane2(p, half), yTmp)
			VPAND(yMask, yTmp, yW[4*p])
			for i := 1; i < 4; i++ {
				VPSRLD(U8(2*i), yTmp, yTmp2)
				VPAND(yMask, yTmp2, yW[4*p+i])
			}
		}
	}
	for p := range k.high {
		bits := y[yBits[p]]
		VMOVDQU(k.plane2(planes+p, half), bits)
		count := tileQuads / k.high // vectors whose bits a plane has
		for i := range count {
			w := yW[p*count+i]
			from := bits
			if shift := k.low - k.high*i; shift > 0 {
				VPSLLD(U8(shift), bits, yTmp)
				from = yTmp
			} else if shift < 0 {
				VPSRLD(U8(-shift), bits, yTmp)
				from = yTmp
			}
			VPAND(yMask2, from, yTmp)
			VPOR(yTmp, w, w)
		}
	}
}

// multiply2 multiplies codes with activation row i: the sums of the two groups
// go to yLo and yHi.
func (k *kernel) multiply2(i int) {
	most := 4 // products of pairs that fit in 16 bits together
	if k.low+k.high > 5 {
		most = 2
	}
	for g, sum := range []reg.Register{yLo, yHi} {
		for v := range 4 {
			VPBROADCASTD(k.at(i, 16*g+4*v), yX)
			into := yTmp
			if v%most == 0 {
				into = yTmp2
			}
			VPMADDUBSW(yX, yW[4*g+v], into)
			if v%most != 0 {
				VPADDW(yTmp, yTmp2, yTmp2)
			}
			if v%most == most-1 {
				if v < most {
					VPMADDWD(yOnes, yTmp2, sum)
				} else {
					VPMADDWD(yOnes, yTmp2, yTmp2)
					VPADDD(yTmp2, sum, sum)
				}
			}
		}
		if k.offset > 0 {
			VPBROADCASTD(k.at(i, offNegSum+4*g), yX)
			VPSLLD(U8(k.offset), yX, yX)
			VPADDD(yX, sum, sum)
		}
	}
}

// signed2 multiplies half a tile of signed codes with all activation rows. The
// sums go to the frame.
func (k *kernel) signed2(f *frame2, half int) {
	for g := range 2 {
		w, abs := yW[:4], yW[4:]
		for v := range 4 {
			if k.levels {
				VMOVDQU(k.plane2(v, half), yTmp)
				if g == 1 {
					VPSRLD(U8(4), yTmp, yTmp)
				}
				VPAND(yMask, yTmp, yTmp)
				VPSHUFB(yTmp, yMask2, w[v])
			} else {
				VPXOR(k.plane2(4*g+v, half), yMask, w[v])
			}
			VPABSB(w[v], abs[v])
		}
		for i := range k.n {
			for v := range 4 {
				VPBROADCASTD(k.at(i, 16*g+4*v), yX)
				VPSIGNB(w[v], yX, yX)
				into := yTmp
				if v == 0 {
					into = yLo
				}
				VPMADDUBSW(yX, abs[v], into)
				VPMADDWD(yOnes, into, into)
				if v > 0 {
					VPADDD(yTmp, yLo, yLo)
				}
			}
			VMOVDQU(yLo, f.sums.Offset((2*i+g)*yBytes))
		}
	}
}

// scaled2 scales the sums of activation row i and adds them to its results.
func (k *kernel) scaled2(f *frame2, half, i int) {
	for g, sum := range []reg.Register{yLo, yHi} {
		VBROADCASTSS(k.at(i, offD+4*g), yX)
		VCVTDQ2PS(sum, sum)
		VMULPS(yX, sum, sum)
		if k.group == 16 {
			VMULPS(f.scales.Offset(g*yBytes), sum, sum)
		}
	}
	VADDPS(yHi, yLo, yLo)
	if k.group == 32 {
		VMULPS(f.scales, yLo, yLo)
	}
	result := f.results.Offset((half*k.n + i) * yBytes)
	VADDPS(result, yLo, yTmp)
	if k.minima {
		VBROADCASTSS(k.at(i, offSum), yLo)
		VBROADCASTSS(k.at(i, offSum+4), yHi)
		if k.group == 32 {
			VADDPS(yHi, yLo, yLo)
			VMULPS(f.minima, yLo, yLo)
		} else {
			VMULPS(f.minima, yLo, yLo)
			VMULPS(f.minima.Offset(yBytes), yHi, yHi)
			VADDPS(yHi, yLo, yLo)
		}
		if k.super {
			VSUBPS(yLo, yTmp, yTmp)
		} else {
			VADDPS(yLo, yTmp, yTmp)
		}
	}
	VMOVUPS(yTmp, result)
}
