//go:build !noasm

package kernels

import (
	"os"

	"github.com/klauspost/cpuid/v2"

	"qgo/kernels/avx512"
)

// native returns the tiers in assembler that this machine can run. An
// environment variable for each takes it away, and those that need it.
func native() (tiers []*Tier) {
	if !cpuid.CPU.Supports(cpuid.AVX512F, cpuid.AVX512BW, cpuid.AVX512DQ, cpuid.AVX512VL, cpuid.AVX512VNNI) || off("QGO_NO_AVX512") || off("QGO_NO_AVX2") {
		return nil
	}
	t := Go()
	t.Name = "avx512vnni"
	t.Panels = &avx512.Mul
	t.Quantize = avx512.Quantize
	return []*Tier{t}
}

func off(name string) bool { return os.Getenv(name) != "" }
