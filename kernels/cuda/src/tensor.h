// Products of matrices by the units that GPUs have for them from compute capability 8.0
// on, for prefill, and what measures those units. Weights become float16 numbers first, see
// expand.h, or are such. Columns of both factors are in the order in which those have them.
// Normed rows of x are float16 numbers, too, multiplied by a power of two that brings the
// largest of a row near the end of their range: a model's may be beyond it.
#pragma once
#include "reduce.h"
#include "weights.h"

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
	for (int i = thread(); i < a.width; i += threads())
		y[interleaved(i, (u32)a.width / kGroup)] = toHalf(x[i] * a.weight[i] * scale);
	if (thread() == 0) a.scales[block()] = power(-e);
}

// What gates times ups are multiplied with before they become float16 numbers. They come
// from normed rows, and so are far from that range's ends in all rows, but larger than it
// in some models.
constexpr float kGated = 0x1p-6f;
constexpr float kLargestHalf = 65504;

struct TensorArgs {
	const u16 *x;        // [n][cols]
	const float *scales; // of the rows of x, [n]; null for ones
	const u16 *w;        // [rows][cols]; of gatedTensor eight gates and eight ups in turns,
	const u16 *wUps;     // or gates alone, and here the ups; else null
	const float *bias;   // [rows], may be null; those of gates for gatedTensor,
	const float *ups;    // and there of ups
	void *y;             // [n][yStride], float32, or float16 numbers of gatedTensor
	float scale;         // of all rows
	int n, rows, cols, yStride;
	int add;             // to y, or for gatedTensor the first of its columns
};

