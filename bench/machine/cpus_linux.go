package machine

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// allowedCPUs returns the logical CPUs that this process may use, by the names
// that /proc/stat has for them; nil if that is not known.
func allowedCPUs() map[string]bool {
	var set unix.CPUSet
	if unix.SchedGetaffinity(0, &set) != nil {
		return nil
	}
	all := map[string]bool{}
	for i := range 8 * int(unsafe.Sizeof(set)) {
		if set.IsSet(i) {
			all[fmt.Sprintf("cpu%d", i)] = true
		}
	}
	return all
}
