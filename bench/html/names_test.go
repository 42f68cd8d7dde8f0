package html

import "testing"

// TestNames names runs by what differs, and one without a depth beside others that
// have one.
func TestNames(t *testing.T) {
	var a, b run
	a.values[dimModel], b.values[dimModel] = "m", "m"
	b.values[dimDepth] = "depth 2048"
	name := nameBy([]run{a, b}, []dim{dimModel, dimDepth})
	if name(a) != "depth 0" || name(b) != "depth 2048" {
		t.Errorf("%q and %q", name(a), name(b))
	}
	if name := nameBy([]run{a, a}, []dim{dimModel, dimDepth}); name(a) != "m" {
		t.Errorf("alone it is %q", name(a))
	}
}
