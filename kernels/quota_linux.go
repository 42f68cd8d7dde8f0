package kernels

import (
	"bufio"
	"math"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// cpuQuota returns how many CPUs' time the process's control groups allow it, or
// infinity.
func cpuQuota() float64 { return quotaIn("/") }

// quotaIn is cpuQuota of the file system under root: of the group of version 2
// ("0::/path" in /proc/self/cgroup), or of the one that version 1 has for the
// CPU ("4:cpu,cpuacct:/path"), and of those above it. In a container that sees
// only its own group, the path may be one of the host's: then that group is
// what is mounted.
func quotaIn(root string) float64 {
	f, err := os.Open(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return math.Inf(1)
	}
	defer f.Close()
	quota := math.Inf(1)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.SplitN(lines.Text(), ":", 3)
		if len(fields) < 3 {
			continue
		}
		mount, read := filepath.Join(root, "sys/fs/cgroup"), quotaV2
		if fields[1] != "" {
			found := false
			for name := range strings.SplitSeq(fields[1], ",") {
				found = found || name == "cpu"
			}
			if !found {
				continue
			}
			mount, read = filepath.Join(mount, "cpu"), quotaV1
		}
		for dir := path.Clean("/" + fields[2]); ; dir = path.Dir(dir) {
			quota = min(quota, read(filepath.Join(mount, dir)))
			if dir == "/" {
				break
			}
		}
	}
	return quota
}

// quotaV2 reads "quota period" or "max period", in microseconds.
func quotaV2(dir string) float64 {
	b, _ := os.ReadFile(filepath.Join(dir, "cpu.max"))
	quota, period, _ := strings.Cut(strings.TrimSpace(string(b)), " ")
	return ratio(quota, period)
}

// quotaV1 reads the same from two files, where -1 is no limit.
func quotaV1(dir string) float64 {
	quota, _ := os.ReadFile(filepath.Join(dir, "cpu.cfs_quota_us"))
	period, _ := os.ReadFile(filepath.Join(dir, "cpu.cfs_period_us"))
	return ratio(strings.TrimSpace(string(quota)), strings.TrimSpace(string(period)))
}

func ratio(quota, period string) float64 {
	q, err := strconv.ParseFloat(quota, 64)
	p, err2 := strconv.ParseFloat(period, 64)
	if err != nil || err2 != nil || q <= 0 || p <= 0 {
		return math.Inf(1)
	}
	return q / p
}
