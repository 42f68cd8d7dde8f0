package tier_test

import (
	"slices"
	"testing"

	_ "qgo/kernels" // all tiers
	"qgo/kernels/tier"
)

// needs reports whether what a tier needs includes an ISA.
func needs(t *tier.Tier, is func(*tier.ISA) bool) bool {
	isa := t.ISA
	for isa != nil && !is(isa) {
		isa = isa.Base
	}
	return isa != nil
}

// TestOrder wants tiers before those whose ISA their own builds on.
func TestOrder(t *testing.T) {
	all := tier.All()
	for i, a := range all {
		for _, b := range all[:i] {
			if b.Name == a.Name || b == tier.Go || needs(a, func(isa *tier.ISA) bool { return isa == b.ISA }) {
				t.Errorf("%s is the slower one and comes before %s", b.Name, a.Name)
			}
		}
	}
}

// TestSwitches takes instruction sets away by environment variables: the tiers
// that need them are gone, and the others stay in their order.
func TestSwitches(t *testing.T) {
	before := tier.All()
	for _, s := range []struct {
		variable string
		tiers    []string // some of those that are gone
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
			want := slices.DeleteFunc(slices.Clone(before), func(b *tier.Tier) bool {
				return needs(b, func(isa *tier.ISA) bool { return isa.Switch == s.variable })
			})
			gone := func(name string) bool { return slices.Contains(s.tiers, name) }
			if !slices.Equal(tier.All(), want) || slices.ContainsFunc(tier.Names(), gone) {
				t.Errorf("tiers are %q without %q", tier.Names(), s.tiers)
			}
		})
	}
}
