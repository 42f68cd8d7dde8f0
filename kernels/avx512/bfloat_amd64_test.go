//go:build !noasm

package avx512

import (
	"math"
	"math/rand/v2"
	"testing"

	"qgo/kernels/generic"
	"qgo/kernels/panel"
	"qgo/kernels/panel/paneltest"
	"qgo/quant"
	"qgo/tensor"
)

// TestMatMul compares products in bfloat16 with plain Go, bit for bit.
func TestMatMul(t *testing.T) {
	if !BF16.Here() {
		t.Skip("this CPU has no AVX-512 BF16")
	}
	paneltest.TestExpanded(t, fast().Panels.(*panel.Expanded), generic.MatMulPairs)
}

// TestBfloat rounds as plain Go does: ties, the largest numbers and the smallest,
// infinities and NaN too.
func TestBfloat(t *testing.T) {
	if !BF16.Here() {
		t.Skip("this CPU has no AVX-512 BF16")
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
	if !BF16.Here() {
		b.Skip("this CPU has no AVX-512 BF16")
	}
	paneltest.BenchmarkExpanded(b, fast().Panels.(*panel.Expanded), quant.F16, quant.BF16)
}
