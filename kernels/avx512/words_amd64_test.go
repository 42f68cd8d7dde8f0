//go:build !noasm

package avx512

import (
	"testing"

	"qgo/kernels/generic"
	"qgo/kernels/panel"
	"qgo/kernels/panel/paneltest"
	"qgo/quant"
)

// TestWords compares products of words with plain Go, bit for bit.
func TestWords(t *testing.T) {
	if !VNNI.Here() {
		t.Skip("this CPU has no AVX-512 VNNI")
	}
	l := Words("words", &VNNI).Panels.(*panel.Expanded)
	paneltest.TestExpanded(t, l, generic.MatMulWords)
	paneltest.TestWordsExtremes(t, l)
}

func BenchmarkWords(b *testing.B) {
	if !VNNI.Here() {
		b.Skip("this CPU has no AVX-512 VNNI")
	}
	paneltest.BenchmarkExpanded(b, Words("words", &VNNI).Panels.(*panel.Expanded), quant.F16, quant.BF16)
}
