package codec

import (
	"math"
	"testing"

	"qgo/quant"
)

// TestNotFinite spoils every 16-bit number of a block of each type.
func TestNotFinite(t *testing.T) {
	for _, typ := range targets() {
		n := 4 * typ.BlockLen()
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(i%7) - 3
		}
		data := make([]byte, typ.RowBytes(n))
		Quantize(typ, data, x)
		if i := NotFinite(typ, data); i != -1 {
			t.Errorf("%v: block %d of finite numbers was found", typ, i)
		}
		at, word := 2*typ.BlockBytes(), typ.Format().Halves
		for _, bad := range []uint16{0x7f80, 0xff80, 0x7fff} { // infinity or NaN in each format
			for _, w := range word {
				spoiled := append([]byte(nil), data...)
				le.PutUint16(spoiled[at+w:], bad)
				if i := NotFinite(typ, spoiled); i != 2 {
					t.Errorf("%v: %#x at byte %d was found in block %d, want 2", typ, bad, w, i)
				}
			}
		}
	}
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		data := make([]byte, 8)
		Quantize(quant.F32, data, []float32{-math.MaxFloat32, float32(bad)})
		if i := NotFinite(quant.F32, data); i != 1 {
			t.Errorf("%v was found at %d, want 1", bad, i)
		}
	}
}

// TestOverflows quantises large numbers to every type.
func TestOverflows(t *testing.T) {
	holds := map[quant.Type]int{ // exponents of the largest powers of ten
		quant.F32: 38, quant.BF16: 38, quant.F16: 4, quant.Q8_0: 6, quant.Q4_0: 5, quant.Q5_0: 6, quant.IQ4_NL: 6,
		quant.Q4_1: 4, quant.Q5_1: 4, quant.Q2_K: 5, quant.Q3_K: 6, quant.Q4_K: 6, quant.Q5_K: 6, quant.Q6_K: 8, quant.IQ4_XS: 8,
	}
	for _, typ := range targets() {
		x := make([]float32, 256)
		data := make([]byte, typ.RowBytes(len(x)))
		most, over := -1, false
		for e := range 39 {
			for i := range x {
				x[i] = float32(math.Pow10(e) * float64(i-128) / 128)
			}
			Quantize(typ, data, x)
			if Overflows(typ, data, x) {
				over = true
			} else if most = e; over {
				t.Errorf("%v holds 1e%d, but not less", typ, e)
			}
		}
		if want, ok := holds[typ]; !ok || most != want {
			t.Errorf("%v holds up to 1e%d, want 1e%d", typ, most, want)
		}
	}
}
