// Command attention writes the kernels of attention: scores, softmax and the
// weighted sum of values, with the operations of generic.Attend in the same
// order, but for products that are not rounded before they are added.
//
// Both products take several queries at a time, whose sums stay in registers,
// so that each vector of keys or values is loaded and converted once for all
// of them.
package main

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"qgo/kernels/asm/isa"
	"qgo/kernels/generic"
)

// scoreStride is the distance in bytes of two queries' scores.
const scoreStride = 4 * generic.AttnChunk

// ahead is how far in front of the keys memory is asked for, in bytes. The
// processor's own prefetchers alone leave attention at half the memory's rate.
const ahead = 2048

// q8Len is the number of values of a Q8_0 block, q8Bytes its size.
const q8Len, q8Bytes = 32, 34

// A format is a type of keys and values.
type format struct {
	name  string
	bytes int // per value, scales left out
}

var formats = []format{{"F32", 4}, {"F16", 2}, {"Q8", 1}}

// queries is the largest number of queries at a time: AVX2 has 16 registers,
// two for the sums of a query.
func queries(s *isa.ISA) int {
	if s.Wide() {
		return 8
	}
	return 6
}

func main() {
	s := isa.Parse()
	for _, f := range formats {
		scores(s, f)
		values(s, f)
	}
	softmax(s)
	Generate()
}

// load loads 16 values as float32; those of Q8 still lack their scale.
func (f format) load(s *isa.ISA, base reg.Register, disp int, dst []reg.VecVirtual) {
	for r, v := range dst {
		m := Mem{Base: base, Disp: disp + r*s.Lanes*f.bytes}
		switch f.name {
		case "F32":
			VMOVUPS(m, v)
		case "F16":
			VCVTPH2PS(m, v)
		case "Q8":
			VPMOVSXBD(m, v)
			VCVTDQ2PS(v, v)
		}
	}
}

// rows gives the addresses of a value of up to eight queries whose distance in
// bytes is in a register: base plus up to seven times the distance.
type rows struct{ times [8]reg.Register }

func newRows(stride reg.GPVirtual, n int) *rows {
	r := &rows{}
	r.times[1] = stride
	for _, i := range []int{3, 5, 7} {
		if i >= n {
			break
		}
		m := GP64()
		LEAQ(Mem{Base: stride, Index: stride, Scale: uint8(min(i-1, 4))}, m)
		if i == 7 {
			LEAQ(Mem{Base: m, Index: stride, Scale: 2}, m)
		}
		r.times[i] = m
	}
	return r
}

func (r *rows) at(base reg.Register, i int) Mem {
	switch i {
	case 0:
		return Mem{Base: base}
	case 2, 4:
		return Mem{Base: base, Index: r.times[1], Scale: uint8(i)}
	case 6:
		return Mem{Base: base, Index: r.times[3], Scale: 2}
	}
	return Mem{Base: base, Index: r.times[i], Scale: 1}
}

// dispatch jumps to the code for n queries, which emit writes for each number.
func dispatch(s *isa.ISA, n reg.Register, emit func(n int)) {
	most := queries(s)
	for i := 1; i < most; i++ {
		CMPQ(n, U32(i))
		JEQ(LabelRef(fmt.Sprintf("queries%d", i)))
	}
	for i := most; i > 0; i-- {
		Label(fmt.Sprintf("queries%d", i))
		emit(i)
		isa.End()
	}
}

