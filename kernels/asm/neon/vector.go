package main

import (
	"encoding/binary"
	"math"

	"qgo/kernels/asm/arm64"
)

// vec writes kernels on vectors: the operations of generic/vector.go.
type vec struct{ *arm64.Asm }

// width is what a loop's body takes at a time: registers of four values, or
// one value in a register.
type width struct {
	*arm64.Asm
	regs int
	one  bool
}

func (w width) values() int {
	if w.one {
		return 1
	}
	return 4 * w.regs
}

// load loads registers of values from base.
func (w width) load(base arm64.R) []arm64.V {
	v := w.Vecs(w.regs)
	for i := range v {
		if w.one {
			w.G("FMOVS (%v), F%d", base, v[i])
		} else {
			w.Load(v[i], base, 16*i)
		}
	}
	return v
}

// store stores registers and frees them.
func (w width) store(v []arm64.V, base arm64.R) {
	for i := range v {
		if w.one {
			w.G("FMOVS F%d, (%v)", v[i], base)
		} else {
			w.Store(v[i], base, 16*i)
		}
	}
	w.Free(v...)
}

// each writes an instruction for registers in parallel.
func (w width) each(form string, regs ...[]arm64.V) {
	for i := range w.regs {
		operands := make([]any, len(regs))
		for j, r := range regs {
			operands[j] = r[i%len(r)]
		}
		w.I(form, operands...)
	}
}

// loop writes body for n values, several registers of them at a time, then one
// register, then single values. The pointers are moved on.
func (g vec) loop(n arm64.R, regs int, pointers []arm64.R, body func(w width)) {
	for _, w := range []width{{g.Asm, regs, false}, {g.Asm, 1, false}, {g.Asm, 1, true}} {
		again, done := g.NewLabel("loop"), g.NewLabel("done")
		g.Label(again)
		g.G("SUBS $%d, %v", w.values(), n)
		g.G("BLT %s", done)
		body(w)
		for _, p := range pointers {
			g.G("ADD $%d, %v", 4*w.values(), p)
		}
		g.G("B %s", again)
		g.Label(done)
		g.G("ADD $%d, %v", w.values(), n)
	}
}

// params loads arguments into the registers from first on.
func (g vec) params(first arm64.R, names ...string) {
	for i, name := range names {
		g.G("MOVD %s, %v", g.Param(name), first+arm64.R(i))
	}
}

// broadcast loads a float32 argument into all lanes.
func (g vec) broadcast(name string) []arm64.V {
	v := g.Vec()
	g.G("FMOVS %s, F%d", g.Param(name), v)
	g.I("dup %.4s, %.s[%]", v, v, 0)
	return []arm64.V{v}
}

// constant fills a register with a number.
func (g vec) constant(x float64) []arm64.V {
	v := g.Vec()
	g.Splat(v, math.Float32bits(float32(x)), 16)
	return []arm64.V{v}
}

const (
	r0 = arm64.R(iota)
	r1
	r2
	r3
	r4
	r5
	r6
	r7
	r8
	r9
)

func vectors(a *arm64.Asm) string {
	g := vec{a}
	g.add()
	g.scale()
	g.merge()
	g.swiglu()
	g.squares()
	g.norm()
	g.rope()
	g.halves()
	return ""
}

func (g vec) add() {
	g.Func("add", 0, "(dst, x *float32, n int)", "add adds the n values x to dst.")
	g.params(r0, "dst", "x", "n")
	g.loop(r2, 4, []arm64.R{r0, r1}, func(w width) {
		a, b := w.load(r0), w.load(r1)
		w.each("fadd %.4s, %.4s, %.4s", a, a, b)
		g.Free(b...)
		w.store(a, r0)
	})
	g.G("RET")
}

func (g vec) scale() {
	g.Func("scale", 0, "(dst, x *float32, n int, f float32)", "scale writes the n values x times f to dst.")
	g.params(r0, "dst", "x", "n")
	f := g.broadcast("f")
	g.loop(r2, 4, []arm64.R{r0, r1}, func(w width) {
		a := w.load(r1)
		w.each("fmul %.4s, %.4s, %.4s", a, a, f)
		w.store(a, r0)
	})
	g.Free(f...)
	g.G("RET")
}

func (g vec) merge() {
	g.Func("merge", 0, "(dst, x *float32, n int, f1, f2 float32)", "merge replaces the n values dst by dst*f1 + x*f2.")
	g.params(r0, "dst", "x", "n")
	f1, f2 := g.broadcast("f1"), g.broadcast("f2")
	g.loop(r2, 4, []arm64.R{r0, r1}, func(w width) {
		a, b := w.load(r0), w.load(r1)
		w.each("fmul %.4s, %.4s, %.4s", a, a, f1)
		w.each("fmul %.4s, %.4s, %.4s", b, b, f2)
		w.each("fadd %.4s, %.4s, %.4s", a, a, b)
		g.Free(b...)
		w.store(a, r0)
	})
	g.Free(f1[0], f2[0])
	g.G("RET")
}

func (g vec) swiglu() {
	g.Func("swiglu", 0, "(gate, up *float32, n int)", "swiglu writes silu(gate)*up to gate, n values.")
	g.params(r0, "gate", "up", "n")
	e := g.newExp(true)
	g.loop(r2, 2, []arm64.R{r0, r1}, func(w width) {
		x, y := w.load(r0), w.Vecs(w.regs)
		w.each("fneg %.4s, %.4s", y, x)
		e.exp(w, y)
		w.each("fadd %.4s, %.4s, %.4s", y, y, e.one)
		w.each("fdiv %.4s, %.4s, %.4s", x, x, y)
		g.Free(y...)
		up := w.load(r1)
		w.each("fmul %.4s, %.4s, %.4s", x, x, up)
		g.Free(up...)
		w.store(x, r0)
	})
	e.free()
	g.G("RET")
}

