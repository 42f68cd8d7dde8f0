//go:build unix

package tensor

import "golang.org/x/sys/unix"

func allocate(size int, huge bool) ([]byte, func() error, error) {
	data, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, nil, err
	}
	if huge {
		hugePages(data)
	}
	return data, func() error { return unix.Munmap(data) }, nil
}
