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

// TestTensorMatmul multiplies float16 numbers with all kinds of tiles, and compares with
// products in float64.
func TestTensorMatmul(t *testing.T) {
	dev := tensorGPU(t, 2)
	for _, c := range []struct{ n, rows, cols int }{{1, 1, 32}, {33, 71, 64}, {64, 64, 256}, {130, 129, 96}, {129, 255, 352}} {
		for _, tile := range tiles {
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
						call(p, "tensor_"+tile.name, tile.blocks(c.n, c.rows), tile.threads, args)
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

// TestGated multiplies with gates and ups with all kinds of tiles, those that are one matrix in
// turns of eight rows and those that are two, and compares with SwiGLU in float64.
func TestGated(t *testing.T) {
	dev := tensorGPU(t, 2)
	const n, ffn, cols = 35, 96, 96
	rng := rand.New(rand.NewPCG(3, 4))
	x, w, ups := toHalves(randoms(rng, n*cols)), toHalves(randoms(rng, ffn*cols)), toHalves(randoms(rng, ffn*cols))
	bias, upBias := randoms(rng, ffn), randoms(rng, ffn)
	var turns []byte // eight rows of each
	for r := 0; r < ffn; r += spread {
		turns = append(append(turns, w[2*r*cols:2*(r+spread)*cols]...), ups[2*r*cols:2*(r+spread)*cols]...)
	}
	xs, gates, upper := fromHalves(x), fromHalves(w), fromHalves(ups)
	for _, tile := range tiles {
		for _, apart := range []bool{false, true} {
			s := tensorStage(t, dev, n, sizes{halves: n * cols, gated: n * ffn, part: 2 * ffn * cols})
			got := make([]byte, 2*n*ffn)
			err := dev.do(func() (err error) {
				args := tensorMatmulArgs{x: s.halves.x, w: s.halves.part, y: s.halves.gated, scale: 1, n: n, rows: 2 * ffn, cols: cols, yStride: ffn}
				if args.bias, err = upload(&s.memory, bias); err != nil {
					return err
				}
				if args.ups, err = upload(&s.memory, upBias); err != nil {
					return err
				}
				p := &pass{Stage: s}
				p.copyIn(args.x, x)
				if apart {
					args.wUps = args.w + 2*ffn*cols
					p.copyIn(args.w, w)
					p.copyIn(args.wUps, ups)
				} else {
					p.copyIn(args.w, turns)
				}
				call(p, "gated_"+tile.name, tile.blocks(n, 2*ffn), tile.threads, args)
				p.copyOut(got, s.halves.gated)
				return p.err
			})
			if err != nil {
				t.Fatal(err)
			}
			for i := range n {
				values := fromHalves(got[2*i*ffn:][:2*ffn])
				for r := range ffn {
					gate, up := float64(bias[r]), float64(upBias[r])
					for k := range cols {
						gate += float64(xs[i*cols+k]) * float64(gates[r*cols+k])
						up += float64(xs[i*cols+k]) * float64(upper[r*cols+k])
					}
					want := gate / (1 + math.Exp(-gate)) * up * gated
					if v := float64(values[interleaved(r, ffn)]); !(math.Abs(v-want) <= 1e-3*math.Abs(want)+1e-5) {
						t.Fatalf("%s, two matrices %v: value %d of row %d is %g, want %g", tile.name, apart, r, i, v, want)
					}
				}
			}
		}
	}
}

// TestTileOf wants the tiles that were the fastest of an H200, and of a GPU with less memory for
// its blocks.
func TestTileOf(t *testing.T) {
	h200, small := plan.DeviceInfo{SMs: 132, BlockMemory: 227 << 10}, plan.DeviceInfo{SMs: 28, BlockMemory: 99 << 10}
	for _, c := range []struct {
		n, rows, cols int
		gpu           plan.DeviceInfo
		want          string
	}{
		{512, 9728, 896, h200, "64x128"},
		{512, 896, 4864, h200, "64x64by4"},
		{2048, 896, 4864, h200, "64x128"},
		{512, 8192, 1536, h200, "128x128"},
		{512, 2048, 2048, h200, "64x64by2"},
		{2048, 2048, 2048, h200, "128x128"},
		{2048, 2048, 11008, h200, "128x128"},
		{512, 8192, 1536, small, "64x128"},
	} {
		if got := tileOf(c.n, c.rows, c.cols, c.gpu); got.name != c.want {
			t.Errorf("%d rows of %d by %d on %d multiprocessors: tiles of %s, want %s", c.n, c.cols, c.rows, c.gpu.SMs, got.name, c.want)
		}
	}
}

// BenchmarkTensorMatmul multiplies with each kind of tile, shapes of 0.5B, 1.5B and 3B.
func BenchmarkTensorMatmul(b *testing.B) {
	if *realGPU < 0 {
		b.Skip("needs a GPU: -gpu 0")
	}
	dev := tensorGPU(b, 0)
	for _, shape := range []struct{ rows, cols int }{{9728, 896}, {896, 4864}, {8192, 1536}, {1536, 8960}, {6144, 2048}, {2048, 2048}, {2048, 11008}} {
		for _, n := range []int{512, 2048} {
			s := tensorStage(b, dev, n, sizes{halves: int64(n * shape.cols), gated: 1, part: int64(shape.rows * shape.cols)})
			args := tensorMatmulArgs{
				x: s.halves.x, w: s.halves.part,
				scale: 1, n: int32(n), rows: int32(shape.rows), cols: int32(shape.cols), yStride: int32(shape.rows),
			}
			err := dev.do(func() (err error) {
				args.y, err = s.memory.alloc(int64(4 * n * shape.rows))
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
			for _, tile := range tiles {
				b.Run(fmt.Sprintf("%dx%d/n=%d/%s", shape.rows, shape.cols, n, tile.name), func(b *testing.B) {
					const together = 32
					for b.Loop() {
						err := dev.do(func() error {
							p := &pass{Stage: s}
							for range together {
								call(p, "tensor_"+tile.name, tile.blocks(n, shape.rows), tile.threads, args)
							}
							p.sync()
							return p.err
						})
						if err != nil {
							b.Fatal(err)
						}
					}
					operations := 2 * float64(n) * float64(shape.rows) * float64(shape.cols) * together
					b.ReportMetric(operations*float64(b.N)/b.Elapsed().Seconds()/1e12, "TFLOP/s")
				})
			}
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
