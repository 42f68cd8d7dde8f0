// Products of a matrix of floats with several rows of x, to the bit those of a token's kernel
// (tiles.h): decode of several sequences. And the kernels for all types, of which each has its own way.
#pragma once
#include "batch.h"

constexpr int kFloatRows = 64, kFloatStages = 2, kFloatThreads = kTileGroups * kWarp;

// How the lanes of a warp share 64 rows of weights and OfX of x: so many for rows, and two for x. Each has several of both,
// which are as far apart as there are lanes for them.
constexpr int kLanesForRows = 16, kLanesForX = kWarp / kLanesForRows;

// The groups of a step, each a warp's: of rows of weights, and of x. What eight lanes copy comes to 128 bytes that begin at a
// multiple of that: one access to shared memory, or two, while scattered copies are one access each. Within those
// bytes pieces of 16 are ordered so that those that lanes read together, of one group, are in different banks.
template <class F, int OfX> struct FloatStage {
	static constexpr int kPieces = kCodesBytes<F> / 16;
	uint4v weights[kPieces][kFloatRows][kTileGroups];
	float4v x[OfX][kTileGroups][kGroup / 4];

	// placeOf returns where a group of a row of weights stands, and placeOfX where piece q of a group of row j of x does.
	static DEVICE_METHOD int placeOf(int row, int group) { return group ^ row / 2 % kTileGroups; }
	static DEVICE_METHOD int placeOfX(int j, int q) { return q ^ j % kLanesForX; }
};

// Of x and of rows of weights, what the groups of a warp make. What lanes write together is in different banks.
template <int OfX> struct FloatSums {
	float of[kTileGroups][OfX][kFloatRows + kLanesForRows];
};

