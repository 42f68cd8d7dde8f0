// Package isa lets one generator write a kernel for AVX2 and for AVX-512: what
// differs between them, width of registers and masks, is here.
package isa

import (
	"flag"
	"fmt"
	"log"
	"math"
	"strings"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/gotypes"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// ISA is an instruction set.
type ISA struct {
	Name  string
	Lanes int // float32 values in a vector register
	wide  bool
}

// Parse returns the instruction set of the flag -isa.
func Parse() *ISA {
	name := flag.String("isa", "avx512", "instruction set: avx2 or avx512")
	flag.Parse()
	ConstraintExpr("!noasm")
	switch *name {
	case "avx2":
		return &ISA{Name: *name, Lanes: 8}
	case "avx512":
		return &ISA{Name: *name, Lanes: 16, wide: true}
	}
	log.Fatalf("no instruction set %q", *name)
	return nil
}

// Wide reports whether s is AVX-512.
func (s *ISA) Wide() bool { return s.wide }

// Registers is the number of vector registers that there are. Avo gives a function that
// needs more than AVX2's those of AVX-512.
func (s *ISA) Registers() int { return 2 * s.Lanes }

// Regs is the number of registers that hold 16 float32 values.
func (s *ISA) Regs() int { return 16 / s.Lanes }

// Vec returns a new vector register.
func (s *ISA) Vec() reg.VecVirtual {
	if s.wide {
		return ZMM()
	}
	return YMM()
}

// Vecs returns n new vector registers.
func (s *ISA) Vecs(n int) []reg.VecVirtual {
	v := make([]reg.VecVirtual, n)
	for i := range v {
		v[i] = s.Vec()
	}
	return v
}

// Zeros returns n new vector registers that are cleared.
func (s *ISA) Zeros(n int) []reg.VecVirtual {
	v := s.Vecs(n)
	for i := range v {
		s.Zero(v[i])
	}
	return v
}

// Zero clears a register of either kind.
func (s *ISA) Zero(v reg.Register) {
	if s.wide {
		VPXORD(v, v, v)
		return
	}
	VXORPS(v, v, v)
}

// Func begins an assembler function. None of them calls another or
// needs more stack than a leaf may take.
func Func(name, signature, doc string) {
	TEXT(name, NOSPLIT, signature)
	Pragma("noescape")
	Doc(strings.Split(doc, "\n")...)
}

// Arg loads an argument into a new register.
func Arg(name string) reg.Register { return Load(Param(name), GP64()) }

// Addr is where an argument or a result is.
func Addr(c gotypes.Component) Mem {
	basic, err := c.Resolve()
	if err != nil {
		panic(err)
	}
	return basic.Addr
}

// End ends a function. The upper halves of the registers are cleared: with
// them in use, the SSE instructions of Go's code would be slow on some CPUs.
func End() {
	VZEROUPPER()
	RET()
}

var constants = map[string]Mem{}

// Const returns a whole register of the same number in memory.
func (s *ISA) Const(x float64) Mem { return s.Bits(math.Float32bits(float32(x))) }

// Bits returns a whole register of the same 32 bits in memory.
func (s *ISA) Bits(bits uint32) Mem {
	name := fmt.Sprintf("x%d_%08x", s.Lanes, bits)
	m, ok := constants[name]
	if !ok {
		m = GLOBL(name, RODATA|NOPTR)
		for i := range s.Lanes {
			DATA(4*i, U32(bits))
		}
		constants[name] = m
	}
	return m
}

// Mask marks the leading lanes of a register: a mask register with AVX-512,
// a vector of -1 and 0 with AVX2.
type Mask struct{ reg Op }

// Leading returns the mask of the lanes below count, which may be anything
// from minus a few to many: it is changed to a number of lanes.
func (s *ISA) Leading(count reg.GPVirtual) *Mask {
	bound := GP64()
	XORL(bound.As32(), bound.As32())
	CMPQ(count, bound)
	CMOVQLT(bound, count)
	MOVL(U32(s.Lanes), bound.As32())
	CMPQ(count, bound)
	CMOVQGT(bound, count)
	if s.wide {
		k := K()
		bits := GP32()
		MOVL(U32(0xffff), bits)
		BZHIL(count.As32(), bits, bits)
		KMOVW(bits, k)
		return &Mask{k}
	}
	// A window of Lanes words on a table of Lanes times -1, then 0: the
	// lower it begins, the more of its lanes are set.
	table, ok := constants["window"]
	if !ok {
		table = GLOBL("window", RODATA|NOPTR)
		for i := range 2 * s.Lanes {
			DATA(4*i, U32(0xffffffff*uint64(1-i/s.Lanes)))
		}
		constants["window"] = table
	}
	at := GP64()
	LEAQ(table, at)
	SUBQ(count, bound)
	v := YMM()
	VMOVDQU(Mem{Base: at, Index: bound, Scale: 4}, v)
	return &Mask{v}
}

// Load loads float32 values: those that the mask marks, and zeros; a nil mask
// marks all. What it does not mark is not touched.
func (s *ISA) Load(m Mem, mask *Mask, dst reg.VecVirtual) {
	switch {
	case mask == nil:
		VMOVUPS(m, dst)
	case s.wide:
		VMOVUPS_Z(m, mask.reg, dst)
	default:
		VMASKMOVPS(m, mask.reg, dst)
	}
}

// Store stores the lanes that the mask marks.
func (s *ISA) Store(v reg.VecVirtual, mask *Mask, m Mem) {
	switch {
	case mask == nil:
		VMOVUPS(v, m)
	case s.wide:
		VMOVUPS(v, mask.reg, m)
	default:
		VMASKMOVPS(v, mask.reg, m)
	}
}

// MulAdd adds vals times the number in memory to sums.
func (s *ISA) MulAdd(factor Mem, vals, sums []reg.VecVirtual) {
	if s.wide && len(vals) == 1 {
		VFMADD231PS_BCST(factor, vals[0], sums[0])
		return
	}
	f := s.Vec()
	VBROADCASTSS(factor, f)
	for r, v := range vals {
		VFMADD231PS(f, v, sums[r])
	}
}

// Keep sets the lanes of v that the mask does not mark to other, a constant.
func (s *ISA) Keep(v reg.VecVirtual, mask *Mask, other Mem) {
	if mask == nil {
		return
	}
	rest := s.Vec()
	VMOVUPS(other, rest)
	if s.wide {
		VMOVAPS(v, mask.reg, rest)
		VMOVAPS(rest, v)
		return
	}
	VBLENDVPS(mask.reg, v, rest, v)
}

var loops int

// NewLabel returns a new label.
func NewLabel(name string) string {
	loops++
	return fmt.Sprintf("%s%d", name, loops)
}

// Repeat repeats body until counter, less step each time, is zero.
func Repeat(label string, counter Op, step int, body func()) {
	Label(label)
	body()
	if step == 1 {
		DECQ(counter)
	} else {
		SUBQ(U32(step), counter)
	}
	JNZ(LabelRef(label))
}

// Loop calls body to emit code for n values, regs registers of them at a time:
// the first comes with the index i and nil masks; the last, for the rest of
// the values, with a mask a register.
func (s *ISA) Loop(n reg.Register, regs int, body func(i reg.GPVirtual, masks []*Mask)) {
	loop, rest, done := NewLabel("loop"), NewLabel("rest"), NewLabel("done")
	step := regs * s.Lanes
	i, end := GP64(), GP64()
	XORL(i.As32(), i.As32())
	MOVQ(U32(step), end)
	Label(loop)
	CMPQ(end, n)
	JGT(LabelRef(rest))
	body(i, make([]*Mask, regs))
	MOVQ(end, i)
	ADDQ(U32(step), end)
	JMP(LabelRef(loop))
	Label(rest)
	left := GP64()
	MOVQ(n, left)
	SUBQ(i, left)
	JLE(LabelRef(done))
	masks := make([]*Mask, regs)
	for r := range masks {
		count := GP64()
		LEAQ(Mem{Base: left, Disp: -r * s.Lanes}, count)
		masks[r] = s.Leading(count)
	}
	body(i, masks)
	Label(done)
}

// At is the address of value i+o of float32 values.
func At(base, i reg.Register, o int) Mem {
	return Mem{Base: base, Index: i, Scale: 4, Disp: 4 * o}
}

// Halve reduces registers that hold 16 values to one: values 8 apart are
// combined, then 4, 2 and 1. op(a, b, dst) combines b, the upper one, with a.
// The result is the lowest value of the register returned.
func (s *ISA) Halve(v []reg.VecVirtual, op func(a, b, dst Op)) reg.Register {
	low, high := v[0].AsY(), YMM()
	if s.wide {
		VEXTRACTF64X4(U8(1), v[0], high)
	} else {
		VMOVAPS(v[1], high)
	}
	y := YMM()
	op(low, high, y)
	x, h := y.AsX(), XMM()
	VEXTRACTF128(U8(1), y, h)
	op(x, h, x)
	VMOVHLPS(x, x, h)
	op(x, h, x)
	VMOVSHDUP(x, h)
	op(x, h, x)
	return x
}
