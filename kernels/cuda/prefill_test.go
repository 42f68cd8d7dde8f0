package cuda

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"qgo/kernels/cuda/emulator"
	"qgo/kernels/plan"
	"qgo/quant"
	"qgo/quant/codec"
)

// tensorGPU is a GPU with units for products of matrices, or nil where the one that tests
// are to use has none.
func tensorGPU(t testing.TB, sms int) *Device {
	t.Helper()
	dev := anyGPU(t, emulator.Options{SMs: sms, Capability: tensorCapability})
	if capability(dev.info) < tensorCapability {
		t.Skipf("%s has no units for products of matrices", dev.info.Name)
	}
	return dev
}

// tensorStage is a stage with buffers for prefill and without layers.
func tensorStage(t testing.TB, dev *Device, maxRows int, z sizes) *Stage {
	t.Helper()
	s := &Stage{dev: dev, memory: memory{dev: dev}, options: plan.Options{MaxRows: maxRows}}
	if err := dev.do(func() error { return s.allocHalves(z) }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dev.do(s.memory.free) })
	return s
}

// toHalves rounds to float16.
func toHalves(x []float32) []byte {
	data := make([]byte, 2*len(x))
	codec.Quantize(quant.F16, data, x)
	return data
}

func fromHalves(data []byte) []float32 {
	x := make([]float32, len(data)/2)
	codec.Dequantize(quant.F16, x, data)
	return x
}

// TestExpand rounds rows of weights of all types to float16.
func TestExpand(t *testing.T) {
	dev := tensorGPU(t, 2)
	for _, typ := range quant.Types() {
		if !typ.HasKernels() {
			continue
		}
		t.Run(typ.String(), func(t *testing.T) {
			const rows, first, n = 13, 3, 8
			cols := lens(typ)[len(lens(typ))-1]
			w := matrix(t, rand.New(rand.NewPCG(uint64(typ), 1)), typ, rows, cols)
			s := tensorStage(t, dev, 1, sizes{halves: 1, gated: 1, part: n * int64(cols)})
			got := make([]byte, 2*n*cols)
			err := dev.do(func() error {
				l, err := s.linear(planLinear(w, nil))
				if err != nil {
					return err
				}
				p := &pass{Stage: s}
				args := expandArgs{w: l.w, y: s.halves.part, first: first, rows: n}
				call(p, "expand_"+typ.String(), ceil(n*cols/groupLen, expandThreads), expandThreads, args)
				if p.err == nil {
					p.err = dev.ctx.CopyOut(got, s.halves.part)
				}
				return p.err
			})
			if err != nil {
				t.Fatal(err)
			}
			row := make([]float32, cols)
			for r := range n {
				codec.Dequantize(typ, row, w.Row(first+r))
				want := fromHalves(toHalves(row))
				values := fromHalves(got[2*r*cols:][:2*cols])
				for c, w := range want {
					if v := values[interleaved(c, cols)]; v != w {
						t.Fatalf("value %d of row %d is %g, want %g", c, first+r, v, w)
					}
				}
			}
		})
	}
}

// interleaved is where a value of a row of float16 weights stands on the GPU: see pack.go.
func interleaved(i, cols int) int {
	const piece = pieceLen / 2
	g := i / groupLen
	first := g / chunkLen * chunkLen
	n := min(chunkLen, cols/groupLen-first)
	return first*groupLen + (i%groupLen/piece*n+g-first)*piece + i%piece
}

