package cpu

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"qgo/kernels"
	"qgo/kernels/plan"
	"qgo/kernels/tier"
	"qgo/quant"
	"qgo/quant/codec"
	"qgo/tensor"
)

// small is a plan of a few blocks in q8_0 with random weights.
func small() plan.Plan {
	return random(plan.Dims{Width: 256, FFN: 512, Heads: 4, KVHeads: 2, HeadDim: 64, Vocab: 1000, Eps: 1e-6})
}

// random is small with other sizes.
func random(d plan.Dims) plan.Plan {
	rng := rand.New(rand.NewPCG(1, 2))
	values := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(rng.NormFloat64()) / 16
		}
		return x
	}
	matrix := func(rows, cols int) tensor.Tensor {
		m := tensor.Tensor{Type: quant.Q8_0, Rows: rows, Cols: cols, Data: make([]byte, rows*quant.Q8_0.RowBytes(cols))}
		codec.Quantize(m.Type, m.Data, values(rows*cols))
		return m
	}
	linear := func(rows, cols int) plan.Linear { return plan.Linear{W: matrix(rows, cols)} }
	embedding := matrix(d.Vocab, d.Width)
	p := plan.Plan{Dims: d, Rope: plan.Rope{InvFreq: make([]float64, d.HeadDim/2), Scale: 1}, Embedding: &embedding}
	for range 3 {
		p.Blocks = append(p.Blocks, plan.Block{
			AttnNorm: values(d.Width), FFNNorm: values(d.Width),
			Q: linear(d.QDim(), d.Width), K: linear(d.KVDim(), d.Width), V: linear(d.KVDim(), d.Width),
			O: linear(d.Width, d.QDim()), Gate: linear(d.FFN, d.Width), Up: linear(d.FFN, d.Width), Down: linear(d.Width, d.FFN),
		})
	}
	p.Head = &plan.Head{Norm: values(d.Width), W: embedding}
	return p
}

// TestOpsAddUp checks that the workers' times, waiting included, add up to that
// of the passes, that no operation is forgotten, and that a profile changes no
// bit of the results.
func TestOpsAddUp(t *testing.T) {
	best, err := tier.ByName("")
	if err != nil {
		t.Fatal(err)
	}
	for _, workers := range []int{1, 2, 4} {
		for _, rows := range []int{1, 40} {
			pool := kernels.NewPool(workers, false)
			defer pool.Close()
			s, err := New(small(), Options{Pool: pool, Tier: best, Workers: workers, MaxRows: 40, MaxCtx: 64})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			kv, err := s.NewKV(64, quant.F16)
			if err != nil {
				t.Fatal(err)
			}
			defer kv.Close()
			b := &plan.Batch{
				Spans: []plan.Span{{KV: kv, N: rows}}, Tokens: make([]int32, rows),
				Outputs: []int{rows - 1}, Logits: make([]float32, s.Vocab),
			}
			run := func() (took time.Duration) {
				start := time.Now()
				for range 30 {
					if err := s.Run(context.Background(), b); err != nil {
						t.Fatal(err)
					}
				}
				return time.Since(start)
			}
			run()
			if times := s.OpTimes(); times != (plan.OpTimes{}) {
				t.Errorf("times without a profile: %v", times)
			}
			plain := slices.Clone(b.Logits)
			s.Profile(true)
			// What others take of the time between two passes is counted nowhere.
			var times plan.OpTimes
			var took time.Duration
			adds := false
			for try := 0; !adds && try < 10; try++ {
				took = run()
				times = s.OpTimes()
				adds = times.Sum() > took*9/10 && times.Sum() < took*11/10
			}
			if !adds {
				t.Errorf("%d workers, %d rows: %v of %v: %v", workers, rows, times.Sum(), took, times)
			}
			for op := plan.OpEmbedding; op <= plan.OpHead; op++ {
				if times[op] <= 0 {
					t.Errorf("%d workers, %d rows: %v takes nothing", workers, rows, op)
				}
			}
			if workers > 1 && times[plan.OpWait] <= 0 {
				t.Errorf("%d workers, %d rows: nobody waits", workers, rows)
			}
			if !slices.Equal(b.Logits, plain) {
				t.Errorf("%d workers, %d rows: the logits differ with a profile", workers, rows)
			}
		}
	}
}

// TestOpsClock checks that a worker's time has neither gaps nor overlaps, and
// that it stands still between passes.
func TestOpsClock(t *testing.T) {
	var c opClock
	c.enter(-now())
	first := c.mark
	c.lap(plan.OpQKV)
	c.lap(plan.OpWait)
	if sum := c.times.Sum(); sum != c.mark || first > c.mark {
		t.Errorf("%v of %v", sum, c.mark)
	}
	c.enter(time.Second - now()) // after a pass that the worker has missed
	if waited := c.times[plan.OpWait]; waited < time.Second-c.times[plan.OpQKV] {
		t.Errorf("waited for %v", waited)
	}
	c.enter(-now()) // the worker was late, and has counted a part of this pass
	c.lap(plan.OpDown)
	if c.times[plan.OpDown] != 0 {
		t.Errorf("%v twice", c.times[plan.OpDown])
	}
	if times := c.stop(time.Hour); times.Sum() != time.Hour || c.mark != 0 || c.times != (plan.OpTimes{}) {
		t.Errorf("%v; %v", times.Sum(), c)
	}
}
