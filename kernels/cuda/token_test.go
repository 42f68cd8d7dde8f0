package cuda

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"unsafe"

	"qgo/kernels/cuda/emulator"
	"qgo/kernels/plan"
	"qgo/quant"
	"qgo/quant/codec"
	"qgo/tensor"
)

// tokenGPU is a GPU that computes tokens in one launch, as one of that capability would.
func tokenGPU(t testing.TB, want, sms int) *Device {
	t.Helper()
	return tokenGPUOf(t, emulator.Options{SMs: sms, Capability: want})
}

func tokenGPUOf(t testing.TB, o emulator.Options) *Device {
	t.Helper()
	dev, want := anyGPU(t, o), o.Capability
	if capability(dev.info) < want {
		t.Skipf("%s has no compute capability %d.%d", dev.info.Name, want/10, want%10)
	}
	dev.info.Major, dev.info.Minor = want/10, want%10
	return dev
}

// TestTokenSMs says how many multiprocessors compute a token.
func TestTokenSMs(t *testing.T) {
	for _, c := range []struct{ capability, sms, want int }{
		{90, 132, 131}, {90, 64, 63}, {120, 30, 30}, {80, 108, 108}, {53, 1, 1},
	} {
		d := &Device{info: plan.DeviceInfo{Major: c.capability / 10, Minor: c.capability % 10, SMs: c.sms}}
		if got := d.tokenSMs(); got != c.want {
			t.Errorf("%d of %d multiprocessors of capability %d, want %d", got, c.sms, c.capability, c.want)
		}
	}
}

// TestToken compares logits of tokens that are computed in one launch with those of the
// CPU in exact arithmetic, for all heads, types of keys and values, and types of weights,
// with matrices of one type that lie in one piece and others, rows of more than one
// chunk, and heads of more spans than are asked for at a time.
func TestToken(t *testing.T) {
	batches := [][]sequence{
		{{1, true}, {0, false}},
		{{3, false}, {0, false}},
		{{1, true}, {0, false}},
		{{0, false}, {1, true}},
		{{60, false}, {0, false}},
		{{1, true}, {0, false}},
		{{1, true}, {0, false}},
	}
	for i, c := range []struct {
		headDim, group int
		types          []quant.Type
	}{
		{64, 7, []quant.Type{quant.Q4_0}},
		{128, 5, []quant.Type{quant.Q4_K, quant.Q6_K, quant.F32, quant.Q8_0, quant.IQ4_NL, quant.IQ4_NL, quant.Q2_K}},
		{64, 1, []quant.Type{quant.Q5_0, quant.Q3_K, quant.IQ4_XS, quant.Q8_0, quant.F16, quant.F16, quant.BF16}},
		{64, 3, []quant.Type{quant.Q5_1, quant.Q5_1, quant.Q5_1, quant.Q5_K, quant.Q4_1, quant.Q4_1, quant.F16}},
	} {
		p := shape(t, c.headDim, c.group, c.types...)
		for j, typ := range kvTypes {
			if *realGPU < 0 && i%len(kvTypes) != j {
				continue // takes long in the emulator
			}
			t.Run(fmt.Sprintf("%d heads of %d, %v", p.Heads, c.headDim, typ), func(t *testing.T) {
				want := logits(t, []plan.Stage{exact(t, p, 128, 200)}, p, typ, batches)
				sms := 4
				if p.Heads == 2 {
					sms = 12 // six spans
				}
				s := tokenStage(t, tokenGPU(t, tensorCapability, sms), p)
				bar := map[quant.Type]float64{quant.F32: 5e-6, quant.F16: 2e-4, quant.Q8_0: 4e-3}[typ]
				closeTo(t, logits(t, []plan.Stage{s}, p, typ, batches), want, bar)
			})
		}
	}
}

// TestTokenSlices has as few rows a block as large GPUs have, so that each warp multiplies
// other columns, and waits for those only: one turn of a warp, and two and a part.
func TestTokenSlices(t *testing.T) {
	const sms = 24
	p := shapeOf(t, 2272, 64, 1, quant.Q4_0)
	dev := tokenGPU(t, tensorCapability, sms)
	s := tokenStage(t, dev, p)
	if *realGPU < 0 {
		l := s.tokenLayer(0)
		for _, w := range []*weightsArgs{&l.qkv[0], &l.o, &l.down} {
			if n := dev.share(w); n > tilePairs {
				t.Errorf("%d pairs a block are not one tile", n)
			}
		}
		if l.o.length != 1 || l.down.length != 2 {
			t.Errorf("%d and %d steps a warp, want 1 and 2", l.o.length, l.down.length)
		}
	}
	batches := [][]sequence{{{1, true}}, {{1, true}}, {{5, false}}, {{1, true}}}
	want := logits(t, []plan.Stage{exact(t, p, 128, 200)}, p, quant.F32, batches)
	closeTo(t, logits(t, []plan.Stage{s}, p, quant.F32, batches), want, 5e-6)
}

