//go:build !noasm

package avx512

import (
	"qgo/kernels/avx2"
	"qgo/kernels/panel"
	"qgo/kernels/tier"
	"qgo/quant"
)

// Words returns a tier that multiplies many rows with floating-point weights as words. It
// needs VNNI.
func Words(name string, isa *tier.ISA) *tier.Tier {
	return avx2.WithWords(Vectors.Tier(name, isa, nil), Few(), &ExpandWords, multiplyWords)
}

// ExpandWords are the kernels that write floating-point weights as words. F32 weights have
// more bits than those, and are multiplied as they are.
var ExpandWords = [quant.Count]func(*panel.Args){
	quant.F16:  expandWordsF16,
	quant.BF16: expandWordsBF16,
}

// expandWordsF16 writes F16 weights as words: see generic.ExpandWords.
//
//go:noescape
func expandWordsF16(a *panel.Args)

// expandWordsBF16 writes BF16 weights as words.
//
//go:noescape
func expandWordsBF16(a *panel.Args)

// multiplyWords multiplies activations in 16 bits with weights as words. It needs VNNI: see
// panel.TileArgs.
//
//go:noescape
func multiplyWords(a *panel.TileArgs)
