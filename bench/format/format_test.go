package format

import (
	"bytes"
	"encoding/csv"
	"math"
	"strings"
	"testing"
	"time"

	"qgo/bench"
	"qgo/bench/machine"
	"qgo/bench/roofline"
	"qgo/model"
)

// report has a prefill, a decode and a scenario.
func report(t *testing.T) *bench.Report {
	t.Helper()
	nano, err := roofline.ProfileByName("jetson-nano")
	if err != nil {
		t.Fatal(err)
	}
	s, err := roofline.OutlineByName("0.5b:q4_0", model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := &bench.Report{Schema: bench.Schema, Started: time.Unix(1e9, 0).UTC(), Reference: *nano}
	r.Series.Samples = []machine.Sample{}
	r.Machine.CPU, r.Machine.OS, r.Machine.Arch = "CPU, the | best", "linux", "arm64"
	for _, test := range []bench.Test{{Prompt: 512}, {Gen: 128, Depth: 64}, bench.Scenarios[6]} {
		res := &bench.Result{
			BuildCommit: "12345678", CPUInfo: r.Machine.CPU, Engine: "qgo", ModelFilename: "dir/a,b.gguf", ModelType: "qwen2 0.49B q4_0",
			ModelSize: s.Size(), ModelParams: 494e6, Cost: &s.Cost, Threads: 4, Batch: 512, TestTime: time.Unix(1e9, 0).UTC(),
			Prompt: test.Prompt, Gen: test.Gen, Depth: test.Depth, Scenario: test.Scenario,
		}
		for i := range 3 {
			rep := bench.Rep{NS: int64(2e9 + 1e8*float64(i)), Prompt: test.Prompt, Gen: test.Gen, Before: 20e9, After: 20e9}
			if test.Scenario != "" {
				rep.TTFT, rep.Gaps = 5e8, []int64{1e7, 2e7}
			}
			res.Reps = append(res.Reps, rep)
		}
		res.Summarise(bench.Limits{}, *nano)
		r.Results = append(r.Results, res)
	}
	return r
}

// TestRoundTrip writes a report in every form that can be read again.
func TestRoundTrip(t *testing.T) {
	want := report(t)
	want.Results[1].Incomplete = true
	for _, name := range []string{"json", "jsonl", "csv", "md"} {
		var b bytes.Buffer
		if err := Write(&b, want, name); err != nil {
			t.Fatal(err)
		}
		got, err := Read(b.Bytes())
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, b.String())
			continue
		}
		if len(got.Results) != 3 {
			t.Errorf("%s: %d results", name, len(got.Results))
			continue
		}
		for i, g := range got.Results {
			w := want.Results[i]
			if g.Test() != w.Test() || g.Threads != w.Threads || g.Engine != "qgo" {
				t.Errorf("%s: result %d is %+v, want %+v", name, i, g.Test(), w.Test())
			}
			if g.Incomplete != w.Incomplete {
				t.Errorf("%s: result %d is read as complete", name, i)
			}
			rate := w.AvgTS
			if name == "md" && w.Scenario != "" {
				rate = w.DecodeTS
			}
			if math.Abs(g.AvgTS-rate) > 0.006 {
				t.Errorf("%s: result %d has %v t/s, want %v", name, i, g.AvgTS, rate)
			}
			if strings.HasPrefix(name, "json") && (len(g.Reps) != 3 || len(g.SamplesTS) != 3 || g.OfGiven != w.OfGiven || len(g.Reps[0].Gaps) != len(w.Reps[0].Gaps)) {
				t.Errorf("%s: result %d has lost something: %+v", name, i, g)
			}
		}
	}
}

func TestForms(t *testing.T) {
	r := report(t)
	text := map[string]string{}
	for _, name := range Names {
		var b bytes.Buffer
		if err := Write(&b, r, name); err != nil {
			t.Fatal(err)
		}
		text[name] = b.String()
	}
	rows, err := csv.NewReader(strings.NewReader(text["csv"])).ReadAll()
	if err != nil || len(rows) != 4 || len(rows[0]) != len(columns) {
		t.Errorf("csv: %d rows, %v", len(rows), err)
	}
	for name, want := range map[string]string{
		"json":      `"schema": "qgo.bench/1"`,
		"jsonl":     `"n_prompt":512,`,
		"csv":       "build_commit,cpu_info,",
		"md":        "| pp512 | 244.",
		"benchstat": "BenchmarkDecode/model=a,b.gguf/test=tg128_at_d64/engine=qgo/batch=512-4 1 2000000000 ns/op 64.0000 tokens/s\n",
	} {
		if !strings.Contains(text[name], want) {
			t.Errorf("%s: no %q in\n%s", name, want, text[name])
		}
	}
	if err := Write(&bytes.Buffer{}, r, "xml"); err == nil {
		t.Error("no error for an unknown form")
	}
}

