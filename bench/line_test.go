package bench

import (
	"math"
	"testing"

	"qgo/model"
)

// TestLines fits models that read 20 GB/s and take 2 ms a token beside.
func TestLines(t *testing.T) {
	result := func(bytes int64, seconds float64) *Result {
		return &Result{Engine: "qgo", Threads: 2, Backends: "CPU", Gen: 1, Cost: &model.Cost{Weights: bytes},
			SamplesTS: Sample{1 / seconds}}
	}
	exact := func(bytes int64) *Result { return result(bytes, 0.002+float64(bytes)/20e9) }
	lines := Lines([]*Result{exact(4e8), exact(1e9), exact(3e9), {Engine: "qgo", Prompt: 8, SamplesTS: Sample{1}}})
	if len(lines) != 1 {
		t.Fatalf("%d lines", len(lines))
	}
	l := lines[0]
	if math.Abs(l.Bandwidth/20e9-1) > 1e-9 || math.Abs(l.Fixed/0.002-1) > 1e-9 || l.Models != 3 || l.Worst > 1e-9 || l.Device != "2 threads" || l.Test != (Test{Gen: 1}) {
		t.Errorf("%+v", l)
	}
	if l := Lines([]*Result{exact(4e8), exact(1e9), result(3e9, 0.3)}); len(l) != 1 || l[0].Worst < 0.1 {
		t.Errorf("of a model off the line: %+v", l)
	}
	for name, results := range map[string][]*Result{
		"two models":       {exact(4e8), exact(1e9)},
		"three of a size":  {exact(4e8), exact(4e8), exact(4e8)},
		"larger is faster": {result(4e8, 0.3), result(1e9, 0.2), result(3e9, 0.1)},
	} {
		if l := Lines(results); len(l) != 0 {
			t.Errorf("%s: %+v", name, l)
		}
	}
}
