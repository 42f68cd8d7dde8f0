//go:build !unix

package machine

// childrenTime is not known on this system.
func childrenTime() (float64, bool) { return 0, false }
