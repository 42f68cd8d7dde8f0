package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"qgo/bench/roofline"
	"qgo/model"
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

// TestRooflineGPU measures an emulated GPU, and asks for one that is not there.
func TestRooflineGPU(t *testing.T) {
	s, err := roofline.OutlineByName("0.5b:q4_0", model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := &rooflineReport{Model: s.Name, Cost: s.Cost}
	if err := r.measure(emulated(t, 8<<20)); err != nil {
		t.Fatal(err)
	}
	m, g := r.Machine, r.GPU
	if m.Name != "cuda:0" || m.Bandwidth != g.Read.Best || m.FP32 != g.Peaks[0].Best || m.FP16 != g.Peaks[1].Best || m.Memory != 8<<20 {
		t.Errorf("%+v of %+v", m, g)
	}
	r.Decode = []phase{{Bound: m.Bound(roofline.Decode(s.Cost, 0))}}
	var b bytes.Buffer
	r.print(&b, false)
	fits80(t, b.String())
	for _, want := range []string{"on emulated GPU", "so that 1000 kernels a token allow"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	for args, want := range map[string]string{
		"--device cuda:0 --profile jetson-nano": "leave out --profile",
		"--device tpu":                          "--device is",
		"--device cuda:99":                      "",
	} {
		if code, out, errOut := qgo("", append([]string{"roofline"}, strings.Fields(args)...)...); code == 0 || out != "" || !strings.Contains(errOut, want) {
			t.Errorf("qgo roofline %s: exit %d, %q, %q; want %q", args, code, out, errOut, want)
		}
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
