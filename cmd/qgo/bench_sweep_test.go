package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestBenchSweep measures a plan of one cell, shows the result in both forms,
// and puts it into a document.
func TestBenchSweep(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell")
	}
	dir := t.TempDir()
	model, err := os.ReadFile("../../model/demo/godoc-tiny-q8_0.gguf")
	if err != nil {
		t.Fatal(err)
	}
	program, file, plan, out, doc := filepath.Join(dir, "llama-bench"), filepath.Join(dir, "m.gguf"), filepath.Join(dir, "p.yaml"), filepath.Join(dir, "r.jsonl"), filepath.Join(dir, "d.md")
	for path, text := range map[string]string{
		program: "#!/bin/sh\necho '[{\"n_prompt\": 4, \"n_gen\": 0, \"samples_ns\": [1000000000]}]'\n",
		file:    string(model),
		plan:    "models: [" + file + "]\ntests: [pp4]\nthreads: [1]\nengines: [{name: stand-in, llama_bench: " + program + "}]\nrule: {pairs: 2, most: 2, foreign: 1, steady: 1}\n",
		doc:     "<!-- sweep: r.jsonl -->\n<!-- /sweep -->\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	shown := succeed(t, "", "bench", "sweep", plan, "--out", out)
	for _, want := range []string{"of 1 cell:", "m.gguf, 1 thread, pp4: ", " of stand-in, 4.0 t/s: "} {
		if !strings.Contains(shown, want) {
			t.Errorf("%s\nhas no %q", shown, want)
		}
	}
	if got := succeed(t, "", "bench", "grade", out); got != shown {
		t.Errorf("grade shows\n%s\nsweep showed\n%s", got, shown)
	}
	table := succeed(t, "", "bench", "grade", "-o", "md", out)
	if succeed(t, "", "bench", "grade", "--into", doc); true {
		if text, err := os.ReadFile(doc); err != nil || !strings.Contains(string(text), table) {
			t.Errorf("%s\nhas not\n%s%v", text, table, err)
		}
	}
	for _, args := range [][]string{{"sweep"}, {"grade"}, {"grade", "--into", doc, out}} {
		if code, _, _ := qgo("", append([]string{"bench"}, args...)...); code != exitUsage {
			t.Errorf("%v: exit %d", args, code)
		}
	}
	if code, _, text := qgo("", "bench", "sweep", filepath.Join(dir, "none.yaml")); code != 1 || !strings.Contains(text, "there is no such plan") {
		t.Errorf("without a plan: exit %d, %s", code, text)
	}
}

// TestBenchSweepPlan reads the plan that the help shows.
func TestBenchSweepPlan(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plan.yaml")
	text := strings.ReplaceAll(sweepPlan, "threads: [1, 2]", "threads: [1]")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, text := qgo("", "bench", "sweep", path); code != 1 || !strings.Contains(text, "q4_0.gguf") {
		t.Errorf("exit %d, %s: want that there is no such model", code, text)
	}
}
