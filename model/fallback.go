package model

import (
	"context"
	"errors"

	"qgo/kernels/cuda"
)

// fallBack moves a model whose GPU has failed to the CPU, and computes the keys
// and values of all sequences anew, so that nothing is lost but time. The first
// error is that of the GPU.
func (m *Model) fallBack(ctx context.Context, failure error) error {
	m.warn("The GPU %v failed: %v. Going on with the CPU.", m.gpu, failure)
	for _, s := range m.stages {
		s.Close() // what the GPU says now tells nothing new
	}
	if err := m.placeCPU(); err != nil {
		return errors.Join(failure, err)
	}
	for kv := range m.kvs {
		if err := m.rebuild(ctx, kv); err != nil {
			return errors.Join(failure, err)
		}
	}
	return nil
}

// rebuild gives a sequence room on the stages there are now, and computes its
// tokens again.
func (m *Model) rebuild(ctx context.Context, kv *KV) error {
	for _, p := range kv.parts {
		p.Close()
	}
	kv.parts = kv.parts[:0]
	if err := kv.makeParts(); err != nil {
		return err
	}
	tokens := kv.tokens
	kv.tokens = nil
	if len(tokens) == 0 {
		return nil
	}
	return m.Forward(ctx, []Seq{{KV: kv, Tokens: tokens}})
}

// lost tells whether an error means that the GPU is of no use any more.
func (m *Model) lost(err error) bool { return m.gpu != nil && cuda.Failed(err) }
