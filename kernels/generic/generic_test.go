package generic

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"qgo/quant"
	"qgo/quant/codec"
	"qgo/tensor"
	"qgo/testdata"
)

func randoms(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

func TestQuantizeActivations(t *testing.T) {
	quantizeActivations(t, 16, Quantize)
	quantizeActivations(t, 32, Quantize32)
}

// quantizeActivations quantises in groups of so many.
func quantizeActivations(t *testing.T, group int, f func(x []float32, dst []tensor.Block)) {
	rng := rand.New(rand.NewPCG(1, 2))
	x := randoms(rng, 64)
	clear(x[16:32])
	x[32] = 1e10
	var q [64]int8
	var d, sums [4]float32
	var s [4]int32
	quantize := func() {
		var blocks [2]tensor.Block
		f(x, blocks[:])
		for i, b := range blocks {
			copy(q[32*i:], b.Q[:])
			copy(d[2*i:], b.D[:])
			copy(s[2*i:], b.Start[:])
			copy(sums[2*i:], b.Sum[:])
		}
	}
	quantize()
	for g := range d {
		var sum int
		var top, xq, qq float64
		for _, q := range q[g*16:][:16] {
			sum += int(q)
		}
		for i := range x {
			if i/group != g*16/group {
				continue
			}
			top = max(top, math.Abs(float64(x[i])))
			xq += float64(x[i]) * float64(q[i])
			qq += float64(q[i]) * float64(q[i])
		}
		for i := g * 16; i < g*16+16; i++ {
			if diff := math.Abs(float64(x[i]) - float64(q[i])*float64(d[g])); diff > top/118 {
				t.Errorf("groups of %d: value %d: %g became %d times %g", group, i, x[i], q[i], d[g])
			}
		}
		if int(s[g]) != -128*sum || sums[g] != d[g]*float32(sum) {
			t.Errorf("groups of %d: of sum %d: %d and %g, want %d and %g", group, g, s[g], sums[g], -128*sum, d[g]*float32(sum))
		}
		if want := xq / max(qq, 1); math.Abs(float64(d[g])-want) > 1e-6*want {
			t.Errorf("groups of %d: scale %d is %g, want %g", group, g, d[g], want)
		}
	}
	for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))} {
		x[5] = bad
		quantize()
		if d[0] == d[0] || (d[1] != d[1]) != (group == 32) || d[2] != d[2] {
			t.Errorf("%g in a group of %d: scales %v, want NaN in its group only", bad, group, d)
		}
	}
	for i := range 16 {
		x[i] = 1e-44
	}
	if quantize(); d[0] != 0 || q[0] != 0 {
		t.Errorf("subnormals in a group of %d: scale %g, code %d, want zeros", group, d[0], q[0])
	}
}

// TestMatMul compares the integer path with float64 arithmetic on the
// dequantised weights and activations: they differ by rounding only.
func TestMatMul(t *testing.T) {
	matMulNear(t, 16, Quantize, MatMul)
	matMulNear(t, 32, Quantize32, MatMul32)
}

