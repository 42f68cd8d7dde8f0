package main

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"qgo/bench"
	"qgo/kernels/cuda/driver"
	"qgo/tensor"
)

func TestExamine(t *testing.T) {
	machine := func(available int64, pages, memory string) *host {
		return &host{
			root: fstest.MapFS{
				"sys/kernel/mm/transparent_hugepage/enabled": {Data: []byte(pages + "\n")},
				"proc/meminfo": {Data: []byte(memory)},
			},
			cores: 4, usable: 8, cpus: 8, available: tensor.Limit{Bytes: available, Source: tensor.SourceFree}, known: true,
		}
	}
	good := machine(4e9, "always [madvise] never", "MemTotal: 99 kB\nSwapTotal: 1000 kB\nSwapFree: 900 kB\n")
	bad := machine(307e6, "always madvise [never]", "SwapTotal: 1000 kB\nSwapFree: 100 kB\n")
	bad.usable = 2
	good.reading = bandwidth{threads: 4, bytes: 256e6, cache: 32e6, rate: bench.Rate{Best: 20e9, Median: 18e9, Passes: 3}}
	bad.reading.err = errors.New("too little memory")
	boxed := machine(4e9, "", "")
	boxed.available.Source = tensor.SourceContainer
	none := machine(1e3, "always [madvise] never", "SwapTotal: 0 kB\nSwapFree: 0 kB\n")
	cached := machine(4e9, "", "")
	cached.reading = bandwidth{threads: 1, bytes: 256e6, cache: 256e6, rate: bench.Rate{Best: 100e9, Median: 90e9, Passes: 3}}
	for _, c := range []struct {
		host   *host
		topic  string
		found  string
		advice string
	}{
		{good, "cores", "4 threads by default, one per physical core; 8 of 8 logical CPUs", ""},
		{bad, "cores", "2 of 8 logical CPUs", "CPU limit"},
		{good, "huge pages", "madvise", ""},
		{bad, "huge pages", "never", "echo madvise"},
		{good, "swap", "1.0 MB, of which 102 kB", ""},
		{bad, "swap", "922 kB are in use", "short of memory"},
		{none, "swap", "none", ""},
		{good, "memory", "4.0 GB available; there is room for qwen2.5-3b:q4_k_m and smaller models", ""},
		{bad, "memory", "307 MB available", "--ctx 512"},
		{boxed, "memory", "4.0 GB available (the container's limit); there is room for", ""},
		{good, "bandwidth", "4 threads read 20.0 GB/s of memory at best, 18.0 in the median; that allows qwen2.5-0.5b:q4_0 at most 58 tokens/s", ""},
		{bad, "bandwidth", "could not be measured: too little memory", ""},
		{cached, "bandwidth", "90.0 in the median, partly from a cache of 256 MB; that allows", ""},
	} {
		f := topic(t, c.host.examine(), c.topic)
		if !strings.Contains(f.Found, c.found) || (c.advice == "") != (f.Advice == "") || !strings.Contains(f.Advice, c.advice) {
			t.Errorf("%s: %+v; want %q and the advice %q", c.topic, f, c.found, c.advice)
		}
	}
	if list := (&host{root: fstest.MapFS{}}).examine(); len(list) != 5 {
		t.Errorf("a machine that tells nothing: %+v", list)
	}
}

// topic returns the finding of a topic.
func topic(t *testing.T, list []finding, name string) finding {
	t.Helper()
	i := slices.IndexFunc(list, func(f finding) bool { return f.Topic == name })
	if i < 0 {
		t.Fatalf("nothing about %s", name)
	}
	return list[i]
}

