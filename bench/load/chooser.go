package load

import (
	"context"

	"qgo/model"
	"qgo/model/sample"
)

// chooser chooses the tokens of one text: the most likely ones if it has no sampler, which a
// device can do by itself.
type chooser struct{ sampler *sample.Sampler }

func newChooser(m *model.Model, p sample.Params) (c chooser, err error) {
	if !p.Greedy() {
		c.sampler, err = sample.New(m.Vocab, p)
	}
	return c, err
}

// begin begins a text with a prompt.
func (c chooser) begin(prompt []int32) error {
	if c.sampler == nil {
		return nil
	}
	return c.sampler.Prime(prompt)
}

// asks has a sequence ask for what next needs.
func (c chooser) asks(seq *model.Seq) {
	if c.sampler == nil {
		seq.Greedy, seq.Want = 1, model.WantNone
		return
	}
	seq.Greedy, seq.Want = 0, model.WantFor(c.sampler)
}

// next returns the token that follows a sequence.
func (c chooser) next(ctx context.Context, m *model.Model, seq *model.Seq) (int32, error) {
	if c.sampler == nil {
		return seq.Out[0], nil
	}
	id, err := m.Sample(ctx, seq, c.sampler)
	if err == nil {
		err = c.sampler.Accept(id)
	}
	return id, err
}
