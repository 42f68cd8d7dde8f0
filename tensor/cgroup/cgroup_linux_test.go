package cgroup

import (
	"maps"
	"math"
	"os"
	"path/filepath"
	"testing"
)

func TestCPUs(t *testing.T) {
	for name, test := range map[string]struct {
		files map[string]string
		want  float64
	}{
		"none":         {nil, math.Inf(1)},
		"v2":           {map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": "50000 100000\n"}, 0.5},
		"v2 above":     {map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": "max 100000\n", "sys/fs/cgroup/a/cpu.max": "150000 100000\n"}, 1.5},
		"v2 container": {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "300000 100000\n"}, 3},
		"v2 no limit":  {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, math.Inf(1)},
		"v1": {map[string]string{"proc/self/cgroup": "4:memory:/x\n3:cpu,cpuacct:/d\n",
			"sys/fs/cgroup/cpu/d/cpu.cfs_quota_us": "100000\n", "sys/fs/cgroup/cpu/d/cpu.cfs_period_us": "100000\n"}, 1},
		"v1 no limit": {map[string]string{"proc/self/cgroup": "3:cpu:/\n",
			"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"}, math.Inf(1)},
		"v1 path of the host": {map[string]string{"proc/self/cgroup": "3:cpu:/docker/f00\n",
			"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "25000\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "50000\n"}, 0.5},
		"nonsense": {map[string]string{"proc/self/cgroup": "0::/\nx\n", "sys/fs/cgroup/cpu.max": "many few\n"}, math.Inf(1)},
	} {
		root := files(t, test.files)
		if got := cpusIn(root); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// files makes a file system of a few files.
func files(t *testing.T, texts map[string]string) (root string) {
	root = t.TempDir()
	for path, text := range texts {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestMemory(t *testing.T) {
	const none = -1
	v2 := func(dir, limit, high, current, stat string) map[string]string {
		dir = "sys/fs/cgroup" + dir + "/memory."
		return map[string]string{dir + "max": limit, dir + "high": high, dir + "current": current, dir + "stat": stat}
	}
	v1 := func(dir, limit, usage, stat string) map[string]string {
		dir = "sys/fs/cgroup/memory" + dir + "/memory."
		return map[string]string{dir + "limit_in_bytes": limit, dir + "usage_in_bytes": usage, dir + "stat": stat}
	}
	for name, test := range map[string]struct {
		group string
		files []map[string]string
		want  int64
	}{
		"none":          {"", nil, none},
		"v2":            {"0::/a\n", []map[string]string{v2("/a", "1000\n", "max\n", "400\n", "anon 250\ninactive_file 100\nactive_file 50\n")}, 750},
		"v2 high":       {"0::/a\n", []map[string]string{v2("/a", "1000\n", "900\n", "400\n", "inactive_file 0\n")}, 500},
		"v2 only high":  {"0::/a\n", []map[string]string{v2("/a", "max\n", "900\n", "400\n", "")}, 500},
		"v2 above":      {"0::/a/b\n", []map[string]string{v2("/a/b", "1000\n", "max\n", "100\n", ""), v2("/a", "800\n", "max\n", "600\n", "")}, 200},
		"v2 over high":  {"0::/a\n", []map[string]string{v2("/a", "1000\n", "300\n", "400\n", "")}, 0},
		"v2 container":  {"0::/\n", []map[string]string{v2("", "1000\n", "max\n", "1\n", "")}, 999},
		"v2 no limit":   {"0::/\n", []map[string]string{v2("", "max\n", "max\n", "1\n", "")}, none},
		"v2 all cache":  {"0::/\n", []map[string]string{v2("", "1000\n", "max\n", "100\n", "active_file 7\ninactive_file 500\n")}, 1000},
		"v1":            {"4:memory:/x\n3:cpu:/d\n", []map[string]string{v1("/x", "1000\n", "700\n", "inactive_file 1\ntotal_inactive_file 200\ntotal_active_file 100\n")}, 600},
		"v1 above":      {"4:memory:/x/y\n", []map[string]string{v1("/x/y", "9223372036854771712\n", "10\n", ""), v1("/x", "1000\n", "700\n", "")}, 300},
		"v1 no limit":   {"4:memory:/x\n", []map[string]string{v1("/x", "9223372036854771712\n", "10\n", "")}, none},
		"v1 of host":    {"4:memory:/docker/f00\n", []map[string]string{v1("", "1000\n", "1\n", "")}, 999},
		"v1 of another": {"3:cpu:/\n", []map[string]string{v1("", "1000\n", "1\n", "")}, none},
		"no usage":      {"0::/\n", []map[string]string{{"sys/fs/cgroup/memory.max": "1000\n"}}, none},
		"nonsense":      {"0::/\nx\n", []map[string]string{v2("", "-5\n", "many\n", "10\n", "inactive_file few\n")}, none},
	} {
		all := map[string]string{"proc/self/cgroup": test.group}
		for _, f := range test.files {
			maps.Copy(all, f)
		}
		got, limited := memoryIn(files(t, all))
		if limited != (test.want != none) || limited && got != test.want {
			t.Errorf("%s: %d, %v; want %d", name, got, limited, test.want)
		}
	}
}
