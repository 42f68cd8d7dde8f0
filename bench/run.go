// Package bench measures how fast a model runs and how fast the machine would
// let it run. It uses the same interface as every other program.
package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"qgo/bench/machine"
	"qgo/bench/roofline"
	"qgo/kernels"
	"qgo/kernels/plan"
	"qgo/model"
)

// probeTime is how long the bandwidth, and the CPU's peak, are probed before and
// after each repetition.
const probeTime = 40 * time.Millisecond

// warmUp is the number of tokens decoded before the first repetition.
const warmUp = 8

// Runner measures one loaded model.
type Runner struct {
	Model   *model.Model
	Reps    int           // of each test
	AtLeast time.Duration // repeat each test for at least so long
	Delay   time.Duration // before each repetition, for the machine to cool
	Origin  time.Time     // what the repetitions' starts count from
	Given   roofline.Machine
	Limits  Limits
	// Progress, if set, is told what is being done.
	Progress func(step string)
	// Between, if set, is called after each repetition: a baseline takes
	// its turn.
	Between func(ctx context.Context, rep int) error
	// Ops repeats each repetition with a profile of the operations.
	Ops bool

	ops    *opPairs   // of the test, if operations are profiled
	done   func(*Rep) // called after each repetition, if set
	prober *Prober    // nil if the CPU computes nothing
	gpu    plan.Probe // nil if no GPU does
	pool   *kernels.Pool
	rng    *rand.Rand
}

// Open takes what measuring needs. Close it after use.
func (r *Runner) Open() (err error) {
	r.rng = rand.New(rand.NewPCG(1, 2))
	if gpu := r.Model.GPU(); gpu != nil {
		if r.gpu, err = gpu.NewProbe(false); err != nil || !r.Model.OnCPU() {
			return err
		}
	}
	r.pool = kernels.NewPool(r.Model.Threads(), r.Model.Pinned())
	r.pool.Join(kernels.SharedBoard())
	if r.prober, err = NewProber(r.pool, false); err != nil {
		r.pool.Close()
		if r.gpu != nil {
			err = errors.Join(err, r.gpu.Close())
		}
	}
	return err
}

// Close releases it.
func (r *Runner) Close() (err error) {
	if r.gpu != nil {
		err = r.gpu.Close()
	}
	if r.prober != nil {
		err = errors.Join(err, r.prober.Close())
		r.pool.Close()
	}
	return err
}

// Run does a test. If it is broken off, by ctx or a failure, the result holds
// the repetitions that were done, marked as incomplete, beside the error; it
// is nil if there are none.
func (r *Runner) Run(ctx context.Context, t Test) (*Result, error) {
	m := r.Model
	cost := m.Cost()
	res := &Result{
		BuildCommit: BuildCommit(), CPUInfo: machine.CPUName(), Backends: "CPU",
		ModelFilename: m.File.Name, ModelType: modelType(m), ModelSize: m.File.Size(), ModelParams: params(m.File),
		Batch: m.MaxRows(), Threads: m.Threads(), TypeK: m.KVType(), TypeV: m.KVType(),
		Prompt: t.Prompt, Gen: t.Gen, Depth: t.Depth, Scenario: t.Scenario,
		TestTime: time.Now().UTC(), Engine: "qgo", Kernels: m.Tier(), Cost: &cost, NoRepack: m.OnCPU() && !m.Repacked(),
	}
	if m.OnGPU() {
		p, gpuCost := m.Placement(), m.GPUCost()
		res.Backends, res.GPUInfo, res.GPULayers, res.GPUCost = backend(p.GPU), p.GPUName, p.GPULayers, &gpuCost
		res.Kernels = res.Backends
		if m.OnCPU() {
			res.Kernels += " and " + m.Tier()
		}
	}
	if r.Ops {
		r.ops = &opPairs{m: m}
	}
	err := r.repeat(ctx, t, res)
	if err != nil {
		res.Incomplete = true
	}
	if len(res.Reps) == 0 {
		return nil, err
	}
	res.Summarise(r.Limits, r.Given)
	if r.ops != nil {
		res.Ops = r.ops.summarise(res)
	}
	return res, err
}

func (r *Runner) step(format string, args ...any) {
	if r.Progress != nil {
		r.Progress(fmt.Sprintf(format, args...))
	}
}

