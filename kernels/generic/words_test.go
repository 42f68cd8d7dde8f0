package generic

import (
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"qgo/quant"
	"qgo/quant/codec"
	"qgo/tensor"
)

func TestQuantizeWords(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	x, words := randoms(rng, 64), make([]tensor.Words, 2)
	x[3], x[40] = -7, 1e10
	QuantizeWords(x, words)
	if q := words[0].Q[tensor.WordIndex(3)]; q != -tensor.MaxWord {
		t.Errorf("the largest value became %d", q)
	}
	for i, w := range words {
		var sums [2]int
		for j, v := range x[32*i:][:32] {
			q := w.Q[tensor.WordIndex(j)]
			sums[j/16] += int(q)
			if diff := math.Abs(float64(v) - float64(q)*float64(w.D)); diff > 0.501*float64(w.D) {
				t.Errorf("block %d, value %d: %g became %d times %g", i, j, v, q, w.D)
			}
		}
		lo, hi := float32(w.D*float32(sums[0])), float32(w.D*float32(sums[1]))
		if w.Sum != [2]float32{lo, hi} || w.Both != lo+hi {
			t.Errorf("block %d: sums are %v and %g, want %g, %g and %g", i, w.Sum, w.Both, lo, hi, lo+hi)
		}
	}
	for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))} {
		x[5] = bad
		if QuantizeWords(x, words); words[0].D == words[0].D || words[1].D != words[1].D {
			t.Errorf("%g: scales are %g and %g, want NaN in its block only", bad, words[0].D, words[1].D)
		}
	}
	for i := range 32 {
		x[i] = 1e-44
	}
	if QuantizeWords(x, words); words[0] != (tensor.Words{}) {
		t.Errorf("subnormals became %v, want zeros", words[0])
	}
}

// TestWordIndex wants the columns of even number of each four first.
func TestWordIndex(t *testing.T) {
	for j := range tensor.BlockLen {
		if want := j/4*4 + [...]int{0, 2, 1, 3}[j%4]; tensor.WordIndex(j) != want {
			t.Errorf("value %d is at %d, want %d", j, tensor.WordIndex(j), want)
		}
	}
}

// TestMatMulWords compares products with activations in 16 bits with float64 arithmetic,
// also where codes, sub-scales and activations are the largest: sums have room in 32 bits.
func TestMatMulWords(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	bytes := map[string]func() byte{
		"random": func() byte { return byte(rng.Uint32()) },
		"ones":   func() byte { return 0xff },
		"zeros":  func() byte { return 0 },
		"signs":  func() byte { return 0x80 },
		"others": func() byte { return 0x7f },
	}
	acts := map[string]func(j int) float32{
		"random":      func(int) float32 { return float32(rng.NormFloat64()) },
		"largest":     func(int) float32 { return 1 },
		"smallest":    func(int) float32 { return -1 },
		"alternating": func(j int) float32 { return float32(1 - j&1*2) },
	}
	for _, typ := range quant.Types() {
		if !typ.Integer() {
			continue
		}
		cols := 2 * max(typ.BlockLen(), 32)
		for _, c := range slices.Sorted(maps.Keys(bytes)) { // in one order, in which random ones are the same every time
			for _, u := range slices.Sorted(maps.Keys(bytes)) {
				code, sub := bytes[c], bytes[u]
				if typ != quant.Q6_K && u != c {
					continue
				}
				w := tensor.Tensor{Type: typ, Rows: 3, Cols: cols, Data: make([]byte, 3*typ.RowBytes(cols))}
				for i := 0; i < len(w.Data); i += typ.BlockBytes() {
					block := w.Data[i:][:typ.BlockBytes()]
					for j := range block {
						if block[j] = code(); typ == quant.Q6_K && j >= 192 {
							block[j] = sub()
						}
					}
					codec.SetScales(typ, block, func() float32 { return 1 })
				}
				weights := w.Floats()
				for _, a := range slices.Sorted(maps.Keys(acts)) {
					act := acts[a]
					x := tensor.Forms{Words: true}.NewActs(1, cols)
					values := make([]float32, cols)
					for j := range values {
						values[j] = act(j)
					}
					QuantizeWords(values, x.WordsRow(0))
					got := make([]float32, w.Rows)
					MatMul32(got, w.Rows, w, 0, w.Rows, x, &Scratch{})
					for r, got := range got {
						var want, size float64
						for j, v := range weights[r*cols:][:cols] {
							b := &x.W[j/32]
							p := float64(v) * float64(b.Q[tensor.WordIndex(j%32)]) * float64(b.D)
							want, size = want+p, size+math.Abs(p)
						}
						if !(size <= math.MaxFloat32) { // MXFP4's largest scales, with which sums need not be finite
							continue
						}
						if !(math.Abs(want-float64(got)) <= 1e-6*size) {
							t.Errorf("%v: weights %s, sub-scales %s, activations %s: row %d is %g, want %g", typ, c, u, a, r, got, want)
						}
					}
				}
			}
		}
	}
}

