package panel_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"qgo/kernels/panel"
	"qgo/kernels/panel/paneltest"
	"qgo/kernels/tier"
	"qgo/kernels/tier/tiertest"
	"qgo/quant"
	"qgo/quant/codec"
	"qgo/tensor"
)

// each runs f for the layouts of this machine's tiers, and the plain Go that defines
// their bits. Plain Go has no layout.
func each(t *testing.T, f func(t *testing.T, l panel.Layout, plain *tier.Tier)) {
	tiertest.ForAll(t, func(t *testing.T, tier *tier.Tier) {
		if tier.Panels != nil {
			f(t, tier.Panels, tier.Plain())
		}
	})
}

// bench does so for benchmarks.
func bench(b *testing.B, f func(b *testing.B, l panel.Layout, plain *tier.Tier)) {
	for _, tier := range tier.All() {
		if tier.Panels != nil {
			b.Run(tier.Name, func(b *testing.B) { f(b, tier.Panels, tier.Plain()) })
		}
	}
}

// weights returns a matrix whose scales have any size and sign.
func weights(rng *rand.Rand, t quant.Type, rows, cols int) tensor.Tensor {
	return paneltest.Weights(rng, t, rows, cols, func() float32 { return float32(rng.NormFloat64()) * 0.01 })
}

func TestMatMul(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	each(t, func(t *testing.T, l panel.Layout, plain *tier.Tier) {
		for _, typ := range quant.Types() {
			if !l.Fits(typ, 256) || !typ.Integer() {
				continue
			}
			t.Run(typ.String(), func(t *testing.T) {
				block := max(32, typ.BlockLen())
				for _, c := range []struct {
					rows, cols int
					inputs     []int
				}{
					{16, block, []int{1, 2, 3, 7, 16, 31}},
					{33, 3 * block, []int{1, 2, 3, 7, 16, 31}},
					{80, 5 * block, []int{1, 2, 3, 7, 16, 31}},
					{17, (19*32 + block - 1) / block * block, []int{6, 96}}, // more than two eights of tiles
					{20 * panel.Rows, 4 * 256, []int{3, 4, 13}},             // more panels than a call has
				} {
					w := weights(rng, typ, c.rows, c.cols)
					m := paneltest.Pack(l, w)
					for _, n := range c.inputs {
						for _, x := range random(rng, plain, n, c.cols) {
							compare(t, "random codes", l, plain, w, m, x)
						}
					}
				}
			})
		}
	})
}

// TestStreams multiplies matrices that are read as one stream and as several, with tiles and
// panels that do not divide evenly.
func TestStreams(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	tested := 0
	each(t, func(t *testing.T, l panel.Layout, plain *tier.Tier) {
		kernels, has := l.(*panel.Streamed)
		if !has || strings.Contains(t.Name(), "avx512") { // whose kernels for integers have one stream
			return
		}
		tested++
		for _, typ := range quant.Types() {
			if !typ.Integer() || !l.Fits(typ, 256) {
				continue
			}
			t.Run(typ.String(), func(t *testing.T) {
				w := weights(rng, typ, 15*panel.Rows+5, (31*32+typ.BlockLen()-1)/typ.BlockLen()*typ.BlockLen())
				m := paneltest.Pack(l, w)
				for streams := 1; streams <= panel.MostStreams; streams++ {
					if least := streams * panel.ShortStream; len(m.Data) < least {
						t.Fatalf("%d bytes are not enough for %d streams", len(m.Data), streams)
					}
					l := *kernels
					l.Streams = streams
					for _, x := range random(rng, plain, 1, w.Cols) {
						compare(t, fmt.Sprintf("%d streams", streams), &l, plain, w, m, x)
					}
				}
			})
		}
	})
	if tested == 0 && runtime.GOARCH == "amd64" && len(tier.All()) > 1 {
		t.Error("no kernels have streams")
	}
}

// TestFloatStreams compares products of floating-point weights that are read as several streams
// with those of one stream: they are the same to the bit.
func TestFloatStreams(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 14))
	each(t, func(t *testing.T, l panel.Layout, _ *tier.Tier) {
		streamed, has := l.(*panel.Streamed)
		if !has {
			return
		}
		most := streamed.FloatStreams
		if strings.Contains(t.Name(), "avx512") {
			most = 4 // most CPUs are given fewer
		}
		for _, typ := range []quant.Type{quant.F32, quant.F16, quant.BF16} {
			for _, cols := range []int{5, 512, 1027} {
				const rows = 15*panel.Rows + 5
				w := tensor.Tensor{Type: typ, Rows: rows, Cols: cols, Data: make([]byte, rows*typ.RowBytes(cols))}
				values := make([]float32, rows*cols)
				for i := range values {
					values[i] = float32(rng.NormFloat64())
				}
				codec.Quantize(typ, w.Data, values)
				m := paneltest.Pack(l, w)
				for n := 1; n <= 3; n++ {
					x := misaligned(n, cols)
					for i := range x.F {
						x.F[i] = float32(rng.NormFloat64())
					}
					products := func(l panel.Layout) []float32 {
						y := make([]float32, n*rows)
						l.NewMultiplier(n).MatMul(y, rows, m, 0, rows, x)
						return y
					}
					several, one := *streamed, products(&streamed.Kernels)
					for several.FloatStreams = 2; several.FloatStreams <= most; several.FloatStreams++ {
						if !slices.Equal(products(&several), one) {
							t.Errorf("%v, %d columns, %d rows: %d streams give other products than one", typ, cols, n, several.FloatStreams)
						}
					}
				}
			}
		}
	})
}

