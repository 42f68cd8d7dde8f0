package codec

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/x448/float16"

	"qgo/quant"
	"qgo/testdata"
)

// TestBlocks compares Dequantize with values made by ggml's formulas.
func TestBlocks(t *testing.T) {
	for _, typ := range quant.Types() {
		if !typ.Integer() {
			continue
		}
		name := strings.ToLower(typ.String())
		src := testdata.Read(t, "blocks", name+".bin")
		want := testdata.Read(t, "blocks", name+".f32")
		n := len(src) / typ.BlockBytes() * typ.BlockLen()
		if n != 64*typ.BlockLen() || len(want) != 4*n {
			t.Fatalf("%v: %d blocks of %d bytes for %d values", typ, len(src), typ.BlockBytes(), len(want)/4)
		}
		got := make([]float32, n)
		Dequantize(typ, got, src)
		for i, v := range got {
			w := math.Float32frombits(le.Uint32(want[4*i:]))
			if v != w && (v == v || w == w) {
				t.Fatalf("%v: weight %d is %g, want %g", typ, i, v, w)
			}
		}
		// The codes of Unpack say the same.
		c := NewCodes(n)
		c.Unpack(typ, src)
		for i, v := range got {
			w := float32(c.Scale[i/c.Group] * float32(int(c.Q[i])-c.Offset))
			if c.HasMin {
				w += c.Min[i/c.Group]
			}
			if v != w && (v == v || w == w) {
				t.Fatalf("%v: code %d gives %g, want %g", typ, i, w, v)
			}
		}
	}
}

// targets are the types that there is quantisation to.
func targets() (all []quant.Type) {
	for _, t := range quant.Types() {
		if types[t].quantize != nil {
			all = append(all, t)
		}
	}
	return all
}

func TestFloats(t *testing.T) {
	values := []float32{0, 1, -2.5, 65504, 1.0 / 3, float32(math.Inf(1)), 6e-8}
	for _, c := range []struct {
		typ  quant.Type
		want []float32
	}{
		{quant.F32, values},
		{quant.F16, []float32{0, 1, -2.5, 65504, 0.33325195, float32(math.Inf(1)), 5.9604645e-08}},
		{quant.BF16, []float32{0, 1, -2.5, 65536, 0.33398438, float32(math.Inf(1)), 6.0070306e-08}},
	} {
		b := make([]byte, c.typ.RowBytes(len(values)))
		Quantize(c.typ, b, values)
		got := make([]float32, len(values))
		Dequantize(c.typ, got, b)
		for i, w := range c.want {
			if got[i] != w {
				t.Errorf("%v of %g is %g, want %g", c.typ, values[i], got[i], w)
			}
		}
	}
	for i := range 1 << 16 { // every f16 number
		got, want := halfToFloat(uint16(i)), float16.Frombits(uint16(i)).Float32()
		if math.Float32bits(got) != math.Float32bits(want) && (got == got || want == want) {
			t.Fatalf("f16 %#04x is %g, want %g", i, got, want)
		}
	}
	b := make([]byte, 2)
	Quantize(quant.BF16, b, []float32{math.Float32frombits(0x7f800001)})
	if v := le.Uint16(b); v&0x7fff <= 0x7f80 {
		t.Errorf("a NaN became %#x", v)
	}
}

// TestRoundTrip quantises what was dequantised: the codes of exact multiples
// must survive, and noise must cost no more than the step allows.
func TestRoundTrip(t *testing.T) {
	// Standard deviations of the error on Gaussian weights, relative to theirs.
	limit := map[quant.Type]float64{quant.Q4_0: 0.095, quant.Q4_1: 0.083, quant.Q5_0: 0.047, quant.Q5_1: 0.040, quant.Q8_0: 0.006,
		quant.Q2_K: 0.33, quant.Q3_K: 0.18, quant.Q4_K: 0.078, quant.Q5_K: 0.039, quant.Q6_K: 0.022, quant.IQ4_NL: 0.085, quant.IQ4_XS: 0.087}
	rng := rand.New(rand.NewPCG(1, 2))
	x := make([]float32, 64*256)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	for _, typ := range targets() {
		if !typ.Integer() {
			continue
		}
		want := limit[typ]
		b := make([]byte, typ.RowBytes(len(x)))
		Quantize(typ, b, x)
		y := make([]float32, len(x))
		Dequantize(typ, y, b)
		var sum float64
		for i := range x {
			sum += math.Pow(float64(x[i])-float64(y[i]), 2)
		}
		if rmse := math.Sqrt(sum / float64(len(x))); rmse > want {
			t.Errorf("%v: root mean square error %.4f, want at most %.4f", typ, rmse, want)
		}
	}
}

func TestExtremes(t *testing.T) {
	rows := map[string]func(i int) float32{
		"zeros":     func(int) float32 { return 0 },
		"constant":  func(int) float32 { return 2 },
		"negative":  func(int) float32 { return -2 },
		"one":       func(i int) float32 { return float32(i / 255 * 3) },
		"subnormal": func(i int) float32 { return float32(i) * 1e-45 },
		"large":     func(i int) float32 { return float32(i-100) * 300 },
	}
	for _, typ := range targets() {
		for name, f := range rows {
			x, y := make([]float32, 256), make([]float32, 256)
			var size float64
			for i := range x {
				x[i] = f(i)
				size = max(size, math.Abs(float64(x[i])))
			}
			b := make([]byte, typ.RowBytes(256))
			Quantize(typ, b, x)
			Dequantize(typ, y, b)
			for i := range y {
				if e := math.Abs(float64(y[i] - x[i])); !(e <= 0.4*size+1e-6) {
					t.Errorf("%v, %s: weight %d is %g, want %g", typ, name, i, y[i], x[i])
					break
				}
			}
		}
	}
}

func TestAllocations(t *testing.T) {
	for _, typ := range targets() {
		b, x := make([]byte, typ.RowBytes(512)), make([]float32, 512)
		if n := testing.AllocsPerRun(5, func() { Dequantize(typ, x, b); Quantize(typ, b, x) }); n != 0 {
			t.Errorf("%v: %v allocations", typ, n)
		}
	}
}

func BenchmarkDequantize(b *testing.B) { benchmark(b, Dequantize) }

func BenchmarkQuantize(b *testing.B) {
	benchmark(b, func(t quant.Type, x []float32, data []byte) { Quantize(t, data, x) })
}

func benchmark(b *testing.B, f func(quant.Type, []float32, []byte)) {
	x := make([]float32, 1<<18) // too many for a branch predictor to learn
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	for _, typ := range targets() {
		data := make([]byte, typ.RowBytes(len(x)))
		Quantize(typ, data, x)
		b.Run(typ.String(), func(b *testing.B) {
			b.SetBytes(int64(4 * len(x)))
			for b.Loop() {
				f(typ, x, data)
			}
		})
	}
}