func scores(s *isa.ISA, f format) {
	isa.Func("scores"+f.name, "func(s, q *float32, n int, k *byte, d, blocks int)", fmt.Sprintf(
		"scores%s writes the scalar products of n queries q of d values, 1 to %d, with\n"+
			"the keys of some blocks to s, whose rows are 256 values apart.", f.name, queries(s)))
	out, q, n := isa.Arg("s"), isa.Arg("q"), isa.Arg("n")
	k, d, blocks := isa.Arg("k"), isa.Arg("d"), isa.Arg("blocks")
	stride := GP64()
	MOVQ(d, stride)
	SHLQ(U8(2), stride)
	row := newRows(stride, queries(s))
	var spill Mem
	if f.name == "Q8" && !s.Wide() {
		spill = AllocLocal(64)
	}
	dispatch(s, n, func(n int) {
		isa.Repeat(isa.NewLabel("block"), blocks, 1, func() {
			sums := make([][]reg.VecVirtual, n)
			for i := range sums {
				sums[i] = s.Zeros(s.Regs())
			}
			at, left := GP64(), GP64()
			MOVQ(q, at)
			MOVQ(d, left)
			// step multiplies the keys' value that k points to.
			step := func(scale []Op) {
				keys := s.Vecs(s.Regs())
				PREFETCHT0(Mem{Base: k, Disp: ahead})
				f.load(s, k, 0, keys)
				for r := range scale {
					VMULPS(scale[r], keys[r], keys[r])
				}
				for i := range sums {
					s.MulAdd(row.at(at, i), keys, sums[i])
				}
				ADDQ(U32(16*f.bytes), k)
				ADDQ(U32(4), at)
			}
			value := isa.NewLabel("value")
			if f.name != "Q8" {
				isa.Repeat(value, left, 1, func() { step(nil) })
			} else {
				isa.Repeat(isa.NewLabel("group"), left, q8Len, func() {
					scale := make([]Op, s.Regs())
					for r := range scale {
						v := s.Vec()
						VCVTPH2PS(Mem{Base: k, Disp: r * 2 * s.Lanes}, v)
						scale[r] = v
						if !s.Wide() { // no register is left
							m := spill.Offset(32 * r)
							VMOVUPS(v, m)
							scale[r] = m
						}
					}
					ADDQ(U32(2*16), k)
					count := GP32()
					MOVL(U32(q8Len), count)
					Label(value)
					step(scale)
					DECL(count)
					JNZ(LabelRef(value))
				})
			}
			for i := range sums {
				for r, v := range sums[i] {
					VMOVUPS(v, Mem{Base: out, Disp: i*scoreStride + 4*r*s.Lanes})
				}
			}
			ADDQ(U32(4*16), out)
		})
	})
}

func values(s *isa.ISA, f format) {
	isa.Func("values"+f.name, "func(acc, p *float32, n int, v *byte, d, rows int)", fmt.Sprintf(
		"values%s writes to acc, n rows of d values, the sum of rows v, each times its\n"+
			"weight p[query*256+row]. n is 1 to %d, rows at least 1.", f.name, queries(s)))
	acc, p, n := isa.Arg("acc"), isa.Arg("p"), isa.Arg("n")
	v, d, count := isa.Arg("v"), isa.Arg("d"), isa.Arg("rows")
	stride := GP64()
	MOVQ(d, stride)
	SHLQ(U8(2), stride)
	row := newRows(stride, queries(s))
	bytes := GP64() // of a row of values
	MOVQ(d, bytes)
	if f.name == "Q8" {
		SHRQ(U8(4), bytes) // two more for each 32
		ADDQ(d, bytes)
	} else {
		IMUL3Q(U8(f.bytes), bytes, bytes)
	}
	rowsAhead := GP64()
	MOVQ(bytes, rowsAhead)
	SHLQ(U8(5), rowsAhead)
	dispatch(s, n, func(n int) {
		// sum computes 16 values of the output, or wide ones, those that are
		// skip bytes behind v.
		sum := func(wide, skip int) {
			acc16 := make([][]reg.VecVirtual, n)
			for i := range acc16 {
				acc16[i] = s.Zeros(wide / s.Lanes)
			}
			at, weight, left := GP64(), GP64(), GP64()
			MOVQ(v, at)
			MOVQ(p, weight)
			MOVQ(count, left)
			isa.Repeat(isa.NewLabel("row"), left, 1, func() {
				vals := s.Vecs(wide / s.Lanes)
				PREFETCHT0(Mem{Base: at, Index: rowsAhead, Scale: 1, Disp: skip})
				if f.name == "Q8" {
					f.load(s, at, 2+skip, vals)
					scale := s.Vec()
					if s.Wide() {
						VPBROADCASTW(Mem{Base: at}, scale.AsY())
						VCVTPH2PS(scale.AsY(), scale)
					} else {
						VPBROADCASTW(Mem{Base: at}, scale.AsX())
						VCVTPH2PS(scale.AsX(), scale)
					}
					for _, x := range vals {
						VMULPS(scale, x, x)
					}
				} else {
					f.load(s, at, skip, vals)
				}
				for i := range acc16 {
					s.MulAdd(Mem{Base: weight, Disp: i * scoreStride}, vals, acc16[i])
				}
				ADDQ(bytes, at)
				ADDQ(U32(4), weight)
			})
			for i := range acc16 {
				for r, a := range acc16[i] {
					m := row.at(acc, i)
					m.Disp = 4 * r * s.Lanes
					VMOVUPS(a, m)
				}
			}
			ADDQ(U32(4*wide), acc)
		}
		part, last, done := isa.NewLabel("part"), isa.NewLabel("last"), isa.NewLabel("done")
		switch {
		case f.name == "Q8":
			isa.Repeat(part, d, q8Len, func() {
				if s.Wide() {
					sum(32, 0)
				} else {
					sum(16, 0)
					sum(16, 16)
				}
				ADDQ(U32(q8Bytes), v)
			})
		case s.Wide():
			// Two registers, whole lines of memory, at a time.
			Label(part)
			SUBQ(U32(32), d)
			JLT(LabelRef(last))
			sum(32, 0)
			ADDQ(U32(32*f.bytes), v)
			JMP(LabelRef(part))
			Label(last)
			ADDQ(U32(16), d)
			JLT(LabelRef(done))
			sum(16, 0)
			Label(done)
		default:
			isa.Repeat(part, d, 16, func() {
				sum(16, 0)
				ADDQ(U32(16*f.bytes), v)
			})
		}
	})
}

