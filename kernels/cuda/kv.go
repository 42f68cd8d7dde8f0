package cuda

import (
	"errors"
	"fmt"

	"qgo/kernels/cuda/driver"
	"qgo/kernels/plan"
	"qgo/quant"
)

// KV holds the keys and values of one sequence in the GPU's memory:
// [layer][K, V][KVHeads] heads; see src/cache.h.
type KV struct {
	owner *Stage
	typ   quant.Type
	ctx   int
	data  driver.Ptr
}

// roundUp returns the number of positions that a cache for ctx has room for: so
// many that all heads begin where vectors may be loaded.
func roundUp(ctx int) int { return (ctx + 15) / 16 * 16 }

// NewKV makes room for ctx positions; see [plan.Stage].
func (s *Stage) NewKV(ctx int, t quant.Type) (plan.KV, error) {
	if err := s.CheckKV(t); err != nil {
		return nil, err
	}
	if ctx <= 0 || ctx > s.options.MaxCtx {
		return nil, fmt.Errorf("cuda: no room for a sequence of %d positions; the stage was made for 1 to %d", ctx, s.options.MaxCtx)
	}
	kv := &KV{owner: s, typ: t, ctx: ctx}
	if len(s.Blocks) == 0 {
		return kv, nil
	}
	return kv, s.dev.do(func() (err error) {
		kv.data, err = s.dev.ctx.Alloc(aligned(kv.Bytes()))
		return err
	})
}

// Bytes is the memory of the cache on the GPU.
func (kv *KV) Bytes() int64 { return kvBytes(kv.owner.Dims, len(kv.owner.Blocks), kv.ctx, kv.typ) }

// kvBytes is the memory that keys and values of type t take for ctx positions
// in a number of layers.
func kvBytes(d plan.Dims, layers, ctx int, t quant.Type) int64 {
	return 2 * int64(layers) * int64(d.KVHeads) * int64(roundUp(ctx)) * int64(t.RowBytes(d.HeadDim))
}

// Room returns the stage and the number of positions.
func (kv *KV) Room() (plan.Stage, int) { return kv.owner, kv.ctx }

// Close frees the memory.
func (kv *KV) Close() error {
	if kv.data == 0 {
		return nil
	}
	p := kv.data
	kv.data, kv.ctx = 0, 0
	return kv.owner.dev.do(func() error {
		return errors.Join(kv.owner.forget(), kv.owner.dev.ctx.Free(p)) // another cache may come there
	})
}
