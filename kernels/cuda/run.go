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

// pass is one run of a batch through a stage, within Device.do. The first error
// ends it.
type pass struct {
	*Stage
	rows    int
	kv      quant.Type
	depth   int        // positions of the longest sequence
	shallow int        // and those that the first row of all sees at the least
	many    bool       // rows are multiplied in float16
	alone   bool       // each of several rows is of another sequence
	spans   driver.Ptr // cacheRows
	read    []cacheRow // those as the host has them
	tokens  driver.Ptr
	outputs driver.Ptr // numbers of rows
	err     error
}

func (s *Stage) run(ctx context.Context, b *plan.Batch, rows int, kv quant.Type) error {
	p := &pass{Stage: s, rows: rows, kv: kv, many: b.Many && s.Apart()}
	p.opens()
	switch {
	case p.looksAhead(b) && b.Best != nil:
		p.greedy(b)
	case p.looksAhead(b):
		p.given(b)
	default:
		p.err = p.forget()
		p.begin(b)
		p.records(b)
		p.embed()
		if p.inLaunches() {
			for i := range p.rows {
				p.tokenBlocks(i, p.read[i], 0)
			}
		} else {
			p.eachBlock(ctx)
		}
		p.leaves()
		p.end(b)
	}
	p.closes()
	if p.err != nil {
		// What has been started reads the staging memory of this pass.
		_ = s.dev.ctx.Sync()
	}
	return p.err
}

// ofCache returns the name of the kernel for the pass's heads and type of keys and values,
// which it loads if it is not there: it is a module of its own. Blocks of its next launches
// have so many bytes of shared memory beside the kernel's own, which stages of one GPU may
// want different numbers of.
func (p *pass) ofCache(kernel string, capability, bytes int) string {
	name := fmt.Sprintf("%s%d_%v", kernel, p.HeadDim, p.kv)
	if p.err == nil && p.dev.functions[name] == nil {
		p.err = p.dev.loadModuleFor(capability, name, []string{name})
	}
	if p.err == nil && bytes > 0 {
		p.err = p.dev.functions[name].Share(bytes)
	}
	return name
}

// eachBlock runs one transformer block after the other.
func (p *pass) eachBlock(ctx context.Context) {
	switch {
	case p.many:
		p.eachLayer(ctx, p.tensorBlock)
	case p.slots != 0:
		p.fewRows(ctx)
	default:
		p.eachLayer(ctx, p.exactBlock)
	}
}

func (p *pass) eachLayer(ctx context.Context, run func(i int)) {
	for i := range p.layers {
		if p.err == nil {
			p.err = context.Cause(ctx)
		}
		p.enters(i)
		run(i)
	}
}

// begin copies what the kernels need to know of the batch.
func (p *pass) begin(b *plan.Batch) {
	n := p.rows
	// Sections of the staging memory: rows, tokens, outputs.
	spans := unsafe.Slice((*cacheRow)(unsafe.Pointer(&p.staging.bytes[0])), n)
	numbers := unsafe.Slice((*int32)(unsafe.Pointer(&p.staging.bytes[n*int(unsafe.Sizeof(cacheRow{}))])), 2*n)
	tokens, outputs := numbers[:n], numbers[n:]
	row := 0
	p.shallow = math.MaxInt
	for _, span := range b.Spans {
		for i := range span.N {
			spans[row] = rowOf(&span, i)
			row++
		}
		p.depth = max(p.depth, span.Pos+span.N)
		p.shallow = min(p.shallow, span.Pos+1)
	}
	p.alone = n > 1 && len(b.Spans) == n
	copy(tokens, b.Tokens)
	for i, o := range b.Outputs {
		outputs[i] = int32(o)
	}
	// Launches of all blocks have their rows as arguments. What else is read once is read where
	// it is, which takes less than starting a copy and waiting for it.
	p.spans, p.read = p.staging.at, spans
	if !p.inLaunches() {
		p.spans = p.batch
		p.copyIn(p.batch, p.staging.bytes[:n*int(batchBytes)])
	}
	p.tokens = p.spans + driver.Ptr(n*int(unsafe.Sizeof(cacheRow{})))
	p.outputs = p.tokens + driver.Ptr(4*n)
	if p.Embedding == nil {
		p.copyIn(p.hidden, bytesOf(b.Hidden[:n*p.Width]))
	}
}

