#!/bin/sh
# Compiles the kernels to PTX: a module for each format of weights, one that
# measures the GPU, those for what newer GPUs have, and one for all else.
# The path keeps clang from looking for a CUDA installation, so that the result is
# the same with and without one. Last come the counts of what Maxwell executes.
set -e
cd "$(dirname "$0")"
mkdir -p ptx

# modules prints a line for each module: architecture, version of PTX, name, macros.
modules() {
	echo sm_53 ptx60 common
	echo sm_53 ptx60 ceilings -DCEILINGS
	for type in $(sed -n "s/^struct \([A-Z0-9_]*\) .*/\1/p" src/formats.h); do
		echo sm_53 ptx60 "$type" -DTYPE="$type"
		echo sm_80 ptx70 batch_"$type" -DBATCH -DTYPE="$type"
	done
	echo sm_80 ptx70 tensor -DTENSOR
	for head in 64 128; do
		echo sm_80 ptx70 headToken${head}_F16 -DHEAD_TOKEN -DHEAD=$head
		for cache in F32 F16 Q8_0; do
			echo sm_70 ptx60 plainToken${head}_$cache -DPLAIN_TOKEN -DHEAD=$head -DCACHE=$cache
			echo sm_80 ptx70 token${head}_$cache -DTOKEN -DHEAD=$head -DCACHE=$cache
			echo sm_80 ptx70 rows${head}_$cache -DROWS -DHEAD=$head -DCACHE=$cache
			echo sm_80 ptx70 flash${head}_$cache -DFLASH -DHEAD=$head -DCACHE=$cache
		done
	done
}

compile='arch=$1 isa=$2 out=$3
shift 3
exec clang-16 -x cuda --cuda-device-only --cuda-gpu-arch="$arch" --cuda-feature="+$isa" \
	--cuda-path=/nonexistent -nocudainc -nocudalib -std=c++17 -O3 -Wall -Werror \
	-S -o "ptx/${arch}_$out.ptx" "$@" src/kernels.cu'
modules | xargs -P "$(nproc)" -L 1 sh -c "$compile" compile

go -C ../asm run ./maxwell -counts >counts.new
mv counts.new ../asm/maxwell/counts.txt
