package sample

import (
	"encoding/binary"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"testing"
)

// TestWeight compares weights with math.Exp, at temperatures that make them range from 1
// to less than the smallest number.
func TestWeight(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, temperature := range []float64{1e-3, 0.01, 0.7, 1, 3, 100} {
		worst := 0.0
		for range 200_000 {
			top := float32(20 * rng.NormFloat64())
			logit := float32(float64(top) - 720*temperature*rng.Float64())
			got := softmaxOf(top, temperature).weight(logit)
			want := math.Exp((float64(logit) - float64(top)) / temperature)
			if want < 0x1p-1022*(1-1e-3) && got == 0 {
				continue
			}
			worst = max(worst, math.Abs(got-want)/want)
		}
		if !(worst < 1e-12) {
			t.Errorf("temperature %g: relative error %g", temperature, worst)
		}
	}
	inf := float32(math.Inf(1))
	for _, c := range []struct {
		top, logit  float32
		temperature float64
		want        float64
	}{
		{0, 0, 1, 1},
		{5, -inf, 1, 0},
		{0, -745, 1, 0},
		{0, -746, 1, 0},
		{math.MaxFloat32, -math.MaxFloat32, 1, 0},
		{math.MaxFloat32, -math.MaxFloat32, math.MaxFloat64, 1},
		{3, 3, math.SmallestNonzeroFloat64, 1},
		{3, 2, math.SmallestNonzeroFloat64, 0},
		{3, -inf, math.MaxFloat64, 0},
	} {
		if got := softmaxOf(c.top, c.temperature).weight(c.logit); got != c.want {
			t.Errorf("logit %g of %g at temperature %g: weight %g, want %g", c.logit, c.top, c.temperature, got, c.want)
		}
	}
}

// TestExp2 wants smaller weights of smaller numbers, and the same bits on every machine.
func TestExp2(t *testing.T) {
	for i, bits := range powers {
		if x, want := math.Float64frombits(bits), math.Exp2(float64(i)/steps); math.Abs(x-want) > 1e-15*want {
			t.Errorf("2^(%d/%d) is %v, want %v", i, steps, x, want)
		}
	}
	hash := fnv.New64a()
	last, lastDown := 1.0, uint64(0)
	for i := range 300_000 {
		x, down := exp2(-float64(i) / 1.1)
		if x > last || down < lastDown {
			t.Fatalf("exp2(%g) = %g, %d after %g, %d", -float64(i)/1.1, x, down, last, lastDown)
		}
		last, lastDown = x, down
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], math.Float64bits(x))
		hash.Write(b[:])
	}
	if got, want := hash.Sum64(), uint64(0x8fc1834bfec98ac6); got != want {
		t.Errorf("the hash of the bits is %#x, want %#x", got, want)
	}
}
