package cuda

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"qgo/quant"
)

// TestPackWorkers demands that weights come out the same however many bring them into the
// GPU's form. What is in it, TestMatrices tests.
func TestPackWorkers(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, typ := range quant.Types() {
		if !typ.HasKernels() {
			continue
		}
		w := matrix(t, rng, typ, 7, 256)
		want := packMatrix(w, 1)
		for _, workers := range []int{0, 2, 3, 100} {
			if !bytes.Equal(packMatrix(w, workers), want) {
				t.Errorf("%v: %d workers make other bytes than one", typ, workers)
			}
		}
	}
}

// TestSharePanics has one worker of several panic.
func TestSharePanics(t *testing.T) {
	defer func() {
		if v := recover(); v != "no more" {
			t.Errorf("share panics with %v", v)
		}
	}()
	share(9, 3, func(lo, hi int) {
		if lo == 3 {
			panic("no more")
		}
	})
}

// BenchmarkPack brings weights into the GPU's form on one CPU.
func BenchmarkPack(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, typ := range quant.Types() {
		if !typ.HasKernels() {
			continue
		}
		w := matrix(b, rng, typ, 256, 1024)
		b.Run(typ.String(), func(b *testing.B) {
			b.SetBytes(int64(len(w.Data)))
			for b.Loop() {
				packMatrix(w, 1)
			}
		})
	}
}
