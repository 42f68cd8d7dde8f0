// Package simd drives assembler kernels: it holds what is the same for all
// instruction sets, checks of lengths and what is not worth vectors. The
// results are those of the functions of the same names in package generic, bit
// for bit; Attend's may be those of fused multiplications and additions.
package simd

import (
	"qgo/kernels/generic"
	"qgo/kernels/panel"
	"qgo/kernels/tier"
	"qgo/tensor"
)

// Ops are the assembler functions of an instruction set. Slices come as
// pointers; the functions do not check anything.
type Ops struct {
	Add     func(dst, x *float32, n int)
	Scale   func(dst, x *float32, n int, f float32)
	Merge   func(dst, x *float32, n int, f1, f2 float32) // dst = dst*f1 + x*f2
	SwiGLU  func(gate, up *float32, n int)
	Squares func(x *float32, n int) float64 // in 16 interleaved sums, added in halves
	Norm    func(dst, x, w *float32, n int, f float32)
	Rope    func(x *float32, heads, half int, cos, sin *float32)
	Halves  func(dst *byte, x *float32, n int) // n a positive multiple of 16

	// Plain is the tier that defines the bits of Quantize and of kernels for panels.
	Plain *tier.Tier
	// Quantize quantises n times QuantizeBlocks blocks.
	Quantize       func(x *float32, dst *tensor.Block, n int)
	QuantizeBlocks int

	// Those of attention, for up to Queries queries, a number that
	// generic.AttnQueries is not below: see [Attention].
	Queries  int
	Fused    bool // Scores and Values add products without rounding them before
	F32, F16 Attention
	Q8       Attention
	// Softmax replaces the first m scores of n queries, AttnChunk apart.
	Softmax func(s *float32, n, m int, top, sum *float32)
}

// Attention are the two products of attention with keys and values of a type.
type Attention struct {
	// Scores writes q[n][d] times blocks of keys to s[n][AttnChunk].
	Scores func(s, q *float32, n int, k *byte, d, blocks int)
	// Values writes p[n][AttnChunk] times rows of values to acc[n][d].
	Values func(acc, p *float32, n int, v *byte, d, rows int)
}

// maxRun bounds the values of one call: Go cannot interrupt assembler.
const maxRun = 1 << 16

// run cuts n values into calls of do.
func run(n int, do func(i, n int)) {
	for i := 0; i < n; i += maxRun {
		do(i, min(maxRun, n-i))
	}
}

// Tier returns a tier of assembler functions, and of kernels for panels. What
// follows are the functions of the same names in package generic.
func (o *Ops) Tier(name string, isa *tier.ISA, l panel.Layout) *tier.Tier {
	t := *o.Plain
	t.Name, t.ISA, t.Panels, t.Fused = name, isa, l, o.Fused
	t.RMSNorm, t.Rope, t.SwiGLU = o.rmsNorm, o.rope, o.swiGLU
	t.Add, t.Scale, t.Halves = o.add, o.scale, o.halves
	t.Quantize, t.Attend, t.Merge = o.quantize, o.attend, o.merge
	return &t
}

func (o *Ops) add(dst, x []float32) {
	dst = dst[:len(x)]
	run(len(x), func(i, n int) { o.Add(&dst[i], &x[i], n) })
}

func (o *Ops) scale(dst, x []float32, f float32) {
	dst = dst[:len(x)]
	run(len(x), func(i, n int) { o.Scale(&dst[i], &x[i], n, f) })
}

func (o *Ops) merge(acc []float32, max1, sum1 float32, acc2 []float32, max2, sum2 float32) (float32, float32) {
	if sum1 == 0 || sum2 == 0 {
		return generic.Merge(acc, max1, sum1, acc2, max2, sum2)
	}
	f1, f2, top, sum := generic.MergeFactors(max1, sum1, max2, sum2)
	acc = acc[:len(acc2)]
	run(len(acc2), func(i, n int) { o.Merge(&acc[i], &acc2[i], n, f1, f2) })
	return top, sum
}

func (o *Ops) swiGLU(gate, up []float32) {
	up = up[:len(gate)]
	run(len(gate), func(i, n int) { o.SwiGLU(&gate[i], &up[i], n) })
}

func (o *Ops) rmsNorm(dst, x, w []float32, eps float32) {
	if len(x) == 0 {
		return
	}
	dst, w = dst[:len(x)], w[:len(x)]
	f := generic.RMSScale(o.Squares(&x[0], len(x)), len(x), eps)
	o.Norm(&dst[0], &x[0], &w[0], len(x), f)
}

func (o *Ops) rope(x, cos, sin []float32) {
	half := len(cos)
	if half == 0 || len(x) < 2*half {
		return
	}
	sin = sin[:half]
	o.Rope(&x[0], len(x)/(2*half), half, &cos[0], &sin[0])
}

func (o *Ops) halves(dst []byte, x []float32) {
	dst = dst[:2*len(x)]
	n := len(x) &^ 15
	run(n, func(i, n int) { o.Halves(&dst[2*i], &x[i], n) })
	generic.Halves(dst[2*n:], x[n:])
}

func (o *Ops) quantize(x []float32, dst []tensor.Block) {
	n, unit := len(dst), o.QuantizeBlocks
	if n < unit {
		o.Plain.Quantize(x, dst)
		return
	}
	x = x[:n*tensor.BlockLen]
	o.Quantize(&x[0], &dst[0], n/unit)
	if n%unit != 0 { // the last ones, some of them once more
		n -= unit
		o.Quantize(&x[n*tensor.BlockLen], &dst[n], 1)
	}
}