// TestClockFinding has machines with and without cpufreq.
func TestClockFinding(t *testing.T) {
	cpus := func(files map[string]string) *host {
		root := fstest.MapFS{}
		for _, cpu := range []string{"cpu0", "cpu1"} {
			for name, text := range files {
				root["sys/devices/system/cpu/"+cpu+"/cpufreq/"+name] = &fstest.MapFile{Data: []byte(text + "\n")}
			}
		}
		return &host{root: root}
	}
	with := func(governor, driver string) *host {
		return cpus(map[string]string{"scaling_governor": governor, "scaling_driver": driver})
	}
	range1 := map[string]string{"scaling_cur_freq": "1400000", "cpuinfo_min_freq": "800000", "cpuinfo_max_freq": "3500000"}
	capped := map[string]string{"scaling_max_freq": "2000000"}
	maps.Copy(capped, range1)
	mixed := with("performance", "x")
	mixed.root.(fstest.MapFS)["sys/devices/system/cpu/cpu1/cpufreq/scaling_governor"] = &fstest.MapFile{Data: []byte("ondemand")}
	for _, c := range []struct {
		host          *host
		topic         string
		found, advice string // found is all of it
	}{
		{cpus(nil), "clock", "the system does not state the CPUs' clocks, as most virtual machines do not: whether they are throttled cannot be seen", ""},
		{cpus(map[string]string{"scaling_cur_freq": "none"}), "clock", "the system does not state the CPUs' clocks, as most virtual machines do not: whether they are throttled cannot be seen", ""},
		{cpus(map[string]string{"scaling_cur_freq": "1400000"}), "clock", "1.4 GHz now, the median of 2 CPUs", ""},
		{cpus(range1), "clock", "1.4 GHz now, the median of 2 CPUs; they can have 0.8 to 3.5 GHz", ""},
		{cpus(capped), "clock", "1.4 GHz now, the median of 2 CPUs; they can have 0.8 to 3.5 GHz, and are allowed 2.0 GHz", "frequency-set -u 3500MHz"},
		{with("performance", "acpi-cpufreq"), "governor", "performance", ""},
		{with("schedutil", "acpi-cpufreq"), "governor", "schedutil", ""},
		{with("powersave", "acpi-cpufreq"), "governor", "powersave", "at their lowest; for measurements: sudo cpupower"},
		{with("powersave", "intel_pstate"), "governor", "powersave, with which intel_pstate raises clocks when there is work", ""},
		{with("userspace", ""), "governor", "userspace", "where a program has set them"},
		{mixed, "governor", "ondemand and performance", "some time after"},
	} {
		f := topic(t, c.host.examine(), c.topic)
		if f.Found != c.found || (c.advice == "") != (f.Advice == "") || !strings.Contains(f.Advice, c.advice) {
			t.Errorf("%+v; want %q and the advice %q", f, c.found, c.advice)
		}
	}
}

func TestNeighboursFinding(t *testing.T) {
	for _, c := range []struct {
		host          host
		found, advice string // advice is a part
	}{
		{host{busy: 0.2, cpus: 16}, "no other program keeps a CPU busy", ""},
		{host{busy: 3.1, cpus: 16}, "3 of 16 CPUs are busy with other programs", "top"},
		{host{stolen: 0.3, cpus: 2}, "no other program keeps a CPU busy; the host of this virtual machine gave 30 % of its CPUs' time to others", "a virtual machine with CPUs of its own"},
		{host{busy: 1, stolen: 0.3, cpus: 2}, "1 of 2 CPUs is busy with other programs; the host of this virtual machine gave 30 % of its CPUs' time to others", "shows first; a virtual machine"},
	} {
		if f := c.host.neighboursFinding(); f.Found != c.found || (c.advice == "") != (f.Advice == "") || !strings.Contains(f.Advice, c.advice) {
			t.Errorf("%+v; want %q and the advice %q", f, c.found, c.advice)
		}
	}
}

