package main

import (
	"slices"
	"testing"

	"qgo/bench"
)

// TestOnce wants what is listed twice measured once.
func TestOnce(t *testing.T) {
	if got := once([]int{0, 1, 4, 1, 0, 2}, 4); !slices.Equal(got, []int{4, 1, 2}) {
		t.Errorf("threads %d", got)
	}
	want := []bench.Test{{Prompt: 512}, {Gen: 8}, {Prompt: 512, Depth: 64}, {Gen: 8, Depth: 64}}
	if got := tests([]int{512, 0, 512}, []int{8, 8}, []int{0, 64, 0}); !slices.Equal(got, want) {
		t.Errorf("tests %+v, want %+v", got, want)
	}
	if got, err := bench.ParseScenarios("chat,balanced,Chat"); err != nil || len(got) != 2 {
		t.Errorf("scenarios %+v, %v", got, err)
	}
}
