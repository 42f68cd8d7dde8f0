package cuda

import (
	"context"
	"fmt"
	"math"
	"unsafe"

	"qgo/kernels/cuda/driver"
	"qgo/kernels/plan"
	"qgo/quant"
)

// Several rows at a time, with the bits that each would have by itself in a token's launch:
// see src/batch.h and src/rows.h. This is how GPUs with units for products of matrices compute
// few tokens of many sequences, or short prompts, if the plan has such a launch.

type (
	batchArgs struct {
		w                          matrixArgs
		x, scales, y               driver.Ptr
		apart                      uint64
		ahead                      driver.Ptr
		aheadBytes                 uint64
		n, stride, length, rowsOfX int32
		parts, shares              int32
	}
	slotsArgs struct {
		x, parts, rows, norm, gated  driver.Ptr
		to                           xRows
		scales                       driver.Ptr
		apart                        uint64
		count, width, stride, blocks int32
		eps                          float32
		_                            int32
	}
	xRows struct { // see src/slots.h
		slots           driver.Ptr
		groups, rowsOfX int32
	}
	joinedArgs struct {
		parts, bias   driver.Ptr
		apart         uint64
		count, stride int32
	}
	turnArgs struct {
		from                        [3]joinedArgs // queries, keys and values
		scales, queries, rope, rows driver.Ptr
		layer, heads, kvHeads       int32
		scale                       float32
	}
	spansArgs struct {
		turn                      turnArgs
		to                        xRows
		format, first             int32
		parts, tops, sums         driver.Ptr
		alone, splits, span, most int32
		group, together, each     int32
		above, upTo, _            int32
	}
)

// What the kernels are written for.
const (
	batchThreads = 512          // of a block of batch, at the most
	fewWarps     = 8            // of a block of few
	leastOfX     = 8            // rows of x of a block of batch, at the least
	mostOfX      = 32           // and at the most
	tileRows     = 16           // of weights, a tile
	batchPhases  = 4            // warps that have the same rows
	floatRows    = 64           // of weights that are floats, a block
	batchRows    = 2 * tileRows // of weights, that they have
	mostAhead    = 16 << 20     // bytes that a launch has the second-level cache fetch
	rowsAtOnce   = 64           // that go through a block of the model together
	slotsThreads = 256
	spansThreads = 256
)

// hasBatch reports whether few rows of a plan are computed so.
func (d *Device) hasBatch(p plan.Plan, o plan.Options) bool {
	return capability(d.info) >= tensorCapability && !o.Exact && d.hasToken(p)
}

// batchSizes are the bytes of the buffers, if the parts of products are so many numbers for each
// row.
func batchSizes(p plan.Plan, o plan.Options, parts int) (slots, scales, products int64) {
	rows := int64(min(rowsAtOnce, o.MaxRows))
	return int64(roundUpTo(int(rows), mostOfX)) * int64(max(p.Width, p.QDim(), p.FFN)/groupLen) * slotBytes, 4 * rows, 4 * rows * int64(parts)
}

// batchParts returns how many numbers a row's products are in parts, at the most.
func (d *Device) batchParts(p plan.Plan) (most int) {
	for i := range p.Blocks {
		qkv := 0
		d.eachMatrix(&p.Blocks[i], func(matrix, rows, cols, pairs int) {
			n := rows * partsOf(pairs, cols)
			if matrix < ofQKV {
				qkv += n
				n = qkv
			}
			most = max(most, n)
		})
	}
	return most
}

func (s *Stage) allocBatch() (err error) {
	slots, scales, products := batchSizes(s.Plan, s.options, s.dev.batchParts(s.Plan))
	for _, b := range []struct {
		at   *driver.Ptr
		size int64
	}{{&s.slots, slots}, {&s.scales, scales}, {&s.products, products}} {
		if *b.at, err = s.memory.alloc(b.size); err != nil {
			return err
		}
	}
	return nil
}

// batchKernels loads the kernels for all types of the stage's weights.
func (p *pass) batchKernels() {
	p.ofRows("turn")
	for i := range p.layers {
		l := &p.layers[i]
		for _, all := range []joined{l.qkv, {l.o}, l.gateUp, {l.down}} {
			for _, m := range all {
				p.ofBatch("slots_", m.typ)
			}
		}
	}
	if p.Head != nil {
		p.ofBatch("slots_", p.head.typ)
	}
}

// ofBatch returns the name of a kernel for a type of weights, which it loads if it is not there.
func (p *pass) ofBatch(kernel string, t quant.Type) string {
	name := kernel + t.String()
	if p.err == nil && p.dev.functions[name] == nil {
		names := []string{"slots_", "few_", "batch8_", "batch16_", "batch32_", "stream_", "next_", "given_"}
		for i := range names {
			names[i] += t.String()
		}
		p.err = p.dev.loadModuleFor(tensorCapability, "batch_"+t.String(), names)
	}
	return name
}

