// Package model is the Qwen2 model: it reads a GGUF file, places the model on
// the machine's devices and computes logits and text.
package model

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"qgo/gguf"
	"qgo/kernels"
	"qgo/kernels/cpu"
	"qgo/kernels/cuda"
	"qgo/kernels/plan"
	"qgo/model/chat"
	"qgo/model/tokenizer"
	"qgo/quant"
)

// Options say how a model is loaded. The zero value is a good choice.
type Options struct {
	Threads  int    // workers, at most one for each logical CPU; 0 means one per physical core
	Unpinned bool   // let the system move workers between cores
	Context  int    // positions of the longest sequence; 0 means the model's own, at most 4096
	MaxRows  int    // tokens of the largest batch in prefill; 0 means 512
	KV       string // type of keys and values: "f16" (or ""), "f32" or "q8_0"
	Exact    bool   // weights, activations, keys and values as float32
	Tier     string // name of the kernels' tier; "" means the fastest
	NoRepack bool   // compute on the weights as they are in the file, even if there is memory for more

	// GPU computes the last GPULayers layers, as plan.Plan's Layers counts
	// them; 0 means as many as fit into its memory. It stays the caller's.
	// Without a GPU all is computed on the CPU, and so it is when the GPU
	// fails or has too little memory.
	GPU       *cuda.Device
	GPULayers int
	// Notify is called with a sentence for the user when the model is not
	// placed as the options say.
	Notify func(text string)
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
	tier                      *kernels.Tier
}

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
		return s, fmt.Errorf("%d threads: choose 1 to %d", o.Threads, MaxThreads)
	case s.context < 1 || s.context > maxContext:
		return s, fmt.Errorf("a context of %d: choose 1 to %d", o.Context, maxContext)
	case o.GPULayers < 0:
		return s, fmt.Errorf("%d layers on the GPU: choose 0 (what fits) or more", o.GPULayers)
	case s.maxRows < 1 || s.maxRows > maxMaxRows:
		return s, fmt.Errorf("batches of %d: choose 1 to %d", o.MaxRows, maxMaxRows)
	}
	kv := cmp.Or(o.KV, "f16")
	if o.Exact {
		kv = cmp.Or(o.KV, "f32")
	}
	if s.kv, err = quant.ParseType(kv); err == nil {
		err = cpu.CheckKV(s.kv, c.HeadDim)
	}
	if err != nil {
		return s, err
	}
	switch {
	case o.Exact && o.Tier != "":
		return s, errors.New("exact arithmetic has no tiers: leave one of the two out")
	case o.Exact:
		s.tier = kernels.Exact()
	default:
		s.tier, err = kernels.TierByName(o.Tier)
	}
	return s, err
}

// Model is a loaded model. Its methods are not for concurrent use, but for
// those of its Tokenizer.
type Model struct {
	Config
	File      *gguf.File
	Tokenizer *tokenizer.Tokenizer

	plan   plan.Plan
	pool   *kernels.Pool
	tier   *kernels.Tier
	stages []plan.Stage
	gpu    *cuda.Device // nil if nothing is on it
	notify func(string)
	// template is the chat template, once it was asked for or set.
	template *chat.Template
	kvs      map[*KV]struct{} // those that are not closed
	pinned   bool
	repack   bool
	maxRows  int
	maxCtx   int
	kvType   quant.Type

	// Scratch of Forward, so that it allocates nothing per token.
	batch  plan.Batch
	runs   []run
	slices []slice
	before []int
	logits []float32
	hidden []float32 // between stages
}

// Open loads the model of a GGUF file. Close it after use.
func Open(path string, o Options) (*Model, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	m, err := Load(f, o)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return m, nil
}

// Load makes a model of an open file, which it closes when it is closed
// itself; not when it fails.
func Load(f *gguf.File, o Options) (*Model, error) {
	if f.IsOutline() {
		return nil, fmt.Errorf("%s: is an outline without weights, which can be surveyed but not run", f.Name)
	}
	c, err := ReadConfig(f)
	if err != nil {
		return nil, err
	}
	set, err := o.settings(c)
	if err != nil {
		return nil, err
	}
	m := &Model{Config: *c, File: f, pinned: !o.Unpinned, maxRows: set.maxRows, maxCtx: set.context, kvType: set.kv, tier: set.tier, notify: o.Notify, kvs: map[*KV]struct{}{}}
	if m.plan, err = newPlan(f, c); err != nil {
		return nil, err
	}
	if m.Tokenizer, err = tokenizer.FromGGUF(f); err != nil {
		return nil, err
	}
	m.repack = set.memory(f, m.plan, o).Weights > 0
	threads := set.threads
	if cpus := kernels.CPUs(); threads > cpus && !crowds {
		threads = cpus
		m.warn("%d threads would share %d CPUs, and wait for each other. Using %d.", set.threads, cpus, cpus)
	}
	m.pool = kernels.NewPool(threads, m.pinned)
	if !crowds {
		m.pool.Join(kernels.SharedBoard())
	}
	if err := m.place(o.GPU, o.GPULayers); err != nil {
		m.pool.Close()
		return nil, err
	}
	return m, nil
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
