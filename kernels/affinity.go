package kernels

import (
	"math"
	"runtime"
	"slices"

	"github.com/klauspost/cpuid/v2"

	"qgo/tensor/cgroup"
)

// processors is how many logical CPUs may be busy at a time: what GOMAXPROCS was
// before a pool raised it, and no more than a container's share of the
// machine's time, rounded up. Go takes at least two there; but two threads that
// wait for each other on one CPU's time use it up by waiting.
var processors = int(max(1, min(float64(runtime.GOMAXPROCS(0)), math.Ceil(cgroup.CPUs()))))

// Cores is the number of physical cores that this process may use: those of
// its affinity mask, at most its share of the machine's time (a container's
// CPU limit, GOMAXPROCS). More workers than that gain nothing: what binds
// them, memory bandwidth or vector units, belongs to the core.
func Cores() int {
	limit := processors
	if _, cores := topology(); cores > 0 {
		return min(cores, limit)
	}
	if t := cpuid.CPU.ThreadsPerCore; t > 1 {
		return max(limit/t, 1)
	}
	return limit
}

// CPUs is the number of logical CPUs that this process may use, likewise.
func CPUs() int {
	if cpus, _ := topology(); len(cpus) > 0 {
		return min(len(cpus), processors)
	}
	return processors
}

// placement returns the logical CPUs for a pool of n workers, and which of them
// the first worker is for; none when the system cannot pin threads or has fewer
// CPUs than workers. The first worker is placed where the caller runs now, so
// that two small pools of different processes, which the system has put on
// different cores, stay apart.
func placement(n int) (cpus []int, first int) {
	cpus, cores := topology()
	if n > len(cpus) {
		return nil, 0
	}
	if n <= cores {
		cpus = cpus[:cores]
	}
	return cpus, max(slices.Index(cpus, currentCPU()), 0)
}