// TestTokenMixes has layers whose matrices lie in one piece, and others whose do not: what warps
// make of a product stands in other places in each, where other products have left numbers.
func TestTokenMixes(t *testing.T) {
	all := quant.Q4_0
	p := shapeOf(t, 2272, 64, 1, all, all, all, all, all, all, all, all, all, quant.Q8_0, all, all, all, all, all)
	p.Blocks = append(p.Blocks, p.Blocks...)
	s := tokenStage(t, tokenGPU(t, tensorCapability, 4), p)
	for i := range s.token.all[1:] {
		if a, b := s.token.all[i].down.sums, s.token.all[i+1].down.sums; a != b {
			t.Errorf("sums of down begin at %d in layer %d and at %d in the next", a, i, b)
		}
	}
	batches := [][]sequence{{{1, true}}, {{5, false}}, {{1, true}}}
	want := logits(t, []plan.Stage{exact(t, p, 128, 200)}, p, quant.F32, batches)
	closeTo(t, logits(t, []plan.Stage{s}, p, quant.F32, batches), want, 5e-6)
}

// TestTokenPhase computes the same tokens with an odd number of layers again and again: not a
// bit may depend on which bit says that numbers are of this layer.
func TestTokenPhase(t *testing.T) {
	p := shape(t, 64, 2, quant.Q5_0)
	p.Blocks = p.Blocks[:1]
	s := tokenStage(t, tokenGPU(t, tensorCapability, 4), p)
	batches := [][]sequence{{{1, true}}}
	want := logits(t, []plan.Stage{s}, p, quant.F32, batches)
	for range 3 {
		if got := logits(t, []plan.Stage{s}, p, quant.F32, batches); !slices.Equal(got, want) {
			t.Fatal("the logits are not those of the first time")
		}
	}
}

// tokenStage is a stage with so few positions a multiprocessor that tests have more than one.
func tokenStage(t *testing.T, dev *Device, p plan.Plan) *Stage {
	t.Helper()
	return tokenStageFor(t, dev, p, plan.Options{MaxRows: 64, MaxCtx: 200, Exact: true})
}

// tokenStageFor returns one for other options.
func tokenStageFor(t *testing.T, dev *Device, p plan.Plan, o plan.Options) *Stage {
	t.Helper()
	s, err := load(p, dev, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if s.token.layers == 0 {
		t.Fatal("this plan is not for one launch")
	}
	s.token.span, s.token.unitSpan, s.token.unitsAbove = 12, 12, 0
	return s
}

// TestTokenPlaces compares logits where all weights are in shared memory when they are
// wanted, a part of them, and none: not a bit may differ, but without units for products
// of matrices. There are more layers than
// descriptions that are kept at a time.
func TestTokenPlaces(t *testing.T) {
	p := shape(t, 64, 1, quant.Q4_K, quant.Q4_K, quant.Q5_0, quant.Q8_0, quant.F16, quant.F16, quant.Q3_K)
	p.Blocks = append(p.Blocks, p.Blocks...)
	batches := [][]sequence{{{1, true}}, {{50, false}}, {{1, true}}}
	var want []float32
	for _, c := range []struct {
		name        string
		capability  int
		room        int // for weights, in bytes; 0 means as much as there is
		least, most int // bytes of weights
	}{
		{"all", tensorCapability, 0, 70 << 10, 80 << 10},
		{"a part", tensorCapability, 20 << 10, 16 << 10, 20 << 10},
		{"none", tensorCapability, 1, 0, 0},
		{"none on an older GPU", tokenCapability, 0, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			dev := tokenGPU(t, c.capability, 5)
			if c.room > 0 {
				dev.info.BlockMemory = tokenStatic + dev.blockMemoryOf(p).weights + c.room
			}
			s := tokenStage(t, dev, p)
			if n := s.token.memory.size - s.token.memory.weights; *realGPU < 0 && (n < c.least || n > c.most) {
				t.Errorf("%d bytes of weights in a block's memory; want %d to %d", n, c.least, c.most)
			}
			got := logits(t, []plan.Stage{s}, p, quant.F16, batches)
			if want == nil {
				want = got
			}
			if c.capability < tensorCapability { // other arithmetic
				closeTo(t, got, want, 1e-4)
			} else if !slices.Equal(got, want) {
				t.Error("the logits are not those of weights that are all there")
			}
		})
	}
}

