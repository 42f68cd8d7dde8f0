package model

import (
	"os"

	"qgo/gguf"
	"qgo/kernels/cpu"
	"qgo/kernels/plan"
	"qgo/tensor"
)

// Memory is what a loaded model takes at its peak, in bytes.
type Memory struct {
	Weights    int64 // laid out for the kernels in use
	File       int64 // used as it is in the file: pages that the system may drop and read again
	KV         int64 // one sequence of the longest length
	Scratch    int64 // buffers of a batch, logits included
	Vocabulary int64 // metadata and tokenizer
	Program    int64 // the program itself and the Go runtime
}

// Total is the sum.
func (m Memory) Total() int64 {
	return m.Weights + m.File + m.KV + m.Scratch + m.Vocabulary + m.Program
}

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
	return c, set.memory(f, p, o), costOf(p, set.kv), nil
}

// memory states the memory of a model. Weights are laid out for the kernels
// unless that is switched off or there is not enough memory: what was swapped
// to a disk would be slower than the slowest kernel.
func (s *settings) memory(f *gguf.File, p plan.Plan, o Options) Memory {
	m := Memory{
		File: f.Size(),
		KV:   cpu.KVBytes(p.Dims, len(p.Blocks), s.context, s.kv),
		Scratch: cpu.Bytes(p, cpu.Options{MaxRows: s.maxRows, MaxCtx: s.context, Workers: s.threads, Tier: s.tier}) +
			4*int64(p.Vocab),
		Vocabulary: vocabularyBytes(p.Vocab),
		Program:    programBytes,
	}
	if o.NoRepack {
		return m
	}
	repacked, rest := cpu.RepackedBytes(p, s.tier)
	if available, known := tensor.Available(); known && repacked+m.Total()-m.File > available {
		return m
	}
	if m.Weights = repacked; repacked > 0 {
		// Of the embedding, each position reads a row, and with it a page or
		// two of the file.
		page := int64(os.Getpagesize())
		row := (int64(p.Embedding.RowBytes())+page-1)/page*page + page
		m.File = rest + min(int64(s.context)*row, int64(p.Embedding.Rows)*int64(p.Embedding.RowBytes())) + vocabularyFile
	}
	return m
}

// vocabularyFile is about what the metadata takes of the file.
const vocabularyFile = 8 << 20

// vocabularyBytes estimates metadata and tokenizer from the number of tokens.
func vocabularyBytes(tokens int) int64 { return int64(tokens) * 300 }
