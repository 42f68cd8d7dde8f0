//go:build arm64 && !noasm

package neon

import "qgo/kernels/simd"

// Vectors are the kernels on vectors and of attention.
var Vectors = simd.New(simd.Ops{
	Add:     add,
	Scale:   scale,
	Merge:   merge,
	SwiGLU:  swiglu,
	Squares: squares,
	Norm:    norm,
	Rope:    rope,
	Halves:  halves,

	Quantize:       quantize,
	QuantizeBlocks: 2,

	Queries: 4,
	Fused:   true,
	F32:     simd.Attention{Scores: scoresF32, Values: valuesF32},
	F16:     simd.Attention{Scores: scoresF16, Values: valuesF16},
	Q8:      simd.Attention{Scores: scoresQ8, Values: valuesQ8},
	Softmax: softmax,
})
