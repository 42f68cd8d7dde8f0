package cpu

import (
	"time"

	"qgo/kernels"
	"qgo/kernels/plan"
)

// profile says where the time of a stage's passes goes, as long as it is on.
// Nothing of it changes while a worker is in a pass but the workers' clocks.
type profile struct {
	on   bool
	wall time.Duration // of all passes
}

// opClock counts a worker's time by operation. It shows the time of passes: it
// stands still between them, but not in those that the worker misses.
type opClock struct {
	times  plan.OpTimes
	mark   time.Duration // all before is counted
	offset time.Duration // of the pass that the worker is in, from now
}

var epoch = time.Now()

// now is the time since some moment, by the monotonic clock.
func now() time.Duration { return time.Since(epoch) }

// lap counts the time since the last lap. A worker that has come out of a pass
// late is ahead of the next one's time for a while.
func (c *opClock) lap(op plan.Op) {
	if t := now() + c.offset; t > c.mark {
		c.times[op] += t - c.mark
		c.mark = t
	}
}

// lap counts what a worker did since the last lap, if there is a profile.
func (p *pass) lap(t *scratch, op plan.Op) {
	if p.profile.on {
		t.Clock.lap(op)
	}
}

// enter begins a worker's part in a pass. While it was not there, others waited
// for it or did its work.
func (c *opClock) enter(offset time.Duration) {
	c.offset = offset
	c.lap(plan.OpWait)
}

// stop returns the times after passes that took so long altogether, and begins
// from nothing. What a worker did after the end of the last one counts for
// nothing: it was waiting, as a rule.
func (c *opClock) stop(wall time.Duration) plan.OpTimes {
	times := c.times
	times[plan.OpWait] = max(times[plan.OpWait]+wall-c.mark, 0)
	c.times, c.mark = plan.OpTimes{}, 0
	return times
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

// OpTimes is that of [plan.Profiler]. Workers without a place in the team wait.
func (s *Stage) OpTimes() (sum plan.OpTimes) {
	s.pool.Drain()
	for _, t := range s.workers {
		sum.Add(t.Clock.stop(s.profile.wall))
	}
	for op := range sum {
		sum[op] /= time.Duration(len(s.workers))
	}
	s.profile.wall = 0
	return sum
}