func softmax(s *isa.ISA) {
	isa.Func("softmax", "func(s *float32, n, m int, top, sum *float32)",
		"softmax replaces the first m of 256 scores of n queries, 1 at least, by\n"+
			"exp(s - max), and writes each query's maximum and the sum of the results.")
	x, n, m := isa.Arg("s"), isa.Arg("n"), isa.Arg("m")
	top, sum := isa.Arg("top"), isa.Arg("sum")
	isa.Repeat("query", n, 1, func() {
		tops, sums := s.Vecs(s.Regs()), s.Vecs(s.Regs())
		lowest := s.Const(math.Inf(-1))
		for r := range tops {
			VMOVUPS(lowest, tops[r])
			s.Zero(sums[r])
		}
		s.Loop(m, s.Regs(), func(i reg.GPVirtual, masks []*isa.Mask) {
			for r := range tops {
				v := s.Vec()
				VMOVUPS(isa.At(x, i, r*s.Lanes), v)
				s.Keep(v, masks[r], lowest)
				VMAXPS(tops[r], v, tops[r]) // v > top ? v : top: a NaN is left out
			}
		})
		// The upper value, when it is greater than the lower one.
		best := s.Halve(tops, func(low, high, dst Op) { VMAXPS(low, high, dst) })
		VMOVSS(best, Mem{Base: top})
		all := s.Vec()
		VBROADCASTSS(best, all)
		s.Loop(m, s.Regs(), func(i reg.GPVirtual, masks []*isa.Mask) {
			for r := range sums {
				v, at := s.Vec(), isa.At(x, i, r*s.Lanes)
				VMOVUPS(at, v)
				VSUBPS(all, v, v)
				s.Exp(v, false)
				s.Keep(v, masks[r], s.Const(0))
				VMOVUPS(v, at)
				VADDPS(v, sums[r], sums[r])
			}
		})
		VMOVSS(s.Halve(sums, func(low, high, dst Op) { VADDPS(high, low, dst) }), Mem{Base: sum})
		ADDQ(U32(scoreStride), x)
		ADDQ(U32(4), top)
		ADDQ(U32(4), sum)
	})
	isa.End()
}
