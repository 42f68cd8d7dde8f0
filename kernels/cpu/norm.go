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
	weight  []float32
	reduced bool
	due     bool    // not done yet
	fineDue bool    // nor their finer form
	down    *linear // see [pass.normalise]
}

// normalise norms the hidden states, in the forms that the matrices need: as they
// are, and with reduced in 8 bits or the form for many too, to which fine adds their
// finer form. See [pass.normed] and [pass.fine] for where they are.
// Afterwards workers look ahead to down, or if it is nil to the output's matrix.
func (p *pass) normalise(w *kernels.Worker, weight []float32, reduced, fine bool, down *linear) {
	t := p.workers[w.ID]
	t.Norm.Many = p.many
	if p.rows() <= ownRows {
		t.Norms = norms{weight, reduced, true, fine, down}
		return
	}
	for it := p.items(w, plan.OpNorm, p.rows(), rowsAtOnce); it.Next(); {
		for i := it.Lo; i < it.Hi; i++ {
			p.normRow(w, i-it.Lo, p.x[i*p.Width:(i+1)*p.Width], weight, reduced)
			if fine {
				p.fineRow(w, i-it.Lo)
			}
		}
		if !it.Commit() {
			continue
		}
		for i := it.Lo; i < it.Hi; i++ {
			copyRow(&p.acts.norm, i, t.Norm, i-it.Lo)
			if fine {
				copyRow(&p.acts.fine, i, t.Fine, i-it.Lo)
			}
		}
	}
	p.aheadOfNormed(w, down)
}

// aheadOfNormed looks ahead to what is read after the products of normed rows.
func (p *pass) aheadOfNormed(w *kernels.Worker, down *linear) {
	if down != nil {
		p.aheadShare(w, down)
	} else {
		w.Skip(aheadOutput)
	}
}

// normed returns the normed hidden states. A worker may ask for them when it has
// an item: then the hidden states stay as they are. What it named to be read
// ahead is still that of its operation when it norms for itself, and fetched
// meanwhile: everybody norms, so that the memory would be idle.
func (p *pass) normed(w *kernels.Worker) *tensor.Acts {
	t := p.workers[w.ID]
	if p.rows() > ownRows {
		return &p.acts.norm
	}
	if n := &t.Norms; n.due {
		n.due = false
		for i := range p.rows() {
			p.normRow(w, i, p.x[i*p.Width:(i+1)*p.Width], n.weight, n.reduced)
		}
		w.Fetch(normFetch)
		p.aheadOfNormed(w, n.down)
		p.lap(t, plan.OpNorm)
	}
	return t.Norm
}

// fine returns the finer form of the normed hidden states. A worker may ask for it
// after [pass.normed].
func (p *pass) fine(w *kernels.Worker) *tensor.Acts {
	t := p.workers[w.ID]
	if p.rows() > ownRows {
		return &p.acts.fine
	}
	if n := &t.Norms; n.fineDue {
		n.fineDue = false
		for i := range p.rows() {
			p.fineRow(w, i)
		}
		p.lap(t, plan.OpNorm)
	}
	return t.Fine
}

// normFetch is how much of what is multiplied next a worker asks for at a time
// while it norms: about as much as comes meanwhile.
const normFetch = 2 << 10

// normRow makes row i of the worker's Norm.
func (p *pass) normRow(w *kernels.Worker, i int, x, weight []float32, reduced bool) {
	t := p.workers[w.ID]
	row := t.Norm.Row(i)
	p.tier.RMSNorm(row, x, weight, p.Eps)
	w.Fetch(normFetch)
	switch {
	case reduced && t.Norm.Many:
		p.reduce(row, p.reducedRow(t.Norm, i, 0))
	case reduced:
		p.tier.Quantize(row, t.Norm.QuantRow(i))
	}
}

// fineRow makes row i of the worker's Fine of that of its Norm: 16 bits, or a second
// plane.
func (p *pass) fineRow(w *kernels.Worker, i int) {
	t := p.workers[w.ID]
	if p.words() {
		p.tier.Words(t.Norm.Row(i), t.Fine.WordsRow(i))
		return
	}
	left := t.Fine.Row(i)
	subtract(left, t.Norm.Row(i), t.Norm.QuantRow(i))
	p.tier.Quantize(left, t.Fine.QuantRow(i))
}

// words reports whether what is to come out as from 16-bit activations is multiplied
// with those, and not with two planes of 8 bits. The tier decides it for all types.
func (s *Stage) words() bool { return s.tier.Words != nil }

// subtract writes to left what the quantised form of a row lacks.
func subtract(left, row []float32, blocks []tensor.Block) {
	for g := range blocks {
		b := &blocks[g]
		from := (*[tensor.BlockLen]float32)(row[g*tensor.BlockLen:])
		to := (*[tensor.BlockLen]float32)(left[g*tensor.BlockLen:])
		d0, d1 := b.D[0], b.D[1]
		for k := range tensor.GroupLen {
			to[k] = from[k] - float32(d0*float32(b.Q[k]))
			to[k+tensor.GroupLen] = from[k+tensor.GroupLen] - float32(d1*float32(b.Q[k+tensor.GroupLen]))
		}
	}
}

// copyRow copies row j of src to row i of dst, in the forms that both have.
func copyRow(dst *tensor.Acts, i int, src *tensor.Acts, j int) {
	if dst.F != nil && src.F != nil {
		copy(dst.Row(i), src.Row(j))
	}
	if dst.Q != nil && src.Q != nil {
		copy(dst.QuantRow(i), src.QuantRow(j))
	}
	if dst.W != nil && src.W != nil {
		copy(dst.WordsRow(i), src.WordsRow(j))
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
			p.reduce(a.Row(i), blocks.from((i-it.Lo)*n))
		}
		if it.Commit() {
			for i := it.Lo; i < it.Hi; i++ {
				p.reducedRow(a, i, 0).copy(blocks.from((i-it.Lo)*n), n)
			}
		}
	}
}

// finer reports whether one of the matrices, of keys and values, is multiplied with the
// finer form of activations. In bfloat16 one of them is as near: KL from exact arithmetic is
// 7.4e-4 in the mean over a text with one and 6.1e-4 with two (godoc-tiny q8_0),
// where two of 8 bits for keys and values have 2.6e-3.
func (p *pass) finer(ms ...tensor.Tensor) bool { return !p.many && p.integer(ms...) }

// reduced reports whether one of the matrices is multiplied with activations in
// 8 bits or in the form for many rows.
func (p *pass) reduced(ms ...tensor.Tensor) bool {
	return p.integer(ms...) || p.many && p.tier.Many.Multiplies(ms...)
}

func (s *Stage) integer(ms ...tensor.Tensor) bool { return integer(s.tier, ms...) }
