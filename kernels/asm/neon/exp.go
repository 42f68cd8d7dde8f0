package main

import "qgo/kernels/asm/arm64"

// The constants of generic.Exp.
const (
	expMin    = -87.33
	expMax    = 88.72283
	log2E     = 1.44269504088896341
	ln2Hi     = 0.693359375
	ln2Lo     = -2.12194440e-4
	toInteger = 12582912
)

// expP is its polynomial.
var expP = []float64{1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1}

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
	e.log2E, e.toInteger = g.constant(log2E), g.constant(toInteger)
	e.ln2Hi, e.ln2Lo = g.constant(ln2Hi), g.constant(ln2Lo)
	e.one, e.min = g.constant(1), g.constant(expMin)
	if big {
		e.max = g.constant(expMax)
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
