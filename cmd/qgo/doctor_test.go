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
