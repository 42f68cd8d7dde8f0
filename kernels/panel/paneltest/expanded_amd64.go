package paneltest

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"

	"qgo/kernels/generic"
	"qgo/kernels/panel"
	"qgo/quant"
	"qgo/quant/codec"
	"qgo/tensor"
)

// TestExpanded compares products in the form for many rows with the reference, bit for bit: all
// types that there are, numbers of columns in one part and in several, of rows
// of weights that fill two panels and do not, and of activations that fill tiles
// and do not.
func TestExpanded(t *testing.T, l *panel.Expanded, reference Reference) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, typ := range quant.Types() {
		if l.Expand[typ] == nil {
			continue
		}
		t.Run(typ.String(), func(t *testing.T) {
			unit := max(tensor.BlockLen, typ.BlockLen())
			for _, size := range []struct {
				rows, cols, r0, r1 int
				inputs             []int
			}{
				{32, unit, 0, 32, []int{1, 5, 16, 31, 32, 50, 67}},
				{16, unit, 0, 16, []int{1, 2, 3, 4, 7, 8, 50}},
				{33, 3 * unit, 0, 33, []int{17, 48}},
				{80, 3 * unit, 16, 64, []int{33}},
				{40, 1024 + unit, 0, 40, []int{35}},
			} {
				w := AnyWeights(rng, typ, size.rows, size.cols)
				m := Pack(l, w)
				for _, n := range size.inputs {
					compare(t, rng, l, w, m, size.r0, size.r1, n, reference)
				}
			}
		})
	}
}

// AnyWeights returns a matrix of numbers of any size.
func AnyWeights(rng *rand.Rand, t quant.Type, rows, cols int) tensor.Tensor {
	if !t.Integer() {
		return floats(rng, t, rows, cols)
	}
	return Weights(rng, t, rows, cols, func() float32 {
		return float32(math.Ldexp(rng.NormFloat64(), rng.IntN(20)-10))
	})
}

// floats returns a matrix of floating-point numbers of any size, of which one in
// eight is zero or below the normal ones.
func floats(rng *rand.Rand, t quant.Type, rows, cols int) tensor.Tensor {
	w := tensor.Tensor{Type: t, Rows: rows, Cols: cols, Data: make([]byte, rows*t.RowBytes(cols))}
	values := make([]float32, rows*cols)
	for i := range values {
		values[i] = float32(math.Ldexp(rng.NormFloat64(), rng.IntN(20)-10))
		if rng.IntN(8) == 0 {
			values[i] = float32(math.Ldexp(rng.NormFloat64(), []int{-22, -130, -300}[rng.IntN(3)]))
		}
	}
	codec.Quantize(t, w.Data, values)
	return w
}

// Reference is a function of package generic that multiplies.
type Reference func(dst []float32, stride int, w tensor.Tensor, r0, r1 int, x *tensor.Acts, s *generic.Scratch)

// NewActs returns room for n rows of activations in the layout's form for many.
func NewActs(l *panel.Expanded, n, cols int) *tensor.Acts {
	x := tensor.Forms{Float: true, Quantised: !l.AsWords, Words: l.AsWords}.NewActs(n, cols)
	x.Many = true
	return x
}

// compare multiplies rows [r0, r1) of w with n rows of activations in the form for many, which
// begin 4 bytes off a cache line, and wants the bits of the
// reference, and nothing written beside them.
func compare(t *testing.T, rng *rand.Rand, l *panel.Expanded, w tensor.Tensor, m *panel.Matrix, r0, r1, n int, reference Reference) {
	t.Helper()
	x := NewActs(l, n, w.Cols)
	if l.AsWords {
		raw := tensor.Make[byte]((len(x.W) + 1) * tensor.WordsBytes)
		x.W = unsafe.Slice((*tensor.Words)(unsafe.Pointer(&raw[4])), len(x.W))
	} else {
		raw := tensor.Make[byte]((len(x.Q) + 1) * tensor.BlockBytes)
		x.Q = unsafe.Slice((*tensor.Block)(unsafe.Pointer(&raw[4])), len(x.Q))
	}
	for i := range n {
		row := x.Row(i)
		for j := range row {
			row[j] = float32(math.Ldexp(rng.NormFloat64(), rng.IntN(40)-20))
		}
		if l.AsWords {
			generic.QuantizeWords(row, x.WordsRow(i))
		} else {
			generic.Bfloat(row, x.QuantRow(i))
		}
	}
	const guard = 42
	rows := r1 - r0
	stride := rows + 3
	want, got := make([]float32, n*stride), make([]float32, n*stride)
	for i := range got {
		want[i], got[i] = guard, guard
	}
	reference(want, stride, w, r0, r1, x, &generic.Scratch{})
	l.NewMultiplier(n).MatMul(got, stride, m, r0, r1, x)
	for i, v := range want {
		if math.Float32bits(v) != math.Float32bits(got[i]) {
			t.Fatalf("rows %d to %d of %d x %d, %d inputs: result %d of input %d is %g, want %g",
				r0, r1, w.Rows, w.Cols, n, i%stride, i/stride, got[i], v)
		}
	}
}

