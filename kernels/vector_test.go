package kernels_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"qgo/kernels/generic"
	"qgo/kernels/tier"
	"qgo/kernels/tier/tiertest"
)

// values returns n numbers, unaligned, with some strange ones among them.
func values(rng *rand.Rand, n, strange int) []float32 {
	x := make([]float32, n+1)[1:]
	for i := range x {
		x[i] = float32(rng.NormFloat64()) * 10
	}
	for range min(strange, n) {
		x[rng.IntN(n)] = odd[rng.IntN(len(odd))]
	}
	return x
}

func equal(t *testing.T, what string, got, want []float32) {
	t.Helper()
	for i := range want {
		if !same(got[i], want[i]) {
			t.Fatalf("%s: value %d of %d is %g, want %g", what, i, len(want), got[i], want[i])
		}
	}
}

// TestVectors compares the operations on vectors with those of plain Go, bit
// for bit, over all lengths up to a few registers and some long ones, and
// looks whether the next value stays.
func TestVectors(t *testing.T) {
	lengths := []int{896, 1000, 4864, 65536 + 7}
	for n := range 70 {
		lengths = append(lengths, n)
	}
	ops := map[string]func(t *tier.Tier, a, b, w []float32){
		"add":     func(t *tier.Tier, a, b, _ []float32) { t.Add(a, b) },
		"scale":   func(t *tier.Tier, a, b, _ []float32) { t.Scale(a, b, 0.3) },
		"swiglu":  func(t *tier.Tier, a, b, _ []float32) { t.SwiGLU(a, b) },
		"rmsnorm": func(t *tier.Tier, a, b, w []float32) { t.RMSNorm(a, b, w, 1e-6) },
		"merge":   func(t *tier.Tier, a, b, _ []float32) { t.Merge(a, 1, 3, b, 1.5, 2) },
		"rope": func(t *tier.Tier, a, b, w []float32) {
			half := len(a) / 4
			t.Rope(a, b[:half], w[:half])
		},
	}
	plain := tier.Go
	tiertest.ForAll(t, func(t *testing.T, tier *tier.Tier) {
		rng := rand.New(rand.NewPCG(3, 4))
		for _, name := range slices.Sorted(maps.Keys(ops)) { // in one order, in which random values are the same every time
			op := ops[name]
			for _, n := range lengths {
				for _, strange := range []int{0, 3} {
					a, b, w := values(rng, n+1, strange), values(rng, n, strange), values(rng, n, 0)
					want := append([]float32(nil), a...)
					op(plain, want[:n], b, w)
					op(tier, a[:n], b, w)
					equal(t, name, a, want)
				}
			}
		}
	})
}

// TestMergeEmpty merges with parts that saw nothing.
func TestMergeEmpty(t *testing.T) {
	tiertest.ForAll(t, func(t *testing.T, tier *tier.Tier) {
		for _, sums := range [][2]float32{{0, 2}, {2, 0}, {0, 0}} {
			a, b := []float32{1, 2, 3}, []float32{4, 5, 6}
			want := append([]float32(nil), a...)
			top1, sum1 := generic.Merge(want, 1, sums[0], b, 2, sums[1])
			top, sum := tier.Merge(a, 1, sums[0], b, 2, sums[1])
			equal(t, fmt.Sprint(sums), append(a, top, sum), append(want, top1, sum1))
		}
	})
}

func TestHalves(t *testing.T) {
	tiertest.ForAll(t, func(t *testing.T, tier *tier.Tier) {
		rng := rand.New(rand.NewPCG(5, 6))
		for n := range 130 {
			x := values(rng, n, 10)
			want, got := make([]byte, 2*n+2), make([]byte, 2*n+2)
			generic.Halves(want[:2*n], x)
			tier.Halves(got[:2*n], x)
			if !bytes.Equal(got, want) {
				t.Fatalf("%v became\n%x, want\n%x", x, got, want)
			}
		}
	})
}

func BenchmarkVectors(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	const n = 896
	x, y, w := values(rng, n, 0), values(rng, n, 0), values(rng, n, 0)
	dst := make([]byte, 2*n)
	for _, tier := range tier.All() {
		for name, op := range map[string]func(){
			"rmsnorm": func() { tier.RMSNorm(x, y, w, 1e-6) },
			"rope":    func() { tier.Rope(y, w[:32], w[32:64]) },
			"swiglu":  func() { tier.SwiGLU(x, y) },
			"add":     func() { tier.Add(x, y) },
			"halves":  func() { tier.Halves(dst, x) },
		} {
			b.Run(tier.Name+"/"+name, func(b *testing.B) {
				b.SetBytes(4 * n)
				for b.Loop() {
					op()
				}
			})
		}
	}
}