// ofRows returns the name of one for the pass's heads and type of keys and values.
func (p *pass) ofRows(kernel string) string {
	suffix := fmt.Sprintf("%d_%v", p.HeadDim, p.kv)
	if p.err == nil && p.dev.functions[kernel+suffix] == nil {
		names := []string{"turn" + suffix, "spans" + suffix, "joinSpans" + suffix}
		if p.kv == quant.F16 {
			names = append(names, "headSpans"+suffix)
		}
		p.err = p.dev.loadModuleFor(tensorCapability, "rows"+suffix, names)
	}
	return kernel + suffix
}

// xRows is where n rows come that are multiplied with a matrix whose parts are of so many steps.
func (p *pass) xRows(l *linear, length, n int) xRows {
	to := xRows{slots: p.slots, groups: l.w.cols / groupLen}
	if !p.shapeOf(l, length, n).few {
		to.rowsOfX = int32(roundUpTo(n, mostOfX))
	}
	return to
}

// inRows writes n rows to slots, as a matrix whose parts are of so many steps wants them.
func (p *pass) inRows(l *linear, length, n int, args slotsArgs) {
	args.to, args.scales, args.eps = p.xRows(l, length, n), p.scales, p.Eps
	args.blocks = 1
	if args.norm == 0 {
		args.blocks = int32(ceil(int(args.width), 4*slotsThreads))
	}
	call(p, p.ofBatch("slots_", l.typ), n*int(args.blocks), slotsThreads, args)
}

// multiplySlots multiplies n rows of slots with a matrix whose parts are of so many steps, and
// writes what each part makes to y, times scales if there are any. Meanwhile the weights that are
// wanted next, if it is known which, come into the second-level cache.
func (p *pass) multiplySlots(l, next *linear, length, n int, scales, y driver.Ptr) joinedArgs {
	rows, cols := int(l.w.rows), int(l.w.cols)
	shape := p.shapeOf(l, length, n)
	all := joinedArgs{parts: y, apart: uint64(n * rows), count: int32(ceil(stepsOf(cols), length)), stride: l.w.rows}
	args := batchArgs{scales: scales, y: y, apart: all.apart}
	if shape.whole {
		all.count = 1
	}
	args.parts, args.shares = all.count, int32(shape.shares)
	if next != nil {
		bytes := layout(next.typ, int(next.w.rows), int(next.w.cols)).size // its planes follow each other
		args.ahead, args.aheadBytes = next.w.codes, uint64(min(bytes, mostAhead))
	}
	name := p.ofBatch(shape.kernel, l.typ)
	if p.err == nil {
		p.err = p.dev.functions[name].Share(shape.bytes)
	}
	args.w, args.x, args.rowsOfX = l.w, p.slots, p.xRows(l, length, n).rowsOfX
	args.n, args.stride, args.length = int32(n), l.w.rows, int32(length)
	call(p, name, shape.blocks, shape.warps*warpLen, args)
	return all
}

func roundUpTo(n, of int) int { return ceil(n, of) * of }

// fewRows runs all transformer blocks, for so many rows at a time: what later ones want of
// earlier ones is in the cache.
func (p *pass) fewRows(ctx context.Context) {
	for first := 0; first < p.rows; first += rowsAtOnce {
		c := chunk{
			n: min(rowsAtOnce, p.rows-first), hidden: p.hidden + driver.Ptr(4*first*p.Width),
			rows: p.spans + driver.Ptr(first*int(unsafe.Sizeof(cacheRow{}))),
		}
		p.eachLayer(ctx, func(i int) { p.batchBlock(i, &c) })
		p.inRows(&p.layers[0].o, int(p.token.all[0].o.length), c.n, c.state(p, 0))
	}
}

// chunk is rows that go through the blocks together.
type chunk struct {
	n            int
	hidden, rows driver.Ptr
	left         joinedArgs // what is to be added to the hidden state
}

// state is the hidden state, to which what is left is added, for a norm.
func (c *chunk) state(p *pass, norm driver.Ptr) slotsArgs {
	return slotsArgs{
		x: c.hidden, norm: norm, width: int32(p.Width), stride: int32(p.Width),
		parts: c.left.parts, count: c.left.count, apart: c.left.apart,
	}
}

