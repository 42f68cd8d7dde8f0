//go:build !amd64 || noasm

package probe

// native returns the kernels in assembler that this machine can run.
func native() []*Kernels { return nil }