// TestGPU names the GPU in every form, and only where it computed.
func TestGPU(t *testing.T) {
	const gpu = "NVIDIA H100, 80GB"
	r := report(t)
	for _, res := range r.Results[:2] {
		res.Backends, res.GPUInfo, res.GPULayers, res.GPUCost = "CUDA", gpu, 26, res.Cost
	}
	r.Results[2].Backends = "CPU"
	for name, want := range map[string]string{
		"json":      `"gpu_info": "` + gpu + `"`,
		"jsonl":     `"gpu_info":"` + gpu + `","backends":"CUDA"`,
		"csv":       `,"` + gpu + `",CUDA,`,
		"md":        "| qgo | CUDA | " + gpu + " | 26 | 4 | pp512 |",
		"benchstat": "\ngpu: " + gpu + "\n",
	} {
		var b bytes.Buffer
		if err := Write(&b, r, name); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), want) {
			t.Errorf("%s: no %q in\n%s", name, want, b.String())
		}
		if name == "benchstat" {
			if strings.Count(b.String(), "gpu: ") != 2 || !strings.Contains(b.String(), "\ngpu: \nBenchmarkDecode/model=a,b.gguf/test=rag-style") {
				t.Errorf("the result of the CPU is the GPU's:\n%s", b.String())
			}
			continue
		}
		got, err := Read(b.Bytes())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for i, res := range got.Results {
			if want := r.Results[i]; res.OnGPU() != (i < 2) || res.GPUInfo != want.GPUInfo || res.GPULayers != want.GPULayers || res.Backends != want.Backends {
				t.Errorf("%s: result %d is read as of %q by %q with %d layers", name, i, res.GPUInfo, res.Backends, res.GPULayers)
			}
		}
	}
	for name, res := range map[string]bench.Result{
		gpu + ", 26 layers":                *r.Results[0],
		"4 threads":                        *r.Results[2],
		"":                                 {Engine: "openai"},
		"CUDA":                             {Backends: "CUDA", GPULayers: -1, Threads: 2},
		"1 thread":                         {Backends: "CPU", GPULayers: 99, Threads: 1},
		gpu + ", 3 layers; CPU, 4 threads": {Backends: "CUDA", GPUInfo: gpu, GPULayers: 3, Threads: 4, Cost: &model.Cost{Weights: 2}, GPUCost: &model.Cost{Weights: 1}},
	} {
		if got := res.Devices(); got != name {
			t.Errorf("computed on %q, want %q", got, name)
		}
	}
}

// llamaBench is output of llama-bench (build 9999 of 2026, shortened) in the
// forms that it has.
var llamaBench = map[string]string{
	"json": `[
  {
    "build_commit": "e9fd8fc", "build_number": 9999, "cpu_info": "AMD EPYC", "gpu_info": "", "backends": "CPU",
    "model_filename": "q.gguf", "model_type": "qwen2 1B Q4_0", "model_size": 344621056, "model_n_params": 494032768,
    "n_batch": 2048, "n_ubatch": 512, "n_threads": 2, "cpu_mask": "0x0", "type_k": "f16", "type_v": "f16", "flash_attn": true, "use_mmap": true,
    "n_prompt": 0, "n_gen": 128, "n_depth": 0, "test_time": "2026-01-02T03:04:05Z",
    "avg_ns": 2000000000, "stddev_ns": 1000000, "avg_ts": 64.0, "stddev_ts": 0.03,
    "samples_ns": [1999000000, 2001000000], "samples_ts": [64.032, 63.968]
  }
]`,
	"jsonl": `{"cpu_info": "AMD EPYC", "model_filename": "q.gguf", "n_threads": 2, "n_prompt": 0, "n_gen": 128, "n_depth": 0, "test_time": "2026-01-02T03:04:05Z", "avg_ns": 2000000000, "avg_ts": 64.0, "samples_ns": [ 2000000000 ],"samples_ts": [ 64.0 ]}
`,
	"csv": `build_commit,build_number,cpu_info,gpu_info,backends,model_filename,model_type,model_size,model_n_params,n_batch,n_threads,flash_attn,embeddings,n_prompt,n_gen,n_depth,test_time,avg_ns,stddev_ns,avg_ts,stddev_ts
"e9fd8fc","9999","AMD EPYC","","CPU","q.gguf","qwen2 1B Q4_0","344621056","494032768","2048","2","1","false","0","128","0","2026-01-02T03:04:05Z","2000000000","1000000","64.000000","0.030000"
`,
	"md": `| model                          |       size |     params | backend    | threads |            test |                  t/s |
| ------------------------------ | ---------: | ---------: | ---------- | ------: | --------------: | -------------------: |
| qwen2 1B Q4_0                  | 328.66 MiB |   494.03 M | CPU        |       2 |           tg128 |         64.00 ± 0.03 |

build: e9fd8fc (9999)
`,
}

