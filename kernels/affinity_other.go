//go:build !linux

package kernels

// Elsewhere the system places threads: macOS has no call for it, and a thread
// of Windows is moved rarely.

type affinity struct{}

func topology() (cpus []int, cores int) { return nil, 0 }

func currentCPU() int { return -1 }

func affinityTo(int) (set affinity) { return }

func (*affinity) get()   {}
func (*affinity) apply() {}
