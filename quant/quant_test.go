package quant

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/x448/float16"

	"qgo/testdata"
)

// TestBlocks compares Dequantize with values made by ggml's formulas.
func TestBlocks(t *testing.T) {
	for _, typ := range Types() {
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

func TestFloats(t *testing.T) {
	values := []float32{0, 1, -2.5, 65504, 1.0 / 3, float32(math.Inf(1)), 6e-8}
	for _, c := range []struct {
		typ  Type
		want []float32
	}{
		{F32, values},
		{F16, []float32{0, 1, -2.5, 65504, 0.33325195, float32(math.Inf(1)), 5.9604645e-08}},
		{BF16, []float32{0, 1, -2.5, 65536, 0.33398438, float32(math.Inf(1)), 6.0070306e-08}},
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
	Quantize(BF16, b, []float32{math.Float32frombits(0x7f800001)})
	if v := le.Uint16(b); v&0x7fff <= 0x7f80 {
		t.Errorf("a NaN became %#x", v)
	}
}

// TestRoundTrip quantises what was dequantised: the codes of exact multiples
// must survive, and noise must cost no more than the step allows.
func TestRoundTrip(t *testing.T) {
	// Standard deviations of the error on Gaussian weights, relative to theirs.
	limit := map[Type]float64{Q4_0: 0.095, Q4_1: 0.083, Q5_0: 0.047, Q5_1: 0.040, Q8_0: 0.006,
		Q2_K: 0.33, Q3_K: 0.18, Q4_K: 0.078, Q5_K: 0.039, Q6_K: 0.022, IQ4_NL: 0.085}
	rng := rand.New(rand.NewPCG(1, 2))
	x := make([]float32, 64*256)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	for typ, want := range limit {
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
	for _, typ := range Types() {
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

func TestByteSwap(t *testing.T) {
	for _, typ := range Types() {
		b := make([]byte, 2*typ.BlockBytes())
		for i := range b {
			b[i] = byte(i)
		}
		want := bytes.Clone(b)
		ByteSwap(typ, b)
		changed := 0
		for i := range b {
			if b[i] != want[i] {
				changed++
			}
		}
		words := map[Type]int{F32: 4, Q4_1: 4, Q5_1: 4, Q2_K: 4, Q4_K: 4, Q5_K: 4}[typ]
		if words == 0 {
			words = 2
		}
		if changed != 2*words {
			t.Errorf("%v: %d bytes moved, want %d", typ, changed, 2*words)
		}
		ByteSwap(typ, b)
		if !bytes.Equal(b, want) {
			t.Errorf("%v: swapping twice changed the block", typ)
		}
	}
}

func TestParseType(t *testing.T) {
	for _, typ := range Types() {
		got, err := ParseType(strings.ToLower(typ.String()))
		if got != typ || err != nil {
			t.Errorf("ParseType(%v) = %v, %v", typ, got, err)
		}
	}
	if _, err := ParseType("q4_z"); err == nil || !strings.Contains(err.Error(), "IQ4_NL") {
		t.Errorf("ParseType(q4_z): error %v, want one that lists the types", err)
	}
	if Type(4).Valid() || Type(1e6).Valid() {
		t.Error("unknown types are valid")
	}
}

// TestMixes compares the choice of types with what llama-quantize chose.
func TestMixes(t *testing.T) {
	text := string(testdata.Read(t, "tensor-types.txt"))
	var mix Mix
	place := Place{Tied: true}
	checked := 0
	for line := range strings.Lines(text) {
		if name, ok := strings.CutPrefix(line, "qwen2.5-"); ok {
			size, rest, _ := strings.Cut(name, "b-")
			quantisation, _, _ := strings.Cut(rest, ".gguf")
			var err error
			if mix, err = ParseMix(quantisation); err != nil {
				t.Fatal(err)
			}
			place.Blocks, place.Group = 24, 7
			if size == "1.5" {
				place.Blocks, place.Group = 28, 6
			}
			continue
		}
		list, ok := strings.CutPrefix(strings.TrimSpace(line), "by name: ")
		if !ok {
			continue
		}
		for _, entry := range strings.Split(list, "; ") {
			name, want, _ := strings.Cut(entry, ": ")
			count := map[Type]int{}
			blocks := place.Blocks
			if name == "token_embd.weight" {
				blocks = 1
			}
			for i := range blocks {
				p := place
				p.Tensor, p.Block = name, i
				p.Cols = map[int]int{24: 896, 28: 1536}[place.Blocks]
				if name == "ffn_down.weight" {
					p.Cols = map[int]int{24: 4864, 28: 8960}[place.Blocks]
				}
				count[mix.Type(p)]++
			}
			for _, w := range strings.Split(want, "+") {
				typ, n, _ := strings.Cut(w, "×")
				got, err := ParseType(typ)
				if err != nil {
					t.Fatal(err)
				}
				if fmt.Sprint(count[got]) != n {
					t.Errorf("%s, %d blocks: %d %s are %s, want %s", mix.Name, place.Blocks, count[got], name, typ, n)
				}
				checked++
			}
		}
	}
	if checked < 120 {
		t.Errorf("only %d counts compared", checked)
	}
}

func TestAllocations(t *testing.T) {
	for _, typ := range Types() {
		b, x := make([]byte, typ.RowBytes(512)), make([]float32, 512)
		if n := testing.AllocsPerRun(5, func() { Dequantize(typ, x, b); Quantize(typ, b, x) }); n != 0 {
			t.Errorf("%v: %v allocations", typ, n)
		}
	}
}

func BenchmarkDequantize(b *testing.B) { benchmark(b, Dequantize) }

func BenchmarkQuantize(b *testing.B) {
	benchmark(b, func(t Type, x []float32, data []byte) { Quantize(t, data, x) })
}

func benchmark(b *testing.B, f func(Type, []float32, []byte)) {
	x := make([]float32, 1<<18) // too many for a branch predictor to learn
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	for _, typ := range Types() {
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

// TestTypeNames demands a name for every type of ggml, those that qgo does not
// read too.
func TestTypeNames(t *testing.T) {
	for typ, want := range map[Type]string{
		Q4_0: "Q4_0", 4: "Q4_2", 9: "Q8_1", 15: "Q8_K", 16: "IQ2_XXS", 23: "IQ4_XS", 28: "F64", 29: "IQ1_M", BF16: "BF16",
		34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4", 42: "Q2_0", 43: "type number 43", 1 << 31: "type number 2147483648",
	} {
		if got := typ.String(); got != want {
			t.Errorf("type %d is called %q, want %q", uint32(typ), got, want)
		}
	}
	for typ := range Type(43) {
		if name := typ.String(); strings.HasPrefix(name, "type number") {
			t.Errorf("type %d has no name", uint32(typ))
		}
	}
}
