package cuda

import (
	"fmt"
	"testing"

	"qgo/kernels/cuda/emulator"
	"qgo/kernels/plan"
	"qgo/quant"
)

// tokenGPU is a GPU that computes tokens in one launch.
func tokenGPU(t testing.TB) *Device {
	t.Helper()
	dev := anyGPU(t, emulator.Options{SMs: 4, Capability: tokenCapability})
	if capability(dev.info) < tokenCapability {
		t.Skipf("%s has too little shared memory", dev.info.Name)
	}
	return dev
}

// TestToken compares logits of tokens that are computed in one launch with those of the
// CPU in exact arithmetic, for all heads, types of keys and values, and types of weights,
// with matrices of one type that lie in one piece and others.
func TestToken(t *testing.T) {
	dev := tokenGPU(t)
	batches := [][]sequence{
		{{1, true}, {0, false}},
		{{3, false}, {0, false}},
		{{1, true}, {0, false}},
		{{0, false}, {1, true}},
		{{60, false}, {0, false}},
		{{1, true}, {0, false}},
		{{1, true}, {0, false}},
	}
	for i, c := range []struct {
		headDim, group int
		types          []quant.Type
	}{
		{64, 7, []quant.Type{quant.Q4_0}},
		{128, 2, []quant.Type{quant.Q4_K, quant.Q6_K, quant.F32, quant.Q8_0, quant.IQ4_NL, quant.IQ4_NL, quant.Q2_K}},
		{64, 1, []quant.Type{quant.Q5_0, quant.Q3_K, quant.IQ4_XS, quant.Q8_0, quant.F16, quant.F16, quant.BF16}},
		{64, 3, []quant.Type{quant.Q5_1, quant.Q5_1, quant.Q5_1, quant.Q5_K, quant.Q4_1, quant.Q4_1, quant.F16}},
	} {
		p := shape(t, c.headDim, c.group, c.types...)
		if !dev.hasToken(p) {
			t.Fatalf("%v: this plan is not for one launch", c.types)
		}
		for j, typ := range kvTypes {
			if *realGPU < 0 && i%len(kvTypes) != j {
				continue // takes long in the emulator
			}
			t.Run(fmt.Sprintf("%d heads of %d, %v", p.Heads, c.headDim, typ), func(t *testing.T) {
				want := logits(t, []plan.Stage{exact(t, p, 128, 200)}, p, typ, batches)
				s, err := load(p, dev, plan.Options{MaxRows: 64, MaxCtx: 200, Exact: true})
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				s.token.span = 40 // more than one in the end
				bar := map[quant.Type]float64{quant.F32: 5e-6, quant.F16: 2e-4, quant.Q8_0: 4e-3}[typ]
				closeTo(t, logits(t, []plan.Stage{s}, p, typ, batches), want, bar)
			})
		}
	}
}
