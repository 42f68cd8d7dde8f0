package model

import (
	"context"
	"testing"
	"time"

	"qgo/kernels/plan"
)

// computed are the operations that every pass with logits has.
var computed = []plan.Op{
	plan.OpEmbedding, plan.OpNorm, plan.OpQKV, plan.OpRope, plan.OpAttention, plan.OpOutput, plan.OpGateUp, plan.OpDown, plan.OpHead,
}

// TestOpsAddUp checks that the operations of both phases add up to the time
// that Forward took, and that none is forgotten.
func TestOpsAddUp(t *testing.T) {
	for _, threads := range []int{1, 2} {
		m := tiny(t, Options{Threads: threads, Context: 256, MaxRows: 32})
		kv := newKV(t, m, 256)
		ids := text(t, 100)
		run := func(tokens []int32) time.Duration {
			seq := []Seq{{KV: kv, Tokens: tokens, Want: WantLast}}
			start := time.Now()
			if err := m.Forward(context.Background(), seq); err != nil {
				t.Fatal(err)
			}
			return time.Since(start)
		}
		// A machine that is busy with others may take a worker away for long.
		var last string
		for range 5 {
			var prefill, decode time.Duration
			var first, then plan.OpTimes
			m.ProfileOps(true)
			for range 3 {
				kv.Truncate(0)
				prefill += run(ids[:64])
				first.Add(m.OpTimes())
				for i := 64; i < 84; i++ {
					decode += run(ids[i : i+1])
				}
				then.Add(m.OpTimes())
			}
			if last = addsUp(first, prefill) + addsUp(then, decode); last == "" {
				break
			}
		}
		if last != "" {
			t.Errorf("%d threads:%s", threads, last)
		}
		m.ProfileOps(false)
		if run(ids[84:85]); m.OpTimes() != (plan.OpTimes{}) {
			t.Error("operations are counted without a profile")
		}
	}
}

// TestOpsOnGPU does that for a model on a GPU, and for one of which both a GPU
// and the CPU compute a part.
func TestOpsOnGPU(t *testing.T) {
	dev := anyGPU(t)
	ids := text(t, 4)
	for _, layers := range []int{AllLayers, 2} {
		m := tiny(t, Options{Threads: 1, Context: 32, MaxRows: 8, Device: dev, GPULayers: layers})
		if !m.OnGPU() {
			t.Fatal("the model is not on the GPU")
		}
		kv := newKV(t, m, 32)
		m.ProfileOps(true)
		for _, tokens := range [][]int32{ids[:3], ids[3:]} {
			start := time.Now()
			if err := m.Forward(context.Background(), []Seq{{KV: kv, Tokens: tokens, Want: WantLast}}); err != nil {
				t.Fatal(err)
			}
			took := time.Since(start)
			times := m.OpTimes()
			times[plan.OpOther] = 0 // what the host waits for
			if sum := times.Sum(); sum > took*11/10 {
				t.Errorf("%d layers on the GPU: the operations took %v of %v", layers, sum, took)
			}
			for _, op := range computed {
				if times[op] <= 0 {
					t.Errorf("%d layers on the GPU: %v took nothing", layers, op)
				}
			}
		}
	}
}

// addsUp says what is wrong with the times of passes that took so long.
func addsUp(times plan.OpTimes, took time.Duration) (wrong string) {
	if sum := times.Sum(); sum < took*9/10 || sum > took*11/10 {
		wrong += " the operations took " + sum.String() + " of " + took.String() + ";"
	}
	if times[plan.OpOther] > took/5 {
		wrong += " nothing is known of " + times[plan.OpOther].String() + " of " + took.String() + ";"
	}
	for _, op := range computed {
		if times[op] <= 0 {
			wrong += " " + op.String() + " took nothing;"
		}
	}
	return wrong
}

// TestOpsAllocateNothing checks that Forward allocates nothing with a profile,
// either.
func TestOpsAllocateNothing(t *testing.T) {
	m := tiny(t, Options{Context: 256, MaxRows: 32})
	m.ProfileOps(true)
	allocatesNothing(t, m, text(t, 32))
}
