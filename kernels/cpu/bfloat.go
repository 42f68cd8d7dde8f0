package cpu

import (
	"qgo/kernels/plan"
	"qgo/kernels/tier"
	"qgo/tensor"
)

// Fast returns the tier that --fast takes in the place of t: t.Fast where this
// machine can run it and it multiplies floating-point weights of the plan in
// bfloat16, otherwise t.
func Fast(p plan.Plan, t *tier.Tier) *tier.Tier {
	if t.Fast == nil || !t.Fast.ISA.Here() || !bfloatBlocks(p, t.Fast, false) {
		return t
	}
	for i := range p.Blocks {
		for _, l := range p.Blocks[i].Linears() {
			if !l.W.Type.Integer() && inBfloat(t.Fast, l.W) {
				return t.Fast
			}
		}
	}
	return t
}

// bfloatBlocks reports whether a tier multiplies matrices of a plan's blocks with
// many rows in bfloat16. The activations of a pass are in 8 bits or in bfloat16,
// so all matrices that want one of the two must want the same. Floating-point
// weights must be in panels, and the rows of all in whole blocks.
func bfloatBlocks(p plan.Plan, t *tier.Tier, original bool) bool {
	some := false
	for i := range p.Blocks {
		for _, l := range p.Blocks[i].Linears() {
			in := inBfloat(t, l.W)
			some = some || in
			switch {
			case l.W.Type.Integer():
				if !in {
					return false
				}
			case in && (original || !t.Repacks(l.W) || l.W.Cols%tensor.BlockLen != 0):
				return false
			}
		}
	}
	return some
}

// inBfloat reports whether a tier multiplies one of the matrices with many rows
// of activations in bfloat16.
func inBfloat(t *tier.Tier, ms ...tensor.Tensor) bool {
	for _, m := range ms {
		if t.Bfloat != nil && t.InBfloat(m.Type) {
			return true
		}
	}
	return false
}
