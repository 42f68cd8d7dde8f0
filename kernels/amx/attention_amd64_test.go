//go:build !noasm

package amx

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/cpuid/v2"

	"qgo/kernels/generic"
	"qgo/kernels/panel"
	"qgo/quant"
	"qgo/quant/codec"
)

// attnTile returns a tile of n queries on rows positions, with NaNs where a block of keys goes
// on behind them. What a query sees is what visible says.
func attnTile(rng *rand.Rand, d, n, rows int, visible func(i int) int) *generic.AttnTile {
	values := func(n int, size float64) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(size * rng.NormFloat64())
		}
		return x
	}
	size := quant.F16.RowBytes(d)
	blocks := (rows + generic.KeyBlock - 1) / generic.KeyBlock
	t := &generic.AttnTile{
		KV: quant.F16, HeadDim: d, Q: values(n*d, 3),
		K: make([]byte, blocks*generic.KeyBlock*size), V: make([]byte, rows*size),
		Acc: values(n*d, 1), Max: values(n, 1), Sum: values(n, 1),
	}
	for i := range n {
		t.Visible = append(t.Visible, visible(i))
	}
	for i := range t.K {
		t.K[i] = 0xff
	}
	codec.Quantize(quant.F16, t.V, values(rows*d, 1))
	key := make([]byte, size)
	for i := range rows {
		codec.Quantize(quant.F16, key, values(d, 0.5))
		generic.PutKey(quant.F16, t.K, i, key)
	}
	return t
}

// eachProduct runs f with the products that this machine has, as each does.
func eachProduct(t *testing.T, f func(t *testing.T, multiply func(*panel.TileArgs))) {
	if !cpuid.CPU.Supports(conversions...) || !ISA.Base.Here() {
		t.Skipf("this CPU lacks some of %v", conversions)
	}
	t.Run("emulated", func(t *testing.T) { f(t, emulate) })
	t.Run("amx", func(t *testing.T) {
		if !ISA.Here() {
			t.Skip("this machine has no AMX")
		}
		f(t, multiplyTiles)
	})
}

// TestAttention compares attention with plain Go, bit for bit, one worker's memory being used for
// all tiles of a size.
func TestAttention(t *testing.T) {
	eachProduct(t, func(t *testing.T, multiply func(*panel.TileArgs)) {
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
				a := attnTile(rng, d, n, rows, func(i int) int {
					switch {
					case i%7 == 3:
						return 0
					case i%5 == 4:
						return rng.IntN(rows) + 1
					}
					return rows
				})
				b := *a
				b.Acc, b.Max, b.Sum = make([]float32, n*d), make([]float32, n), make([]float32, n)
				attend(a)
				generic.AttendSplit(&b, generic.NewAttnScratch(d), fine)
				for _, c := range []struct {
					name      string
					got, want []float32
				}{{"Max", a.Max, b.Max}, {"Sum", a.Sum, b.Sum}, {"Acc", a.Acc, b.Acc}} {
					for i, v := range c.want {
						if math.Float32bits(v) != math.Float32bits(c.got[i]) {
							t.Fatalf("%d values, %d queries, %d positions: %s %d is %g, want %g", d, n, rows, c.name, i, c.got[i], v)
						}
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
			t := attnTile(rng, d, n, generic.AttnChunk, func(int) int { return generic.AttnChunk })
			b.Run(fmt.Sprintf("fine=%t/n=%d", fine, n), func(b *testing.B) {
				for b.Loop() {
					attend(t)
				}
				b.ReportMetric(4*d*generic.AttnChunk*float64(n)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}
