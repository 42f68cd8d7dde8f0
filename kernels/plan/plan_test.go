package plan

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestTop compares Top with a sort of all logits, some of which are equal, infinite or no
// numbers.
func TestTop(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, n := range []int{0, 1, 63, 64, 65, 1000} {
		for _, c := range []struct {
			name  string
			value func(i int) float32
		}{
			{"random", func(int) float32 { return rng.Float32() }},
			{"few values", func(int) float32 { return float32(rng.IntN(3)) - 1 }},
			{"rising", func(i int) float32 { return float32(i) }},
			{"falling", func(i int) float32 { return -float32(i) }},
			{"minus infinity", func(int) float32 { return -inf }},
			{"odd", func(int) float32 { return []float32{nan, inf, -inf, 0, float32(math.Copysign(0, -1)), 1}[rng.IntN(6)] }},
			{"no numbers", func(int) float32 { return nan }},
		} {
			logits, want := make([]float32, n), make([]Logit, n)
			for i := range logits {
				logits[i] = c.value(i)
				want[i] = Logit{int32(i), logits[i]}
			}
			isNaN := func(l Logit) int {
				if l.Value != l.Value {
					return 0
				}
				return 1
			}
			slices.SortStableFunc(want, func(a, b Logit) int {
				return cmp.Or(cmp.Compare(isNaN(a), isNaN(b)), cmp.Compare(b.Value, a.Value))
			})
			want = want[:min(n, TopLen)]
			for len(want) < TopLen {
				want = append(want, Logit{-1, -inf})
			}
			got := make([]Logit, TopLen)
			Top(got, logits)
			for i := range want {
				if g := got[i]; g.Token != want[i].Token || g.Value != want[i].Value && g.Value == g.Value {
					t.Errorf("%s, %d logits: number %d is %v, want %v", c.name, n, i, g, want[i])
					break
				}
			}
		}
	}
}

func BenchmarkTop(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	logits := make([]float32, 151936)
	for i := range logits {
		logits[i] = float32(rng.NormFloat64())
	}
	to := make([]Logit, TopLen)
	b.ReportAllocs()
	for b.Loop() {
		Top(to, logits)
	}
}
