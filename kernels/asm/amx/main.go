// Command amx generates the kernels for AMX: products of tiles in bfloat16. Go's
// assembler does not know the instructions; they are written as bytes.
package main

import (
	"encoding/binary"
	"flag"
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"qgo/kernels/asm/isa"
	"qgo/kernels/asm/panels"
)

func main() {
	peaks := flag.Bool("peaks", false, "loops that measure how fast tiles are multiplied, instead of kernels")
	flag.Parse()
	ConstraintExpr("!noasm")
	if *peaks {
		peak("dotTilesInt8", "int32", 0x5e, isa.Prefix66, "TDPBUSD", 0x01010101)
		peak("dotTilesBF16", "float32", 0x5c, isa.PrefixF3, "TDPBF16PS", 0x3f803f80)
	} else {
		tiles()
	}
	Generate()
}

const (
	tileRows  = 16
	lineBytes = 64                   // of a row of a tile
	tileBytes = tileRows * lineBytes // of weights
)

// How tiles uses registers. Results are in tiles 0 to 3, [activations][weights];
// activations in 4 and 5; weights in 6 and 7.
var (
	args      = reg.RDI
	x         = [2]reg.GPPhysical{reg.RSI, reg.R8}
	weights   = [2]reg.GPPhysical{reg.R9, reg.R10}
	dst       = [2]reg.GPPhysical{reg.RDX, reg.R11}
	xStride   = reg.RCX
	dstStride = reg.RBX
	line      = reg.R12
	rows      = reg.R13
	left      = reg.RAX
	rowsOfX   = reg.R15 // the current ones
)

// tiles generates the product of rows of activations with 32 rows of weights, 32
// rows of activations at a time: four products take four loads. Of the last ones
// 16 are multiplied, and fewer.
//
// What bounds it: TDPBF16PS takes 16 cycles, a load of a tile 8 from the
// first-level cache. Weights and activations come from the second level, 64 bytes
// a cycle.
func tiles() {
	isa.Func("multiplyTiles", "func(a *byte)", "multiplyTiles multiplies activations with expanded weights: see panel.TileArgs.")
	MOVQ(NewParamAddr("a", 0), args)
	MOVQ(at(panels.TileArgX), rowsOfX)
	MOVQ(at(panels.TileArgDst), dst[0])
	MOVQ(at(panels.TileArgXStride), xStride)
	MOVQ(at(panels.TileArgDstStride), dstStride)
	MOVQ(at(panels.TileArgRows), rows)
	MOVQ(U32(lineBytes), line)
	configure(args, panels.TileArgWhole)

	CMPQ(rows, U8(2*tileRows))
	JLT(LabelRef("half"))
	Label("both")
	MOVQ(rowsOfX, x[0])
	MOVQ(xStride, x[1])
	SHLQ(U8(4), x[1])
	ADDQ(x[0], x[1])
	MOVQ(dstStride, dst[1])
	SHLQ(U8(4), dst[1])
	ADDQ(dst[0], dst[1])
	block("both", 2)
	next(xStride, rowsOfX, 5)
	next(dstStride, dst[0], 5)
	SUBQ(U8(2*tileRows), rows)
	CMPQ(rows, U8(2*tileRows))
	JGE(LabelRef("both"))

	Label("half")
	CMPQ(rows, U8(tileRows))
	JLT(LabelRef("few"))
	MOVQ(rowsOfX, x[0])
	block("half", 1)
	next(xStride, rowsOfX, 4)
	next(dstStride, dst[0], 4)
	SUBQ(U8(tileRows), rows)

	Label("few")
	TESTQ(rows, rows)
	JZ(LabelRef("done"))
	configure(args, panels.TileArgLast)
	MOVQ(rowsOfX, x[0])
	block("few", 1)
	Label("done")
	release()
	RET()
}

func release() {
	isa.Raw("TILERELEASE", releaseCode())
}

func releaseCode() []byte {
	return isa.VEX(0x49, isa.PrefixNone, false, 0, 0, 0, 0, isa.RegReg(0, 0))
}

func zero(tile int) { isa.Raw(fmt.Sprintf("TILEZERO T%d", tile), zeroCode(tile)) }

func zeroCode(tile int) []byte {
	return isa.VEX(0x49, isa.PrefixF2, false, 0, 0, 0, 0, isa.RegReg(uint8(tile), 0))
}

// multiply adds the products of tiles a and b to tile to.
func multiply(name string, opcode, prefix uint8, b, a, to int) {
	isa.Raw(fmt.Sprintf("%s T%d, T%d, T%d", name, b, a, to), multiplyCode(opcode, prefix, b, a, to))
}

func multiplyCode(opcode, prefix uint8, b, a, to int) []byte {
	return isa.VEX(opcode, prefix, false, 0, 0, 0, uint8(b), isa.RegReg(uint8(to), uint8(a)))
}

func at(offset int) Mem { return Mem{Base: args, Disp: offset} }

// next adds 2^shift times the stride to an address.
func next(stride, address reg.GPPhysical, shift uint8) {
	MOVQ(stride, left)
	SHLQ(U8(shift), left)
	ADDQ(left, address)
}