// floats is batch for weights that are floats. A block has a part of 64 rows of weights, and of each four groups of that a
// warp has one, as a lane of the token's kernel does, which it multiplies with OfX rows of x. x is slots, and there is room for
// a multiple of OfX rows of them.
template <class F, int OfX> DEVICE void floats(const BatchArgs &a) {
	startNext();
	using Step = FloatStage<F, OfX>;
	constexpr int quads = kGroup / 4, rowsOfLane = kFloatRows / kLanesForRows, ofLane = OfX / kLanesForX, apart = kFloatThreads / kTileGroups, rowsOfThread = kFloatRows / apart;
	int groups = (u32)a.w.cols / kGroup, ofPart = a.length * kTileGroups, last = a.w.rows - 1;
	int passes = (u32)(a.n + OfX - 1) / OfX, firstX = block() % passes * OfX, item = block() / passes;
	int tiles = (u32)(a.w.rows + kFloatRows - 1) / kFloatRows;
	int part = item / tiles, r0 = (item - part * tiles) * kFloatRows, first = part * ofPart, end = minimum(first + ofPart, groups);
	int steps = (u32)(end - first + kTileGroups - 1) / kTileGroups;
	Step *stages = (Step *)blockMemory();
	// Neighbours copy what stands side by side. Past the end rows and groups are read again, for nothing.
	const u8 *rows[rowsOfThread];
#pragma unroll
	for (int n = 0; n < rowsOfThread; n++) rows[n] = rowOf<F>(a.w, minimum(r0 + thread() / kTileGroups + n * apart, last)).codes;
	auto bringWeights = [&](int step) INLINED {
		int own = thread() % kTileGroups, row = thread() / kTileGroups;
		u32 from = first + step * kTileGroups, g = minimum(from + own, end - 1), chunk = from & -kChunk;
		u32 at = pieceAt<F>(groups, chunk, g - chunk, 0), next = pieceAt<F>(groups, chunk, g - chunk, 1) - at;
		Shared to = sharedAddress(&stages[step % kFloatStages].weights[0][row][Step::placeOf(row, own)]);
#pragma unroll
		for (int k = 0; k < Step::kPieces; k++, at += next)
#pragma unroll
			for (int n = 0; n < rowsOfThread; n++) copyAsync(to + ((k * kFloatRows + n * apart) * kTileGroups) * 16, rows[n] + at);
	};
	const Slot *x = a.x + (u64)(u32)(firstX + warp()) * (u32)groups;
	auto bringX = [&](int step) INLINED {
		int q = lane() % quads, own = lane() / quads;
		Shared to = sharedAddress(&stages[step % kFloatStages].x[warp()][own][Step::placeOfX(warp(), q)]);
		const Slot *from = x + minimum(first + step * kTileGroups + own, end - 1);
#pragma unroll
		for (int j = 0; j < OfX; j += kTileGroups, from += kTileGroups * groups) copyAsync(to + j * kTileGroups * quads * 16, &from->floats[q]);
	};
	bringWeights(0);
	awaitLaunch();
	bringX(0);
	endGroup();
	int own = warp(), row = lane() / kLanesForX, column = lane() % kLanesForX;
	float sums[rowsOfLane][ofLane] = {};
#pragma unroll 1
	for (int step = 0; step < steps; step++) {
		waitGroups<0>();
		barrier(); // and what the next one comes to has been used
		if (step + 1 < steps) bringWeights(step + 1), bringX(step + 1);
		endGroup();
		if (first + step * kTileGroups + own >= end) continue;
		constexpr int bytes = kCodesBytes<F> / quads;
		const Step &s = stages[step % kFloatStages];
		const u8 *codes = (const u8 *)&s.weights[0][row][Step::placeOf(row, own)];
		const float4v *columns = s.x[column][own];
#pragma unroll 2
		for (int q = 0; q < quads; q++) {
			float w[rowsOfLane][4];
#pragma unroll
			for (int r = 0; r < rowsOfLane; r++) {
				Group<F> four; // its first words
				const u8 *from = codes + ((q * bytes / 16 * kFloatRows + r * kLanesForRows) * kTileGroups) * 16 + q * bytes % 16;
				__builtin_memcpy(four.words, __builtin_assume_aligned(from, bytes), bytes);
#pragma unroll
				for (int k = 0; k < 4; k++) w[r][k] = four.number(k);
			}
#pragma unroll
			for (int i = 0; i < ofLane; i++) {
				float4v x = columns[i * kLanesForX * kTileGroups * quads + Step::placeOfX(column, q)];
#pragma unroll
				for (int k = 0; k < 4; k++)
#pragma unroll
					for (int r = 0; r < rowsOfLane; r++) sums[r][i] = multiplyAdd(w[r][k], x[k], sums[r][i]);
			}
		}
	}
	barrier();
	FloatSums<OfX> &all = *(FloatSums<OfX> *)blockMemory();
#pragma unroll
	for (int i = 0; i < ofLane; i++)
#pragma unroll
		for (int r = 0; r < rowsOfLane; r++) all.of[own][column + kLanesForX * i][row + kLanesForRows * r] = sums[r][i];
	barrier();
	constexpr int together = kFloatThreads / kFloatRows;
	int r = thread() % kFloatRows, j0 = thread() / kFloatRows;
	float *y = a.y + part * a.apart + (u64)(firstX + j0) * a.stride + r0 + r;
	if (r0 + r > last) return;
#pragma unroll
	for (int i = 0; i < OfX; i += together, y += together * a.stride) {
		int j = j0 + i;
		// As Products::finish adds them.
		float sum = (all.of[0][j][r] + all.of[1][j][r]) + (all.of[2][j][r] + all.of[3][j][r]);
		if (firstX + j >= a.n) return;
		if (a.scales) sum *= a.scales[firstX + j];
		*y = sum;
	}
}

// Threads of a block, and the blocks that a multiprocessor is to run at a time: with more, threads would have too few registers.
template <class F> constexpr int kThreadsOf = kExact<F> ? kBatchThreads : kFloatThreads;
template <class F> constexpr int kBlocksOf = kExact<F> ? 1 : 3;

#define BATCH_KERNELS(F) BATCH_KERNELS_(F)
#define BATCH_KERNELS_(F) \
	BATCH_KERNEL(F, 8) \
	BATCH_KERNEL(F, 16) \
	BATCH_KERNEL(F, 32) \
	KERNEL(few_##F, BatchArgs, kFewThreads) { few<F>(a); } \
	KERNEL(slots_##F, SlotsArgs, kSlotsThreads) { slotsOf<F>(a); }
#define BATCH_KERNEL(F, ofX) \
	KERNEL_AT_ONCE(batch##ofX##_##F, BatchArgs, kThreadsOf<F>, kBlocksOf<F>) { \
		if constexpr (kExact<F>) batch<F, ofX / 8>(a); \
		else floats<F, ofX>(a); \
	}
