package bench

import (
	"slices"
	"testing"

	"qgo/bench/roofline"
	"qgo/model"
)

func TestLabels(t *testing.T) {
	a := result(nil)
	b := result(func(r *Result) { r.TypeV, r.Threads, r.NoRepack, r.Depth = "q8_0", 1, true, 64 })
	if got := Varying([]*Result{a, a, b}); !slices.Equal(got, []string{LabelTest, LabelThreads, LabelKV, LabelRepack}) {
		t.Errorf("%v vary", got)
	}
	if got := Varying([]*Result{b}); got != nil {
		t.Errorf("of one result, %v vary", got)
	}
	if got, want := b.Beside(a), "at d64 with 1 thread and f16/q8_0 KV cache and weights as in the file"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := b.Subject(Varying([]*Result{a, b})), "decode of m.gguf (tg128 @ d64, 1 thread, f16/q8_0 KV cache, weights as in the file)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	gpu := result(func(r *Result) { r.Backends, r.GPUInfo, r.GPULayers, r.Gen, r.Prompt = "CUDA", "H\x1b", -1, 0, 9 })
	if got, want := gpu.FullName(), `prefill of m.gguf (pp9, batches of 512, 2 threads, H\x1b, all layers, f16 KV cache)`; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := (&Result{ModelType: "qwen2", Gen: 1, Engine: "x"}).FullName(); got != "decode of qwen2 (tg1, by x)" {
		t.Errorf("little is known: %q", got)
	}
}

// TestVerdicts says once of a model what holds for several results.
func TestVerdicts(t *testing.T) {
	s, err := roofline.OutlineByName("0.5b:q4_0", model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var all []*Result
	add := func(file string, prompt, gen, depth, threads int, rate float64) {
		r := &Result{Engine: "qgo", Prompt: prompt, Gen: gen, Depth: depth, Threads: threads, Cost: &s.Cost, ModelFilename: file, Batch: 512}
		r.Reps = []Rep{{NS: int64(1e9 * float64(prompt+gen) / rate), Prompt: prompt, Gen: gen, Before: 22e9, After: 22e9}}
		r.Summarise(Limits{CPU: roofline.Limits{Peak: 1e11}}, roofline.Machine{})
		all = append(all, r)
	}
	add("d/a.gguf", 512, 0, 0, 2, 80)
	add("d/a.gguf", 0, 128, 0, 2, 50)
	add("d/a.gguf", 0, 128, 2048, 2, 49)
	add("d/a.gguf", 0, 256, 0, 1, 51)
	add("d/b.gguf", 0, 128, 0, 2, 20)
	want := []string{
		"prefill of a.gguf (pp512, 2 threads) is bound by what the CPU multiplies: half way to its bound of 135.5 t/s (59 %)",
		"decode of a.gguf (tg128, 2 threads; also at d2048, tg256 with 1 thread) is bound by what memory reads: near its bound (79 to 83 %)",
		"decode of b.gguf (tg128, 2 threads) is bound by what memory reads: far from its bound of 63.4 t/s (32 %)",
	}
	if got := Verdicts(all); !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	if got := all[4].Verdict(); got != want[2] {
		t.Errorf("%q, want %q", got, want[2])
	}
}
