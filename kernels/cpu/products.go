package cpu

import (
	"qgo/kernels"
	"qgo/kernels/panel"
	"qgo/tensor"
)

// The operations whose items are dealt out to the workers; an item is a panel
// of rows of a matrix. The same operation comes again in the next block: there
// is always a barrier between.
const (
	opQKV = iota // queries, keys and values, one after the other
	opOut        // what is added to the hidden states
	opFFN        // gate and up
	opHead
	operations
)

// panels is the number of panels of a layer.
func panels(l *linear) int { return (l.W.Rows + panel.Rows - 1) / panel.Rows }

// fewRows is the largest batch whose panels are dealt out singly, because each
// is read from memory for little arithmetic. For more rows, the activations
// are what it takes time to fetch, for each share anew.
const fewRows = 16

// blockPanels is the number of panels that yield a block of activations.
const blockPanels = tensor.BlockLen / panel.Rows

// next returns rows [lo, hi) of an operation for w to compute.
func (s *Stage) next(w *kernels.Worker, operation int) (lo, hi int, ok bool) {
	least := 1
	switch {
	case operation == opFFN && s.rows > fewRows:
		least = tileValues / tileRows / panel.Rows
	case operation == opFFN:
		least = blockPanels
	case s.rows > fewRows:
		least = 4
	}
	lo, hi, ok = s.shares.Next(w, operation, least)
	return lo * panel.Rows, hi * panel.Rows, ok
}

// product writes the products of rows [lo, hi) of l with every row of x, plus
// the bias if there is one, to dst, whose rows are stride apart and begin with
// row lo.
func (s *Stage) product(w *kernels.Worker, dst []float32, stride int, l *linear, lo, hi int, x *tensor.Acts) {
	s.multiply(w, dst, stride, l, lo, hi, x)
	if l.Bias != nil {
		for i := range x.N {
			s.tier.Add(dst[i*stride:i*stride+hi-lo], l.Bias[lo:hi])
		}
	}
}

// multiply is product without the bias.
func (s *Stage) multiply(w *kernels.Worker, dst []float32, stride int, l *linear, lo, hi int, x *tensor.Acts) {
	scratch := s.workers[w.ID]
	if l.panels != nil {
		s.tier.Panels.MatMul(dst, stride, l.panels, lo, hi, x, &scratch.Panel)
	} else {
		s.tier.MatMul(dst, stride, l.W, lo, hi, x, &scratch.Mat)
	}
}

// queriesKeysValues multiplies the normed rows with Q, K and V, whose outputs
// stand side by side in s.qkv. Keys and values come out as from 16-bit
// activations: their matrices are narrow, so that a second plane of activations
// costs little, and every later token reads them.
func (s *Stage) queriesKeysValues(w *kernels.Worker, l *layers) {
	q, kv := s.QDim(), s.KVDim()
	stride := q + 2*kv
	for {
		lo, hi, ok := s.next(w, opQKV)
		if !ok {
			return
		}
		s.productPart(w, s.qkv, stride, &l.Q, &lo, &hi, false)
		s.productPart(w, s.qkv[q:], stride, &l.K, &lo, &hi, s.integer(l.K.W))
		s.productPart(w, s.qkv[q+kv:], stride, &l.V, &lo, &hi, s.integer(l.V.W))
	}
}

// productPart computes what of rows [lo, hi) is l's, and makes lo and hi count
// from the end of its panels. With planes, the activations are s.norm+s.rest.
func (s *Stage) productPart(w *kernels.Worker, dst []float32, stride int, l *linear, lo, hi *int, planes bool) {
	from, to := max(*lo, 0), min(*hi, l.W.Rows)
	if from < to {
		s.product(w, dst[from:], stride, l, from, to, s.norm)
	}
	if from < to && planes {
		out := s.workers[w.ID].Out[0]
		s.tiles(w, from, to, s.rest, s.rows, func(x *tensor.Acts, row, r, m int) {
			s.multiply(w, out, m, l, r, r+m, x)
			for i := range x.N {
				s.tier.Add(dst[(row+i)*stride+r:][:m], out[i*m:(i+1)*m])
			}
		})
	}
	n := panels(l) * panel.Rows
	*lo, *hi = *lo-n, *hi-n
}

