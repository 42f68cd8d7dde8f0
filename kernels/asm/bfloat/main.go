// Command bfloat generates the kernels for AVX-512 BF16: rounding to bfloat16,
// and products of numbers that are rounded. Go's assembler does not know the
// instructions; they are written as bytes.
package main

import (
	"flag"
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"qgo/kernels/asm/isa"
	"qgo/kernels/asm/panels"
)

func main() {
	flag.Parse()
	ConstraintExpr("!noasm")
	round()
	for _, f := range panels.Floats() {
		expand(f)
	}
	multiply()
	Generate()
}

const (
	lineBytes = 64
	panelRows = 16
)

var z = [32]reg.Register{
	reg.Z0, reg.Z1, reg.Z2, reg.Z3, reg.Z4, reg.Z5, reg.Z6, reg.Z7,
	reg.Z8, reg.Z9, reg.Z10, reg.Z11, reg.Z12, reg.Z13, reg.Z14, reg.Z15,
	reg.Z16, reg.Z17, reg.Z18, reg.Z19, reg.Z20, reg.Z21, reg.Z22, reg.Z23,
	reg.Z24, reg.Z25, reg.Z26, reg.Z27, reg.Z28, reg.Z29, reg.Z30, reg.Z31,
}

// round generates the rounding of activations.
func round() {
	isa.Func("bfloat", "func(x *float32, dst *byte, n int)", "bfloat rounds n times 32 values to bfloat16.")
	from, to, n := isa.Arg("x"), isa.Arg("dst"), isa.Arg("n")
	low, high := z[0], z[1]
	isa.Repeat("block", n, 1, func() {
		VMOVUPS(Mem{Base: from}, low)
		VMOVUPS(Mem{Base: from, Disp: lineBytes}, high)
		isa.CvtBfloats(high, low, low)
		VMOVDQU32(low, Mem{Base: to})
		ADDQ(U32(2*lineBytes), from)
		ADDQ(U8(panels.BlockBytes), to)
	})
	isa.End()
}

// expand generates what writes floating-point weights in bfloat16, those of two
// columns side by side for each of the 16 rows.
func expand(f panels.Format) {
	name := "expand" + f.Name
	isa.Func(name, "func(a *byte)", name+" writes "+f.Name+" weights in bfloat16.")
	args := isa.Arg("a")
	from, to, left := GP64(), GP64(), GP64()
	MOVQ(Mem{Base: args, Disp: panels.ArgPanel}, from)
	MOVQ(Mem{Base: args, Disp: panels.ArgDst}, to)
	MOVQ(Mem{Base: args, Disp: panels.ArgTiles}, left)
	SHLQ(U8(4), left) // pairs of columns
	low, high, sides := z[0], z[1], z[2]
	VMOVDQU32(sideBySide(), sides)
	column := panelRows * f.Bytes
	isa.Repeat("pair", left, 1, func() {
		switch f.Name {
		case "F32":
			VMOVUPS(Mem{Base: from}, low)
			VMOVUPS(Mem{Base: from, Disp: column}, high)
			isa.CvtBfloats(high, low, low)
		case "F16":
			VCVTPH2PS(Mem{Base: from}, low)
			VCVTPH2PS(Mem{Base: from, Disp: column}, high)
			isa.CvtBfloats(high, low, low)
		case "BF16":
			VMOVDQU32(Mem{Base: from}, low)
		}
		VPERMW(low, sides, low)
		VMOVDQU32(low, Mem{Base: to})
		ADDQ(U8(2*column), from)
		ADDQ(U8(lineBytes), to)
	})
	isa.End()
}

var sides *Mem

// sideBySide is the index that puts the numbers of two columns side by side.
func sideBySide() Mem {
	if sides == nil {
		m := GLOBL("sides", RODATA|NOPTR)
		for i := range panelRows {
			DATA(4*i, U32(i|(i+panelRows)<<16))
		}
		sides = &m
	}
	return *sides
}

// rowsAtOnce are the numbers of rows of activations that are multiplied
// together. Eight have 16 sums, each of which waits for its last product for
// less time than the others take; a pair of weights is loaded once for all.
var rowsAtOnce = []int{8, 4, 2, 1}

