//go:build !amd64 && !arm64

package kernels

import "unsafe"

// pause tells the core that the caller spins; here there is no way to.
func pause() {}

// prefetch would ask for cache lines; here there is no way to.
func prefetch(unsafe.Pointer, int) {}
