package model

import (
	"errors"
	"fmt"

	"qgo/kernels/plan"
)

// KV holds the keys and values of one sequence on all devices of a model.
type KV struct {
	m     *Model
	parts []plan.KV // one a stage
	n     int       // positions filled
	ctx   int
}

// NewKV makes room for a sequence of up to ctx tokens. Close it after use.
func (m *Model) NewKV(ctx int) (*KV, error) {
	if ctx <= 0 || ctx > m.maxCtx {
		return nil, fmt.Errorf("model: no room for a sequence of %d tokens; the model was loaded for 1 to %d", ctx, m.maxCtx)
	}
	kv := &KV{m: m, ctx: ctx}
	for _, s := range m.stages {
		part, err := s.NewKV(ctx, m.kvType)
		if err != nil {
			return nil, errors.Join(err, kv.Close())
		}
		kv.parts = append(kv.parts, part)
	}
	return kv, nil
}

// Len is the number of tokens computed so far, Cap the number there is room
// for.
func (kv *KV) Len() int { return kv.n }
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
	if n < 0 || n > kv.n {
		panic(fmt.Sprintf("model: truncating a sequence of %d tokens to %d", kv.n, n))
	}
	kv.n = n
}

// Close lets the memory go.
func (kv *KV) Close() error {
	var errs []error
	for _, p := range kv.parts {
		errs = append(errs, p.Close())
	}
	kv.parts, kv.n, kv.ctx = nil, 0, 0
	return errors.Join(errs...)
}
