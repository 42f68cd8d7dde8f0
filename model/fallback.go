package model

import (
	"context"
	"errors"
)

// fallBack moves a model whose GPU has failed to the CPU. The sequences keep
// their tokens and lose their keys and values, which restore computes anew when
// they are needed, so that nothing is lost but time. The error is that of the
// GPU and why the CPU cannot go on.
func (m *Model) fallBack(ctx context.Context, failure error) error {
	m.warn("The GPU %v failed: %v. Going on with the CPU.", m.gpu, failure)
	// What the GPU says to closing anything adds nothing.
	for _, s := range m.stages {
		_ = s.Close()
	}
	for kv := range m.kvs {
		_ = kv.closeParts()
	}
	m.gpu, m.gpuLayers, m.stages = nil, 0, nil
	if err := m.placeWhole(ctx, nil); err != nil {
		return errors.Join(failure, err)
	}
	return nil
}

// restore computes the keys and values of a sequence anew if they were lost
// with a GPU. After an error the sequence has its tokens, and can be restored
// again.
func (m *Model) restore(ctx context.Context, kv *KV) error {
	if len(kv.parts) > 0 {
		return nil
	}
	if len(m.stages) == 0 { // the CPU could not go on, either
		if err := m.placeWhole(ctx, nil); err != nil {
			return err
		}
	}
	if err := kv.makeParts(); err != nil || kv.Len() == 0 {
		return err
	}
	tokens := kv.tokens
	kv.tokens = make([]int32, 0, kv.ctx)
	err := m.compute(ctx, []Seq{{KV: kv, Tokens: tokens}})
	if err != nil {
		kv.tokens = tokens
		err = errors.Join(err, kv.closeParts())
	}
	return err
}

// lost reports whether an error means that the GPU is of no use any more.
func (m *Model) lost(err error) bool { return m.gpu != nil && m.gpu.Failed(err) }
