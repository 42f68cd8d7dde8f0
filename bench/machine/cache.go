package machine

import (
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
)

// LastLevelCache is the size in bytes of all caches of the last level together, as
// Linux tells it in root, the machine's file system; 0 if it does not.
func LastLevelCache(root fs.FS) (bytes int64) {
	dirs, err := fs.Glob(root, "sys/devices/system/cpu/cpu[0-9]*/cache/index[0-9]*")
	if err != nil {
		return 0
	}
	read := func(dir, name string) string {
		b, err := fs.ReadFile(root, path.Join(dir, name))
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(b))
	}
	last := 0
	seen := map[string]bool{} // by the CPUs that share it
	for _, dir := range dirs {
		level, err := strconv.Atoi(read(dir, "level"))
		size, bad := humanize.ParseBytes(strings.Replace(read(dir, "size"), "K", "KiB", 1))
		if err != nil || bad != nil || level < last || read(dir, "type") == "Instruction" {
			continue
		}
		if level > last {
			last, bytes = level, 0
			clear(seen)
		}
		if cpus := read(dir, "shared_cpu_list"); !seen[cpus] {
			seen[cpus] = true
			bytes += int64(size)
		}
	}
	return bytes
}