// block multiplies n times 16 rows of activations.
func block(name string, n int) {
	for i, w := range weights {
		MOVQ(at(panels.TileArgWeights+8*i), w)
	}
	CMPQ(at(panels.TileArgAdd), U8(0))
	JNE(LabelRef(name + "Add"))
	for t := range 2 * n {
		zero(t)
	}
	JMP(LabelRef(name + "Begin"))
	Label(name + "Add")
	for t := range 2 * n {
		memory("TILELOADD", isa.PrefixF2, t, dst[t/2], dstStride, t%2*lineBytes)
	}
	Label(name + "Begin")
	MOVQ(at(panels.TileArgTiles), left)
	Label(name + "Tile")
	for i := range n {
		memory("TILELOADD", isa.PrefixF2, 4+i, x[i], xStride, 0)
	}
	for i := range weights {
		memory("TILELOADD", isa.PrefixF2, 6+i, weights[i], line, 0)
		for j := range n {
			multiply("TDPBF16PS", 0x5c, isa.PrefixF3, 6+i, 4+j, 2*j+i)
		}
	}
	for i := range n {
		ADDQ(U8(panels.BlockBytes), x[i])
	}
	for _, w := range weights {
		ADDQ(U32(tileBytes), w)
	}
	DECQ(left)
	JNZ(LabelRef(name + "Tile"))
	for t := range 2 * n {
		memory("TILESTORED", isa.PrefixF3, t, dst[t/2], dstStride, t%2*lineBytes)
	}
}

// memory emits a load or a store of a tile whose rows are stride apart.
func memory(opcode string, prefix uint8, tile int, base, stride reg.GPPhysical, disp int) {
	isa.Raw(fmt.Sprintf("%s %d(%s)(%s*1), T%d", opcode, disp, base.Asm(), stride.Asm(), tile),
		memoryCode(prefix, tile, base, stride, disp))
}

func memoryCode(prefix uint8, tile int, base, stride reg.GPPhysical, disp int) []byte {
	const (
		disp8  = 1 << 6
		hasSIB = 4
	)
	b, i := isa.Number(base), isa.Number(stride)
	return isa.VEX(0x4b, prefix, false, 0, i, b, 0, disp8|uint8(tile)<<3|hasSIB, i&7<<3|b&7, uint8(disp))
}

// configure loads a description of tiles.
func configure(base reg.GPPhysical, offset int) {
	isa.Raw(fmt.Sprintf("LDTILECFG %d(%s)", offset, base.Asm()), configureCode(base, offset))
}

func configureCode(base reg.GPPhysical, offset int) []byte {
	const disp32 = 2 << 6
	return isa.VEX(0x49, isa.PrefixNone, false, 0, 0, isa.Number(base), 0, disp32|isa.Number(base)&7, uint8(offset), uint8(offset>>8), 0, 0)
}

// sums is the number of tiles that a loop adds to in turn: a product takes 52
// cycles, and the next one begins after 16.
const sums = 4

// peak generates a loop of products of tiles of ones.
func peak(name, result string, opcode, prefix uint8, instruction string, ones uint32) {
	isa.Func(name, "func(n int) "+result, fmt.Sprintf("%s adds the products of two tiles of ones to 4 tiles n times (%s), and returns the sum of a number of each.", name, instruction))
	const data = sums // a tile of ones, twice
	config := GLOBL("config"+name, RODATA|NOPTR)
	var description [lineBytes]byte // see panel.TileConfig
	description[0] = 1
	for i := range 8 {
		description[16+2*i], description[48+i] = lineBytes, tileRows
	}
	for i := 0; i < lineBytes; i += 8 {
		DATA(i, U64(binary.LittleEndian.Uint64(description[i:])))
	}
	line := GLOBL("line"+name, RODATA|NOPTR)
	for i := range lineBytes / 4 {
		DATA(4*i, U32(ones))
	}
	frame := AllocLocal(sums * lineBytes)
	n, base, same := reg.RCX, reg.RDX, reg.RBX
	MOVQ(NewParamAddr("n", 0), n)
	LEAQ(config, base)
	configure(base, 0)
	LEAQ(line, base)
	XORQ(same, same) // all rows are the same line
	memory("TILELOADD", isa.PrefixF2, data, base, same, 0)
	memory("TILELOADD", isa.PrefixF2, data+1, base, same, 0)
	for t := range sums {
		zero(t)
	}
	isa.Repeat("loop", n, 1, func() {
		for t := range sums {
			multiply(instruction, opcode, prefix, data+1, data, t)
		}
	})
	LEAQ(frame, base)
	for t := range sums {
		memory("TILESTORED", isa.PrefixF3, t, base, same, 0)
		ADDQ(U8(lineBytes), base)
	}
	release()
	for t := range sums {
		m := frame.Offset(t * lineBytes)
		switch {
		case t == 0:
			MOVSS(m, reg.X0)
		case result == "int32":
			MOVSS(m, reg.X1)
			PADDD(reg.X1, reg.X0)
		default:
			ADDSS(m, reg.X0)
		}
	}
	MOVSS(reg.X0, NewParamAddr("ret", 8))
	RET()
}
