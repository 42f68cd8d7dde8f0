package format

import (
	"strings"
	"testing"

	"golang.org/x/perf/benchfmt"

	"qgo/bench"
)

// profiled is a report of which decode and the scenario have operations.
func profiled(t *testing.T) *bench.Report {
	t.Helper()
	r := report(t)
	for _, res := range r.Results[1:] {
		for _, phase := range []string{"prefill", "decode"} {
			if phase == "prefill" && res.Scenario == "" {
				continue
			}
			res.Ops = append(res.Ops,
				bench.Op{Phase: phase, Op: "attention", NS: 2500.04, Bytes: 1000},
				bench.Op{Phase: phase, Op: "a | b", NS: 0},
				bench.Op{Phase: phase, Op: "head", NS: 7500, Bytes: 75000, FLOP: 150000, BoundNS: 6000},
				bench.Op{Phase: phase, Op: bench.AllOps, NS: 10000.04, Bytes: 76000, FLOP: 150000, BoundNS: 6100, Ratio: 1.01, RatioLow: 1, RatioHigh: 1.02, Pairs: 3},
			)
		}
	}
	return r
}

// TestOpsMarkdown has a table of operations below that of the results, which is
// read as if there were no other.
func TestOpsMarkdown(t *testing.T) {
	got := write(t, profiled(t), "md")
	const table = `
Where the time of decode of a,b.gguf (tg128 @ d64, 4 threads) goes: head takes the largest part of the time of decode, 75.0 %, and reaches 80 % of its bound.

| operation | of time | ms/token | GB/s | GFLOP/s | bound, ms | of it |
| --- | ---: | ---: | ---: | ---: | ---: | ---: |
| attention | 25.0 % | 0.0025 |  |  |  |  |
| a \| b | 0.0 % | 0.0000 |  |  |  |  |
| head | 75.0 % | 0.0075 | 10.0 | 20.0 | 0.0060 | 80 % |
| all | 100.0 % | 0.0100 | 7.6 | 15.0 | 0.0061 | 61 % |

profiling took 1.0 % (quartiles 0.0 to 2.0 of 3 pairs)
`
	plain := write(t, report(t), "md")
	if !strings.HasPrefix(got, plain+table) || strings.Count(got, "| operation |") != 3 || !strings.Contains(got, "\nWhere the time of prefill of a,b.gguf (rag-style, 4 threads) goes: ") {
		t.Errorf("%s\nwant it to begin with the results and\n%s", got, table)
	}
	again, err := Read([]byte(got))
	if err != nil || len(again.Results) != 3 {
		t.Fatalf("%+v, %v", again, err)
	}
	if text := write(t, again, "md"); !strings.Contains(text, "tg128 @ d64") || strings.Contains(text, "operation") {
		t.Errorf("read again:\n%s", text)
	}
	two, err := Read([]byte(plain + "\nand\n\n" + plain))
	if err != nil || len(two.Results) != 6 {
		t.Errorf("two tables of results: %+v, %v", two, err)
	}
	if strings.Contains(plain, "operation") {
		t.Errorf("operations of which nothing is known:\n%s", plain)
	}
}

// TestOpsCSV has one row for each result, with operations or without.
func TestOpsCSV(t *testing.T) {
	if got, want := write(t, profiled(t), "csv"), write(t, report(t), "csv"); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

// TestOpsBenchstat reads the times of operations with benchstat's own reader.
func TestOpsBenchstat(t *testing.T) {
	times := map[string]float64{}
	lines := benchfmt.NewReader(strings.NewReader(write(t, profiled(t), "benchstat")), "r.txt")
	for lines.Scan() {
		line, ok := lines.Result().(*benchfmt.Result)
		if !ok {
			t.Fatalf("%+v", lines.Result())
		}
		name := string(line.Name)
		if strings.Contains(name, "/op=") != strings.Contains(name, "Op/") {
			t.Errorf("%s", name)
		}
		if v, ok := line.Value("sec/op"); ok && strings.Contains(name, "/op=") {
			times[name] = v * 1e9
		}
	}
	if err := lines.Err(); err != nil {
		t.Error(err)
	}
	const decode = "DecodeOp/model=a,b.gguf/test=tg128_at_d64/engine=qgo/batch=512/"
	const scenario = "Op/model=a,b.gguf/test=rag-style/engine=qgo/batch=512/"
	for name, want := range map[string]float64{
		decode + "op=attention-4": 2500, decode + "op=head-4": 7500, decode + "op=all-4": 10000,
		"Prefill" + scenario + "op=head-4": 7500, "Decode" + scenario + "op=head-4": 7500,
	} {
		if got := times[name]; got < want-0.1 || got > want+0.1 {
			t.Errorf("%s takes %v ns, want %v", name, got, want)
		}
	}
	if len(times) != 9 { // none of what took no time
		t.Errorf("%d operations: %v", len(times), times)
	}
}

// TestOpsJSON keeps operations, and refuses those without their sum.
func TestOpsJSON(t *testing.T) {
	for _, form := range []string{"json", "jsonl"} {
		again, err := Read([]byte(write(t, profiled(t), form)))
		if err != nil || len(again.Results[1].Ops) != 4 || len(again.Results[2].OpPhases()) != 2 || again.Results[1].Ops[2] != profiled(t).Results[1].Ops[2] {
			t.Errorf("%s: %+v, %v", form, again, err)
		}
	}
	const sum = `{"phase":"decode","op":"all","ns":5}`
	for ops, want := range map[string]string{
		"": "",
		`{"phase":"decode","op":"qkv","ns":5},` + sum: "",
		`{"phase":"decode","op":"qkv","ns":5}`:        `result 1 has ops of the phase "decode" that do not end with their sum`,
		sum:                                           "expected operations",
		sum + "," + sum:                               "do not end with their sum",
		`{"phase":"decode","op":"qkv"},{"phase":"decode","op":"all"}`:         "ns above 0",
		`{"phase":"prefill","op":"qkv","ns":5},` + sum:                        `of the phase "prefill"`,
		strings.Repeat(`{"phase":"decode","op":"qkv","ns":5},`, maxOps) + sum: "has 101 operations in ops: expected at most 100",
		`{"phase":"decode","op":"qkv","ns":-1},` + sum:                        "ops[0].ns -1",
		`{"phase":"\u001b","op":"qkv","ns":1}`:                                `of the phase "\x1b"`,
	} {
		_, err := Read([]byte(`[{"n_gen":1,"avg_ts":1,"ops":[` + ops + `]}]`))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v, want %q", ops, err, want)
		}
	}
}
