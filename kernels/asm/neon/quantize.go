package main

import (
	"math"

	"qgo/kernels/asm/arm64"
	"qgo/kernels/asm/panels"
)

// quantSteps are those of generic.Quantize.
var quantSteps = [...]float64{127, 124, 121, 118}

// quantize writes the kernels that quantise activations, in groups of 16 and of 32.
func quantize(a *arm64.Asm) string {
	g := quantizer{vec{a}, false}
	g.generate("quantize", "quantises n times two blocks.")
	g.whole = true
	g.generate("quantize32", "quantises n times two blocks, each with one scale.")
	return "import \"qgo/tensor\"\n"
}

type quantizer struct {
	vec
	whole bool // a block is one group
}

// generate writes a kernel. A lane is half a block: those of two blocks are
// transposed, so that register i holds value i of each half and sums need no shuffles.
func (g quantizer) generate(name, doc string) {
	g.Func(name, 0, "(x *float32, dst *tensor.Block, n int)", name+" "+doc)
	g.params(r0, "x", "dst", "n")
	g.Repeat("next", r2, 1, func() {
		var v [16]arm64.V // value i of the four halves
		for i := range 4 {
			var rows [4]arm64.V // values 4i to 4i+3 of each half
			for j := range rows {
				rows[j] = g.Loaded(r0, 64*j+16*i)
			}
			copy(v[4*i:], g.transpose(rows))
		}
		top := g.largest(v[:])
		step, d := g.choose(v[:], top)
		g.storeBlocks(v[:], top, step, d)
		g.G("ADD $256, %v", r0)
		g.G("ADD $%d, %v", 2*panels.BlockBytes, r1)
	})
	g.G("RET")
}

// join combines the numbers of both halves of a block, where it is one group. The
// result of op does not depend on their order.
func (g quantizer) join(op string, v arm64.V) {
	if g.whole {
		t := g.Vec()
		g.I("rev64 %.4s, %.4s", t, v)
		g.I(op+" %.4s, %.4s, %.4s", v, v, t)
		g.Free(t)
	}
}

// transpose makes register i hold lane i of all. It frees the rows.
func (g vec) transpose(rows [4]arm64.V) []arm64.V {
	t := g.Vecs(4)
	g.I("zip1 %.4s, %.4s, %.4s", t[0], rows[0], rows[2])
	g.I("zip2 %.4s, %.4s, %.4s", t[1], rows[0], rows[2])
	g.I("zip1 %.4s, %.4s, %.4s", t[2], rows[1], rows[3])
	g.I("zip2 %.4s, %.4s, %.4s", t[3], rows[1], rows[3])
	for i := range 2 {
		g.I("zip1 %.4s, %.4s, %.4s", rows[2*i], t[i], t[i+2])
		g.I("zip2 %.4s, %.4s, %.4s", rows[2*i+1], t[i], t[i+2])
	}
	g.Free(t...)
	return rows[:]
}

// largest returns the largest absolute value of each group. As integers,
// infinities and then NaNs are larger than all numbers.
func (g quantizer) largest(v []arm64.V) arm64.V {
	top := g.Vec()
	g.I("fabs %.4s, %.4s", top, v[0])
	for _, x := range v[1:] {
		t := g.Vec()
		g.I("fabs %.4s, %.4s", t, x)
		g.I("smax %.4s, %.4s, %.4s", top, top, t)
		g.Free(t)
	}
	g.join("smax", top)
	return top
}

