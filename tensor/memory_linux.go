package tensor

import (
	"bytes"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"qgo/tensor/cgroup"
)

// Memory returns how much more memory the program can take without swapping: the
// least of what the system estimates that it could give, what control groups
// allow, and [AddressSpace]; false if none of them says.
func Memory() (Limit, bool) { return least(freeMemory, containerMemory, AddressSpace) }

// least returns the smallest of the limits that are known.
func least(limits ...func() (Limit, bool)) (l Limit, known bool) {
	for _, f := range limits {
		if next, ok := f(); ok && (!known || next.Bytes < l.Bytes) {
			l, known = next, true
		}
	}
	return l, known
}

func freeMemory() (Limit, bool) {
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return Limit{}, false
	}
	n, known := parseAvailable(data)
	return Limit{n, SourceFree}, known
}

func containerMemory() (Limit, bool) {
	n, limited := cgroup.Memory()
	return Limit{n, SourceContainer}, limited
}

// AddressSpace returns how much more memory, that of mapped files included, the
// program can have in its address space; false if that is not limited.
func AddressSpace() (Limit, bool) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_AS, &limit); err != nil {
		return Limit{}, false
	}
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return Limit{}, false
	}
	n, limited := addressesLeft(limit.Cur, statm, os.Getpagesize())
	return Limit{n, SourceAddresses}, limited
}

// addressesLeft is AddressSpace for a limit of that many bytes (getrlimit(2))
// and a text of /proc/self/statm, whose first field is the size in pages
// (proc_pid_statm(5)).
func addressesLeft(limit uint64, statm []byte, page int) (int64, bool) {
	fields := bytes.Fields(statm)
	if limit >= 1<<60 || len(fields) == 0 { // such a limit is none
		return 0, false
	}
	pages, err := strconv.ParseInt(string(fields[0]), 10, 64)
	if err != nil || pages < 0 || pages > 1<<48 {
		return 0, false
	}
	return max(int64(limit)-pages*int64(page)-runtimeReserve, 0), true
}

// parseAvailable reads the field MemAvailable, in KiB (proc_meminfo(5)).
func parseAvailable(meminfo []byte) (int64, bool) {
	_, rest, found := bytes.Cut(meminfo, []byte("MemAvailable:"))
	fields := bytes.Fields(rest[:min(len(rest), 40)])
	if !found || len(fields) < 2 || string(fields[1]) != "kB" {
		return 0, false
	}
	n, err := strconv.ParseInt(string(fields[0]), 10, 64)
	return n << 10, err == nil && n >= 0
}
