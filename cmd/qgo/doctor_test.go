package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

func TestExamine(t *testing.T) {
	machine := func(governor, pages, memory string) fstest.MapFS {
		return fstest.MapFS{
			"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": {Data: []byte(governor + "\n")},
			"sys/kernel/mm/transparent_hugepage/enabled":           {Data: []byte(pages + "\n")},
			"proc/meminfo": {Data: []byte(memory)},
		}
	}
	good := machine("performance", "always [madvise] never", "MemTotal: 99 kB\nMemAvailable: 4000000 kB\nSwapTotal: 1000 kB\nSwapFree: 900 kB\n")
	bad := machine("powersave", "always madvise [never]", "MemAvailable: 300000 kB\nSwapTotal: 1000 kB\nSwapFree: 100 kB\n")
	for _, c := range []struct {
		fs     fstest.MapFS
		topic  string
		found  string
		advice string
	}{
		{good, "governor", "performance", ""},
		{bad, "governor", "powersave", "cpupower"},
		{good, "huge pages", "madvise", ""},
		{bad, "huge pages", "never", "echo madvise"},
		{good, "swap", "1.0 MB, of which 102 kB", ""},
		{bad, "swap", "922 kB are in use", "short of memory"},
		{good, "memory", "room for qwen2.5-0.5b:q4_k_m, qwen2.5-1.5b:q4_k_m, qwen2.5-3b:q4_k_m", ""},
		{bad, "memory", "307 MB available", "--ctx 512"},
	} {
		ok := false
		for _, f := range examine(c.fs) {
			if f.Topic != c.topic {
				continue
			}
			ok = true
			if !strings.Contains(f.Found, c.found) || (c.advice == "") != (f.Advice == "") || !strings.Contains(f.Advice, c.advice) {
				t.Errorf("%s: %+v; want %q and the advice %q", c.topic, f, c.found, c.advice)
			}
		}
		if !ok {
			t.Errorf("nothing about %s", c.topic)
		}
	}
	none := examine(machine("performance", "always [madvise] never", "MemAvailable: 1 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n"))
	if f := none[len(none)-2]; f.Topic != "swap" || f.Found != "none" {
		t.Errorf("no swap: %+v", f)
	}
	if list := examine(fstest.MapFS{}); len(list) != 3 {
		t.Errorf("a machine that tells nothing: %+v", list)
	}
}

func TestDoctorAndMan(t *testing.T) {
	if out := succeed(t, "", "doctor"); !strings.Contains(out, "kernels") {
		t.Errorf("doctor: %s", out)
	}
	dir := filepath.Join(t.TempDir(), "man1")
	succeed(t, "", "man", dir)
	for _, c := range newRoot().Commands() {
		b, err := os.ReadFile(filepath.Join(dir, "qgo-"+c.Name()+".1"))
		if err != nil || !strings.Contains(string(b), c.Short) {
			t.Errorf("page of %s: %v", c.Name(), err)
		}
	}
}

// TestCompletion asks as the shells' scripts do.
func TestCompletion(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("QGO_MODELS", dir)
	if err := os.WriteFile(filepath.Join(dir, "qwen2.5-0.5b-instruct-q4_0.gguf"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"chat", "--model", "qw"}, "qwen2.5-0.5b:q4_0"},
		{[]string{"rm", ""}, "qwen2.5-0.5b:q4_0"},
		{[]string{"pull", ""}, "qwen2.5-3b:q8_0"},
		{[]string{"verify", "q"}, "qwen2.5-0.5b:q4_0"},
		{[]string{"quantize", "a", "b", ""}, "q4_k_m"},
		{[]string{"synth", ""}, "1.5b"},
		{[]string{"synth", "0.5b", ""}, "q4_k_m"},
		{[]string{"chat", "--kv", ""}, "q8_0"},
		{[]string{"chat", "--tier", ""}, "go\n"},
		{[]string{"d"}, "doctor"},
	} {
		out := succeed(t, "", append([]string{"__complete"}, c.args...)...)
		if !strings.Contains(out, c.want) {
			t.Errorf("%q completes to %s, want %s", c.args, out, c.want)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if out := succeed(t, "", "completion", shell); !strings.Contains(out, "__complete") {
			t.Errorf("the script for %s has %d bytes", shell, len(out))
		}
	}
}
