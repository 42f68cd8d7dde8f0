//go:build !noasm

package avx2

import (
	"qgo/kernels/panel"
	"qgo/kernels/tier"
	"qgo/quant"
	"qgo/tensor"
)

// WithWords returns t for models of floating-point weights only, of which it multiplies many
// rows as words: expand writes them, and multiply multiplies them. Few rows are multiplied by s.
func WithWords(t *tier.Tier, s panel.Streamed, expand *[quant.Count]func(*panel.Args), multiply func(*panel.TileArgs)) *tier.Tier {
	w := *t
	w.Panels = &panel.Expanded{Streamed: s, Expand: expand, Tiles: multiply, AsWords: true}
	w.Many = &tier.Many{Words: QuantizeWords, In: func(t quant.Type) bool { return expand[t] != nil }}
	return &w
}

// expandWords are the kernels that write floating-point weights as words. F32 weights have
// more bits than those, and are multiplied as they are.
var expandWords = [quant.Count]func(*panel.Args){
	quant.F16:  expandWordsF16,
	quant.BF16: expandWordsBF16,
}

// QuantizeWords is that of package generic.
func QuantizeWords(x []float32, dst []tensor.Words) {
	if len(dst) > 0 {
		x = x[:len(dst)*tensor.BlockLen]
		quantizeWords(&x[0], &dst[0], len(dst))
	}
}

// quantizeWords quantises n times 32 values to 16 bits.
//
//go:noescape
func quantizeWords(x *float32, dst *tensor.Words, n int)

// expandWordsF16 writes F16 weights as words: see generic.ExpandWords.
//
//go:noescape
func expandWordsF16(a *panel.Args)

// expandWordsBF16 writes BF16 weights as words.
//
//go:noescape
func expandWordsBF16(a *panel.Args)

// multiplyWords multiplies activations in 16 bits with weights as words: see panel.TileArgs.
//
//go:noescape
func multiplyWords(a *panel.TileArgs)

// dotWords is multiplyWords with AVX-VNNI.
//
//go:noescape
func dotWords(a *panel.TileArgs)