// choose returns the best step of each group and the scale that goes with it.
// Two steps are tried at a time, for their sums are long chains.
func (g quantizer) choose(v []arm64.V, top arm64.V) (step, d arm64.V) {
	best := g.Vec()
	step, d = g.Vec(), g.Vec()
	for first := 0; first < len(quantSteps); first += 2 {
		inv, xq, qq := g.Vecs(2), g.Vecs(2), g.Vecs(2)
		for s := range inv {
			length := g.constant(quantSteps[first+s])
			g.I("fdiv %.4s, %.4s, %.4s", inv[s], length[0], top)
			g.Free(length...)
			g.Zero(xq[s])
			g.Zero(qq[s])
		}
		for _, x := range v {
			for s := range inv {
				c := g.Vec()
				g.I("fmul %.4s, %.4s, %.4s", c, x, inv[s])
				g.I("frintn %.4s, %.4s", c, c)
				g.I("fmla %.4s, %.4s, %.4s", qq[s], c, c) // exact: integers below 2^24
				g.I("fmul %.4s, %.4s, %.4s", c, c, x)
				g.I("fadd %.4s, %.4s, %.4s", xq[s], xq[s], c)
				g.Free(c)
			}
		}
		for s := range inv {
			g.join("fadd", xq[s])
			g.join("fadd", qq[s])
			length := g.constant(quantSteps[first+s])[0]
			ratio, gain := qq[s], xq[s]
			g.I("fdiv %.4s, %.4s, %.4s", ratio, xq[s], qq[s])
			g.I("fmul %.4s, %.4s, %.4s", gain, ratio, xq[s])
			if first+s == 0 {
				g.Move(best, gain)
				g.Move(step, length)
				g.Move(d, ratio)
			} else {
				better := inv[s]
				g.I("fcmgt %.4s, %.4s, %.4s", better, gain, best)
				g.I("bit %.16b, %.16b, %.16b", best, gain, better)
				g.I("bit %.16b, %.16b, %.16b", step, length, better)
				g.I("bit %.16b, %.16b, %.16b", d, ratio, better)
			}
			g.Free(length)
		}
		g.FreeAll(inv, xq, qq)
	}
	g.Free(best)
	return step, d
}

// storeBlocks writes codes, scales and sums. It frees its arguments.
func (g quantizer) storeBlocks(v []arm64.V, top, step, d arm64.V) {
	inv, sum := step, g.Vec()
	g.I("fdiv %.4s, %.4s, %.4s", inv, step, top)
	// Groups that are too large, or no numbers, and those that are too small.
	bad, zero := g.Vec(), g.Vec()
	limit := g.constant(0x1p50)[0]
	g.I("cmgt %.4s, %.4s, %.4s", bad, top, limit)
	g.Splat(limit, math.Float32bits(0x1p-50), 16)
	g.I("cmgt %.4s, %.4s, %.4s", zero, limit, top)
	none := top
	g.I("orr %.16b, %.16b, %.16b", none, bad, zero)
	g.Free(limit)
	var words [4]arm64.V // codes 4i to 4i+3 of each group
	for i := range words {
		for j := range 4 {
			c := v[4*i+j]
			g.I("fmul %.4s, %.4s, %.4s", c, c, inv)
			g.I("fcvtns %.4s, %.4s", c, c)
			g.I("bic %.16b, %.16b, %.16b", c, c, none)
			if i+j == 0 {
				g.Move(sum, c)
			} else {
				g.I("add %.4s, %.4s, %.4s", sum, sum, c)
			}
			if j > 0 {
				g.I("sli %.4s, %.4s, #%", v[4*i], c, 8*j)
			}
		}
		words[i] = v[4*i]
		g.Free(v[4*i+1 : 4*i+4]...)
	}
	for i, c := range g.transpose(words) {
		g.Store(c, r1, i/2*panels.BlockBytes+i%2*16)
		g.Free(c)
	}
	g.I("bic %.16b, %.16b, %.16b", d, d, zero)
	nan := g.Vec()
	g.Splat(nan, 0x7fc00000, 16)
	g.I("bit %.16b, %.16b, %.16b", d, nan, bad)
	scaled, start, t := bad, zero, none
	g.I("scvtf %.4s, %.4s", scaled, sum)
	g.I("fmul %.4s, %.4s, %.4s", scaled, scaled, d)
	g.I("neg %.4s, %.4s", start, sum)
	g.I("shl %.4s, %.4s, #%", start, start, 7)
	both := nan
	g.I("rev64 %.4s, %.4s", both, scaled)
	g.I("fadd %.4s, %.4s, %.4s", both, both, scaled)
	for i, pair := range [][2]arm64.V{{d, start}, {scaled, both}} {
		g.I("zip1 %.2d, %.2d, %.2d", t, pair[0], pair[1])
		g.Store(t, r1, panels.OffD+16*i)
		g.I("zip2 %.2d, %.2d, %.2d", t, pair[0], pair[1])
		g.Store(t, r1, panels.BlockBytes+panels.OffD+16*i)
	}
	g.Free(inv, sum, bad, zero, none, nan, d)
}
