//go:build !noasm

package kernels

import (
	"github.com/klauspost/cpuid/v2"

	"qgo/kernels/avx2"
	"qgo/kernels/avx512"
	"qgo/kernels/panel"
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
