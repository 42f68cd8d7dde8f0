//go:build linux && cgo

package tensor

// runtimeReserve is address space that is left to Go's runtime (see reserve.go)
// and to C's: it takes 8 MiB for the stack of each thread and 64 MiB for the
// heaps of some, and the program ends if a thread cannot be had.
const runtimeReserve = 256 << 20