// tiles calls do for every tile of rows [lo, hi) of a matrix times the first
// rows of x: for rows x from number row on, and m rows of the matrix from number
// r on.
func (s *Stage) tiles(w *kernels.Worker, lo, hi int, x *tensor.Acts, rows int, do func(x *tensor.Acts, row, r, m int)) {
	part := &s.workers[w.ID].Acts // a local variable would be on the heap
	for row := 0; row < rows; row += tileRows {
		n := min(tileRows, rows-row)
		part.Slice(x, row, n)
		most := tileValues / n / tensor.BlockLen * tensor.BlockLen
		for r := lo; r < hi; r += most {
			do(part, row, r, min(most, hi-r))
		}
	}
}

// gateAndUp writes silu(gate)*up of the normed rows to s.ffn, in the form that
// the next matrix wants.
func (s *Stage) gateAndUp(w *kernels.Worker, l *layers) {
	t := s.workers[w.ID]
	quantised := s.integer(l.Down.W)
	for {
		lo, hi, ok := s.next(w, opFFN)
		if !ok {
			return
		}
		s.tiles(w, lo, min(hi, s.FFN), s.norm, s.rows, func(x *tensor.Acts, row, r, m int) {
			s.product(w, t.Out[0], m, &l.Gate, r, r+m, x)
			s.product(w, t.Out[1], m, &l.Up, r, r+m, x)
			out := t.Out[0][:x.N*m]
			s.tier.SwiGLU(out, t.Out[1][:x.N*m])
			if !quantised {
				for i := range x.N {
					copy(s.ffn.Row(row + i)[r:], out[i*m:(i+1)*m])
				}
				return
			}
			blocks := m / tensor.BlockLen
			n := (x.N*blocks + quantUnit - 1) / quantUnit * quantUnit // what comes too much stays here
			s.tier.Quantize(t.Out[0][:n*tensor.BlockLen], t.Blocks[:n])
			for i := range x.N {
				copy(s.ffn.QuantRow(row + i)[r/tensor.BlockLen:], t.Blocks[i*blocks:(i+1)*blocks])
			}
		})
	}
}

// addProduct adds the products of l with x to the hidden states.
func (s *Stage) addProduct(w *kernels.Worker, operation int, l *linear, x *tensor.Acts) {
	out := s.workers[w.ID].Out[0]
	for {
		lo, hi, ok := s.next(w, operation)
		if !ok {
			return
		}
		s.tiles(w, lo, min(hi, s.Width), x, s.rows, func(x *tensor.Acts, row, r, m int) {
			s.product(w, out, m, l, r, r+m, x)
			for i := range x.N {
				s.tier.Add(s.x[(row+i)*s.Width+r:][:m], out[i*m:(i+1)*m])
			}
		})
	}
}

// logits multiplies the head with rows of s.norm, each of that many planes,
// whose products are added.
func (s *Stage) logits(w *kernels.Worker, dst []float32, rows, planes int) {
	out := s.workers[w.ID].Out[0]
	for {
		lo, hi, ok := s.next(w, opHead)
		if !ok {
			return
		}
		s.tiles(w, lo, min(hi, s.Vocab), s.norm, rows*planes, func(x *tensor.Acts, row, r, m int) {
			s.product(w, out, m, &s.headLayer, r, r+m, x)
			for i := 0; i < x.N; i += planes {
				logits := dst[(row+i)/planes*s.Vocab+r:][:m]
				copy(logits, out[i*m:])
				for p := 1; p < planes; p++ {
					s.tier.Add(logits, out[(i+p)*m:(i+p+1)*m])
				}
			}
		})
	}
}