// matMulNear multiplies with activations in groups of so many.
func matMulNear(t *testing.T, group int, quantize func([]float32, []tensor.Block),
	mul func([]float32, int, tensor.Tensor, int, int, *tensor.Acts, *Scratch)) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, typ := range quant.Types() {
		const rows, n = 5, 3
		cols := 2 * max(typ.BlockLen(), 32)
		w := tensor.Tensor{Type: typ, Rows: rows, Cols: cols, Data: make([]byte, rows*typ.RowBytes(cols))}
		if typ.HasKernels() {
			codec.Quantize(typ, w.Data, randoms(rng, rows*cols))
		} else {
			blocks := testdata.Read(t, "blocks", strings.ToLower(typ.String())+".bin")
			copy(w.Data, blocks[len(blocks)/2:])
		}
		weights := w.Floats()
		x := tensor.NewActs(n, cols)
		copy(x.F, randoms(rng, n*cols))
		for i := range n {
			quantize(x.Row(i), x.QuantRow(i))
		}
		got := make([]float32, n*rows)
		mul(got, rows, w, 0, rows, x, &Scratch{})
		exact := make([]float32, n*rows)
		MatMulExact(exact, rows, w, 0, rows, x, &Scratch{})
		for i := range n {
			blocks := x.QuantRow(i)
			for r := range rows {
				var want, wantExact, size float64
				for j, v := range weights[r*cols : (r+1)*cols] {
					wantExact += float64(v) * float64(x.Row(i)[j])
					a := float64(x.Row(i)[j])
					if typ.Integer() {
						b := &blocks[j/32]
						a = float64(b.Q[j%32]) * float64(b.D[j%32/16])
					}
					want += float64(v) * a
					size += math.Abs(float64(v) * a)
				}
				if diff := math.Abs(want - float64(got[i*rows+r])); diff > 1e-6*size {
					t.Errorf("%v, groups of %d: row %d of input %d is %g, want %g", typ, group, r, i, got[i*rows+r], want)
				}
				if diff := math.Abs(wantExact - float64(exact[i*rows+r])); diff > 1e-6*size {
					t.Errorf("%v: exact row %d of input %d is %g, want %g", typ, r, i, exact[i*rows+r], wantExact)
				}
			}
		}
	}
}

// TestExp compares every 1009th float32 and the bounds with math.Exp.
func TestExp(t *testing.T) {
	worst := 0.0
	check := func(bits uint32) {
		x := math.Float32frombits(bits)
		got, want := Exp(x), math.Exp(float64(x))
		switch {
		case x != x:
			if got == got {
				t.Fatalf("exp(NaN) is %g", got)
			}
		case x < ExpMin:
			if got != 0 {
				t.Fatalf("exp(%g) is %g, want 0", x, got)
			}
		case want > math.MaxFloat32:
			if !math.IsInf(float64(got), 1) {
				t.Fatalf("exp(%g) is %g, want +Inf", x, got)
			}
		default:
			_, e := math.Frexp(want)
			worst = max(worst, math.Abs(float64(got)-want)/math.Ldexp(1, e-24))
		}
	}
	for bits := uint32(0); bits < math.MaxUint32-1009; bits += 1009 {
		check(bits)
	}
	for _, x := range []float32{0, float32(math.Copysign(0, -1)), ExpMin, ExpMax, float32(math.Inf(1)), float32(math.Inf(-1))} {
		bits := math.Float32bits(x)
		check(bits)
		check(bits + 1)
		check(max(bits, 1) - 1)
	}
	if Exp(0) != 1 || worst > 2 {
		t.Errorf("exp(0) is %g; the largest error is %.2f ulp, want at most 2", Exp(0), worst)
	}
	t.Logf("largest error: %.3f ulp", worst)
}

func TestRMSNorm(t *testing.T) {
	x, w := []float32{3, -4}, []float32{2, 10}
	RMSNorm(x, x, w, 0)
	rms := math.Sqrt(12.5)
	for i, want := range []float64{6 / rms, -40 / rms} {
		if math.Abs(float64(x[i])-want) > 1e-5 {
			t.Errorf("value %d is %g, want %g", i, x[i], want)
		}
	}
}

func TestRope(t *testing.T) {
	// Two heads of four values; pair 0 turns by 90°, pair 1 by 180°.
	x := []float32{1, 2, 3, 4, 5, 6, 7, 8}
	Rope(x, []float32{0, -1}, []float32{1, 0})
	for i, want := range []float32{-3, -2, 1, -4, -7, -6, 5, -8} {
		if x[i] != want {
			t.Errorf("value %d is %g, want %g", i, x[i], want)
		}
	}
}

func TestSwiGLU(t *testing.T) {
	g := []float32{0, 1, -1, 100, -1000}
	SwiGLU(g, []float32{5, 2, 2, 3, 7})
	s := 1 / (1 + math.Exp(-1))
	for i, want := range []float64{0, 2 * s, -2 * (1 - s), 300, 0} {
		if math.Abs(float64(g[i])-want) > 1e-6 {
			t.Errorf("value %d is %g, want %g", i, g[i], want)
		}
	}
}

