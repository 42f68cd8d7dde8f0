//go:build !amd64 && !arm64

package kernels

// pause tells the core that the caller spins; here there is no way to.
func pause() {}
