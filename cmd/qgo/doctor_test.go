package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"qgo/kernels/cuda/driver"
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
		for _, f := range examine(c.fs, gpuState{}, 0) {
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
	none := examine(machine("performance", "always [madvise] never", "MemAvailable: 1 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n"), gpuState{}, 0)
	if f := none[len(none)-2]; f.Topic != "swap" || f.Found != "none" {
		t.Errorf("no swap: %+v", f)
	}
	if list := examine(fstest.MapFS{}, gpuState{}, 0); len(list) != 4 {
		t.Errorf("a machine that tells nothing: %+v", list)
	}
}

func TestNeighboursFinding(t *testing.T) {
	if f := neighboursFinding(0.2, 16); f.Advice != "" || f.Found != "no other program keeps a CPU busy" {
		t.Errorf("quiet: %+v", f)
	}
	if f := neighboursFinding(3.1, 16); f.Found != "3 of 16 CPUs are busy with other programs" || !strings.Contains(f.Advice, "top") {
		t.Errorf("busy: %+v", f)
	}
}

// TestGPUFinding has builds, drivers and GPUs of all kinds.
func TestGPUFinding(t *testing.T) {
	file := func(path, text string) fstest.MapFS { return fstest.MapFS{path: {Data: []byte(text + "\n")}} }
	none := fstest.MapFS{}
	card := file("sys/bus/pci/devices/0000:01:00.0/vendor", "0x10de")
	card["sys/bus/pci/devices/0000:01:00.0/class"] = &fstest.MapFile{Data: []byte("0x030200\n")}
	sound := file("sys/bus/pci/devices/0000:01:00.1/vendor", "0x10de")
	sound["sys/bus/pci/devices/0000:01:00.1/class"] = &fstest.MapFile{Data: []byte("0x040300\n")}
	module := file("proc/driver/nvidia/version", "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023")
	open := file("proc/driver/nvidia/version", "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build")
	jetson := file("dev/nvhost-gpu", "")
	missing := errors.New("no NVIDIA driver: libcuda.so.1: cannot open shared object file")
	big := driver.Info{Name: "NVIDIA H100", Major: 9, SMs: 132, Memory: 80e9}
	nano := driver.Info{Name: "NVIDIA Tegra X1", Major: 5, Minor: 3, SMs: 1, Memory: 2e9, Integrated: true}
	old := driver.Info{Index: 1, Name: "GeForce GTX 750", Major: 5, SMs: 4, Memory: 1e9}
	for _, c := range []struct {
		fs            fstest.MapFS
		state         gpuState
		found, advice string // parts
	}{
		{none, gpuState{}, "this build has no GPU support", ""},
		{sound, gpuState{}, "this build has no GPU support", ""},
		{card, gpuState{}, "this build has no GPU support", "go build -tags cuda"},
		{jetson, gpuState{}, "this build has no GPU support", "go build -tags cuda"},
		{none, gpuState{built: true, err: missing}, "libcuda.so.1", ""},
		{card, gpuState{built: true, err: missing}, "libcuda.so.1", "not NVIDIA's driver: install it"},
		{module, gpuState{built: true, err: missing}, "libcuda.so.1", "driver 535.104.05, but"},
		{module, gpuState{built: true, version: "12.2", gpus: []driver.Info{big}},
			"cuda:0: NVIDIA H100, compute capability 9.0, 132 multiprocessors, 80 GB of its own memory; the driver has CUDA 12.2, version 535.104.05", ""},
		{open, gpuState{built: true, version: "13.0", gpus: []driver.Info{big}}, "CUDA 13.0, version 580.65.06", ""},
		{jetson, gpuState{built: true, version: "10.2", gpus: []driver.Info{nano}}, "2.0 GB of memory, which it shares with the CPU; the driver has CUDA 10.2", ""},
		{module, gpuState{built: true, version: "12.2", gpus: []driver.Info{big, old}}, "cuda:1: GeForce GTX 750", "too old to compute on: GeForce GTX 750 has compute capability 5.0; qgo's kernels need 5.3"},
	} {
		f := gpuFinding(c.fs, c.state)
		if !strings.Contains(f.Found, c.found) || (c.advice == "") != (f.Advice == "") || !strings.Contains(f.Advice, c.advice) {
			t.Errorf("%+v: %+v; want %q and the advice %q", c.state, f, c.found, c.advice)
		}
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
