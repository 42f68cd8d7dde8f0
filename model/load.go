package model

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/dustin/go-humanize"

	"qgo/gguf"
	"qgo/gguf/show"
	"qgo/kernels"
	"qgo/kernels/cpu"
	"qgo/kernels/plan"
	"qgo/kernels/tier"
	"qgo/model/tokenizer"
	"qgo/tensor"
)

// OpenFile opens a GGUF file to load it. Where addresses are limited the file
// must fit them: it is mapped.
func OpenFile(path string) (*gguf.File, error) {
	if l, limited := tensor.AddressSpace(); limited {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Size() > l.Bytes {
			return nil, fmt.Errorf("%s: the file takes %s of memory, and %s are available (%s): choose a smaller model, or raise the limit",
				show.Text(path), humanize.Bytes(uint64(info.Size())), humanize.Bytes(uint64(l.Bytes)), l.Source)
		}
	}
	return gguf.Open(path)
}

// Open loads the model of a GGUF file. Close it after use.
func Open(ctx context.Context, path string, o Options) (*Model, error) {
	f, err := OpenFile(path)
	if err != nil {
		return nil, err
	}
	m, err := Load(ctx, f, o)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return m, nil
}

// Load makes a model of an open file, which it closes when it is closed
// itself; not when it fails. When ctx ends it fails soon. What does not fit the
// memory is a [MemoryError], before anything is allocated for it.
func Load(ctx context.Context, f *gguf.File, o Options) (*Model, error) {
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
	m := &Model{Config: *c, File: f, pinned: !o.Unpinned, maxRows: set.maxRows, cpuRows: set.maxRows, maxCtx: set.context, kvType: set.kv, tier: set.tier, notify: o.Notify, kvs: map[*KV]struct{}{}}
	if m.plan, err = newPlan(f, c); err != nil {
		return nil, err
	}
	m.tier, m.fast = tierFor(m.plan, set.tier, o)
	set.tier = m.tier
	memory := set.memory(f, m.plan, o)
	if m.repack = memory.Weights > 0; o.Device == nil || set.context > maxContext {
		if err := m.checkMemory(memory); err != nil {
			return nil, err
		}
	}
	if m.Tokenizer, err = tokenizer.FromGGUF(f); err != nil {
		return nil, err
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	m.newPool(set.threads)
	if err := m.place(ctx, o); err != nil {
		m.pool.Close()
		return nil, err
	}
	return m, nil
}

// tierFor returns the tier that computes a plan, and whether it is that of Options.Fast.
func tierFor(p plan.Plan, t *tier.Tier, o Options) (_ *tier.Tier, fast bool) {
	if o.Fast {
		if f := cpu.Fast(p, t); f != t {
			return f, true
		}
	}
	return cpu.Suited(p, t), false
}

// checkMemory reports whether what a model takes is there, and warns if its file
// is larger than what is left.
func (m *Model) checkMemory(need Memory) error {
	if err := need.Check(); err != nil {
		return err
	}
	if limit, known := tensor.Memory(); known && need.exceeds(limit) {
		m.warn("The model takes %s with the weights in its file, and %s are available (%s). Weights will be read from the disk again and again, which is slow.",
			humanize.Bytes(uint64(sum(need.need(), need.File))), humanize.Bytes(uint64(limit.Bytes)), limit.Source)
	}
	return nil
}

// newPool starts the workers.
func (m *Model) newPool(threads int) {
	if cpus := kernels.CPUs(); threads > cpus && !crowds {
		m.warn("%d threads would share %d CPUs, and wait for each other. Using %d.", threads, cpus, cpus)
		threads = cpus
	}
	m.pool = kernels.NewPool(threads, m.pinned)
	if !crowds {
		m.pool.Join(kernels.SharedBoard())
	}
}

// loading counts the weights that a device has taken.
type loading struct {
	mu          sync.Mutex
	done, total int64
	report      func(done, total int64)
	release     func(weights []byte)
}

// take is the Release of a device's options.
func (l *loading) take(weights []byte) {
	l.release(weights)
	if l.report == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done = min(l.done+int64(len(weights)), l.total)
	l.report(l.done, l.total)
}

// newLoading counts the weights of what goes to the CPU and to the GPU.
func (m *Model) newLoading(cpus, gpus plan.Plan, report func(done, total int64)) *loading {
	l := &loading{report: report, release: m.File.Release, total: weightBytes(gpus)}
	if m.repack {
		_, original := cpu.RepackedBytes(cpus, m.tier)
		l.total += weightBytes(cpus) - original
	}
	return l
}

// weightBytes is what the matrices of a plan take in the file, but for the
// embedding, of which a row is read at a time.
func weightBytes(p plan.Plan) (n int64) {
	for _, b := range p.Blocks {
		for _, l := range []plan.Linear{b.Q, b.K, b.V, b.O, b.Gate, b.Up, b.Down} {
			n += int64(len(l.W.Data))
		}
	}
	if p.Head != nil {
		n += int64(len(p.Head.W.Data))
	}
	return n
}
