package cuda

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"qgo/kernels/cuda/driver"
	"qgo/kernels/cuda/emulator"
	"qgo/quant"
	"qgo/quant/codec"
	"qgo/tensor"
)

// realGPU makes tests that can run on a GPU do so, instead of in the emulator.
var realGPU = flag.Int("gpu", -1, "number of the GPU to test")

// emulated returns an emulated device and its context.
func emulated(t testing.TB, o emulator.Options) (*Device, *emulator.Context) {
	t.Helper()
	if *realGPU >= 0 {
		t.Skip("this test needs an emulated GPU")
	}
	c := emulator.New(t, o)
	return device(t, func() (driver.Context, error) { return c, nil }), c
}

func anyGPU(t testing.TB, o emulator.Options) *Device {
	t.Helper()
	if *realGPU >= 0 {
		return device(t, func() (driver.Context, error) { return driver.Open(*realGPU) })
	}
	d, _ := emulated(t, o)
	return d
}

func device(t testing.TB, open func() (driver.Context, error)) *Device {
	t.Helper()
	d, err := OpenContext(open)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func randoms(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

func matrix(t testing.TB, rng *rand.Rand, typ quant.Type, rows, cols int) tensor.Tensor {
	t.Helper()
	data := make([]byte, rows*typ.RowBytes(cols))
	codec.Quantize(typ, data, randoms(rng, rows*cols))
	w, err := tensor.New(typ, rows, cols, data)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// lens are lengths of rows with less than a chunk of groups, whole chunks and a
// rest.
func lens(typ quant.Type) []int {
	if typ.BlockLen() == 256 {
		return []int{256, 1024, 1280}
	}
	return []int{32, 896, 1024, 1120}
}

// TestMatrices multiplies weights of every type with batches of every kernel,
// and looks rows up.
func TestMatrices(t *testing.T) {
	dev := anyGPU(t, emulator.Options{})
	for _, typ := range quant.Types() {
		if !typ.HasKernels() {
			continue
		}
		for _, cols := range lens(typ) {
			if testing.Short() && *realGPU < 0 && typ != quant.Q5_K {
				continue // takes long in the emulator
			}
			t.Run(fmt.Sprintf("%v/%d", typ, cols), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(uint64(typ), uint64(cols)))
				const rows = 71 // neither a tile nor a multiple of a warp's
				w := matrix(t, rng, typ, rows, cols)
				stage := &Stage{dev: dev, memory: memory{dev: dev}}
				err := dev.do(func() error {
					for _, n := range []int{1, 3, 4, 6, 9, 25, 70} {
						if err := multiplied(t, stage, rng, w, n); err != nil {
							return err
						}
					}
					return lookedUp(t, stage, w)
				})
				if err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}

// multiplied compares products with those in float64.
func multiplied(t *testing.T, s *Stage, rng *rand.Rand, w tensor.Tensor, n int) error {
	defer s.memory.free()
	bias := randoms(rng, w.Rows)
	l, err := s.linear(planLinear(w, bias))
	if err != nil {
		return err
	}
	// Rows of x and y are further apart than they are long.
	xs, ys := w.Cols+32, w.Rows+5
	x, y := randoms(rng, n*xs), randoms(rng, n*ys)
	px, err := upload(&s.memory, x)
	if err != nil {
		return err
	}
	for _, add := range []bool{false, true} {
		py, err := upload(&s.memory, y)
		if err != nil {
			return err
		}
		p := &pass{Stage: s}
		p.multiply(&l, px, xs, py, ys, n, add)
		got := make([]float32, n*ys)
		if p.err == nil {
			p.err = s.dev.ctx.CopyOut(bytesOf(got), py)
		}
		if p.err != nil {
			return p.err
		}
		row := make([]float32, w.Cols)
		for r := range ys {
			if r < w.Rows {
				codec.Dequantize(w.Type, row, w.Row(r))
			}
			for i := range n {
				before := float64(y[i*ys+r])
				if r >= w.Rows {
					if got[i*ys+r] != y[i*ys+r] {
						t.Fatalf("n %d: a value beyond row %d of y was written", n, i)
					}
					continue
				}
				want, size := float64(bias[r]), 1.0
				if add {
					want += before
				}
				for c, v := range row {
					p := float64(v) * float64(x[i*xs+c])
					want += p
					size += math.Abs(p)
				}
				if d := math.Abs(float64(got[i*ys+r]) - want); !(d <= 1e-6*size) {
					t.Fatalf("n %d, add %v: product %d of row %d is %g, want %g", n, add, r, i, got[i*ys+r], want)
				}
			}
		}
	}
	return nil
}

// BenchmarkMatrices reports the bytes of weights read a second in decode, and
// the rate of prefill, for a large matrix and for one of Qwen2.5-0.5B.
func BenchmarkMatrices(b *testing.B) {
	if *realGPU < 0 {
		b.Skip("needs a GPU: -gpu 0")
	}
	dev := anyGPU(b, emulator.Options{})
	rng := rand.New(rand.NewPCG(1, 2))
	for _, typ := range quant.Types() {
		if !typ.HasKernels() {
			continue
		}
		for _, rows := range []int{896, 75776} {
			cols := 1024
			one := matrix(b, rng, typ, 64, cols)
			w := tensor.Tensor{Type: typ, Rows: rows, Cols: cols, Data: bytes.Repeat(one.Data, rows/64)}
			for _, n := range []int{1, 4, 512} {
				b.Run(fmt.Sprintf("%v/%dx%d/n=%d", typ, rows, cols, n), func(b *testing.B) {
					if n*rows > 1<<25 {
						b.Skip("takes long and tells nothing new")
					}
					benchMatrix(b, dev, w, n)
				})
			}
		}
	}
}

func benchMatrix(b *testing.B, dev *Device, w tensor.Tensor, n int) {
	s := &Stage{dev: dev, memory: memory{dev: dev}}
	err := dev.do(func() error {
		defer s.memory.free()
		l, err := s.linear(planLinear(w, nil))
		if err != nil {
			return err
		}
		x, err := upload(&s.memory, make([]float32, n*w.Cols))
		if err != nil {
			return err
		}
		y, err := s.memory.alloc(int64(4 * n * w.Rows))
		if err != nil {
			return err
		}
		p := &pass{Stage: s}
		for b.Loop() {
			// As many as hide the launch and the wait at the end.
			for range 20 {
				p.multiply(&l, x, w.Cols, y, w.Rows, n, false)
			}
			if p.err == nil {
				p.err = dev.ctx.Sync()
			}
		}
		return p.err
	})
	if err != nil {
		b.Fatal(err)
	}
	seconds := b.Elapsed().Seconds() / float64(20*b.N)
	b.ReportMetric(float64(len(w.Data))/seconds/1e9, "GB/s")
	b.ReportMetric(2*float64(w.Rows)*float64(w.Cols)*float64(n)/seconds/1e12, "TFLOP/s")
	b.ReportMetric(seconds*1e6, "µs")
}

// lookedUp compares rows of an embedding to the last bit.
func lookedUp(t *testing.T, s *Stage, w tensor.Tensor) error {
	defer s.memory.free()
	l, err := s.linear(planLinear(w, nil))
	if err != nil {
		return err
	}
	tokens := []int32{0, int32(w.Rows - 1), 5}
	pt, err := upload(&s.memory, tokens)
	if err != nil {
		return err
	}
	got := make([]float32, len(tokens)*w.Cols)
	py, err := upload(&s.memory, got)
	if err != nil {
		return err
	}
	p := &pass{Stage: s}
	call(p, "embed_"+w.Type.String(), len(tokens), vectorThreads, embedArgs{l.w, pt, py})
	if p.err == nil {
		p.err = s.dev.ctx.CopyOut(bytesOf(got), py)
	}
	want := make([]float32, w.Cols)
	for i, token := range tokens {
		codec.Dequantize(w.Type, want, w.Row(int(token)))
		for c, v := range want {
			if g := got[i*w.Cols+c]; g != v {
				t.Fatalf("value %d of row %d is %g, want %g", c, token, g, v)
			}
		}
	}
	return p.err
}
