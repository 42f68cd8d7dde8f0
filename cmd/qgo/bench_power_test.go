package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"qgo/bench"
	"qgo/bench/format"
	"qgo/bench/machine"
)

// governed has power modes set on a machine with nothing but a governor, whose
// file it returns.
func governed(t *testing.T) (governor string) {
	t.Helper()
	before := powerRoot
	powerRoot = t.TempDir()
	t.Cleanup(func() { powerRoot = before })
	dir := filepath.Join(powerRoot, "sys/devices/system/cpu/cpufreq/policy0")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	governor = filepath.Join(dir, "scaling_governor")
	for path, text := range map[string]string{governor: "schedutil\n", filepath.Join(dir, "scaling_available_governors"): "performance powersave schedutil\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return governor
}

func fileText(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func TestBenchPowerModes(t *testing.T) {
	governor := governed(t)
	file := filepath.Join(t.TempDir(), "r.json")
	out := succeed(t, "", quick("--power-modes", "as-is,governor=powersave", "--out", file)...)
	fits80(t, out)
	for _, want := range []string{
		"kernels\npower mode as-is\n", "kernels\npower mode governor=powersave\n", "power    as-is\nmemory   1 thread", "power    governor=powersave\nmemory   1 thread",
		"by power mode, godoc-tiny-q8_0.gguf:\nmode                                test                   t/s",
		"\nas-is                               tg4 ", "\ngovernor=powersave                  pp8 ",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	flat := strings.Join(strings.Fields(out), " ")
	if !strings.Contains(flat, "decode of godoc-tiny-q8_0.gguf (tg4, 1 thread) is fastest in the mode ") {
		t.Errorf("no sentence in\n%s", out)
	}
	if got := fileText(t, governor); got != "schedutil" {
		t.Errorf("the governor stays %s", got)
	}
	fitsSchema(t, "qgo.bench-1", file)
	r, err := format.ReadFile(file)
	if err != nil || len(r.Results) != 4 || r.Results[0].PowerMode != machine.AsIs || r.Results[3].PowerMode != "governor=powersave" {
		t.Fatalf("%v, %+v", err, r)
	}
	if faults := r.Verify(); len(faults) > 0 {
		t.Errorf("%q", faults)
	}
	code, out, errOut := qgo("", quick("--power-modes", "governor=turbo")...)
	want := `qgo: --power-modes: "governor=turbo": there is no governor "turbo"; this machine offers as-is; governor=performance, powersave or schedutil; it has no `
	if flat := strings.Join(strings.Fields(errOut), " "); code != exitUsage || out != "" || !strings.HasPrefix(flat, want) {
		t.Errorf("exit %d, %q, %q, want %q", code, out, flat, want)
	}
}

// TestPrintPower says what power modes are worth, and why energy is missing.
func TestPrintPower(t *testing.T) {
	r := fullReport(t)
	var all []*bench.Result
	for _, x := range []struct {
		mode         machine.PowerMode
		rate, joules float64
	}{{"as-is", 50, 0.4}, {"governor=powersave+rapl=15", 40, 0.25}} {
		res := *r.Results[1] // tg4 @ d64
		res.PowerMode, res.JoulesPerToken = x.mode, x.joules
		res.SamplesTS, res.Reps = bench.Sample{x.rate}, []bench.Rep{{NS: int64(4e9 / x.rate), Gen: 4, Joules: 4 * x.joules}}
		all = append(all, &res)
	}
	r.Results = all
	var b bytes.Buffer
	printPower(&b, r)
	if want := `
Tokens per joule by power mode, m.gguf:
mode                                test                   t/s       W tokens/J
as-is                               tg4 @ d64             50.0    20.0      2.5
governor=powersave+rapl=15          tg4 @ d64             40.0    10.0        4

decode of m.gguf (tg4 @ d64, 4 threads) is fastest in the mode as-is (50.0 t/s);
  a joule is enough for the most tokens (4) in the mode
  governor=powersave+rapl=15, at 80 % of that rate.
`; b.String() != want {
		t.Errorf("%s, want %s", b.String(), want)
	}
	b.Reset()
	if printVerdicts(&b, r); !strings.Contains(strings.Join(strings.Fields(b.String()), " "), "governor=powersave+rapl=15): 0.25 J a token, 4 tokens/J, 10 W.") {
		t.Errorf("no tokens per joule in\n%s", b.String())
	}
	request := *all[1]
	request.Reps = []bench.Rep{{NS: 1e9, Prompt: 36, Gen: 4, Joules: 10}}
	r.Results = []*bench.Result{&request}
	b.Reset()
	if printVerdicts(&b, r); !strings.Contains(strings.Join(strings.Fields(b.String()), " "), "0.25 J a token of prompt and answer, 4 tokens/J, 10 W.") {
		t.Errorf("not said what the tokens are of:\n%s", b.String())
	}
	r.Results = all
	all[1].Threads = 2
	b.Reset()
	if printPower(&b, r); !strings.Contains(b.String(), "mode, m.gguf:\n") || !strings.Contains(b.String(), "\ngovernor=powersave+rapl…, 2 threads tg4") {
		t.Errorf("with fewer threads in one mode:\n%s", b.String())
	}
	all[1].Threads = 4
	for i, res := range all {
		res.JoulesPerToken = 0
		res.Reps[0].Joules = 0
		res.SamplesTS[0] += float64(20 * i)
	}
	r.Machine.NoPower = "since Linux 5.10 only root may read RAPL's counters"
	b.Reset()
	printPower(&b, r)
	if want := `
Rates by power mode, m.gguf:
mode                                test                   t/s
as-is                               tg4 @ d64             50.0
governor=powersave+rapl=15          tg4 @ d64             60.0

decode of m.gguf (tg4 @ d64, 4 threads) is fastest in the mode
  governor=powersave+rapl=15 (60.0 t/s).
Tokens per joule are missing: this machine has no power sensor that may be read:
  since Linux 5.10 only root may read RAPL's counters.
`; b.String() != want {
		t.Errorf("%s, want %s", b.String(), want)
	}
	b.Reset()
	r.Results = r.Results[:1]
	if printPower(&b, r); b.Len() > 0 {
		t.Errorf("of one mode: %s", b.String())
	}
}
