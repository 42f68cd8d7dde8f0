package cuda

import (
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