// TestTokenRange has hidden states that float16 has no numbers for, large and small, and one
// with a value that is much larger than all others.
func TestTokenRange(t *testing.T) {
	batches := [][]sequence{{{1, true}}, {{1, true}}}
	for _, c := range []struct {
		name  string
		scale func(i int) float32
	}{
		{"large", func(int) float32 { return 1e12 }},
		{"small", func(int) float32 { return 1e-12 }},
		{"one large", func(i int) float32 {
			if i == 100 {
				return 1e5
			}
			return 1
		}},
		{"many zeros", func(i int) float32 { return float32(i % 40 / 39) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := shape(t, 64, 2, quant.Q4_K, quant.Q8_0, quant.F16, quant.Q6_K, quant.Q4_0, quant.Q4_0, quant.BF16)
			e := inFloats(*p.Embedding)
			x := unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(e.Data))), e.Rows*e.Cols)
			for i := range x {
				x[i] *= c.scale(i % e.Cols)
			}
			p.Embedding = &e
			want := logits(t, []plan.Stage{exact(t, p, 128, 200)}, p, quant.F32, batches)
			s := tokenStage(t, tokenGPU(t, tensorCapability, 4), p)
			closeTo(t, logits(t, []plan.Stage{s}, p, quant.F32, batches), want, 5e-6)
		})
	}
}

// TestTokenNotFinite has a hidden state with a number that is not finite: no logit of its token is a
// number that looks as if it were one.
func TestTokenNotFinite(t *testing.T) {
	const nan, inf = 0x7fffffff, 0x7f800000 // the NaN is the one that GPUs make
	for _, bits := range []uint32{nan, inf, inf | 1<<31} {
		odd := math.Float32frombits(bits)
		for _, exact := range []bool{false, true} {
			t.Run(fmt.Sprintf("%g/exact=%t", odd, exact), func(t *testing.T) {
				p := shape(t, 64, 2, quant.Q4_K, quant.Q8_0, quant.F16, quant.IQ4_NL, quant.Q8_0, quant.Q8_0, quant.Q8_0)
				e := inFloats(*p.Embedding)
				x := unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(e.Data))), e.Rows*e.Cols)
				for i := 100; i < len(x); i += e.Cols {
					x[i] = odd
				}
				p.Embedding = &e
				s := tokenStageFor(t, tokenGPU(t, tensorCapability, 4), p, plan.Options{MaxRows: 64, MaxCtx: 200, Exact: exact})
				for _, batch := range [][]sequence{{{1, true}}, {{1, true}, {1, true}}} { // the token's kernel, and those of several
					for i, v := range logits(t, []plan.Stage{s}, p, quant.F16, [][]sequence{batch}) {
						if v-v == 0 {
							t.Fatalf("%d sequences: logit %d is %g", len(batch), i, v)
						}
					}
				}
			})
		}
	}
}

// inFloats are the same numbers in float32.
func inFloats(w tensor.Tensor) tensor.Tensor {
	x := make([]float32, w.Rows*w.Cols)
	codec.Dequantize(w.Type, x, w.Data)
	w.Type, w.Data = quant.F32, bytesOf(x)
	return w
}

// TestTokenStages computes tokens of two models of different sizes in turns on one GPU: each
// launch must have the shared memory of its own stage.
func TestTokenStages(t *testing.T) {
	dev := tokenGPU(t, tensorCapability, 4)
	batches := [][]sequence{{{1, true}}, {{1, true}}}
	var stages []*Stage
	var plans []plan.Plan
	var want [][]float32
	for _, typ := range []quant.Type{quant.Q2_K, quant.F16} {
		p := shape(t, 64, 2, typ)
		s := tokenStage(t, dev, p)
		stages, plans = append(stages, s), append(plans, p)
		want = append(want, logits(t, []plan.Stage{s}, p, quant.F16, batches))
	}
	if stages[0].token.memory.size == stages[1].token.memory.size {
		t.Fatal("both stages want as much shared memory")
	}
	for range 2 {
		for i, s := range stages {
			if got := logits(t, []plan.Stage{s}, plans[i], quant.F16, batches); !slices.Equal(got, want[i]) {
				t.Errorf("stage %d computes other logits after the other", i)
			}
		}
	}
}

// TestLengthOf checks how a block's warps share the columns of its pairs on a GPU of 132
// multiprocessors, for Qwen2.5's shapes.
func TestLengthOf(t *testing.T) {
	for _, c := range []struct {
		name              string
		pairs, cols, want int
	}{
		{"QKV of 0.5B: a tile of 7 steps in one round", 5, 896, 1},
		{"gate and up of 0.5B: 5 tiles of 7 steps in one round of 15 parts", 37, 896, 3},
		{"down of 0.5B: a tile of 38 steps in one round of 13 parts", 4, 4864, 3},
		{"gate and up of 3B: 11 tiles of 16 steps, each by four warps", 84, 2048, 4},
		{"down of 3B: a tile of 86 steps in one round", 8, 11008, 6},
	} {
		if got := lengthOf(c.pairs, c.cols); got != c.want {
			t.Errorf("%s: %d steps at a time, want %d", c.name, got, c.want)
		}
	}
}
