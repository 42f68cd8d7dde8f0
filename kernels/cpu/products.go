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

// next returns rows [lo, hi) of an operation for w to compute.
func (s *Stage) next(w *kernels.Worker, operation int) (lo, hi int, ok bool) {
	least := 1
	if s.rows > fewRows {
		least = 4
	}
	lo, hi, ok = s.shares.Next(w, operation, least)
	return lo * panel.Rows, hi * panel.Rows, ok
}

// product writes the products of rows [lo, hi) of l with every row of x, plus
// the bias if there is one, to dst, whose rows are stride apart and begin with
// row lo.
func (s *Stage) product(w *kernels.Worker, dst []float32, stride int, l *linear, lo, hi int, x *tensor.Acts) {
	scratch := s.workers[w.ID]
	if l.panels != nil {
		s.tier.Panels.MatMul(dst, stride, l.panels, lo, hi, x, &scratch.Panel)
	} else {
		s.tier.MatMul(dst, stride, l.W, lo, hi, x, &scratch.Mat)
	}
	if l.Bias != nil {
		for i := range x.N {
			s.tier.Add(dst[i*stride:i*stride+hi-lo], l.Bias[lo:hi])
		}
	}
}

// queriesKeysValues multiplies the normed rows with Q, K and V, whose outputs
// stand side by side in s.qkv.
func (s *Stage) queriesKeysValues(w *kernels.Worker, l *layers) {
	q, kv := s.QDim(), s.KVDim()
	stride := q + 2*kv
	for {
		lo, hi, ok := s.next(w, opQKV)
		if !ok {
			return
		}
		s.productPart(w, s.qkv, stride, &l.Q, &lo, &hi)
		s.productPart(w, s.qkv[q:], stride, &l.K, &lo, &hi)
		s.productPart(w, s.qkv[q+kv:], stride, &l.V, &lo, &hi)
	}
}

// productPart computes what of rows [lo, hi) is l's, and makes lo and hi count
// from the end of its panels.
func (s *Stage) productPart(w *kernels.Worker, dst []float32, stride int, l *linear, lo, hi *int) {
	from, to := max(*lo, 0), min(*hi, l.W.Rows)
	if from < to {
		s.product(w, dst[from:], stride, l, from, to, s.norm)
	}
	n := panels(l) * panel.Rows
	*lo, *hi = *lo-n, *hi-n
}

// gateAndUp writes silu(gate)*up of the normed rows to s.ffn.
func (s *Stage) gateAndUp(w *kernels.Worker, l *layers) {
	for {
		lo, hi, ok := s.next(w, opFFN)
		if !ok {
			return
		}
		hi = min(hi, s.FFN)
		s.product(w, s.ffn.F[lo:], s.ffn.FStride, &l.Gate, lo, hi, s.norm)
		s.product(w, s.up[lo:], s.FFN, &l.Up, lo, hi, s.norm)
		for i := range s.rows {
			s.tier.SwiGLU(s.ffn.Row(i)[lo:hi], s.up[i*s.FFN+lo:i*s.FFN+hi])
		}
	}
}

// addProduct adds the products of l with x to the hidden states. It borrows
// the buffer of up, which is free whenever a block adds.
func (s *Stage) addProduct(w *kernels.Worker, operation int, l *linear, x *tensor.Acts) {
	for {
		lo, hi, ok := s.next(w, operation)
		if !ok {
			return
		}
		hi = min(hi, s.Width)
		s.product(w, s.up[lo:], s.Width, l, lo, hi, x)
		for i := range x.N {
			s.tier.Add(s.x[i*s.Width+lo:i*s.Width+hi], s.up[i*s.Width+lo:i*s.Width+hi])
		}
	}
}

// logits multiplies the head with rows of activations that consist of that
// many planes, whose products are added. With more than one they go through a
// part of the buffer of up, which is free when the blocks are done.
func (s *Stage) logits(w *kernels.Worker, dst []float32, x *tensor.Acts, planes int) {
	share := len(s.up) / w.Of
	buf := s.up[w.ID*share : (w.ID+1)*share]
	chunk := share / x.N / panel.Rows * panel.Rows
	for {
		lo, hi, ok := s.next(w, opHead)
		if !ok {
			return
		}
		hi = min(hi, s.Vocab)
		if planes == 1 {
			s.product(w, dst[lo:], s.Vocab, &s.headLayer, lo, hi, x)
			continue
		}
		for ; lo < hi; lo += chunk {
			n := min(chunk, hi-lo)
			s.product(w, buf, n, &s.headLayer, lo, lo+n, x)
			for i := range x.N / planes {
				out := dst[i*s.Vocab+lo:][:n]
				copy(out, buf[planes*i*n:])
				for p := 1; p < planes; p++ {
					s.tier.Add(out, buf[(planes*i+p)*n:][:n])
				}
			}
		}
	}
}
