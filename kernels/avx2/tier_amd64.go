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

// The tiers of the package.
var (
	tierAVX2 = newAVX2()
	tierVNNI = newVNNI()
)

func init() {
	tier.Register(tierAVX2)
	tier.Register(tierVNNI)
}

// floatStreams are those of floating-point weights on every CPU: additions to the sums of one would wait for
// each other.
const floatStreams = 2

func newAVX2() *tier.Tier {
	vectors := Vectors32
	vectors.Plain = tier.GoWords
	s := panel.Streamed{Kernels: *panel.Join(&Mul, &FloatMul), Words: MulWords, Streams: panel.StreamsHere, FloatStreams: floatStreams}
	t := vectors.Tier("avx2", &ISA, &s)
	t.Words = QuantizeWords
	t.Floats = WithWords(t, s, &expandWords, multiplyWords)
	return t
}

func newVNNI() *tier.Tier {
	s := panel.Streamed{Kernels: *panel.Join(&MulVNNI, &FloatMul), Streams: panel.StreamsHere, FloatStreams: floatStreams}
	t := Vectors.Tier("avxvnni", &vnni, &s)
	t.Floats = WithWords(t, s, &expandWords, dotWords)
	return t
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