func TestLlamaBench(t *testing.T) {
	for name, text := range llamaBench {
		r, err := Read([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		res := r.Results[0]
		if res.Engine != "llama.cpp" || res.Gen != 128 || res.Prompt != 0 || res.Threads != 2 || math.Abs(res.MedianTS-64) > 1e-9 || len(res.Reps) == 0 {
			t.Errorf("%s: %+v", name, res)
		}
		if name != "jsonl" && (res.ModelSize < 344e6 || res.ModelSize > 345e6) {
			t.Errorf("%s: a model of %d bytes", name, res.ModelSize)
		}
	}
}

func TestBad(t *testing.T) {
	for text, want := range map[string]string{
		"":                                     "empty",
		"[]":                                   "no results",
		"[1]":                                  "",
		"[null]":                               "null",
		`{"a": 1}`:                             "n_prompt",
		"hello":                                "neither JSON nor a table",
		`"text"`:                               "neither JSON nor a table",
		`{"schema":"qgo.bench/1","results":3}`: "no list",
		`{"schema":"qgo.bench/1","results":[`:  "cut off",
		`{"schema":"qgo.bench/1","results":[{"n_gen":1,"avg_ts":1}],"ceilings":[null]}`: "has null as ceilings[0]",
		`[{"n_gen":1,"avg_ts":1},`:                                  "cut off",
		`[{"n_gen":"many"}]`:                                        `has "string" as "n_gen": expected a whole number`,
		`[{"n_gen":1e400}]`:                                         `as "n_gen": expected a whole number`,
		`[{"n_gen":1,"avg_ts":1e-300}]`:                             "avg_ts 1e-300",
		`{"schema":"qgo.bench/9","n_gen":1,"avg_ts":1}`:             "qgo.bench/9",
		`[{"n_gen":1,"samples_ts":[1],"reps":[{"ns":1},{"ns":2}]}]`: "2 repetitions in reps and 1 rates",
		`[{"n_gen":1,"test_time":"today","avg_ts":1}]`:              "time",
		"[" + strings.Repeat(`{"n_gen":1,"avg_ts":1},`, maxResults) + `{"n_gen":1,"avg_ts":1}]`: "more than 5000 results",
		"[" + strings.Repeat(",", maxValues+1):                                                  "more than",
		"n_gen,avg_ts\n1,NaN":                                                                   "avg_ts",
		"{":                                                                                     "",
		`{"schema":"qgo.bench/9","results":[]}`:                                                 "qgo.bench/1",
		`{"schema":"qgo.bench/1","results":[]}`:                                                 "no results",
		`{"n_prompt": -5}`:                                                                      "n_prompt",
		`[{"n_gen":1,"samples_ts":[-1]}]`:                                                       "samples_ts[0] -1",
		"| test |\n| --- |\n| dance |":                                                          "dance",
		"| test | t/s |\n| --- |\n| pp5 | quick |":                                              "quick",
		"a,b\n1":      "",
		"n_gen\nmany": "",
		"\x00\x01":    "",
	} {
		r, err := Read([]byte(text))
		if err == nil {
			t.Errorf("%.80q: %+v, want an error", text, r)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%.80q: error %q, want %q", text, err, want)
		}
	}
	for path, want := range map[string]string{
		"/none.json": "/none.json: there is no such file of results",
		".":          ".: is a directory: expected a file of results",
	} {
		if _, err := ReadFile(path); err == nil || err.Error() != want {
			t.Errorf("%s: error %v, want %q", path, err, want)
		}
	}
}
