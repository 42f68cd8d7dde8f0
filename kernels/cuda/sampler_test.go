package cuda

import (
	"slices"
	"testing"
)

// TestSampler checks that layers take turns, in passes of few rows and of many.
func TestSampler(t *testing.T) {
	for _, c := range []struct {
		many           bool
		layers, passes int
		events         int // passes with events
		each           int // how often a layer is sampled
		most           int // layers of a pass
	}{
		{false, 24, 24 * passesStep, 24, 1, 1},
		{false, 7, 3 * 7 * passesStep, 3 * 7, 3, 1},
		{false, 1, 5*passesStep + 1, 6, 6, 1},
		{true, 24, 4 * layersStep, 4 * layersStep, 4, 4},
		{true, 28, layersStep, layersStep, 1, 5},
		{true, 2, 6, 6, 3, 1},
		{true, 0, 3, 3, 0, 0},
	} {
		s := sampler{many: c.many}
		seen, events := make([]int, c.layers), 0
		for range c.passes {
			if !s.next() {
				continue
			}
			events++
			n := 0
			for i := range seen {
				if s.samples(i, c.layers) {
					seen[i]++
					n++
				}
			}
			if n > c.most || n < c.most-1 {
				t.Errorf("%+v: %d layers of a pass are sampled", c, n)
			}
		}
		if events != c.events || s.sampled != events || s.passes != c.passes {
			t.Errorf("%+v: %d passes carry events; %+v", c, events, s)
		}
		if slices.ContainsFunc(seen, func(n int) bool { return n != c.each }) {
			t.Errorf("%+v: the layers are sampled %v times", c, seen)
		}
	}
}

// TestSamplerRestarts checks that single passes between restarts carry events,
// those of other layers each time.
func TestSamplerRestarts(t *testing.T) {
	var s sampler
	seen := make([]int, 5)
	for range 2 * len(seen) {
		s.restart()
		if !s.next() || s.next() || s.passes != 2 || s.sampled != 1 {
			t.Fatalf("%+v", s)
		}
		for i := range seen {
			if s.samples(i, len(seen)) {
				seen[i]++
			}
		}
	}
	if !slices.Equal(seen, []int{2, 2, 2, 2, 2}) {
		t.Errorf("the layers are sampled %v times", seen)
	}
}