// batchBlock runs one transformer block. What a product's parts make is added up by what comes
// next.
func (p *pass) batchBlock(i int, c *chunk) {
	l, t, n := &p.layers[i], &p.token.all[i], c.n
	gateUp := &l.gateUp[0]
	turn := turnArgs{
		scales: p.scales, queries: p.qkv, rope: p.rope, rows: c.rows,
		layer: int32(i), heads: int32(p.Heads), kvHeads: int32(p.KVHeads),
		scale: float32(1 / math.Sqrt(float64(p.HeadDim))),
	}
	y, from, widths := p.products, turn.from[:0], [3]int{p.QDim(), p.KVDim(), p.KVDim()}
	for j := range l.qkv {
		m := &l.qkv[j]
		p.starts(plan.OpNorm)
		p.inRows(m, int(t.qkv[j].length), n, c.state(p, l.attnNorm))
		c.left = joinedArgs{}
		p.starts(plan.OpQKV)
		piece := p.multiplySlots(m, &l.o, int(t.qkv[j].length), n, 0, y)
		piece.bias = m.bias
		y += driver.Ptr(4 * uint64(piece.count) * piece.apart)
		for rest := int(m.w.rows); rest > 0; {
			width := widths[len(from)]
			from = append(from, piece)
			piece.parts += driver.Ptr(4 * width)
			if piece.bias != 0 {
				piece.bias += driver.Ptr(4 * width)
			}
			rest -= width
		}
	}
	if !p.alone {
		p.starts(plan.OpRope)
		call(p, p.ofRows("turn"), n*(p.Heads+2*p.KVHeads), p.HeadDim/2, turn)
	}
	p.starts(plan.OpAttention)
	p.attendSpans(i, n, turn)
	p.starts(plan.OpOutput)
	c.left = p.multiplySlots(&l.o, gateUp, int(t.o.length), n, 0, p.products)

	p.starts(plan.OpNorm)
	p.inRows(gateUp, int(t.gateUp.length), n, c.state(p, l.ffnNorm))
	p.starts(plan.OpGateUp)
	both := p.multiplySlots(gateUp, &l.down, int(t.gateUp.length), n, 0, p.products)
	p.inRows(&l.down, int(t.down.length), n, slotsArgs{parts: both.parts, gated: p.scales, width: int32(p.FFN), count: both.count, apart: both.apart})
	p.starts(plan.OpDown)
	c.left = p.multiplySlots(&l.down, p.after(i), int(t.down.length), n, 0, p.products)
}

// after returns the first matrix behind layer i, or nil.
func (p *pass) after(i int) *linear {
	switch {
	case i+1 < len(p.layers):
		return &p.layers[i+1].qkv[0]
	case p.Head != nil:
		return &p.head
	default:
		return nil
	}
}

// By units, heads of a KV head have a block each as long as a multiprocessor has so many blocks at the most, and spans
// if it has so many.
const headBlocks, spanBlocks = 2, 4

// attendSpans computes the attention of layer i for n rows, and writes it as rows of x of the output matrix.
func (p *pass) attendSpans(i, n int, turn turnArgs) {
	deep := p.attentionAt(p.depth)
	if shallow := p.attentionAt(p.shallow); shallow != deep {
		p.attendSpansBy(shallow, i, n, turn)
	}
	p.attendSpansBy(deep, i, n, turn)
}

// attendSpansBy does so in one way, for the rows that it is the way of. It takes as many rows at a time as there is memory
// for the spans of.
func (p *pass) attendSpansBy(way attention, i, n int, turn turnArgs) {
	o := &p.layers[i].o
	splits := way.splits(p.depth)
	args := spansArgs{
		turn: turn, to: p.xRows(o, int(p.token.all[i].o.length), n), format: p.token.all[i].o.format,
		parts: p.parts, tops: p.tops, sums: p.sums,
		splits: int32(splits), span: int32(way.span), most: int32(way.most), group: int32(p.Group()),
		above: int32(way.above), upTo: int32(way.upTo),
	}
	if p.alone {
		args.alone = 1
	}
	together := n
	if splits > 1 {
		together = max(1, min(splitRows, p.options.MaxRows)*maxSplits/splits)
	}
	for first := 0; first < n; first += together {
		here := min(together, n-first)
		if way.units {
			heads, shares := p.shareHeads(headBlocks * p.dev.info.SMs / (here * splits))
			each := max(1, here*shares*splits/(spanBlocks*p.dev.info.SMs))
			args.together, args.each = int32(heads), int32(each)
			call(p, p.ofRows("headSpans"), here*shares*ceil(splits, each), spansThreads, args)
		} else {
			call(p, p.ofRows("spans"), here*p.Heads*splits, spansThreads, args)
		}
		if splits > 1 {
			call(p, p.ofRows("joinSpans"), here*p.Heads, p.HeadDim, args)
		}
		args.first += int32(here)
	}
}
