package cuda

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"unsafe"

	"qgo/kernels/cuda/driver"
	"qgo/kernels/plan"
	"qgo/quant"
	"qgo/tensor"
)

// Stage is a plan on a GPU. Its Run is not for concurrent use.
type Stage struct {
	plan.Plan
	dev     *Device
	options plan.Options
	memory  memory
	profile profile
	graphs  graphs
	ahead   ahead

	embedding, head linear
	headNorm        driver.Ptr
	layers          []layers

	hidden, norm, qkv, attn, gateUp driver.Ptr
	parts, tops, sums               driver.Ptr
	logits, keys, rope              driver.Ptr
	halves                          halves
	token                           token
	slots, scales, products         driver.Ptr             // of few rows: see batch.go
	stream                          streamShape            // of the head, if it is multiplied so: see stream.go
	batch                           driver.Ptr             // as staging
	staging                         hostMemory             // rows, tokens and outputs of a batch
	pinned                          hostMemory             // what is handed over of logits, if there is a head
	reached                         map[uintptr]driver.Ptr // memory of Pin by its address
}

// linear is a matrix on the GPU, with its bias or 0.
type linear struct {
	w      matrixArgs
	typ    quant.Type
	bias   driver.Ptr
	shapes map[shapeKey]batchShape // of products with several rows of x, as they are wanted
}

// biasOf is where the biases of rows from that one on are, or 0.
func (l *linear) biasOf(row int) driver.Ptr {
	if l.bias == 0 {
		return 0
	}
	return l.bias + driver.Ptr(4*row)
}

// layers are a block's weights on the GPU.
type layers struct {
	attnNorm, ffnNorm driver.Ptr
	qNorm, kNorm      driver.Ptr // 0 if there are none
	qkv, gateUp       joined
	o, down           linear
}

// joined are matrices that are multiplied with the same activations, and whose results
// stand side by side: those of one type in one piece.
type joined []linear

// batchBytes is what a row of a batch takes of the staging memory: its token,
// its number if it is an output, and its cacheRow.
const batchBytes = 4 + 4 + int64(unsafe.Sizeof(cacheRow{}))

// known are the features of plans that the kernels know.
const known = plan.ProjectionBias | plan.HeadNorms

// Check returns an error if a plan cannot run on a GPU.
func (d *Device) Check(p plan.Plan) error {
	if err := p.CheckFeatures(known); err != nil {
		return fmt.Errorf("cuda: %w", err)
	}
	switch {
	case p.HeadDim != 64 && p.HeadDim != 128:
		return fmt.Errorf("cuda: heads of %d values; the kernels are for 64 and 128", p.HeadDim)
	case p.KVHeads <= 0 || p.Heads%p.KVHeads != 0 || p.Group() > attnGroup:
		return fmt.Errorf("cuda: %d heads on %d key heads; the kernels are for at most %d on each", p.Heads, p.KVHeads, attnGroup)
	}
	if p.Head != nil && p.Vocab > mostVocab {
		return fmt.Errorf("cuda: a vocabulary of %d tokens; the kernels are for at most %d", p.Vocab, mostVocab)
	}
	for _, w := range tables(p) {
		if err := fits(w); err != nil {
			return err
		}
	}
	for i := range p.Blocks {
		for _, l := range p.Blocks[i].Linears() {
			if err := fits(l.W); err != nil {
				return err
			}
		}
	}
	return nil
}

