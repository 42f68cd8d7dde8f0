package cuda

import (
	"time"

	"qgo/kernels/plan"
)

// profile says where the time of a stage's passes goes on the GPU, as long as it
// is on.
type profile struct {
	on        bool
	few, many tally // of passes of few rows and of many

	// Of the pass under way:
	tally    *tally
	began    time.Time
	carries  bool // it has events
	layer    bool // it is in a layer with events
	skipping bool // it is in one without
	marks    []mark
	took     []time.Duration // number i lies between marks i and i+1
}

// mark is what begins with an event.
type mark struct {
	op    plan.Op
	layer bool // in a layer
}

// What begins with an event, and is no operation.
const (
	opLayers  = plan.Ops + iota // layers without events
	opNothing                   // nothing until the next event
)

// calibrations is how often the time between two events with nothing between
// them is taken.
const calibrations = 33

// opens begins the profile of a pass.
func (p *pass) opens() {
	f := &p.profile
	f.carries, f.layer, f.skipping = false, false, false
	if !f.on {
		return
	}
	f.began, f.marks, f.took = time.Now(), f.marks[:0], f.took[:0]
	f.tally = &f.few
	if p.rows >= sampledRows {
		f.tally = &f.many
	}
	f.carries = f.tally.next()
}

// enters says that layer i is next.
func (p *pass) enters(i int) {
	f := &p.profile
	if !f.carries {
		return
	}
	f.layer = f.tally.samples(i, len(p.layers))
	f.skipping = !f.layer
	f.tally.layers++
	if f.layer {
		f.tally.seen++
	} else {
		p.mark(mark{op: opLayers})
	}
}

// leaves says that there are no more layers. What an event costs is measured
// here, once for each tally, as it depends on whether the GPU waits for launches.
func (p *pass) leaves() {
	f := &p.profile
	f.layer, f.skipping = false, false
	if f.carries && !f.tally.calibrated {
		for range calibrations {
			p.mark(mark{op: opNothing})
		}
	}
}

// starts says what all launches from here on belong to.
func (p *pass) starts(op plan.Op) {
	if f := &p.profile; f.carries && !f.skipping {
		p.mark(mark{op, f.layer})
	}
}

func (p *pass) mark(m mark) {
	f := &p.profile
	n := len(f.marks)
	if p.err != nil || n > 0 && f.marks[n-1] == m && m.op != opNothing {
		return
	}
	p.err = p.dev.ctx.Record(n)
	f.marks = append(f.marks, m)
}

// closes counts the times of a pass that the GPU has done.
func (p *pass) closes() {
	f := &p.profile
	if !f.on || p.err != nil {
		return
	}
	for i := 1; f.carries && i < len(f.marks); i++ {
		took, err := p.dev.ctx.Elapsed(i-1, i)
		if err != nil {
			p.err = err
			return
		}
		f.took = append(f.took, took)
	}
	f.tally.count(f.marks, f.took)
	f.tally.wall += time.Since(f.began)
}

func (f *profile) restart() {
	f.few.restart(false)
	f.many.restart(true)
}

// Profile is that of [plan.Profiler].
func (s *Stage) Profile(on bool) {
	s.profile.on = on
	s.profile.restart()
}

// OpTimes is that of [plan.Profiler]. Times are the GPU's, from one operation's
// beginning to the next one's, less what an event takes: that of starting
// kernels is in them where the GPU waits for it. They are estimates from events
// in some layers of some passes; see sampler and tally. Their sum is at most
// what the passes took by the host's clock. Copies, and what else is no
// operation, are not in it.
func (s *Stage) OpTimes() plan.OpTimes {
	times := s.profile.few.times()
	times.Add(s.profile.many.times())
	s.profile.restart()
	return times
}
