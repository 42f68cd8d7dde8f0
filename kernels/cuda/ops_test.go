package cuda

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"qgo/kernels/cuda/emulator"
	"qgo/kernels/plan"
	"qgo/quant"
)

// TestOpsOnGPU checks that no operation of a pass is forgotten, that they take
// no longer than the passes, and that a profile starts no kernels of its own and
// changes no bit of the results. A token that is one launch without a profile is the
// exception: with one it takes a launch for each operation, and its sums have other orders.
func TestOpsOnGPU(t *testing.T) {
	for _, capability := range []int{minCapability, tokenCapability} {
		t.Run(fmt.Sprint("capability ", capability), func(t *testing.T) {
			dev := anyGPU(t, emulator.Options{Capability: capability})
			dev.info.Major, dev.info.Minor = capability/10, capability%10 // of a GPU, too
			testOps(t, dev, capability >= tokenCapability)
		})
	}
}

func testOps(t *testing.T, dev *Device, hasToken bool) {
	s, err := load(shape(t, 64, 2, quant.Q8_0), dev, plan.Options{MaxRows: 16, MaxCtx: 100})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if (s.token.layers != 0) != hasToken {
		t.Fatalf("tokens in one launch: %v", !hasToken)
	}
	kv, err := s.NewKV(100, quant.F16)
	if err != nil {
		t.Fatal(err)
	}
	defer kv.Close()
	for _, rows := range []int{1, 12} {
		oneLaunch := rows == 1 && s.token.layers != 0
		b := &plan.Batch{
			Spans: []plan.Span{{KV: kv, N: rows}}, Tokens: make([]int32, rows),
			Outputs: []int{rows - 1}, Logits: make([]float32, s.Vocab),
		}
		run := func() (launches int64, took time.Duration) {
			launches = dev.Launches()
			start := time.Now()
			if err := s.Run(context.Background(), b); err != nil {
				t.Fatal(err)
			}
			return dev.Launches() - launches, time.Since(start)
		}
		launches, _ := run()
		if times := s.OpTimes(); times != (plan.OpTimes{}) {
			t.Errorf("times without a profile: %v", times)
		}
		plain := slices.Clone(b.Logits)
		s.Profile(true)
		with, took := run()
		times := s.OpTimes()
		for op := plan.OpEmbedding; op <= plan.OpHead; op++ {
			if times[op] <= 0 {
				t.Errorf("%d rows: %v takes nothing", rows, op)
			}
		}
		if times.Sum() > took*11/10 {
			t.Errorf("%d rows: %v of %v: %v", rows, times.Sum(), took, times)
		}
		if oneLaunch {
			closeTo(t, b.Logits, plain, 5e-6)
			if launches >= with {
				t.Errorf("a token in one launch: %d launches, and %d with a profile", launches, with)
			}
		} else if with != launches || !slices.Equal(b.Logits, plain) {
			t.Errorf("%d rows: %d launches with a profile and %d without; logits as before: %v", rows, with, launches, slices.Equal(b.Logits, plain))
		}
		if times := s.OpTimes(); times != (plan.OpTimes{}) {
			t.Errorf("times that were read before: %v", times)
		}
		s.Profile(false)
	}
}