// TestGPUFinding has builds, drivers and GPUs of all kinds.
func TestGPUFinding(t *testing.T) {
	files := func(pairs ...string) fstest.MapFS {
		root := fstest.MapFS{}
		for i := 0; i < len(pairs); i += 2 {
			root[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1] + "\n")}
		}
		return root
	}
	const (
		device  = "sys/bus/pci/devices/0000:01:00.0/"
		version = "proc/driver/nvidia/version"
		module  = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023"
		library = "usr/lib/x86_64-linux-gnu/libcuda.so.1"
	)
	none := files("sys/devices/x", "")
	silent := files()
	card := files(device+"vendor", "0x10de", device+"class", "0x030200")
	sound := files("sys/devices/x", "", device+"vendor", "0x10de", device+"class", "0x040300")
	driven := files(version, module, "dev/nvidia0", "", library, "")
	unlinked := files(version, module, "dev/nvidia0", "")
	contained := files(version, module, library, "")
	open := files(version, "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build")
	jetson := files("dev/nvhost-gpu", "", "usr/lib/aarch64-linux-gnu/tegra/libcuda.so.1", "")
	bare := files("dev/nvhost-gpu", "")
	wsl := files("dev/dxg", "", "usr/lib/wsl/lib/libcuda.so.1", "")
	failed := errors.New("no NVIDIA driver: libcuda.so.1: cannot open shared object file")
	big := driver.Info{Name: "NVIDIA H100", Major: 9, SMs: 132, Memory: 80e9}
	nano := driver.Info{Name: "NVIDIA Tegra X1", Major: 5, Minor: 3, SMs: 1, Memory: 2e9, Integrated: true}
	old := driver.Info{Index: 1, Name: "GeForce GTX 750", Major: 5, SMs: 4, Memory: 1e9}
	const build = "CGO_ENABLED=1 go build -tags cuda"
	for _, c := range []struct {
		fs            fstest.MapFS
		state         gpuState
		found, advice string // parts
	}{
		{silent, gpuState{}, "this build has no GPU support: everything runs on the CPU", ""},
		{none, gpuState{}, "no NVIDIA GPU, and no support for one in this build", ""},
		{sound, gpuState{}, "no NVIDIA GPU, and no support for one in this build", ""},
		{card, gpuState{}, "an NVIDIA GPU with no driver of NVIDIA's, and no support for it in this build", "install NVIDIA's driver, until nvidia-smi lists the GPU; and to use it build with " + build},
		{driven, gpuState{}, "an NVIDIA GPU with the driver 535.104.05, and no support for it in this build", "to use it build with " + build},
		{unlinked, gpuState{}, "a driver 535.104.05 in the kernel but without libcuda.so.1, and no support", "install libcuda.so.1 of the driver's version, 535.104.05; and to use it build"},
		{contained, gpuState{}, "the driver 535.104.05, and no support", "docker run --gpus all"},
		{jetson, gpuState{}, "an NVIDIA GPU with its driver, and no support", build},
		{bare, gpuState{}, "a driver in the kernel but without libcuda.so.1", "the board's system; and to use it build"},
		{wsl, gpuState{}, "an NVIDIA GPU with its driver, and no support", build},
		{none, gpuState{built: true, err: failed}, "none that can be used: no NVIDIA driver: libcuda.so.1", ""},
		{card, gpuState{built: true, err: failed}, "no driver of NVIDIA's, which cannot be used: ", "install NVIDIA's driver"},
		{unlinked, gpuState{built: true, err: failed}, "a driver 535.104.05 in the kernel", "install libcuda.so.1"},
		{contained, gpuState{built: true, err: failed}, "cannot be used", "there is no /dev/nvidia0"},
		{driven, gpuState{built: true, err: failed}, "the driver 535.104.05, which cannot be used", "nvidia-smi lists it"},
		{driven, gpuState{built: true, version: "12.2", gpus: []driver.Info{big}},
			"cuda:0: NVIDIA H100, compute capability 9.0, 132 multiprocessors, 80 GB of its own memory; the driver has CUDA 12.2, version 535.104.05", ""},
		{open, gpuState{built: true, version: "13.0", gpus: []driver.Info{big}}, "CUDA 13.0, version 580.65.06", ""},
		{jetson, gpuState{built: true, version: "10.2", gpus: []driver.Info{nano}}, "2.0 GB of memory, which it shares with the CPU; the driver has CUDA 10.2", ""},
		{driven, gpuState{built: true, version: "12.2", gpus: []driver.Info{big, old}}, "cuda:1: GeForce GTX 750", "too old to compute on: GeForce GTX 750 has compute capability 5.0; qgo's kernels need 5.3"},
	} {
		f := gpuFinding(c.fs, c.state)
		if !strings.Contains(f.Found, c.found) || (c.advice == "") != (f.Advice == "") || !strings.Contains(f.Advice, c.advice) {
			t.Errorf("%+v: %+v; want %q and the advice %q", c.state, f, c.found, c.advice)
		}
	}
}

func TestDoctorAndMan(t *testing.T) {
	if out := succeed(t, "", "doctor"); !strings.Contains(out, "kernels") || !strings.Contains(out, "GB/s of memory") {
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
