package cpu

import (
	"time"

	"qgo/kernels"
	"qgo/kernels/plan"
)

// profile says where the time of a stage's passes goes, as long as it is on.
// Nothing of it changes while a worker is in a pass but the workers' clocks.
type profile struct {
	on bool
	// wall is the time of all passes, and team that of all of their workers.
	wall, team time.Duration
}

// opClock counts a worker's time by operation. Its time goes on without gaps
// from one operation to the next.
type opClock struct {
	times plan.OpTimes
	mark  time.Duration // all before is counted
}

var epoch = time.Now()

// now is the time since some moment, by the monotonic clock.
func now() time.Duration { return time.Since(epoch) }

// lap counts the time since the last lap.
func (c *opClock) lap(op plan.Op) {
	t := now()
	c.times[op] += t - c.mark
	c.mark = t
}

// enter begins a pass that has been going on since began: who comes late has
// made others wait, or do its work. Who is late by a whole pass has counted a
// part of this one.
func (c *opClock) enter(began time.Duration) {
	c.mark = max(c.mark, began)
	c.lap(plan.OpWait)
}

// items are the items of a phase, which belongs to an operation.
type items struct {
	kernels.Items
	op    plan.Op
	clock *opClock // nil without a profile
	begun bool
}

// items begins a phase; see [kernels.Worker.Items].
func (p *pass) items(w *kernels.Worker, op plan.Op, n, most int) items {
	it := items{Items: w.Items(n, most), op: op}
	if p.profile.on {
		it.clock = &p.workers[w.ID].Clock
	}
	return it
}

// Next is that of [kernels.Items]. What a worker did until it asks for items
// counts as the operation's; if it gets none, what has passed until the phase is
// over is waiting. A worker that waits and is then given a chunk of one that is
// late has waited for the operation's sake: the clock is not read for that.
func (it *items) Next() bool {
	if it.clock == nil {
		return it.Items.Next()
	}
	if it.begun {
		it.clock.lap(it.op)
	}
	it.begun = true
	if it.Items.Next() {
		return true
	}
	it.clock.lap(plan.OpWait)
	return false
}

// Profile is that of [plan.Profiler].
func (s *Stage) Profile(on bool) {
	s.OpTimes()
	s.profile.on = on
}

// OpTimes is that of [plan.Profiler]. Workers that had no place in the team
// count for nothing.
func (s *Stage) OpTimes() (sum plan.OpTimes) {
	s.pool.Drain()
	for _, t := range s.workers {
		sum.Add(t.Clock.times)
		t.Clock.times = plan.OpTimes{}
	}
	if s.profile.team > 0 {
		share := float64(s.profile.wall) / float64(s.profile.team)
		for op := range sum {
			sum[op] = time.Duration(float64(sum[op]) * share)
		}
	}
	s.profile.wall, s.profile.team = 0, 0
	return sum
}

// end counts the time of a pass that has been going on since began.
func (f *profile) end(began time.Duration, workers int) {
	wall := now() - began
	f.wall += wall
	f.team += wall * time.Duration(workers)
}
