// Package cpu runs plans on the CPU: it is the device that every machine has.
package cpu

import (
	"context"
	"errors"
	"fmt"

	"qgo/kernels"
	"qgo/kernels/plan"
	"qgo/quant"
	"qgo/tensor"
)

// Options of a stage.
type Options struct {
	Pool    *kernels.Pool
	Tier    *kernels.Tier
	Workers int // of the pool
	MaxRows int // rows of the largest batch
	MaxCtx  int // positions of the longest sequence

	// Original keeps weights as they are in the file, where the tier would lay
	// them out for its kernels. Release is called with weights that have been
	// laid out and will hardly be read again.
	Original bool
	Release  func(weights []byte)
}

// Stage is a plan on the CPU. Its Run is not for concurrent use.
type Stage struct {
	plan.Plan
	pool    *kernels.Pool
	tier    *kernels.Tier
	maxRows int

	shares    *kernels.Shares
	arena     *tensor.Arena // weights in panels
	layers    []layers      // [Blocks]
	headLayer linear

	hidden    []float32    // [maxRows][Width], when the stage embeds
	norm      *tensor.Acts // normed hidden states
	rest      *tensor.Acts // what their quantisation took, for keys and values
	qkv       []float32    // [maxRows][QDim+2*KVDim]
	attn      *tensor.Acts // output of attention
	ffn       *tensor.Acts // gate*up
	cos, sin  []float32    // [maxRows][HeadDim/2]
	attention attention
	workers   []*scratch

	ctx   context.Context
	batch *plan.Batch
	x     []float32 // hidden states of the batch
	rows  int
	job   func(*kernels.Worker) // bound once: a method value would allocate
}

// normRows is the number of rows of normed hidden states.
func normRows(maxRows int) int { return max(maxRows, headPlanes) }

// New loads a plan. The weights stay where they are.
func New(p plan.Plan, o Options) (*Stage, error) {
	if p.HeadDim%2 != 0 || p.KVHeads <= 0 || p.Heads%p.KVHeads != 0 {
		return nil, fmt.Errorf("cpu: %d heads of %d values on %d key heads", p.Heads, p.HeadDim, p.KVHeads)
	}
	s := &Stage{Plan: p, pool: o.Pool, tier: o.Tier, maxRows: o.MaxRows}
	n := o.MaxRows
	if p.Embedding != nil {
		s.hidden = tensor.Make[float32](n * p.Width)
	}
	s.norm = tensor.NewActs(normRows(o.MaxRows), p.Width)
	s.rest = tensor.NewActs(n, p.Width)
	s.qkv = tensor.Make[float32](n * (p.QDim() + 2*p.KVDim()))
	s.attn = tensor.NewActs(n, p.QDim())
	s.ffn = ffnForms(p, o.Tier).NewActs(n, p.FFN)
	s.cos = tensor.Make[float32](n * p.HeadDim / 2)
	s.sin = tensor.Make[float32](n * p.HeadDim / 2)
	s.attention.init(p.Dims, o)
	for range o.Workers {
		s.workers = append(s.workers, newScratch(p.Dims))
	}
	s.job = s.run
	s.shares = kernels.NewShares(operations, o.Workers)
	s.layers = make([]layers, len(p.Blocks))
	for i := range p.Blocks {
		from := linears(&p.Blocks[i])
		for j, l := range s.layers[i].all() {
			l.Linear = *from[j]
		}
	}
	if p.Head != nil {
		s.headLayer.W = p.Head.W
	}
	return s, s.repack(o)
}

// MaxRows is the number of rows of the largest batch.
func (s *Stage) MaxRows() int { return s.maxRows }

// Close frees what the stage holds beside Go memory.
func (s *Stage) Close() error { return s.arena.Close() }

// Run computes a batch; see [plan.Stage].
func (s *Stage) Run(ctx context.Context, b *plan.Batch) error {
	rows := 0
	for _, span := range b.Spans {
		kv, ok := span.KV.(*KV)
		if !ok || kv.owner != s {
			return errors.New("cpu: a sequence of another model or device")
		}
		if span.Pos < 0 || span.N <= 0 || span.Pos+span.N > kv.ctx {
			return fmt.Errorf("cpu: positions %d to %d of a sequence that has room for %d", span.Pos, span.Pos+span.N-1, kv.ctx)
		}
		rows += span.N
	}
	if rows == 0 || rows > s.maxRows {
		return fmt.Errorf("cpu: a batch of %d rows; between 1 and %d are possible", rows, s.maxRows)
	}
	s.ctx, s.batch, s.rows = ctx, b, rows
	s.x = b.Hidden
	if s.Embedding != nil {
		s.x = s.hidden[:rows*s.Width]
	}
	for _, a := range []*tensor.Acts{s.norm, s.rest, s.attn, s.ffn} {
		a.N = rows
	}
	s.attention.schedule(b.Spans, s.Dims)
	err := s.pool.Run(s.job)
	s.batch, s.x, s.ctx = nil, nil, nil
	return err
}

// run is what every worker does for a batch.
func (s *Stage) run(w *kernels.Worker) {
	s.embed(w)
	s.ropeTable(w)
	w.Barrier()
	for i := range s.Blocks {
		if w.ID == 0 && s.ctx.Err() != nil {
			w.Abort(context.Cause(s.ctx))
		}
		s.block(w, i)
	}
	if s.Head != nil && len(s.batch.Outputs) > 0 {
		s.head(w)
	} else if s.Embedding != nil && s.Head == nil {
		lo, hi := w.Range(s.rows, 1)
		copy(s.batch.Hidden[lo*s.Width:hi*s.Width], s.x[lo*s.Width:hi*s.Width])
	}
}

