// What measures the units for products of matrices that GPUs have from compute
// capability 8.0 on. It is a module of its own, for those GPUs, and not in the
// emulator.
#include "platform.h"

constexpr int kTensorThreads = 256;
constexpr int kTiles = 8; // independent ones: a product must wait for the one before it in its tile

struct TensorArgs {
	float *out; // [blocks()][threads()]
	u32 a, b;   // pairs of float16 numbers
	int rounds;
};

// probe_tensor has each warp add a product of 16x16 and 16x8 numbers to each of
// its tiles, again and again, and stores what a thread's parts of the tiles add
// up to.
extern "C" __attribute__((global, launch_bounds(kTensorThreads))) void probe_tensor(TensorArgs a) {
	float tile[kTiles][4] = {};
	for (int r = 0; r < a.rounds; r++) {
#pragma unroll
		for (int j = 0; j < kTiles; j++) {
			float *c = tile[j];
			asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %4, %4, %4}, {%5, %5}, {%0, %1, %2, %3};"
				: "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
				: "r"(a.a), "r"(a.b));
		}
	}
	float sum = 0;
#pragma unroll
	for (int j = 0; j < kTiles; j++) sum += tile[j][0] + tile[j][1] + tile[j][2] + tile[j][3];
	a.out[(u64)block() * threads() + thread()] = sum;
}
