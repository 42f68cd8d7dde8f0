package cpu

import (
	"fmt"
	"math"

	"qgo/kernels"
	"qgo/kernels/generic"
	"qgo/kernels/plan"
	"qgo/kernels/tier"
	"qgo/quant"
	"qgo/quant/codec"
	"qgo/tensor"
)

// KV holds the keys and values of one sequence. Those of one head lie
// together, so that attention streams them: values position after position,
// keys in blocks as [generic.PutKey] makes them. There is room for whole
// blocks.
type KV struct {
	owner  *Stage
	typ    quant.Type
	ctx    int
	row    int // bytes of one head at one position
	layers int
	arena  *tensor.Arena
	data   []byte // [layer][K, V][KVHeads][roundUp(ctx)] rows, in the arena
}

// NewKV makes room for ctx positions; see [plan.Stage].
func (s *Stage) NewKV(ctx int, t quant.Type) (plan.KV, error) {
	if err := s.CheckKV(t); err != nil {
		return nil, err
	}
	kv := &KV{owner: s, typ: t, ctx: ctx, row: t.RowBytes(s.HeadDim), layers: len(s.Blocks)}
	size := kv.Bytes()
	if size != int64(int(size)) {
		return nil, fmt.Errorf("a KV cache of %d bytes is more than this machine can address", size)
	}
	arena, err := tensor.NewSparseArena(int(size))
	if err != nil {
		return nil, fmt.Errorf("a KV cache for %d positions: %w", ctx, err)
	}
	kv.arena, kv.data = arena, arena.Alloc(int(size))
	return kv, nil
}

// Room returns the stage and the number of positions.
func (kv *KV) Room() (plan.Stage, int) { return kv.owner, kv.ctx }

// Bytes is the memory of the cache.
func (kv *KV) Bytes() int64 { return KVBytes(kv.owner.Dims, kv.layers, kv.ctx, kv.typ) }

// KVBytes is the memory that keys and values of type t take for ctx positions
// in a number of layers; [math.MaxInt64] stands for all that is more.
func KVBytes(d plan.Dims, layers, ctx int, t quant.Type) int64 {
	// Every factor but the context is bounded by the tensors of a file.
	block := 2 * int64(layers) * int64(d.KVHeads) * int64(t.RowBytes(d.HeadDim)) * generic.KeyBlock
	blocks := int64(ctx) / generic.KeyBlock
	if ctx%generic.KeyBlock != 0 {
		blocks++
	}
	if block > 0 && blocks > math.MaxInt64/block {
		return math.MaxInt64
	}
	return block * blocks
}

// roundUp returns the number of positions of the blocks that hold ctx.
func roundUp(ctx int) int {
	return (ctx + generic.KeyBlock - 1) / generic.KeyBlock * generic.KeyBlock
}

// Close frees the memory.
func (kv *KV) Close() error {
	if kv.arena == nil {
		return nil
	}
	kv.owner.pool.Drain()
	arena := kv.arena
	kv.arena, kv.data, kv.ctx = nil, nil, 0
	return arena.Close()
}

// head returns a key (part 0) or value (part 1) head.
func (kv *KV) head(layer, part, head int) []byte {
	n := roundUp(kv.ctx) * kv.row
	i := (layer*2+part)*kv.owner.KVHeads + head
	return kv.data[i*n : (i+1)*n]
}

// store writes the key and the value of a head at a position. tmp has room for
// a row.
func (kv *KV) store(tier *tier.Tier, layer, head, pos int, key, value []float32, tmp []byte) {
	tmp = tmp[:kv.row]
	row := kv.head(layer, 1, head)[pos*kv.row:][:kv.row]
	if kv.typ == quant.F16 {
		tier.Halves(tmp, key)
		tier.Halves(row, value)
	} else {
		codec.Quantize(kv.typ, tmp, key)
		codec.Quantize(kv.typ, row, value)
	}
	generic.PutKey(kv.typ, kv.head(layer, 0, head), pos, tmp)
}

// rotateAndStore applies the norms of heads and the rotary embedding to queries and keys, puts the
// scale of the softmax into the queries, and stores keys and values.
func (p *pass) rotateAndStore(w *kernels.Worker, layer int) {
	t := p.workers[w.ID]
	q, kvDim, half := p.QDim(), p.KVDim(), p.HeadDim/2
	stride, b := q+2*kvDim, &p.Blocks[layer]
	for it := p.items(w, plan.OpRope, p.rows(), fitting(t.Out[0], stride)); it.Next(); {
		copy(t.Out[0], p.qkv[it.Lo*stride:it.Hi*stride])
		for i := it.Lo; i < it.Hi; i++ {
			x := t.Out[0][(i-it.Lo)*stride:][:stride]
			p.normHeads(x[:q], b.QNorm)
			p.normHeads(x[q:q+kvDim], b.KNorm)
			p.tier.Rope(x[:q+kvDim], p.cos[i*half:(i+1)*half], p.sin[i*half:(i+1)*half])
			p.tier.Scale(x[:q], x[:q], p.scale)
		}
		if !it.Commit() {
			continue
		}
		for i, at := range p.rowsAt[it.Lo:it.Hi] {
			x := t.Out[0][i*stride:][:stride]
			copy(p.qkv[(it.Lo+i)*stride:], x[:q])
			for h := range p.KVHeads {
				key := x[q+h*p.HeadDim:]
				at.kv.store(p.tier, layer, h, at.pos, key[:p.HeadDim], key[kvDim:][:p.HeadDim], t.Key)
			}
		}
	}
}

// normHeads norms each head of x, if there is a weight for that.
func (p *pass) normHeads(x, weight []float32) {
	if weight == nil {
		return
	}
	for d := p.HeadDim; len(x) > 0; x = x[d:] {
		p.tier.RMSNorm(x[:d], x[:d], weight, p.Eps)
	}
}
