//go:build !noasm

package amx

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"qgo/kernels/generic"
	"qgo/kernels/generic/attntest"
	"qgo/kernels/panel"
	"qgo/quant"
)

var sizes = attntest.Sizes{Queries: 3, Keys: 0.5, Values: 1}

// TestAttention compares attention with plain Go, bit for bit, one worker's memory being used for
// all tiles of a size.
func TestAttention(t *testing.T) {
	each(t, func(t *testing.T, multiply func(*panel.TileArgs)) {
		for _, fine := range []bool{false, true} {
			testAttention(t, multiply, fine)
		}
	})
}

func testAttention(t *testing.T, multiply func(*panel.TileArgs), fine bool) {
	rng := rand.New(rand.NewPCG(7, 8))
	for _, d := range []int{32, 64, 96, 128, 256} {
		attend := attention{multiply, fine}.New(d)
		for _, rows := range []int{1, 15, 16, 31, 33, 100, 255, 256} {
			for _, n := range []int{1, 2, 15, 16, 17, 32, 33, 70} {
				if n > 32 && d != 64 {
					continue
				}
				a, _ := attntest.Tile(rng, quant.F16, d, n, rows, sizes)
				for i := range n {
					switch {
					case i%7 == 3:
						a.Visible = append(a.Visible, 0)
					case i%5 == 4:
						a.Visible = append(a.Visible, rng.IntN(rows)+1)
					default:
						a.Visible = append(a.Visible, rows)
					}
				}
				got := attntest.Results(rng, a, attend)
				want := attntest.Results(rng, a, func(a *generic.AttnTile) { generic.AttendSplit(a, generic.NewAttnScratch(d), fine) })
				for i, v := range want {
					if math.Float32bits(v) != math.Float32bits(got[i]) {
						t.Fatalf("fine %t, %d values, %d queries, %d positions: result %d is %g, want %g", fine, d, n, rows, i, got[i], v)
					}
				}
			}
		}
	}
}

func BenchmarkAttention(b *testing.B) {
	if !ISA.Here() {
		b.Skip("this machine has no AMX")
	}
	const d = 64
	rng := rand.New(rand.NewPCG(1, 2))
	for _, fine := range []bool{false, true} {
		attend := attention{multiplyTiles, fine}.New(d)
		for _, n := range []int{56, 112, 224} {
			t, _ := attntest.Tile(rng, quant.F16, d, n, generic.AttnChunk, sizes)
			for range n {
				t.Visible = append(t.Visible, generic.AttnChunk)
			}
			t.Acc, t.Max, t.Sum = make([]float32, n*d), make([]float32, n), make([]float32, n)
			b.Run(fmt.Sprintf("fine=%t/n=%d", fine, n), func(b *testing.B) {
				for b.Loop() {
					attend(t)
				}
				b.ReportMetric(4*d*generic.AttnChunk*float64(n)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}