// TestWordsExtremes multiplies the largest values there are, of which sums are the largest,
// and wants what must not be multiplied to become NaN, in its rows only.
func TestWordsExtremes(t *testing.T, l *panel.Expanded) {
	const rows, cols, n = 32, 64, 9
	for _, c := range []struct {
		name    string
		weights func(r, c int) uint16 // float16
		acts    func(c int) float32
	}{
		{"equal", func(int, int) uint16 { return 0x7bff }, func(int) float32 { return 1 }},
		{"signs", func(_, c int) uint16 { return 0x7bff | uint16(c&1)<<15 }, func(c int) float32 { return float32(1 - c&1*2) }},
		{"one of 32", func(_, c int) uint16 { return uint16(0x7bff * (c % 32 / 31)) }, func(c int) float32 { return float32(c % 32 / 31) }},
		{"subnormal", func(r, c int) uint16 { return uint16(r + c) }, func(c int) float32 { return float32(c) }},
		{"infinite", func(r, c int) uint16 { return uint16(0x7c00 * (r % 2 * (c % 7 / 6))) }, func(c int) float32 { return float32(c) }},
		{"no number", func(r, c int) uint16 { return uint16(0x7e00 * (r % 2 * (c % 7 / 6))) }, func(c int) float32 { return float32(c) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := tensor.Tensor{Type: quant.F16, Rows: rows, Cols: cols, Data: make([]byte, 2*rows*cols)}
			for i := range rows * cols {
				binary.LittleEndian.PutUint16(w.Data[2*i:], c.weights(i/cols, i%cols))
			}
			x := NewActs(l, n, cols)
			for i := range n {
				for j := range cols {
					x.Row(i)[j] = c.acts(j)
				}
				generic.QuantizeWords(x.Row(i), x.WordsRow(i))
			}
			got, want := make([]float32, n*rows), make([]float32, n*rows)
			l.NewMultiplier(n).MatMul(got, rows, Pack(l, w), 0, rows, x)
			generic.MatMulWords(want, rows, w, 0, rows, x, &generic.Scratch{})
			for i, v := range want {
				if v != got[i] && (v == v || got[i] == got[i]) {
					t.Fatalf("row %d of activations, row %d of weights: %g, want %g", i/rows, i%rows, got[i], v)
				}
			}
		})
	}
}

// BenchmarkExpanded multiplies 32 rows of activations and more with weights of some types, and
// brings weights into the form for that.
func BenchmarkExpanded(b *testing.B, l *panel.Expanded, types ...quant.Type) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, typ := range types {
		for _, cols := range []int{1024, 4864} {
			const rows = 128
			if cols%typ.BlockLen() != 0 {
				continue
			}
			w := AnyWeights(rng, typ, rows, cols)
			if !typ.Integer() {
				// Numbers below the normal ones, which files hardly have, take CPUs much longer.
				values := make([]float32, rows*cols)
				for i := range values {
					values[i] = float32(rng.NormFloat64())
				}
				codec.Quantize(typ, w.Data, values)
			}
			m := Pack(l, w)
			for _, n := range []int{32, 128, 512} {
				x := NewActs(l, n, cols)
				dst, mul := make([]float32, n*rows), l.NewMultiplier(n)
				b.Run(fmt.Sprintf("%v/cols=%d/n=%d", typ, cols, n), func(b *testing.B) {
					for b.Loop() {
						mul.MatMul(dst, rows, m, 0, rows, x)
					}
					b.ReportMetric(2*rows*float64(cols)*float64(n)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GOP/s")
				})
			}
			b.Run(fmt.Sprintf("%v/cols=%d/expand", typ, cols), func(b *testing.B) {
				// Words are the larger form: two bytes a weight, and 64 for the scales of 32 columns.
				dst := tensor.Make[uint32](panel.Rows * cols * 18 / 32)
				a := panel.Args{Panel: &m.Data[0], Dst: (*float32)(unsafe.Pointer(&dst[0])), Tiles: cols / tensor.BlockLen}
				for b.Loop() {
					l.Expand[typ](&a)
				}
				b.ReportMetric(panel.Rows*float64(cols)*float64(b.N)/b.Elapsed().Seconds()/1e9, "Gweights/s")
			})
		}
	}
}
