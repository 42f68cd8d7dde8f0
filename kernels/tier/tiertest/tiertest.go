// Package tiertest runs tests on every tier of the machine.
package tiertest

import (
	"testing"

	_ "qgo/kernels" // all tiers
	"qgo/kernels/tier"
)

// ForAll runs f for every tier of this machine. Those that it has passed on are
// attributes of the test: the gate wants to see all of them in each package
// that calls ForAll.
func ForAll(t *testing.T, f func(t *testing.T, tier *tier.Tier)) {
	for _, tier := range tier.All() {
		t.Run(tier.Name, func(t *testing.T) {
			f(t, tier)
			if !t.Failed() {
				t.Attr("tier", tier.Name)
			}
		})
	}
}
