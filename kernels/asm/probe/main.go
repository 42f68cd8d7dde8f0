// Command probe writes the kernels that measure a machine's ceilings: they
// stream memory, or multiply and add in registers, and do nothing else.
package main

import (
	"strings"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"qgo/kernels/asm/isa"
)

// streams is the number of bytes that a turn of a loop over memory handles.
const streams = 512

// accs is the number of independent sums of a loop in registers: more than
// the latency of a multiplication times the number that start in a cycle on
// any core (5 cycles times 2).
const accs = 12

func main() {
	s := isa.Parse()
	read(s)
	copyNT(s)
	triadNT(s)
	fma(s)
	if s.Wide() {
		dotVNNI(s)
		dotBF16(s)
	} else {
		dotPairs(s)
	}
	Generate()
}

// begin begins a function whose name ends in that of the instruction set.
func begin(s *isa.ISA, name, signature, doc string) {
	full := name + strings.ToUpper(s.Name)
	isa.Func(full, signature, strings.Replace(doc, name, full, 1))
}

// bytes is the size of a vector register.
func bytes(s *isa.ISA) int { return 4 * s.Lanes }

// ahead is how many bytes in front of what it reads readAhead asks for memory: what
// lets a Sapphire Rapids read most.
const ahead = 8 << 10

const sumDoc = " returns the sum of the 64-bit words of n bytes in one of the lanes that it adds"

// read writes the functions that read, in three ways: which is the fastest depends on the
// prefetchers of the CPU.
func read(s *isa.ISA) {
	for _, way := range []struct {
		name, doc string
		ahead     bool
		ranges    int // read by turns
	}{
		{"read", sumDoc + "; n is a positive multiple of 512.", false, 1},
		{"readAhead", sumDoc + ", and asks for memory ahead; n is a positive multiple of 512.", true, 1},
		{"readQuarters", sumDoc + ", from each quarter by turns; n is a positive multiple of 512.", false, 4},
	} {
		begin(s, way.name, "func(p *byte, n int) uint64", way.name+way.doc)
		n := isa.Arg("n")
		from := []reg.Register{isa.Arg("p")}
		if way.ranges > 1 {
			SHRQ(U8(2), n)
		}
		for len(from) < way.ranges {
			p := GP64()
			LEAQ(Mem{Base: from[len(from)-1], Index: n, Scale: 1}, p)
			from = append(from, p)
		}
		sums, part := s.Zeros(8), streams/way.ranges
		isa.Repeat("loop", n, part, func() {
			i := 0
			for _, p := range from {
				for at := 0; at < part; at += bytes(s) {
					if way.ahead && at%64 == 0 {
						PREFETCHT1(Mem{Base: p, Disp: ahead + at})
					}
					v := sums[i%len(sums)]
					VPADDQ(Mem{Base: p, Disp: at}, v, v)
					i++
				}
				ADDQ(U32(part), p)
			}
		})
		for _, v := range sums[1:] {
			VPADDQ(v, sums[0], sums[0])
		}
		lane := GP64()
		VMOVQ(sums[0].AsX(), lane)
		Store(lane, ReturnIndex(0))
		isa.End()
	}
}

// Stores go past the caches: a machine that must first read what it
// overwrites moves half as much again.

func copyNT(s *isa.ISA) {
	begin(s, "copyNT", "func(dst, src *byte, n int)",
		"copyNT copies n bytes, a positive multiple of 512, past the caches; both addresses are multiples of 64.")
	dst, src, n := isa.Arg("dst"), isa.Arg("src"), isa.Arg("n")
	isa.Repeat("loop", n, streams, func() {
		vecs := s.Vecs(8)
		for base := 0; base < streams; base += len(vecs) * bytes(s) {
			for i, v := range vecs {
				s.Load(Mem{Base: src, Disp: base + i*bytes(s)}, nil, v)
			}
			for i, v := range vecs {
				VMOVNTDQ(v, Mem{Base: dst, Disp: base + i*bytes(s)})
			}
		}
		ADDQ(U32(streams), src)
		ADDQ(U32(streams), dst)
	})
	SFENCE()
	isa.End()
}

func triadNT(s *isa.ISA) {
	begin(s, "triadNT", "func(a, b, c *byte, n int)",
		"triadNT writes b + 3*c to a, n bytes of float32 values, past the caches; n is a positive multiple of 512, addresses of 64.")
	a, b, c, n := isa.Arg("a"), isa.Arg("b"), isa.Arg("c"), isa.Arg("n")
	three := s.Vec()
	VMOVUPS(s.Const(3), three)
	isa.Repeat("loop", n, streams, func() {
		for at := 0; at < streams; at += bytes(s) {
			v := s.Vec()
			s.Load(Mem{Base: b, Disp: at}, nil, v)
			VFMADD231PS(Mem{Base: c, Disp: at}, three, v)
			VMOVNTPS(v, Mem{Base: a, Disp: at})
		}
		for _, p := range []reg.Register{a, b, c} {
			ADDQ(U32(streams), p)
		}
	})
	SFENCE()
	isa.End()
}

