package model

import (
	"errors"
	"fmt"
	"io"

	"qgo/kernels/cpu"
	"qgo/kernels/plan"
	"qgo/tensor"
)

// KV holds the keys and values of one sequence on all devices of a model.
type KV struct {
	m      *Model
	parts  []plan.KV // one a stage; none if they were lost with a GPU, see restore
	tokens []int32   // of the positions filled
	ctx    int
}

// NewKV makes room for a sequence of up to ctx tokens. Close it after use.
func (m *Model) NewKV(ctx int) (*KV, error) {
	if ctx <= 0 || ctx > m.maxCtx {
		return nil, fmt.Errorf("model: no room for a sequence of %d tokens; the model was loaded for 1 to %d", ctx, m.maxCtx)
	}
	if err := m.checkKV(ctx); err != nil {
		return nil, err
	}
	kv := &KV{m: m, ctx: ctx, tokens: make([]int32, 0, ctx)}
	if err := kv.makeParts(); err != nil {
		return nil, err
	}
	m.kvs[kv] = struct{}{}
	return kv, nil
}

// checkKV reports whether there is memory for a sequence on the CPU: the system
// may say yes to all, and end the program when it is used.
func (m *Model) checkKV(ctx int) error {
	blocks := 0
	for _, s := range m.stages {
		if s, ok := s.(*cpu.Stage); ok {
			blocks += len(s.Blocks)
		}
	}
	limit, known := tensor.Memory()
	if !known || limit.Source == tensor.SourceAddresses { // which the system itself refuses
		return nil
	}
	kv := func(n int) int64 { return cpu.KVBytes(m.plan.Dims, blocks, n, m.kvType) }
	return Memory{KV: kv(ctx), context: ctx, step: kv(contextStep)}.check(limit)
}

// makeParts makes room on all stages of the model.
func (kv *KV) makeParts() error {
	for _, s := range kv.m.stages {
		part, err := s.NewKV(kv.ctx, kv.m.kvType)
		if err != nil {
			return errors.Join(err, kv.closeParts())
		}
		kv.parts = append(kv.parts, part)
	}
	return nil
}

func (kv *KV) closeParts() error {
	var errs []error
	for _, p := range kv.parts {
		errs = append(errs, p.Close())
	}
	kv.parts = kv.parts[:0]
	return errors.Join(errs...)
}

// save writes the keys and values of all blocks in the order of the model; see
// [plan.KV].
func (kv *KV) save(w io.Writer) error {
	for _, p := range kv.parts {
		if err := p.Save(w, kv.Len()); err != nil {
			return err
		}
	}
	return nil
}

// load reads what save wrote for n positions.
func (kv *KV) load(r io.Reader, n int) error {
	for _, p := range kv.parts {
		if err := p.Load(r, n); err != nil {
			return err
		}
	}
	return nil
}

// fileBytes is the length of what save writes for n positions.
func (kv *KV) fileBytes(n int) int64 {
	d := kv.m.plan.Dims
	return 2 * int64(len(kv.m.plan.Blocks)) * int64(d.KVHeads) * int64(n) * int64(kv.m.kvType.RowBytes(d.HeadDim))
}

// Len is the number of tokens computed so far, Cap the number there is room
// for.
func (kv *KV) Len() int { return len(kv.tokens) }
func (kv *KV) Cap() int { return kv.ctx }

// Bytes is the memory that it takes when full.
func (kv *KV) Bytes() (n int64) {
	for _, p := range kv.parts {
		n += p.Bytes()
	}
	return n
}

// Truncate takes tokens back until n are left. It panics if there are fewer.
func (kv *KV) Truncate(n int) {
	if n < 0 || n > kv.Len() {
		panic(fmt.Sprintf("model: truncating a sequence of %d tokens to %d", kv.Len(), n))
	}
	kv.tokens = kv.tokens[:n]
}

// Close frees the memory.
func (kv *KV) Close() error {
	delete(kv.m.kvs, kv)
	kv.tokens, kv.ctx = nil, 0
	return kv.closeParts()
}
