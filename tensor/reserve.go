//go:build linux && !cgo

package tensor

// runtimeReserve is address space that is left to Go's runtime: it takes 64 MiB
// at a time for its heap, and some for stacks and tables. If it gets none it
// ends the program.
const runtimeReserve = 96 << 20
