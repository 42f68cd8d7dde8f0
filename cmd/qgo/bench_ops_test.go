package main

import (
	"path/filepath"
	"strings"
	"testing"

	"qgo/bench"
	"qgo/bench/format"
)

func TestBenchOps(t *testing.T) {
	file := filepath.Join(t.TempDir(), "r.json")
	out := succeed(t, "", quick("--profile-ops", "--out", file)...)
	fits80(t, out)
	for _, want := range []string{"Where the time of pp8 goes (prefill):\n", "Where the time of tg4 goes (decode):\n", "\nqkv ", "\nrope_kv ", "\nattention ", "\ngate_up ", "\nhead ", "\nwait ", "\nall               100.0 %", "profiling took ", " of 2 pairs)"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	r, err := format.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, res := range r.Results {
		if phases := res.OpPhases(); len(phases) != 1 || phases[0][len(phases[0])-1].Op != bench.AllOps {
			t.Errorf("%s: %+v", res.Test().Name(), phases)
		}
	}
	if out := succeed(t, "", quick("-p", "0")...); strings.Contains(out, "profiling") {
		t.Errorf("a profile that nobody asked for:\n%s", out)
	}
}
