package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"qgo/bench/machine"
	"qgo/bench/roofline"
	"qgo/gguf"
	"qgo/model"
	"qgo/model/synth"
)

// Plan says what to measure: every test on every model, with every number of
// threads and every batch, in every power mode.
type Plan struct {
	Models  []string // files; "" is a model made in memory, see [Synthetic]
	Threads []int    // 0 means one per physical core
	Batches []int    // tokens of a batch in prefill; 0 means the model's default
	Tests   []Test
	Options model.Options // for all
	Reps    int
	AtLeast time.Duration // repeat each test for at least so long
	Delay   time.Duration // before each repetition
	Load    bool          // measure how long loading takes
	Ops     bool          // repeat each repetition with a profile of the operations
	Ceiling time.Duration // how long each of the machine's ceilings is measured; 0 means 150 ms
	Given   roofline.Machine
	// PowerModes are set by Power, one after the other, and what was before is
	// restored. Without any the machine is measured as it is.
	PowerModes []machine.PowerMode
	Power      *machine.PowerControl
	// Baselines take turns with qgo.
	Baselines []Baseline
	// Progress, if set, is told what is being done.
	Progress func(Status)
}

// ceilingTime is the default of [Plan].Ceiling.
const ceilingTime = 150 * time.Millisecond

// watchEvery is how often the machine is looked at.
const watchEvery = 500 * time.Millisecond

// Run measures. The report is never nil: with an error it holds what was
// measured before, and is marked if ctx ended.
func (p *Plan) Run(ctx context.Context) (*Report, error) {
	sensors := machine.Discover(os.DirFS("/"))
	if gpu := p.Options.Device; gpu != nil {
		watch(sensors, gpu)
	}
	rep := &Report{Schema: Schema, Started: time.Now().UTC(), Machine: sensors.Info(), Reference: p.Given}
	monitor := machine.Watch(sensors, watchEvery)
	run := &planRun{Plan: p, report: rep, origin: monitor.Start(), gave: map[Baseline]error{}}
	err := run.all(ctx)
	if err == nil {
		err = run.silent()
	}
	rep.Series = monitor.Stop()
	rep.Interrupted = ctx.Err() != nil
	for _, r := range rep.Results {
		r.AddEnergy(&rep.Series)
		rep.Warnings = append(rep.Warnings, throttled(r, &rep.Series)...)
	}
	if len(rep.Results) == 0 {
		return rep, err
	}
	info := rep.Machine
	if len(p.PowerModes) > 0 {
		info.Governors = nil // they are what was asked for
	}
	rep.Warnings = append(rep.Warnings, machine.Warnings(&info, &rep.Series, len(p.Baselines) == 0)...)
	if !rep.Interrupted {
		rep.Harness = Noise(rep.Results, rep.Series.Cost, rep.Machine.Threads)
	}
	return rep, err
}

// planRun is a plan in progress.
type planRun struct {
	*Plan
	report *Report
	origin time.Time
	mode   machine.PowerMode // that is set, "" if none was asked for
	gpu    *GPUCeilings      // of the GPU that the models may be on, in that mode
	clock  *clock
	gave   map[Baseline]error // nil of those that have a result, else why they have none
}

// silent returns an error for the baselines that gave no result at all.
func (p *planRun) silent() error {
	var errs []error
	for _, b := range p.Baselines {
		if err := p.gave[b]; err != nil {
			errs = append(errs, fmt.Errorf("%s gave no result: %w", b.Name(), err))
		}
	}
	return errors.Join(errs...)
}

// step tells what is being done.
func (p *planRun) step(format string, args ...any) {
	if p.Progress != nil {
		p.Progress(Status{fmt.Sprintf(format, args...), p.clock.left()})
	}
}

func (p *planRun) all(ctx context.Context) error {
	costs, err := p.survey()
	if err != nil {
		return err
	}
	p.clock = newClock(p.Plan, costs)
	if len(p.PowerModes) == 0 {
		return p.measure(ctx)
	}
	for _, mode := range p.PowerModes {
		if err := p.inMode(ctx, mode); err != nil {
			return err
		}
	}
	return nil
}

