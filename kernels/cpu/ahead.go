package cpu

import (
	"unsafe"

	"qgo/kernels"
	"qgo/kernels/panel"
	"qgo/tensor"
)

// aheadBytes is how much a worker asks for at most of the weights that it will
// read next: no more than most cores' second-level caches hold, and more than
// comes from memory while a worker waits, as a rule.
const aheadBytes = 256 << 10

// aheadBlock has a worker that waits ask for the first weights of its shares of
// the matrices of a block up to Down, or of the head behind the last block, in the
// order in which it will read them. Those of several phases are named since some
// read little, such as attention, for which most workers only wait. For many rows
// it is not the memory that takes the time.
func (p *pass) aheadBlock(w *kernels.Worker, layer int) {
	switch {
	case p.rows() > fewRows:
		w.Ahead()
	case layer < len(p.layers):
		parts := p.layers[layer].ahead(w.Share, p.gateUnit())
		w.Ahead(parts[:]...)
	case p.Head != nil:
		p.aheadShare(w, &p.headLayer)
	}
}

// Which parts of a block follow queries, keys and values.
const (
	aheadOutput = 3
	aheadGate   = 4
	aheadUp     = 5
)

// ahead returns the parts of a block that a worker names, where share deals out
// items, and gate and up have items of gateUnit panels.
func (l *layers) ahead(share func(n int) (lo, hi int), gateUnit int) (parts [kernels.AheadParts][]byte) {
	q, k, v := panels(&l.Q), panels(&l.K), panels(&l.V)
	lo, hi := share(q + k + v)
	parts[0], parts[1], parts[2] = l.Q.weights(lo, hi), l.K.weights(lo-q, hi-q), l.V.weights(lo-q-k, hi-q-k)
	parts[aheadOutput] = l.O.weights(share(panels(&l.O)))
	// The worker's first chunk is half of its share; see [kernels.Items].
	lo, hi = share((panels(&l.Gate) + gateUnit - 1) / gateUnit)
	lo, hi = lo*gateUnit, (lo+(hi-lo+1)/2)*gateUnit
	parts[aheadGate], parts[aheadUp] = l.Gate.weights(lo, hi), l.Up.weights(lo, hi)
	left := aheadBytes
	for i, part := range parts {
		parts[i] = part[:min(len(part), left)]
		left -= len(parts[i])
	}
	return parts
}

// aheadShare is aheadBlock for one matrix.
func (p *pass) aheadShare(w *kernels.Worker, l *linear) {
	if p.rows() <= fewRows {
		part := l.weights(w.Share(panels(l)))
		w.Ahead(part[:min(len(part), aheadBytes)])
	}
}

// gather asks for a few rows of activations that are read next, in the form that l
// is multiplied with. Other workers have just written them, so that each line comes
// from another core's cache: all at once that takes a fraction of what it takes a
// kernel, one after another.
func (p *pass) gather(x *tensor.Acts, l *linear) {
	if p.rows() > ownRows {
		return
	}
	for i := range x.N {
		switch {
		case !p.reduced(l.W):
			fetch(x.Row(i))
		case p.manyWords:
			fetch(x.WordsRow(i))
		default:
			fetch(x.QuantRow(i))
		}
	}
}

// fetch asks for what is in row.
func fetch[T any](row []T) {
	var one T
	kernels.Prefetch(unsafe.Pointer(unsafe.SliceData(row)), len(row)*int(unsafe.Sizeof(one)))
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
