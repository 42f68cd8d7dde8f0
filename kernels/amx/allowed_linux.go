//go:build amd64 && !noasm

package amx

import (
	"sync"

	"golang.org/x/sys/unix"
)

// allowed asks Linux for the state of tiles, which a process has to do before
// it uses them: arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA). All its
// threads have it from then on. Linux refuses it where the stack of a thread's
// signal handler is too small to save the state on; Go's are 32 KB.
var allowed = sync.OnceValue(func() bool {
	const (
		requestPermission = 0x1023
		tileData          = 18
	)
	_, _, errno := unix.Syscall(unix.SYS_ARCH_PRCTL, requestPermission, tileData, 0)
	return errno == 0
})
