package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"qgo/bench"
	"qgo/bench/format"
	"qgo/testdata"
)

// demoFile is the demonstration model's file.
const demoFile = "../../model/demo/godoc-tiny-q8_0.gguf"

// quick are the arguments of a bench that takes a moment.
func quick(more ...string) []string {
	return append([]string{"bench", "-m", demoFile, "-p", "8", "-n", "4", "-r", "2", "-t", "1"}, more...)
}

func TestBench(t *testing.T) {
	dir := t.TempDir()
	file, page := filepath.Join(dir, "r.json"), filepath.Join(dir, "r.html")
	out := succeed(t, "", quick("--out", file, "--report", page, "--baseline", "nano-study")...)
	fits80(t, out)
	for _, want := range []string{"pp8", "tg4", "ITL", "memory   1 thread read", "decode of godoc-tiny-q8_0.gguf (tg4, 1 thread) ", "For reference: the 25.6 GB/s of NVIDIA Jetson Nano", "study on apple-m3"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	fitsSchema(t, "qgo.bench-1", file)
	r, err := format.ReadFile(file)
	if err != nil || len(r.Results) != 5 {
		t.Fatalf("%v, %+v", err, r)
	}
	if html, err := os.ReadFile(page); err != nil || !strings.Contains(string(html), `<h2>Roofline</h2>`) {
		t.Errorf("page: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*.part")); err != nil || len(left) > 0 {
		t.Errorf("left over: %q", left)
	}
	second := filepath.Join(dir, "second.html")
	succeed(t, "", "bench", "report", file, file, "--out", second)
	if html, err := os.ReadFile(second); err != nil || strings.Count(string(html), "<h2>Roofline, ") != 2 || strings.Count(string(html), "File r.json") != 2 {
		t.Errorf("page of two files: %v", err)
	}
	out = succeed(t, "", "bench", "compare", file, file)
	fits80(t, out)
	if !strings.Contains(out, "too few: 2+2") {
		t.Errorf("comparison:\n%s", out)
	}
	compared := filepath.Join(dir, "compared.json")
	text := succeed(t, "", "bench", "compare", file, file, "-o", "json")
	if err := os.WriteFile(compared, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	fitsSchema(t, "qgo.bench.compare-1", compared)
	var changes bench.Comparison
	if err := json.Unmarshal([]byte(text), &changes); err != nil || len(changes.Changes) != 5 || changes.Changes[0].NewConditions.Bandwidth == 0 {
		t.Errorf("%d changes, %v", len(changes.Changes), err)
	}
}

func TestBenchForms(t *testing.T) {
	for _, name := range format.Names {
		out := succeed(t, "", quick("-p", "0", "-o", name)...)
		if name == "benchstat" {
			if strings.Count(out, "BenchmarkDecode/") != 2 {
				t.Errorf("benchstat:\n%s", out)
			}
			continue
		}
		if r, err := format.Read([]byte(out)); err != nil || r.Results[0].Gen != 4 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBenchScenario(t *testing.T) {
	out := succeed(t, "", "bench", "-m", demoFile, "-t", "1", "--scenario", "completion", "--bound", "10")
	fits80(t, out)
	for _, want := range []string{"completion", "TTFT", "ITL", "TPOT", "TTLT", "t/s:  prefill ", ", decode ", ", throughput ", "the 10.0 GB/s of the given bound"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

// TestBenchOutputs checks that nothing is lost when an output fails.
func TestBenchOutputs(t *testing.T) {
	code, out, errOut := qgo("", quick("--out", "/no/such/folder/r.json")...)
	if code != exitBadInput || out != "" || !strings.Contains(errOut, "/no/such/folder/r.json cannot be written: no such file or directory\n") {
		t.Errorf("exit %d, %q, %q", code, out, errOut)
	}
	if _, err := os.Stat("/dev/full"); err != nil {
		testdata.Missing(t, "/dev/full")
	}
	t.Setenv("TMPDIR", t.TempDir())
	code, out, errOut = qgo("", quick("--out", "/dev/full")...)
	if code != exitBadInput || !strings.Contains(out, "tg4") {
		t.Errorf("exit %d, output %q", code, out)
	}
	var path string
	if _, at, ok := strings.Cut(errOut, "the results are in "); ok {
		path, _, _ = strings.Cut(at, " ")
	}
	if r, err := format.ReadFile(path); err != nil || len(r.Results) != 2 {
		t.Errorf("error %q; the file it names: %v", errOut, err)
	}
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Error("the device is gone")
	}
}

func TestBenchErrors(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	other, newer := filepath.Join(filepath.Dir(empty), "other"), filepath.Join(filepath.Dir(empty), "newer")
	for path, text := range map[string]string{empty: "", other: "a note\nof two lines", newer: `{"schema":"qgo.bench/7","results":[{}]}`} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		code int
		want string
		args string
	}{
		{2, "--prefill", "-p 1-"},
		{2, "nothing to measure", "-p 0 -n 0"},
		{2, "context-heavy", "--scenario tea"},
		{2, "--reps is -1: choose 1 to 1000000", "-r -1"},
		{2, "--reps is 0: choose 1", "-r 0"},
		{2, "--seconds is -1: choose 0 to", "--seconds -1"},
		{2, "--delay is +Inf: choose 0 to", "--delay Inf"},
		{2, "--ctx is -5: choose 0 or more", "--ctx -5"},
		{2, `--depth: "-1" is neither a number from 0`, "--depth -1"},
		{2, `--threads: "-3" is neither a number from 0`, "--threads -3"},
		{2, "--threads is 100000, and qgo may use", "-t 100000"},
		{2, "--batch: 99999999999999999999 is too much", "-b 99999999999999999999"},
		{2, "--bound is NaN", "--bound NaN"},
		{2, `--kv is "q9": choose f16, f32 or q8_0`, "--kv q9"},
		{2, `--tier is "mmx": choose `, "--tier mmx"},
		{1, "a context of 536870912", "-m " + demoFile + " --ctx 536870912"},
		{1, "tg128 needs a context of 128: --ctx is 100", "-m " + demoFile + " -p 0 --ctx 100"},
		{1, "is a directory", "compare . ."},
		{1, "there is no such file", "compare /none.json /none.json"},
		{1, "neither JSON nor a table", "compare " + other + " " + other},
		{1, "qgo.bench/7", "report --out x.html " + newer},
		{2, "toaster", "--profile toaster"},
		{2, "--bound", "--bound -3"},
		{2, "json, jsonl, csv", "-o xml"},
		{2, "--baseline llama-bench=/none: there is no such program", "--baseline llama-bench=/none"},
		{2, "address", "--baseline openai=localhost"},
		{2, "expected llama-bench=PATH", "--baseline /none.json"},
		{1, "is empty", "--baseline " + empty},
		{1, "no such file", "-m /none.gguf"},
		{2, "--out", "report " + empty},
		{2, "files", "report"},
		{1, "is empty", "report --out x.html " + empty},
		{2, "two files", "compare " + empty},
		{1, "is empty", fmt.Sprint("compare ", empty, " ", empty)},
	} {
		code, out, errOut := qgo("", append([]string{"bench"}, strings.Fields(c.args)...)...)
		said := strings.ReplaceAll(errOut, "\n", " ") // it is broken into lines
		if code != c.code || !strings.Contains(said, c.want) || strings.Contains(said, "strconv") || out != "" {
			t.Errorf("qgo bench %s: exit %d, out %q, error %q; want exit %d and an error with %q", c.args, code, out, errOut, c.code, c.want)
		}
	}
}
