//go:build !noasm

package amx

import (
	"math"
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

// each runs f with the products that this machine has: all are emulated where it
// can expand weights, and done by AMX where it has that.
func each(t *testing.T, f func(t *testing.T, multiply func(*panel.TileArgs))) {
	if !cpuid.CPU.Supports(conversions...) || !ISA.Base.Here() {
		t.Skipf("this CPU lacks some of %v", conversions)
	}
	t.Run("emulated", func(t *testing.T) { f(t, emulate) })
	t.Run("amx", func(t *testing.T) {
		if !ISA.Here() {
			t.Skip("this machine has no AMX")
		}
		f(t, multiplyTiles)
	})
}

// TestMatMul compares with plain Go, bit for bit.
func TestMatMul(t *testing.T) {
	each(t, func(t *testing.T, multiply func(*panel.TileArgs)) {
		paneltest.TestExpanded(t, layout(multiply, all), generic.MatMulTiles)
	})
}

func BenchmarkMatMul(b *testing.B) {
	if !ISA.Here() {
		b.Skip("this machine has no AMX")
	}
	paneltest.BenchmarkExpanded(b, layout(multiplyTiles, all), quant.Q4_0, quant.Q8_0, quant.Q4_K, quant.Q6_K, quant.Q2_K, quant.F16)
}
