package cpu

import (
	"qgo/kernels"
	"qgo/kernels/plan"
	"qgo/tensor"
)

// ownRows is the number of rows up to which every worker norms all of them for
// itself, when it first needs them: that takes less than waiting for one another.
const ownRows = 4

// norms are what a worker is to norm the hidden states with.
type norms struct {
	weight        []float32
	reduced, rest bool
	due           bool // not done yet
}

// normalise norms the hidden states, in the forms that the matrices need: as
// they are, and with reduced in 8 bits or bfloat16 too, to which rest adds what
// quantising took. See [pass.normed] for where they are.
func (p *pass) normalise(w *kernels.Worker, weight []float32, reduced, rest bool) {
	t := p.workers[w.ID]
	t.Norm.Bfloat = p.bfloat
	if p.rows() <= ownRows {
		t.Norms = norms{weight, reduced, rest, true}
		return
	}
	for it := p.items(w, plan.OpNorm, p.rows(), rowsAtOnce); it.Next(); {
		for i := it.Lo; i < it.Hi; i++ {
			p.normRow(t, i-it.Lo, p.x[i*p.Width:(i+1)*p.Width], weight, reduced, rest)
		}
		if !it.Commit() {
			continue
		}
		for i := it.Lo; i < it.Hi; i++ {
			copyRow(&p.acts.norm, i, t.Norm, i-it.Lo)
			if rest {
				copyRow(&p.acts.rest, i, t.Rest, i-it.Lo)
			}
		}
	}
}

// normed returns the normed hidden states, and what their quantisation took. A
// worker may ask for them when it has an item: then the hidden states stay as
// they are.
func (p *pass) normed(t *scratch) (norm, rest *tensor.Acts) {
	if p.rows() > ownRows {
		return &p.acts.norm, &p.acts.rest
	}
	if n := &t.Norms; n.due {
		n.due = false
		for i := range p.rows() {
			p.normRow(t, i, p.x[i*p.Width:(i+1)*p.Width], n.weight, n.reduced, n.rest)
		}
		p.lap(t, plan.OpNorm)
	}
	return t.Norm, t.Rest
}

// normRow makes row i of t.Norm, and of t.Rest with rest.
func (p *pass) normRow(t *scratch, i int, x, weight []float32, reduced, rest bool) {
	row := t.Norm.Row(i)
	p.tier.RMSNorm(row, x, weight, p.Eps)
	if reduced {
		p.reduce(row, t.Norm.QuantRow(i), t.Norm.Bfloat)
	}
	if !rest {
		return
	}
	left := t.Rest.Row(i)
	copy(left, row)
	for g, b := range t.Norm.QuantRow(i) {
		for k, q := range b.Q {
			left[g*tensor.BlockLen+k] -= float32(b.D[k/tensor.GroupLen] * float32(q))
		}
	}
	p.tier.Quantize(left, t.Rest.QuantRow(i))
}

// reduce quantises values to 8 bits, or rounds them to bfloat16.
func (p *pass) reduce(x []float32, dst []tensor.Block, bfloat bool) {
	if bfloat {
		p.tier.Bfloat(x, dst)
	} else {
		p.tier.Quantize(x, dst)
	}
}

// copyRow copies row j of src to row i of dst, in the forms that dst has.
func copyRow(dst *tensor.Acts, i int, src *tensor.Acts, j int) {
	if dst.F != nil {
		copy(dst.Row(i), src.Row(j))
	}
	if dst.Q != nil {
		copy(dst.QuantRow(i), src.QuantRow(j))
	}
}

// quantise adds the quantised form of attention's outputs, where it is wanted and
// [pass.finish] cannot do it, because the heads that share keys do not fill blocks.
func (p *pass) quantise(w *kernels.Worker, layer int) {
	if p.wholeBlocks() || !p.reduced(p.Blocks[layer].O.W) {
		return
	}
	a, blocks := &p.acts.attn, p.workers[w.ID].Blocks
	n := a.Cols / tensor.BlockLen
	for it := p.items(w, plan.OpAttention, p.rows(), fitting(p.workers[w.ID].Out[0], a.Cols)); it.Next(); {
		for i := it.Lo; i < it.Hi; i++ {
			p.reduce(a.Row(i), blocks[(i-it.Lo)*n:][:n], p.bfloat)
		}
		if it.Commit() {
			for i := it.Lo; i < it.Hi; i++ {
				copy(a.QuantRow(i), blocks[(i-it.Lo)*n:])
			}
		}
	}
}

// planes reports whether one of the matrices is multiplied with two planes of
// activations. In bfloat16 one of them is as near: KL from exact arithmetic is
// 7.4e-4 in the mean over a text with one and 6.1e-4 with two (godoc-tiny q8_0),
// where two of 8 bits for keys and values have 2.6e-3.
func (p *pass) planes(ms ...tensor.Tensor) bool { return !p.bfloat && p.integer(ms...) }

// reduced reports whether one of the matrices is multiplied with activations in
// 8 bits or in bfloat16.
func (p *pass) reduced(ms ...tensor.Tensor) bool {
	return p.integer(ms...) || p.bfloat && inBfloat(p.tier, ms...)
}

func (s *Stage) integer(ms ...tensor.Tensor) bool { return integer(s.tier, ms...) }
