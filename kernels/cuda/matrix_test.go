package cuda

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"qgo/kernels/cuda/driver"
	"qgo/kernels/cuda/emulator"
	"qgo/quant"
	"qgo/tensor"
)

// open returns an emulated device and its context.
func open(t testing.TB, o emulator.Options) (*Device, *emulator.Context) {
	t.Helper()
	c := emulator.New(t, o)
	d, err := OpenContext(func() (driver.Context, error) { return c, nil })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d, c
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
	quant.Quantize(typ, data, randoms(rng, rows*cols))
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
	dev, _ := open(t, emulator.Options{})
	for _, typ := range quant.Types() {
		for _, cols := range lens(typ) {
			t.Run(fmt.Sprintf("%v/%d", typ, cols), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(uint64(typ), uint64(cols)))
				const rows = 71 // neither a tile nor a multiple of a warp's
				w := matrix(t, rng, typ, rows, cols)
				stage := &Stage{dev: dev, memory: memory{dev: dev}}
				err := dev.do(func() error {
					for _, n := range []int{1, 3, 4, 6, 9, 70} {
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
				quant.Dequantize(w.Type, row, w.Row(r))
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
		quant.Dequantize(w.Type, want, w.Row(int(token)))
		for c, v := range want {
			if g := got[i*w.Cols+c]; g != v {
				t.Fatalf("value %d of row %d is %g, want %g", c, token, g, v)
			}
		}
	}
	return p.err
}
