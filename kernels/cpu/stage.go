// Package cpu runs plans on the CPU: it is the device that every machine has.
package cpu

import (
	"context"
	"errors"
	"fmt"

	"qgo/kernels"
	"qgo/kernels/plan"
	"qgo/kernels/tier"
	"qgo/tensor"
)

// Options of a stage.
type Options struct {
	Pool    *kernels.Pool
	Tier    *tier.Tier
	Workers int // of the pool
	MaxRows int // rows of the largest batch
	MaxCtx  int // positions of the longest sequence

	// Original keeps weights as they are in the file, where the tier would lay
	// them out for its kernels. Release is called with weights that have been
	// laid out and will hardly be read again.
	Original bool
	Release  func(weights []byte)
	// Stop is asked between pieces of weights that are laid out: an error ends
	// New.
	Stop func() error

	// Progress is called a few times in each block of a batch of several rows,
	// with the share of the batch that is done, by the goroutine that called
	// Run.
	Progress func(share float64)
}

// Stage is a plan on the CPU. Its Run is not for concurrent use.
type Stage struct {
	plan.Plan
	pool    *kernels.Pool
	tier    *tier.Tier
	maxRows int

	progress func(share float64)
	profile  profile

	many      bool          // whether blocks multiply many rows in a form of their own
	arena     *tensor.Arena // weights in panels
	layers    []layers      // [Blocks]
	headLayer linear

	hidden   []float32 // [maxRows][Width], when the stage embeds
	acts     acts      // for maxRows rows
	qkv      []float32 // [maxRows][QDim+2*KVDim]
	cos, sin []float32 // [maxRows][HeadDim/2]
	parts    results   // of attention: see pass.attend
	workers  []*scratch

	// Passes take turns: a worker that is late may still read the one before.
	passes [2]pass
	next   int
}

// acts are activations between operations.
type acts struct {
	norm tensor.Acts // normed hidden states
	fine tensor.Acts // what their quantisation took, or they in 16 bits: for keys and values
	attn tensor.Acts // output of attention
	ffn  tensor.Acts // gate*up
}

// normRows is the number of rows of normed hidden states.
func normRows(maxRows int) int { return max(maxRows, headPlanes) }

// New loads a plan. Close the stage after use.
func New(p plan.Plan, o Options) (*Stage, error) {
	if p.HeadDim%2 != 0 || p.KVHeads <= 0 || p.Heads%p.KVHeads != 0 {
		return nil, fmt.Errorf("cpu: %d heads of %d values on %d key heads", p.Heads, p.HeadDim, p.KVHeads)
	}
	if o.MaxRows*p.KVHeads > kernels.MaxItems {
		return nil, fmt.Errorf("cpu: batches of %d rows with %d key heads; %d rows are possible", o.MaxRows, p.KVHeads, kernels.MaxItems/p.KVHeads)
	}
	s := &Stage{Plan: p, pool: o.Pool, tier: o.Tier, maxRows: o.MaxRows, progress: o.Progress}
	n := o.MaxRows
	if p.Embedding != nil {
		s.hidden = tensor.Make[float32](n * p.Width)
	}
	s.acts = acts{
		norm: *reducedForms(o.Tier).NewActs(normRows(n), p.Width),
		fine: *fineForms(o.Tier, false).NewActs(n, p.Width),
		attn: *reducedForms(o.Tier).NewActs(n, p.QDim()),
		ffn:  *ffnForms(p, o.Tier).NewActs(n, p.FFN),
	}
	s.qkv = tensor.Make[float32](n * (p.QDim() + 2*p.KVDim()))
	s.cos = tensor.Make[float32](n * p.HeadDim / 2)
	s.sin = tensor.Make[float32](n * p.HeadDim / 2)
	s.parts = newResults(partQueries(p.Dims, o), p.HeadDim)
	for range o.Workers {
		s.workers = append(s.workers, newScratch(p.Dims, o.Tier, o.MaxRows))
	}
	s.many = manyBlocks(p, o.Tier, o.Original)
	for i := range s.passes {
		s.passes[i].init(s)
	}
	s.layers = make([]layers, len(p.Blocks))
	for i := range p.Blocks {
		from := p.Blocks[i].Linears()
		for j, l := range s.layers[i].all() {
			l.Linear = *from[j]
		}
	}
	if p.Head != nil {
		s.headLayer.W = p.Head.W
	}
	if err := s.repack(o); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// MaxRows is the number of rows of the largest batch.
func (s *Stage) MaxRows() int { return s.maxRows }

// Apart reports whether batches with Many are multiplied in a form of their own.
func (s *Stage) Apart() bool { return s.many }

// SameRows is MaxRows: no kernel's sums depend on the number of rows.
func (s *Stage) SameRows() int { return s.maxRows }

// Close frees what the stage holds beside Go memory.
func (s *Stage) Close() error {
	s.pool.Drain()
	if s.arena == nil { // it could not be had
		return nil
	}
	return s.arena.Close()
}

// Run computes a batch; see [plan.Stage].
func (s *Stage) Run(ctx context.Context, b *plan.Batch) error {
	rows, err := b.Check(s)
	if err != nil {
		return fmt.Errorf("cpu: %w", err)
	}
	p := &s.passes[s.next]
	s.next = 1 - s.next
	p.prepare(ctx, b, rows)
	err = s.pool.Run(p.job)
	if s.profile.on {
		s.profile.wall = now() + p.offset
	}
	if err == nil && s.Head != nil {
		b.Choose()
	}
	return err
}
