package sweep

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"

	"qgo/bench"
	"qgo/bench/baseline"
	"qgo/bench/machine"
	"qgo/gguf/show"
	"qgo/model"
)

// Run measures a plan. What is done is written to the file at out, cell by cell;
// cells that are there already are not measured again. With an error, or if ctx
// ends, the result holds the cells that were measured before.
func (p *Plan) Run(ctx context.Context, out string, o model.Options, progress func(bench.Status)) (*Result, error) {
	info := machine.Discover(os.DirFS("/")).Info()
	h := Header{Schema: Schema, Started: time.Now().UTC(), Commit: bench.BuildCommit(), Machine: info, Plan: p.public()}
	if o.Device != nil {
		h.GPU = o.Device.Info().Name
	}
	j, err := openJournal(out, h)
	if err != nil {
		return nil, err
	}
	r := &sweepRun{Plan: p, journal: j, options: o, progress: progress, cache: info.Cache, began: time.Now(), known: map[int]*bench.Ceilings{}}
	for _, e := range p.Engines {
		r.engines = append(r.engines, newEngine(e))
	}
	err = r.all(ctx)
	return j.Result, errors.Join(err, j.file.Close())
}

func newEngine(e Engine) *baseline.LlamaBench {
	b := &baseline.LlamaBench{Path: e.LlamaBench, Label: e.Name, Args: e.Args}
	for name, value := range e.Env {
		b.Env = append(b.Env, name+"="+value)
	}
	return b
}

