package main

import (
	"encoding/json"
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

func TestAdvise(t *testing.T) {
	out := succeed(t, "", "advise", "--profile", "jetson-nano", "--all")
	fits80(t, out)
	if !strings.Contains(out, "Best for chat: qwen2.5-1.5b:") {
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
