//go:build !noasm

package avx512

import (
	"github.com/klauspost/cpuid/v2"

	"qgo/kernels/panel"
	"qgo/kernels/tier"
	"qgo/quant"
	"qgo/tensor"
)

// BF16 are the instructions for bfloat16.
var BF16 = tier.ISA{Features: []cpuid.FeatureID{cpuid.AVX512BF16}, Base: &VNNI}

// fast is the tier of --fast.
func fast() *tier.Tier {
	t := Vectors.Tier("avx512bf16", &BF16, &panel.Expanded{
		Streamed: Few(), Expand: &ExpandFloats, Tiles: multiplyPairs,
	})
	t.Many = &tier.Many{Bfloat: Bfloat, In: func(t quant.Type) bool { return ExpandFloats[t] != nil }}
	return t
}

// Few are the kernels for few rows.
func Few() panel.Streamed {
	return panel.Streamed{Kernels: *panel.Join(&Mul, &FloatMul), FloatStreams: panel.WideStreamsHere}
}

// ExpandFloats are the kernels that write floating-point weights in bfloat16.
var ExpandFloats = [quant.Count]func(*panel.Args){
	quant.F32:  expandF32,
	quant.F16:  expandF16,
	quant.BF16: expandBF16,
}

// Bfloat is that of package generic. It needs BF16.
func Bfloat(x []float32, dst []tensor.Block) {
	if len(dst) > 0 {
		x = x[:len(dst)*tensor.BlockLen]
		bfloat(&x[0], &dst[0], len(dst))
	}
}

// bfloat rounds n times 32 values to bfloat16.
//
//go:noescape
func bfloat(x *float32, dst *tensor.Block, n int)

// expandF32 writes F32 weights in bfloat16.
//
//go:noescape
func expandF32(a *panel.Args)

// expandF16 writes F16 weights in bfloat16.
//
//go:noescape
func expandF16(a *panel.Args)

// expandBF16 writes BF16 weights as they are.
//
//go:noescape
func expandBF16(a *panel.Args)

// multiplyPairs multiplies activations with expanded weights, in the order of
// generic.MatMulPairs: see panel.TileArgs.
//
//go:noescape
func multiplyPairs(a *panel.TileArgs)
