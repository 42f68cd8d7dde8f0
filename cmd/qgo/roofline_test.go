package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// fits80 demands that no line is wider than a terminal.
func fits80(t *testing.T, out string) {
	t.Helper()
	for line := range strings.Lines(out) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

// TestRooflineNano checks the analysis of the published figures.
func TestRooflineNano(t *testing.T) {
	out := succeed(t, "", "roofline", "--profile", "jetson-nano", "--observed-prefill", "115.89", "--observed-decode", "8.0", "--parts")
	fits80(t, out)
	for _, want := range []string{
		"1092 FLOP per byte against a ridge of 9.2",
		"36 % of the fp32 peak",
		"reads 2.8 GB/s, 11 % of 25.6 GB/s",
		"computes 0.988 GFLOP (0.716 in a prompt)",
		"decode         1      1       0         2.9          73.9   memory",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	out = succeed(t, "", "roofline", "3b:q4_0", "--profile", "jetson-nano")
	fits80(t, out)
	if !strings.Contains(out, "does not fit") || !strings.Contains(out, "100 MB/s") {
		t.Errorf("3b on 2 GB:\n%s", out)
	}
	out = succeed(t, "", "roofline", "--profile", "apple-m3", "--observed-prefill", "158633")
	fits80(t, out)
	if !strings.Contains(out, "IMPOSSIBLE") {
		t.Errorf("an impossible rate is not called so:\n%s", out)
	}
	var r rooflineReport
	if err := json.Unmarshal([]byte(succeed(t, "", "roofline", "--profile", "jetson-nano", "--bound", "12.8", "-o", "json")), &r); err != nil {
		t.Fatal(err)
	}
	if b := r.Decode[0]; b.Rate != 12.8e9/b.Bytes {
		t.Errorf("--bound 12.8 gives %+v", b)
	}
}

// TestRooflineErrors expects one line with what was expected.
func TestRooflineErrors(t *testing.T) {
	for args, want := range map[string]string{
		"-t -3":                    "2 --threads is -3: choose 0 or more",
		"-d -1":                    `2 --depth: "-1" is neither`,
		"-p 0":                     "2 --prefill is 0: choose 1 to 4194304",
		"-b 0":                     "2 --batch is 0: choose 1 to",
		"-p 9223372036854775807":   "2 --prefill: 9223372036854775807 is too much",
		"-d 5000000":               "2 --depth is 5000000: choose 0 to 4194304",
		"-p x":                     `2 --prefill: "x" is neither`,
		"--ctx 0":                  "2 --ctx is 0: choose 1 to",
		"--ctx 99999999999":        "2 --ctx is 99999999999",
		"--kv q9":                  `2 --kv is "q9"`,
		"--bound NaN":              "2 --bound is NaN",
		"--bound 1e300":            "2 --bound is 1e+300",
		"--observed-decode NaN":    "2 --observed-decode is NaN",
		"--observed-prefill -4":    "2 --observed-prefill is -4",
		"--device toaster":         "2 --device",
		"no-such-file":             "1 there is no file no-such-file",
		"a b":                      "2 expected one model, found 2",
		"9b:q4_0 --profile rk3588": "1 there is no model",
	} {
		code, out, errOut := qgo("", append([]string{"roofline"}, strings.Fields(args)...)...)
		got := fmt.Sprint(code, " ", strings.TrimPrefix(strings.ReplaceAll(errOut, "\n", " "), "qgo: "))
		if !strings.HasPrefix(got, want) || strings.Contains(got, "strconv") || out != "" {
			t.Errorf("qgo roofline %s: %q, want %q", args, got, want)
		}
	}
}

// TestJSONLists expects lists, which may be empty but are never null.
func TestJSONLists(t *testing.T) {
	other := filepath.Join(t.TempDir(), "other.json")
	file := filepath.Join(t.TempDir(), "results.json")
	for path, text := range map[string]string{file: `[{"n_gen":1,"avg_ts":5}]`, other: `[{"n_gen":1,"avg_ts":5},{"n_gen":2,"avg_ts":5}]`} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"devices"}, {"doctor"}, {"roofline", "--profile", "jetson-nano"}, {"roofline", "-t", "1"},
		{"bench", "compare", file, other}, {"bench", "compare", file, file}, quick(),
	} {
		out := succeed(t, "", append(args, "-o", "json")...)
		if !json.Valid([]byte(out)) || strings.Contains(out, "null") {
			t.Errorf("qgo %q:\n%s", args, out)
		}
	}
}

func TestAdvise(t *testing.T) {
	out := succeed(t, "", "advise", "--profile", "jetson-nano", "--all")
	fits80(t, out)
	if !strings.Contains(out, "Best for chat: qwen2.5-1.5b:q4_0,") {
		t.Errorf("advice:\n%s", out)
	}
	for _, args := range [][]string{
		{"advise", "--profile", "toaster"},
		{"advise", "--profile", "jetson-nano", "--ctx", "0"},
		{"roofline", "--profile", "jetson-nano", "--bound", "-1"},
		{"roofline", "--profile", "jetson-nano", "-p", "0"},
	} {
		if code, _, errOut := qgo("", args...); code != exitUsage || errOut == "" {
			t.Errorf("qgo %q: exit %d, %q", args, code, errOut)
		}
	}
}
