package cuda

import (
	"math"
	"slices"
	"time"

	"qgo/kernels/plan"
)

// tally is what passes took, of which some carried events.
type tally struct {
	sampler
	calibrated bool
	cost       time.Duration // of an event, in the time until the next one

	wall            time.Duration // of all passes, by the host's clock
	outside, inside plan.OpTimes  // of operations outside layers, and in layers with events
	without         time.Duration // of layers without events, in passes with some
	layers, seen    int           // of these passes, and those of them with events
}

// count adds the times between a pass's events. What comes after the last one
// belongs to no operation.
func (t *tally) count(marks []mark, took []time.Duration) {
	if !t.calibrated {
		t.calibrate(marks, took)
	}
	for i, d := range took {
		d = max(d-t.cost, 0)
		switch m := marks[i]; {
		case m.op == opLayers:
			t.without += d
		case m.op == opNothing || m.op == plan.OpOther:
		case m.layer:
			t.inside[m.op] += d
		default:
			t.outside[m.op] += d
		}
	}
}

// calibrate takes the median of the times in which there was nothing, if a pass
// has some.
func (t *tally) calibrate(marks []mark, took []time.Duration) {
	var empty []time.Duration
	for i, d := range took {
		if marks[i].op == opNothing {
			empty = append(empty, d)
		}
	}
	if len(empty) > 0 {
		slices.Sort(empty)
		t.cost, t.calibrated = empty[len(empty)/2], true
	}
}

// times estimates those of all passes. Layers with events say how the operations
// share in a layer, those without, which nothing held up, how long one takes.
// No estimate may be longer than all that the host waited for: if the sum is, all
// times are made shorter by the same factor.
func (t *tally) times() (all plan.OpTimes) {
	if t.sampled == 0 {
		return all
	}
	outside := float64(t.passes) / float64(t.sampled)
	inside := outside
	if sum := t.inside.Sum(); sum > 0 && t.layers > t.seen {
		layer := float64(t.without) / float64(t.layers-t.seen)
		inside *= layer * float64(t.layers) / float64(sum)
	}
	for op := range all {
		all[op] = time.Duration(math.Round(outside*float64(t.outside[op]) + inside*float64(t.inside[op])))
	}
	if sum := all.Sum(); sum > t.wall {
		for op, d := range all {
			all[op] = time.Duration(float64(d) * (float64(t.wall) / float64(sum)))
		}
	}
	return all
}

// restart counts from nothing, but keeps what an event costs and whose turn it is.
func (t *tally) restart(many bool) {
	*t = tally{sampler: t.sampler, calibrated: t.calibrated, cost: t.cost}
	t.many = many
	t.sampler.restart()
}
