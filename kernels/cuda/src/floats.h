// Products of a matrix of floats with several rows of x, to the bit those of a token's kernel
// (tiles.h): decode of several sequences. And the kernels for all types, of which each has its own way.
#pragma once
#include "batch.h"

constexpr int kFloatRows = 64, kFloatStages = 2;

// A warp has one of a step's groups, and up to 16 rows of x.
template <int OfX> constexpr int kFloatOfWarp = OfX < 16 ? OfX : 16;
template <int OfX> constexpr int kFloatThreads = OfX / kFloatOfWarp<OfX> * kTileGroups * kWarp;

// The groups of a step, each a warp's: of rows of weights, and of x. What is left of a row keeps
// eight of them that are read together in different banks.
template <class F, int OfX> struct FloatStage {
	struct Weight {
		uint4v pieces[kCodesBytes<F> / 16 + 1];
	} weights[kTileGroups][kFloatRows];
	Slot x[kTileGroups][OfX];
};

// Of x and of rows of weights, what the groups of a warp make. Rows are read by lanes that differ in lane()/4; here
// too they stand in different banks.
template <int OfX> struct FloatSums {
	float of[kTileGroups][OfX][kFloatRows + 8];
};

// floats is batch for weights that are floats. A block has a part of 64 rows of weights, and of each four groups of that a
// warp has one, as a lane of the token's kernel does, which it multiplies with up to 16 rows of x: a lane eight rows of
// weights with a quarter of those. x is slots.
template <class F, int OfX> DEVICE void floats(const BatchArgs &a) {
	startNext();
	constexpr int threads = kFloatThreads<OfX>, columns = kFloatOfWarp<OfX> / kTileGroups, eights = kFloatRows / 8, pieces = kCodesBytes<F> / 16, quads = kGroup / 4;
	int groups = (u32)a.w.cols / kGroup, ofPart = a.length * kTileGroups, parts = (u32)(groups + ofPart - 1) / ofPart, last = a.w.rows - 1;
	int passes = (u32)(a.n + OfX - 1) / OfX, firstX = block() % passes * OfX, item = block() / passes;
	int part = item % parts, r0 = item / parts * kFloatRows, first = part * ofPart, end = minimum(first + ofPart, groups);
	int steps = (u32)(end - first + kTileGroups - 1) / kTileGroups;
	FloatStage<F, OfX> *stages = (FloatStage<F, OfX> *)blockMemory();
	// Neighbours copy what stands side by side. Past the end rows and groups are read again, for nothing.
	auto bringWeights = [&](int step) INLINED {
		FloatStage<F, OfX> &to = stages[step % kFloatStages];
		u32 own = thread() % kTileGroups, g = minimum(first + step * kTileGroups + own, end - 1);
#pragma unroll
		for (int n = 0; n < kFloatRows * pieces * kTileGroups / threads; n++) {
			int i = (n * threads + thread()) / kTileGroups, row = i % kFloatRows, k = i / kFloatRows;
			const u8 *from = rowOf<F>(a.w, minimum(r0 + row, last)).codes;
			copyAsync(sharedAddress(&to.weights[own][row].pieces[k]), from + pieceAt<F>(groups, g & -kChunk, g % kChunk, k));
		}
	};
	auto bringX = [&](int step) INLINED {
		FloatStage<F, OfX> &to = stages[step % kFloatStages];
#pragma unroll
		for (int n = 0; n < OfX * kTileGroups * quads / threads; n++) {
			int i = n * threads + thread(), q = i % quads, own = i / quads % kTileGroups, j = i / quads / kTileGroups;
			int g = minimum(first + step * kTileGroups + own, end - 1);
			copyAsync(sharedAddress(&to.x[own][j].floats[q]), &a.x[(u64)minimum(firstX + j, a.n - 1) * groups + g].floats[q]);
		}
	};
	bringWeights(0);
	awaitLaunch();
	bringX(0);
	endGroup();
	int row = lane() / kTileGroups, own = warp() % kTileGroups, column = warp() / kTileGroups * kFloatOfWarp<OfX> + lane() % kTileGroups;
	float sums[eights][columns] = {};
#pragma unroll 1
	for (int step = 0; step < steps; step++) {
		waitGroups<0>();
		barrier(); // and what the next one comes to has been used
		if (step + 1 < steps) bringWeights(step + 1), bringX(step + 1);
		endGroup();
		if (first + step * kTileGroups + own >= end) continue;
		const FloatStage<F, OfX> &s = stages[step % kFloatStages];
#pragma unroll 2
		for (int q = 0; q < quads; q++) {
			float w[eights][4];
#pragma unroll
			for (int r = 0; r < eights; r++) {
				constexpr int bytes = kCodesBytes<F> / quads;
				Group<F> four; // its first words
				__builtin_memcpy(four.words, __builtin_assume_aligned((const u8 *)s.weights[own][row + 8 * r].pieces + q * bytes, bytes), bytes);
#pragma unroll
				for (int k = 0; k < 4; k++) w[r][k] = four.number(k);
			}
#pragma unroll
			for (int i = 0; i < columns; i++) {
				float4v x = s.x[own][column + kTileGroups * i].floats[q];
#pragma unroll
				for (int k = 0; k < 4; k++)
#pragma unroll
					for (int r = 0; r < eights; r++) sums[r][i] = multiplyAdd(w[r][k], x[k], sums[r][i]);
			}
		}
	}
	barrier();
	FloatSums<OfX> &all = *(FloatSums<OfX> *)blockMemory();
#pragma unroll
	for (int i = 0; i < columns; i++)
#pragma unroll
		for (int r = 0; r < eights; r++) all.of[own][column + kTileGroups * i][row + 8 * r] = sums[r][i];
	barrier();
#pragma unroll 1
	for (int i = thread(); i < OfX * kFloatRows; i += threads) {
		int j = i / kFloatRows, r = i % kFloatRows;
		// As Products::finish adds them.
		float sum = (all.of[0][j][r] + all.of[1][j][r]) + (all.of[2][j][r] + all.of[3][j][r]);
		if (r0 + r <= last && firstX + j < a.n) leave(a, part, firstX + j, r0 + r, sum);
	}
}

