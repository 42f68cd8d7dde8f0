// Command vector writes the kernels on vectors: the operations of
// generic/vector.go and parts of attention.go, to the same bits.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"qgo/kernels/asm/isa"
)

func main() {
	s := isa.Parse()
	add(s)
	scale(s)
	merge(s)
	swiglu(s)
	squares(s)
	norm(s)
	rope(s)
	halves(s)
	Generate()
}

// turn is what a turn of a loop handles: a register of values of each vector.
type turn struct {
	*isa.ISA
	i    reg.GPVirtual
	mask *isa.Mask
}

func (t turn) load(base reg.Register) reg.VecVirtual {
	v := t.Vec()
	t.Load(isa.At(base, t.i, 0), t.mask, v)
	return v
}

func (t turn) store(v reg.VecVirtual, base reg.Register) { t.Store(v, t.mask, isa.At(base, t.i, 0)) }

// each calls body to emit code for n values, a register of them at a time.
func each(s *isa.ISA, n reg.Register, body func(t turn)) {
	s.Loop(n, 1, func(i reg.GPVirtual, masks []*isa.Mask) { body(turn{s, i, masks[0]}) })
}

func add(s *isa.ISA) {
	isa.Func("add", "func(dst, x *float32, n int)", "add adds the n values x to dst.")
	dst, x, n := isa.Arg("dst"), isa.Arg("x"), isa.Arg("n")
	each(s, n, func(t turn) {
		a, b := t.load(dst), t.load(x)
		VADDPS(b, a, a)
		t.store(a, dst)
	})
	isa.End()
}

// broadcast loads a parameter into all lanes.
func broadcast(s *isa.ISA, name string) reg.VecVirtual {
	v := s.Vec()
	VBROADCASTSS(isa.Addr(Param(name)), v)
	return v
}

func scale(s *isa.ISA) {
	isa.Func("scale", "func(dst, x *float32, n int, f float32)", "scale writes the n values x times f to dst.")
	dst, x, n := isa.Arg("dst"), isa.Arg("x"), isa.Arg("n")
	f := broadcast(s, "f")
	each(s, n, func(t turn) {
		a := t.load(x)
		VMULPS(f, a, a)
		t.store(a, dst)
	})
	isa.End()
}

func merge(s *isa.ISA) {
	isa.Func("merge", "func(dst, x *float32, n int, f1, f2 float32)", "merge replaces the n values dst by dst*f1 + x*f2.")
	dst, x, n := isa.Arg("dst"), isa.Arg("x"), isa.Arg("n")
	f1, f2 := broadcast(s, "f1"), broadcast(s, "f2")
	each(s, n, func(t turn) {
		a, b := t.load(dst), t.load(x)
		VMULPS(f1, a, a)
		VMULPS(f2, b, b)
		VADDPS(b, a, a)
		t.store(a, dst)
	})
	isa.End()
}

func swiglu(s *isa.ISA) {
	isa.Func("swiglu", "func(gate, up *float32, n int)", "swiglu writes silu(gate)*up to gate, n values.")
	gate, up, n := isa.Arg("gate"), isa.Arg("up"), isa.Arg("n")
	each(s, n, func(t turn) {
		g, e, u := t.load(gate), s.Vec(), t.load(up)
		s.Zero(e)
		VSUBPS(g, e, e) // -g; the sign of a zero is of no effect
		s.Exp(e, true)
		VADDPS(s.Const(1), e, e)
		VDIVPS(e, g, g)
		VMULPS(u, g, g)
		t.store(g, gate)
	})
	isa.End()
}