// TestFloats compares the kernels for floating-point weights with float64
// arithmetic: the order of their sums is their own.
func TestFloats(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	each(t, func(t *testing.T, l panel.Layout, _ *tier.Tier) {
		for _, typ := range []quant.Type{quant.F32, quant.F16, quant.BF16} {
			if !l.Fits(typ, 256) {
				continue
			}
			t.Run(typ.String(), func(t *testing.T) {
				for _, cols := range []int{1, 2, 3, 4, 5, 31, 255, 256, 257, 896, 1027} {
					const rows = 37
					w := tensor.Tensor{Type: typ, Rows: rows, Cols: cols, Data: make([]byte, rows*typ.RowBytes(cols))}
					x := make([]float32, rows*cols)
					for i := range x {
						x[i] = float32(rng.NormFloat64())
					}
					codec.Quantize(typ, w.Data, x)
					weights, m := w.Floats(), paneltest.Pack(l, w)
					for _, n := range []int{1, 2, 3, 7, 16, 31} {
						x := tensor.NewActs(n, cols)
						for i := range x.F {
							x.F[i] = float32(rng.NormFloat64())
						}
						got := make([]float32, n*rows+1)
						got[n*rows] = 42
						l.NewMultiplier(x.N).MatMul(got, rows, m, 0, rows, x)
						for i := range n {
							for r := range rows {
								want, size := 0.0, 0.0
								for j, v := range x.Row(i) {
									p := float64(v) * float64(weights[r*cols+j])
									want, size = want+p, size+math.Abs(p)
								}
								if diff := math.Abs(want - float64(got[i*rows+r])); diff > 1e-6*size {
									t.Fatalf("%d columns, %d inputs: result %d of input %d is %g, want %g", cols, n, r, i, got[i*rows+r], want)
								}
							}
						}
						if got[n*rows] != 42 {
							t.Fatalf("%d columns, %d inputs: wrote past the end", cols, n)
						}
					}
				}
			})
		}
	})
}

func BenchmarkMatMul(b *testing.B) {
	rng := rand.New(rand.NewPCG(5, 6))
	bench(b, func(b *testing.B, l panel.Layout, plain *tier.Tier) {
		for _, typ := range quant.Types() {
			if !l.Fits(typ, 256) {
				continue
			}
			const rows, cols = 128, 1024
			w := tensor.Tensor{Type: typ, Rows: rows, Cols: cols, Data: make([]byte, rows*typ.RowBytes(cols))}
			if typ.Integer() {
				w = weights(rng, typ, rows, cols)
			}
			m := paneltest.Pack(l, w)
			for _, n := range []int{1, 2, 4, 8, 16, 128} {
				dst, mul := make([]float32, n*rows), l.NewMultiplier(n)
				for form, x := range random(rng, plain, n, cols) {
					if form > 0 && !typ.Integer() {
						continue
					}
					b.Run(fmt.Sprintf("%v/n=%d%s", typ, n, []string{"", "/words"}[form]), func(b *testing.B) {
						b.SetBytes(int64(len(m.Data)))
						for b.Loop() {
							mul.MatMul(dst, rows, m, 0, rows, x)
						}
						b.ReportMetric(2*rows*cols*float64(n)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GOP/s")
					})
				}
			}
		}
	})
}

// BenchmarkMemory multiplies a matrix that no cache holds with few rows.
func BenchmarkMemory(b *testing.B) {
	rng := rand.New(rand.NewPCG(7, 8))
	bench(b, func(b *testing.B, l panel.Layout, plain *tier.Tier) {
		for _, typ := range []quant.Type{quant.Q4_0, quant.Q8_0, quant.Q6_K, quant.F16} {
			const rows, cols = 1 << 17, 1024
			w := tensor.Tensor{Type: typ, Rows: Rows, Cols: cols, Data: make([]byte, Rows*typ.RowBytes(cols))}
			if typ.Integer() {
				w = weights(rng, typ, Rows, cols)
			}
			m := paneltest.Pack(l, w)
			m.Rows, m.Data = rows, bigData(m.Data, rows/Rows)
			for _, n := range []int{1, 2, 3, 5, 16} {
				x := tensor.NewActs(n, cols)
				for i := range n {
					plain.Quantize(x.Row(i), x.QuantRow(i))
				}
				dst, mul := make([]float32, n*rows), l.NewMultiplier(x.N)
				b.Run(fmt.Sprintf("%v/n=%d", typ, n), func(b *testing.B) {
					b.SetBytes(int64(len(m.Data)))
					for b.Loop() {
						mul.MatMul(dst, rows, m, 0, rows, x)
					}
				})
			}
		}
	})
}

const Rows = panel.Rows

// bigData repeats a panel in memory with huge pages.
func bigData(one []byte, n int) []byte {
	arena, err := tensor.NewArena(tensor.ArenaBytes(n * len(one)))
	if err != nil {
		panic(err)
	}
	data := arena.Alloc(n * len(one))
	for i := range n {
		copy(data[i*len(one):], one)
	}
	return data
}

func BenchmarkPack(b *testing.B) {
	rng := rand.New(rand.NewPCG(9, 10))
	bench(b, func(b *testing.B, l panel.Layout, _ *tier.Tier) {
		for _, typ := range quant.Types() {
			const rows, cols = 256, 1024
			if !l.Fits(typ, cols) {
				continue
			}
			w := tensor.Tensor{Type: typ, Rows: rows, Cols: cols, Data: make([]byte, rows*typ.RowBytes(cols))}
			if typ.Integer() {
				w = weights(rng, typ, rows, cols)
			}
			m, p := paneltest.Pack(l, w), l.NewPacker(cols)
			b.Run(typ.String(), func(b *testing.B) {
				b.SetBytes(int64(len(w.Data)))
				for b.Loop() {
					p.Pack(m, w, 0, m.Panels())
				}
			})
		}
	})
}
