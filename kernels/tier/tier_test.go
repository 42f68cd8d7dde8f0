package tier_test

import (
	"slices"
	"testing"

	_ "qgo/kernels" // all tiers
	"qgo/kernels/tier"
)

// TestOrder wants tiers with names of their own, each before those whose ISA
// its own builds on.
func TestOrder(t *testing.T) {
	all := tier.All()
	if last := all[len(all)-1]; last != tier.Go {
		t.Errorf("the last tier is %q, want plain Go", last.Name)
	}
	for i, a := range all {
		for _, b := range all[:i] {
			if a.Name == b.Name {
				t.Errorf("two tiers are %q", a.Name)
			}
			for isa := a.ISA; isa != nil; isa = isa.Base {
				if isa == b.ISA {
					t.Errorf("%q stands before %q, which builds on it", b.Name, a.Name)
				}
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
			var want []*tier.Tier
			for _, b := range before {
				needs := false
				for isa := b.ISA; isa != nil; isa = isa.Base {
					needs = needs || isa.Switch == s.variable
				}
				if !needs {
					want = append(want, b)
				}
				if slices.Contains(s.tiers, b.Name) && !needs {
					t.Errorf("%s does without what the variable takes away", b.Name)
				}
			}
			if got := tier.All(); !slices.Equal(got, want) {
				t.Errorf("tiers are %q, want %q", names(got), names(want))
			}
		})
	}
}

func names(tiers []*tier.Tier) (list []string) {
	for _, t := range tiers {
		list = append(list, t.Name)
	}
	return list
}
