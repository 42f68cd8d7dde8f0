package cuda

import (
	"testing"

	"qgo/kernels/plan"
	"qgo/quant"
)

// TestAttentionAt says how tokens of Qwen2.5-0.5B and 1.5B are computed on a GPU of 132 multiprocessors: which way
// depends on what they see alone.
func TestAttentionAt(t *testing.T) {
	small := plan.Dims{Width: 896, FFN: 4864, Heads: 14, KVHeads: 2, HeadDim: 64}
	large := plan.Dims{Width: 1536, FFN: 8960, Heads: 12, KVHeads: 2, HeadDim: 128}
	many := plan.Dims{Width: 2048, FFN: 8192, Heads: 32, KVHeads: 2, HeadDim: 64} // more heads of a KV head than a block takes
	const sms = 132
	for _, c := range []struct {
		dims             plan.Dims
		major            int
		kv               quant.Type
		depth            int
		units            bool
		splits, span     int
		together, shares int
	}{
		{small, 9, quant.F16, 1, false, 1, 1, 0, 0},
		{small, 9, quant.F16, 256, false, 1, 256, 0, 0},
		{small, 9, quant.F16, 257, false, 2, 129, 0, 0},
		{small, 9, quant.F16, 1024, false, 4, 256, 0, 0},
		{small, 9, quant.F16, 1025, true, 5, 205, 1, 14},
		{small, 9, quant.F16, 8192, true, 32, 256, 4, 4},
		{small, 9, quant.F16, 32768, true, 64, 512, 7, 2},
		{small, 9, quant.F32, 1025, false, 5, 205, 0, 0},
		{small, 9, quant.Q8_0, 8192, false, 9, 911, 0, 0},
		{small, 7, quant.F16, 8192, false, 9, 911, 0, 0},
		{large, 8, quant.F16, 1024, false, 4, 256, 0, 0},
		{large, 8, quant.F16, 1025, true, 5, 205, 1, 12},
		{large, 8, quant.F16, 8192, true, 37, 222, 6, 2},
		{many, 9, quant.F16, 32768, true, 32, 1024, 8, 4},
		{many, 8, quant.F16, 32768, true, 33, 993, 8, 4},
	} {
		p := &pass{Stage: &Stage{Plan: plan.Plan{Dims: c.dims}, dev: &Device{info: plan.DeviceInfo{Major: c.major, SMs: sms}}}, kv: c.kv}
		p.token.span, p.token.unitSpan, p.token.unitsAbove = spanLen, unitSpan(c.dims.HeadDim), unitsAbove
		way := p.attentionAt(c.depth)
		splits, span := way.spans(c.depth)
		if way.units != c.units || splits != c.splits || span != c.span {
			t.Errorf("%d positions of %d heads: %v, %d spans of %d; want %v, %d of %d", c.depth, c.dims.Heads, way.units, splits, span, c.units, c.splits, c.span)
		}
		if !c.units {
			continue
		}
		if together, shares := p.shareHeads(p.dev.tokenSMs() / splits); together != c.together || shares != c.shares {
			t.Errorf("%d positions of %d heads: %d together by %d blocks; want %d by %d", c.depth, c.dims.Heads, together, shares, c.together, c.shares)
		}
	}
}
