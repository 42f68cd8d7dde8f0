package cuda

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"qgo/kernels"
	"qgo/kernels/cpu"
	"qgo/kernels/cuda/driver"
	"qgo/kernels/cuda/emulator"
	"qgo/kernels/plan"
	"qgo/kernels/tier"
	"qgo/quant"
	"qgo/quant/codec"
)

// shape is a small model with what makes trouble: weights of many types,
// several heads on a KV head, large biases of keys.
func shape(t testing.TB, headDim, group int, types ...quant.Type) plan.Plan {
	t.Helper()
	return shapeOf(t, 256, headDim, group, types...)
}

// shapeOf is shape with so many values between gate and down.
func shapeOf(t testing.TB, ffn, headDim, group int, types ...quant.Type) plan.Plan {
	t.Helper()
	rng := rand.New(rand.NewPCG(uint64(headDim), uint64(group)))
	const kvHeads, vocab = 2, 100
	d := plan.Dims{Width: 256, FFN: ffn, Heads: kvHeads * group, KVHeads: kvHeads, HeadDim: headDim, Vocab: vocab, Eps: 1e-6}
	r := plan.Rope{Scale: 1}
	for i := range headDim / 2 {
		r.InvFreq = append(r.InvFreq, math.Pow(1e4, -2*float64(i)/float64(headDim)))
	}
	next := 0
	linear := func(rows, cols int, bias float32) plan.Linear {
		typ := types[next%len(types)]
		next++
		if cols%typ.BlockLen() != 0 {
			typ = quant.Q5_0
		}
		x := randoms(rng, rows*cols)
		for i := range x {
			x[i] /= float32(math.Sqrt(float64(cols)))
		}
		l := planLinear(matrix(t, rng, typ, rows, cols), nil)
		codec.Quantize(typ, l.W.Data, x)
		if bias > 0 {
			l.Bias = randoms(rng, rows)
			for i := range l.Bias {
				l.Bias[i] *= bias
			}
		}
		return l
	}
	norm := func() []float32 {
		x := randoms(rng, d.Width)
		for i := range x {
			x[i] = 1 + x[i]/4
		}
		return x
	}
	embedding := matrix(t, rng, types[0], vocab, d.Width)
	p := plan.Plan{Dims: d, Rope: r, Embedding: &embedding}
	for range 2 {
		p.Blocks = append(p.Blocks, plan.Block{
			AttnNorm: norm(), FFNNorm: norm(),
			Q: linear(d.QDim(), d.Width, 1), K: linear(d.KVDim(), d.Width, 8), V: linear(d.KVDim(), d.Width, 1),
			O: linear(d.Width, d.QDim(), 0), Gate: linear(ffn, d.Width, 0), Up: linear(ffn, d.Width, 0), Down: linear(d.Width, ffn, 0),
		})
	}
	p.Head = &plan.Head{Norm: norm(), W: linear(vocab, d.Width, 0).W}
	return p
}

// exact returns the plan on the CPU in exact arithmetic.
func exact(t testing.TB, p plan.Plan, maxRows, maxCtx int) *cpu.Stage {
	t.Helper()
	pool := kernels.NewPool(1, false)
	s, err := cpu.New(p, cpu.Options{Pool: pool, Tier: tier.Exact(), Workers: 1, MaxRows: maxRows, MaxCtx: maxCtx})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(); pool.Close() })
	return s
}

// sequence is a part of a batch: rows that follow those before.
type sequence struct {
	n    int
	want bool // logits of the last row
}

// logits runs batches of sequences, each the same sequences in order, through
// stages, and returns all wanted logits.
func logits(t testing.TB, stages []plan.Stage, p plan.Plan, typ quant.Type, batches [][]sequence) (all []float32) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	kvs, pos := make([][]plan.KV, len(stages)), make([]int, len(batches[0]))
	for i, s := range stages {
		for range batches[0] {
			kv, err := s.NewKV(200, typ)
			if err != nil {
				t.Fatal(err)
			}
			defer kv.Close()
			kvs[i] = append(kvs[i], kv)
		}
	}
	for _, batch := range batches {
		b := &plan.Batch{Many: !slices.ContainsFunc(batch, func(s sequence) bool { return s.n > 0 && s.n < plan.Many })}
		for _, s := range batch {
			for range s.n {
				b.Tokens = append(b.Tokens, rng.Int32N(int32(p.Vocab)))
			}
			if s.want {
				b.Outputs = append(b.Outputs, len(b.Tokens)-1)
			}
		}
		b.Hidden = make([]float32, len(b.Tokens)*p.Width)
		b.Logits = make([]float32, len(b.Outputs)*p.Vocab)
		for i, s := range stages {
			b.Spans = nil
			for j, seq := range batch {
				if seq.n > 0 {
					b.Spans = append(b.Spans, plan.Span{KV: kvs[i][j], Pos: pos[j], N: seq.n})
				}
			}
			if err := s.Run(context.Background(), b); err != nil {
				t.Fatal(err)
			}
		}
		for j, s := range batch {
			pos[j] += s.n
		}
		all = append(all, b.Logits...)
	}
	return all
}