// TestExpandWords wants words within half a step of what they stand for, as fine as they may
// be, and sums of products with activations that have room in 32 bits whatever weights there
// are.
func TestExpandWords(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for name, value := range map[string]func(j int) float32{
		"random": func(int) float32 { return float32(rng.NormFloat64()) },
		"equal":  func(int) float32 { return -0.37 },
		"one":    func(j int) float32 { return float32(j / 31) },
		"large":  func(j int) float32 { return float32(j) * 0x1p45 },
		"small":  func(j int) float32 { return float32(j) * 0x1p-50 },
	} {
		var w [32]float32
		var q [32]int16
		var d [1]float32
		for j := range w {
			w[j] = value(j)
		}
		ExpandWords(w[:], q[:], d[:])
		top, sum := 0, 0
		for j, v := range w {
			if diff := math.Abs(float64(v) - float64(q[j])*float64(d[0])); diff > 0.51*float64(d[0]) {
				t.Errorf("%s: value %d, %g, became %d times %g", name, j, v, q[j], d[0])
			}
			top, sum = max(top, int(q[j]), -int(q[j])), sum+max(int(q[j]), -int(q[j]))
		}
		if top < mostWord-1 && sum < mostWords-16 {
			t.Errorf("%s: the largest word is %d and their sum %d: they could be finer", name, top, sum)
		}
		if sum*tensor.MaxWord > math.MaxInt32 {
			t.Errorf("%s: the sum of words is %d: sums of products may not fit", name, sum)
		}
	}
	for bad, want := range map[float32]float32{float32(math.Inf(-1)): float32(math.NaN()), 0x1p51: float32(math.NaN()), 0x1p-51: 0} {
		w, q, d := [32]float32{5: bad}, [32]int16{1}, [1]float32{1}
		ExpandWords(w[:], q[:], d[:])
		if d[0] != want && want == want || q != [32]int16{} || (want != want) != (d[0] != d[0]) {
			t.Errorf("%g became %v times %g, want zeros times %g", bad, q, d[0], want)
		}
	}
}

// TestMatMulFloatWords compares products of floating-point weights as words with float64
// arithmetic.
func TestMatMulFloatWords(t *testing.T) {
	const rows, cols, n = 3, 96, 5
	rng := rand.New(rand.NewPCG(9, 10))
	for _, typ := range []quant.Type{quant.F16, quant.BF16} {
		w := tensor.Tensor{Type: typ, Rows: rows, Cols: cols, Data: make([]byte, rows*typ.RowBytes(cols))}
		values := randoms(rng, rows*cols)
		codec.Quantize(typ, w.Data, values)
		codec.Dequantize(typ, values, w.Data)
		x := tensor.Forms{Float: true, Words: true}.NewActs(n, cols)
		for i := range n {
			copy(x.Row(i), randoms(rng, cols))
			QuantizeWords(x.Row(i), x.WordsRow(i))
		}
		got := make([]float32, n*rows)
		MatMulWords(got, rows, w, 0, rows, x, &Scratch{})
		for i, v := range got {
			var want, size float64
			for j, a := range x.Row(i / rows) {
				product := float64(a) * float64(values[i%rows*cols+j])
				want, size = want+product, size+product*product
			}
			if far := math.Abs(float64(v)-want) / math.Sqrt(size); !(far < 3e-4) {
				t.Errorf("%v: result %d is %g, want %g: %.2g of the products' size away", typ, i, v, want, far)
			}
		}
	}
}
