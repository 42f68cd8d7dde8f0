package cuda

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"qgo/kernels/cuda/driver"
	"qgo/kernels/cuda/emulator"
	"qgo/kernels/plan"
	"qgo/quant"
)

// clocked is a GPU on which time passes only as a test says. It computes nothing.
type clocked struct {
	*emulator.Context
	unit         time.Duration
	cost, holdUp int // of an event, and of the launch after it, in units

	now      time.Duration
	events   []time.Duration
	records  int
	recorded bool // right before
	layers   int  // so far, of all passes
	seen     []int
	failing  error
}

// units are what kernels take, by the beginning of their names.
var units = map[string]int{"embed": 4, "rmsnorm": 5, "rope": 3, "attend": 10, "swiglu": 2, "matvec": 7, "gemm": 7}

type named string

func (named) Occupancy(int) (int, error) { return 1, nil }
func (named) Share(int) error            { return nil }
func (named) Shared() int                { return 0 }

func (c *clocked) Load(string) (driver.Module, error)            { return c, nil }
func (c *clocked) Function(name string) (driver.Function, error) { return named(name), nil }

func (c *clocked) Launch(f driver.Function, _, _ int, _ []byte) error {
	name := string(f.(named))
	n := 0
	for kernel, u := range units {
		if strings.HasPrefix(name, kernel) {
			n = u
		}
	}
	if n == 0 {
		return errors.New("no time for " + name)
	}
	if strings.HasPrefix(name, "rope") {
		if c.recorded {
			c.seen[c.layers%len(c.seen)]++
		}
		c.layers++
	}
	if c.recorded {
		n += c.holdUp
	}
	c.recorded = false
	c.now += time.Duration(n) * c.unit
	return nil
}

func (c *clocked) Record(i int) error {
	c.events = append(c.events[:i], c.now)
	c.now += time.Duration(c.cost) * c.unit
	c.records++
	c.recorded = true
	return nil
}

func (c *clocked) Elapsed(i, j int) (time.Duration, error) {
	return c.events[j] - c.events[i], c.failing
}

const clockedLayers = 8

// newClocked returns a function that runs a batch of so many rows on such a GPU.
func newClocked(t *testing.T, unit time.Duration) (c *clocked, s *Stage, run func(rows int) error) {
	t.Helper()
	c = &clocked{Context: emulator.New(t, emulator.Options{}), unit: unit, cost: 6, seen: make([]int, clockedLayers)}
	c.NoGraphs = true // which would not tell the time
	p := shape(t, 64, 2, quant.Q8_0)
	p.Blocks = slices.Repeat(p.Blocks, clockedLayers/len(p.Blocks))
	s, err := load(p, device(t, func() (driver.Context, error) { return c, nil }), plan.Options{MaxRows: 300, MaxCtx: 300})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	kv, err := s.NewKV(300, quant.F16)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kv.Close() })
	return c, s, func(rows int) error {
		return s.Run(context.Background(), &plan.Batch{
			Spans: []plan.Span{{KV: kv, N: rows}}, Tokens: make([]int32, rows),
			Outputs: []int{rows - 1}, Logits: make([]float32, s.Vocab),
		})
	}
}

// unitsOf are the operations' times in a number of passes.
func unitsOf(passes int) (all plan.OpTimes) {
	const layers = clockedLayers
	all = plan.OpTimes{
		plan.OpEmbedding: 4, plan.OpNorm: layers*2*5 + 5, plan.OpQKV: layers * 7, plan.OpRope: layers * 3, plan.OpAttention: layers * 10,
		plan.OpOutput: layers * 7, plan.OpGateUp: layers * (7 + 2), plan.OpDown: layers * 7, plan.OpHead: 7,
	}
	for op := range all {
		all[op] *= time.Duration(passes)
	}
	return all
}

// TestOpsScaled checks that the layers of the passes that carry events stand for
// all, without what events cost, and that each layer is sampled as often.
func TestOpsScaled(t *testing.T) {
	c, s, run := newClocked(t, 1)
	times := func(rows, passes int) plan.OpTimes {
		for range passes {
			if err := run(rows); err != nil {
				t.Fatal(err)
			}
		}
		return s.OpTimes()
	}
	if got := times(1, 3); got != (plan.OpTimes{}) || c.records != 0 {
		t.Errorf("%d events and %v without a profile", c.records, got)
	}
	s.Profile(true)
	for _, k := range []struct{ rows, passes int }{
		{1, 1}, {1, passesStep - 1}, {1, passesStep + 1}, {1, 4 * passesStep}, {300, 1}, {300, layersStep - 1},
	} {
		if got := times(k.rows, k.passes); got != unitsOf(k.passes) {
			t.Errorf("%d passes of %d rows: %v, want %v", k.passes, k.rows, got, unitsOf(k.passes))
		}
	}
	// Each once in passes of few rows, of which 1+1+2+4 had events, and once in
	// the 1+5 of many.
	if slices.ContainsFunc(c.seen, func(n int) bool { return n != 2 }) {
		t.Errorf("the layers are sampled %v times", c.seen)
	}
	s.Profile(false)
	c.records = 0
	if got := times(300, 1); got != (plan.OpTimes{}) || c.records != 0 {
		t.Errorf("%d events and %v after a profile", c.records, got)
	}
}

// TestOpsHeldUp checks that launches that events hold up do not make layers
// longer, and that the sum is never longer than the passes were.
func TestOpsHeldUp(t *testing.T) {
	c, s, run := newClocked(t, 1)
	c.holdUp = 4
	s.Profile(true)
	for range passesStep * clockedLayers {
		if err := run(1); err != nil {
			t.Fatal(err)
		}
	}
	layers := func(times plan.OpTimes) time.Duration {
		times[plan.OpNorm] -= times[plan.OpNorm] / (2*clockedLayers + 1) // the head's
		times[plan.OpEmbedding], times[plan.OpHead] = 0, 0
		return times.Sum()
	}
	got, want := layers(s.OpTimes()), layers(unitsOf(passesStep*clockedLayers))
	if got < want || got > want*103/100 {
		t.Errorf("the layers take %d, want %d", got, want)
	}

	c.holdUp, c.unit = 0, time.Second
	start := time.Now()
	for range 3 {
		if err := run(300); err != nil {
			t.Fatal(err)
		}
	}
	took := time.Since(start)
	times := s.OpTimes()
	if sum := times.Sum(); sum > took || sum <= 0 {
		t.Errorf("the operations take %v of %v", sum, took)
	}
	all := unitsOf(1)
	for op, d := range times {
		if got, want := float64(d)/float64(times.Sum()), float64(all[op])/float64(all.Sum()); math.Abs(got-want) > 1e-3 {
			t.Errorf("%v takes a share of %.4f, want %.4f", plan.Op(op), got, want)
		}
	}
	c.failing = errors.New("the GPU is lost")
	if err := run(1); !errors.Is(err, c.failing) {
		t.Errorf("an event that cannot be read: %v", err)
	}
}
