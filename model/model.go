// Package model is a model of one of the families in package arch: it reads a GGUF file, places the model on
// the machine's devices and computes logits and text.
package model

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"qgo/gguf"
	"qgo/kernels"
	"qgo/kernels/plan"
	"qgo/kernels/tier"
	"qgo/model/chat"
	"qgo/model/tokenizer"
	"qgo/quant"
)

// Options say how a model is loaded. The zero value is a good choice.
type Options struct {
	Threads  int    // workers, at most one for each logical CPU; 0 means one per physical core
	Unpinned bool   // let the system move workers between cores
	Context  int    // positions of the longest sequence; 0 means the model's own, at most 4096
	MaxRows  int    // tokens of the largest batch in prefill; 0 means 512, or what keeps a GPU busy
	KV       string // type of keys and values, one of KVTypes; "" means the first
	Fast     bool   // prompts with floating-point weights are multiplied in bfloat16, where the CPU can
	Exact    bool   // weights, activations, keys and values as float32
	Tier     string // name of the kernels' tier; "" means the fastest
	NoRepack bool   // compute on the weights as they are in the file, even if there is memory for more

	// Device computes the last GPULayers layers, as plan.Plan's Layers counts
	// them; 0 means as many as fit into its memory. It stays the caller's.
	// Without one all is computed on the CPU, and so it is when the device
	// fails or has too little memory.
	Device    plan.Device
	GPULayers int
	// Notify is called with a sentence for the user when the model is not
	// placed as the options say.
	Notify func(text string)
	// Progress is called while weights are laid out or copied to a GPU, with
	// the bytes that are done and those of all. The calls come one at a time,
	// from any goroutine.
	Progress func(done, total int64)
}

// OptionError says that [Options] are not possible.
type OptionError struct{ err error }

func (e *OptionError) Error() string { return e.err.Error() }
func (e *OptionError) Unwrap() error { return e.err }

func optionErrorf(format string, args ...any) error {
	return &OptionError{fmt.Errorf(format, args...)}
}

// Defaults and bounds of [Options].
const (
	DefaultContext = 4096
	DefaultMaxRows = 512
	MaxThreads     = 1024
	maxMaxRows     = 1 << 16
	maxContext     = 1 << 24
)

// crowds lets there be more workers than CPUs, and all work whoever else
// computes: what tests of many workers want.
var crowds bool

// settings are checked options with nothing left open.
type settings struct {
	threads, context, maxRows int
	kv                        quant.Type
	tier                      *tier.Tier
}

// settings checks the options; an [OptionError] says what is wrong with them.
func (o Options) settings(c *Config) (s settings, err error) {
	s = settings{threads: o.Threads, context: o.Context, maxRows: o.MaxRows}
	if s.threads == 0 {
		s.threads = min(kernels.Cores(), MaxThreads)
	}
	if s.context == 0 {
		s.context = min(DefaultContext, c.Context)
	}
	if s.maxRows == 0 {
		s.maxRows = DefaultMaxRows
	}
	s.maxRows = min(s.maxRows, s.context)
	switch {
	case s.threads < 1 || s.threads > MaxThreads:
		return s, optionErrorf("%d threads: choose 1 to %d", o.Threads, MaxThreads)
	case s.context < 1:
		return s, optionErrorf("a context of %d: choose 1 to %d", o.Context, maxContext)
	case o.GPULayers < 0:
		return s, optionErrorf("%d layers on the GPU: choose 0 (what fits) or more", o.GPULayers)
	case s.maxRows < 1 || s.maxRows > maxMaxRows:
		return s, optionErrorf("batches of %d: choose 1 to %d", o.MaxRows, maxMaxRows)
	}
	if s.kv, err = o.kvType(c); err != nil {
		return s, &OptionError{err}
	}
	if s.tier, err = o.tier(); err != nil {
		return s, &OptionError{err}
	}
	return s, nil
}

