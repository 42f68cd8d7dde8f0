//go:build !race

package kernels

const hedging = true
