package bench

import (
	"context"
	"math/rand/v2"
	"time"

	"qgo/kernels"
	"qgo/model"
)

// Spec says what to measure.
type Spec struct {
	Prefill int // tokens of the prompt
	Decode  int // tokens generated
	Depth   int // tokens before both
	Reps    int // repetitions
}

// Result is what was measured. Rates are per second.
type Result struct {
	Spec      Spec       `json:"spec"`
	Threads   int        `json:"threads"`
	Tier      string     `json:"tier"`
	Cost      model.Cost `json:"cost"`
	Bandwidth Sample     `json:"bandwidth_bytes_per_second"` // before and after
	Prefill   Sample     `json:"prefill_tokens_per_second"`
	Decode    Sample     `json:"decode_tokens_per_second"`
}

// DecodeBytes is the number of bytes that a decoded token reads on average.
func (r *Result) DecodeBytes() float64 {
	return float64(r.Cost.Bytes(r.Spec.Depth + r.Spec.Decode/2))
}

// PrefillFLOP is the floating-point rate of prefill.
func (r *Result) PrefillFLOP() float64 {
	if r.Spec.Prefill == 0 {
		return 0
	}
	return float64(r.Cost.PrefillFLOP(r.Spec.Prefill, r.Spec.Depth)) / float64(r.Spec.Prefill) * r.Prefill.Median()
}

// Step names a part of a run, for a progress display.
type Step string

// Run measures a model. It probes the bandwidth with as many workers as the
// model has before and after, since it changes on many machines.
func Run(ctx context.Context, m *model.Model, spec Spec, progress func(Step)) (*Result, error) {
	r := &Result{Spec: spec, Threads: m.Threads(), Tier: m.Tier(), Cost: m.Cost()}
	pool := kernels.NewPool(m.Threads(), m.Pinned())
	defer pool.Close()
	prober, err := NewProber(pool, false)
	if err != nil {
		return nil, err
	}
	defer prober.Close()
	probe := func() error {
		progress("bandwidth")
		b, err := prober.Read(300 * time.Millisecond)
		r.Bandwidth = append(r.Bandwidth, b.Best)
		return err
	}
	if err := probe(); err != nil {
		return nil, err
	}
	w := &workload{ctx: ctx, m: m, rng: rand.New(rand.NewPCG(1, 2))}
	if w.kv, err = m.NewKV(spec.Depth + max(spec.Prefill, spec.Decode)); err != nil {
		return nil, err
	}
	defer w.kv.Close()
	if spec.Depth > 0 {
		progress("depth")
		if _, err := w.prefill(spec.Depth, 0); err != nil {
			return nil, err
		}
	}
	// The first run of each kind warms up and does not count.
	for i := range spec.Reps + 1 {
		if spec.Prefill > 0 {
			progress("prefill")
			t, err := w.prefill(spec.Prefill, spec.Depth)
			if err != nil {
				return nil, err
			}
			if i > 0 {
				r.Prefill = append(r.Prefill, float64(spec.Prefill)/t.Seconds())
			}
		}
	}
	if err := probe(); err != nil {
		return nil, err
	}
	for i := range spec.Reps + 1 {
		if spec.Decode > 0 {
			progress("decode")
			n := spec.Decode
			if i == 0 {
				n = min(n, 8)
			}
			t, err := w.decode(n, spec.Depth)
			if err != nil {
				return nil, err
			}
			if i > 0 {
				r.Decode = append(r.Decode, float64(n)/t.Seconds())
			}
		}
	}
	return r, probe()
}

// workload runs a model on random tokens.
type workload struct {
	ctx context.Context
	m   *model.Model
	kv  *model.KV
	rng *rand.Rand
	seq [1]model.Seq
}

func (w *workload) tokens(n int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(w.rng.IntN(w.m.Vocab))
	}
	return ids
}

func (w *workload) forward(tokens []int32) error {
	w.seq[0].KV, w.seq[0].Tokens, w.seq[0].Want = w.kv, tokens, model.WantLast
	return w.m.Forward(w.ctx, w.seq[:])
}

// prefill computes n tokens after the first depth and returns the time to the
// logits of the last.
func (w *workload) prefill(n, depth int) (time.Duration, error) {
	w.kv.Truncate(depth)
	tokens := w.tokens(n)
	start := time.Now()
	err := w.forward(tokens)
	return time.Since(start), err
}

// decode computes n tokens one by one.
func (w *workload) decode(n, depth int) (time.Duration, error) {
	w.kv.Truncate(depth)
	tokens := w.tokens(n)
	start := time.Now()
	for i := range tokens {
		if err := w.forward(tokens[i : i+1]); err != nil {
			return 0, err
		}
	}
	return time.Since(start), nil
}