// kvType is the type of keys and values.
func (o Options) kvType(c *Config) (quant.Type, error) {
	kv := cmp.Or(o.KV, "f16")
	if o.Exact {
		kv = cmp.Or(o.KV, "f32")
	}
	i := slices.Index(KVTypes(), strings.ToLower(kv))
	if i < 0 {
		return 0, fmt.Errorf("a KV cache of type %.40q is not possible; choose one of %s", kv, strings.Join(KVTypes(), ", "))
	}
	return plan.KVTypes[i], c.CheckKV(plan.KVTypes[i])
}

// KVTypes are the names that Options.KV may have, the usual one first.
func KVTypes() (names []string) {
	for _, t := range plan.KVTypes {
		names = append(names, strings.ToLower(t.String()))
	}
	return names
}

// tier is the one that the options name.
func (o Options) tier() (*tier.Tier, error) {
	switch {
	case o.Exact && o.Tier != "":
		return nil, errors.New("exact arithmetic has no tiers: leave one of the two out")
	case o.Exact && o.Fast:
		return nil, errors.New("exact arithmetic is not fast: leave one of the two out")
	case o.Exact:
		return tier.Exact(), nil
	}
	return tier.ByName(o.Tier)
}

// Model is a loaded model. Its methods are not for concurrent use, but for
// those of its Tokenizer.
type Model struct {
	Config
	File      *gguf.File
	Tokenizer *tokenizer.Tokenizer

	plan      plan.Plan
	pool      *kernels.Pool
	tier      *tier.Tier
	stages    []plan.Stage
	gpu       plan.Device // nil if nothing is on one
	gpuLayers int         // of the plan, its last ones
	notify    func(string)
	// template is the chat template, once it was asked for or set.
	template *chat.Template
	kvs      map[*KV]struct{} // those that are not closed
	pinned   bool
	repack   bool
	fast     bool // the tier is that of Options.Fast
	maxRows  int  // of the stages that there are
	cpuRows  int  // of one on the CPU alone
	maxCtx   int
	kvType   quant.Type

	// Progress, if it is set, is called during Forward with the number of its
	// tokens that are done: after each batch, and, if it has more than one
	// token, a few times in each layer on the CPU.
	Progress func(done int)
	finished int       // tokens of earlier batches of the call
	profiler *profiler // nil unless operations are profiled

	// Scratch of Forward, so that it allocates nothing per token.
	batch  plan.Batch
	runs   []run
	slices []slice
	before []int
	logits []float32
	best   []int32
	top    []plan.Logit
	hidden []float32 // between stages
}

// MaxRows is the number of tokens of the largest batch, MaxContext of the
// longest sequence.
func (m *Model) MaxRows() int    { return m.maxRows }
func (m *Model) MaxContext() int { return m.maxCtx }

// Threads is the number of workers, and Team that of those that computed last:
// fewer as long as other processes compute with qgo. Tier is the name of the
// kernels in use.
func (m *Model) Threads() int { return m.pool.Workers() }
func (m *Model) Team() int    { return m.pool.Team() }
func (m *Model) Tier() string { return m.tier.Name }

// Fast reports whether Options.Fast makes a difference: whether prompts are
// multiplied in bfloat16 with floating-point weights.
func (m *Model) Fast() bool { return m.fast && m.repack }

// Repacked reports whether weights were laid out for the kernels of this machine.
// If not although its kernels want that, there was not enough memory, or it was
// switched off.
func (m *Model) Repacked() bool { return m.repack }

// KVType is the type of keys and values, such as f16.
func (m *Model) KVType() string { return strings.ToLower(m.kvType.String()) }

// Pinned reports whether the workers are to stay on one core each.
func (m *Model) Pinned() bool { return m.pinned }

// Close ends the workers and closes the file.
func (m *Model) Close() error {
	var errs []error
	for _, s := range m.stages {
		errs = append(errs, s.Close())
	}
	m.pool.Close()
	return errors.Join(append(errs, m.File.Close())...)
}
