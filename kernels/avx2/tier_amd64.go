//go:build !noasm

package avx2

import (
	"github.com/klauspost/cpuid/v2"

	"qgo/kernels/panel"
	"qgo/kernels/simd"
	"qgo/kernels/tier"
	"qgo/tensor"
)

// ISA is that of the package, vnni that of its products of bytes.
var (
	ISA  = tier.ISA{Switch: "QGO_NO_AVX2", Features: []cpuid.FeatureID{cpuid.AVX2, cpuid.FMA3, cpuid.F16C, cpuid.BMI2}}
	vnni = tier.ISA{Switch: "QGO_NO_VNNI", Features: MulVNNINeeds, Base: &ISA}
)

func init() {
	words := Vectors32
	words.Plain = tier.GoWords
	t := words.Tier("avx2", &ISA, &panel.Streamed{Kernels: *panel.Join(&Mul, &FloatMul), Words: MulWords, Streams: panel.StreamsHere})
	t.Words = QuantizeWords
	tier.Register(t)
	tier.Register(Vectors.Tier("avxvnni", &vnni, &panel.Streamed{Kernels: *panel.Join(&MulVNNI, &FloatMul), Streams: panel.StreamsHere}))
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
	Queries:        6,
	Fused:          true,
	F32:            simd.Attention{Scores: scoresF32, Values: valuesF32},
	F16:            simd.Attention{Scores: scoresF16, Values: valuesF16},
	Q8:             simd.Attention{Scores: scoresQ8, Values: valuesQ8},
	Softmax:        softmax,
	Plain:          tier.Go,
	Quantize:       quantize,
	QuantizeBlocks: 4,
}

// Vectors32 are Vectors with activations in groups of 32, which Mul relies on.
var Vectors32 = func() simd.Ops {
	o := Vectors
	o.Plain, o.Quantize = tier.Go32, quantize32
	return o
}()

// quantize quantises n times 128 values.
//
//go:noescape
func quantize(x *float32, dst *tensor.Block, n int)

// quantize32 is quantize with groups of 32.
//
//go:noescape
func quantize32(x *float32, dst *tensor.Block, n int)

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
