package model

import (
	"time"

	"qgo/kernels/plan"
)

// profiler counts where the time of Forward goes, while a model has one.
type profiler struct {
	inside time.Duration // of the calls of Forward
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

// OpTimes returns where the time of Forward went since [Model.ProfileOps], or
// since the last call. What no stage knows of is the model's own work, or
// workers that have not come.
func (m *Model) OpTimes() (sum plan.OpTimes) {
	if m.profiler == nil {
		return sum
	}
	for _, s := range m.stages {
		if s, ok := s.(plan.Profiler); ok {
			sum.Add(s.OpTimes())
		}
	}
	sum[plan.OpOther] += max(m.profiler.inside-sum.Sum(), 0)
	m.profiler.inside = 0
	return sum
}

// left ends a call of Forward.
func (p *profiler) left(entered time.Time) { p.inside += time.Since(entered) }
