package model

import (
	"fmt"

	"qgo/gguf"
	"qgo/kernels/plan"
	"qgo/quant"
	"qgo/tensor"
)

// loader reads the tensors of a file and keeps the first error.
type loader struct {
	f   *gguf.File
	err error
}

func (l *loader) fail(name, format string, args ...any) {
	if l.err == nil {
		l.err = l.f.Errorf(0, "tensor %s: %s", name, fmt.Sprintf(format, args...))
	}
}

// matrix returns a tensor of rows x cols weights.
func (l *loader) matrix(name string, rows, cols int) tensor.Tensor {
	t, ok := l.f.Tensor(name)
	if !ok {
		l.fail(name, "is missing; is the file complete, and a Qwen2 model?")
		return tensor.Tensor{}
	}
	if len(t.Dims) != 2 || t.Dims[0] != cols || t.Dims[1] != rows {
		l.fail(name, "expected %d x %d weights, found %v", cols, rows, t.Dims)
		return tensor.Tensor{}
	}
	if l.f.IsOutline() {
		return tensor.Tensor{Type: t.Type, Rows: rows, Cols: cols}
	}
	m, err := tensor.New(t.Type, rows, cols, t.Data)
	if err != nil {
		l.fail(name, "%v", err)
	}
	return m
}

// vector returns a tensor of n weights as float32 values.
func (l *loader) vector(name string, n int) []float32 {
	t, ok := l.f.Tensor(name)
	if !ok {
		l.fail(name, "is missing; is the file complete, and a Qwen2 model?")
		return nil
	}
	if len(t.Dims) != 1 || t.Dims[0] != n {
		l.fail(name, "expected %d weights, found %v", n, t.Dims)
		return nil
	}
	v := make([]float32, n)
	if l.f.IsOutline() {
		return v
	}
	quant.Dequantize(t.Type, v, t.Data)
	return v
}

func (l *loader) linear(name string, rows, cols int, bias bool) plan.Linear {
	x := plan.Linear{W: l.matrix(name+".weight", rows, cols)}
	if _, ok := l.f.Tensor(name + ".bias"); ok || bias {
		x.Bias = l.vector(name+".bias", rows)
	}
	return x
}

// newPlan returns the whole model as one plan whose weights are views of the
// file.
func newPlan(f *gguf.File, c *Config) (plan.Plan, error) {
	l := &loader{f: f}
	p := plan.Plan{Dims: c.Dims, Rope: newRope(c.HeadDim, c.RopeBase, c.RopeScaling)}
	embedding := l.matrix("token_embd.weight", c.Vocab, c.Width)
	p.Embedding = &embedding
	for i := range c.Blocks {
		name := func(s string) string { return fmt.Sprintf("blk.%d.%s", i, s) }
		p.Blocks = append(p.Blocks, plan.Block{
			AttnNorm: l.vector(name("attn_norm.weight"), c.Width),
			Q:        l.linear(name("attn_q"), c.QDim(), c.Width, true),
			K:        l.linear(name("attn_k"), c.KVDim(), c.Width, true),
			V:        l.linear(name("attn_v"), c.KVDim(), c.Width, true),
			O:        l.linear(name("attn_output"), c.Width, c.QDim(), false),
			FFNNorm:  l.vector(name("ffn_norm.weight"), c.Width),
			Gate:     l.linear(name("ffn_gate"), c.FFN, c.Width, false),
			Up:       l.linear(name("ffn_up"), c.FFN, c.Width, false),
			Down:     l.linear(name("ffn_down"), c.Width, c.FFN, false),
		})
	}
	p.Head = &plan.Head{Norm: l.vector("output_norm.weight", c.Width), W: embedding}
	if !c.Tied {
		p.Head.W = l.matrix("output.weight", c.Vocab, c.Width)
	}
	return p, l.err
}
