// Weights as float16 numbers, for the units for products of matrices.
#pragma once
#include "weights.h"

struct ExpandArgs {
	Matrix w;
	u16 *y;                 // [rows][w.cols], or with twice the rows if they are spread
	int first, rows, spread;
};

constexpr int kExpandThreads = 256;

// expand turns rows [first, first+rows) of a matrix into float16 numbers, in the order that
// float16 weights have. If spread is set, every eight of them have room for eight others
// behind them. A thread does a group.
template <class F> DEVICE void expand(const ExpandArgs &a) {
	constexpr int quads = kGroup / 8; // pieces of 16 bytes of a group
	u32 groups = a.w.cols / kGroup, i = block() * threads() + thread();
	if (i >= groups * a.rows) return;
	u32 r = i / groups, g = i % groups, chunk = g & -kChunk;
	Row row = rowOf<F>(a.w, a.first + r);
	Group<F> w = groupOf<F>(row, groups, chunk, g - chunk);
	Scale s = scaleOf<F>(row, g);
	if (a.spread) r = r / 8 * 16 + r % 8;
	u16 *y = a.y + (u64)r * a.w.cols;
#pragma unroll
	for (int j = 0; j < quads; j++) {
		uint4v v;
#pragma unroll
		for (int k = 0; k < 4; k++) v[k] = halves(scaled(w, s, 8 * j + 2 * k), scaled(w, s, 8 * j + 2 * k + 1));
		*(uint4v *)(y + interleaved(g * kGroup + 8 * j, groups)) = v;
	}
}

#define EXPAND_KERNEL(F) EXPAND_KERNEL_(F)
#define EXPAND_KERNEL_(F) KERNEL(expand_##F, ExpandArgs, kExpandThreads) { expand<F>(a); }