// A block's part of a product: TileX x TileW outputs, of which a warp computes WarpX x
// WarpW. Columns go through shared memory, StageCols at a time, some Stages on the way. The
// warps are in Groups that take turns with columns, and whose sums are added up in the end:
// what waits for shared memory or for a product leaves the units to others.
template <int TileX, int TileW, int WarpX, int WarpW, int Groups, int StageCols, int Stages> struct Tile {
	static constexpr int kQuads = StageCols * 2 / 16; // pieces of 16 bytes of a stage's row
	static constexpr int kAcross = TileW / WarpW, kCount = TileX / WarpX * kAcross * kWarp; // threads of a group
	static constexpr int kThreads = kCount * Groups, kRows = TileX + TileW;
	static constexpr int kBytes = Groups * Stages * kRows * StageCols * 2;
	static constexpr int kPartsX = WarpX / 16, kPartsW = WarpW / 8;
	static_assert(kBytes >= (Groups - 1) * TileX * TileW * 4, "sums fit where columns were");
	static_assert(kQuads == 4 || kQuads == 8, "see quadOf");
	static_assert(kCount % kQuads == 0, "a thread copies the same piece of all its rows");

	int row0, i0; // of the block
	int x0, w0;   // and of the warp in it
	float sums[kPartsX][kPartsW][4];

	// quadOf returns where piece i of a row is. Eight rows' pieces of one number are in
	// different banks of shared memory.
	static DEVICE_METHOD int quadOf(int row, int i) { return row * kQuads + (i ^ (kQuads == 8 ? row & 7 : row >> 1 & 3)); }

	// compute returns whether this thread has results.
	DEVICE_METHOD bool compute(const TensorArgs &a) {
		constexpr int copies = kRows * kQuads / kCount;
		int group = Groups == 1 ? 0 : warp() / (kCount / kWarp), thread_ = thread() % kCount, warp_ = thread_ / kWarp;
		uint4v *memory = blockMemory();
		constexpr int stageBytes = kRows * StageCols * 2, partBytes = 16 * StageCols * 2; // of 16 rows
		Shared stages = sharedAddress(memory) + group * Stages * stageBytes;
		int tilesX = (a.n + TileX - 1) / TileX;
		row0 = block() / tilesX * TileW, i0 = block() % tilesX * TileX;
		x0 = warp_ / kAcross * WarpX, w0 = warp_ % kAcross * WarpW;
		// Past the end rows are read again, for nothing.
		const u16 *from[copies];
		Shared to[copies];
		int column = group * StageCols + thread_ % kQuads * 8; // of what the thread copies first
#pragma unroll
		for (int j = 0; j < copies; j++) {
			int row = (thread_ + j * kCount) / kQuads;
			const u16 *factor = a.x;
			int r = minimum(i0 + row, a.n - 1);
			if (row >= TileX) {
				factor = a.w, r = minimum(row0 + row - TileX, a.rows - 1);
				if (a.wUps) factor = r & 8 ? a.wUps : a.w, r = r / 16 * 8 + r % 8;
			}
			from[j] = factor + (u64)r * a.cols + column;
			to[j] = stages + quadOf(row, thread_ % kQuads) * 16;
		}
		int steps = ((a.cols + StageCols - 1) / StageCols - group + Groups - 1) / Groups;
		auto copy = [&](int step, int stage) {
			if (step < steps) {
				int on = step * (Groups * StageCols);
				bool there = column + on < a.cols; // else it is past the rows' end
#pragma unroll
				for (int j = 0; j < copies; j++) copyOrZero(to[j] + stage * stageBytes, from[j] + on, there);
			}
			endGroup();
		};
#pragma unroll
		for (int step = 0; step < Stages - 1; step++) copy(step, step);
		// Where the lane reads its first row of x and of the weights: in every pair of
		// quads, as far away.
		Shared ofX = quadOf(x0 + lane() % 16, lane() / 16) * 16;
		Shared ofW = quadOf(TileX + w0 + lane() % 8 + lane() / 16 * 8, lane() / 8 % 2) * 16;
#pragma unroll
		for (int i = 0; i < kPartsX; i++)
#pragma unroll
			for (int j = 0; j < kPartsW; j++)
#pragma unroll
				for (int k = 0; k < 4; k++) sums[i][j][k] = 0;
		int stage = 0;
		for (int step = 0; step < steps; step++) {
			waitGroups<Stages - 2>();
			barrierOf<kCount>(group); // the stage is there for all threads, and the one before has been used
			copy(step + Stages - 1, stage == 0 ? Stages - 1 : stage - 1);
			Shared base = stages + stage * stageBytes;
			if (++stage == Stages) stage = 0;
#pragma unroll
			for (int k = 0; k < kQuads; k += 2) {
				u32 x[kPartsX][4], w[kPartsW / 2][4];
#pragma unroll
				for (int i = 0; i < kPartsX; i++) loadTiles(x[i], base + (ofX ^ k * 16) + i * partBytes);
#pragma unroll
				for (int i = 0; i < kPartsW / 2; i++) loadTiles(w[i], base + (ofW ^ k * 16) + i * partBytes);
#pragma unroll
				for (int i = 0; i < kPartsX; i++)
#pragma unroll
					for (int j = 0; j < kPartsW; j++) multiplyTiles(sums[i][j], x[i], w[j / 2][j % 2 * 2], w[j / 2][j % 2 * 2 + 1]);
			}
		}
		if constexpr (Groups > 1) {
			barrier(); // columns have been used
			float4v *parts = (float4v *)memory + thread_;
			if (group > 0) {
				float4v *mine = parts + (group - 1) * kPartsX * kPartsW * kCount;
#pragma unroll
				for (int i = 0; i < kPartsX; i++)
#pragma unroll
					for (int j = 0; j < kPartsW; j++) {
						float *s = sums[i][j];
						mine[(i * kPartsW + j) * kCount] = float4v{s[0], s[1], s[2], s[3]};
					}
			}
			barrier();
			if (group > 0) return false;
			for (int g = 0; g < Groups - 1; g++)
#pragma unroll
				for (int i = 0; i < kPartsX; i++)
#pragma unroll
					for (int j = 0; j < kPartsW; j++) {
						float4v v = parts[((g * kPartsX + i) * kPartsW + j) * kCount];
#pragma unroll
						for (int k = 0; k < 4; k++) sums[i][j][k] += v[k];
					}
		}
		return true;
	}

	// eachPair calls f(row, r, v, w) for the results that the thread has of two outputs, r
	// and the next one, with a row of x; w are those of what is eight outputs further on.
	// Step is 8, or 16 where f takes both.
	template <int Step, class F> DEVICE_METHOD void eachPair(const TensorArgs &a, F f) const {
#pragma unroll
		for (int i = 0; i < kPartsX; i++)
#pragma unroll
			for (int h = 0; h < 2; h++) {
				int row = i0 + x0 + i * 16 + lane() / 4 + h * 8;
				if (row >= a.n) continue;
				float scale = a.scales ? a.scale * a.scales[row] : a.scale;
#pragma unroll
				for (int j = 0; j < kPartsW; j += Step / 8) {
					const float *s = &sums[i][j][2 * h], *t = &sums[i][j + Step / 8 - 1][2 * h];
					f(row, row0 + w0 + j * 8 + lane() % 4 * 2, float2v{s[0], s[1]} * scale, float2v{t[0], t[1]} * scale);
				}
			}
	}
};

