package model

import (
	"context"

	"qgo/kernels/plan"
	"qgo/model/sample"
)

// WantFor returns what a sequence is to want so that [Model.Sample] can choose the token
// that follows it: the largest logits, if they are mostly enough, as a device finds them
// faster than it hands over all.
func WantFor(s *sample.Sampler) Want {
	if s.FromTop(plan.TopLen) {
		return WantTop
	}
	return WantLast
}

// Sample chooses the token that follows a sequence which [Model.Forward] has computed. If
// the largest logits tell too little, which is rare, the latest token is computed again for
// the others.
func (m *Model) Sample(ctx context.Context, seq *Seq, by *sample.Sampler) (int32, error) {
	if seq.Want != WantTop {
		return by.Sample(seq.Logits)
	}
	if id, ok := by.SampleTop(seq.Top); ok {
		return id, nil
	}
	again := [1]Seq{*seq}
	again[0].Tokens, again[0].Want = seq.Tokens[len(seq.Tokens)-1:], WantLast
	seq.KV.Truncate(seq.KV.Len() - 1)
	if err := m.Forward(ctx, again[:]); err != nil {
		return 0, err
	}
	seq.Logits = again[0].Logits // its memory
	return by.Sample(seq.Logits)
}
