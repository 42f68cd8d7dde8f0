package kernels_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"qgo/kernels/tier"
	"qgo/kernels/tier/tiertest"
	"qgo/tensor"
)

func same(a, b float32) bool {
	return math.Float32bits(a) == math.Float32bits(b) || a != a && b != b
}

// odd are values that kernels may stumble over.
var odd = []float32{0, float32(math.Copysign(0, -1)), 1e-44, -1e-39, 0x1p-50, 0x1.fffffep-51, 0x1p50, -0x1.000002p50,
	1e30, -math.MaxFloat32, float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()), 127, -121, 0.5}

func TestQuantize(t *testing.T) {
	tiertest.ForAll(t, func(t *testing.T, tier *tier.Tier) {
		rng := rand.New(rand.NewPCG(1, 2))
		for blocks := 1; blocks < 40; blocks++ {
			for _, strange := range []int{0, 1, 20} {
				x := activations(rng, blocks, strange)
				want, got := make([]tensor.Block, blocks), make([]tensor.Block, blocks+1)
				tier.Plain().Quantize(x, want)
				tier.Quantize(x, got[:blocks])
				for i, b := range want {
					g := got[i]
					ok := b.Q == g.Q && b.Start == g.Start
					for h := range b.D {
						ok = ok && same(b.D[h], g.D[h]) && same(b.Sum[h], g.Sum[h]) && same(b.Both[h], g.Both[h])
					}
					if !ok {
						t.Fatalf("block %d of %d: %v became\n%v, want\n%v", i, blocks, x[32*i:32*i+32], g, b)
					}
				}
				if got[blocks] != (tensor.Block{}) {
					t.Fatalf("%d blocks: wrote past the end", blocks)
				}
			}
		}
	})
}

// activations returns values with so many odd ones.
func activations(rng *rand.Rand, blocks, strange int) []float32 {
	x := make([]float32, blocks*tensor.BlockLen+1)[1:]
	for i := range x {
		x[i] = float32(rng.NormFloat64() * math.Exp(rng.NormFloat64()))
	}
	for range strange {
		x[rng.IntN(len(x))] = odd[rng.IntN(len(odd))]
	}
	if strange > 1 { // ties, and a group of zeros
		for i := range 16 {
			x[i] = float32(i%5) / 2 * 1e3
		}
		clear(x[16:32])
	}
	return x
}

// TestWords quantises to 16 bits.
func TestWords(t *testing.T) {
	for _, tier := range tier.All() {
		if tier.Words == nil {
			continue
		}
		rng := rand.New(rand.NewPCG(1, 2))
		for blocks := range 40 {
			for _, strange := range []int{0, 1, 20} {
				if blocks == 0 && strange > 0 {
					continue
				}
				x := activations(rng, blocks, strange)
				want, got := make([]tensor.Words, blocks), make([]tensor.Words, blocks+1)
				tier.Plain().Words(x, want)
				tier.Words(x, got[:blocks])
				for i, w := range want {
					g := got[i]
					if w.Q != g.Q || !same(w.D, g.D) || !same(w.Both, g.Both) || !same(w.Sum[0], g.Sum[0]) || !same(w.Sum[1], g.Sum[1]) {
						t.Fatalf("%s: block %d of %d: %v became\n%v, want\n%v", tier.Name, i, blocks, x[32*i:32*i+32], g, w)
					}
				}
				if got[blocks] != (tensor.Words{}) {
					t.Fatalf("%s: %d blocks: wrote past the end", tier.Name, blocks)
				}
			}
		}
	}
}

func BenchmarkQuantize(b *testing.B) {
	for _, tier := range tier.All() {
		b.Run(tier.Name, func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 2))
			x, blocks := make([]float32, 896), make([]tensor.Block, 28)
			for i := range x {
				x[i] = float32(rng.NormFloat64())
			}
			b.SetBytes(int64(4 * len(x)))
			for b.Loop() {
				tier.Quantize(x, blocks)
			}
		})
		if tier.Words == nil {
			continue
		}
		b.Run(tier.Name+"/words", func(b *testing.B) {
			x, words := activations(rand.New(rand.NewPCG(1, 2)), 28, 0), make([]tensor.Words, 28)
			b.SetBytes(int64(4 * len(x)))
			for b.Loop() {
				tier.Words(x, words)
			}
		})
	}
}
