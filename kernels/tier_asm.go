//go:build (amd64 || arm64) && !noasm

package kernels

import (
	"os"

	"github.com/klauspost/cpuid/v2"

	"qgo/kernels/simd"
)

// has reports whether this machine has instruction sets and the environment
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
	t.Attend, t.Fused, t.Merge = v.Attend, v.Fused(), v.Merge
	t.Quantize = v.Quantize
	return t
}
