package cpu

import (
	"context"
	"math"
	"sync/atomic"
	"time"

	"qgo/kernels"
	"qgo/kernels/plan"
	"qgo/quant/codec"
	"qgo/tensor"
)

// pass is one batch on its way through a stage: all that its workers read
// beside weights, keys and values, and the stage's memory for activations. None
// of it changes until no worker is in the pass.
//
// Its methods are what every worker does. Each operation is a phase of the
// job: what a worker computes goes to memory of its own first, and is written
// where the next phase reads it if the worker may commit it.
type pass struct {
	*Stage
	job func(*kernels.Worker) // bound once: a method value would allocate

	ctx     context.Context
	offset  time.Duration  // from now to the time of passes, with a profile
	acts    acts           // the rows of the batch
	x       []float32      // hidden states, [rows][Width]
	tokens  []int32        // [rows], when the stage embeds
	rowsAt  []place        // [rows]
	outputs []int          // rows whose logits are wanted
	heads   []atomic.Int32 // how much of each head is computed: see computed

	halfCounts []atomic.Int32 // [FFN/BlockLen]: half blocks that are written
	halves     []float32      // [ownRows][FFN]: see halfBlock
	many       bool           // blocks multiply in the form for many rows
	manyWords  bool           // which is words
	hidden     []float32      // [rows][Width], for the next stage
	logits     []float32      // [len(outputs)][Vocab]
	schedule
	course
}

// place is where a row's keys and values belong.
type place struct {
	kv  *KV
	pos int
}

func (p *pass) init(s *Stage) {
	p.Stage = s
	p.job = p.run
	p.tokens = make([]int32, 0, s.maxRows)
	p.rowsAt = make([]place, 0, s.maxRows)
	p.outputs = make([]int, 0, s.maxRows)
	p.tiles = make([]tile, 0, s.maxRows)
	p.first = make([]int, 0, s.maxRows+1)
	p.heads = make([]atomic.Int32, headCounts(s.Dims, s.maxRows))
	p.halves = tensor.Make[float32](ownRows * s.FFN)
	p.halfCounts = make([]atomic.Int32, (s.FFN+tensor.BlockLen-1)/tensor.BlockLen)
}

// passBytes is the memory of a stage's passes.
func passBytes(maxRows, ffn int) int64 {
	return 2 * (int64(maxRows)*(4+16+8+32+8) + int64(ffn)*4*ownRows + int64(ffn/tensor.BlockLen+1)*4)
}

func (p *pass) prepare(ctx context.Context, b *plan.Batch, rows int) {
	p.ctx = ctx
	if p.profile.on {
		p.offset = p.profile.wall - now()
	}
	p.x, p.hidden, p.logits = b.Hidden, nil, b.Logits
	if p.Embedding != nil {
		p.x = p.Stage.hidden[:rows*p.Width]
		p.tokens = append(p.tokens[:0], b.Tokens...)
		if p.Head == nil {
			p.hidden = b.Hidden
		}
	}
	p.outputs = p.outputs[:0]
	if p.Head != nil {
		p.outputs = append(p.outputs, b.Outputs...)
	}
	all := &p.Stage.acts
	p.acts.norm.Slice(&all.norm, 0, rows)
	p.acts.fine.Slice(&all.fine, 0, rows)
	p.acts.attn.Slice(&all.attn, 0, rows)
	p.acts.ffn.Slice(&all.ffn, 0, rows)
	p.many = b.Many && p.Stage.many
	p.manyWords = p.many && manyWords(p.tier)
	for _, a := range []*tensor.Acts{&p.acts.norm, &p.acts.attn, &p.acts.ffn} {
		a.Many = p.many
		// Rows are copied in all forms that there are: see copyRow.
		if p.manyWords {
			a.Q = nil
		} else {
			a.W = nil
		}
	}
	for i := range headCounts(p.Dims, rows) {
		p.heads[i].Store(0)
	}
	for i := range p.halfCounts {
		p.halfCounts[i].Store(0)
	}
	p.rowsAt = p.rowsAt[:0]
	for _, span := range b.Spans {
		for i := range span.N {
			p.rowsAt = append(p.rowsAt, place{span.KV.(*KV), span.Pos + i})
		}
	}
	p.schedule.make(b.Spans, p.Stage, p.attnRows(rows))
	p.course.plan(p.Plan, b.Spans, len(p.outputs))
}

func (p *pass) rows() int { return len(p.rowsAt) }

// run is what every worker does for a batch.
func (p *pass) run(w *kernels.Worker) {
	if p.profile.on {
		p.workers[w.ID].Clock.enter(p.offset)
	}
	p.aheadBlock(w, 0)
	p.embed(w)
	p.ropeTable(w)
	for i := range p.Blocks {
		if w.ID == 0 {
			p.stopped(w)
			p.at = float64(i) * p.course.block
		}
		p.block(w, i)
	}
	if w.ID == 0 {
		p.at = float64(len(p.Blocks)) * p.course.block
	}
	p.head(w)
	p.passOn(w)
}

