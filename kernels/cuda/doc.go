// Package cuda runs plans on NVIDIA GPUs. Its kernels are written in CUDA C
// (src) and embedded as PTX, which the driver compiles for the GPU at hand, and
// keeps; the driver itself is behind the interface of package driver. Weights
// go to the GPU in a form of their own, see pack.go; activations are float32.
package cuda

//go:generate go -C ../asm run ./formats ../cuda/src/formats.h
//go:generate ./generate.sh
