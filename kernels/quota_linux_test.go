package kernels

import (
	"math"
	"os"
	"path/filepath"
	"testing"
)

func TestQuota(t *testing.T) {
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
		root := t.TempDir()
		for path, text := range test.files {
			path = filepath.Join(root, path)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got := quotaIn(root); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}
