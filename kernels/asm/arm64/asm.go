// Package arm64 writes files for Go's assembler on arm64. That assembler knows
// few of the vector instructions, so the others become WORDs whose comments
// say what they are. One table has all of them; a test has them disassembled.
package arm64

import (
	"fmt"
	"go/format"
	"os"
	"slices"
	"strings"
)

// V is a vector register.
type V int

// R is a general register. R18, R27 and R28 are Go's own; R0 to R17 and R19 to
// R26 may be used.
type R int

func (r R) String() string { return fmt.Sprintf("R%d", int(r)) }

// Asm is a file that is being written.
type Asm struct {
	out    strings.Builder
	funcs  []string // that there must be declarations for
	free   []V
	labels int
	data   []string
	params map[string]int // where the function has its arguments and "ret", its result
}

// New returns an empty file.
func New() *Asm {
	a := &Asm{}
	a.reset()
	return a
}

func (a *Asm) reset() {
	a.free = a.free[:0]
	for v := V(31); v >= 0; v-- {
		a.free = append(a.free, v)
	}
}

// Func begins a function with frame bytes of local memory.
func (a *Asm) Func(name string, frame int, signature, doc string) {
	if len(a.free) != 32 {
		panic(fmt.Sprintf("arm64: before %s, %d registers are not free", name, 32-len(a.free)))
	}
	a.reset()
	var size int
	a.params, size = layout(signature)
	flags := "NOSPLIT"
	if frame > 128 {
		flags = "0"
	}
	fmt.Fprintf(&a.out, "\n// %s\n// func %s%s\nTEXT ·%s(SB), %s, $%d-%d\n", doc, name, signature, name, flags, frame, size)
	a.funcs = append(a.funcs, fmt.Sprintf("// %s\n//\n//go:noescape\nfunc %s%s\n", doc, name, signature))
}

// layout returns where the arguments are, and the result as "ret", and the size
// of all.
func layout(signature string) (offsets map[string]int, size int) {
	in, out, _ := strings.Cut(strings.TrimPrefix(signature, "("), ")")
	offsets = map[string]int{}
	place := func(name string, width int) {
		size = (size + width - 1) / width * width
		offsets[name] = size
		size += width
	}
	names := strings.Split(in, ", ")
	widths := make([]int, len(names))
	typ := "" // that of a name without one is the next one's
	for i, p := range slices.Backward(names) {
		if name, t, ok := strings.Cut(p, " "); ok {
			names[i], typ = name, t
		}
		widths[i] = width(typ)
	}
	for i, name := range names {
		place(name, widths[i])
	}
	if out = strings.TrimSpace(out); out != "" {
		size = (size + 7) / 8 * 8
		place("ret", width(out))
	}
	return offsets, size
}

func width(typ string) int {
	if typ == "float32" {
		return 4
	}
	return 8
}

// Param is an argument of the function, or its result, "ret", as an operand.
func (a *Asm) Param(name string) string {
	offset, ok := a.params[name]
	if !ok {
		panic(fmt.Sprintf("arm64: no argument %q", name))
	}
	return fmt.Sprintf("%s+%d(FP)", name, offset)
}

// Vec takes a register out of the free ones.
func (a *Asm) Vec() V {
	if len(a.free) == 0 {
		panic("arm64: no vector register is left")
	}
	v := a.free[len(a.free)-1]
	a.free = a.free[:len(a.free)-1]
	return v
}

// Vecs takes n registers.
func (a *Asm) Vecs(n int) []V {
	v := make([]V, n)
	for i := range v {
		v[i] = a.Vec()
	}
	return v
}

// Loaded takes a register and loads it, disp bytes behind base.
func (a *Asm) Loaded(base R, disp int) V {
	v := a.Vec()
	a.Load(v, base, disp)
	return v
}

// Zeros takes n registers and clears them.
func (a *Asm) Zeros(n int) []V {
	vs := a.Vecs(n)
	for _, v := range vs {
		a.Zero(v)
	}
	return vs
}

// Free gives registers back. Those free for longest are taken first, so that
// the CPU finds no dependences where there are none.
func (a *Asm) Free(vs ...V) {
	for _, v := range vs {
		if slices.Contains(a.free, v) {
			panic(fmt.Sprintf("arm64: v%d is free already", v))
		}
		a.free = slices.Insert(a.free, 0, v)
	}
}

// FreeAll gives several lists of registers back.
func (a *Asm) FreeAll(lists ...[]V) {
	for _, vs := range lists {
		a.Free(vs...)
	}
}

// I writes a vector instruction of the table with its numbers.
func (a *Asm) I(form string, operands ...any) {
	in, ok := table[form]
	numbers := make([]int, len(operands))
	for i, o := range operands {
		switch o := o.(type) {
		case V:
			numbers[i] = int(o)
		case int:
			numbers[i] = o
		default:
			panic(fmt.Sprintf("arm64: operand %v", o))
		}
	}
	if !ok || len(numbers) != strings.Count(form, "%") {
		panic(fmt.Sprintf("arm64: no instruction %q with %d numbers", form, len(numbers)))
	}
	if in.goName != "" {
		fmt.Fprintf(&a.out, "\t%s\n", goText(in.goName, form, numbers))
		return
	}
	fmt.Fprintf(&a.out, "\tWORD $0x%08x // %s\n", encode(in, numbers), armText(form, numbers))
}

