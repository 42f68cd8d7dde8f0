//go:build !noasm

package avx2

import (
	"testing"

	"qgo/kernels/generic"
	"qgo/kernels/panel"
	"qgo/kernels/panel/paneltest"
	"qgo/kernels/tier"
	"qgo/quant"
)

// words are the layouts of words of both tiers, by their names; nil where the CPU lacks
// instructions.
func words() map[string]*panel.Expanded {
	layouts := map[string]*panel.Expanded{}
	for _, t := range []*tier.Tier{tierAVX2, tierVNNI} {
		layouts[t.Name] = nil
		if t.ISA.Here() {
			layouts[t.Name] = t.Floats.Panels.(*panel.Expanded)
		}
	}
	return layouts
}

// TestWords compares products of words with plain Go, bit for bit.
func TestWords(t *testing.T) {
	for name, l := range words() {
		t.Run(name, func(t *testing.T) {
			if l == nil {
				t.Skipf("this CPU has no %s", name)
			}
			paneltest.TestExpanded(t, l, generic.MatMulWords)
			paneltest.TestWordsExtremes(t, l)
		})
	}
}

func BenchmarkWords(b *testing.B) {
	for name, l := range words() {
		b.Run(name, func(b *testing.B) {
			if l == nil {
				b.Skipf("this CPU has no %s", name)
			}
			paneltest.BenchmarkExpanded(b, l, quant.F16, quant.BF16)
		})
	}
}