func squares(s *isa.ISA) {
	isa.Func("squares", "func(x *float32, n int) float64",
		"squares returns the sum of the squares of n values, in 16 interleaved parts that are added in halves.")
	x, n := isa.Arg("x"), isa.Arg("n")
	sums := s.Zeros(2 * s.Regs()) // 16 float64, in order
	s.Loop(n, s.Regs(), func(i reg.GPVirtual, m []*isa.Mask) {
		for r := range m {
			v, low, high := s.Vec(), s.Vec(), s.Vec()
			s.Load(isa.At(x, i, r*s.Lanes), m[r], v) // zeros change no sum
			if s.Wide() {
				VCVTPS2PD(v.AsY(), low)
				VEXTRACTF64X4(U8(1), v, v.AsY())
				VCVTPS2PD(v.AsY(), high)
			} else {
				VCVTPS2PD(v.AsX(), low)
				VEXTRACTF128(U8(1), v, v.AsX())
				VCVTPS2PD(v.AsX(), high)
			}
			VMULPD(low, low, low)
			VADDPD(low, sums[2*r], sums[2*r])
			VMULPD(high, high, high)
			VADDPD(high, sums[2*r+1], sums[2*r+1])
		}
	})
	for n := len(sums) / 2; n > 0; n /= 2 {
		for i := range n {
			VADDPD(sums[i+n], sums[i], sums[i])
		}
	}
	y, h := sums[0].AsY(), YMM()
	if s.Wide() {
		VEXTRACTF64X4(U8(1), sums[0], h)
		VADDPD(h, y, y)
	}
	sum, high := sums[0].AsX(), h.AsX()
	VEXTRACTF128(U8(1), y, high)
	VADDPD(high, sum, sum)
	VUNPCKHPD(sum, sum, high)
	VADDSD(high, sum, sum)
	Store(sum, ReturnIndex(0))
	isa.End()
}

func norm(s *isa.ISA) {
	isa.Func("norm", "func(dst, x, w *float32, n int, f float32)", "norm writes (x*f)*w to dst, n values.")
	dst, x, w, n := isa.Arg("dst"), isa.Arg("x"), isa.Arg("w"), isa.Arg("n")
	f := broadcast(s, "f")
	each(s, n, func(t turn) {
		a, b := t.load(x), t.load(w)
		VMULPS(f, a, a)
		VMULPS(b, a, a)
		t.store(a, dst)
	})
	isa.End()
}

func rope(s *isa.ISA) {
	isa.Func("rope", "func(x *float32, heads, half int, cos, sin *float32)",
		"rope rotates heads of 2*half values by half angles; heads is at least 1.")
	a, heads, half := isa.Arg("x"), isa.Arg("heads"), isa.Arg("half")
	cos, sin := isa.Arg("cos"), isa.Arg("sin")
	b := GP64()
	isa.Repeat("head", heads, 1, func() {
		LEAQ(Mem{Base: a, Index: half, Scale: 4}, b)
		each(s, half, func(t turn) {
			u, v := t.load(a), t.load(b)
			cosine, sine := t.load(cos), t.load(sin)
			uc, vc := s.Vec(), s.Vec()
			VMULPS(cosine, u, uc)
			VMULPS(cosine, v, vc)
			VMULPS(sine, v, v)
			VMULPS(sine, u, u)
			VSUBPS(v, uc, uc)
			VADDPS(u, vc, vc)
			t.store(uc, a)
			t.store(vc, b)
		})
		LEAQ(Mem{Base: b, Index: half, Scale: 4}, a)
	})
	isa.End()
}

func halves(s *isa.ISA) {
	isa.Func("halves", "func(dst *byte, x *float32, n int)",
		"halves writes x as float16 to dst; n is a positive multiple of 16.")
	dst, x, n := isa.Arg("dst"), isa.Arg("x"), isa.Arg("n")
	isa.Repeat("loop", n, 16, func() {
		for r := range s.Regs() {
			v := s.Vec()
			VMOVUPS(Mem{Base: x, Disp: 4 * r * s.Lanes}, v)
			VCVTPS2PH(U8(0), v, Mem{Base: dst, Disp: 2 * r * s.Lanes})
		}
		ADDQ(U32(64), x)
		ADDQ(U32(32), dst)
	})
	isa.End()
}
