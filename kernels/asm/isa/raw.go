package isa

import (
	"encoding/binary"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Instructions that Go's assembler does not know are written as bytes, encoded
// as in the Intel 64 and IA-32 Architectures Software Developer's Manual, volume
// 2. They have physical registers: avo does not see them.

// Raw emits the bytes of an instruction, and a comment that says what it is.
func Raw(text string, code []byte) {
	Comment(text)
	emit := func(opcode string, value Op) {
		Instruction(&ir.Instruction{Opcode: opcode, Operands: []Op{value}})
	}
	for ; len(code) >= 4; code = code[4:] {
		emit("LONG", U32(binary.LittleEndian.Uint32(code)))
	}
	for _, b := range code {
		emit("BYTE", U8(b))
	}
}

// Number is the number of a physical register in an encoding.
func Number(r reg.Register) uint8 { return uint8(r.(reg.Physical).PhysicalIndex()) }

// The mandatory prefixes and maps of opcodes, as VEX and EVEX encode them.
const (
	PrefixNone = 0
	Prefix66   = 1
	PrefixF3   = 2
	PrefixF2   = 3
	Map38      = 2
)

// VEX encodes an instruction of the map 0F 38, with W0 and vectors of 128 or 256
// bits: its registers, and modrm, from the byte with the operands on. In that
// the fields for numbers of registers are the lower three bits; r, x and b are
// the fourth ones. v is the register that is only in the prefix.
func VEX(opcode, prefix uint8, wide bool, r, x, b, v uint8, operands ...byte) []byte {
	length := uint8(0)
	if wide {
		length = 1 << 2
	}
	return append([]byte{
		0xc4,
		^r&8<<4 | ^x&8<<3 | ^b&8<<2 | Map38,
		^v&15<<3 | length | prefix,
		opcode,
	}, operands...)
}

// RegReg is the byte with two operands that are registers.
func RegReg(r, b uint8) byte { return 3<<6 | r&7<<3 | b&7 }

// EVEX512 encodes an instruction of the map 0F 38 with W0 and three ZMM
// registers, of which the first, r, is written.
func EVEX512(opcode, prefix uint8, r, v, b uint8) []byte {
	return []byte{
		0x62,
		^r&8<<4 | ^b&16<<2 | ^b&8<<2 | ^r&16 | Map38,
		^v&15<<3 | 1<<2 | prefix,
		2<<5 | ^v&16>>1,
		opcode,
		RegReg(r, b),
	}
}

// CvtBfloats rounds 16 numbers each of low and high to bfloat16 in the lower and
// upper half of dst.
func CvtBfloats(high, low, dst reg.Register) {
	Raw("VCVTNE2PS2BF16 "+low.Asm()+", "+high.Asm()+", "+dst.Asm(),
		EVEX512(0x72, PrefixF2, Number(dst), Number(high), Number(low)))
}

var sides *Mem

// SideBySide is VPERMW's index that puts the numbers of two columns side by side: of what
// CvtBfloats makes of a column of 16 each.
func SideBySide() Mem {
	if sides == nil {
		m := GLOBL("sides", RODATA|NOPTR)
		for i := range 16 {
			DATA(4*i, U32(i|(i+16)<<16))
		}
		sides = &m
	}
	return *sides
}

// DotYMM adds products of the integers of x and w to those of 32 bits of sum, by an instruction
// of AVX-VNNI.
func DotYMM(name string, opcode uint8, x, w, sum reg.Register) {
	Raw(name+" "+x.Asm()+", "+w.Asm()+", "+sum.Asm(),
		VEX(opcode, Prefix66, true, Number(sum), 0, Number(x), Number(w), RegReg(Number(sum), Number(x))))
}
