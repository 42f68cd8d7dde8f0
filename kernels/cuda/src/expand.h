// Weights as float16 numbers, for the units for products of matrices.
#pragma once
#include "weights.h"

struct ExpandArgs {
	Matrix w;
	u16 *y;                 // [rows][w.cols], or with twice the rows if they are spread
	int first, rows, spread;
};

constexpr int kExpandThreads = 256;

// expand turns rows [first, first+rows) of a matrix into float16 numbers. If spread is
// set, every eight of them have room for eight others behind them. A thread does a group,
// and a warp writes what all its lanes have as one piece.
template <class F> DEVICE void expand(const ExpandArgs &a) {
	constexpr int quads = kGroup / 8; // pieces of 16 bytes of a group
	SHARED(uint4v, pieces, kExpandThreads * quads);
	u32 groups = a.w.cols / kGroup, all = groups * a.rows, first = block() * threads() + warp() * kWarp;
	u32 i = first + lane() < all ? first + lane() : all - 1, g = i % groups, chunk = g & -kChunk;
	Row row = rowOf<F>(a.w, a.first + i / groups);
	Group<F> w = groupOf<F>(row, groups, chunk, g - chunk);
	Scale s = scaleOf<F>(row, g);
	uint4v *mine = pieces + warp() * kWarp * quads;
	// Eight lanes' pieces are in different banks, when written and when read.
	auto at = [](int lane, int quad) { return lane * quads + (quad ^ (lane >> 1 & 3)); };
#pragma unroll
	for (int j = 0; j < quads; j++) {
		uint4v v;
#pragma unroll
		for (int k = 0; k < 4; k++) v[k] = halves(scaled(w, s, 8 * j + 2 * k), scaled(w, s, 8 * j + 2 * k + 1));
		mine[at(lane(), j)] = v;
	}
	barrier();
#pragma unroll
	for (int j = 0; j < quads; j++) {
		u32 from = j * (kWarp / quads) + lane() / quads, quad = lane() % quads;
		if (first + from >= all) continue;
		u32 r = (first + from) / groups, group = (first + from) % groups;
		if (a.spread) r = r / 8 * 16 + r % 8;
		((uint4v *)a.y)[((u64)r * groups + group) * quads + quad] = mine[at(from, quad)];
	}
}

#define EXPAND_KERNEL(F) EXPAND_KERNEL_(F)
#define EXPAND_KERNEL_(F) KERNEL(expand_##F, ExpandArgs, kExpandThreads) { expand<F>(a); }
