package model

import (
	"fmt"
	"math"
	"os"

	"github.com/dustin/go-humanize"

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

	context     int   // the longest length
	fixed, step int64 // of need: what any context takes, and contextStep positions
}

// Total is the sum; [math.MaxInt64] stands for all that is more.
func (m Memory) Total() int64 { return sum(m.need(), m.Weights, m.File, m.Program) }

// need is what must stay in memory, beside the program that runs already. Weights
// may as well stay in the file, if they must.
func (m Memory) need() int64 { return sum(m.KV, m.Scratch, m.Vocabulary) }

// sum adds numbers that are not negative; [math.MaxInt64] stands for all that is
// more.
func sum(all ...int64) (total int64) {
	for _, n := range all {
		if total > math.MaxInt64-n {
			return math.MaxInt64
		}
		total += n
	}
	return total
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
	set.tier, _ = tierFor(p, set.tier, o)
	return c, set.memory(f, p, o), costOf(p, set.kv), nil
}

// memory states the memory of a model. Weights are laid out for the kernels
// unless that is switched off or there is not enough memory: what was swapped
// to a disk would be slower than the slowest kernel.
func (s *settings) memory(f *gguf.File, p plan.Plan, o Options) Memory {
	scratch := func(context int) int64 {
		context = min(context, maxContext)
		const token = 4 // of the sequence, beside its keys and values
		return cpu.Bytes(p, cpu.Options{MaxRows: s.maxRows, MaxCtx: context, Workers: s.threads, Tier: s.tier}) + token*int64(context)
	}
	kv := func(context int) int64 { return cpu.KVBytes(p.Dims, len(p.Blocks), context, s.kv) }
	m := Memory{
		File:       f.Size(),
		KV:         kv(s.context),
		Scratch:    scratch(s.context) + 4*int64(p.Vocab),
		Vocabulary: vocabularyBytes(p.Vocab),
		Program:    programBytes,
		context:    s.context,
	}
	growth := scratch(2*contextStep) - scratch(contextStep)
	m.step = kv(contextStep) + growth
	m.fixed = sum(m.Vocabulary, scratch(contextStep)-growth, 4*int64(p.Vocab))
	if o.NoRepack {
		return m
	}
	repacked, rest := cpu.RepackedBytes(p, s.tier)
	if available, known := tensor.Available(); known && sum(repacked, m.need(), m.Program) > available {
		return m
	}
	if m.Weights = repacked; repacked > 0 {
		// Of the embedding, each position reads a row, and with it a page or
		// two of the file.
		page := int64(os.Getpagesize())
		row := (int64(p.Embedding.RowBytes())+page-1)/page*page + page
		read := min(int64(s.context), int64(p.Embedding.Rows)) * row
		m.File = rest + min(read, int64(p.Embedding.Rows)*int64(p.Embedding.RowBytes())) + vocabularyFile
	}
	return m
}

// vocabularyFile is about what the metadata takes of the file.
const vocabularyFile = 8 << 20

// vocabularyBytes estimates metadata and tokenizer from the number of tokens.
func vocabularyBytes(tokens int) int64 { return int64(tokens) * 300 }

// contextStep is what [MemoryError.Largest] is a multiple of: attention's
// scratch grows by such steps.
const contextStep = 256

// MemoryError says that a model does not fit the memory with its context.
type MemoryError struct {
	Context int          // asked for
	Need    int64        // bytes that the model takes with it
	Limit   tensor.Limit // what is there
	Largest int          // context that fits; 0 if none does
}

func (e *MemoryError) Error() string {
	need, room := humanize.Bytes(uint64(e.Need)), humanize.Bytes(uint64(e.Limit.Bytes))
	if e.Need == math.MaxInt64 {
		need = "more than " + need
	}
	if e.Largest == 0 {
		return fmt.Sprintf("the model needs %s of memory with a context of %d tokens, and %s are available (%s): choose a smaller model, or make room", need, e.Context, room, e.Limit.Source)
	}
	return fmt.Sprintf("a context of %d tokens needs %s of memory, and %s are available (%s): choose a context of at most %d", e.Context, need, room, e.Limit.Source, e.Largest)
}

// Check says whether there is that much memory for a model that is not loaded
// yet: a [MemoryError] if not.
func (m Memory) Check() error {
	if limit, known := tensor.Memory(); known {
		if err := m.check(limit); err != nil {
			return err
		}
	}
	if m.context > maxContext {
		return optionErrorf("a context of %d: choose 1 to %d", m.context, maxContext)
	}
	return nil
}

// exceeds reports whether weights that stay in the file are more than what the
// limit leaves. They are no part of what addresses are left: the file is mapped.
func (m Memory) exceeds(limit tensor.Limit) bool {
	return m.Weights == 0 && limit.Source != tensor.SourceAddresses && sum(m.need(), m.File) > limit.Bytes
}

// check is Check for a limit.
func (m Memory) check(limit tensor.Limit) error {
	if m.need() <= limit.Bytes {
		return nil
	}
	e := &MemoryError{Context: m.context, Need: m.need(), Limit: limit}
	if m.step > 0 && limit.Bytes > m.fixed {
		e.Largest = int(min((limit.Bytes-m.fixed)/m.step, maxContext/contextStep)) * contextStep
	}
	return e
}
