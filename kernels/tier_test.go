package kernels_test

import (
	"slices"
	"testing"

	"qgo/kernels"
)

// TestSwitches takes instruction sets away by environment variables: the tiers
// that need them are gone, and the others stay in their order.
func TestSwitches(t *testing.T) {
	names := func() (n []string) {
		for _, tier := range kernels.Tiers() {
			n = append(n, tier.Name)
		}
		return n
	}
	before := names()
	for _, s := range []struct {
		variable string
		tiers    []string
	}{
		{"QGO_NO_VNNI", []string{"avx512vnni", "avxvnni"}},
		{"QGO_NO_AVX512", []string{"avx512vnni", "avx512"}},
		{"QGO_NO_AVX2", []string{"avx512vnni", "avx512", "avxvnni", "avx2"}},
		{"QGO_NO_I8MM", []string{"i8mm"}},
		{"QGO_NO_DOTPROD", []string{"i8mm", "dotprod"}},
		{"QGO_NO_NEON", []string{"i8mm", "dotprod", "neon"}},
	} {
		t.Run(s.variable, func(t *testing.T) {
			t.Setenv(s.variable, "1")
			want := slices.DeleteFunc(slices.Clone(before), func(name string) bool { return slices.Contains(s.tiers, name) })
			if got := names(); !slices.Equal(got, want) {
				t.Errorf("tiers are %q, want %q of %q", got, want, before)
			}
		})
	}
}
