//go:build !(amd64 || arm64) || noasm

package kernels

// native returns the tiers in assembler that this machine can run.
func native() []*Tier { return nil }
