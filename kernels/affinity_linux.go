package kernels

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// affinity is a thread's set of logical CPUs.
type affinity = unix.CPUSet

// topology returns the logical CPUs that this thread may use, one of each
// physical core first, and the number of those cores.
func topology() (cpus []int, cores int) {
	var set affinity
	if unix.SchedGetaffinity(0, &set) != nil {
		return nil, 0
	}
	var siblings []int
	seen := map[string]bool{}
	for cpu := range 8 * int(unsafe.Sizeof(set)) {
		if !set.IsSet(cpu) {
			continue
		}
		if core := coreOf(cpu); seen[core] {
			siblings = append(siblings, cpu)
		} else {
			seen[core] = true
			cpus = append(cpus, cpu)
		}
	}
	return append(cpus, siblings...), len(cpus)
}

// coreOf names the physical core of a logical CPU: by the list of its
// threads, which is empty where the system does not tell.
func coreOf(cpu int) string {
	b, err := os.ReadFile(fmt.Sprintf("/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu))
	if err != nil {
		return strconv.Itoa(cpu)
	}
	return strings.TrimSpace(string(b))
}

// currentCPU returns the logical CPU that the caller runs on, or -1.
func currentCPU() int {
	var cpu uint32
	if _, _, errno := unix.RawSyscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&cpu)), 0, 0); errno != 0 {
		return -1
	}
	return int(cpu)
}

// pin binds the calling thread to one logical CPU and returns what it was
// bound to before. A thread that cannot be bound runs where it may.
func pin(cpu int) (before affinity) {
	var set affinity
	if unix.SchedGetaffinity(0, &before) == nil {
		set.Set(cpu)
		unix.SchedSetaffinity(0, &set)
	}
	return before
}

// unpin undoes pin.
func unpin(before *affinity) { unix.SchedSetaffinity(0, before) }
