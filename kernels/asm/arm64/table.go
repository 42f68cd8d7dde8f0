package arm64

// An instruction is how one form of a vector instruction is written. Its key in
// the table is the instruction in ARM's syntax with a % for each number that
// the caller gives: of a register, an element, an immediate.
type instruction struct {
	word   uint32  // without operands; 0 if Go's assembler knows the instruction
	fields []field // where the numbers go
	goName string
}

// A field puts a number into an instruction.
type field func(v int) uint32

func at(shift int) field { return func(v int) uint32 { return uint32(v) << shift } }

// Where registers go, in the names of ARM's manual, and other numbers.
var (
	rd, rn, rm = at(0), at(5), at(16)

	// The number of a 32-bit element of the last operand.
	element = func(v int) uint32 { return uint32(v&1<<21 | v>>1<<11) }
	byteNo  = at(11)

	// By how much 32-bit elements are shifted to the right.
	lessThan64 = func(v int) uint32 { return uint32(64-v) << 16 }
)

func three(word uint32) instruction { return instruction{word, []field{rd, rn, rm}, ""} }
func two(word uint32) instruction   { return instruction{word, []field{rd, rn}, ""} }
func inGo(name string) instruction  { return instruction{goName: name} }

// byElement is an instruction whose last operand is an element.
func byElement(word uint32) instruction { return instruction{word, []field{rd, rn, rm, element}, ""} }

var table = map[string]instruction{
	// Products of bytes.
	"smull %.8h, %.8b, %.8b":      three(0x0e20c000),
	"smull2 %.8h, %.16b, %.16b":   three(0x4e20c000),
	"smlal %.8h, %.8b, %.8b":      three(0x0e208000),
	"smlal2 %.8h, %.16b, %.16b":   three(0x4e208000),
	"sdot %.4s, %.16b, %.4b[%]":   byElement(0x4f80e000),
	"smmla %.4s, %.16b, %.16b":    three(0x4e80a400),
	"sadalp %.4s, %.8h":           two(0x4e606800),
	"saddw %.4s, %.4s, %.4h":      three(0x0e601000),
	"saddw2 %.4s, %.4s, %.8h":     three(0x4e601000),
	"addp %.8h, %.8h, %.8h":       inGo("VADDP"),
	"addp %.4s, %.4s, %.4s":       inGo("VADDP"),
	"add %.4s, %.4s, %.4s":        inGo("VADD"),
	"sub %.4s, %.4s, %.4s":        inGo("VSUB"),
	"sub %.16b, %.16b, %.16b":     inGo("VSUB"),
	"neg %.4s, %.4s":              two(0x6ea0b800),
	"rev64 %.4s, %.4s":            two(0x4ea00800),
	"and %.16b, %.16b, %.16b":     inGo("VAND"),
	"orr %.16b, %.16b, %.16b":     inGo("VORR"),
	"eor %.16b, %.16b, %.16b":     inGo("VEOR"),
	"bic %.16b, %.16b, %.16b":     three(0x4e601c00),
	"bit %.16b, %.16b, %.16b":     inGo("VBIT"),
	"bif %.16b, %.16b, %.16b":     inGo("VBIF"),
	"sshr %.4s, %.4s, #%":         {0x4f000400, []field{rd, rn, lessThan64}, ""},
	"ushr %.16b, %.16b, #%":       inGo("VUSHR"),
	"usra %.16b, %.16b, #%":       inGo("VUSRA"),
	"shl %.16b, %.16b, #%":        inGo("VSHL"),
	"shl %.4s, %.4s, #%":          inGo("VSHL"),
	"tbl %.16b, {%.16b}, %.16b":   three(0x4e000000),
	"dup %.4s, %.s[%]":            inGo("VDUP"),
	"ext %.16b, %.16b, %.16b, #%": {0x6e000000, []field{rd, rn, rm, byteNo}, ""},
	"zip1 %.4s, %.4s, %.4s":       inGo("VZIP1"),
	"zip2 %.4s, %.4s, %.4s":       inGo("VZIP2"),
	"zip1 %.2d, %.2d, %.2d":       inGo("VZIP1"),
	"zip2 %.2d, %.2d, %.2d":       inGo("VZIP2"),
	"uzp1 %.4s, %.4s, %.4s":       inGo("VUZP1"),
	"uzp2 %.4s, %.4s, %.4s":       inGo("VUZP2"),
	"ushll %.8h, %.8b, #0":        two(0x2f08a400),
	"sshll %.8h, %.8b, #0":        two(0x0f08a400),
	"sshll2 %.8h, %.16b, #0":      two(0x4f08a400),
	"sshll %.4s, %.4h, #0":        two(0x0f10a400),
	"sshll2 %.4s, %.8h, #0":       two(0x4f10a400),
	"shll %.4s, %.4h, #16":        two(0x2e613800),
	"shll2 %.4s, %.8h, #16":       two(0x6e613800),

	// Numbers with a point.
	"fadd %.4s, %.4s, %.4s":   three(0x4e20d400),
	"fsub %.4s, %.4s, %.4s":   three(0x4ea0d400),
	"fmul %.4s, %.4s, %.4s":   three(0x6e20dc00),
	"fmul %.4s, %.4s, %.s[%]": byElement(0x4f809000),
	"fmla %.4s, %.4s, %.4s":   three(0x4e20cc00),
	"fmla %.4s, %.4s, %.s[%]": byElement(0x4f801000),
	"fmls %.4s, %.4s, %.4s":   three(0x4ea0cc00),
	"fmls %.4s, %.4s, %.s[%]": byElement(0x4f805000),
	"fmla %.2d, %.2d, %.2d":   three(0x4e60cc00),
	"smax %.4s, %.4s, %.4s":   three(0x4ea06400),
	"cmgt %.4s, %.4s, %.4s":   three(0x4ea03400),
	"frintn %.4s, %.4s":       two(0x4e218800),
	"sli %.4s, %.4s, #%":      inGo("VSLI"),
	"fdiv %.4s, %.4s, %.4s":   three(0x6e20fc00),
	"faddp s%, %.2s":          two(0x7e30d800),
	"fcmgt %.4s, %.4s, %.4s":  three(0x6ea0e400),
	"fneg %.4s, %.4s":         two(0x6ea0f800),
	"fabs %.4s, %.4s":         two(0x4ea0f800),
	"scvtf %.4s, %.4s":        two(0x4e21d800),
	"fcvtns %.4s, %.4s":       two(0x4e21a800),
	"fcvtl %.4s, %.4h":        two(0x0e217800),
	"fcvtl2 %.4s, %.8h":       two(0x4e217800),
	"fcvtn %.4h, %.4s":        two(0x0e216800),
	"fcvtn2 %.8h, %.4s":       two(0x4e216800),
	"fcvtl %.2d, %.2s":        two(0x0e617800),
	"fcvtl2 %.2d, %.4s":       two(0x4e617800),
	"fadd %.2d, %.2d, %.2d":   three(0x4e60d400),
	"faddp d%, %.2d":          two(0x7e70d800),
}
