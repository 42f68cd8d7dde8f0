//go:build !noasm

package neon

import (
	"github.com/klauspost/cpuid/v2"

	"qgo/kernels/panel"
	"qgo/kernels/simd"
	"qgo/kernels/tier"
)

// The levels of the instruction set that the kernels have: its vectors, products of
// bytes, and those of matrices of bytes.
var (
	ISA     = tier.ISA{Switch: "QGO_NO_NEON"} // every CPU that runs Go has it
	DotProd = tier.ISA{Switch: "QGO_NO_DOTPROD", Features: []cpuid.FeatureID{cpuid.ASIMDDP}, Base: &ISA}
	I8MM    = tier.ISA{Switch: "QGO_NO_I8MM", Features: []cpuid.FeatureID{cpuid.I8MM}, Base: &DotProd}
)

func init() {
	of32 := Vectors
	of32.Plain, of32.Quantize = tier.Go32, quantize32
	tier.Register(Vectors.Tier("neon", &ISA, panel.Join(&Mul, &FloatMul)))
	tier.Register(of32.Tier("dotprod", &DotProd, panel.Join(&DotMul, &FloatMul)))
	tier.Register(of32.Tier("i8mm", &I8MM, panel.Join(&I8mmMul, &FloatMul)))
}

// Vectors are the kernels on vectors and of attention.
var Vectors = simd.Ops{
	Add:     add,
	Scale:   scale,
	Merge:   merge,
	SwiGLU:  swiglu,
	Squares: squares,
	Norm:    norm,
	Rope:    rope,
	Halves:  halves,

	Plain:          tier.Go,
	Quantize:       quantize,
	QuantizeBlocks: 2,

	Queries: 4,
	Fused:   true,
	F32:     simd.Attention{Scores: scoresF32, Values: valuesF32},
	F16:     simd.Attention{Scores: scoresF16, Values: valuesF16},
	Q8:      simd.Attention{Scores: scoresQ8, Values: valuesQ8},
	Softmax: softmax,
}
