#!/bin/sh
# Compiles the kernels to PTX: a module for each format of weights, one that
# measures the GPU and one for all else. The path keeps clang from looking for a
# CUDA installation, so that the result is the same with and without one.
set -e
cd "$(dirname "$0")"
mkdir -p ptx
compile() {
	out=$1
	shift
	clang-16 -x cuda --cuda-device-only --cuda-gpu-arch=sm_53 --cuda-feature=+ptx60 \
		--cuda-path=/nonexistent -nocudainc -nocudalib -std=c++17 -O3 -Wall -Werror \
		-S -o "ptx/sm_53_$out.ptx" "$@" src/kernels.cu
}
compile common
compile ceilings -DCEILINGS
for type in F32 F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_NL; do
	compile $type -DTYPE=$type
done
