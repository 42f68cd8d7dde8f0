package cuda

import (
	"context"
	"slices"
	"testing"

	"qgo/kernels/cuda/emulator"
	"qgo/kernels/plan"
	"qgo/quant"
)

// TestGraph decodes sequences together, with launches that start as graphs and, as the driver
// has none, one by one: not a bit may differ. From the third step on whose attention is shared
// alike they are graphs.
func TestGraph(t *testing.T) {
	const seqs, steps = 3, 14 // a span of attention has 12 positions
	p := shape(t, 64, 2, quant.Q4_0)
	var want [][]float32
	for _, none := range []bool{true, false} {
		dev, context := emulated(t, emulator.Options{SMs: 4, Capability: tensorCapability})
		s := tokenStageFor(t, dev, p, plan.Options{MaxRows: 16, MaxCtx: 50})
		context.NoGraphs = none
		spans := make([]plan.Span, seqs)
		for q := range spans {
			spans[q] = plan.Span{KV: newKV(t, s, 50, quant.F16), N: 1}
		}
		var all [][]float32
		for step := range steps {
			var tokens []int32
			for q := range spans {
				spans[q].Pos = step
				tokens = append(tokens, tokensOf(q, step, 1)...)
			}
			all = append(all, logitsOfRows(t, s, spans, tokens))
		}
		if none {
			want = all
		}
		for i := range all {
			if !slices.Equal(all[i], want[i]) {
				t.Errorf("step %d: graphs of launches give other logits", i)
			}
		}
		if graphs := map[bool]int{true: 0, false: steps - 2}[none]; context.Graphs != graphs {
			t.Errorf("%d graphs were run, want %d", context.Graphs, graphs)
		}
	}
}

// TestGraphFirst has graphs of the sequences' greedy tokens start before their launches are known. One of
// them turns out to be of other launches, which follow then: the tokens are those of launches one by one.
func TestGraphFirst(t *testing.T) {
	const seqs, steps = 3, 11 // in one span of attention
	p := shape(t, 64, 2, quant.Q4_0)
	var want []int32
	for _, none := range []bool{true, false} {
		dev, ctx := emulated(t, emulator.Options{SMs: 4, Capability: tensorCapability})
		s := tokenStageFor(t, dev, p, plan.Options{MaxRows: 16, MaxCtx: 50})
		ctx.NoGraphs = none
		b := &plan.Batch{Logits: make([]float32, seqs*p.Vocab), Best: make([]int32, seqs)}
		for q := range seqs {
			b.Spans = append(b.Spans, plan.Span{KV: newKV(t, s, 50, quant.F16), N: 1})
			b.Tokens = append(b.Tokens, int32(10*q))
			b.Outputs = append(b.Outputs, q)
		}
		var all []int32
		for step := range steps {
			for q := range b.Spans {
				b.Spans[q].Pos = step
			}
			const others = 5 // the step that the graph is not of
			if !none && step == others {
				script := &s.graphs.known[0].script
				script.args[len(script.args)-1] ^= 1
			}
			if err := s.Run(context.Background(), b); err != nil {
				t.Fatal(err)
			}
			if !none && s.graphs.known[0].varies != (step >= others) {
				t.Errorf("step %d: whether launches vary is %v", step, step < others)
			}
			all = append(all, b.Best...)
			copy(b.Tokens, b.Best)
		}
		if none {
			want = all
		} else if !slices.Equal(all, want) {
			t.Errorf("graphs give tokens %d, launches %d", all, want)
		}
	}
}
