package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"qgo/bench"
	"qgo/bench/format"
	"qgo/bench/html"
	"qgo/bench/machine"
	"qgo/bench/roofline"
	"qgo/kernels/plan"
	"qgo/model"
)

// fullReport has all that a file of results can have.
func fullReport(t testing.TB) *bench.Report {
	t.Helper()
	nano, err := roofline.ProfileByName("jetson-nano")
	if err != nil {
		t.Fatal(err)
	}
	s, err := roofline.OutlineByName("0.5b:q4_0", model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	rate := bench.Rate{Best: 20e9, Median: 19e9, Passes: 3}
	peaks := []bench.PeakRate{{Type: "fp32", Instruction: "fma", Rate: bench.Rate{Best: 450e9}}}
	r := &bench.Report{
		Schema: bench.Schema, Started: time.Unix(1e9, 0).UTC(), Reference: *nano,
		Machine:  machine.Info{Board: "board", CPU: "cpu", OS: "linux", Arch: "arm64", Kernel: "6", Governors: []string{"powersave"}, PowerMode: "MAXN", Threads: 4, Memory: 4e9},
		Ceilings: []*bench.Ceilings{{Threads: 4, Kernels: "go", Read: rate, Copy: rate, Triad: rate, Peaks: peaks}},
		GPU:      &bench.GPUCeilings{Device: "cuda:0", DeviceInfo: plan.DeviceInfo{Name: "gpu", Major: 9, SMs: 132, Memory: 80e9}, Read: rate, Copy: rate, Peaks: peaks, Launches: rate, Barriers: rate},
		Warnings: []string{"a warning"}, Harness: &bench.Harness{ClockNS: 20, Overhead: 0.01, Repeat: 0.01}, Interrupted: true,
	}
	r.Series.Zones, r.Series.Rails = []machine.Zone{{Name: "zone", Passive: 70}}, []machine.Rail{{Name: "rail", Total: true}}
	for i := range 3 {
		at := time.Duration(i) * time.Second
		r.Series.Samples = append(r.Series.Samples, machine.Sample{At: at, CPU: 0.9, Clock: 1.4e9, GPUClock: 1e9, Temps: []float64{40}, Watts: []float64{5}})
	}
	r.Series.Events, r.Series.Slowdowns = []string{"an event"}, []machine.Slowdown{{From: 1e9, To: 2e9, Reason: "an event"}}
	for i, test := range []bench.Test{{Prompt: 512}, {Gen: 4, Depth: 64}, bench.Scenarios[6]} {
		for _, engine := range []string{"qgo", "llama.cpp"} {
			if engine != "qgo" && i != 1 {
				continue
			}
			res := &bench.Result{
				BuildCommit: "1234", CPUInfo: "cpu", Backends: "CPU", Engine: engine, Kernels: "go", ModelFilename: "dir/m.gguf", ModelType: "qwen2", ModelSize: s.Size(),
				Cost: &s.Cost, Threads: 4, Batch: 512, TypeK: "f16", TypeV: "f16", Prompt: test.Prompt, Gen: test.Gen, Depth: test.Depth, Scenario: test.Scenario,
				Load: &bench.Load{ColdNS: 1e9, WarmNS: 1e8}, Paired: engine != "qgo",
			}
			if i == 1 {
				gpu := s.Cost
				gpu.Weights /= 2
				res.Backends, res.GPUInfo, res.GPULayers, res.GPUCost = "CUDA", "gpu", 3, &gpu
			}
			for j := range 2 {
				rep := bench.Rep{Start: time.Duration(3*i+j) * time.Second, NS: 9e8 + 1e8*int64(j), Before: 20e9 + 10e9*float64(j), After: 30e9, CPUBefore: 1e10, CPUAfter: 1e10, Launches: 100, Prompt: test.Prompt, Gen: test.Gen}
				if test.Gen > 0 {
					rep.Gaps = []int64{2e7, 3e7, 4e7}
				}
				if test.Scenario != "" {
					rep.TTFT = 3e8
				}
				res.Reps = append(res.Reps, rep)
			}
			res.Summarise(bench.Limits{CPU: roofline.Limits{Peak: 450e9}}, *nano)
			res.JoulesPerToken = 1
			r.Results = append(r.Results, res)
		}
	}
	return r
}

// hostile is what a text in a file may do to a terminal or a page.
var hostile = "\x1b]0;pwn\a\x1b[2J\u009b31m\u202e<script>alert(1)</script>\"'\n|" + strings.Repeat("long", 1000)

// mutants calls try with the tree in which each number, text and list in turn
// is another one, and says what changed. Of long lists it changes the first
// and the last.
func mutants(tree any, path string, set func(any), try func(what string)) {
	each := func(old any, values ...any) {
		for _, v := range values {
			set(v)
			text := fmt.Sprint(v)
			try(fmt.Sprintf("%s = %.20s", path, text))
		}
		set(old)
	}
	switch v := tree.(type) {
	case map[string]any:
		for name, e := range v {
			mutants(e, path+"."+name, func(x any) { v[name] = x }, try)
			delete(v, name)
			try(path + "." + name + " left out")
			v[name] = e
		}
		each(v, nil, []any{})
	case []any:
		for i, e := range v {
			if i == 0 || i == len(v)-1 {
				mutants(e, fmt.Sprintf("%s[%d]", path, i), func(x any) { v[i] = x }, try)
			}
		}
		each(v, nil, []any{}, v[:min(1, len(v))], append(append([]any{}, v...), v...), []any{nil})
	case json.Number:
		numbers := []any{-1, 0}
		for _, n := range []string{"1e308", "1e-308", "1e400", "1e23", "1000000000", "9223372036854775807"} {
			numbers = append(numbers, json.Number(n))
		}
		each(v, numbers...)
	case string:
		each(v, hostile, "")
	}
}

// ownScripts are a page's own, which are always the same.
var ownScripts = regexp.MustCompile(`(?s)<script id="(plot|charts)">.*?</script>`)

// judge reads a file of results and shows it in all ways. The error is that of
// reading, which is one line.
func judge(t *testing.T, what string, data []byte) error {
	t.Helper()
	start := time.Now()
	r, err := format.Read(data)
	if err != nil {
		if text := err.Error(); strings.ContainsAny(text, "\x1b\n\u009b\u202e") || len(text) > 400 {
			t.Errorf("%s: error %q", what, text)
		}
		return err
	}
	var page, text, csv bytes.Buffer
	if err := html.Write(&page, []*bench.Report{r}); err != nil {
		t.Errorf("%s: page: %v", what, err)
	}
	printBench(&text, r)
	if c, err := bench.Compare(r, r, false); err != nil {
		text.WriteString(err.Error())
	} else {
		printComparison(&text, c)
		if _, err := json.Marshal(c); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, form := range format.Names {
		if err := format.Write(&csv, r, form); err != nil {
			t.Errorf("%s as %s: %v", what, form, err)
		}
	}
	const most = 2 << 20
	for name, b := range map[string][]byte{"page": ownScripts.ReplaceAll(page.Bytes(), nil), "text": text.Bytes(), "forms": csv.Bytes()} {
		if bytes.ContainsAny(b, "\x1b\a") || bytes.Contains(b, []byte("<script>")) && name == "page" || bytes.Contains(b, []byte("longlonglong"+strings.Repeat("long", 30))) && name != "forms" && !strings.HasPrefix(what, ".warnings") && !strings.HasPrefix(what, ".series.slowdowns") || len(b) > most {
			t.Errorf("%s: the %s shows what the file says as it is, or has %d bytes", what, name, len(b))
		}
		if bytes.Contains(b, []byte("NaN")) || bytes.Contains(b, []byte("Inf")) {
			t.Errorf("%s: the %s has a number that is none", what, name)
		}
	}
	if d := time.Since(start); d > 20*time.Second {
		t.Errorf("%s: took %v", what, d)
	}
	return nil
}

// TestBenchMutants changes every number, text and list of a file of results:
// each is a page and a text, or one error.
func TestBenchMutants(t *testing.T) {
	var good bytes.Buffer
	r := fullReport(t)
	slow := *r.Results[1]
	slow.PowerMode, r.Results[1].PowerMode = "governor=powersave", "as-is"
	r.Results = append(r.Results, &slow)
	if err := format.Write(&good, r, "json"); err != nil {
		t.Fatal(err)
	}
	if err := judge(t, "nothing", good.Bytes()); err != nil {
		t.Fatal(err)
	}
	var tree any
	d := json.NewDecoder(&good)
	d.UseNumber()
	if err := d.Decode(&tree); err != nil {
		t.Fatal(err)
	}
	// A part of them; the fuzzer of bench/format goes on.
	shown, refused, n, every := 0, 0, 0, 5
	if testing.Short() {
		every = 29
	}
	mutants(tree, "", func(any) {}, func(what string) {
		if n++; n%every != 0 {
			return
		}
		data, err := json.Marshal(tree)
		if err != nil {
			t.Fatal(err)
		}
		if judge(t, what, data) == nil {
			shown++
		} else {
			refused++
		}
	})
	if shown < 600/every || refused < 600/every {
		t.Errorf("%d files were shown, %d refused: expected more of each", shown, refused)
	}
	t.Logf("%d files were shown, %d refused", shown, refused)
}

// TestBenchCases runs the program on files that once made it panic, or sent a
// terminal escapes.
func TestBenchCases(t *testing.T) {
	cases := map[string]string{
		"log0":    `{"schema":"qgo.bench/1","results":[{"n_prompt":1,"measured_bound":{},"gflop_per_second":1}]}`,
		"escapes": `[{"n_prompt":512,"samples_ts":[10,11,12,9],"engine":"\u001b]0;pwn\u0007\u001b[2J","cpu_info":"<script>alert(1)</script>"}]`,
	}
	bad := `{"schema":"qgo.bench/1","results":[{"n_gen":2,"samples_ts":[1],"reps":[{"ns":5},{"ns":0}]}]}`
	dir := t.TempDir()
	page := filepath.Join(dir, "page.html")
	for name, text := range cases {
		path := filepath.Join(dir, name+".json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		succeed(t, "", "bench", "report", path, "--out", page)
		if b, err := os.ReadFile(page); err != nil || bytes.ContainsAny(b, "\x1b\a") || bytes.Count(b, []byte("<script")) != 3 {
			t.Errorf("%s: page: %v", name, err)
		}
		if out := succeed(t, "", "bench", "compare", path, path); strings.ContainsAny(out, "\x1b\a") || name == "escapes" && !strings.Contains(out, `\x1b]0;pwn`) {
			t.Errorf("%s: comparison %q", name, out)
		}
	}
	path := filepath.Join(dir, "bad.json")
	if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, errOut := qgo("", "bench", "report", path, "--out", filepath.Join(dir, "none.html"))
	if code != exitBadInput || !strings.Contains(errOut, "2 repetitions in reps and 1 rates") {
		t.Errorf("exit %d, %q", code, errOut)
	}
	if _, err := os.Stat(filepath.Join(dir, "none.html")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a page of a bad file: %v", err)
	}
}
