package bench

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"qgo/bench/machine"
	"qgo/bench/roofline"
	"qgo/model"
)

// made is a report of one decode that was made up: what each repetition ran
// under, and the rate that it had.
type made struct {
	rng       *rand.Rand
	rate      float64                 // tokens a second with the bandwidth of 50 GB/s and no foreign load
	bandwidth func(rep int) float64   // bytes a second; nil for 50 GB/s
	foreign   func(rep int) float64   // share of the CPUs; nil for 0
	loses     func(f float64) float64 // what foreign load leaves of the rate; nil for 1-f
	compute   bool                    // the result is a prefill, bound by compute
	clock     float64                 // share of the highest clock; 0 for 1
	reps      int
}

// report makes repetitions one after the other, with a pause. Rates have 0.5 % of noise, probes
// 2 %, and of the share of the CPUs one tick is known.
func (m made) report(t *testing.T) *Report {
	t.Helper()
	s, err := roofline.OutlineByName("0.5b:q4_0", model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := &Result{
		Engine: "qgo", ModelFilename: "dir/m.gguf", ModelSize: 1e8, Gen: 100, Threads: 2, Batch: 512, Backends: "CPU", Cost: &s.Cost,
		TypeK: "f16", TypeV: "f16", Kernels: "avx2", TestTime: time.Unix(1e9, 0),
	}
	if m.compute {
		r.Prompt, r.Gen = 100, 0
	}
	rep := &Report{Schema: Schema, Machine: machine.Info{CPU: "cpu", Threads: 4}, Results: []*Result{r}}
	at := time.Second
	rep.Series.Samples = []machine.Sample{{}, {At: at}}
	if m.loses == nil {
		m.loses = func(f float64) float64 { return 1 - f }
	}
	for i := range m.reps {
		b, f := 50e9, 0.0
		if m.bandwidth != nil {
			b = m.bandwidth(i)
		}
		if m.foreign != nil {
			f = m.foreign(i)
		}
		rate := m.rate * m.loses(f) * (1 + 0.005*m.rng.NormFloat64())
		peak := 1e10 * cmp.Or(m.clock, 1)
		if m.compute {
			rate *= peak / 1e10
		} else {
			rate *= b / 50e9
			peak *= 1e4
		}
		probe := func(of float64) float64 { return of * (1 + 0.02*m.rng.NormFloat64()) }
		took := time.Duration(100 / rate * 1e9)
		r.Reps = append(r.Reps, Rep{Start: at, NS: int64(took), Prompt: r.Prompt, Gen: r.Gen, Before: probe(b), After: probe(b), PeakBefore: probe(peak), PeakAfter: probe(peak)})
		for _, d := range []time.Duration{took / 2, took, took + time.Second} {
			noisy := min(max(f+0.002*m.rng.NormFloat64(), 0), 1)
			rep.Series.Samples = append(rep.Series.Samples, machine.Sample{At: at + d, CPU: min(0.4+noisy, 1), Own: min(0.4+noisy, 1) - noisy})
		}
		at += took + time.Second
	}
	r.Summarise(Limits{}, roofline.Machine{})
	return rep
}

// TestWeigh makes up reports of what is known to have changed.
func TestWeigh(t *testing.T) {
	const fast, slow = 77e9, 40e9
	level := func(b float64) func(int) float64 { return func(int) float64 { return b } }
	flips := func(i int) float64 { return []float64{fast, slow}[i/2%2] }
	load := func(i int) float64 { return 0.6 * float64(i%10) / 9 }
	lockstep := func(f float64) float64 { return max(1-4*f, 0.05) }
	for _, c := range []struct {
		name     string
		old, new made
		reps     int
		verdicts []string
		cause    string
	}{
		{"the same", made{}, made{}, 10, []string{NoChange}, ""},
		{"a regression of 5 %", made{}, made{rate: 95}, 10, []string{Slower}, ""},
		{"5 % faster", made{rate: 95}, made{}, 10, []string{Faster}, ""},
		{"a regression of 5 % of prefill", made{compute: true}, made{compute: true, rate: 95}, 10, []string{Slower}, ""},
		{"another state of bandwidth", made{bandwidth: level(fast)}, made{bandwidth: level(slow)}, 10, []string{Unclear}, "explained by the bandwidth, which differed by -4"},
		{"a faster state", made{bandwidth: level(slow)}, made{bandwidth: level(fast)}, 10, []string{Unclear}, "explained by the bandwidth, which differed by +"},
		{"two states in both", made{bandwidth: flips}, made{bandwidth: flips}, 10, []string{NoChange}, ""},
		{"two states in one", made{bandwidth: level(fast)}, made{bandwidth: flips}, 10, []string{Unclear, NoChange}, "bandwidth"},
		{"a regression of 10 % and two states", made{bandwidth: flips}, made{bandwidth: flips, rate: 90}, 24, []string{Slower}, ""},
		{"a regression of 10 % and another state", made{bandwidth: level(fast)}, made{bandwidth: level(slow), rate: 90}, 10, []string{Slower}, ""},
		{"a regression of 10 % in a faster state", made{bandwidth: flips}, made{bandwidth: level(fast), rate: 90}, 10, []string{NoChange, Unclear}, "bandwidth"},
		{"bandwidth, which does not bind prefill", made{compute: true, bandwidth: level(fast)}, made{compute: true, bandwidth: level(slow), rate: 95}, 10, []string{Slower}, ""},
		{"another clock", made{compute: true}, made{compute: true, clock: 0.8}, 10, []string{Unclear}, "explained by the peak, which differed by -"},
		{"a regression of 10 % and another clock", made{compute: true}, made{compute: true, clock: 0.8, rate: 90}, 10, []string{Slower}, ""},
		{"a clock, which does not bind decode", made{}, made{clock: 0.8, rate: 95}, 10, []string{Slower}, ""},
		{"foreign load", made{}, made{foreign: load}, 10, []string{Unclear, NoChange}, "foreign load"},
		{"foreign load that is steady", made{}, made{foreign: level(0.3)}, 10, []string{Unclear}, "explained by the foreign load, which was 0 % and then 30 % of the CPUs"},
		{"foreign load of prefill", made{compute: true}, made{compute: true, foreign: load}, 10, []string{Unclear, NoChange}, "foreign load"},
		{"foreign load before", made{foreign: level(0.3)}, made{}, 10, []string{Unclear}, "explained by the foreign load, which was 30 % and then 0 %"},
		{"foreign load on the CPU of one thread", made{}, made{foreign: level(0.12), loses: lockstep}, 10, []string{Unclear}, "perhaps all of it from one thread, for which the others wait"},
		{"foreign load and bandwidth", made{bandwidth: level(fast)}, made{bandwidth: level(slow), foreign: level(0.3)}, 10, []string{Unclear}, "foreign load"},
		{"the same little foreign load", made{foreign: level(0.02)}, made{foreign: level(0.02), rate: 93}, 10, []string{Slower}, ""},
		{"the same foreign load, which may be elsewhere", made{foreign: level(0.3)}, made{foreign: level(0.3), rate: 80}, 10, []string{Unclear}, "foreign load, which took 1.2 and then 1.2 CPUs"},
		{"few repetitions", made{}, made{rate: 50}, 3, []string{TooFew}, "3 and 3 repetitions"},
	} {
		for seed := range uint64(5) {
			rng := rand.New(rand.NewPCG(seed, 7))
			for _, m := range []*made{&c.old, &c.new} {
				m.rng, m.reps = rng, c.reps
				if m.rate == 0 {
					m.rate = 100
				}
			}
			all, err := Compare(c.old.report(t), c.new.report(t), false)
			if err != nil {
				t.Fatal(err)
			}
			got := all.Changes[0]
			if !slices.Contains(c.verdicts, got.Verdict) || got.Verdict == Unclear && !strings.Contains(got.Cause, c.cause) {
				t.Errorf("%s, seed %d: %s (%s), want %s (%s): %+v", c.name, seed, got.Verdict, got.Cause, c.verdicts, c.cause, got.Weighed)
			}
			if got.Verdict != TooFew && (got.OldConditions.Foreign == nil || got.NewConditions.Bandwidth == 0 || len(got.Weighed) == 0) {
				t.Errorf("%s: the conditions are not known: %+v", c.name, got)
			}
		}
	}
}

// TestNoFalseAlarms compares the same binary under conditions that change at
// random: it may be unclear, but not slower or faster.
func TestNoFalseAlarms(t *testing.T) {
	alarms, runs := 0, 100
	for seed := range runs {
		rng := rand.New(rand.NewPCG(uint64(seed), 11))
		busy := func() made {
			most, two := 0.6*rng.Float64(), rng.Float64()
			return made{
				rng: rng, rate: 100, reps: 5 + rng.IntN(10), compute: seed%3 == 0,
				foreign:   func(int) float64 { return most * rng.Float64() },
				bandwidth: func(int) float64 { return []float64{40e9, 77e9}[min(int(2*rng.Float64()*(0.5+two)), 1)] },
				loses:     func(f float64) float64 { return 1 - f*(1+2*two)/1.5 },
			}
		}
		c, err := Compare(busy().report(t), busy().report(t), false)
		if err != nil {
			t.Fatal(err)
		}
		if v := c.Changes[0].Verdict; v == Slower || v == Faster {
			alarms++
		}
	}
	// By chance alone it would be 5 % of them without any condition.
	if alarms > runs/20 {
		t.Errorf("%d of %d comparisons of the same binary found a change", alarms, runs)
	}
}

func TestLoadCurve(t *testing.T) {
	c := newLoadCurve(&machine.Series{Samples: []machine.Sample{{At: 0, CPU: 1}, {At: 10, CPU: 0.5, Own: 0.5}, {At: 20, CPU: 1, Own: 0.5}, {At: 40, CPU: 0.2, Own: 0.4}}})
	for _, w := range []struct {
		from, to time.Duration
		want     float64
		ok       bool
	}{{0, 10, 0, true}, {0, 20, 0.25, true}, {12, 18, 0.5, true}, {15, 30, 0.5 / 3, true}, {30, 90, 0, true}, {50, 60, 0, false}} {
		if got, ok := c.mean(w.from, w.to); ok != w.ok || got-w.want > 1e-12 || w.want-got > 1e-12 {
			t.Errorf("from %d to %d it is %v, %v; want %v, %v", w.from, w.to, got, ok, w.want, w.ok)
		}
	}
	if _, ok := newLoadCurve(&machine.Series{Samples: []machine.Sample{{At: 5}, {At: 3}}}).mean(3, 5); ok {
		t.Error("samples in no order have a mean")
	}
}
