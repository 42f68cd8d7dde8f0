// Products of matrices by the units that GPUs have for them from compute capability 8.0
// on, for prefill, and what measures those units. Weights become float16 numbers first. Rows of x are float16 numbers, too,
// multiplied by a power of two that brings the largest of a row near the end of their
// range: a model's may be beyond it.
#pragma once
#include "reduce.h"

struct ExpandArgs {
	Matrix w;
	u16 *y; // [rows][w.cols]
	int first, rows;
};

constexpr int kExpandThreads = 256;

// expand turns rows [first, first+rows) of a matrix into float16 numbers; a thread does a
// group.
template <class F> DEVICE void expand(const ExpandArgs &a) {
	u32 groups = a.w.cols / kGroup, i = block() * threads() + thread();
	if (i >= groups * a.rows) return;
	u32 g = i % groups, chunk = g & -kChunk;
	Row row = rowOf<F>(a.w, a.first + i / groups);
	Group<F> w = groupOf<F>(row, groups, chunk, g - chunk);
	Scale s = scaleOf<F>(row, g);
	uint4v *y = (uint4v *)(a.y + (u64)i * kGroup);
#pragma unroll
	for (int j = 0; j < kGroup; j += 8) {
		uint4v v;
#pragma unroll
		for (int k = 0; k < 4; k++) v[k] = halves(scaled(w, s, j + 2 * k), scaled(w, s, j + 2 * k + 1));
		y[j / 8] = v;
	}
}

#define EXPAND_KERNEL(F) EXPAND_KERNEL_(F)
#define EXPAND_KERNEL_(F) KERNEL(expand_##F, ExpandArgs, kExpandThreads) { expand<F>(a); }

DEVICE float magnitude(float x) { return fromBits(bitsOf(x) & 0x7fffffff); }

// powerOf returns the exponent of a power of two that brings numbers of at most that
// magnitude below 2^14.
DEVICE int powerOf(float largest) {
	int e = bitsOf(largest) >> 23; // with an offset of 127
	return 13 + 127 - larger(e, 32);
}
DEVICE float power(int e) { return fromBits((u32)(e + 127) << 23); }

struct NormHalvesArgs {
	const float *x, *weight; // [blocks()][width], [width]
	u16 *y;                  // [blocks()][width]
	float *scales;           // [blocks()]
	int width;
	float eps;
};

// RMSNorm of a row by each block.
KERNEL(rmsnorm_halves, NormHalvesArgs, kVectorThreads) {
	const float *x = a.x + (u64)block() * a.width;
	float sum = 0, top = 0;
	for (int i = thread(); i < a.width; i += threads()) {
		sum += x[i] * x[i];
		top = maximum(top, magnitude(x[i] * a.weight[i]));
	}
	float scale = rsqrt(blockSum(sum) / a.width + a.eps);
	int e = powerOf(blockMax(top) * scale);
	scale *= power(e);
	u16 *y = a.y + (u64)block() * a.width;
	for (int i = thread(); i < a.width; i += threads()) y[i] = toHalf(x[i] * a.weight[i] * scale);
	if (thread() == 0) a.scales[block()] = power(-e);
}

struct SwigluHalvesArgs {
	float *gateUp; // [blocks()][gates, ups][width]; gates are overwritten
	u16 *y;        // [blocks()][width]
	float *scales; // [blocks()]
	int width;
};

// swiglu_halves computes silu(gate)*up of a row by each block.
KERNEL(swiglu_halves, SwigluHalvesArgs, kVectorThreads) {
	float *gate = a.gateUp + (u64)block() * 2 * a.width, top = 0;
	const float *up = gate + a.width;
	for (int i = thread(); i < a.width; i += threads()) {
		gate[i] = gate[i] / (1 + exponential(-gate[i])) * up[i];
		top = maximum(top, magnitude(gate[i]));
	}
	int e = powerOf(blockMax(top));
	u16 *y = a.y + (u64)block() * a.width;
	for (int i = thread(); i < a.width; i += threads()) y[i] = toHalf(gate[i] * power(e));
	if (thread() == 0) a.scales[block()] = power(-e);
}

struct TensorArgs {
	const u16 *x;        // [n][cols]
	const float *scales; // of the rows of x, [n]; null for ones
	const u16 *w;        // [rows][cols]
	const float *bias;   // [rows], may be null
	float *y;            // [n][yStride]
	int n, rows, cols, yStride, add;
};

constexpr int kStageCols = 32; // of both matrices that a stage of shared memory has
constexpr int kQuads = kStageCols * 2 / 16; // pieces of 16 bytes of a row of it

// quadOf returns where piece i of a row is. Eight rows' pieces of one number are in
// different banks of shared memory.
DEVICE int quadOf(int row, int i) { return row * kQuads + (i ^ (row >> 1 & 3)); }

