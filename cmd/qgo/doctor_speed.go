package main

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/cpuid/v2"

	"qgo/bench"
	"qgo/bench/roofline"
	"qgo/kernels"
	"qgo/model"
)

// cpufreq returns what a file of each CPU's cpufreq folder says
// (Documentation/admin-guide/pm/cpufreq.rst).
func cpufreq(root fs.FS, file string) (all []string) {
	paths, err := fs.Glob(root, "sys/devices/system/cpu/cpu[0-9]*/cpufreq/"+path.Base(file))
	if err != nil {
		return nil
	}
	for _, p := range paths {
		if text, ok := read(root, p); ok && text != "" {
			all = append(all, text)
		}
	}
	return all
}

// clocks are the numbers of a file of cpufreq, in hertz.
func clocks(root fs.FS, file string) (all bench.Sample) {
	for _, text := range cpufreq(root, file) {
		if khz, err := strconv.ParseFloat(text, 64); err == nil && khz > 0 {
			all = append(all, 1e3*khz)
		}
	}
	return all
}

// clockFinding states the CPUs' clocks. A low one is no fault: a CPU without
// work lowers it.
func clockFinding(root fs.FS) finding {
	f := finding{Topic: "clock", Found: "the system does not state the CPUs' clocks, as most virtual machines do not: whether they are throttled cannot be seen"}
	now := clocks(root, "scaling_cur_freq")
	if len(now) == 0 {
		return f
	}
	f.Found = fmt.Sprintf("%.1f GHz now, the median of %d CPUs", now.Median()/1e9, len(now))
	lo, hi := clocks(root, "cpuinfo_min_freq"), clocks(root, "cpuinfo_max_freq")
	if len(lo) == 0 || len(hi) == 0 {
		return f
	}
	f.Found += fmt.Sprintf("; they can have %.1f to %.1f GHz", slices.Min(lo)/1e9, slices.Max(hi)/1e9)
	if set := clocks(root, "scaling_max_freq"); len(set) > 0 && slices.Max(set) < 0.95*slices.Max(hi) {
		f.Found += fmt.Sprintf(", and are allowed %.1f GHz", slices.Max(set)/1e9)
		f.Advice = fmt.Sprintf("a setting holds the clocks down; for full speed: sudo cpupower frequency-set -u %.0fMHz", slices.Max(hi)/1e6)
	}
	return f
}

// governorFinding says how the system chooses clocks.
func (h *host) governorFinding() (finding, bool) {
	governors := slices.Compact(slices.Sorted(slices.Values(cpufreq(h.root, "scaling_governor"))))
	drivers := cpufreq(h.root, "scaling_driver")
	f := finding{Topic: "governor", Found: strings.Join(governors, " and ")}
	const remedy = "; for measurements: sudo cpupower frequency-set -g performance"
	for _, g := range governors {
		switch g {
		case "powersave":
			// With these drivers the name means that the CPU itself chooses.
			if len(drivers) > 0 && (drivers[0] == "intel_pstate" || drivers[0] == "amd-pstate-epp") {
				f.Found += fmt.Sprintf(", with which %s raises clocks when there is work", drivers[0])
				continue
			}
			f.Advice = "it holds clocks at their lowest" + remedy
		case "conservative", "ondemand":
			f.Advice = "clocks rise some time after the work begins" + remedy
		case "userspace":
			f.Advice = "clocks stay where a program has set them" + remedy
		}
	}
	return f, len(governors) > 0
}

// bandwidth is what the memory was measured to give.
type bandwidth struct {
	rate    bench.Rate
	threads int
	bytes   int   // read over and over
	cache   int   // bytes of the largest; -1 if that is not known
	err     error // why there is none
}

// readingTime is how long the bandwidth is measured.
const readingTime = 300 * time.Millisecond

// readingHere measures how fast this machine's memory is read.
func readingHere(threads int) (b bandwidth) {
	b.threads, b.cache = threads, cpuid.CPU.Cache.L3
	pool := kernels.NewPool(threads, true)
	defer pool.Close()
	pool.Join(kernels.SharedBoard())
	p, err := bench.NewProber(pool, false)
	if err != nil {
		b.err = err
		return b
	}
	b.bytes = p.Bytes()
	b.rate, b.err = p.Read(readingTime)
	if err := p.Close(); b.err == nil {
		b.err = err
	}
	return b
}

// bandwidthFinding states the bandwidth and what it allows.
func (h *host) bandwidthFinding() (finding, bool) {
	b := h.reading
	f := finding{Topic: "bandwidth"}
	if b.err != nil {
		f.Found = fmt.Sprintf("could not be measured: %v", b.err)
		return f, true
	}
	if b.rate.Passes == 0 {
		return f, false
	}
	f.Found = fmt.Sprintf("%s read %.1f GB/s of memory at best, %.1f in the median", bench.Threads(b.threads), b.rate.Best/1e9, b.rate.Median/1e9)
	if b.cache > b.bytes/2 {
		f.Found += fmt.Sprintf(", partly from a cache of %s", bytesText(b.cache))
	}
	const name = "qwen2.5-0.5b:q4_0"
	if s, err := roofline.OutlineByName(name, model.Options{}); err == nil {
		bound := roofline.Decode(s.Cost, 0).Bound(roofline.Limits{Bandwidth: b.rate.Best})
		f.Found += fmt.Sprintf("; that allows %s at most %.0f tokens/s", name, bound.Rate)
	}
	return f, true
}
