package tensor

import (
	"bytes"
	"os"
	"strconv"
)

// Available returns how many bytes of memory programs can take without
// swapping, as the system estimates it; false if it does not say.
func Available() (int64, bool) {
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, false
	}
	return parseAvailable(data)
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
