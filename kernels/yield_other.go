//go:build !linux

package kernels

import "runtime"

// yield lets another goroutine have this one's place, if one waits for it.
func yield() { runtime.Gosched() }