func (g vec) squares() {
	g.Func("squares", 0, "(x *float32, n int) float64",
		"squares returns the sum of the squares of n values, in 16 interleaved parts that are added in halves.")
	g.params(r0, "x", "n")
	sums := g.Zeros(8) // two of the parts in each
	add := func(v arm64.V, s []arm64.V) {
		low := g.Vec()
		g.I("fcvtl %.2d, %.2s", low, v)
		g.I("fcvtl2 %.2d, %.4s", v, v)
		g.I("fmla %.2d, %.2d, %.2d", s[0], low, low) // squares are exact
		g.I("fmla %.2d, %.2d, %.2d", s[1], v, v)
		g.Free(low, v)
	}
	loop, rest, done := g.NewLabel("loop"), g.NewLabel("rest"), g.NewLabel("done")
	g.Label(loop)
	g.G("SUBS $16, %v", r1)
	g.G("BLT %s", rest)
	for i := range 4 {
		v := g.Loaded(r0, 16*i)
		add(v, sums[2*i:])
	}
	g.G("ADD $64, %v", r0)
	g.G("B %s", loop)
	g.Label(rest)
	g.G("ADD $16, %v", r1)
	for i := range 4 {
		next := g.NewLabel("next")
		if i < 3 { // the last four are less than four
			part := g.NewLabel("part")
			g.G("CMP $4, %v", r1)
			g.G("BLT %s", part)
			v := g.Loaded(r0, 0)
			add(v, sums[2*i:])
			g.G("ADD $16, %v", r0)
			g.G("SUB $4, %v", r1)
			g.G("B %s", next)
			g.Label(part)
		}
		// The values that lack are zeros, which change nothing.
		g.G("CBZ %v, %s", r1, done)
		last := g.NewLabel("last")
		v := g.Vec()
		g.Zero(v)
		for lane := range 3 {
			g.G("VLD1.P 4(%v), V%d.S[%d]", r0, v, lane)
			g.G("SUBS $1, %v", r1)
			if lane < 2 {
				g.G("BEQ %s", last)
			}
		}
		g.Label(last)
		add(v, sums[2*i:])
		if i < 3 {
			g.G("B %s", done)
			g.Label(next)
		}
	}
	g.Label(done)
	for n := 4; n > 0; n /= 2 {
		for i := range n {
			g.I("fadd %.2d, %.2d, %.2d", sums[i], sums[i], sums[i+n])
		}
	}
	g.I("faddp d%, %.2d", sums[0], sums[0])
	g.G("FMOVD F%d, %s", sums[0], g.Param("ret"))
	g.Free(sums...)
	g.G("RET")
}

func (g vec) norm() {
	g.Func("norm", 0, "(dst, x, w *float32, n int, f float32)", "norm writes (x*f)*w to dst, n values.")
	g.params(r0, "dst", "x", "w", "n")
	f := g.broadcast("f")
	g.loop(r3, 4, []arm64.R{r0, r1, r2}, func(w width) {
		a, b := w.load(r1), w.load(r2)
		w.each("fmul %.4s, %.4s, %.4s", a, a, f)
		w.each("fmul %.4s, %.4s, %.4s", a, a, b)
		g.Free(b...)
		w.store(a, r0)
	})
	g.Free(f...)
	g.G("RET")
}

func (g vec) rope() {
	g.Func("rope", 0, "(x *float32, heads, half int, cos, sin *float32)",
		"rope rotates heads of 2*half values by half angles; heads is at least 1.")
	g.params(r0, "x", "heads", "half")
	g.Repeat("head", r1, 1, func() {
		g.G("ADD %v<<2, %v, %v", r2, r0, r3)
		g.params(r4, "cos", "sin")
		g.G("MOVD %v, %v", r2, r6)
		g.loop(r6, 2, []arm64.R{r0, r3, r4, r5}, func(w width) {
			u, v, c, s := w.load(r0), w.load(r3), w.load(r4), w.load(r5)
			uc, vc := w.Vecs(w.regs), w.Vecs(w.regs)
			w.each("fmul %.4s, %.4s, %.4s", uc, u, c)
			w.each("fmul %.4s, %.4s, %.4s", vc, v, c)
			w.each("fmul %.4s, %.4s, %.4s", v, v, s)
			w.each("fmul %.4s, %.4s, %.4s", u, u, s)
			w.each("fsub %.4s, %.4s, %.4s", uc, uc, v)
			w.each("fadd %.4s, %.4s, %.4s", vc, vc, u)
			g.FreeAll(u, v, c, s)
			w.store(uc, r0)
			w.store(vc, r3)
		})
		g.G("MOVD %v, %v", r3, r0)
	})
	g.G("RET")
}

func (g vec) halves() {
	g.Func("halves", 0, "(dst *byte, x *float32, n int)", "halves writes x as float16 to dst; n is a positive multiple of 16.")
	g.params(r0, "dst", "x", "n")
	g.Repeat("loop", r2, 16, func() {
		w := width{g.Asm, 4, false}
		v := w.load(r1)
		for i := range 2 {
			g.I("fcvtn %.4h, %.4s", v[2*i], v[2*i])
			g.I("fcvtn2 %.8h, %.4s", v[2*i], v[2*i+1])
			g.Store(v[2*i], r0, 16*i)
		}
		g.Free(v...)
		g.G("ADD $64, %v", r1)
		g.G("ADD $32, %v", r0)
	})
	g.G("RET")
}

// words are numbers as read-only data.
func words(v []uint32) (data []byte) {
	for _, w := range v {
		data = binary.LittleEndian.AppendUint32(data, w)
	}
	return data
}