// gemmTensor writes products like gemm. A block computes TileX x TileW outputs, a warp
// WarpX x WarpW of them; columns go through shared memory, some Stages on the way.
template <int TileX, int TileW, int WarpX, int WarpW, int Stages> DEVICE void gemmTensor(const TensorArgs &a) {
	constexpr int across = TileW / WarpW, count = TileX / WarpX * across * kWarp;
	constexpr int rows = TileX + TileW, copies = rows * kQuads / count;
	SHARED(uint4v, tiles, Stages * rows * kQuads);
	int tilesX = (a.n + TileX - 1) / TileX;
	int row0 = block() / tilesX * TileW, i0 = block() % tilesX * TileX;
	// Past the end rows are read again, for nothing.
	const u16 *from[copies];
	int to[copies];
#pragma unroll
	for (int j = 0; j < copies; j++) {
		int t = thread() + j * count, row = t / kQuads, quad = t % kQuads;
		from[j] = row < TileX ? a.x + (u64)minimum(i0 + row, a.n - 1) * a.cols
			: a.w + (u64)minimum(row0 + row - TileX, a.rows - 1) * a.cols;
		from[j] += quad * 8;
		to[j] = quadOf(row, quad);
	}
	int steps = a.cols / kStageCols;
	auto copy = [&](int step) {
		if (step < steps) {
			uint4v *stage = tiles + step % Stages * rows * kQuads;
#pragma unroll
			for (int j = 0; j < copies; j++) copyAsync(stage + to[j], from[j] + step * kStageCols);
		}
		endGroup();
	};
#pragma unroll
	for (int step = 0; step < Stages - 1; step++) copy(step);
	int x0 = warp() / across * WarpX, w0 = warp() % across * WarpW;
	float sums[WarpX / 16][WarpW / 8][4] = {};
	for (int step = 0; step < steps; step++) {
		waitGroups<Stages - 2>();
		barrier(); // the stage is there for all threads, and the one before has been used
		copy(step + Stages - 1);
		const uint4v *stage = tiles + step % Stages * rows * kQuads;
#pragma unroll
		for (int k = 0; k < kQuads; k += 2) {
			u32 x[WarpX / 16][4], w[WarpW / 16][4];
#pragma unroll
			for (int i = 0; i < WarpX / 16; i++) loadTiles(x[i], stage + quadOf(x0 + i * 16 + lane() % 16, k + lane() / 16));
#pragma unroll
			for (int i = 0; i < WarpW / 16; i++)
				loadTiles(w[i], stage + quadOf(TileX + w0 + i * 16 + lane() % 8 + lane() / 16 * 8, k + lane() / 8 % 2));
#pragma unroll
			for (int i = 0; i < WarpX / 16; i++)
#pragma unroll
				for (int j = 0; j < WarpW / 8; j++) multiplyTiles(sums[i][j], x[i], w[j / 2][j % 2 * 2], w[j / 2][j % 2 * 2 + 1]);
		}
	}
#pragma unroll
	for (int i = 0; i < WarpX / 16; i++)
#pragma unroll
		for (int h = 0; h < 2; h++) {
			int row = i0 + x0 + i * 16 + lane() / 4 + h * 8;
			if (row >= a.n) continue;
			float scale = a.scales ? a.scales[row] : 1;
			float *y = a.y + (u64)row * a.yStride;
#pragma unroll
			for (int j = 0; j < WarpW / 8; j++)
#pragma unroll
				for (int k = 0; k < 2; k++) {
					int r = row0 + w0 + j * 8 + lane() % 4 * 2 + k;
					if (r >= a.rows) continue;
					float sum = sums[i][j][h * 2 + k] * scale;
					if (a.bias) sum += a.bias[r];
					y[r] = a.add ? y[r] + sum : sum;
				}
		}
}

constexpr int kTensor128Threads = 256, kTensor64Threads = 128;

KERNEL(tensor128, TensorArgs, kTensor128Threads) { gemmTensor<128, 128, 64, 32, 3>(a); }
KERNEL(tensor64, TensorArgs, kTensor64Threads) { gemmTensor<64, 64, 32, 32, 6>(a); }

constexpr int kTensorThreads = 256;
constexpr int kTiles = 8; // independent ones: a product must wait for the one before it in its tile

struct TensorProbeArgs {
	float *out; // [blocks()][threads()]
	u32 a, b;   // pairs of float16 numbers
	int rounds;
};

// probe_tensor has each warp add a product of 16x16 and 16x8 numbers to each of its
// tiles, again and again, and stores what a thread's parts of the tiles add up to.
KERNEL(probe_tensor, TensorProbeArgs, kTensorThreads) {
	float tile[kTiles][4] = {}, sum = 0;
	u32 x[4] = {a.a, a.a, a.a, a.a};
	for (int r = 0; r < a.rounds; r++) {
#pragma unroll
		for (int j = 0; j < kTiles; j++) multiplyTiles(tile[j], x, a.b, a.b);
	}
#pragma unroll
	for (int j = 0; j < kTiles; j++) sum += tile[j][0] + tile[j][1] + tile[j][2] + tile[j][3];
	a.out[(u64)block() * threads() + thread()] = sum;
}
