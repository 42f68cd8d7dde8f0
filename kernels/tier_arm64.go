//go:build !noasm

package kernels

import (
	"github.com/klauspost/cpuid/v2"

	"qgo/kernels/neon"
	"qgo/kernels/panel"
)

// native returns the tiers in assembler that this machine can run. An
// environment variable for each instruction set, set to anything, takes it
// away, and what needs it: QGO_NO_NEON, QGO_NO_DOTPROD, QGO_NO_I8MM.
func native() (tiers []*Tier) {
	if !has("QGO_NO_NEON") { // every CPU that runs Go has it
		return nil
	}
	if has("QGO_NO_DOTPROD", cpuid.ASIMDDP) {
		if has("QGO_NO_I8MM", cpuid.I8MM) {
			t := withVectors("i8mm", neon.Vectors)
			t.Panels = panel.Join(&neon.I8mmMul, &neon.FloatMul)
			tiers = append(tiers, t)
		}
		t := withVectors("dotprod", neon.Vectors)
		t.Panels = panel.Join(&neon.DotMul, &neon.FloatMul)
		tiers = append(tiers, t)
	}
	t := withVectors("neon", neon.Vectors)
	t.Panels = panel.Join(&neon.Mul, &neon.FloatMul)
	return append(tiers, t)
}
