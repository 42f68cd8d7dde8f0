package model

import (
	"fmt"

	"qgo/gguf"
	"qgo/kernels/plan"
	"qgo/model/arch"
	"qgo/quant/codec"
	"qgo/tensor"
)

// loader reads the tensors of a file and keeps the first error.
type loader struct {
	f     *gguf.File
	title string          // of the model's family
	used  map[string]bool // the names of tensors that were asked for
	err   error
}

func newLoader(f *gguf.File, a *arch.Arch) *loader {
	return &loader{f: f, title: a.Title, used: map[string]bool{}}
}

func (l *loader) fail(name, format string, args ...any) {
	if l.err == nil {
		l.err = l.f.Errorf(0, "tensor %s: %s", name, fmt.Sprintf(format, args...))
	}
}

// find returns a tensor of that shape, or nil.
func (l *loader) find(name string, shape ...int) *gguf.Tensor {
	t, ok := l.f.Tensor(name)
	if !ok {
		l.fail(name, "is missing; is the file complete, and a model of %s?", l.title)
		return nil
	}
	l.used[name] = true
	if !sameShape(t.Dims, shape) {
		l.fail(name, "expected the shape %v, found %v", shape, t.Dims)
		return nil
	}
	return t
}

// sameShape compares shapes; dimensions of 1 at their ends make no difference.
func sameShape(a, b []int) bool {
	at := func(dims []int, i int) int {
		if i < len(dims) {
			return dims[i]
		}
		return 1
	}
	for i := range max(len(a), len(b)) {
		if at(a, i) != at(b, i) {
			return false
		}
	}
	return true
}

// matrix returns a tensor of rows x cols weights.
func (l *loader) matrix(name string, rows, cols int) tensor.Tensor {
	t := l.find(name, cols, rows)
	if t == nil {
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
	t := l.find(name, n)
	if t == nil {
		return nil
	}
	v := make([]float32, n)
	if l.f.IsOutline() {
		return v
	}
	codec.Dequantize(t.Type, v, t.Data)
	return v
}

// headNorm returns the weights of the norm of a head, nil if the family has none.
func (l *loader) headNorm(name string, c *Config) []float32 {
	if !c.Arch.HeadNorm {
		return nil
	}
	return l.vector(name, c.HeadDim)
}

func (l *loader) linear(name string, rows, cols int, bias bool) plan.Linear {
	x := plan.Linear{W: l.matrix(name+".weight", rows, cols)}
	if _, ok := l.f.Tensor(name + ".bias"); ok || bias {
		x.Bias = l.vector(name+".bias", rows)
	}
	return x
}

// outputBias is the name of a tensor that no published model has, but that
// the architecture allows for.
const outputBias = "output.bias"

// newPlan returns the whole model as one plan whose weights are views of the
// file.
func newPlan(f *gguf.File, c *Config) (plan.Plan, error) {
	l := newLoader(f, c.Arch)
	p := l.plan(c)
	return p, l.err
}

// unusedTensors returns the names of a model's tensors that nothing is computed with.
func unusedTensors(f *gguf.File, c *Config) ([]string, error) {
	l := newLoader(f, c.Arch)
	if l.plan(c); l.err != nil {
		return nil, l.err
	}
	var names []string
	for i := range f.Tensors {
		if name := f.Tensors[i].Name; !l.used[name] {
			names = append(names, name)
		}
	}
	return names, nil
}

// plan reads all tensors that the model needs. After the first that is missing
// it reads no more: how many blocks there are is only what the header says.
func (l *loader) plan(c *Config) plan.Plan {
	p := plan.Plan{Dims: c.Dims}
	embedding := l.matrix("token_embd.weight", c.Vocab, c.Width)
	p.Embedding = &embedding
	for i := 0; i < c.Blocks && l.err == nil; i++ {
		name := func(s string) string { return fmt.Sprintf("blk.%d.%s", i, s) }
		p.Blocks = append(p.Blocks, plan.Block{
			AttnNorm: l.vector(name("attn_norm.weight"), c.Width),
			Q:        l.linear(name("attn_q"), c.QDim(), c.Width, c.Arch.Bias),
			K:        l.linear(name("attn_k"), c.KVDim(), c.Width, c.Arch.Bias),
			V:        l.linear(name("attn_v"), c.KVDim(), c.Width, c.Arch.Bias),
			QNorm:    l.headNorm(name("attn_q_norm.weight"), c),
			KNorm:    l.headNorm(name("attn_k_norm.weight"), c),
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
	if _, ok := l.f.Tensor(outputBias); ok {
		for _, v := range l.vector(outputBias, c.Vocab) {
			if v != 0 {
				l.fail(outputBias, "the model adds a bias to its logits, which qgo does not; no published one does")
				break
			}
		}
	}
	if l.err == nil { // the tensors bear out the head size that the header states
		p.Rope = newRope(c.HeadDim, c.RopeBase, c.RopeScaling)
	}
	return p
}
