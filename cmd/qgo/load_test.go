package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"qgo/kernels/devices"
	"qgo/tensor"
)

// TestContexts asks every command that loads a model for contexts that are too
// long for its training, or for any memory.
func TestContexts(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("ToUpper returns s in upper case."), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{
		{"chat", "-p", "x", "-n", "1"},
		{"perplexity", text},
		{"logits", "--tokens", "1,2", "--out", filepath.Join(t.TempDir(), "logits")},
	} {
		code, _, errOut := qgo("", append(command, "--ctx", "5000")...)
		if code != 0 || strings.Count(errOut, "is more than the 4096 that this model was trained for") != 1 {
			t.Errorf("qgo %q with 5000 tokens: exit %d, %s", command, code, errOut)
		}
		for _, context := range []string{"2147483648", "4611686018427387904"} {
			code, out, errOut := qgo("", append(command, "--ctx", context)...)
			want := []string{"a context of " + context, "choose"}
			if _, known := tensor.Memory(); known {
				want = append(want, "needs", "are available (", "choose a context of at most ")
			}
			for _, want := range want {
				if (code != exitBadInput && code != exitUsage) || out != "" || !strings.Contains(errOut, want) {
					t.Errorf("qgo %q with %s tokens: exit %d, %s", command, context, code, errOut)
				}
			}
		}
	}
}

// TestPerplexityInputs gives it contexts and texts that are too short.
func TestPerplexityInputs(t *testing.T) {
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "text")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	short := file("ToUpper returns s in upper case.")
	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{exitUsage, "--ctx is 1: a window needs 2 tokens or more", []string{short, "--ctx", "1"}},
		{exitUsage, "--ctx is -3: choose 0 or more", []string{short, "--ctx", "-3"}},
		{exitBadInput, "the text is empty", []string{file("")}},
		{exitBadInput, "shorter than 2 tokens", []string{file("a")}},
		{0, "(1 tokens predicted, windows of 2)", []string{file("a b"), "--ctx", "2"}},
		{0, "tokens predicted, windows of 7)", []string{short}},
		{0, "tokens predicted, windows of 7)", []string{short, "--ctx", "0"}},
		{0, "tokens predicted, windows of 3)", []string{short, "--ctx", "3"}},
		{0, "(default 512)", []string{"--help"}},
	} {
		code, out, errOut := qgo("", append([]string{"perplexity"}, c.args...)...)
		if code != c.code || !strings.Contains(out+errOut, c.want) || strings.Contains(out, "NaN") {
			t.Errorf("perplexity %q: exit %d, %s%s; want exit %d and %q", c.args, code, out, errOut, c.code, c.want)
		}
	}
}

// TestDeviceFlags asks for GPUs that are not there.
func TestDeviceFlags(t *testing.T) {
	type test struct {
		code int
		want string
		args []string
	}
	tests := []test{
		{exitUsage, `--device is "gpu": choose auto, cpu or a GPU such as cuda:0`, []string{"--device", "gpu"}},
		{exitUsage, `--device is "cuda:x": choose`, []string{"--device", "cuda:x"}},
		{exitUsage, `--device is "cuda:-1": choose`, []string{"--device", "cuda:-1"}},
		{exitUsage, `--device is "cuda:99999999999999999999": choose`, []string{"--device", "cuda:99999999999999999999"}},
		{exitUsage, `--gpu-layers is "many": choose auto, all or a number from 0`, []string{"--gpu-layers", "many"}},
		{exitUsage, `--gpu-layers is "-1": choose`, []string{"--gpu-layers", "-1"}},
		{exitUsage, "--device cpu and --gpu-layers 3 exclude each other", []string{"--device", "cpu", "--gpu-layers", "3"}},
		{exitBadInput, "--device cuda:99 needs a GPU: ", []string{"--device", "cuda:99"}},
		{0, "", []string{"--device", "cpu"}},
		{0, "", []string{"--device", "cpu", "--gpu-layers", "0"}},
		{0, "", []string{"--gpu-layers", "0"}},
	}
	if _, err := devices.First(); err != nil {
		tests = append(tests,
			test{exitBadInput, "--device cuda:0 needs a GPU: ", []string{"--device", "cuda:0"}},
			test{exitBadInput, "--gpu-layers all needs a GPU: ", []string{"--gpu-layers", "all"}},
			test{exitBadInput, "--gpu-layers 3 needs a GPU: ", []string{"--gpu-layers", "3"}},
			test{0, "", []string{"--device", "auto"}})
	}
	for _, c := range tests {
		code, _, errOut := qgo("", append([]string{"chat", "-p", "x", "-n", "1"}, c.args...)...)
		if code != c.code || !strings.Contains(errOut, c.want) || strings.Contains(errOut, "strconv") {
			t.Errorf("chat %q: exit %d, %s; want exit %d and %q", c.args, code, errOut, c.code, c.want)
		}
	}
}
