//go:build !noasm

package amx

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/klauspost/cpuid/v2"

	"qgo/kernels/generic"
	"qgo/kernels/panel"
	"qgo/kernels/panel/paneltest"
	"qgo/quant"
	"qgo/tensor"
)

// emulate does what multiplyTiles does, sum for sum.
func emulate(a *panel.TileArgs) {
	for i := range a.Rows {
		x := unsafe.Slice((*tensor.Block)(unsafe.Add(a.X, i*a.XStride)), a.Tiles)
		dst := unsafe.Slice((*float32)(unsafe.Add(unsafe.Pointer(a.Dst), i*a.DstStride)), 2*panel.Rows)
		for p, w := range a.Weights {
			pairs := unsafe.Slice((*[panel.Rows][2]uint16)(w), a.Tiles*tensor.BlockLen/2)
			for r := range panel.Rows {
				sum := float32(a.Add) * dst[p*panel.Rows+r]
				if a.Add == 0 {
					sum = 0
				}
				for t := range x {
					var even, odd float32
					for k := range tensor.BlockLen / 2 {
						pair := pairs[t*tensor.BlockLen/2+k][r]
						even += number(x[t].Bfloats()[2*k]) * number(pair[0])
						odd += number(x[t].Bfloats()[2*k+1]) * number(pair[1])
					}
					sum += even + odd
				}
				dst[p*panel.Rows+r] = sum
			}
		}
	}
}

func number(bfloat uint16) float32 { return math.Float32frombits(uint32(bfloat) << 16) }

// each runs f for the products that this machine has: all are emulated where it
// can expand weights, and done by AMX where it has that.
func each(t *testing.T, f func(t *testing.T, l *panel.Bfloat)) {
	if !cpuid.CPU.Supports(conversions...) || !ISA.Base.Here() {
		t.Skipf("this CPU lacks some of %v", conversions)
	}
	t.Run("emulated", func(t *testing.T) { f(t, layout(emulate)) })
	t.Run("amx", func(t *testing.T) {
		if !ISA.Here() {
			t.Skip("this machine has no AMX")
		}
		f(t, layout(multiplyTiles))
	})
}

// TestMatMul compares with plain Go, bit for bit: all types, numbers of columns
// in one part and in several, of rows of weights that fill two panels and do
// not, and of activations that fill tiles and do not.
func TestMatMul(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	each(t, func(t *testing.T, l *panel.Bfloat) {
		for _, typ := range quant.Types() {
			if !typ.Integer() || !l.Fits(typ, 256) {
				continue
			}
			t.Run(typ.String(), func(t *testing.T) {
				unit := max(tensor.BlockLen, typ.BlockLen())
				for _, size := range []struct {
					rows, cols, r0, r1 int
					inputs             []int
				}{
					{32, unit, 0, 32, []int{1, 5, 16, 31, 32, 50, 67}},
					{16, unit, 0, 16, []int{1, 50}},
					{33, 3 * unit, 0, 33, []int{17, 48}},
					{80, 3 * unit, 16, 64, []int{33}},
					{40, 1024 + unit, 0, 40, []int{35}},
				} {
					w := weights(rng, typ, size.rows, size.cols)
					m := paneltest.Pack(l, w)
					for _, n := range size.inputs {
						compare(t, rng, l, w, m, size.r0, size.r1, n)
					}
				}
			})
		}
	})
}

// weights returns a matrix of random bytes with finite scales of any size.
func weights(rng *rand.Rand, t quant.Type, rows, cols int) tensor.Tensor {
	return paneltest.Weights(rng, t, rows, cols, func() float32 {
		return float32(math.Ldexp(rng.NormFloat64(), rng.IntN(20)-10))
	})
}

