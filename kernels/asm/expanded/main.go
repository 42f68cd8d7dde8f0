// Command expanded generates the kernels that multiply many rows of activations with weights
// that were brought into the same form before: as words, codes of 16 bits, and for AVX-512 in
// bfloat16. Go's assembler does not know the instructions for bfloat16, nor those of AVX-VNNI;
// they are written as bytes.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"qgo/kernels/asm/isa"
	"qgo/kernels/asm/panels"
)

func main() {
	s := isa.Parse()
	if s.Wide() {
		round()
		for _, f := range panels.Floats() {
			expand(f)
		}
		multiplyPairs(s)
	}
	for _, f := range panels.Floats() {
		if f.Name != "F32" {
			expandWords(s, f)
		}
	}
	multiplyWords(s)
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
	from, to, left := expandArgs()
	SHLQ(U8(4), left) // pairs of columns
	low, high, sides := z[0], z[1], z[2]
	VMOVDQU32(isa.SideBySide(), sides)
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

// expandArgs loads what the functions that expand want of their panel.Args: where the weights
// are, where to write, and the number of tiles.
func expandArgs() (from, to, tiles reg.GPVirtual) {
	args := isa.Arg("a")
	from, to, tiles = GP64(), GP64(), GP64()
	MOVQ(Mem{Base: args, Disp: panels.ArgPanel}, from)
	MOVQ(Mem{Base: args, Disp: panels.ArgDst}, to)
	MOVQ(Mem{Base: args, Disp: panels.ArgTiles}, tiles)
	return from, to, tiles
}

// registers are all vector registers, by their numbers: what is written as bytes names them.
func registers(s *isa.ISA) []reg.Register {
	if s.Wide() {
		return z[:]
	}
	return []reg.Register{
		reg.Y0, reg.Y1, reg.Y2, reg.Y3, reg.Y4, reg.Y5, reg.Y6, reg.Y7,
		reg.Y8, reg.Y9, reg.Y10, reg.Y11, reg.Y12, reg.Y13, reg.Y14, reg.Y15,
	}
}

// multiplyPairs generates the product of rows of activations with 32 rows of weights.
// What bounds it is VDPBF16PS, one a cycle on a Zen 4: there are two of them for
// each pair of numbers of a row of activations, which is broadcast by a load.
func multiplyPairs(s *isa.ISA) {
	isa.Func("multiplyPairs", "func(a *byte)", "multiplyPairs multiplies activations with expanded weights: see panel.TileArgs.")
	k := newRows(s)
	k.each(func(n int) {
		for _, sum := range k.sums {
			VPXORD(sum, sum, sum)
		}
		k.ifAdding(true, func() {
			k.eachResult(n, func(_, _ int, sum reg.Register, dst Mem) { VMOVUPS(dst, sum) })
		})
		MOVQ(k.at(panels.TileArgTiles), k.left)
		SHLQ(U8(2), k.left)
		isa.Repeat(isa.NewLabel("pairs"), k.left, 1, func() {
			k.products(n, dot)
		})
		k.eachResult(n, func(_, _ int, sum reg.Register, dst Mem) { VMOVUPS(sum, dst) })
	})
	isa.End()
}

// dot adds the products of two pairs of numbers in each lane, the odd one's first.
func dot(x, w, sum reg.Register) {
	isa.Raw("VDPBF16PS "+x.Asm()+", "+w.Asm()+", "+sum.Asm(),
		isa.EVEX512(0x52, isa.PrefixF3, isa.Number(sum), isa.Number(w), isa.Number(x)))
}
