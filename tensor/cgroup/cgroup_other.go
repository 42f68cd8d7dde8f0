//go:build !linux

package cgroup

import "math"

// CPUs returns how many CPUs' time the process may use, infinity if there is no
// limit.
func CPUs() float64 { return math.Inf(1) }

// Memory returns how many more bytes of memory the process may take, false if
// there is no limit.
func Memory() (free int64, limited bool) { return 0, false }
