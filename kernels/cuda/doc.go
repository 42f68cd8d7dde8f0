// Package cuda runs plans on NVIDIA GPUs. Its kernels are written in CUDA C
// (src) and embedded as PTX, which the driver compiles for the GPU at hand;
// the driver itself is behind the interface of package driver. Weights go to
// the GPU in a form of their own, see pack.go; activations are float32.
package cuda

//go:generate clang-16 -x cuda --cuda-device-only --cuda-gpu-arch=sm_53 --cuda-feature=+ptx60 -nocudainc -nocudalib -O3 -S -Wall -Werror -o ptx/sm_53.ptx src/kernels.cu