// rowOf is row i of a span.
func rowOf(span *plan.Span, i int) cacheRow {
	kv := span.KV.(*KV)
	return cacheRow{kv.data, int32(span.Pos + i), int32(roundUp(kv.ctx))}
}

// embed makes hidden states of tokens, if they have not come with the batch.
func (p *pass) embed() {
	if p.Embedding == nil {
		return
	}
	p.starts(plan.OpEmbedding)
	call(p, "embed_"+p.embedding.typ.String(), p.rows, vectorThreads, embedArgs{p.embedding.w, p.tokens, p.hidden})
}

// end computes what is wanted of the hidden states, and waits for all work.
func (p *pass) end(b *plan.Batch) {
	if p.Head != nil && len(b.Outputs) > 0 {
		p.logitsOf(b)
		return
	}
	p.starts(plan.OpOther)
	if p.Head == nil {
		p.copyOut(bytesOf(b.Hidden[:p.rows*p.Width]), p.hidden)
		return
	}
	p.sync()
}

func (p *pass) copyIn(dst driver.Ptr, src []byte) {
	if p.err == nil {
		p.err = p.dev.ctx.CopyIn(dst, src)
	}
}

// copyOut waits for all launches.
func (p *pass) copyOut(dst []byte, src driver.Ptr) {
	if p.flush(); p.err == nil {
		p.err = p.dev.ctx.CopyOut(dst, src)
	}
}

func call[T any](p *pass, kernel string, grid, threads int, args T) {
	if p.err != nil {
		return
	}
	f, err := p.dev.function(kernel)
	if p.err = err; err != nil {
		return
	}
	p.dev.launches.Add(1)
	bytes := unsafe.Slice((*byte)(unsafe.Pointer(&args)), unsafe.Sizeof(args))
	if g := &p.graphs; g.recording {
		if g.script.add(f, grid, threads, bytes); g.waiting != nil {
			return
		}
	}
	p.err = p.dev.ctx.Launch(f, grid, threads, bytes)
}

// exactBlock runs one transformer block in float32.
func (p *pass) exactBlock(i int) {
	l, n := &p.layers[i], p.rows
	q := p.QDim()
	stride := q + 2*p.KVDim()

	p.normalise(l.attnNorm, 0, n)
	p.starts(plan.OpQKV)
	p.multiplyJoined(l.qkv, p.qkv, stride)
	p.turn(i, stride)
	p.starts(plan.OpAttention)
	p.attend(i, stride)
	p.starts(plan.OpOutput)
	p.multiply(&l.o, p.attn, q, p.hidden, p.Width, n, true)

	p.normalise(l.ffnNorm, 0, n)
	p.starts(plan.OpGateUp)
	p.multiplyJoined(l.gateUp, p.gateUp, 2*p.FFN)
	call(p, "swiglu", ceil(n*p.FFN, vectorThreads), vectorThreads, swigluArgs{p.gateUp, int32(n), int32(p.FFN)})
	p.starts(plan.OpDown)
	p.multiply(&l.down, p.gateUp, 2*p.FFN, p.hidden, p.Width, n, true)
}

// multiplyJoined multiplies the normed rows with matrices whose results stand side by side
// in y.
func (p *pass) multiplyJoined(all joined, y driver.Ptr, yStride int) {
	for i := range all {
		p.multiply(&all[i], p.norm, p.Width, y, yStride, p.rows, false)
		y += driver.Ptr(4 * all[i].w.rows)
	}
}

// turn norms the heads if the model does, turns queries and keys, and stores keys and
// values.
func (p *pass) turn(i, stride int) {
	l, n := &p.layers[i], p.rows
	p.starts(plan.OpRope)
	if l.qNorm != 0 {
		call(p, "headnorm", n*(p.Heads+p.KVHeads), warpLen, headNormArgs{
			qkv: p.qkv, q: l.qNorm, k: l.kNorm,
			heads: int32(p.Heads), kvHeads: int32(p.KVHeads), headDim: int32(p.HeadDim), stride: int32(stride), eps: p.Eps,
		})
	}
	call(p, "rope_"+p.kv.String(), n, vectorThreads, ropeArgs{
		qkv: p.qkv, rope: p.rope, rows: p.spans,
		layer: int32(i), heads: int32(p.Heads), kvHeads: int32(p.KVHeads), headDim: int32(p.HeadDim), stride: int32(stride),
		scale: float32(1 / math.Sqrt(float64(p.HeadDim))),
	})
}

