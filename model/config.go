package model

import (
	"fmt"

	"qgo/gguf"
	"qgo/gguf/show"
	"qgo/kernels/plan"
	"qgo/model/arch"
)

// Config is what a file's metadata says about its model.
type Config struct {
	Name     string // general.name as it may be shown, may be empty
	FileType string // general.file_type in words, may be empty
	Arch     *arch.Arch
	plan.Dims
	Blocks      int // transformer blocks
	Context     int // positions the model was trained for
	RopeBase    float64
	RopeScaling RopeScaling
	Tied        bool // the head is the embedding
}

// maxDim bounds every size that metadata states, far above any model.
const maxDim = 1 << 24

// ReadConfig reads and checks the metadata of a model.
func ReadConfig(f *gguf.File) (*Config, error) {
	c, _, err := readConfig(f)
	return c, err
}

// readConfig also notes what is odd.
func readConfig(f *gguf.File) (_ *Config, notes []string, _ error) {
	a, err := architecture(f)
	if err != nil {
		return nil, nil, err
	}
	r := &reader{f: f, prefix: a.Name + ".", blocks: 1}
	r.blocks = r.size("block_count")
	c := &Config{
		Name:    show.Text(optional(r, "general.name", "")),
		Arch:    a,
		Blocks:  r.blocks,
		Context: r.size("context_length"),
		Dims: plan.Dims{
			Width: r.size("embedding_length"),
			FFN:   r.size("feed_forward_length"),
			Heads: r.size("attention.head_count"),
			Eps:   float32(r.number("attention.layer_norm_rms_epsilon", 0, false)),
		},
		RopeBase: r.number("rope.freq_base", 10000, true),
	}
	if r.err != nil {
		return nil, nil, r.err
	}
	c.KVHeads = r.sizeOr("attention.head_count_kv", c.Heads)
	if c.Width%c.Heads != 0 && !f.Has(r.prefix+"attention.key_length") {
		r.fail("attention.head_count", "expected a divisor of the width %d, found %d", c.Width, c.Heads)
	}
	c.HeadDim = r.sizeOr("attention.key_length", c.Width/c.Heads)
	switch {
	case r.err != nil:
	case c.KVHeads > c.Heads || c.Heads%c.KVHeads != 0:
		r.fail("attention.head_count_kv", "expected a divisor of the %d heads, found %d", c.Heads, c.KVHeads)
	case c.HeadDim%2 != 0:
		r.fail("attention.key_length", "expected an even head size, found %d", c.HeadDim)
	case r.sizeOr("attention.value_length", c.HeadDim) != c.HeadDim:
		r.fail("attention.value_length", "expected the key length %d", c.HeadDim)
	case r.sizeOr("rope.dimension_count", c.HeadDim) != c.HeadDim:
		r.fail("rope.dimension_count", "expected the head size %d", c.HeadDim)
	case !(c.Eps > 0 && c.Eps < 1):
		r.fail("attention.layer_norm_rms_epsilon", "expected a small positive number, found %v", c.Eps)
	case !(c.RopeBase > 1 && c.RopeBase < 1e15):
		r.fail("rope.freq_base", "expected a number above 1, found %v", c.RopeBase)
	}
	c.RopeScaling = r.ropeScaling(c.Context)
	tokens, err := gguf.Get[[]string](f, "tokenizer.ggml.tokens")
	if err != nil && r.err == nil {
		r.err = err
	}
	c.Vocab = len(tokens)
	if r.err == nil && c.Vocab == 0 {
		r.err = f.KeyErrorf("tokenizer.ggml.tokens", "expected a vocabulary, found no tokens")
	}
	_, untied := f.Tensor("output.weight")
	c.Tied = !untied
	return c, r.notes, r.err
}

// architecture returns that of a file.
func architecture(f *gguf.File) (*arch.Arch, error) {
	const key = "general.architecture"
	name, err := gguf.Get[string](f, key)
	if err != nil {
		return nil, err
	}
	a, ok := arch.Find(name)
	if !ok {
		return nil, f.KeyErrorf(key, "%s, found %s", arch.Expected(), show.Quoted(name))
	}
	return a, nil
}

// reader reads metadata and keeps the first error.
type reader struct {
	f      *gguf.File
	prefix string
	blocks int // a number may be stated once for each of them
	notes  []string
	err    error
}

func (r *reader) fail(key, format string, args ...any) {
	if r.err == nil {
		r.err = r.f.KeyErrorf(r.prefix+key, format, args...)
	}
}

// optional returns the value of a key or, when it is missing, def.
func optional[T gguf.Value](r *reader, key string, def T) T {
	if !r.f.Has(key) {
		return def
	}
	v, err := gguf.Get[T](r.f, key)
	if err != nil && r.err == nil {
		r.err = err
	}
	return v
}

// uniform returns a number, which may be stated once for each block.
func uniform[T interface{ int | float64 }](r *reader, key string) (T, error) {
	n, err := gguf.GetUniform[T](r.f, r.prefix+key, r.blocks)
	if err == nil {
		if _, single := gguf.Get[T](r.f, r.prefix+key); single != nil {
			r.notef("key %s%s states a number for each block: it is %v in all", r.prefix, key, n)
		}
	}
	return n, err
}

func (r *reader) notef(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

func (r *reader) size(key string) int {
	n, err := uniform[int](r, key)
	if err != nil {
		if r.err == nil {
			r.err = err
		}
		return 0
	}
	if n <= 0 || n > maxDim {
		r.fail(key, "expected a number from 1 to %d, found %d", maxDim, n)
	}
	return n
}

func (r *reader) sizeOr(key string, def int) int {
	if !r.f.Has(r.prefix + key) {
		return def
	}
	return r.size(key)
}

func (r *reader) number(key string, def float64, mayMiss bool) float64 {
	if mayMiss && !r.f.Has(r.prefix+key) {
		return def
	}
	v, err := uniform[float64](r, key)
	if err != nil && r.err == nil {
		r.err = err
	}
	return v
}

// ropeScaling reads the keys of rope.scaling. What they mean where some are
// missing is as in llama.cpp: a factor alone scales linearly, and one of 0 does
// not scale.
func (r *reader) ropeScaling(context int) RopeScaling {
	s := RopeScaling{
		Type:       optional(r, r.prefix+"rope.scaling.type", "linear"),
		Factor:     r.number("rope.scaling.factor", r.number("rope.scale_linear", 1, true), true), // the latter in old files
		Original:   r.sizeOr("rope.scaling.original_context_length", context),
		AttnFactor: r.number("rope.scaling.attn_factor", 1, true),
	}
	switch {
	case s.Type != "none" && s.Type != "linear" && s.Type != "yarn":
		r.fail("rope.scaling.type", "expected none, linear or yarn, found %s", show.Quoted(s.Type))
	case s.Factor != 0 && !(s.Factor >= 1 && s.Factor <= 1e4):
		r.fail("rope.scaling.factor", "expected a number from 1 to 10000, or 0 for none, found %v", s.Factor)
	case !(s.AttnFactor > 0 && s.AttnFactor <= 1e4):
		r.fail("rope.scaling.attn_factor", "expected a positive number, found %v", s.AttnFactor)
	}
	if s.Factor == 0 {
		r.notef("key %srope.scaling.factor is 0: positions are not scaled", r.prefix)
		s.Factor = 1
	}
	if s.Factor == 1 && s.Type == "linear" {
		s.Type = "none"
	}
	return s
}
