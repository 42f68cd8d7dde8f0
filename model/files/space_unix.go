//go:build linux || darwin

package files

import "golang.org/x/sys/unix"

// free is the number of bytes that an ordinary user may still write in dir.
func free(dir string) (int64, error) {
	var s unix.Statfs_t
	err := unix.Statfs(dir, &s)
	return int64(s.Bavail) * int64(s.Bsize), err
}
