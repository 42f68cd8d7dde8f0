//go:build unix

package machine

import "golang.org/x/sys/unix"

// childrenTime is the CPUs' time, in seconds, that the programs took that this
// process has waited for.
func childrenTime() (float64, bool) {
	var u unix.Rusage
	err := unix.Getrusage(unix.RUSAGE_CHILDREN, &u)
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9, err == nil
}
