//go:build !noasm

package amx

import (
	"github.com/klauspost/cpuid/v2"

	"qgo/kernels/avx512"
	"qgo/kernels/panel"
	"qgo/kernels/tier"
	"qgo/quant"
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
	t := bfloats("amx", quant.Type.Integer)
	t.Floats = avx512.Words("amx", &ISA)
	t.Floats.Many.Attention = attention{multiplyTiles, true}
	t.Fast = bfloats("amxfast", all)
	tier.Register(t)
}

func all(quant.Type) bool { return true }

// bfloats returns a tier that multiplies many rows in bfloat16 with weights of
// some types.
func bfloats(name string, in func(quant.Type) bool) *tier.Tier {
	t := avx512.Vectors.Tier(name, &ISA, layout(multiplyTiles, in))
	t.Many = &tier.Many{Bfloat: avx512.Bfloat, In: in, Attention: attention{multiply: multiplyTiles}}
	return t
}

// layout is that of package avx512, with what multiplies tiles of some types.
func layout(tiles func(*panel.TileArgs), in func(quant.Type) bool) *panel.Expanded {
	expand := Expand
	for _, t := range quant.Types() {
		if floats := avx512.ExpandFloats[t]; floats != nil {
			expand[t] = floats
		}
		if !in(t) {
			expand[t] = nil
		}
	}
	return &panel.Expanded{Streamed: avx512.Few(), Expand: &expand, Tiles: tiles}
}

// multiplyTiles multiplies activations with expanded weights: see
// panel.TileArgs.
//
//go:noescape
func multiplyTiles(a *panel.TileArgs)
