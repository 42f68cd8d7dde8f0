package cpu

import (
	"qgo/kernels"
	"qgo/kernels/plan"
	"qgo/tensor"
)

// normalise norms the hidden states, in the forms that the matrices need: as
// they are, and with integer quantised too, to which rest adds what that took.
func (p *pass) normalise(w *kernels.Worker, weight []float32, integer, rest bool) {
	t := p.workers[w.ID]
	for it := p.items(w, plan.OpNorm, p.rows(), rowsAtOnce); it.Next(); {
		for i := it.Lo; i < it.Hi; i++ {
			p.normRow(t, i-it.Lo, p.x[i*p.Width:(i+1)*p.Width], weight, integer, rest)
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

// normRow makes row i of t.Norm, and of t.Rest with rest.
func (p *pass) normRow(t *scratch, i int, x, weight []float32, integer, rest bool) {
	row := t.Norm.Row(i)
	p.tier.RMSNorm(row, x, weight, p.Eps)
	if integer {
		p.tier.Quantize(row, t.Norm.QuantRow(i))
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

// copyRow copies row j of src to row i of dst, in the forms that dst has.
func copyRow(dst *tensor.Acts, i int, src *tensor.Acts, j int) {
	if dst.F != nil {
		copy(dst.Row(i), src.Row(j))
	}
	if dst.Q != nil {
		copy(dst.QuantRow(i), src.QuantRow(j))
	}
}

// quantise adds the quantised form to rows that are there as they are, if the
// matrix needs it.
func (p *pass) quantise(w *kernels.Worker, a *tensor.Acts, m tensor.Tensor) {
	if !p.integer(m) {
		return
	}
	blocks := p.workers[w.ID].Blocks
	n := a.Cols / tensor.BlockLen
	for it := p.items(w, plan.OpNorm, p.rows(), fitting(p.workers[w.ID].Out[0], a.Cols)); it.Next(); {
		for i := it.Lo; i < it.Hi; i++ {
			p.tier.Quantize(a.Row(i), blocks[(i-it.Lo)*n:][:n])
		}
		if it.Commit() {
			for i := it.Lo; i < it.Hi; i++ {
				copy(a.QuantRow(i), blocks[(i-it.Lo)*n:])
			}
		}
	}
}

func (s *Stage) integer(ms ...tensor.Tensor) bool { return integer(s.tier, ms...) }