// inMode measures everything in a power mode, and restores what was before.
func (p *planRun) inMode(ctx context.Context, mode machine.PowerMode) (err error) {
	p.step("the power mode %s", mode)
	p.mode = mode
	defer func() { err = errors.Join(err, p.Power.Restore()) }()
	if err := p.Power.Set(ctx, mode); err != nil {
		return err
	}
	return p.measure(ctx)
}

// measure measures everything as the machine is set now.
func (p *planRun) measure(ctx context.Context) (err error) {
	atLeast := cmp.Or(p.Ceiling, ceilingTime)
	if gpu := p.Options.Device; gpu != nil {
		p.step("the ceilings of %v", gpu)
		if p.gpu, err = MeasureGPU(gpu, atLeast); err != nil {
			return err
		}
		p.gpu.PowerMode = p.mode
	}
	for _, threads := range p.threads() {
		p.step("the machine's ceilings with %s", Threads(threads))
		c, err := MeasureCeilings(ctx, threads, !p.Options.Unpinned, atLeast)
		if err != nil {
			return err
		}
		c.PowerMode = p.mode
		if p.clock.limits = c.limits(); p.gpu != nil {
			p.clock.limits = p.gpu.limits()
		}
		for _, path := range p.Models {
			for _, batch := range p.Batches {
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := p.one(ctx, path, batch, c); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// threads are the numbers of threads to measure with: no more than the CPUs that
// the power mode leaves on, since threads that share a CPU wait for each other.
func (p *planRun) threads() (all []int) {
	on := 0
	if p.mode != "" {
		on = p.Power.CPUs()
	}
	for _, threads := range p.Threads {
		n := workers(threads)
		if on > 0 && n > on {
			p.report.Warnings = append(p.report.Warnings, fmt.Sprintf("the power mode %s leaves fewer CPUs on: it is measured with %s in place of %d", p.mode, Threads(on), n))
			n = on
		}
		if slices.Contains(all, n) {
			p.clock.skip(len(p.Models) * len(p.Batches) * len(p.Tests))
			continue
		}
		all = append(all, n)
	}
	return all
}

// one measures a model with some number of threads and some batch.
func (p *planRun) one(ctx context.Context, path string, batch int, c *Ceilings) error {
	o := p.options(c.Threads, batch)
	var load *Load
	if p.Load && path != "" {
		p.step("loading %s", path)
		var err error
		if load, err = measureLoad(ctx, path, o); err != nil {
			return err
		}
	}
	m, err := p.open(ctx, path, o)
	if err != nil {
		return err
	}
	defer m.Close()
	p.warnOfContext(m)
	if m.OnCPU() && !slices.Contains(p.report.Ceilings, c) {
		p.report.Ceilings = append(p.report.Ceilings, c)
	}
	var gpu *GPUCeilings
	if m.OnGPU() {
		gpu = p.gpu
		p.report.addGPU(gpu)
	}
	r := &Runner{
		Model: m, Reps: p.Reps, AtLeast: p.AtLeast, Delay: p.Delay, Origin: p.origin, Ops: p.Ops,
		Given: p.Given, Limits: NewLimits(c, p.report.Machine.Cache, gpu), Progress: func(step string) { p.step("%s", step) }, done: p.clock.repeated,
	}
	if err := r.Open(); err != nil {
		return err
	}
	defer r.Close()
	for _, t := range p.Tests {
		turns := newTurns(p.Baselines, Request{Path: path, Threads: c.Threads, GPULayers: m.Placement().GPULayers, Test: t, Model: m})
		if len(turns) > 0 {
			r.Between = func(ctx context.Context, i int) error {
				for _, turn := range turns {
					p.step("%s: %s, repetition %d", t.Name(), turn.baseline.Name(), i+1)
					if err := turn.once(ctx); err != nil && ctx.Err() == nil {
						p.report.Warnings = append(p.report.Warnings, fmt.Sprintf("%s did not do %s: %v", turn.baseline.Name(), t.Name(), err))
						if _, known := p.gave[turn.baseline]; !known {
							p.gave[turn.baseline] = err
						}
					}
				}
				return ctx.Err()
			}
		}
		res, err := r.Run(ctx, t)
		p.clock.next()
		if res != nil {
			res.Load, res.PowerMode = load, p.mode
			p.report.Results = append(p.report.Results, res)
		}
		for _, turn := range turns {
			if b := turn.finish(res, r.Limits, p.Given); b != nil {
				b.PowerMode = p.mode
				p.report.Results = append(p.report.Results, b)
				p.gave[turn.baseline] = nil
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// addGPU adds the ceilings of the GPU, once for each power mode.
func (r *Report) addGPU(c *GPUCeilings) {
	r.GPU = cmp.Or(r.GPU, c)
	if c.PowerMode != "" && !slices.Contains(r.GPUModes, c) {
		r.GPUModes = append(r.GPUModes, c)
	}
}

// warnOfContext says once of a model that the tests go beyond what it was
// trained for.
func (p *planRun) warnOfContext(m *model.Model) {
	longest := 0
	for _, t := range p.Tests {
		longest = max(longest, t.Context())
	}
	text := m.ContextWarning(longest)
	if text == "" {
		return
	}
	if text = m.Name + ": " + text; !slices.Contains(p.report.Warnings, text) {
		p.report.Warnings = append(p.report.Warnings, text)
	}
}

// Synthetic is the model that stands in where there is no file: the shape of
// Qwen2.5-0.5B in q4_0 with random weights.
func Synthetic() (*gguf.File, error) {
	shape, mix, _ := strings.Cut(synthetic, ":")
	spec, err := synth.ParseSpec(shape, mix)
	if err != nil {
		return nil, err
	}
	return synth.Build(spec)
}

func (p *planRun) open(ctx context.Context, path string, o model.Options) (*model.Model, error) {
	if path != "" {
		p.step("loading %s", path)
		return model.Open(ctx, path, o)
	}
	p.step("making a model")
	f, err := Synthetic()
	if err != nil {
		return nil, err
	}
	m, err := model.Load(ctx, f, o)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return m, nil
}

// measureLoad measures the time from opening a file to the first token, once
// with its pages dropped from the page cache, where the system can, and once
// again.
func measureLoad(ctx context.Context, path string, o model.Options) (*Load, error) {
	once := func() (int64, error) {
		start := time.Now()
		m, err := model.Open(ctx, path, o)
		if err != nil {
			return 0, err
		}
		defer m.Close()
		kv, err := m.NewKV(1)
		if err != nil {
			return 0, err
		}
		defer kv.Close()
		err = m.Forward(ctx, []model.Seq{{KV: kv, Tokens: []int32{0}, Want: model.WantLast}})
		return int64(time.Since(start)), err
	}
	var l Load
	var err error
	if dropCache(path) {
		if l.ColdNS, err = once(); err != nil {
			return nil, err
		}
	}
	l.WarmNS, err = once()
	return &l, err
}

// throttled says whether a result's decode slowed down for another reason than
// that texts grow: rates are in bytes, which count the KV cache.
func throttled(r *Result, s *machine.Series) []string {
	if r.Cost == nil || r.Gen == 0 {
		return nil
	}
	var all []string
	for i := range r.Reps {
		rep := &r.Reps[i]
		var points []machine.Point
		at := rep.Start
		sum := time.Duration(rep.NS)
		for _, g := range rep.Gaps {
			sum -= time.Duration(g)
		}
		at += sum // the prompt
		const second = 1e9
		var bytes float64
		var took int64
		for j, g := range rep.Gaps {
			bytes += float64(r.Cost.Bytes(r.Depth + r.Prompt + j))
			took += g
			at += time.Duration(g)
			if took >= second {
				points = append(points, machine.Point{At: at, Rate: bytes / float64(took)})
				bytes, took = 0, 0
			}
		}
		if text := s.Throttled("decode", points); text != "" && !slices.Contains(all, text) {
			all = append(all, r.Test().Name()+": "+text)
		}
	}
	return all
}
