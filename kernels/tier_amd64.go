//go:build !noasm

package kernels

import (
	"os"

	"github.com/klauspost/cpuid/v2"

	"qgo/kernels/avx2"
	"qgo/kernels/avx512"
	"qgo/kernels/panel"
	"qgo/kernels/simd"
)

// native returns the tiers in assembler that this machine can run. An
// environment variable for each instruction set, set to anything, takes it
// away, and what needs it: QGO_NO_AVX2, QGO_NO_AVX512, QGO_NO_VNNI.
func native() (tiers []*Tier) {
	if !has("QGO_NO_AVX2", cpuid.AVX2, cpuid.FMA3, cpuid.F16C, cpuid.BMI2) {
		return nil
	}
	if has("QGO_NO_AVX512", cpuid.AVX512F, cpuid.AVX512BW, cpuid.AVX512DQ, cpuid.AVX512VL) {
		if has("QGO_NO_VNNI", cpuid.AVX512VNNI) {
			t := withVectors("avx512vnni", avx512.Vectors)
			t.Panels = panel.Join(&avx512.Mul, &avx512.FloatMul)
			tiers = append(tiers, t)
		}
		// Without VNNI, 512 bits have no advantage for integers.
		t := withVectors("avx512", avx512.Vectors)
		t.Panels = panel.Join(&avx2.Mul, &avx512.FloatMul)
		tiers = append(tiers, t)
	}
	if has("QGO_NO_VNNI", avx2.MulVNNINeeds...) {
		t := withVectors("avxvnni", avx2.Vectors)
		t.Panels = panel.Join(&avx2.MulVNNI, &avx2.FloatMul)
		tiers = append(tiers, t)
	}
	t := withVectors("avx2", avx2.Vectors)
	t.Panels = panel.Join(&avx2.Mul, &avx2.FloatMul)
	return append(tiers, t)
}

// has tells whether this machine has instruction sets and the environment
// variable that takes them away is not set.
func has(variable string, ids ...cpuid.FeatureID) bool {
	return cpuid.CPU.Supports(ids...) && os.Getenv(variable) == ""
}

// withVectors returns the plain-Go tier with v for all that is no product
// of a matrix.
func withVectors(name string, v *simd.Tier) *Tier {
	t := Go()
	t.Name = name
	t.RMSNorm, t.Rope, t.SwiGLU = v.RMSNorm, v.Rope, v.SwiGLU
	t.Add, t.Scale, t.Halves = v.Add, v.Scale, v.Halves
	t.Attend, t.Merge = v.Attend, v.Merge
	t.Quantize = v.Quantize
	return t
}
