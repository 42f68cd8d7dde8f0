package cuda

import (
	"context"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"qgo/kernels/cuda/emulator"
	"qgo/kernels/plan"
	"qgo/quant"
)

// TestPin computes logits into memory that the GPU reaches, and into other memory.
func TestPin(t *testing.T) {
	p := shape(t, 64, 2, quant.Q4_0)
	rows := ownPages/4 + 3
	p.Vocab, p.Head.W = rows, matrix(t, rand.New(rand.NewPCG(1, 1)), quant.Q8_0, rows, p.Width)
	var gpu *emulator.Context
	var dev *Device
	if *realGPU >= 0 {
		dev = anyGPU(t, emulator.Options{})
	} else {
		dev, gpu = emulated(t, emulator.Options{})
	}
	registered := func(want int) {
		t.Helper()
		if gpu != nil && gpu.Registered() != want {
			t.Errorf("%d pieces of memory are registered, want %d", gpu.Registered(), want)
		}
	}
	s := newStage(t, p, dev, plan.Options{MaxRows: 8, MaxCtx: 40})
	kv := newKV(t, s, 40, quant.F16)
	token := func(to []float32, pos int) {
		t.Helper()
		b := &plan.Batch{Spans: []plan.Span{{KV: kv, Pos: pos, N: 1}}, Tokens: []int32{int32(7 + pos)}, Outputs: []int{0}, Logits: to}
		if err := s.Run(context.Background(), b); err != nil {
			t.Fatal(err)
		}
	}
	copied := make([]float32, rows)
	func() {
		pinned, small := make([]float32, rows), make([]float32, 100)
		s.Pin(pinned)
		s.Pin(pinned) // which it knows
		s.Pin(small)  // not worth it
		registered(1)
		for pos := range 3 {
			token(copied, pos)
			for i := range pinned {
				pinned[i] = 1e9
			}
			token(pinned, pos)
			if !slices.Equal(pinned, copied) {
				t.Errorf("token %d: logits that are written to their place are not those that are copied there", pos)
			}
		}
		runtime.KeepAlive(pinned)
	}()
	// Nothing refers to the first piece any more.
	for end := time.Now().Add(10 * time.Second); len(reachedOf(t, s)) > 0 && time.Now().Before(end); time.Sleep(time.Millisecond) {
		runtime.GC()
	}
	registered(0)
	again := make([]float32, rows)
	s.Pin(again)
	registered(1)
	token(again, 2)
	if !slices.Equal(again, copied) {
		t.Error("memory that is pinned after other memory was collected has other logits")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	registered(0)
}

// reachedOf is what a stage's GPU reaches.
func reachedOf(t *testing.T, s *Stage) (all []uintptr) {
	t.Helper()
	err := s.dev.do(func() error {
		for p := range s.reached {
			all = append(all, p)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
