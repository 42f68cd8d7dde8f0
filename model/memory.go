package model

import (
	"qgo/gguf"
	"qgo/kernels/cpu"
)

// Memory is what a loaded model takes at its peak, in bytes.
type Memory struct {
	Weights    int64 // the file, whose pages the system may drop and read again
	KV         int64 // one sequence of the longest length
	Scratch    int64 // buffers of a batch, logits included
	Vocabulary int64 // metadata and tokenizer
	Program    int64 // the program itself and the Go runtime
}

// Total is the sum.
func (m Memory) Total() int64 { return m.Weights + m.KV + m.Scratch + m.Vocabulary + m.Program }

// programBytes is what qgo takes before it opens a model.
const programBytes = 16 << 20

// Survey states the memory that loading f with these options will take for
// one sequence, and the work of a decoded token, without loading it.
func Survey(f *gguf.File, o Options) (*Config, Memory, Cost, error) {
	c, err := ReadConfig(f)
	if err != nil {
		return nil, Memory{}, Cost{}, err
	}
	set, err := o.settings(c)
	if err != nil {
		return nil, Memory{}, Cost{}, err
	}
	p, err := newPlan(f, c)
	if err != nil {
		return nil, Memory{}, Cost{}, err
	}
	return c, Memory{
		Weights:    f.Size(),
		KV:         cpu.KVBytes(p.Dims, c.Blocks, set.context, set.kv),
		Scratch:    cpu.Bytes(p, cpu.Options{MaxRows: set.maxRows, MaxCtx: set.context, Workers: set.threads}) + 4*int64(c.Vocab),
		Vocabulary: vocabularyBytes(c.Vocab),
		Program:    programBytes,
	}, costOf(p, set.kv), nil
}

// vocabularyBytes estimates metadata and tokenizer from the number of tokens.
func vocabularyBytes(tokens int) int64 { return int64(tokens) * 300 }
