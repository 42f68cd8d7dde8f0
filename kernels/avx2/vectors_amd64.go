//go:build !noasm

// Package avx2 holds the kernels for amd64 with AVX2, FMA, F16C and BMI2.
package avx2

import "qgo/kernels/simd"

//go:generate go -C ../asm run ./matmul -isa avx2 -package avx2 -table ../avx2/matmul_amd64.go -out ../avx2/matmul_amd64.s
//go:generate go -C ../asm run ./matmul -isa avx2 -vnni -package avx2 -table ../avx2/matmul_vnni_amd64.go -out ../avx2/matmul_vnni_amd64.s
//go:generate go -C ../asm run ./matmul -isa avx2 -floats -package avx2 -table ../avx2/floats_amd64.go -out ../avx2/floats_amd64.s
//go:generate go -C ../asm run ./vector -isa avx2 -out ../avx2/vector_amd64.s -stubs ../avx2/vector_stub_amd64.go -pkg avx2
//go:generate go -C ../asm run ./attention -isa avx2 -out ../avx2/attention_amd64.s -stubs ../avx2/attention_stub_amd64.go -pkg avx2

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
	Queries:        6,
	F32:            simd.Attention{Scores: scoresF32, Values: valuesF32},
	F16:            simd.Attention{Scores: scoresF16, Values: valuesF16},
	Q8:             simd.Attention{Scores: scoresQ8, Values: valuesQ8},
	Softmax:        softmax,
	Quantize:       quantize,
	QuantizeBlocks: 4,
})