// TestAttend compares chunks merged in order with a softmax over everything
// in float64.
func TestAttend(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, typ := range []quant.Type{quant.F32, quant.F16, quant.Q8_0} {
		for _, d := range []int{64, 128} {
			for _, depth := range []int{1, 2, 255, 256, 257, 600} {
				size := typ.RowBytes(d)
				rows, v := make([]byte, depth*size), make([]byte, depth*size)
				codec.Quantize(typ, rows, randoms(rng, depth*d))
				codec.Quantize(typ, v, randoms(rng, depth*d))
				keys, values := make([]float32, depth*d), make([]float32, depth*d)
				codec.Dequantize(typ, keys, rows)
				codec.Dequantize(typ, values, v)
				k := make([]byte, (depth+KeyBlock-1)/KeyBlock*KeyBlock*size)
				for i := range k {
					k[i] = 0xff // a NaN, when no key is put there
				}
				for i := range depth {
					PutKey(typ, k, i, rows[i*size:(i+1)*size])
				}
				const n = 3 // queries: at depth, one before it, and none visible at first
				q := randoms(rng, n*d)
				acc, top, sum := make([]float32, n*d), make([]float32, n), make([]float32, n)
				part := AttnTile{KV: typ, HeadDim: d, Q: q, Visible: make([]int, n),
					Acc: make([]float32, n*d), Max: make([]float32, n), Sum: make([]float32, n)}
				scratch := NewAttnScratch(d)
				visible := []int{depth, max(depth-1, 1), 1}
				for from := 0; from < depth; from += AttnChunk {
					for i := range n {
						part.Visible[i] = min(max(visible[i]-from, 0), AttnChunk)
					}
					part.K, part.V = k[from*size:], v[from*size:]
					Attend(&part, scratch)
					for i := range n {
						top[i], sum[i] = Merge(acc[i*d:(i+1)*d], top[i], sum[i], part.Acc[i*d:(i+1)*d], part.Max[i], part.Sum[i])
					}
				}
				for i := range n {
					want := softmaxed(q[i*d:(i+1)*d], keys, values, visible[i])
					for c, w := range want {
						if got := float64(acc[i*d+c] / sum[i]); math.Abs(got-w) > 2e-5 {
							t.Fatalf("%v, head %d, depth %d, query %d: value %d is %g, want %g", typ, d, depth, i, c, got, w)
						}
					}
				}
			}
		}
	}
}

func softmaxed(q, keys, values []float32, n int) []float64 {
	d := len(q)
	scores := make([]float64, n)
	top := math.Inf(-1)
	for j := range scores {
		for c := range q {
			scores[j] += float64(q[c]) * float64(keys[j*d+c])
		}
		top = max(top, scores[j])
	}
	out, sum := make([]float64, d), 0.0
	for j, s := range scores {
		p := math.Exp(s - top)
		sum += p
		for c := range out {
			out[c] += p * float64(values[j*d+c])
		}
	}
	for c := range out {
		out[c] /= sum
	}
	return out
}

// BenchmarkMatMul reports the bytes of weights read, for decode and prefill.
func BenchmarkMatMul(b *testing.B) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, typ := range []quant.Type{quant.F16, quant.Q4_0, quant.Q5_0, quant.Q8_0, quant.Q4_K, quant.Q6_K} {
		for _, n := range []int{1, 16} {
			const rows, cols = 256, 1024
			w := tensor.Tensor{Type: typ, Rows: rows, Cols: cols, Data: make([]byte, rows*typ.RowBytes(cols))}
			codec.Quantize(typ, w.Data, randoms(rng, rows*cols))
			x := tensor.NewActs(n, cols)
			copy(x.F, randoms(rng, n*cols))
			for i := range n {
				Quantize(x.Row(i), x.QuantRow(i))
			}
			dst, s := make([]float32, n*rows), &Scratch{}
			b.Run(fmt.Sprintf("%v/n=%d", typ, n), func(b *testing.B) {
				b.SetBytes(int64(len(w.Data)))
				for b.Loop() {
					MatMul(dst, rows, w, 0, rows, x, s)
				}
				b.ReportMetric(2*rows*cols*float64(n)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}
