package bench

import (
	"strings"
	"testing"
)

// TestOpTexts checks what is said of operations.
func TestOpTexts(t *testing.T) {
	ops := []Op{
		{Phase: "decode", Op: "norm", NS: 1e5, Bytes: 1000},
		{Phase: "decode", Op: "gate_up", NS: 6e6, Bytes: 120e6, FLOP: 480e6, BoundNS: 4.5e6},
		{Phase: "decode", Op: "\x1b[31m", NS: 3.9e6, Bytes: 1e24, BoundNS: 1e-24},
		{Phase: "decode", Op: AllOps, NS: 1e7, Bytes: 121e6, FLOP: 480e6, BoundNS: 5e6, Ratio: 1.02, RatioLow: 0.99, RatioHigh: 1.031, Pairs: 5},
	}
	all := &ops[3]
	for i, want := range []string{
		"norm|1.0 %|0.1000||||",
		"gate_up|60.0 %|6.0000|20.0|80.0|4.5000|75 %",
		`\x1b[31m|39.0 %|3.9000|2.564e+17|0.0|0.0000|0 %`,
		"all|100.0 %|10.0000|12.1|48.0|5.0000|50 %",
	} {
		got := ops[i].Figures(all)
		if text := strings.Join(got, "|"); text != want || len(got) != len(OpHeads) {
			t.Errorf("%s, want %s", text, want)
		}
	}
	const want = "gate_up takes the largest part of the time of decode, 60.0 %, and reaches 75 % of its bound."
	if got := OpVerdict(ops); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	ops[1].BoundNS = 0
	if got := OpVerdict(ops); !strings.HasSuffix(got, ", 60.0 %, and has no bound.") {
		t.Errorf("%q", got)
	}
	if got, want := all.ProfileCost(), "profiling took 2.0 % (quartiles -1.0 to 3.1 of 5 pairs)"; got != want || ops[0].ProfileCost() != "" {
		t.Errorf("%q, want %q", got, want)
	}
	r := &Result{Engine: "qgo", ModelFilename: "a/m.gguf", Prompt: 5, Gen: 8, Scenario: "chat-short", Threads: 2, TypeK: "f16", TypeV: "f16"}
	if got, want := r.OpSubject("prefill", []string{LabelKV}), "prefill of m.gguf ("+r.Test().Name()+", 2 threads, f16 KV cache)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
