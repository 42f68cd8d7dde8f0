//go:build unix

package kernels

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// sharedPath returns the file of shared memory.
func sharedPath(name string) (string, error) {
	if runtime.GOOS == "linux" { // as shm_open does it
		return fmt.Sprintf("/dev/shm/qgo-%d-%s", os.Geteuid(), name), nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir = filepath.Join(dir, "qgo")
	return filepath.Join(dir, name), os.MkdirAll(dir, 0o700)
}

// sharedMemory maps memory that all processes of the user that ask for that
// name have in common. It is zero at first.
func sharedMemory(name string, size int) ([]byte, error) {
	path, err := sharedPath(name)
	if err != nil {
		return nil, err
	}
	// Others may write to the directory.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); !ok || !info.Mode().IsRegular() || int(stat.Uid) != os.Geteuid() || stat.Nlink != 1 {
		return nil, fmt.Errorf("%s is not a file of this user", path)
	}
	if has := info.Size(); has < int64(size) {
		// Written, not only made longer: where there is no memory for it, this
		// fails, and not the first access.
		if _, err := f.WriteAt(make([]byte, int64(size)-has), has); err != nil {
			return nil, err
		}
	}
	return unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
}
