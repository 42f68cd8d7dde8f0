// Command split generates what splits the factors of attention into two numbers in bfloat16
// each, for AMX: see generic.AttendSplit. Go's assembler does not know the instruction that
// rounds to bfloat16; it is written as bytes.
package main

import (
	"flag"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"qgo/kernels/asm/isa"
	"qgo/kernels/asm/panels"
)

const (
	lineBytes = 64
	panelRows = 16
)

func main() {
	flag.Parse()
	ConstraintExpr("!noasm")
	rows()
	halves(true)
	halves(false)
	Generate()
}

// rows generates the splitting of queries and weights of the softmax.
func rows() {
	isa.Func("splitRow", "func(x *float32, dst *byte, n int)",
		"splitRow splits n times 32 values: their large parts, the rest, and the large parts again\n"+
			"become n blocks each.")
	from, to, n := isa.Arg("x"), isa.Arg("dst"), isa.Arg("n")
	rest, again := following(n, to)
	low, high, large := reg.Z0, reg.Z1, reg.Z2
	isa.Repeat("block", n, 1, func() {
		VMOVUPS(Mem{Base: from}, low)
		VMOVUPS(Mem{Base: from, Disp: lineBytes}, high)
		isa.CvtBfloats(high, low, large)
		VMOVDQU32(large, Mem{Base: to})
		VMOVDQU32(large, Mem{Base: again})
		subtract(large, low, high)
		isa.CvtBfloats(high, low, low)
		VMOVDQU32(low, Mem{Base: rest})
		ADDQ(U32(2*lineBytes), from)
		for _, r := range []reg.Register{to, rest, again} {
			ADDQ(U8(panels.BlockBytes), r)
		}
	})
	isa.End()
}

// halves generates the splitting, or the rounding alone, of keys and values, which are float16 numbers.
func halves(split bool) {
	name, parts := "splitHalves", "splitHalves splits float16 numbers, 16 in each of 2*pairs columns that are stride bytes\n"+
		"apart: their large parts, the same again, and the rest, with the numbers of two columns side\n"+
		"by side for each of the 16."
	if !split {
		name, parts = "roundHalves", "roundHalves is splitHalves without the same again and the rest."
	}
	isa.Func(name, "func(x *byte, stride int, dst *byte, pairs int)", parts)
	from, stride := isa.Arg("x"), isa.Arg("stride")
	to, n := isa.Arg("dst"), isa.Arg("pairs")
	var again, rest reg.Register
	if split {
		again, rest = following(n, to)
	}
	low, high, large, sides := reg.Z0, reg.Z1, reg.Z2, reg.Z3
	VMOVDQU32(isa.SideBySide(), sides)
	isa.Repeat("pair", n, 1, func() {
		VCVTPH2PS(Mem{Base: from}, low)
		VCVTPH2PS(Mem{Base: from, Index: stride, Scale: 1}, high)
		isa.CvtBfloats(high, low, large)
		if split {
			subtract(large, low, high)
		}
		VPERMW(large, sides, large)
		VMOVDQU32(large, Mem{Base: to})
		if split {
			VMOVDQU32(large, Mem{Base: again})
			isa.CvtBfloats(high, low, low)
			VPERMW(low, sides, low)
			VMOVDQU32(low, Mem{Base: rest})
			ADDQ(U8(lineBytes), again)
			ADDQ(U8(lineBytes), rest)
		}
		LEAQ(Mem{Base: from, Index: stride, Scale: 2}, from)
		ADDQ(U8(lineBytes), to)
	})
	isa.End()
}

// following returns the addresses behind n lines, and behind as many more.
func following(n, to reg.Register) (second, third reg.Register) {
	second, third = GP64(), GP64()
	MOVQ(n, third)
	SHLQ(U8(6), third)
	LEAQ(Mem{Base: to, Index: third, Scale: 1}, second)
	ADDQ(second, third)
	return second, third
}

// subtract subtracts the numbers of large, 16 of low and 16 of high, from those they were rounded from.
func subtract(large, low, high reg.Register) {
	part, upper := reg.Z4, reg.Y5
	VPMOVZXWD(large.(reg.VecPhysical).AsY(), part)
	VPSLLD(U8(16), part, part)
	VSUBPS(part, low, low)
	VEXTRACTI64X4(U8(1), large, upper)
	VPMOVZXWD(upper, part)
	VPSLLD(U8(16), part, part)
	VSUBPS(part, high, high)
}
