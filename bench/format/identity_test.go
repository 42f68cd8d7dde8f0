package format

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"

	"golang.org/x/perf/benchfmt"

	"qgo/bench"
)

// varied is a report in which all that may vary does.
func varied(t *testing.T) *bench.Report {
	t.Helper()
	r := report(t)
	for _, res := range r.Results {
		res.TypeK, res.TypeV, res.Kernels, res.Backends = "f16", "f16", "avx2", "CPU"
	}
	other := r.Results[1]
	other.Batch, other.TypeV, other.Kernels, other.NoRepack = 256, "q8_0", "go", true
	return r
}

func write(t *testing.T, r *bench.Report, form string) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, r, form); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestMarkdownColumns checks that the table has a column for what varies, and
// that all forms which are read keep what identifies results.
func TestMarkdownColumns(t *testing.T) {
	const usual = "| model | file | size | params | engine | threads | test | t/s | GB/s | of bound |\n| --- | --- | ---: | ---: | --- | ---: | --- | ---: | ---: | ---: |\n"
	if got := write(t, report(t), "md"); !strings.HasPrefix(got, usual) {
		t.Errorf("nothing varies:\n%s", got)
	}
	got := write(t, varied(t), "md")
	for _, want := range []string{
		"| threads | n_batch | type_k | type_v | kernels | repack | test |",
		"| a,b.gguf | ", "| 4 | 512 | f16 | f16 | avx2 |  | pp512 |", "| 4 | 256 | f16 | q8_0 | go | no | tg128 @ d64 |",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	for _, form := range []string{"json", "jsonl", "csv", "md"} {
		again, err := Read([]byte(write(t, varied(t), form)))
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range varied(t).Results {
			if got := again.Results[i]; got.FullName() != want.FullName() || got.NoRepack != want.NoRepack || got.Kernels != want.Kernels {
				t.Errorf("%s: %s %s, want %s", form, got.FullName(), got.Kernels, want.FullName())
			}
		}
		if c, err := bench.Compare(varied(t), again, false); err != nil || len(c.Unmatched) > 0 {
			t.Errorf("%s is compared with what it was written from: %+v, %v", form, c, err)
		}
	}
}

// TestUnknown checks that what is not known, such as the deviation of one
// repetition, is empty and no 0.
func TestUnknown(t *testing.T) {
	r := &bench.Report{Results: []*bench.Result{{Engine: "x", Gen: 8, ModelType: "m", AvgTS: 50, AvgNS: 16e7, Summary: bench.Summary{MedianTS: 50}, SamplesNS: []int64{16e7}, SamplesTS: bench.Sample{50}}}}
	if got := write(t, r, "md"); !strings.HasSuffix(got, "| m | m |  |  | x |  | tg8 | 50.00 |  |  |\n") {
		t.Errorf("md:\n%s", got)
	}
	rows, err := csv.NewReader(strings.NewReader(write(t, r, "csv"))).ReadAll()
	if err != nil || len(rows) != 2 {
		t.Fatalf("%q, %v", rows, err)
	}
	want := map[string]string{"engine": "x", "model_type": "m", "n_gen": "8", "n_prompt": "0", "n_depth": "0", "n_gpu_layers": "0", "avg_ts": "50", "avg_ns": "160000000", "median_ts": "50", "incomplete": "false", "no_repack": "false"}
	for i, name := range rows[0] {
		if got := rows[1][i]; got != want[name] {
			t.Errorf("%s is %q, want %q", name, got, want[name])
		}
	}
	if r.Results[0].SamplesTS = (bench.Sample{50, 50}); !strings.Contains(write(t, r, "md"), "50.00 ± 0.00") {
		t.Error("two equal repetitions have a deviation")
	}
}

// TestBenchstat reads the form of benchmarks with benchstat's own reader.
func TestBenchstat(t *testing.T) {
	r := varied(t)
	names := map[string]int{}
	lines := benchfmt.NewReader(strings.NewReader(write(t, r, "benchstat")), "r.txt")
	for lines.Scan() {
		switch line := lines.Result().(type) {
		case *benchfmt.Result:
			names[string(line.Name)]++
			if _, parts := line.Name.Parts(); len(parts) < 7 {
				t.Errorf("%s has the parts %q", line.Name, parts)
			}
			if v, ok := line.Value("tokens/s"); !ok || v <= 0 {
				t.Errorf("%s has %v tokens/s", line.Name, v)
			}
		default:
			t.Errorf("%+v", line)
		}
	}
	if err := lines.Err(); err != nil {
		t.Error(err)
	}
	for _, want := range []string{
		"Prefill/model=a,b.gguf/test=pp512/engine=qgo/batch=512/device=CPU/kv=f16/kernels=avx2-4",
		"Decode/model=a,b.gguf/test=tg128_at_d64/engine=qgo/batch=256/device=CPU/kv=f16_q8_0/kernels=go/repack=no-4",
		"Decode/model=a,b.gguf/test=rag-style/engine=qgo/batch=512/device=CPU/kv=f16/kernels=avx2-4",
	} {
		if names[want] != 3 {
			t.Errorf("%d lines of %s: %v", names[want], want, names)
		}
	}
}
