package cuda

import "qgo/kernels/plan"

// profile says where the time of a stage's passes goes on the GPU, as long as it
// is on.
type profile struct {
	on    bool
	times plan.OpTimes
	ops   []plan.Op // of the pass: number i lies between events i and i+1
}

// starts says what all launches from here on belong to.
func (p *pass) starts(op plan.Op) {
	f := &p.profile
	if !f.on || p.err != nil || len(f.ops) > 0 && f.ops[len(f.ops)-1] == op {
		return
	}
	p.err = p.dev.ctx.Record(len(f.ops))
	f.ops = append(f.ops, op)
}

// ends ends the last operation of a pass.
func (p *pass) ends() {
	if f := &p.profile; f.on && p.err == nil {
		p.err = p.dev.ctx.Record(len(f.ops))
	}
}

// count counts the times of a pass that the GPU has done.
func (p *pass) count() {
	f := &p.profile
	for i, op := range f.ops {
		if p.err != nil {
			break
		}
		took, err := p.dev.ctx.Elapsed(i, i+1)
		f.times[op] += took
		p.err = err
	}
	f.ops = f.ops[:0]
}

// Profile is that of [plan.Profiler].
func (s *Stage) Profile(on bool) { s.profile = profile{on: on, ops: s.profile.ops[:0]} }

// OpTimes is that of [plan.Profiler]. Times are the GPU's, from one operation's
// beginning to the next one's: that of starting kernels is in them where the GPU
// waits for it.
func (s *Stage) OpTimes() plan.OpTimes {
	times := s.profile.times
	s.profile.times = plan.OpTimes{}
	return times
}