// rowsAtOnce is the number of rows that a worker takes at a time where a row is
// quickly done, if its memory is enough for them.
const rowsAtOnce = 8

func fitting(values []float32, cols int) int { return min(rowsAtOnce, len(values)/cols) }

// embed looks up the hidden states of the tokens.
func (p *pass) embed(w *kernels.Worker) {
	if p.Embedding == nil {
		return
	}
	out := p.workers[w.ID].Out[0]
	for it := p.items(w, plan.OpEmbedding, p.rows(), fitting(out, p.Width)); it.Next(); {
		for i := it.Lo; i < it.Hi; i++ {
			codec.Dequantize(p.Embedding.Type, out[(i-it.Lo)*p.Width:][:p.Width], p.Embedding.Row(int(p.tokens[i])))
		}
		if it.Commit() {
			copy(p.x[it.Lo*p.Width:it.Hi*p.Width], out)
		}
	}
}

// ropeTable computes the cosines and sines of the rows' positions.
func (p *pass) ropeTable(w *kernels.Worker) {
	half := p.HeadDim / 2
	cosines, sines := p.workers[w.ID].Out[0], p.workers[w.ID].Out[1]
	for it := p.items(w, plan.OpRope, p.rows(), fitting(sines, half)); it.Next(); {
		n := 0
		for _, at := range p.rowsAt[it.Lo:it.Hi] {
			for _, f := range p.InvFreq {
				sin, cos := math.Sincos(float64(at.pos) * f)
				cosines[n] = float32(cos * p.Rope.Scale)
				sines[n] = float32(sin * p.Rope.Scale)
				n++
			}
		}
		if it.Commit() {
			copy(p.cos[it.Lo*half:it.Hi*half], cosines)
			copy(p.sin[it.Lo*half:it.Hi*half], sines)
		}
	}
}

// block runs one transformer block over the batch.
func (p *pass) block(w *kernels.Worker, layer int) {
	b, l := &p.Blocks[layer], &p.layers[layer]
	p.normalise(w, b.AttnNorm, p.reduced(b.Q.W, b.K.W, b.V.W), p.finer(b.K.W, b.V.W), nil)
	p.queriesKeysValues(w, layer)
	p.attend(w, layer)
	p.quantise(w, layer)
	w.Skip(aheadGate)
	p.addProduct(w, plan.OpOutput, &l.O, &p.acts.attn)
	p.normalise(w, b.FFNNorm, p.reduced(b.Gate.W, b.Up.W), false, &l.Down)
	p.gateAndUp(w, l)
	p.aheadBlock(w, layer+1)
	p.addProduct(w, plan.OpDown, &l.Down, &p.acts.ffn)
}

// headPlanes is the number of rows of activations that a row of the head's
// input becomes, where it does not become one in 16 bits: the second holds what
// rounding to 8 bits took from the first, and the products are added. The head is
// read from memory for a few rows only, so the second one costs nothing, and logits
// come out as from 16-bit activations.
const headPlanes = 2

// head computes the logits of the wanted rows, as many at a time as there is
// room for.
func (p *pass) head(w *kernels.Worker) {
	if len(p.outputs) == 0 {
		return
	}
	integer, planes, x := p.integer(p.Head.W), 1, &p.Stage.acts.norm
	words := integer && p.words()
	switch {
	case words:
		x = &p.Stage.acts.fine
	case integer:
		planes = headPlanes
	}
	room := min(normRows(p.maxRows), tileRows) / planes
	for first := 0; first < len(p.outputs); first += room {
		part := p.outputs[first:min(first+room, len(p.outputs))]
		t := p.workers[w.ID]
		t.Norm.Many = false
		for it := p.items(w, plan.OpNorm, len(part), 1); it.Next(); {
			i := part[it.Lo]
			p.normRow(w, 0, p.x[i*p.Width:(i+1)*p.Width], p.Head.Norm, planes > 1)
			if integer {
				p.fineRow(w, 0)
			}
			if !it.Commit() {
				continue
			}
			if words {
				copyRow(x, it.Lo, t.Fine, 0)
				continue
			}
			copyRow(x, it.Lo*planes, t.Norm, 0)
			if planes > 1 {
				copyRow(x, it.Lo*planes+1, t.Fine, 0)
			}
		}
		if first+room >= len(p.outputs) {
			p.aheadBlock(w, 0) // of the next token
		}
		p.multiplyHead(w, x, first, len(part), planes)
	}
}

// passOn hands the hidden states to the next stage.
func (p *pass) passOn(w *kernels.Worker) {
	if p.hidden == nil {
		return
	}
	for it := p.items(w, plan.OpOther, p.rows(), rowsAtOnce); it.Next(); {
		if it.Commit() {
			copy(p.hidden[it.Lo*p.Width:it.Hi*p.Width], p.x[it.Lo*p.Width:])
		}
	}
}