func ceil(a, b int) int { return (a + b - 1) / b }

// normalise writes n normed rows of the hidden states to norm: the first, or
// those whose numbers stand at rows.
func (p *pass) normalise(weight, rows driver.Ptr, n int) {
	p.starts(plan.OpNorm)
	call(p, "rmsnorm", n, vectorThreads, normArgs{p.hidden, weight, rows, p.norm, int32(p.Width), p.Eps})
}

// manyRows is the number of rows of x from which on weights are multiplied in
// tiles.
const manyRows = 9

// gemmOf returns the kernel that multiplies n rows of x in tiles, and how many
// of them a tile has. Wide tiles take fewer operations for a product, if they
// are full.
func gemmOf(n int) (kernel string, tile int) {
	switch {
	case n <= 16:
		return "gemm16_", 16
	case n <= 32:
		return "gemm32_", 32
	default:
		return "gemm64_", 64
	}
}

// multiply writes the products of l with n rows of x, plus the bias or, if add
// is set, plus what is there, to y.
func (p *pass) multiply(l *linear, x driver.Ptr, xStride int, y driver.Ptr, yStride, n int, add bool) {
	args := matmulArgs{w: l.w, bias: l.bias, xStride: int32(xStride), yStride: int32(yStride)}
	if add {
		args.add = 1
	}
	rows := int(l.w.rows)
	if n >= manyRows {
		args.x, args.y, args.n = x, y, int32(n)
		kernel, tile := gemmOf(n)
		call(p, kernel+l.typ.String(), ceil(rows, gemmTile)*ceil(n, tile), gemmThreads, args)
		return
	}
	for first := 0; first < n; first += vecBatch {
		args.n = int32(min(vecBatch, n-first))
		args.x, args.y = x+driver.Ptr(4*first*xStride), y+driver.Ptr(4*first*yStride)
		kernel, warpRows := "matvec4_", vecRows4
		if args.n == 1 {
			kernel, warpRows = "matvec1_", vecRows1
		}
		call(p, kernel+l.typ.String(), ceil(rows, vecThreads/warpLen*warpRows), vecThreads, args)
	}
}

// attend computes the attention of layer i.
func (p *pass) attend(i, stride int) {
	args := attentionArgs{
		qkv: p.qkv, rows: p.spans, out: p.attn, parts: p.parts, tops: p.tops, sums: p.sums,
		n: int32(p.rows), layer: int32(i), heads: int32(p.Heads), kvHeads: int32(p.KVHeads), stride: int32(stride),
	}
	splits, span := p.split()
	args.splits, args.span = int32(splits), int32(span)
	kernel := "attend64_"
	if p.HeadDim == 128 {
		kernel = "attend128_"
	}
	call(p, kernel+p.kv.String(), p.rows*p.KVHeads*splits, attnThreads, args)
	if splits > 1 {
		call(p, "merge", p.rows*p.Heads, attnThreads, mergeArgs{p.parts, p.tops, p.sums, p.attn, int32(p.HeadDim), int32(splits)})
	}
}

// attnBlocks is the number of blocks of attention that a multiprocessor should
// have: those of Maxwell hold six or more.
const attnBlocks = 6

// split returns how depth is cut: a few rows alone would leave most of the GPU
// idle.
func (p *pass) split() (splits, span int) {
	if p.rows > splitRows {
		return 1, p.depth
	}
	blocks := ceil(attnBlocks*p.dev.info.SMs, p.rows*p.KVHeads)
	tiles := ceil(p.depth, attnTile)
	perSplit := ceil(tiles, min(blocks, tiles, maxSplits))
	return ceil(tiles, perSplit), perSplit * attnTile
}