// repeat writes a function that runs body n times and returns the lowest lane
// of its sums, which add adds.
func repeat(s *isa.ISA, name, result, doc string, sums []reg.VecPhysical, load, body func(), add func(a, b, dst Op)) {
	begin(s, name, "func(n int) "+result, doc)
	n := isa.Arg("n")
	load()
	for _, v := range sums {
		s.Zero(v)
	}
	isa.Repeat("loop", n, 1, func() {
		body()
	})
	for _, v := range sums[1:] {
		add(v, sums[0], sums[0])
	}
	lane := GP32()
	VMOVD(sums[0].AsX(), lane)
	MOVL(lane, isa.Addr(ReturnIndex(0)))
	isa.End()
}

// addInts and addFloats add registers of 32-bit lanes.
func addInts(a, b, dst Op)   { VPADDD(a, b, dst) }
func addFloats(a, b, dst Op) { VADDPS(a, b, dst) }

// physical returns the first n vector registers. Virtual ones would not do:
// one instruction is written byte by byte.
func physical(s *isa.ISA, n int) []reg.VecPhysical {
	wide := []reg.VecPhysical{reg.Z0, reg.Z1, reg.Z2, reg.Z3, reg.Z4, reg.Z5, reg.Z6, reg.Z7, reg.Z8, reg.Z9, reg.Z10, reg.Z11, reg.Z12, reg.Z13, reg.Z14, reg.Z15}
	if s.Wide() {
		return wide[:n]
	}
	narrow := make([]reg.VecPhysical, n)
	for i := range narrow {
		narrow[i] = wide[i].AsY().(reg.VecPhysical)
	}
	return narrow
}

func fma(s *isa.ISA) {
	regs := physical(s, accs+1)
	sums, one := regs[:accs], regs[accs]
	repeat(s, "fma", "float32", "fma adds 1*1 to 12 registers of float32 values n times and returns a lane's sum over them.", sums,
		func() { VMOVUPS(s.Const(1), one) },
		func() {
			for _, v := range sums {
				VFMADD231PS(one, one, v)
			}
		}, addFloats)
}

func dotVNNI(s *isa.ISA) {
	regs := physical(s, accs+1)
	sums, ones := regs[:accs], regs[accs]
	repeat(s, "dotInt8", "int32", "dotInt8 adds 4 products of bytes 1*1 to each lane of 12 registers n times and returns a lane's sum over them.", sums,
		func() { VMOVUPS(words("ones", 0x01010101, s.Lanes), ones) },
		func() {
			for _, v := range sums {
				VPDPBUSD(ones, ones, v)
			}
		}, addInts)
}

func dotPairs(s *isa.ISA) {
	regs := physical(s, 16)
	sums, tmp, ones, pairs := regs[:8], regs[8:14], regs[14], regs[15]
	repeat(s, "dotInt8", "int32", "dotInt8 adds 4 products of bytes 1*1 to each lane of 8 registers n times and returns a lane's sum over them.", sums,
		func() {
			VMOVUPS(words("ones", 0x01010101, s.Lanes), ones)
			VMOVUPS(words("pairs", 0x00010001, s.Lanes), pairs)
		},
		func() {
			for i, v := range sums {
				t := tmp[i%len(tmp)]
				VPMADDUBSW(ones, ones, t)
				VPMADDWD(pairs, t, t)
				VPADDD(t, v, v)
			}
		}, addInts)
}

func dotBF16(s *isa.ISA) {
	regs := physical(s, accs+1)
	repeat(s, "dotBF16", "float32", "dotBF16 adds 2 products of bfloat16 values 1*1 to each lane of 12 registers n times and returns a lane's sum over them.", regs[:accs],
		func() { VMOVUPS(words("bf16", 0x3f803f80, s.Lanes), regs[accs]) },
		func() {
			for i := range accs {
				vdpbf16ps(regs[accs], regs[accs], regs[i])
			}
		}, addFloats)
}

// vdpbf16ps emits VDPBF16PS on ZMM registers, which Go's assembler does not know.
func vdpbf16ps(src2, src1, dst reg.Register) {
	isa.Raw("VDPBF16PS "+src2.Asm()+", "+src1.Asm()+", "+dst.Asm(),
		isa.EVEX512(0x52, isa.PrefixF3, isa.Number(dst), isa.Number(src1), isa.Number(src2)))
}

// words is a register full of the same 32 bits in memory.
func words(name string, bits uint32, n int) Mem {
	m := GLOBL(name, 8|16) // RODATA|NOPTR
	for i := range n {
		DATA(4*i, U32(bits))
	}
	return m
}
