//go:build !noasm

package avx512

import (
	"encoding/binary"
	"testing"

	"qgo/kernels/generic"
	"qgo/kernels/panel"
	"qgo/kernels/panel/paneltest"
	"qgo/quant"
	"qgo/tensor"
)

// TestWords compares products of words with plain Go, bit for bit.
func TestWords(t *testing.T) {
	if !VNNI.Here() {
		t.Skip("this CPU has no AVX-512 VNNI")
	}
	paneltest.TestExpanded(t, Words("words", &VNNI).Panels.(*panel.Expanded), generic.MatMulWords)
}

// TestWordsExtremes multiplies the largest values there are, of which sums are the largest,
// and wants what must not be multiplied to become NaN, in its rows only.
func TestWordsExtremes(t *testing.T) {
	if !VNNI.Here() {
		t.Skip("this CPU has no AVX-512 VNNI")
	}
	l := Words("words", &VNNI).Panels.(*panel.Expanded)
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
			x := paneltest.NewActs(l, n, cols)
			for i := range n {
				for j := range cols {
					x.Row(i)[j] = c.acts(j)
				}
				generic.QuantizeWords(x.Row(i), x.WordsRow(i))
			}
			got, want := make([]float32, n*rows), make([]float32, n*rows)
			l.NewMultiplier(n).MatMul(got, rows, paneltest.Pack(l, w), 0, rows, x)
			generic.MatMulWords(want, rows, w, 0, rows, x, &generic.Scratch{})
			for i, v := range want {
				if v != got[i] && (v == v || got[i] == got[i]) {
					t.Fatalf("row %d of activations, row %d of weights: %g, want %g", i/rows, i%rows, got[i], v)
				}
			}
		})
	}
}