// Load loads a plan on the GPU. If it fails, it leaves nothing there.
func (d *Device) Load(p plan.Plan, o plan.Options) (plan.Stage, error) {
	if err := d.Check(p); err != nil {
		return nil, err
	}
	s := &Stage{Plan: p, dev: d, options: o, memory: memory{dev: d}, reached: map[uintptr]driver.Ptr{}}
	err := d.do(func() error {
		err := s.load()
		if err != nil {
			err = errors.Join(err, s.free())
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// free gives all memory back.
func (s *Stage) free() error {
	err := errors.Join(s.forget(), s.dev.ctx.Sync(), s.graphs.close(), s.staging.free(s.dev), s.pinned.free(s.dev))
	for first := range s.reached {
		err = errors.Join(err, s.leave(first))
	}
	return errors.Join(err, s.memory.free())
}

// Close gives all memory back.
func (s *Stage) Close() error { return s.dev.do(s.free) }

// MaxRows is the number of rows of the largest batch.
func (s *Stage) MaxRows() int { return s.options.MaxRows }

// Apart reports whether batches with Many are multiplied in float16.
func (s *Stage) Apart() bool { return s.halves.x != 0 }

// SameRows is 1 if the sums of several rows are in another order than those of one, as
// they are without the kernels of batch.go.
func (s *Stage) SameRows() int {
	if s.slots == 0 {
		return 1
	}
	return s.options.MaxRows
}

// load allocates buffers and copies weights.
func (s *Stage) load() (err error) {
	z := s.dev.sizesOf(s.Plan, s.options)
	for _, b := range []struct {
		p *driver.Ptr
		n int64
	}{
		{&s.hidden, z.hidden}, {&s.norm, z.hidden}, {&s.qkv, z.qkv}, {&s.attn, z.attn}, {&s.gateUp, 2 * z.ffn},
		{&s.parts, z.parts * int64(s.HeadDim)}, {&s.tops, z.parts}, {&s.sums, z.parts}, {&s.logits, z.logits},
	} {
		if *b.p, err = s.memory.alloc(4 * b.n); err != nil {
			return err
		}
	}
	if z.halves > 0 {
		if err := s.allocHalves(z); err != nil {
			return err
		}
	}
	n := int64(s.options.MaxRows) * batchBytes
	if s.batch, err = s.memory.alloc(n); err != nil {
		return err
	}
	if s.staging, err = s.dev.hostAlloc(int(n)); err != nil {
		return err
	}
	if s.Head != nil {
		if s.keys, err = s.memory.alloc(keysBytes(s.Plan, s.options)); err != nil {
			return err
		}
		if s.pinned, err = s.dev.hostAlloc(pinnedBytes(s.Plan)); err != nil {
			return err
		}
	}
	if s.rope, err = upload(&s.memory, ropeTable(s.Rope, s.options.MaxCtx)); err != nil {
		return err
	}
	if err := s.loadWeights(); err != nil {
		return err
	}
	if err := s.loadToken(); err != nil {
		return err
	}
	if s.dev.hasBatch(s.Plan, s.options) {
		if err := s.allocBatch(); err != nil {
			return err
		}
		if s.Head != nil {
			s.stream = streamShapeOf(&s.head, s.dev.info.SMs, s.dev.info.BlockMemory)
		}
	}
	// What the driver would else compile when the first prompt comes.
	p := &pass{Stage: s, kv: s.options.KV}
	if s.token.layers != 0 {
		p.tokenKernel(p.attentionAt(1))
	}
	if s.slots != 0 {
		p.batchKernels()
	}
	if s.Apart() {
		p.flashKernel()
	}
	return p.err
}

// ropeTable returns [ctx] rows of cosines and sines.
func ropeTable(r plan.Rope, ctx int) []float32 {
	half := len(r.InvFreq)
	t := make([]float32, ctx*2*half)
	for pos := range ctx {
		row := t[pos*2*half:]
		for i, f := range r.InvFreq {
			sin, cos := math.Sincos(float64(pos) * f)
			row[i], row[half+i] = float32(cos*r.Scale), float32(sin*r.Scale)
		}
	}
	return t
}

func (s *Stage) loadWeights() (err error) {
	if s.Embedding != nil {
		if s.embedding, err = s.linear(plan.Linear{W: *s.Embedding}); err != nil {
			return err
		}
	}
	s.layers = make([]layers, len(s.Blocks))
	for i := range s.Blocks {
		b, l := &s.Blocks[i], &s.layers[i]
		for _, v := range []struct {
			dst *driver.Ptr
			src []float32
		}{{&l.attnNorm, b.AttnNorm}, {&l.ffnNorm, b.FFNNorm}, {&l.qNorm, b.QNorm}, {&l.kNorm, b.KNorm}} {
			if v.src == nil {
				continue
			}
			if *v.dst, err = upload(&s.memory, v.src); err != nil {
				return err
			}
		}
		for _, m := range []struct {
			dst *joined
			src []plan.Linear
		}{{&l.qkv, []plan.Linear{b.Q, b.K, b.V}}, {&l.gateUp, []plan.Linear{b.Gate, b.Up}}} {
			if *m.dst, err = s.join(m.src); err != nil {
				return err
			}
		}
		if l.o, err = s.linear(b.O); err != nil {
			return err
		}
		if l.down, err = s.linear(b.Down); err != nil {
			return err
		}
	}
	if s.Head == nil {
		return nil
	}
	if s.headNorm, err = upload(&s.memory, s.Head.Norm); err != nil {
		return err
	}
	if s.Embedding != nil && &s.Embedding.Data[0] == &s.Head.W.Data[0] {
		s.head = s.embedding
		return nil
	}
	s.head, err = s.linear(plan.Linear{W: s.Head.W})
	return err
}

// join copies matrices that are multiplied with the same activations.
func (s *Stage) join(all []plan.Linear) (out joined, err error) {
	for len(all) > 0 {
		n := sameType(all)
		l, err := s.linear(all[:n]...)
		if err != nil {
			return nil, err
		}
		out, all = append(out, l), all[n:]
	}
	return out, nil
}

// sameType is how many matrices from the first on are of its type.
func sameType(all []plan.Linear) int {
	n := slices.IndexFunc(all, func(l plan.Linear) bool { return l.W.Type != all[0].W.Type })
	if n < 0 {
		return len(all)
	}
	return n
}

// rowsOf is the number of rows of matrices.
func rowsOf(all []plan.Linear) (rows int) {
	for _, l := range all {
		rows += l.W.Rows
	}
	return rows
}

// biasesOf are the biases of matrices, one after the other; if some have one, those of
// the others are 0.
func biasesOf(all []plan.Linear) (bias []float32) {
	if !slices.ContainsFunc(all, func(l plan.Linear) bool { return l.Bias != nil }) {
		return nil
	}
	for _, l := range all {
		bias = append(bias, l.Bias...)
		bias = append(bias, make([]float32, l.W.Rows-len(l.Bias))...)
	}
	return bias
}

// slabBytes is about the size of the pieces that weights are copied in.
const slabBytes = 4 << 20

// linear copies matrices of one type, the rows of one behind those of the other, and
// their biases.
func (s *Stage) linear(all ...plan.Linear) (out linear, err error) {
	first := all[0].W
	if err := s.dev.need(first.Type); err != nil {
		return out, err
	}
	rows := rowsOf(all)
	at := layout(first.Type, rows, first.Cols)
	p, err := s.memory.alloc(at.size)
	if err != nil {
		return out, err
	}
	add := func(n int64) driver.Ptr { return p + driver.Ptr(n) }
	out = linear{typ: first.Type, w: matrixArgs{
		codes: add(at.codes), high: add(at.high), scales: add(at.scales), supers: add(at.supers),
		rows: int32(rows), cols: int32(first.Cols),
	}}
	row, step := 0, max(1, slabBytes/first.RowBytes())
	for _, l := range all {
		for r := 0; r < l.W.Rows; r += step {
			if s.options.Stop != nil {
				if err := s.options.Stop(); err != nil {
					return out, err
				}
			}
			part := l.W.Slice(r, min(r+step, l.W.Rows))
			if err := s.copyRows(out.w, l.W.Type, part, row+r); err != nil {
				return out, err
			}
			if s.options.Release != nil {
				s.options.Release(part.Data)
			}
		}
		row += l.W.Rows
	}
	if bias := biasesOf(all); bias != nil {
		out.bias, err = upload(&s.memory, bias)
	}
	return out, err
}

// copyRows copies rows of a matrix that begin with row first of it.
func (s *Stage) copyRows(m matrixArgs, t quant.Type, part tensor.Tensor, first int) error {
	data, at := packMatrix(part, s.options.Threads), layout(t, part.Rows, part.Cols)
	rowBytes := formatOf(t).planeBytes(int64(part.Cols / groupLen))
	for i, plane := range []struct {
		dst  driver.Ptr
		from int64
	}{{m.codes, at.codes}, {m.high, at.high}, {m.scales, at.scales}, {m.supers, at.supers}} {
		src := data[plane.from:][:int64(part.Rows)*rowBytes[i]]
		if err := s.dev.ctx.CopyIn(plane.dst+driver.Ptr(int64(first)*rowBytes[i]), src); err != nil {
			return err
		}
	}
	return nil
}

// Run computes a batch; see [plan.Stage].
func (s *Stage) Run(ctx context.Context, b *plan.Batch) error {
	rows, err := b.Check(s)
	if err != nil {
		return fmt.Errorf("cuda: %w", err)
	}
	typ := b.Spans[0].KV.(*KV).typ
	for _, span := range b.Spans {
		if span.KV.(*KV).typ != typ {
			return errors.New("cuda: KV caches of different types in one batch")
		}
	}
	return s.dev.do(func() error { return s.run(ctx, b, rows, typ) })
}