// embed looks up the hidden states of the tokens.
func (s *Stage) embed(w *kernels.Worker) {
	if s.Embedding == nil {
		return
	}
	lo, hi := w.Range(s.rows, 1)
	for i := lo; i < hi; i++ {
		row := s.Embedding.Row(int(s.batch.Tokens[i]))
		quant.Dequantize(s.Embedding.Type, s.x[i*s.Width:(i+1)*s.Width], row)
	}
}

// block runs one transformer block over the batch.
func (s *Stage) block(w *kernels.Worker, layer int) {
	b, l := &s.Blocks[layer], &s.layers[layer]
	s.normalise(w, s.norm, s.x, b.AttnNorm, b.Q.W, b.K.W, b.V.W)
	if s.integer(b.K.W, b.V.W) {
		lo, hi := w.Range(s.rows, 1)
		for i := lo; i < hi; i++ {
			s.addPlane(s.rest, i, s.norm, i)
		}
	}
	s.shares.Deal(w, opQKV, panels(&l.Q)+panels(&l.K)+panels(&l.V), 1)
	w.Barrier()
	s.queriesKeysValues(w, l)
	w.Barrier()
	s.rotateAndStore(w, layer)
	w.Barrier()
	s.attend(w, layer)
	w.Barrier()
	s.quantise(w, s.attn, b.O.W)
	s.shares.Deal(w, opOut, panels(&l.O), 1)
	w.Barrier()
	s.addProduct(w, opOut, &l.O, s.attn)
	w.Barrier()
	s.normalise(w, s.norm, s.x, b.FFNNorm, b.Gate.W, b.Up.W)
	s.shares.Deal(w, opFFN, panels(&l.Gate), blockPanels)
	w.Barrier()
	s.gateAndUp(w, l)
	s.shares.Deal(w, opOut, panels(&l.Down), 1)
	w.Barrier()
	s.addProduct(w, opOut, &l.Down, s.ffn)
	w.Barrier()
}

// headPlanes is the number of rows of activations that a row of the head's
// input becomes: the second holds what rounding to 8 bits took from the first,
// and the products are added. The head is read from memory for a few rows
// only, so the second one costs nothing, and logits come out as from 16-bit
// activations.
const headPlanes = 2

// head computes the logits of the wanted rows, as many at a time as there is
// room for.
func (s *Stage) head(w *kernels.Worker) {
	out, planes := s.batch.Outputs, 1
	if s.integer(s.Head.W) {
		planes = headPlanes
	}
	room := min(normRows(s.maxRows), tileRows) / planes
	for first := 0; first < len(out); first += room {
		part := out[first:min(first+room, len(out))]
		lo, hi := w.Range(len(part), 1)
		for i := lo; i < hi; i++ {
			s.normRow(s.norm, planes*i, s.x[part[i]*s.Width:(part[i]+1)*s.Width], s.Head.Norm, planes > 1)
			if planes > 1 {
				s.addPlane(s.norm, planes*i+1, s.norm, planes*i)
			}
		}
		s.shares.Deal(w, opHead, panels(&s.headLayer), 1)
		w.Barrier()
		s.logits(w, s.batch.Logits[first*s.Vocab:], len(part), planes)
		w.Barrier()
	}
}

// addPlane makes row i of dst of what quantisation took from row j of a.
func (s *Stage) addPlane(dst *tensor.Acts, i int, a *tensor.Acts, j int) {
	rest := dst.Row(i)
	copy(rest, a.Row(j))
	for g, b := range a.QuantRow(j) {
		for k, q := range b.Q {
			rest[g*tensor.BlockLen+k] -= float32(b.D[k/tensor.GroupLen] * float32(q))
		}
	}
	s.tier.Quantize(rest, dst.QuantRow(i))
}

// normalise writes the normed rows of x to dst in the forms that the matrices
// need.
func (s *Stage) normalise(w *kernels.Worker, dst *tensor.Acts, x, weight []float32, ms ...tensor.Tensor) {
	lo, hi := w.Range(s.rows, 1)
	integer := s.integer(ms...)
	for i := lo; i < hi; i++ {
		s.normRow(dst, i, x[i*s.Width:(i+1)*s.Width], weight, integer)
	}
}

func (s *Stage) normRow(dst *tensor.Acts, i int, x, weight []float32, integer bool) {
	s.tier.RMSNorm(dst.Row(i), x, weight, s.Eps)
	if integer {
		s.tier.Quantize(dst.Row(i), dst.QuantRow(i))
	}
}

// quantUnit is the least number of blocks that are quantised together, if there
// are that many: it suits the kernels.
const quantUnit = 8

// quantise adds the quantised form to rows that are there as they are, if a
// matrix needs it. Parts of a row may be different workers'.
func (s *Stage) quantise(w *kernels.Worker, a *tensor.Acts, ms ...tensor.Tensor) {
	if !s.integer(ms...) {
		return
	}
	blocks := a.Cols / tensor.BlockLen
	units := max(1, blocks/quantUnit) // of a row; the last one takes the rest
	lo, hi := w.Range(s.rows*units, 1)
	for u := lo; u < hi; u++ {
		i, from := u/units, u%units*quantUnit
		to := from + quantUnit
		if u%units == units-1 {
			to = blocks
		}
		s.tier.Quantize(a.Row(i)[from*tensor.BlockLen:to*tensor.BlockLen], a.QuantRow(i)[from:to])
	}
}

func (s *Stage) integer(ms ...tensor.Tensor) bool { return integer(s.tier, ms...) }

// integer reports whether a tier multiplies one of the matrices with quantised
// activations.
func integer(t *kernels.Tier, ms ...tensor.Tensor) bool {
	for _, m := range ms {
		if t.Integer && m.Type.Integer() {
			return true
		}
	}
	return false
}