// gemmTensor writes products like gemm.
template <class T> DEVICE void gemmTensor(const TensorArgs &a) {
	T tile;
	if (!tile.compute(a)) return;
	bool pairs = ((u64)a.y & 7) == 0 && a.yStride % 2 == 0; // outputs can be written by two
	tile.template eachPair<8>(a, [&](int row, int r, float2v v, float2v) {
		float *y = (float *)a.y + (u64)row * a.yStride + r;
		if (pairs && r + 1 < a.rows) {
			if (a.bias) v += float2v{a.bias[r], a.bias[r + 1]};
			float2v *to = (float2v *)y;
			*to = a.add ? *to + v : v;
			return;
		}
#pragma unroll
		for (int k = 0; k < 2; k++)
			if (r + k < a.rows) {
				if (a.bias) v[k] += a.bias[r + k];
				y[k] = a.add ? y[k] + v[k] : v[k];
			}
	});
}

// gatedTensor multiplies with eight rows of gates and eight of ups in turns, and writes
// silu(gate)*up as float16 numbers, multiplied with kGated.
template <class T> DEVICE void gatedTensor(const TensorArgs &a) {
	T tile;
	if (!tile.compute(a)) return;
	tile.template eachPair<16>(a, [&](int row, int r, float2v gates, float2v ups) {
		if (r >= a.rows) return;
		int at = r / 16 * 8 + r % 8; // of the gates
		float v[2];
#pragma unroll
		for (int k = 0; k < 2; k++) {
			float gate = gates[k], up = ups[k];
			if (a.bias) gate += a.bias[at + k];
			if (a.ups) up += a.ups[at + k];
			v[k] = gate / (1 + exponential(-gate)) * up * kGated;
			v[k] = v[k] > kLargestHalf ? kLargestHalf : v[k] < -kLargestHalf ? -kLargestHalf : v[k];
		}
		u16 *y = (u16 *)a.y + (u64)row * a.yStride;
		*(u32 *)(y + interleaved(a.add + at, (u32)a.yStride / kGroup)) = halves(v[0], v[1]);
	});
}

// What prefill.go chooses from, by how many outputs there are.
using Tile128x128 = Tile<128, 128, 64, 64, 1, 32, 4>;
using Tile64x128 = Tile<64, 128, 64, 32, 1, 64, 3>;
using Tile64x64by2 = Tile<64, 64, 32, 32, 2, 64, 3>;
using Tile64x64by4 = Tile<64, 64, 32, 32, 4, 32, 3>;

#define TENSOR_KERNELS(tile) \
	KERNEL(tensor_##tile, TensorArgs, Tile##tile::kThreads) { gemmTensor<Tile##tile>(a); } \
	KERNEL(gated_##tile, TensorArgs, Tile##tile::kThreads) { gatedTensor<Tile##tile>(a); }
TENSOR_KERNELS(128x128)
TENSOR_KERNELS(64x128)
TENSOR_KERNELS(64x64by2)
TENSOR_KERNELS(64x64by4)

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
