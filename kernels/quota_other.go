//go:build !linux

package kernels

import "math"

// cpuQuota returns how many CPUs' time the process may use. Only Linux has
// groups of processes with less than all; what Windows limits in its jobs, Go's
// GOMAXPROCS does not know either.
func cpuQuota() float64 { return math.Inf(1) }
