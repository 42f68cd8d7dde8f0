#!/bin/sh
# Compiles the kernels to PTX: a module for each format of weights, one that
# measures the GPU, those for what newer GPUs have, and one for all else.
# The path keeps clang from looking for a CUDA installation, so that the result is
# the same with and without one. Last come the counts of what Maxwell executes.
set -e
cd "$(dirname "$0")"
mkdir -p ptx
compile_for() {
	arch=$1 isa=$2 out=$3
	shift 3
	clang-16 -x cuda --cuda-device-only --cuda-gpu-arch="$arch" --cuda-feature="+$isa" \
		--cuda-path=/nonexistent -nocudainc -nocudalib -std=c++17 -O3 -Wall -Werror \
		-S -o "ptx/${arch}_$out.ptx" "$@"
}
compile() { compile_for sm_53 ptx60 "$@" src/kernels.cu; }
compile common
compile ceilings -DCEILINGS
for type in $(sed -n "s/^struct \([A-Z0-9_]*\) .*/\1/p" src/formats.h); do
	compile $type -DTYPE=$type
	compile_for sm_80 ptx70 batch_$type -DBATCH -DTYPE=$type src/kernels.cu
done
compile_for sm_80 ptx70 tensor -DTENSOR src/kernels.cu
for head in 64 128; do
	for cache in F32 F16 Q8_0; do
		compile_for sm_70 ptx60 plainToken${head}_$cache -DPLAIN_TOKEN -DHEAD=$head -DCACHE=$cache src/kernels.cu
		compile_for sm_80 ptx70 token${head}_$cache -DTOKEN -DHEAD=$head -DCACHE=$cache src/kernels.cu
		compile_for sm_80 ptx70 rows${head}_$cache -DROWS -DHEAD=$head -DCACHE=$cache src/kernels.cu
		compile_for sm_80 ptx70 flash${head}_$cache -DFLASH -DHEAD=$head -DCACHE=$cache src/kernels.cu
	done
done
go -C ../asm run ./maxwell -counts >counts.new
mv counts.new ../asm/maxwell/counts.txt