// batches is prefill of two sequences, decode of both, of one, and prefill upon
// what is there.
var batches = [][]sequence{
	{{70, true}, {3, true}},
	{{1, true}, {1, true}},
	{{1, true}, {0, false}},
	{{5, true}, {11, true}},
	{{1, false}, {1, true}},
}

// closeTo compares logits by their relative distance.
func closeTo(t testing.TB, got, want []float32, bar float64) {
	t.Helper()
	var diff, size float64
	for i, w := range want {
		diff += math.Pow(float64(got[i])-float64(w), 2)
		size += math.Pow(float64(w), 2)
	}
	if d := math.Sqrt(diff / size); !(d <= bar) {
		t.Errorf("relative distance %.3g, want at most %.3g", d, bar)
	}
}

// TestStage compares logits with those of the CPU in exact arithmetic, for all
// heads, types of keys and values, and types of weights.
func TestStage(t *testing.T) {
	dev := anyGPU(t, emulator.Options{SMs: 3})
	for _, c := range []struct {
		headDim, group int
		types          []quant.Type
	}{
		{64, 7, []quant.Type{quant.Q4_0, quant.Q8_0, quant.F16}},
		{128, 8, []quant.Type{quant.Q4_K, quant.Q6_K, quant.F32}},
		{64, 1, []quant.Type{quant.Q5_0, quant.Q3_K, quant.IQ4_NL, quant.Q2_K}},
		{128, 3, []quant.Type{quant.BF16, quant.Q5_1, quant.Q4_1, quant.Q5_K}},
	} {
		if testing.Short() && *realGPU < 0 && c.group != 7 {
			continue // takes long in the emulator
		}
		p := shape(t, c.headDim, c.group, c.types...)
		o := plan.Options{MaxRows: 128, MaxCtx: 200, Exact: true}
		for _, typ := range kvTypes {
			t.Run(fmt.Sprintf("%d heads of %d, %v", p.Heads, c.headDim, typ), func(t *testing.T) {
				want := logits(t, []plan.Stage{exact(t, p, 128, 200)}, p, typ, batches)
				s, err := load(p, dev, o)
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				// Values that fall between two steps of a KV cache may be
				// rounded either way.
				bar := map[quant.Type]float64{quant.F32: 5e-6, quant.F16: 2e-4, quant.Q8_0: 4e-3}[typ]
				closeTo(t, logits(t, []plan.Stage{s}, p, typ, batches), want, bar)
			})
		}
	}
}

// TestSplits cuts a plan in two at every place, on two devices.
func TestSplits(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long in the emulator")
	}
	dev, context := emulated(t, emulator.Options{})
	p := shape(t, 64, 2, quant.Q8_0, quant.F16)
	want := logits(t, []plan.Stage{exact(t, p, 128, 200)}, p, quant.F32, batches)
	before := context.Used()
	for first := range len(p.Blocks) + 3 {
		for _, gpuFirst := range []bool{false, true} {
			front, back := p.Cut(first)
			var stages []plan.Stage
			for i, part := range []plan.Plan{front, back} {
				if part.Layers() == 0 {
					continue
				}
				if (i == 0) == gpuFirst {
					s, err := load(part, dev, plan.Options{MaxRows: 128, MaxCtx: 200, Exact: true})
					if err != nil {
						t.Fatal(err)
					}
					stages = append(stages, s)
					defer s.Close()
				} else {
					stages = append(stages, exact(t, part, 128, 200))
				}
			}
			t.Run(fmt.Sprintf("%d layers, GPU first %v", first, gpuFirst), func(t *testing.T) {
				closeTo(t, logits(t, stages, p, quant.F32, batches), want, 5e-6)
			})
			for _, s := range stages {
				s.Close()
			}
			if used := context.Used(); used != before {
				t.Fatalf("%d bytes on the device are not freed", used-before)
			}
		}
	}
}

