package cgroup

import (
	"bufio"
	"iter"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// CPUs returns how many CPUs' time the process may use, infinity if there is no
// limit.
func CPUs() float64 { return cpusIn("/") }

// Memory returns how many more bytes of memory the process may take, false if
// there is no limit.
func Memory() (free int64, limited bool) { return memoryIn("/") }

// group is one of the control groups that limit the process.
type group struct {
	dir string
	v1  bool // of version 1 of the interface
}

// groups returns the groups with that controller: the one of version 2
// ("0::/path" in /proc/self/cgroup), or the one that version 1 has for the
// controller ("4:cpu,cpuacct:/path"), and those above it. In a container that
// sees only its own group, the path may be one of the host's: then that group is
// what is mounted. The file system is that under root.
func groups(root, controller string) iter.Seq[group] {
	return func(yield func(group) bool) {
		f, err := os.Open(filepath.Join(root, "proc/self/cgroup"))
		if err != nil {
			return
		}
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			fields := strings.SplitN(lines.Text(), ":", 3)
			if len(fields) < 3 {
				continue
			}
			mount, v1 := filepath.Join(root, "sys/fs/cgroup"), fields[1] != ""
			if v1 {
				if !slices.Contains(strings.Split(fields[1], ","), controller) {
					continue
				}
				mount = filepath.Join(mount, controller)
			}
			for dir := path.Clean("/" + fields[2]); ; dir = path.Dir(dir) {
				if !yield(group{filepath.Join(mount, dir), v1}) {
					return
				}
				if dir == "/" {
					break
				}
			}
		}
	}
}

// text returns a file of the group, empty if it is not there.
func (g group) text(name string) string {
	b, _ := os.ReadFile(filepath.Join(g.dir, name))
	return strings.TrimSpace(string(b))
}

// cpusIn is CPUs of the file system under root.
func cpusIn(root string) float64 {
	cpus := math.Inf(1)
	for g := range groups(root, "cpu") {
		quota, period, _ := strings.Cut(g.text("cpu.max"), " ") // microseconds, or "max"
		if g.v1 {
			quota, period = g.text("cpu.cfs_quota_us"), g.text("cpu.cfs_period_us") // -1 is no limit
		}
		q, err := strconv.ParseFloat(quota, 64)
		p, err2 := strconv.ParseFloat(period, 64)
		if err == nil && err2 == nil && q > 0 && p > 0 {
			cpus = min(cpus, q/p)
		}
	}
	return cpus
}

// noLimit is far more memory than any machine has: version 1 has no word for no
// limit, but a number near the largest.
const noLimit = 1 << 60

// memoryIn is Memory of the file system under root.
func memoryIn(root string) (free int64, limited bool) {
	for g := range groups(root, "memory") {
		limits, usage, of := []string{"memory.max", "memory.high"}, "memory.current", ""
		if g.v1 {
			limits, usage, of = []string{"memory.limit_in_bytes"}, "memory.usage_in_bytes", "total_"
		}
		used, ok := parseBytes(g.text(usage))
		if !ok {
			continue
		}
		// The system takes pages of files back before it refuses anything. A model
		// that was used before is among the active ones.
		used = max(used-g.statistic(of+"inactive_file")-g.statistic(of+"active_file"), 0)
		for _, name := range limits {
			if limit, ok := parseBytes(g.text(name)); ok && limit < noLimit {
				if left := max(limit-used, 0); !limited || left < free {
					free, limited = left, true
				}
			}
		}
	}
	return free, limited
}

// statistic returns a field of memory.stat, 0 if it is not there.
func (g group) statistic(name string) int64 {
	for line := range strings.Lines(g.text("memory.stat")) {
		if value, found := strings.CutPrefix(line, name+" "); found {
			n, _ := parseBytes(strings.TrimSpace(value))
			return n
		}
	}
	return 0
}

// parseBytes reads a number of bytes; "max" is none.
func parseBytes(text string) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && n >= 0
}
