//go:build !noasm

package amx

import (
	"github.com/klauspost/cpuid/v2"

	"qgo/kernels/avx512"
	"qgo/kernels/panel"
	"qgo/kernels/tier"
	"qgo/tensor"
)

// conversions are the instructions that round to bfloat16, and those that Expand
// needs beside them.
var conversions = []cpuid.FeatureID{cpuid.AVX512BF16, cpuid.AVX512VBMI}

// ISA is that of the package.
var ISA = tier.ISA{
	Switch:   "QGO_NO_AMX",
	Features: append([]cpuid.FeatureID{cpuid.AMXTILE, cpuid.AMXBF16}, conversions...),
	Base:     &avx512.VNNI,
	Allowed:  allowed,
}

func init() {
	t := avx512.Vectors.Tier("amx", &ISA, layout(multiplyTiles))
	t.Bfloat = Bfloat
	tier.Register(t)
}

// layout is that of package avx512, with what multiplies tiles.
func layout(tiles func(*panel.TileArgs)) *panel.Bfloat {
	return &panel.Bfloat{Kernels: panel.Join(&avx512.Mul, &avx512.FloatMul), Expand: &Expand, Tiles: tiles}
}

// Bfloat is that of package generic.
func Bfloat(x []float32, dst []tensor.Block) {
	if len(dst) > 0 {
		x = x[:len(dst)*tensor.BlockLen]
		bfloat(&x[0], &dst[0], len(dst))
	}
}

// multiplyTiles multiplies activations with expanded weights: see
// panel.TileArgs.
//
//go:noescape
func multiplyTiles(a *panel.TileArgs)

// bfloat rounds n times 32 values to bfloat16.
//
//go:noescape
func bfloat(x *float32, dst *tensor.Block, n int)