// TestBytes compares what Bytes and KVBytes announce with what is allocated.
func TestBytes(t *testing.T) {
	dev, context := emulated(t, emulator.Options{})
	p := shape(t, 64, 2, quant.Q8_0, quant.Q4_K)
	p.Head.W = *p.Embedding
	o := plan.Options{MaxRows: 64, MaxCtx: 100}
	s, err := load(p, dev, o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	used, want := context.Used(), dev.Bytes(p, o)-kvBytes(p.Dims, len(p.Blocks), o.MaxCtx, o.KV)
	if used > want || float64(used) < 0.98*float64(want) {
		t.Errorf("%d bytes are in use, %d were announced", used, want)
	}
	kv, err := s.NewKV(100, quant.Q8_0)
	if err != nil {
		t.Fatal(err)
	}
	if got := context.Used() - used; got < kv.Bytes() || got > kv.Bytes()+align {
		t.Errorf("a KV cache takes %d bytes, %d were announced", got, kv.Bytes())
	}
	kv.Close()
	if context.Used() != used {
		t.Error("a KV cache is not freed")
	}
}

// TestNoMemory fails at every allocation in turn.
func TestNoMemory(t *testing.T) {
	p := shape(t, 64, 2, quant.Q8_0)
	o := plan.Options{MaxRows: 16, MaxCtx: 100}
	var old Device
	need := old.stageBytes(p, o)
	for _, share := range []int64{0, 10, 50, 90} {
		dev, context := emulated(t, emulator.Options{Memory: max(1, need*share/100)})
		_, err := load(p, dev, o)
		var failed *driver.Error
		if !errors.As(err, &failed) || failed.Call != "cuMemAlloc" || !strings.Contains(err.Error(), "OutOfMemory") {
			t.Fatalf("with %d %% of the memory: %v", share, err)
		}
		if context.Used() != 0 {
			t.Errorf("with %d %% of the memory, %d bytes are not freed", share, context.Used())
		}
	}
}

// TestErrors makes calls that must fail.
func TestErrors(t *testing.T) {
	dev, _ := emulated(t, emulator.Options{})
	p := shape(t, 64, 2, quant.Q8_0)
	for change, want := range map[string]string{
		"head of 96": "heads of 96 values", "9 heads on one": "9 heads on 1 key heads",
		"bias": "the model has biases where results are added to the residual stream, which the kernels do not know",
	} {
		q := p
		q.Blocks = slices.Clone(p.Blocks)
		switch change {
		case "head of 96":
			q.HeadDim = 96
		case "bias":
			q.Blocks[0].Down.Bias = make([]float32, q.Width)
		default:
			q.Heads, q.KVHeads = 9, 1
		}
		if _, err := load(q, dev, plan.Options{MaxRows: 8, MaxCtx: 8}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", change, err)
		}
	}
	s, err := load(p, dev, plan.Options{MaxRows: 8, MaxCtx: 8})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.NewKV(9, quant.F16); err == nil {
		t.Error("a KV cache longer than the stage was made for")
	}
	if _, err := s.NewKV(8, quant.Q4_0); err == nil {
		t.Error("a KV cache of type q4_0")
	}
	kv, err := s.NewKV(8, quant.F16)
	if err != nil {
		t.Fatal(err)
	}
	defer kv.Close()
	for _, span := range []plan.Span{{KV: kv, Pos: 5, N: 4}, {KV: kv, Pos: -1, N: 1}, {KV: nil, N: 1}, {KV: kv, N: 0}} {
		if err := s.Run(context.Background(), &plan.Batch{Spans: []plan.Span{span}, Tokens: make([]int32, 8)}); err == nil {
			t.Errorf("a batch of %+v was computed", span)
		}
	}
	ended, cancel := context.WithCancelCause(context.Background())
	cause := errors.New("enough")
	cancel(cause)
	b := &plan.Batch{Spans: []plan.Span{{KV: kv, N: 1}}, Tokens: []int32{1}}
	if err := s.Run(ended, b); !errors.Is(err, cause) {
		t.Errorf("a run that was ended: %v", err)
	}
	if err := s.Run(context.Background(), b); err != nil {
		t.Errorf("the run after it: %v", err)
	}
}

// TestLost loses the device while it computes.
func TestLost(t *testing.T) {
	dev, _ := emulated(t, emulator.Options{FailLaunch: 7})
	p := shape(t, 64, 2, quant.Q8_0)
	s, err := load(p, dev, plan.Options{MaxRows: 8, MaxCtx: 8})
	if err != nil {
		t.Fatal(err)
	}
	kv, err := s.NewKV(8, quant.F16)
	if err != nil {
		t.Fatal(err)
	}
	b := &plan.Batch{Spans: []plan.Span{{KV: kv, N: 1}}, Tokens: []int32{1}}
	var failed *driver.Error
	if err := s.Run(context.Background(), b); !errors.As(err, &failed) || failed.Call != "cuLaunchKernel" {
		t.Fatalf("a lost device: %v", err)
	}
	if err := dev.Close(); err != nil {
		t.Logf("closing: %v", err)
	}
	if err := s.Run(context.Background(), b); !errors.Is(err, errClosed) {
		t.Errorf("a closed device: %v", err)
	}
}

// TestStop ends loading at each piece of weights in turn.
func TestStop(t *testing.T) {
	p := shape(t, 64, 2, quant.Q8_0)
	pieces := 0
	count := plan.Options{MaxRows: 16, MaxCtx: 100, Stop: func() error { pieces++; return nil }}
	dev, context := emulated(t, emulator.Options{})
	s, err := load(p, dev, count)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if want := 7*len(p.Blocks) + 2; pieces < want {
		t.Fatalf("stop is asked %d times, want %d at least: once for each matrix", pieces, want)
	}
	stopped := errors.New("stopped")
	for after := range pieces {
		o := count
		o.Stop = func() error {
			if after--; after < 0 {
				return stopped
			}
			return nil
		}
		if _, err := load(p, dev, o); !errors.Is(err, stopped) {
			t.Fatalf("error %v, want %v", err, stopped)
		}
		if context.Used() != 0 {
			t.Errorf("%d bytes are not freed", context.Used())
		}
	}
}
