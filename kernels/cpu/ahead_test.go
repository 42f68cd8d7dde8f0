package cpu

import (
	"bytes"
	"testing"

	"qgo/kernels"
	"qgo/kernels/plan"
	"qgo/kernels/tier"
)

// TestAhead joins the parts of a block that workers name: they are the matrices of
// queries, keys, values and outputs, and of gate and up each worker's first chunk.
func TestAhead(t *testing.T) {
	best, err := tier.ByName("")
	if err != nil {
		t.Fatal(err)
	}
	d := plan.Dims{Width: 64, FFN: 160, Heads: 4, KVHeads: 2, HeadDim: 64, Vocab: 50, Eps: 1e-6}
	for _, original := range []bool{false, true} {
		pool := kernels.NewPool(1, false)
		s, err := New(random(d), Options{Pool: pool, Tier: best, Workers: 1, MaxRows: 1, MaxCtx: 64, Original: original})
		if err != nil {
			t.Fatal(err)
		}
		l := &s.layers[1]
		for _, workers := range []int{1, 3, 20} {
			var joined [kernels.AheadParts][]byte
			for id := range workers {
				share := func(n int) (lo, hi int) { return n * id / workers, n * (id + 1) / workers }
				for i, part := range l.ahead(share, 1) {
					joined[i] = append(joined[i], part...)
				}
			}
			gate, up := whole(&l.Gate), whole(&l.Up)
			if workers == 1 { // 5 of 10 panels
				gate, up = gate[:len(gate)/2], up[:len(up)/2]
			}
			want := [...][]byte{whole(&l.Q), whole(&l.K), whole(&l.V), aheadOutput: whole(&l.O), aheadGate: gate, aheadUp: up}
			for i := range want {
				if workers == 3 && i >= aheadGate { // shares of 3, 3 and 4, of which 2 each
					if len(joined[i]) != len(want[i])*6/10 {
						t.Errorf("part %d: %d bytes for 3 workers, of %d", i, len(joined[i]), len(want[i]))
					}
				} else if !bytes.Equal(joined[i], want[i]) {
					t.Errorf("original %v, %d workers: part %d is not its matrix", original, workers, i)
				}
			}
		}
		s.Close()
		pool.Close()
	}
}

func whole(l *linear) []byte {
	if l.panels != nil {
		return l.panels.Data
	}
	return l.W.Data
}