// compare multiplies rows [r0, r1) of w with n rows of activations, which begin
// 4 bytes off a cache line.
func compare(t *testing.T, rng *rand.Rand, l panel.Layout, w tensor.Tensor, m *panel.Matrix, r0, r1, n int) {
	t.Helper()
	x := tensor.NewActs(n, w.Cols)
	raw := tensor.Make[byte]((len(x.Q) + 1) * tensor.BlockBytes)
	x.Q = unsafe.Slice((*tensor.Block)(unsafe.Pointer(&raw[4])), len(x.Q))
	x.Bfloat = true
	for i := range n {
		row := x.Row(i)
		for j := range row {
			row[j] = float32(math.Ldexp(rng.NormFloat64(), rng.IntN(40)-20))
		}
		Bfloat(row, x.QuantRow(i))
	}
	const guard = 42
	rows := r1 - r0
	stride := rows + 3
	want, got := make([]float32, n*stride), make([]float32, n*stride)
	for i := range got {
		want[i], got[i] = guard, guard
	}
	generic.MatMul(want, stride, w, r0, r1, x, &generic.Scratch{})
	l.NewMultiplier(n).MatMul(got, stride, m, r0, r1, x)
	for i, v := range want {
		if math.Float32bits(v) != math.Float32bits(got[i]) {
			t.Fatalf("rows %d to %d of %d x %d, %d inputs: result %d of input %d is %g, want %g",
				r0, r1, w.Rows, w.Cols, n, i%stride, i/stride, got[i], v)
		}
	}
}

// TestBfloat rounds as plain Go does: ties, the largest numbers and the smallest,
// infinities and NaN too.
func TestBfloat(t *testing.T) {
	if !cpuid.CPU.Supports(conversions...) {
		t.Skipf("this CPU lacks some of %v", conversions)
	}
	rng := rand.New(rand.NewPCG(3, 4))
	special := []uint32{0, 1 << 31, 0x3f808000, 0x3f818000, 0x3f807fff, 0x3f808001, 0x7f7fffff, 0x7f7f0000,
		0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001, 0xffffffff, 0x00800000, 0x80ffffff, 1, 0x007fffff, 0x80400000}
	for blocks := range 5 {
		x := make([]float32, blocks*tensor.BlockLen)
		for i := range x {
			bits := rng.Uint32()
			if rng.IntN(2) == 0 {
				bits = special[rng.IntN(len(special))]
			}
			x[i] = math.Float32frombits(bits)
		}
		got, want := make([]tensor.Block, blocks+1), make([]tensor.Block, blocks+1)
		Bfloat(x, got[:blocks])
		generic.Bfloat(x, want[:blocks])
		for i := range want {
			if g, w := *got[i].Bfloats(), *want[i].Bfloats(); g != w {
				t.Fatalf("block %d of %d is %04x, want %04x", i, blocks, g, w)
			}
		}
	}
}

func BenchmarkMatMul(b *testing.B) {
	if !ISA.Here() {
		b.Skip("this machine has no AMX")
	}
	rng := rand.New(rand.NewPCG(5, 6))
	l := layout(multiplyTiles)
	for _, typ := range []quant.Type{quant.Q4_0, quant.Q8_0, quant.Q4_K, quant.Q6_K, quant.Q2_K} {
		for _, cols := range []int{1024, 4864} {
			const rows = 128
			if cols%typ.BlockLen() != 0 {
				continue
			}
			w := weights(rng, typ, rows, cols)
			m, err := panel.New(l, w, tensor.Make[byte](l.Bytes(w.Type, w.Rows, w.Cols)))
			if err != nil {
				b.Fatal(err)
			}
			l.NewPacker(cols).Pack(m, w, 0, m.Panels())
			for _, n := range []int{32, 128, 512} {
				x := tensor.NewActs(n, cols)
				x.Bfloat = true
				dst, mul := make([]float32, n*rows), l.NewMultiplier(n)
				b.Run(fmt.Sprintf("%v/cols=%d/n=%d", typ, cols, n), func(b *testing.B) {
					for b.Loop() {
						mul.MatMul(dst, rows, m, 0, rows, x)
					}
					b.ReportMetric(2*rows*float64(cols)*float64(n)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GOP/s")
				})
			}
			b.Run(fmt.Sprintf("%v/cols=%d/expand", typ, cols), func(b *testing.B) {
				a := panel.Args{Panel: &m.Data[0], Dst: &make([]float32, 16*cols)[0], Tiles: cols / 32}
				for b.Loop() {
					Expand[typ](&a)
				}
				b.ReportMetric(16*float64(cols)*float64(b.N)/b.Elapsed().Seconds()/1e9, "Gweights/s")
			})
		}
	}
}
