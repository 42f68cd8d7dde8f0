package tensor

import "golang.org/x/sys/unix"

// hugePages asks for huge pages. A system without them is as good, only
// slower.
func hugePages(data []byte) { _ = unix.Madvise(data, unix.MADV_HUGEPAGE) }
