//go:build !noasm

package avx512

import (
	"github.com/klauspost/cpuid/v2"

	"qgo/kernels/avx2"
	"qgo/kernels/panel"
	"qgo/kernels/simd"
	"qgo/kernels/tier"
	"qgo/tensor"
)

// ISA is that of the package, VNNI that of its products of bytes.
var (
	ISA  = tier.ISA{Switch: "QGO_NO_AVX512", Features: []cpuid.FeatureID{cpuid.AVX512F, cpuid.AVX512BW, cpuid.AVX512DQ, cpuid.AVX512VL}, Base: &avx2.ISA}
	VNNI = tier.ISA{Switch: "QGO_NO_VNNI", Features: []cpuid.FeatureID{cpuid.AVX512VNNI}, Base: &ISA}
)

func init() {
	// Without VNNI, 512 bits have no advantage for integers: they are as with AVX2,
	// whose kernels want activations in groups of 32.
	integers := Vectors
	integers.Plain, integers.Quantize, integers.QuantizeBlocks = avx2.Vectors32.Plain, avx2.Vectors32.Quantize, avx2.Vectors32.QuantizeBlocks
	tier.Register(integers.Tier("avx512", &ISA, panel.Join(&avx2.Mul, &FloatMul)))
	few := Few()
	t := Vectors.Tier("avx512vnni", &VNNI, &few)
	t.Floats = Words("avx512vnni", &VNNI)
	t.Fast = fast()
	tier.Register(t)
}

// Vectors are the kernels on vectors and of attention.
var Vectors = simd.Ops{
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
	Plain:          tier.Go,
	Quantize:       quantize,
	QuantizeBlocks: 8,
}

// quantize quantises n times 256 values.
//
//go:noescape
func quantize(x *float32, dst *tensor.Block, n int)
