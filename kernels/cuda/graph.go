package cuda

import (
	"bytes"
	"cmp"
	"slices"

	"qgo/kernels/cuda/driver"
	"qgo/kernels/plan"
	"qgo/quant"
)

// Launches as graphs. A step of decode consists of the same launches as the step before, to the
// byte, as long as attention is shared in the same way: what changes, tokens and positions, is in
// the GPU's memory. Launches of a graph follow each other sooner than those of a stream, by half a
// microsecond in a step of 32 sequences, and the host needs four microseconds to start one.
//
// So a pass of few rows keeps its launches. If there has been one of the same kind, they wait
// until something waits for their results; and if they are the same then, they start as a graph. From
// then on the graph of such passes starts before their launches are known: putting the 217 of 24 blocks
// together took a Zen 3 89 µs. Should they turn out to be others, they follow it, and write again all that
// it has written.

const (
	mostGraphs    = 16 // of a stage
	leastLaunches = 16 // of a graph
)

// script is launches in their order.
type script struct {
	launches []driver.Launch
	ends     []int // of each one's arguments in args
	args     []byte
}

func (s *script) reset() { s.launches, s.ends, s.args = s.launches[:0], s.ends[:0], s.args[:0] }

func (s *script) add(f driver.Function, grid, threads int, args []byte) {
	s.args = append(s.args, args...)
	s.ends = append(s.ends, len(s.args))
	s.launches = append(s.launches, driver.Launch{F: f, Grid: grid, Threads: threads, Shared: f.Shared()})
}

// all returns the launches with their arguments.
func (s *script) all() []driver.Launch {
	from := 0
	for i, end := range s.ends {
		s.launches[i].Args = s.args[from:end]
		from = end
	}
	return s.launches
}

func (s *script) equal(t *script) bool {
	return bytes.Equal(s.args, t.args) && slices.Equal(s.ends, t.ends) &&
		slices.EqualFunc(s.launches, t.launches, func(a, b driver.Launch) bool {
			return a.F == b.F && a.Grid == b.Grid && a.Threads == b.Threads && a.Shared == b.Shared
		})
}

// graphKey is what launches depend on, and part the number of those before of a pass that
// something has waited for.
type graphKey struct {
	rows, outputs, splits, span, part int
	kv                                quant.Type
	best, top, alone                  bool
}

// recurring is the launches of the last pass of a kind.
type recurring struct {
	key    graphKey
	script script
	graph  driver.Graph // nil if there has been one such pass only
	used   int64        // number of the pass that was the last to use it
	varies bool         // they were others in the pass after
}

// graphs are those of a stage.
type graphs struct {
	known  []*recurring
	passes int64
	refuse bool // the driver has none

	// Of the pass under way:
	key       graphKey
	recording bool
	waiting   *recurring // what launches are kept for, nil if they start at once
	runs      bool       // its graph has been started
	script    script
}

// records begins to keep launches, those of batch b.
func (p *pass) records(b *plan.Batch) {
	g := &p.graphs
	g.recording, g.waiting, g.runs = false, nil, false
	g.script.reset()
	if g.refuse || p.many || p.inLaunches() || p.profile.on {
		return // events lie between launches
	}
	g.passes++
	splits, span := p.split()
	if p.slots != 0 {
		way := p.attentionAt(p.depth)
		splits, span = ceil(p.depth, way.span), way.span
		if p.attentionAt(p.shallow) != way {
			span = 0 // both ways
		}
	}
	g.key = graphKey{rows: p.rows, outputs: len(b.Outputs), splits: splits, span: span, kv: p.kv, best: b.Best != nil, top: b.Top != nil, alone: p.alone}
	g.recording = true
	g.waiting = g.find()
	// Logits may be written to memory of the caller's, which is another one each time.
	if k := g.waiting; k != nil && k.graph != nil && (g.key.best || g.key.top) && p.err == nil {
		g.runs = true
		p.err = k.graph.Run()
	}
}

// find returns what is known of launches with the key, if it is worth waiting for.
func (g *graphs) find() *recurring {
	for _, k := range g.known {
		if k.key == g.key {
			k.used = g.passes
			if k.varies {
				return nil
			}
			return k
		}
	}
	return nil
}

// flush starts the launches that have been kept; the next ones are others.
func (p *pass) flush() {
	g := &p.graphs
	if !g.recording {
		return
	}
	if k := g.waiting; p.err == nil && k != nil {
		p.err = p.start(k)
	} else if p.err == nil && len(g.script.launches) >= leastLaunches {
		p.err = g.keep()
	}
	g.script.reset()
	g.key.part++
	g.waiting = g.find()
}

// start starts the launches that have been kept.
func (p *pass) start(k *recurring) error {
	g := &p.graphs
	runs := g.runs
	g.runs = false
	if !k.script.equal(&g.script) {
		k.varies = true
		return p.dev.startEach(g.script.all())
	}
	if runs {
		return nil
	}
	if k.graph == nil {
		graph, err := p.dev.ctx.Graph(g.script.all())
		if err != nil {
			g.refuse, k.varies = true, true
			return p.dev.startEach(g.script.all())
		}
		k.graph = graph
	}
	return k.graph.Run()
}

// startEach starts launches one by one.
func (d *Device) startEach(all []driver.Launch) error {
	for _, l := range all {
		if err := l.F.Share(l.Shared); err != nil {
			return err
		}
		if err := d.ctx.Launch(l.F, l.Grid, l.Threads, l.Args); err != nil {
			return err
		}
	}
	return nil
}

// keep remembers the launches, in place of those that have not been used for longest.
func (g *graphs) keep() (err error) {
	for _, k := range g.known {
		if k.key == g.key {
			return nil // they vary
		}
	}
	k := &recurring{}
	if len(g.known) < mostGraphs {
		g.known = append(g.known, k)
	} else {
		k = slices.MinFunc(g.known, func(a, b *recurring) int { return cmp.Compare(a.used, b.used) })
		if k.graph != nil {
			err = k.graph.Close()
		}
	}
	*k = recurring{key: g.key, used: g.passes, script: g.script}
	g.script = script{}
	return err
}

// close gives the graphs back.
func (g *graphs) close() (err error) {
	for _, k := range g.known {
		if k.graph != nil {
			if e := k.graph.Close(); err == nil {
				err = e
			}
		}
	}
	*g = graphs{}
	return err
}
