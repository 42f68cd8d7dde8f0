package bench

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// result is one of a decode with all that identifies it.
func result(change func(*Result)) *Result {
	r := &Result{
		Engine: "qgo", ModelFilename: "dir/m.gguf", ModelSize: 1000, Gen: 128, Batch: 512, Threads: 2, Backends: "CPU", CPUInfo: "cpu",
		TypeK: "f16", TypeV: "f16", Kernels: "avx2", TestTime: time.Unix(1e9, 0), SamplesTS: Sample{1, 2, 3, 4},
	}
	if change != nil {
		change(r)
	}
	return r
}

// TestPairs checks what is compared, and why what is not is not.
func TestPairs(t *testing.T) {
	gpu := func(name string, layers int) func(*Result) {
		return func(r *Result) { r.Backends, r.GPUInfo, r.GPULayers = "CUDA", name, layers }
	}
	for name, c := range map[string]struct {
		old, new func(*Result)
		across   bool
		pairs    bool
	}{
		"the same":             {nil, nil, false, true},
		"another folder":       {nil, func(r *Result) { r.ModelFilename = "m.gguf" }, false, true},
		"another test":         {nil, func(r *Result) { r.Depth = 5 }, false, false},
		"another engine":       {nil, func(r *Result) { r.Engine = "llama.cpp" }, false, false},
		"another file":         {nil, func(r *Result) { r.ModelFilename = "n.gguf" }, false, false},
		"another size":         {nil, func(r *Result) { r.ModelSize++ }, false, false},
		"a rounded size":       {nil, func(r *Result) { r.ModelSize, r.TestTime = 1001, time.Time{} }, false, true},
		"another batch":        {nil, func(r *Result) { r.Batch = 256 }, false, false},
		"another thread":       {nil, func(r *Result) { r.Threads = 1 }, false, false},
		"another KV type":      {nil, func(r *Result) { r.TypeK = "q8_0" }, false, false},
		"types not stated":     {nil, func(r *Result) { r.TypeK, r.TypeV, r.Batch = "", "", 0 }, false, true},
		"a GPU":                {nil, gpu("H", 26), false, false},
		"the same GPU":         {gpu("H", 26), gpu("H", 26), false, true},
		"another GPU":          {gpu("H", 26), gpu("A", 26), false, false},
		"another GPU, allowed": {gpu("H", 26), gpu("A", 26), true, true},
		"fewer layers":         {gpu("H", 26), gpu("H", 3), false, false},
		"another CPU":          {nil, func(r *Result) { r.CPUInfo = "old cpu" }, false, false},
		"another CPU, allowed": {nil, func(r *Result) { r.CPUInfo = "old cpu" }, true, true},
		"other kernels":        {nil, func(r *Result) { r.Kernels = "go" }, false, true},
	} {
		got, err := Compare(&Report{Results: []*Result{result(c.old)}}, &Report{Results: []*Result{result(c.new)}}, c.across)
		if c.pairs != (err == nil) || err != nil && !strings.Contains(err.Error(), "no result in common") {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && (name == "other kernels") != (len(got.Changes[0].Differs) > 0) {
			t.Errorf("%s: %v differ", name, got.Changes[0].Differs)
		}
	}
}

// TestAmbiguous checks that nothing is compared where it is not known with what.
func TestAmbiguous(t *testing.T) {
	one, two := &Report{Results: []*Result{result(nil)}}, &Report{Results: []*Result{result(nil), result(nil)}}
	unknown := &Report{Results: []*Result{result(func(r *Result) { r.Batch = 0 })}}
	batches := &Report{Results: []*Result{result(nil), result(func(r *Result) { r.Batch = 256 })}}
	kernels := &Report{Results: []*Result{result(nil), result(func(r *Result) { r.Kernels = "go" })}}
	const full = "decode of m.gguf (tg128, batches of 512, 2 threads, CPU, f16 KV cache)"
	for want, c := range map[string][2]*Report{
		"the old file has " + full + " more than once": {two, one},
		"the new file has " + full + " more than once": {one, two},
		"the new file has decode of m.gguf":            {one, kernels},
		"may be compared with more than one":           {unknown, batches},
		"may be compared with more than one result":    {batches, unknown},
	} {
		if _, err := Compare(c[0], c[1], false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	// A baseline that took turns is known by what it took turns with.
	turns := &Report{}
	for _, batch := range []int{256, 512} {
		turns.Results = append(turns.Results, result(func(r *Result) { r.Batch = batch }), result(func(r *Result) { r.Engine, r.Paired, r.Batch = "llama.cpp", true, 2048 }))
	}
	if c, err := Compare(turns, turns, false); err != nil || len(c.Changes) != 4 || c.Changes[1].Old != c.Changes[1].New {
		t.Errorf("%+v, %v", c, err)
	}
	if all := turns.Ratios(); len(all) != 2 || all[0].Ours != turns.Results[0] || all[1].Ours != turns.Results[2] {
		t.Errorf("ratios %+v", all)
	}
}

func TestMachines(t *testing.T) {
	a, b := &Report{Results: []*Result{result(nil)}}, &Report{Results: []*Result{result(nil)}}
	a.Machine.CPU, a.Machine.Board, b.Machine.CPU = "x", "board", "x"
	if _, err := Compare(a, b, false); err != nil {
		t.Errorf("a board that is not known: %v", err)
	}
	b.Machine.Board = "other\x1b"
	if _, err := Compare(a, b, false); !errors.Is(err, ErrMachines) || err.Error() != `the results are of different machines, x (board) and x (other\x1b)` {
		t.Errorf("error %v", err)
	}
	if c, err := Compare(a, b, true); err != nil || c.OldMachine != "x (board)" {
		t.Errorf("across: %+v, %v", c, err)
	}
}
