//go:build !noasm

package avx512

import "qgo/kernels/simd"

//go:generate go -C ../asm run ./vector -isa avx512 -out ../avx512/vector_amd64.s -stubs ../avx512/vector_stub_amd64.go -pkg avx512
//go:generate go -C ../asm run ./attention -isa avx512 -out ../avx512/attention_amd64.s -stubs ../avx512/attention_stub_amd64.go -pkg avx512

// Vectors are the kernels on vectors and of attention.
var Vectors = simd.New(simd.Ops{
	Add:            add,
	Scale:          scale,
	Merge:          merge,
	SwiGLU:         swiglu,
	Squares:        squares,
	Norm:           norm,
	Rope:           rope,
	Halves:         halves,
	Queries:        8,
	Fused:          true,
	F32:            simd.Attention{Scores: scoresF32, Values: valuesF32},
	F16:            simd.Attention{Scores: scoresF16, Values: valuesF16},
	Q8:             simd.Attention{Scores: scoresQ8, Values: valuesQ8},
	Softmax:        softmax,
	Quantize:       quantize,
	QuantizeBlocks: 8,
})
