package codec

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestScan compares the running sums of a scan with those of the codes of
// every weight for every scale.
func TestScan(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var differ, all float64
	for name, s := range map[string]*scan{"q2": scanQ2, "q3": scanQ3, "q4": scanQ4, "q5": scanQ5, "q6": scanQ6, "iq4": iq4.scan} {
		for range 200 {
			x := make([]float32, 32)
			for i := range x {
				x[i] = float32(rng.NormFloat64())
				if s.sign[1].rungs[1].value == 0 { // for weights that are not negative
					x[i] = abs(x[i])
				}
			}
			factor := 1 / extreme(x)
			var got table
			s.run(&got, x, 0, factor)
			for try := range s.tries {
				width := float64(s.from) + float64(try)*float64(s.stride)
				var q, qq, xq float64
				for _, v := range x {
					u := float64(v * factor)
					code := nearestCode(&s.sign[math.Float32bits(v*factor)>>31], math.Abs(u)*width)
					q, qq, xq = q+code, qq+code*code, xq+math.Abs(u)*code
				}
				g := got[try]
				// A weight at an edge may have either code, which for the
				// extreme one of a Q6_K group is a difference of 1 %.
				ties := 0.0
				if float64(g.q()) != q {
					ties = 1
				}
				if d, want := float64(g.xq()/g.qq()), xq/qq; math.Abs(d/want-1) > 1e-5+0.03*ties {
					t.Fatalf("%s, scale %d: fit %v, want %v", name, try, d, want)
				}
				differ += ties
				all++
			}
		}
	}
	if differ > 0.02*all {
		t.Errorf("the codes of %v of %v groups differ", differ, all)
	}
}

// nearestCode returns the value of a ladder nearest to a magnitude.
func nearestCode(l *ladder, magnitude float64) float64 {
	best := float64(l.rungs[0].value)
	for _, r := range l.rungs[1:] {
		if v := float64(r.value); r.value > 0 && math.Abs(magnitude-v) < math.Abs(magnitude-best) {
			best = v
		}
	}
	return best
}