// multiply generates the product of rows of activations with 32 rows of weights.
// What bounds it is VDPBF16PS, one a cycle on a Zen 4: there are two of them for
// each pair of numbers of a row of activations, which is broadcast by a load.
func multiply() {
	isa.Func("multiplyPairs", "func(a *byte)", "multiplyPairs multiplies activations with expanded weights: see panel.TileArgs.")
	args := isa.Arg("a")
	at := func(offset int) Mem { return Mem{Base: args, Disp: offset} }
	x, dst, rows, xStride, dstStride := GP64(), GP64(), GP64(), GP64(), GP64()
	MOVQ(at(panels.TileArgX), x)
	MOVQ(at(panels.TileArgDst), dst)
	MOVQ(at(panels.TileArgRows), rows)
	MOVQ(at(panels.TileArgXStride), xStride)
	MOVQ(at(panels.TileArgDstStride), dstStride)
	xStride3, dstAt, tmp := GP64(), GP64(), GP64()
	LEAQ(Mem{Base: xStride, Index: xStride, Scale: 2}, xStride3)
	w := [2]reg.GPVirtual{GP64(), GP64()}
	left := GP64()
	xRow, xRow4 := GP64(), GP64()
	for _, n := range rowsAtOnce {
		name := fmt.Sprint("rows", n)
		end := name + "End"
		Label(name)
		CMPQ(rows, U8(n))
		JLT(LabelRef(end))
		sums := z[:2*n]
		eachRow := func(do func(i int)) {
			MOVQ(dst, dstAt)
			for i := range n {
				do(i)
				if i+1 < n {
					ADDQ(dstStride, dstAt)
				}
			}
		}
		for _, sum := range sums {
			VPXORD(sum, sum, sum)
		}
		CMPQ(at(panels.TileArgAdd), U8(0))
		JEQ(LabelRef(name + "Begin"))
		eachRow(func(i int) {
			for p := range 2 {
				VMOVUPS(Mem{Base: dstAt, Disp: p * lineBytes}, sums[2*i+p])
			}
		})
		Label(name + "Begin")
		for p := range w {
			MOVQ(at(panels.TileArgWeights+8*p), w[p])
		}
		MOVQ(x, xRow)
		LEAQ(Mem{Base: x, Index: xStride, Scale: 4}, xRow4)
		MOVQ(at(panels.TileArgTiles), left)
		SHLQ(U8(2), left)
		isa.Repeat(name+"Pairs", left, 1, func() {
			const unroll = 4
			for pair := range unroll {
				weights, number := z[28:30], z[30]
				for p := range w {
					VMOVDQU32(Mem{Base: w[p], Disp: pair * lineBytes}, weights[p])
				}
				for i := range n {
					m := Mem{Base: xRow, Disp: 4 * pair}
					if i >= 4 {
						m.Base = xRow4
					}
					switch i % 4 {
					case 1, 2:
						m.Index, m.Scale = xStride, uint8(i%4)
					case 3:
						m.Index, m.Scale = xStride3, 1
					}
					VPBROADCASTD(m, number)
					for p := range w {
						dot(number, weights[p], sums[2*i+p])
					}
				}
			}
			for p := range w {
				ADDQ(U32(unroll*lineBytes), w[p])
			}
			ADDQ(U8(4*unroll), xRow)
			ADDQ(U8(4*unroll), xRow4)
		})
		eachRow(func(i int) {
			for p := range 2 {
				VMOVUPS(sums[2*i+p], Mem{Base: dstAt, Disp: p * lineBytes})
			}
		})
		for _, step := range []struct{ stride, address reg.GPVirtual }{{xStride, x}, {dstStride, dst}} {
			IMUL3Q(U8(n), step.stride, tmp)
			ADDQ(tmp, step.address)
		}
		SUBQ(U8(n), rows)
		JMP(LabelRef(name))
		Label(end)
	}
	isa.End()
}

// dot adds the products of two pairs of numbers in each lane, the odd one's first.
func dot(x, w, sum reg.Register) {
	isa.Raw("VDPBF16PS "+x.Asm()+", "+w.Asm()+", "+sum.Asm(),
		isa.EVEX512(0x52, isa.PrefixF3, isa.Number(sum), isa.Number(w), isa.Number(x)))
}
