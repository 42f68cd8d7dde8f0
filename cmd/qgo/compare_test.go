package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"qgo/bench"
	"qgo/bench/format"
)

// fitsSchema validates a file against one of the published schemas.
func fitsSchema(t *testing.T, schema, path string) {
	t.Helper()
	s, err := jsonschema.NewCompiler().Compile("../../docs/schema/" + schema + ".schema.json")
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(value); err != nil {
		t.Errorf("%s: %v", path, err)
	}
}

// TestFullReportFits validates the report that has all that a file can have.
func TestFullReportFits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "full.json")
	var b bytes.Buffer
	if err := format.Write(&b, fullReport(t), "json"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	fitsSchema(t, "qgo.bench-1", path)
}

// written writes a report of one decode of each depth by a CPU to a file.
func written(t *testing.T, cpu string, change func(*bench.Result), depths ...int) string {
	t.Helper()
	r := &bench.Report{Schema: bench.Schema}
	r.Machine.CPU = cpu
	for _, depth := range depths {
		res := &bench.Result{
			Engine: "qgo", ModelFilename: "dir/m.gguf", ModelSize: 1000, Gen: 128, Depth: depth, Batch: 512, Threads: 2, Backends: "CPU", CPUInfo: cpu,
			TypeK: "f16", TypeV: "f16", Kernels: "avx2", TestTime: time.Unix(1e9, 0).UTC(), SamplesTS: bench.Sample{10, 10.1, 10.2, 10.3, 10.4},
		}
		if change != nil {
			change(res)
		}
		r.Results = append(r.Results, res)
	}
	path := filepath.Join(t.TempDir(), "r.json")
	var b bytes.Buffer
	if err := format.Write(&b, r, "json"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestBenchCompare checks what is paired, said and refused.
func TestBenchCompare(t *testing.T) {
	faster := func(r *bench.Result) { r.Kernels, r.SamplesTS = "avx512", bench.Sample{20, 20.1, 20.2, 20.3, 20.4} }
	code, out, errOut := qgo("", "bench", "compare", written(t, "cpu", nil, 0, 64), written(t, "cpu", faster, 0, 9))
	fits80(t, out+errOut)
	const table = `m.gguf, batches of 512, 2 threads, CPU, f16 KV cache, before avx2 kernels, now
  avx512 kernels:
test                   old t/s   new t/s    change   verdict
tg128                     10.2      20.2   +98.0 %   faster (p=0.008)
`
	const warning = `Warning: not compared, because in one file only:
  decode of m.gguf (tg128 @ d9, batches of 512, 2 threads, CPU, f16 KV cache)
  decode of m.gguf (tg128 @ d64, batches of 512, 2 threads, CPU, f16 KV cache)
`
	if code != 0 || out != table || errOut != warning {
		t.Errorf("exit %d\n%s\n%s\nwant\n%s\n%s", code, out, errOut, table, warning)
	}
	one := written(t, "cpu", nil, 0)
	for want, path := range map[string]string{
		"the files have no result in common: the old one has decode of m.gguf (tg128, batches of 512, 2 threads, CPU, f16 KV cache), the new one": written(t, "cpu", nil, 5),
		"cannot be compared: the new file has decode of m.gguf (tg128, batches of 512, 2 threads, CPU, f16 KV cache) more than once":              written(t, "cpu", nil, 0, 0),
		"the results are of different machines, cpu and other: --across compares them nevertheless":                                               written(t, "other", nil, 0),
	} {
		code, out, errOut := qgo("", "bench", "compare", one, path)
		if code != exitBadInput || out != "" || !strings.Contains(strings.Join(strings.Fields(errOut), " "), want) {
			t.Errorf("exit %d, %q, %q; want %q", code, out, errOut, want)
		}
	}
	out = succeed(t, "", "bench", "compare", "--across", one, written(t, "other", nil, 0))
	if !strings.HasPrefix(out, "old: cpu\nnew: other\n\nm.gguf") || !strings.Contains(out, "no change (p=1.000)") {
		t.Errorf("across machines:\n%s", out)
	}
}

// TestBenchNames checks that tables and sentences of a sweep name what varies,
// each sentence once, and that nothing unknown is shown as 0.
func TestBenchNames(t *testing.T) {
	r := fullReport(t)
	prefill := r.Results[0]
	for _, threads := range []int{4, 1} {
		for _, depth := range []int{0, 64} {
			res := *prefill
			res.Threads, res.Depth, res.TypeV = threads, depth, "q8_0"
			res.SamplesTS, res.Reps, res.StddevTS = res.SamplesTS[:1], res.Reps[:1], 0
			r.Results = append(r.Results, &res)
		}
	}
	var b bytes.Buffer
	printBench(&b, r)
	out := b.String()
	fits80(t, out)
	for _, want := range []string{
		"cpu, 1 thread\nbatches of 512, f16/q8_0 KV cache, go kernels\n",
		"cpu, 4 threads\nbatches of 512, f16/q8_0 KV cache, go kernels\n",
		"pp512 @ d64              540.4               0.4     399.0       609.6     89 %",
		"\nms, m.gguf, 4 threads, gpu, 3 layers, f16 KV cache\n",
		"rag-style            t/s:  prefill 6826.7, decode 2833.3, throughput 270.2\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	sentences := strings.Join(strings.Fields(out), " ")
	const once = "prefill of m.gguf (pp512, 4 threads, CPU, f16 KV cache; also with f16/q8_0 KV cache, at d64 with f16/q8_0 KV cache, with 1 thread and f16/q8_0 KV cache, at d64 with 1 thread and f16/q8_0 KV cache) is bound by what the CPU multiplies: near its bound (89 %)."
	if strings.Count(sentences, once) != 1 || strings.Count(sentences, "is bound by what the CPU multiplies") != 1 {
		t.Errorf("not once %q in\n%s", once, out)
	}
	for _, bad := range []string{"1 threads", "± 0.0", "CPU, CPU", "(1 changes)", "(1 repetitions)"} {
		if strings.Contains(out, bad) {
			t.Errorf("%q in\n%s", bad, out)
		}
	}
}