// Threads of a block, and the blocks that a multiprocessor is to run at a time: of floats, as many as it has memory for.
template <class F, int OfX> constexpr int kThreadsOf = kExact<F> ? kBatchThreads : kInHalves<F> ? kPairsThreads : kFloatThreads<OfX>;
template <class F, int OfX> constexpr int kFloatBlocks = same<F, F32> ? 2 : OfX == 8 ? 4 : OfX == 16 ? 3 : 2;
template <class F, int OfX> constexpr int kBlocksOf = kExact<F> ? 1 : kInHalves<F> ? 4 : kFloatBlocks<F, OfX>;

#define BATCH_KERNELS(F) BATCH_KERNELS_(F)
#define BATCH_KERNELS_(F) \
	BATCH_KERNEL(F, 8) \
	BATCH_KERNEL(F, 16) \
	BATCH_KERNEL(F, 32) \
	KERNEL(few_##F, BatchArgs, kFewThreads) { few<F, 1>(a); } \
	KERNEL(few4_##F, BatchArgs, kFewThreads) { \
		if constexpr (!kInHalves<F>) few<F, 4>(a); \
	} \
	KERNEL(slots_##F, SlotsArgs, kSlotsThreads) { slotsOf<F>(a); }
#define BATCH_KERNEL(F, ofX) \
	KERNEL_AT_ONCE(batch##ofX##_##F, BatchArgs, (kThreadsOf<F, ofX>), (kBlocksOf<F, ofX>)) { \
		if constexpr (kExact<F>) batch<F, ofX / 8>(a); \
		else if constexpr (!kInHalves<F>) floats<F, ofX>(a); \
		else if constexpr (ofX <= 16) pairs<F, ofX / 2>(a); \
	}
