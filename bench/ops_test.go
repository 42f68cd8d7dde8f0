package bench

import (
	"context"
	"math"
	"testing"
	"time"

	"qgo/bench/roofline"
	"qgo/kernels/plan"
	"qgo/model"
)

// TestOpsCosts checks that the operations' work adds up to that of a token, with
// an embedding that is the head too, and one that is not.
func TestOpsCosts(t *testing.T) {
	for _, name := range []string{"0.5b:q4_0", "7b:q4_k_m"} {
		s, err := roofline.OutlineByName(name, model.Options{})
		if err != nil {
			t.Fatal(err)
		}
		costs := opCosts(s.Parts, s.Cost)
		for _, res := range []*Result{{Prompt: 100, Depth: 50, Batch: 30}, {Gen: 20, Depth: 50}} {
			var sum roofline.Work
			for _, c := range costs {
				w := res.work(c)
				sum.Bytes, sum.FLOP = sum.Bytes+w.Bytes, sum.FLOP+w.FLOP
			}
			want := res.work(s.Cost)
			if math.Abs(sum.Bytes/want.Bytes-1) > 1e-12 || math.Abs(sum.FLOP/want.FLOP-1) > 1e-12 {
				t.Errorf("%s, %s: %v bytes and %v FLOP, want %v and %v", name, res.Test().Name(), sum.Bytes, sum.FLOP, want.Bytes, want.FLOP)
			}
		}
		for _, op := range []plan.Op{plan.OpEmbedding, plan.OpNorm, plan.OpQKV, plan.OpOutput, plan.OpGateUp, plan.OpDown, plan.OpHead} {
			if costs[op].Weights <= 0 {
				t.Errorf("%s: %v reads nothing", name, op)
			}
		}
		if row := int64(4 * s.Config.Width); costs[plan.OpEmbedding].Weights > row {
			t.Errorf("%s: the embedding reads %d bytes, and a row has %d as float32", name, costs[plan.OpEmbedding].Weights, row)
		}
	}
}

// TestOps profiles the demonstration model: the operations of each phase add up
// to its time, and what is stated of them follows from the work and the bound.
func TestOps(t *testing.T) {
	p := planOf(Test{Prompt: 40, Depth: 8}, Test{Gen: 12, Depth: 8}, Test{Scenario: "chat", Prompt: 64, Gen: 6})
	p.Ops = true
	r, err := p.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range [][]string{{"prefill"}, {"decode"}, {"prefill", "decode"}} {
		res := r.Results[i]
		phases := res.OpPhases()
		if len(phases) != len(want) || len(res.Reps) != p.Reps {
			t.Fatalf("%s: %d phases, %d repetitions", res.Test().Name(), len(phases), len(res.Reps))
		}
		for j, ops := range phases {
			name := res.Test().Name() + ", " + want[j]
			all, sum, times := ops[len(ops)-1], 0.0, map[string]float64{}
			for _, op := range ops[:len(ops)-1] {
				sum += op.NS
				times[op.Op] = op.NS
				if op.Phase != want[j] || op.BoundNS < 0 || op.Ratio != 0 {
					t.Errorf("%s: %+v", name, op)
				}
			}
			if all.Op != AllOps || math.Abs(sum/all.NS-1) > 0.1 || all.Pairs != p.Reps || all.Ratio <= 0 || all.BoundNS <= 0 {
				t.Errorf("%s: the operations take %v ns; %+v", name, sum, all)
			}
			for op := plan.OpEmbedding; op <= plan.OpHead; op++ {
				if times[op.String()] <= 0 {
					t.Errorf("%s: %v takes nothing", name, op)
				}
			}
			if sampled := times[plan.OpSampling.String()] > 0; sampled != (res.Scenario != "") {
				t.Errorf("%s: sampling takes %v ns", name, times[plan.OpSampling.String()])
			}
		}
	}
	if ops := r.Results[1].Ops; math.Abs(ops[len(ops)-1].BoundNS*r.Results[1].Measured.Rate/1e9-1) > 1e-9 {
		t.Errorf("decode is bound by %v ns, and by %v tokens a second", ops[len(ops)-1].BoundNS, r.Results[1].Measured.Rate)
	}
}

// TestOpsPhase checks the sums of two repetitions.
func TestOpsPhase(t *testing.T) {
	var p opPhase
	times := plan.OpTimes{plan.OpQKV: 60 * time.Nanosecond, plan.OpWait: 20 * time.Nanosecond}
	p.add(times, 100, 80, 10, false)
	p.add(times, 100, 100, 10, true)
	p.add(times, 100, 100, 0, true) // a phase that was not
	want := plan.OpTimes{plan.OpQKV: 120, plan.OpWait: 40, plan.OpOther: 20, plan.OpSampling: 20}
	if p.times != want || p.wall != 200 || p.tokens != 20 {
		t.Errorf("%+v", p)
	}
	res := &Result{Gen: 1, Summary: Summary{Measured: &roofline.Bound{
		Work: roofline.Work{Tokens: 1, Bytes: 100, FLOP: 1000}, MemoryRate: 1e6, FLOPRate: 1e6, // 1e8 bytes, 1e9 operations a second
	}}}
	ops := p.list("decode", res, [plan.Ops]model.Cost{plan.OpQKV: {Weights: 40, MACs: 10}})
	if len(ops) != 5 || ops[0] != (Op{Phase: "decode", Op: "qkv", NS: 6, Bytes: 40, FLOP: 20, BoundNS: 400}) {
		t.Errorf("%+v", ops)
	}
	if all := ops[4]; all.NS != 10 || all.Ratio != 1.125 || all.RatioLow != 1.0625 || all.RatioHigh != 1.1875 || all.Pairs != 2 {
		t.Errorf("%+v", all)
	}
	if ops[0].OfBound() != 400.0/6 {
		t.Errorf("share of the bound: %v", ops[0].OfBound())
	}
}
