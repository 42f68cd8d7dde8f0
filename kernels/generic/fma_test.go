package generic

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// exactFMA computes a*b + c with all its bits, and rounds once.
func exactFMA(a, b, c float32) float32 {
	number := func(x float32) *big.Float { return new(big.Float).SetPrec(1000).SetFloat64(float64(x)) }
	product := number(a)
	product.Mul(product, number(b))
	sum, _ := product.Add(product, number(c)).Float32()
	return sum
}

// TestFMA compares with exact sums: those of all sizes, and those next to ties of
// float32 by less than float64 can tell.
func TestFMA(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	value := func(exponents int) float32 {
		return float32(math.Ldexp(rng.NormFloat64(), rng.IntN(2*exponents)-exponents))
	}
	check := func(a, b, c float32) {
		t.Helper()
		if got, want := FMA(a, b, c), exactFMA(a, b, c); got != want {
			t.Fatalf("%g * %g + %g is %g, want %g", a, b, c, got, want)
		}
	}
	ties := 0
	for range 20_000 {
		check(value(8), value(8), value(8))
		check(value(60), value(60), value(60))
		check(value(60), value(60), value(126)) // of which some are too large
		// c has its last bit at 1, a*b is next to a half.
		c := float32(1<<23 + rng.IntN(1<<23))
		a, b := 1+float32(rng.IntN(3)-1)*0x1p-23, 0.5+float32(rng.IntN(3)-1)*0x1p-24
		check(a, b, c)
		check(a*0x1p-30, b*0x1p30, -c)
		if float32(float64(a)*float64(b)+float64(c)) != exactFMA(a, b, c) {
			ties++
		}
	}
	if ties == 0 {
		t.Error("no sum is one that float64 rounds to a tie")
	}
	if x := FMA(float32(math.Inf(1)), 0, 1); x == x {
		t.Errorf("infinity times 0 is %g", x)
	}
	if x := FMA(math.MaxFloat32, 2, -math.MaxFloat32); x != math.MaxFloat32 {
		t.Errorf("a product beyond float32 less a number is %g", x)
	}
	if x := FMA(float32(math.Inf(-1)), 1, math.MaxFloat32); !math.IsInf(float64(x), -1) {
		t.Errorf("minus infinity and a number are %g", x)
	}
}