// Check makes sure that all files and programs of a plan are there.
func (p *Plan) Check() error {
	for _, path := range p.Models {
		f, err := model.OpenFile(path)
		if err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	for i := range p.Engines {
		e := &p.Engines[i]
		path, err := exec.LookPath(e.LlamaBench)
		if err != nil {
			return fmt.Errorf("engines: %s: there is no program %s that can be run", show.Text(e.Name), show.Text(e.LlamaBench))
		}
		e.LlamaBench = path
	}
	for _, n := range p.Busy {
		if n > 0 {
			if _, err := exec.LookPath("sh"); err != nil {
				return errors.New("busy: needs sh, which runs the busy loops")
			}
		}
	}
	return nil
}

// sweepRun is a sweep in progress.
type sweepRun struct {
	*Plan
	*journal
	options  model.Options
	engines  []*baseline.LlamaBench
	progress func(bench.Status)
	cache    int64 // of the CPU's last level

	began    time.Time
	measured int // cells, by this run
	gpu      *bench.GPUCeilings
	known    map[int]*bench.Ceilings // by threads
}

// ceilingTime is how long each of the machine's ceilings is measured.
const ceilingTime = 150 * time.Millisecond

func (r *sweepRun) all(ctx context.Context) (err error) {
	if r.options.Device != nil {
		if r.gpu, err = bench.MeasureGPU(r.options.Device, ceilingTime); err != nil {
			return err
		}
	}
	for _, path := range r.Plan.Models {
		for _, threads := range r.Plan.Threads {
			var todo []key
			for _, busy := range r.Plan.Busy {
				for _, t := range r.tests {
					if k := (key{filepath.Base(path), t.Name(), threads, busy}); !r.done(k) {
						todo = append(todo, k)
					}
				}
			}
			if len(todo) == 0 {
				continue
			}
			if err := r.group(ctx, path, threads, todo); err != nil {
				return err
			}
		}
	}
	return nil
}

// group measures cells of a model with some number of threads.
func (r *sweepRun) group(ctx context.Context, path string, threads int, todo []key) (err error) {
	r.step("%s: loading", filepath.Base(path))
	ceilings, err := r.ceilings(ctx, threads)
	if err != nil {
		return err
	}
	o := r.options
	o.Threads, o.Context = threads, 0
	for _, t := range r.tests {
		o.Context = max(o.Context, t.Context()+1)
	}
	m, err := model.Open(ctx, path, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	run := &bench.Runner{Model: m, Origin: r.began, Limits: bench.NewLimits(ceilings, r.cache, r.gpu)}
	if err := run.Open(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, run.Close()) }()
	for _, k := range todo {
		c, err := r.cell(ctx, path, run, k)
		if err != nil {
			return err
		}
		if err := r.add(c); err != nil {
			return err
		}
		r.measured++
	}
	return nil
}

// ceilings are those of the CPU with so many threads, measured once.
func (r *sweepRun) ceilings(ctx context.Context, threads int) (c *bench.Ceilings, err error) {
	if c = r.known[threads]; c == nil {
		if c, err = bench.MeasureCeilings(ctx, threads, !r.options.Unpinned, ceilingTime); err == nil {
			r.known[threads] = c
		}
	}
	return c, err
}

// step reports what is being done, and an estimate of the time left.
func (r *sweepRun) step(format string, args ...any) {
	if r.progress == nil {
		return
	}
	all := r.cells()
	s := bench.Status{Step: fmt.Sprintf("cell %d of %d: ", len(r.Cells)+1, all) + show.Text(fmt.Sprintf(format, args...))}
	if r.measured > 0 {
		took := time.Since(r.began)
		s.Left = took * time.Duration(all-len(r.Cells)) / time.Duration(r.measured)
	}
	r.progress(s)
}

// cell measures one cell.
func (r *sweepRun) cell(ctx context.Context, path string, run *bench.Runner, k key) (*Cell, error) {
	t, err := bench.ParseTest(k.test)
	if err != nil {
		return nil, err
	}
	stop, err := busyLoops(k.busy)
	if err != nil {
		return nil, err
	}
	defer stop()
	m := run.Model
	c := &cellRun{
		sweepRun: r, run: run, test: t, failed: make([]bool, len(r.engines)),
		request: bench.Request{Path: path, Threads: k.threads, GPULayers: m.Placement().GPULayers, Test: t, Model: m},
		cell: &Cell{
			Model: k.model, Size: m.File.Size(), Test: k.test, Threads: k.threads, Busy: k.busy,
			Started: time.Now().UTC(), Engines: []EngineRun{{Name: "qgo", Build: bench.BuildCommit()}},
		},
	}
	for _, e := range r.engines {
		c.cell.Engines = append(c.cell.Engines, EngineRun{Name: e.Name()})
	}
	run.Progress = func(step string) { c.step("%s, %s", k.name(), step) }
	for n := r.Rule.Pairs; n > 0; n = c.missing() {
		if err := c.turns(ctx, n); err != nil {
			return nil, err
		}
	}
	c.cell.Seconds = time.Since(c.cell.Started).Seconds()
	return c.cell, nil
}

// name names a cell but for its test.
func (k *key) name() string {
	text := k.model + ", " + bench.Threads(k.threads)
	if k.busy > 0 {
		text += ", beside " + english.Plural(k.busy, "busy loop", "")
	}
	return text
}

// cellRun is a cell in progress.
type cellRun struct {
	*sweepRun
	run     *bench.Runner
	test    bench.Test
	request bench.Request
	cell    *Cell
	meter   *machine.Meter
	shares  bench.Sample // of the bound
	failed  []bool       // engines that are not tried again
}

// missing is how many turns to do beside those that were done.
func (c *cellRun) missing() int {
	held, _ := c.cell.holding(&c.Rule)
	done := len(c.cell.Turns)
	return min(max(c.Rule.Pairs-len(held), 0), c.Rule.Most-done)
}

// turns does so many turns.
func (c *cellRun) turns(ctx context.Context, n int) error {
	first := len(c.cell.Turns)
	c.run.Reps = n
	c.meter = machine.NewMeter()
	c.run.Between = func(ctx context.Context, _ int) error { return c.others(ctx) }
	res, err := c.run.Run(ctx, c.test)
	if err != nil {
		return err
	}
	for i := range res.Reps {
		rep, t := &res.Reps[i], &c.cell.Turns[first+i]
		t.Rates[0] = float64(c.test.Tokens()) / float64(rep.NS) * 1e9
		t.Bandwidth[0], t.Bandwidth[1] = rep.Before, rep.After
		if rep.PeakAfter > 0 {
			t.Peak[0], t.Peak[1] = rep.PeakBefore, rep.PeakAfter
		}
	}
	c.shares = append(c.shares, res.OfMeasured)
	c.cell.Type, c.cell.Kernels, c.cell.OfBound = res.ModelType, res.Kernels, c.shares.Mean()
	if res.Measured != nil {
		c.cell.Binds = res.Measured.Binds
	}
	return nil
}

// others lets the other engines take their turn after qgo's.
func (c *cellRun) others(ctx context.Context) error {
	t := Turn{Rates: make([]float64, 1+len(c.engines)), Bandwidth: make([]float64, 3)}
	c.foreign(&t)
	for i, e := range c.engines {
		if c.failed[i] {
			continue
		}
		c.step("%s, %s: %s, turn %d", c.cell.Name(), c.test.Name(), e.Name(), len(c.cell.Turns)+1)
		rate, err := c.once(ctx, e, &c.cell.Engines[i+1])
		if err != nil {
			return err
		}
		known := &c.cell.Engines[i+1]
		t.Rates[i+1], c.failed[i] = rate, known.Error != "" || known.Late >= patienceFor
	}
	c.foreign(&t)
	bandwidth, peak, err := c.run.Probe()
	if err != nil {
		return err
	}
	if t.Bandwidth[2] = bandwidth; peak > 0 {
		t.Peak = []float64{0, 0, peak}
	}
	c.cell.Turns = append(c.cell.Turns, t)
	return nil
}

// patienceFor is in how many turns an engine may be late before it is left out.
const patienceFor = 2

// foreign notes what others took since the last call.
func (c *cellRun) foreign(t *Turn) {
	if share, ok := c.meter.Foreign(); ok {
		t.Foreign = append(t.Foreign, share)
	}
}

// once does a turn of an engine. It is 0 if the engine is late or fails, which is
// no error of the sweep.
func (c *cellRun) once(ctx context.Context, e *baseline.LlamaBench, known *EngineRun) (float64, error) {
	limited, cancel := context.WithTimeout(ctx, time.Duration(c.Rule.Patience*float64(time.Second)))
	defer cancel()
	res, err := e.Once(limited, c.request)
	switch {
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case limited.Err() != nil:
		known.Late++
		return 0, nil
	case err != nil:
		known.Error = show.Lines(strings.TrimPrefix(err.Error(), e.Path+": "))
		return 0, nil
	}
	known.Build = res.BuildCommit
	return float64(c.test.Tokens()) / float64(res.Reps[0].NS) * 1e9, nil
}
