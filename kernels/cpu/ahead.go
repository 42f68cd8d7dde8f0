package cpu

import (
	"qgo/kernels"
	"qgo/kernels/panel"
	"qgo/kernels/plan"
)

// aheadBytes is how much a worker asks for at most of the weights that it will
// read next: no more than most cores' second-level caches hold, and more than
// comes from memory while a worker waits, as a rule.
const aheadBytes = 256 << 10

// ahead has a worker that waits ask for the first weights of its shares of the
// matrices that are multiplied next, from an operation of a layer on, in the
// order in which it will read them. More than those of one phase are named: some
// phases read little, such as attention, for which most workers only wait. For
// many rows it is not the memory that takes the time.
func (p *pass) ahead(w *kernels.Worker, layer int, op plan.Op) {
	if p.rows() > fewRows {
		w.Ahead()
		return
	}
	var all [kernels.AheadParts][]byte
	parts := all[:0]
	switch {
	case layer < len(p.layers):
		l := &p.layers[layer]
		switch op {
		case plan.OpQKV:
			q, k, v := panels(&l.Q), panels(&l.K), panels(&l.V)
			lo, hi := w.Share(q + k + v)
			parts = append(parts, l.Q.weights(lo, hi), l.K.weights(lo-q, hi-q), l.V.weights(lo-q-k, hi-q-k))
			fallthrough
		case plan.OpOutput:
			parts = append(parts, l.O.weights(w.Share(panels(&l.O))))
			fallthrough
		case plan.OpGateUp:
			// The worker's first chunk is half of its share; see [kernels.Items].
			lo, hi := w.Share((panels(&l.Gate) + blockPanels - 1) / blockPanels)
			hi = lo + (hi-lo+1)/2
			parts = append(parts, l.Gate.weights(lo*blockPanels, hi*blockPanels), l.Up.weights(lo*blockPanels, hi*blockPanels))
		case plan.OpDown:
			parts = append(parts, l.Down.weights(w.Share(panels(&l.Down))))
		}
	case p.Head != nil:
		parts = append(parts, p.headLayer.weights(w.Share(panels(&p.headLayer))))
	}
	left := aheadBytes
	for i, part := range parts {
		parts[i] = part[:min(len(part), left)]
		left -= len(parts[i])
	}
	w.Ahead(parts...)
}

// weights returns those of panels [lo, hi) that there are.
func (l *linear) weights(lo, hi int) []byte {
	n := panels(l)
	lo, hi = max(lo, 0), min(hi, n)
	if lo >= hi {
		return nil
	}
	data, size := l.W.Data, panel.Rows*l.W.RowBytes()
	if l.panels != nil {
		data = l.panels.Data
		size = len(data) / n
	}
	return data[lo*size : min(hi*size, len(data))]
}
