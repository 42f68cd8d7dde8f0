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
type affinity struct{ unix.CPUSet }

// topology returns the logical CPUs that this thread may use, one of each
// physical core first, and the number of those cores.
func topology() (cpus []int, cores int) {
	var set affinity
	if unix.SchedGetaffinity(0, &set.CPUSet) != nil {
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

// affinityTo returns the set of one logical CPU.
func affinityTo(cpu int) (set affinity) {
	set.Set(cpu)
	return set
}

// get reads the calling thread's affinity, apply sets it. A thread that cannot
// be bound runs where it may.
func (a *affinity) get()   { unix.SchedGetaffinity(0, &a.CPUSet) }
func (a *affinity) apply() { unix.SchedSetaffinity(0, &a.CPUSet) }