func (r *Runner) repeat(ctx context.Context, t Test, res *Result) error {
	once, closeWork, err := r.prepare(ctx, t)
	if err != nil {
		return err
	}
	defer closeWork()
	r.step("%s: warm-up", t.Name())
	if _, err := once(true); err != nil {
		return err
	}
	before, err := r.probe()
	if err != nil {
		return err
	}
	start := time.Now()
	for i := 0; i < r.Reps || time.Since(start) < r.AtLeast; i++ {
		if r.Delay > 0 {
			r.step("pause")
			select {
			case <-time.After(r.Delay):
			case <-ctx.Done():
			}
			if before, err = r.probe(); err != nil {
				return err
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		r.step("%s: repetition %d", t.Name(), i+1)
		at := time.Since(r.Origin)
		rep, failed := once(false)
		if failed != nil && rep.Gen < 2 {
			return failed
		}
		if err := r.lostGPU(t); err != nil {
			return err
		}
		after, err := r.probe()
		if err != nil {
			return err
		}
		rep.Partial = failed != nil
		rep.Start, rep.Before, rep.After, rep.CPUBefore, rep.CPUAfter = at, before.main, after.main, before.cpu, after.cpu
		rep.PeakBefore, rep.PeakAfter = before.peak, after.peak
		before = after
		res.Reps = append(res.Reps, rep)
		if r.done != nil && failed == nil {
			r.done(&rep)
		}
		if failed != nil {
			return failed
		}
		if r.ops == nil && r.Between == nil {
			continue
		}
		if err := r.turns(ctx, t, i, once, &rep); err != nil {
			return err
		}
		if before, err = r.probe(); err != nil {
			return err
		}
	}
	return nil
}

// turns does what takes turns with a repetition.
func (r *Runner) turns(ctx context.Context, t Test, i int, once func(short bool) (Rep, error), rep *Rep) error {
	if r.ops != nil {
		if err := errors.Join(r.ops.pair(once, rep), r.lostGPU(t)); err != nil {
			return err
		}
	}
	if r.Between != nil {
		return r.Between(ctx, i)
	}
	return nil
}

// lostGPU returns an error if the GPU has failed in a test.
func (r *Runner) lostGPU(t Test) error {
	if r.gpu == nil || r.Model.OnGPU() {
		return nil
	}
	return fmt.Errorf("%s: the GPU failed, and the CPU went on: what was timed is no rate of either", t.Name())
}

// probe returns the best rates of a few passes.
func (r *Runner) probe() (b probed, err error) {
	var gpu, cpu Rate
	if r.gpu != nil {
		reads := r.gpu.Ceilings()[0]
		if gpu, err = gpuRate(reads.Amount, probeTime, reads.Run); err != nil {
			return b, err
		}
	}
	if r.prober != nil {
		if cpu, err = r.prober.Read(probeTime); err != nil {
			return b, err
		}
		peak, err := r.prober.Highest(probeTime)
		if err != nil {
			return b, err
		}
		b.peak = peak.Best
	}
	if b.main, b.cpu = gpu.Best, cpu.Best; r.gpu == nil {
		b.main, b.cpu = cpu.Best, 0
	}
	return b, nil
}

// Probe probes the machine as it is probed around a repetition: bandwidth is that
// of the GPU if it computes anything, and else the CPU's, in bytes a second; peak is
// the CPU's highest in operations a second, 0 if it computes nothing.
func (r *Runner) Probe() (bandwidth, peak float64, err error) {
	b, err := r.probe()
	return b.main, b.peak, err
}

// prepare returns the function that does a test once, or a short form of it to
// warm up, and the one that ends it.
func (r *Runner) prepare(ctx context.Context, t Test) (once func(short bool) (Rep, error), closeWork func() error, err error) {
	if t.Scenario != "" {
		return r.prepareRequest(ctx, t)
	}
	kv, err := r.Model.NewKV(t.Context())
	if err != nil {
		return nil, nil, err
	}
	w := &workload{ctx: ctx, m: r.Model, kv: kv, rng: r.rng, prefilled: r.prefilled}
	if t.Depth > 0 {
		r.step("%s: filling the KV cache", t.Name())
		if err := w.forward(w.random(t.Depth)); err != nil {
			_ = kv.Close()
			return nil, nil, err
		}
	}
	return func(short bool) (Rep, error) { return w.once(t, short) }, kv.Close, nil
}

// counts are what a model's GPU has done so far: the kernels that it has run, and the vectors that blocks of
// kernels have made together.
type counts struct{ launches, exchanges int64 }

func countsOf(m *model.Model) counts {
	if gpu := m.GPU(); gpu != nil {
		return counts{gpu.Launches(), gpu.Exchanges()}
	}
	return counts{}
}

// countSince notes what a model's GPU has done since then.
func (r *Rep) countSince(then counts, m *model.Model) {
	now := countsOf(m)
	r.Launches, r.Exchanges = now.launches-then.launches, now.exchanges-then.exchanges
}

// workload runs a model on random tokens.
type workload struct {
	ctx context.Context
	m   *model.Model
	kv  *model.KV
	rng *rand.Rand
	seq [1]model.Seq

	prefilled func() // called after the prompt
}

func (w *workload) random(n int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(w.rng.IntN(w.m.Vocab))
	}
	return ids
}

func (w *workload) forward(tokens []int32) error {
	w.seq[0].KV, w.seq[0].Tokens, w.seq[0].Want = w.kv, tokens, model.WantLast
	return w.m.Forward(w.ctx, w.seq[:])
}

// once does a test: the prompt to the logits of its last token, then tokens
// one by one.
func (w *workload) once(t Test, short bool) (rep Rep, err error) {
	w.kv.Truncate(t.Depth)
	gen := t.Gen
	if short {
		gen = min(gen, warmUp)
	}
	prompt, tokens := w.random(t.Prompt), w.random(gen)
	rep.Gaps = make([]int64, 0, gen)
	before := countsOf(w.m)
	defer func() { rep.countSince(before, w.m) }()
	start := time.Now()
	if t.Prompt > 0 {
		if err := w.forward(prompt); err != nil {
			return rep, err
		}
	}
	var last time.Duration
	if t.Prompt > 0 {
		last = time.Since(start)
		w.prefilled()
	}
	if gen > 0 {
		before = countsOf(w.m)
	}
	rep.NS, rep.Prompt = int64(last), t.Prompt
	for i := range tokens {
		if err := w.forward(tokens[i : i+1]); err != nil {
			return rep, err
		}
		now := time.Since(start)
		rep.Gaps = append(rep.Gaps, int64(now-last))
		last = now
		rep.NS, rep.Gen = int64(last), i+1
	}
	return rep, nil
}
