package cpu

import (
	"fmt"
	"math"

	"qgo/kernels/generic"
	"qgo/kernels/plan"
	"qgo/quant"
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