// TestTensorMatmul multiplies float16 numbers with both kinds of tiles, and compares with
// products in float64.
func TestTensorMatmul(t *testing.T) {
	dev := tensorGPU(t, 2)
	for _, c := range []struct{ n, rows, cols int }{{1, 1, 32}, {33, 71, 64}, {64, 64, 256}, {130, 129, 96}, {129, 255, 512}} {
		for _, tile := range []tile{smallTile, largeTile} {
			t.Run(fmt.Sprintf("%s/%dx%dx%d", tile.name, c.n, c.rows, c.cols), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(uint64(c.n), uint64(c.rows)))
				s := tensorStage(t, dev, c.n, sizes{halves: int64(c.n * c.cols), gated: 1, part: int64(c.rows * c.cols)})
				x, w := toHalves(randoms(rng, c.n*c.cols)), toHalves(randoms(rng, c.rows*c.cols))
				bias, stride := randoms(rng, c.rows), c.rows+5
				scales := make([]float32, c.n)
				for i := range scales {
					scales[i] = float32(math.Ldexp(1, i%40-20))
				}
				for _, added := range []bool{false, true} {
					before := randoms(rng, c.n*stride)
					got := make([]float32, len(before))
					err := dev.do(func() error {
						args := tensorMatmulArgs{
							x: s.halves.x, scales: s.halves.scales, w: s.halves.part,
							scale: 2, n: int32(c.n), rows: int32(c.rows), cols: int32(c.cols), yStride: int32(stride),
						}
						var err error
						if added {
							args.add = 1
						} else if args.bias, err = upload(&s.memory, bias); err != nil {
							return err
						}
						if args.y, err = upload(&s.memory, before); err != nil {
							return err
						}
						p := &pass{Stage: s}
						p.copyIn(args.x, x)
						p.copyIn(args.w, w)
						p.copyIn(args.scales, bytesOf(scales))
						call(p, "tensor_"+tile.name, ceil(c.n, tile.rows)*ceil(c.rows, tile.outputs), tile.threads, args)
						if p.err == nil {
							p.err = dev.ctx.CopyOut(bytesOf(got), args.y)
						}
						return p.err
					})
					if err != nil {
						t.Fatal(err)
					}
					xs, ws := fromHalves(x), fromHalves(w)
					for i := range c.n {
						for r := range stride {
							at := i*stride + r
							want, size := float64(before[at]), 0.0
							if r < c.rows {
								sum := 0.0
								for k := range c.cols {
									v := float64(xs[i*c.cols+k]) * float64(ws[r*c.cols+k])
									sum += v
									size += math.Abs(v)
								}
								size *= 2 * float64(scales[i])
								if sum *= 2 * float64(scales[i]); added {
									want += sum
								} else {
									want = sum + float64(bias[r])
								}
							}
							if d := math.Abs(float64(got[at]) - want); !(d <= 1e-6*(size+math.Abs(want))) {
								t.Fatalf("added %v: value %d of row %d is %g, want %g", added, r, i, got[at], want)
							}
						}
					}
				}
			})
		}
	}
}

// TestPrefill compares logits after prefill in float16 with those of the CPU in exact
// arithmetic; TestStage has the bars of the other kernels. Some tiles of attention have
// rows of two sequences, some more keys than one tile.
func TestPrefill(t *testing.T) {
	dev := tensorGPU(t, 3)
	batches := [][]sequence{
		{{33, true}, {40, true}},
		{{1, true}, {1, true}},
		{{35, true}, {33, true}},
	}
	for i, c := range []struct {
		headDim, group int
		types          []quant.Type
	}{
		{64, 3, []quant.Type{quant.Q4_0, quant.Q8_0, quant.F16}},
		{128, 2, []quant.Type{quant.Q4_K, quant.Q6_K, quant.F32}},
		{64, 1, []quant.Type{quant.Q5_1}},
	} {
		p := shape(t, c.headDim, c.group, c.types...)
		for i := range p.Blocks {
			b := &p.Blocks[i]
			b.Gate.Bias, b.Up.Bias = randoms(rand.New(rand.NewPCG(1, 1)), p.FFN), randoms(rand.New(rand.NewPCG(2, 1)), p.FFN)
		}
		for j, typ := range kvTypes {
			if *realGPU < 0 && i != j {
				continue // takes long in the emulator
			}
			t.Run(fmt.Sprintf("%d heads of %d, %v", p.Heads, c.headDim, typ), func(t *testing.T) {
				want := logits(t, []plan.Stage{exact(t, p, 128, 200)}, p, typ, batches)
				s, err := load(p, dev, plan.Options{MaxRows: 128, MaxCtx: 200})
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				bar := map[quant.Type]float64{quant.F32: 1e-3, quant.F16: 1e-3, quant.Q8_0: 8e-3}[typ]
				closeTo(t, logits(t, []plan.Stage{s}, p, typ, batches), want, bar)
			})
		}
	}
}

// TestPrefillHalves checks that float16 weights are multiplied where they are as if they
// had been copied: to the bit like the same numbers in float32, which are. Rows have whole
// chunks of groups and parts of one.
func TestPrefillHalves(t *testing.T) {
	dev := tensorGPU(t, 3)
	p := shape(t, 128, 5, quant.F16)
	q := p
	q.Blocks = slices.Clone(p.Blocks)
	for i := range q.Blocks {
		for _, l := range q.Blocks[i].Linears() {
			l.W = inFloats(l.W)
		}
	}
	batches := [][]sequence{{{33, true}, {40, true}}, {{35, true}, {70, true}}}
	var all [][]float32
	for _, p := range []plan.Plan{p, q} {
		s, err := load(p, dev, plan.Options{MaxRows: 128, MaxCtx: 200})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		all = append(all, logits(t, []plan.Stage{s}, p, quant.F16, batches))
	}
	if !slices.Equal(all[0], all[1]) {
		t.Error("float16 weights and the same in float32 make different logits")
	}
}
