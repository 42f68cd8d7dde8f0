package bench

import (
	"time"

	"qgo/bench/roofline"
	"qgo/model"
)

// Status is what a plan is doing, for people.
type Status struct {
	Step string
	Left time.Duration // about what is left of the plan; 0 while that is not known
}

// clock estimates how long a plan still takes: by the machine's bounds at
// first, and then by how far from them the repetitions are.
type clock struct {
	stages  []stage // in order
	at      int     // the stage that goes on
	done    int     // repetitions of it
	began   time.Time
	limits  roofline.Limits
	atLeast time.Duration // of each stage
	delay   time.Duration // before each repetition

	prefill, decode float64 // how many times as long as by their bounds they take
}

// stage is one test on one model.
type stage struct {
	test  Test
	cost  model.Cost
	batch int
	reps  int
	turns int           // engines that take turns, qgo twice with a profile
	setup time.Duration // before the test
}

// Guesses, until something is measured.
const (
	prefillPace = 2.0
	decodePace  = 1.3
	loadRate    = 0.4e9 // bytes a second, read and laid out
)

// newClock makes the clock of a plan whose models have these costs.
func newClock(p *Plan, costs map[string]model.Cost) *clock {
	c := &clock{atLeast: p.AtLeast, delay: p.Delay, prefill: prefillPace, decode: decodePace}
	for i := range len(p.Threads) * max(len(p.PowerModes), 1) {
		for _, path := range p.Models {
			for _, batch := range p.Batches {
				setup := seconds(float64(costs[path].Weights) / loadRate)
				if p.Load {
					setup *= 3
				}
				for j, t := range p.Tests {
					s := stage{test: t, cost: costs[path], batch: batch, reps: p.Reps, turns: 1 + len(p.Baselines)}
					if p.Ops {
						s.turns++
					}
					if s.batch == 0 {
						s.batch = model.DefaultMaxRows
					}
					if j == 0 {
						s.setup = setup
					}
					if i > 0 && len(c.stages)%(len(p.Models)*len(p.Batches)*len(p.Tests)) == 0 {
						s.setup += ceilings * max(p.Ceiling, ceilingTime)
					}
					c.stages = append(c.stages, s)
				}
			}
		}
	}
	return c
}

// ceilings is about how many are measured of a machine.
const ceilings = 7

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// bounds are the least times of the two phases of a test.
func (c *clock) bounds(s *stage, t Test) (prefill, decode float64) {
	if t.Prompt > 0 {
		prefill = float64(t.Prompt) / roofline.Prefill(s.cost, t.Prompt, t.Depth, s.batch).Bound(c.limits).Rate
	}
	if t.Gen > 0 {
		decode = float64(t.Gen) / roofline.DecodeMean(s.cost, t.Gen, t.Depth+t.Prompt).Bound(c.limits).Rate
	}
	return prefill, decode
}

// takes is about how long a test takes once.
func (c *clock) takes(s *stage, t Test) time.Duration {
	prefill, decode := c.bounds(s, t)
	return seconds(c.prefill*prefill + c.decode*decode)
}

// ofStage is about how long a stage takes from the repetition done on.
func (c *clock) ofStage(s *stage, done int) time.Duration {
	all := time.Duration(max(s.reps-done, 0)*s.turns) * (c.takes(s, s.test) + c.delay + 2*probeTime)
	if done == 0 {
		short := Test{Prompt: s.test.Prompt, Gen: min(s.test.Gen, warmUp), Depth: s.test.Depth}
		all = max(all, c.atLeast) + s.setup + c.takes(s, short) + c.takes(s, Test{Prompt: s.test.Depth})
	}
	return all
}

// left is about how long the plan still takes, 0 while nothing is known of the
// machine.
func (c *clock) left() (sum time.Duration) {
	if c == nil || c.limits.Bandwidth == 0 {
		return 0
	}
	for i := c.at; i < len(c.stages); i++ {
		done := 0
		if i == c.at {
			done = c.done
		}
		left := c.ofStage(&c.stages[i], done)
		if done > 0 {
			left = max(left, c.atLeast-time.Since(c.began))
		}
		sum += left
	}
	return sum
}

// repeated tells the clock of a repetition of the stage that goes on.
func (c *clock) repeated(rep *Rep) {
	if c == nil || c.at >= len(c.stages) {
		return
	}
	if c.done == 0 {
		c.began = time.Now()
	}
	c.done++
	s := &c.stages[c.at]
	prefill, decode := c.bounds(s, s.test)
	decoding := int64(0)
	for _, gap := range rep.Gaps {
		decoding += gap
	}
	if prefill > 0 && rep.NS > decoding {
		c.prefill = float64(rep.NS-decoding) / 1e9 / prefill
	}
	if decode > 0 && decoding > 0 {
		c.decode = float64(decoding) / 1e9 / decode
	}
}

// skip drops that many stages from the end of the estimate.
func (c *clock) skip(stages int) { c.stages = c.stages[:max(len(c.stages)-stages, c.at)] }

// next tells the clock that a stage has ended.
func (c *clock) next() {
	c.at++
	c.done = 0
}