func encode(in instruction, numbers []int) uint32 {
	w := in.word
	for i, f := range in.fields {
		w |= f(numbers[i])
	}
	return w
}

// armText is the instruction as ARM writes it.
func armText(form string, numbers []int) string {
	var b strings.Builder
	for i, part := range strings.Split(form, "%") {
		if i > 0 {
			fmt.Fprint(&b, numbers[i-1])
		}
		b.WriteString(part)
		if strings.HasSuffix(part, " ") || strings.HasSuffix(part, "{") {
			b.WriteByte('v')
		}
	}
	return b.String()
}

// goText is the instruction as Go writes it: operands from right to left.
func goText(name, form string, numbers []int) string {
	_, list, _ := strings.Cut(form, " ")
	operands := strings.Split(list, ", ")
	n := 0
	for i, o := range operands {
		o = strings.NewReplacer(".16b", ".B16", ".8b", ".B8", ".8h", ".H8", ".4s", ".S4", ".2d", ".D2", ".s[", ".S[").Replace(o)
		for strings.Contains(o, "%") {
			number := fmt.Sprint(numbers[n])
			if strings.HasPrefix(o, "%") {
				number = "V" + number
			}
			o = strings.Replace(o, "%", number, 1)
			n++
		}
		operands[i] = strings.Replace(o, "#", "$", 1)
	}
	slices.Reverse(operands)
	return name + " " + strings.Join(operands, ", ")
}

// G writes an instruction in Go's own syntax.
func (a *Asm) G(format string, args ...any) {
	fmt.Fprintf(&a.out, "\t"+format+"\n", args...)
}

// Load loads a register, disp bytes behind base.
func (a *Asm) Load(v V, base R, disp int) { a.G("FMOVQ %d(%v), F%d", disp, base, v) }

// Store stores a register.
func (a *Asm) Store(v V, base R, disp int) { a.G("FMOVQ F%d, %d(%v)", v, disp, base) }

// Store2 stores two registers behind each other.
func (a *Asm) Store2(v, w V, base R, disp int) { a.G("FSTPQ (F%d, F%d), %d(%v)", v, w, disp, base) }

// Move copies a register.
func (a *Asm) Move(dst, src V) { a.I("orr %.16b, %.16b, %.16b", dst, src, src) }

// Zero clears a register.
func (a *Asm) Zero(v V) { a.I("eor %.16b, %.16b, %.16b", v, v, v) }

// Splat fills a register with a 32-bit number, through tmp.
func (a *Asm) Splat(v V, bits uint32, tmp R) {
	a.G("MOVW $0x%x, %v", bits, tmp)
	a.G("VDUP %v, V%d.S4", tmp, v)
}

// NewLabel returns a label that no other has.
func (a *Asm) NewLabel(name string) string {
	a.labels++
	return fmt.Sprintf("%s%d", name, a.labels)
}

// Label places a label.
func (a *Asm) Label(name string) { fmt.Fprintf(&a.out, "%s:\n", name) }

// Repeat repeats body until counter, less step each time, is zero.
func (a *Asm) Repeat(label string, counter R, step int, body func()) {
	again := a.NewLabel(label)
	a.Label(again)
	body()
	a.G("SUBS $%d, %v", step, counter)
	a.G("BNE %s", again)
}

// Data defines read-only bytes, a multiple of 16.
func (a *Asm) Data(name string, bytes []byte) {
	var b strings.Builder
	for i := 0; i < len(bytes); i += 4 {
		v := uint32(bytes[i]) | uint32(bytes[i+1])<<8 | uint32(bytes[i+2])<<16 | uint32(bytes[i+3])<<24
		fmt.Fprintf(&b, "DATA %s<>+%d(SB)/4, $0x%08x\n", name, i, v)
	}
	fmt.Fprintf(&b, "GLOBL %s<>(SB), RODATA|NOPTR, $%d\n", name, len(bytes))
	a.data = append(a.data, b.String())
}

const header = "// Code generated by command: see go:generate. DO NOT EDIT.\n\n//go:build !noasm\n\n"

// WriteAsm writes the assembler file.
func (a *Asm) WriteAsm(path string) error {
	text := header + "#include \"textflag.h\"\n" + a.out.String()
	for _, d := range a.data {
		text += "\n" + d
	}
	return os.WriteFile(path, []byte(text), 0o666)
}

// WriteDecls writes the Go file that declares the functions of package pkg,
// with more declarations in front.
func (a *Asm) WriteDecls(path, pkg, more string) error {
	text, err := format.Source([]byte(header + "package " + pkg + "\n\n" + more + "\n" + strings.Join(a.funcs, "\n")))
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o666)
}
