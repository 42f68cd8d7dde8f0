package cpu

import (
	"qgo/kernels/plan"
	"qgo/kernels/tier"
	"qgo/tensor"
)

// Suited returns the tier that computes a plan: t.Floats where that multiplies many rows of
// its weights in a form of their own, otherwise t.
func Suited(p plan.Plan, t *tier.Tier) *tier.Tier {
	if t.Floats != nil && manyBlocks(p, t.Floats, false) {
		return t.Floats
	}
	return t
}

// Fast returns the tier that --fast takes in the place of t: t.Fast where this
// machine can run it and it multiplies floating-point weights of the plan in
// bfloat16, otherwise t.
func Fast(p plan.Plan, t *tier.Tier) *tier.Tier {
	if t.Fast == nil || !t.Fast.ISA.Here() || !manyBlocks(p, t.Fast, false) {
		return t
	}
	for i := range p.Blocks {
		for _, l := range p.Blocks[i].Linears() {
			if !l.W.Type.Integer() && t.Fast.Many.Multiplies(l.W) {
				return t.Fast
			}
		}
	}
	return t
}

// manyBlocks reports whether a tier multiplies matrices of a plan's blocks with
// many rows in another form than with few. The activations of a pass are in 8 bits or in that
// form, so all matrices that want one of the two must want the same. Floating-point
// weights must be in panels, and the rows of all in whole blocks.
func manyBlocks(p plan.Plan, t *tier.Tier, original bool) bool {
	some := false
	for i := range p.Blocks {
		for _, l := range p.Blocks[i].Linears() {
			in := t.Many.Multiplies(l.W)
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

// reduced are blocks of activations in the form that a pass multiplies: one of the two.
type reduced struct {
	q []tensor.Block // in 8 bits, or in bfloat16
	w []tensor.Words
}

// newReduced returns room for n blocks in all forms of a tier.
func newReduced(t *tier.Tier, n int) (r reduced) {
	r.q = make([]tensor.Block, n)
	if manyWords(t) {
		r.w = make([]tensor.Words, n)
	}
	return r
}

// reducedBytes is the memory of newReduced(t, n).
func reducedBytes(t *tier.Tier, n int) int {
	if manyWords(t) {
		return n * (tensor.BlockBytes + tensor.WordsBytes)
	}
	return n * tensor.BlockBytes
}

// manyWords reports whether the form of a tier for many rows is words.
func manyWords(t *tier.Tier) bool { return t != nil && t.Many != nil && t.Many.Words != nil }

// reducedForms are the forms of activations that are multiplied with the blocks' matrices.
func reducedForms(t *tier.Tier) tensor.Forms {
	return tensor.Forms{Float: true, Quantised: true, Words: manyWords(t)}
}

// reducedRow is row i of activations, from block number from on.
func (p *pass) reducedRow(x *tensor.Acts, i, from int) (r reduced) {
	if p.manyWords {
		r.w = x.WordsRow(i)[from:]
	} else {
		r.q = x.QuantRow(i)[from:]
	}
	return r
}

// from are the blocks from number i on, of those that r has.
func (r reduced) from(i int) reduced {
	if r.w != nil {
		r.w = r.w[i:]
	}
	if r.q != nil {
		r.q = r.q[i:]
	}
	return r
}

// copy copies n blocks.
func (r reduced) copy(from reduced, n int) {
	if r.w != nil {
		copy(r.w[:n], from.w)
	} else {
		copy(r.q[:n], from.q)
	}
}

// reduce quantises values to the form that the pass multiplies.
func (p *pass) reduce(x []float32, dst reduced) {
	n := len(x) / tensor.BlockLen
	switch {
	case p.manyWords:
		p.tier.Many.Words(x, dst.w[:n])
	case p.many:
		p.tier.Many.Bfloat(x, dst.q[:n])
	default:
		p.tier.Quantize(x, dst.q[:n])
	}
}
