package main

import (
	"qgo/kernels/asm/arm64"
	"qgo/kernels/generic"
)

// toInteger is magic as a number.
const toInteger = 0x1.8p23

// expP is the polynomial of generic.Exp.
var expP = [...]float64{generic.ExpP0, generic.ExpP1, generic.ExpP2, generic.ExpP3, generic.ExpP4, generic.ExpP5}

// exponential holds constants in registers.
type exponential struct {
	vec
	log2E, toInteger, ln2Hi, ln2Lo, one, min, max, infinity []arm64.V
	p                                                       [][]arm64.V
}

// newExp loads the constants. For values that may be above the upper bound,
// big must be set.
func (g vec) newExp(big bool) *exponential {
	e := &exponential{vec: g}
	e.log2E, e.toInteger = g.constant(generic.Log2E), g.constant(toInteger)
	e.ln2Hi, e.ln2Lo = g.constant(generic.Ln2Hi), g.constant(generic.Ln2Lo)
	e.one, e.min = g.constant(1), g.constant(generic.ExpMin)
	if big {
		e.max = g.constant(generic.ExpMax)
		e.infinity = g.Vecs(1)
		g.Splat(e.infinity[0], 0x7f800000, 16)
	}
	for _, c := range expP {
		e.p = append(e.p, g.constant(c))
	}
	return e
}

func (e *exponential) free() {
	e.FreeAll(e.log2E, e.toInteger, e.ln2Hi, e.ln2Lo, e.one, e.min, e.max, e.infinity)
	e.FreeAll(e.p...)
}

// exp replaces x by its exponential, with the operations of generic.Exp in the
// same order; those that are fused have exact products.
func (e *exponential) exp(w width, x []arm64.V) {
	n, r, p := w.Vecs(w.regs), w.Vecs(w.regs), w.Vecs(w.regs)
	w.each("fmul %.4s, %.4s, %.4s", n, x, e.log2E)
	w.each("fadd %.4s, %.4s, %.4s", n, n, e.toInteger)
	w.each("fsub %.4s, %.4s, %.4s", n, n, e.toInteger)
	w.each("orr %.16b, %.16b, %.16b", r, x, x)
	w.each("fmls %.4s, %.4s, %.4s", r, n, e.ln2Hi)
	w.each("fmul %.4s, %.4s, %.4s", p, n, e.ln2Lo)
	w.each("fsub %.4s, %.4s, %.4s", r, r, p)
	w.each("fmul %.4s, %.4s, %.4s", p, r, e.p[0])
	for i, c := range e.p[1:] {
		w.each("fadd %.4s, %.4s, %.4s", p, p, c)
		if i < len(e.p)-2 {
			w.each("fmul %.4s, %.4s, %.4s", p, p, r)
		}
	}
	t := w.Vecs(w.regs)
	w.each("fmul %.4s, %.4s, %.4s", t, r, r)
	w.each("fmul %.4s, %.4s, %.4s", p, p, t)
	w.each("fadd %.4s, %.4s, %.4s", p, p, r)
	w.each("fadd %.4s, %.4s, %.4s", p, p, e.one)
	// n goes into the exponent; that of a NaN is 0.
	w.each("fcvtns %.4s, %.4s", n, n)
	for i := range n {
		w.I("shl %.4s, %.4s, #%", n[i], n[i], 23)
	}
	w.each("add %.4s, %.4s, %.4s", p, p, n)
	w.each("fcmgt %.4s, %.4s, %.4s", t, e.min, x)
	if e.max != nil {
		w.each("fcmgt %.4s, %.4s, %.4s", n, x, e.max)
		w.each("bit %.16b, %.16b, %.16b", p, e.infinity, n)
	}
	w.each("bic %.16b, %.16b, %.16b", x, p, t)
	w.FreeAll(n, r, p, t)
}
