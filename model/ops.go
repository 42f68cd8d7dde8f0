package model

import (
	"time"

	"qgo/kernels/plan"
)

// OpProfile says where the time of Forward went.
type OpProfile struct {
	Prefill, Decode plan.OpTimes // calls of several tokens, and of one for each sequence
}

// profiler counts where the time of Forward goes, while a model has one.
type profiler struct {
	OpProfile
	phase  *plan.OpTimes // that the stages count for
	inside time.Duration // time in Forward that the stages have not told of
}

// ProfileOps begins to count where Forward's time goes, or ends it.
func (m *Model) ProfileOps(on bool) {
	for _, s := range m.stages {
		if s, ok := s.(plan.Profiler); ok {
			s.Profile(on)
		}
	}
	m.profiler = nil
	if on {
		m.profiler = &profiler{}
	}
}

// OpProfile returns what has been counted since [Model.ProfileOps].
func (m *Model) OpProfile() OpProfile {
	p := m.profiler
	if p == nil {
		return OpProfile{}
	}
	m.collect()
	return p.OpProfile
}

// collect asks the stages where the time of the phase went. What none of them
// knows of is the model's own work, or workers that have not come.
func (m *Model) collect() {
	p := m.profiler
	if p.phase == nil {
		return
	}
	rest := p.inside
	for _, s := range m.stages {
		if s, ok := s.(plan.Profiler); ok {
			t := s.OpTimes()
			p.phase.Add(t)
			rest -= t.Sum()
		}
	}
	p.phase[plan.OpOther] += max(rest, 0)
	p.inside = 0
}

// enter begins a call of Forward, and returns when.
func (m *Model) enter(seqs []Seq) time.Time {
	phase := &m.profiler.Decode
	for i := range seqs {
		if len(seqs[i].Tokens) > 1 {
			phase = &m.profiler.Prefill
		}
	}
	if m.profiler.phase != phase {
		m.collect()
		m.profiler.phase = phase
	}
	return time.Now()
}

// leave ends a call of Forward.
func (m *Model) leave(entered time.Time) { m.profiler.inside += time.Since(entered) }
