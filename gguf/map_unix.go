//go:build unix

package gguf

import (
	"os"

	"golang.org/x/sys/unix"
)

// errNoRoom says that a file cannot be mapped for lack of addresses: in memory it
// would take as many.
const errNoRoom = unix.ENOMEM

func mapFile(f *os.File, size int) (data []byte, unmap func() error, err error) {
	data, err = unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
	return data, func() error { return unix.Munmap(data) }, err
}

// dropPages takes whole pages of a mapped file out of memory.
func dropPages(data []byte) { _ = unix.Madvise(data, unix.MADV_DONTNEED) }
