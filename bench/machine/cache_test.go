package machine

import (
	"fmt"
	"testing"
	"testing/fstest"
)

// TestLastLevelCache counts the caches that CPUs share once each, and those of the
// last level only.
func TestLastLevelCache(t *testing.T) {
	files := fstest.MapFS{}
	add := func(cpu, index, level int, kind, size, shared string) {
		dir := fmt.Sprintf("sys/devices/system/cpu/cpu%d/cache/index%d/", cpu, index)
		for name, text := range map[string]string{"level": fmt.Sprint(level), "type": kind, "size": size, "shared_cpu_list": shared} {
			files[dir+name] = &fstest.MapFile{Data: []byte(text + "\n")}
		}
	}
	if got := LastLevelCache(files); got != 0 {
		t.Errorf("%d bytes of nothing", got)
	}
	for cpu := range 4 {
		add(cpu, 0, 1, "Data", "48K", fmt.Sprint(cpu))
		add(cpu, 1, 1, "Instruction", "32K", fmt.Sprint(cpu))
		add(cpu, 2, 2, "Unified", "2048K", fmt.Sprint(cpu))
	}
	if got, want := LastLevelCache(files), int64(4*2048<<10); got != want {
		t.Errorf("%d bytes, want the %d of four L2s", got, want)
	}
	for cpu := range 4 {
		shared := "0-1"
		if cpu > 1 {
			shared = "2-3"
		}
		add(cpu, 3, 3, "Unified", "32768K", shared)
	}
	if got, want := LastLevelCache(files), int64(64<<20); got != want {
		t.Errorf("%d bytes, want the %d of two L3s", got, want)
	}
	add(3, 4, 4, "Unified", "a lot", "0-3")
	if got, want := LastLevelCache(files), int64(64<<20); got != want {
		t.Errorf("%d bytes with a cache of no size, want %d", got, want)
	}
}
