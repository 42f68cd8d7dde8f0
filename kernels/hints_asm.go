//go:build amd64 || arm64

package kernels

import "unsafe"

// pause tells the core that the caller spins.
func pause()

// prefetch asks for cache lines, at least one, to be brought into the
// second-level cache. It reads nothing: any address is allowed.
//
//go:noescape
func prefetch(p unsafe.Pointer, lines int)
