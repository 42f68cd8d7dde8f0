package cpu

import (
	"qgo/kernels"
	"qgo/kernels/panel"
)

// aheadBytes is how much a worker asks for of the weights of a matrix that it
// will read next. With two matrices that is less than any core's second-level
// cache, and more than comes from memory while a worker waits, as a rule.
const aheadBytes = 128 << 10

// ahead has a worker that waits ask for the first weights of its share of
// matrices that are multiplied side by side, in items of unit panels. For many
// rows it is not the memory that takes the time.
func (p *pass) ahead(w *kernels.Worker, unit int, ls ...*linear) {
	if p.rows() > fewRows {
		return
	}
	var parts [2][]byte
	for i, l := range ls {
		lo, hi := w.Share((panels(l) + unit - 1) / unit)
		parts[i] = l.weights(lo*unit, hi*unit)
	}
	w.Ahead(parts[:]...)
}

// aheadQKV is ahead for the matrices of a block that are multiplied one after
// another.
func (p *pass) aheadQKV(w *kernels.Worker, l *layers) {
	if p.rows() > fewRows {
		return
	}
	q, k, v := panels(&l.Q), panels(&l.K), panels(&l.V)
	lo, hi := w.Share(q + k + v)
	w.Ahead(l.Q.weights(lo, hi), l.K.weights(lo-q, hi-q), l.V.weights(lo-q-k, hi-q-k))
}

// weights returns the first bytes of those of panels [lo, hi) that there are.
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
	data = data[lo*size : min(hi*size, len(data))]
	return data[:min(len(data), aheadBytes)]
}
