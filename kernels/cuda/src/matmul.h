// Products of matrices: y[i][r] = Σ_c w[r][c]·x[i][c] for n rows of x, plus a
// bias of one value for each r, or plus y itself.
#pragma once
#include "weights.h"

struct MatmulArgs {
	Matrix w;
	const float *x;    // [n][xStride]
	const float *bias; // [w.rows], may be null
	float *y;          // [n][yStride]
	int n, xStride, yStride, add;
};

DEVICE void finish(const MatmulArgs &a, int i, int r, float sum) {
	float *y = a.y + (u64)i * a.yStride + r;
	if (a.bias) sum += a.bias[r];
	*y = a.add ? *y + sum : sum;
}

constexpr int kVecThreads = 128; // of a block of matvec

// Formats whose codes matvec multiplies as subnormal numbers. Those of 8 bits
// do not fit below bit 23 where they are, and memory takes longer for them.
template <class F> constexpr bool kSubnormal = F::kLow < 8;

// What x is multiplied with before it meets subnormal codes: far from the ends
// of float32's range are then both x, if it is below 2^31, and the products,
// which are too small by 2^53.
template <class F> struct Factors {
	float of[kGroup];
	constexpr Factors() : of() {
		for (int i = 0; i < kGroup; i++) of[i] = 0x1p96f / unitOf<F>(i);
	}
};
constexpr float kProducts = 0x1p53f;
template <class F> CONSTANT Factors<F> kFactors;

// sumOfRows returns the sums over a warp of two or four rows: in even lanes that
// of the first or one of the first two, in odd lanes the others. Lanes give away
// half of their rows at each step, which takes fewer steps than a sum of each
// row in all lanes.
DEVICE float sumOfRows(const float (&s)[2]) {
	bool odd = lane() & 1;
	float sum = (odd ? s[1] : s[0]) + exchange(odd ? s[0] : s[1], 1);
	for (int m = 2; m < kWarp; m *= 2) sum += exchange(sum, m);
	return sum;
}
DEVICE float sumOfRows(const float (&s)[4]) {
	bool odd = lane() & 1, second = lane() & 2;
	float a = (odd ? s[2] : s[0]) + exchange(odd ? s[0] : s[2], 1);
	float b = (odd ? s[3] : s[1]) + exchange(odd ? s[1] : s[3], 1);
	float sum = (second ? b : a) + exchange(second ? a : b, 2);
	for (int m = 4; m < kWarp; m *= 2) sum += exchange(sum, m);
	return sum;
}

// The quads of one place of the groups of a chunk, and one that keeps those of different
// places in different banks of shared memory.
constexpr int kPitch = kChunk + 1;

// addChunk adds the products of a group of each of R rows with those of N rows of x to
// sums. Quad q of row i of x is at (i*quads + q)*Pitch.
template <class F, int N, int R, int Pitch = kPitch>
DEVICE void addChunk(const Group<F> (&w)[R], const Scale (&scales)[R], const float4v *x, float (&sums)[N][R]) {
	constexpr int quads = kGroup / 4;
	constexpr int parts = oneScale<F> ? 1 : 2; // of a group, each with a scale
#pragma unroll
	for (int p = 0; p < parts; p++) {
		float sum[N][R] = {}, total[N] = {};
#pragma unroll
		for (int q = p * quads / parts; q < (p + 1) * quads / parts; q++) {
			float v[R][4];
#pragma unroll
			for (int r = 0; r < R; r++)
#pragma unroll
				for (int k = 0; k < 4; k++) {
					if constexpr (kSubnormal<F>) v[r][k] = w[r].subnormal(4 * q + k);
					else v[r][k] = w[r].number(4 * q + k);
				}
#pragma unroll
			for (int i = 0; i < N; i++) {
				float4v four = x[(i * quads + q) * Pitch];
#pragma unroll
				for (int k = 0; k < 4; k++) {
					if (kSubnormal<F>) total[i] += four[k] * fromBits(unitOf<F>(4 * q + k));
#pragma unroll
					for (int r = 0; r < R; r++) sum[i][r] += v[r][k] * four[k];
				}
			}
		}
#pragma unroll
		for (int i = 0; i < N; i++) {
#pragma unroll
			for (int r = 0; r < R; r++) {
				if (kSubnormal<F> && F::kOffset > 0) sum[i][r] -= F::kOffset * total[i];
				sums[i][r] += scales[r].scale[p] * sum[i][r];
				if (hasMin<F>) sums[i][r] += scales[r].min[p] * total[i];
			}
		}
	}
}

// matvec multiplies up to N rows of x: decode, and small batches. A warp takes
// R rows of weights, a lane one group in every kChunk. x goes through shared
// memory, laid out so that the lanes of a warp, which want the values of
// different groups, find them side by side.
template <class F, int N, int R> DEVICE void matvec(const MatmulArgs &a) {
	constexpr int quads = kGroup / 4, pitch = kPitch;
	static_assert(kVecThreads % quads == 0, "a thread loads the same place of groups");
	SHARED(float4v, xs, N * quads * pitch);
	int row = (block() * (kVecThreads / kWarp) + warp()) * R, last = a.w.rows - 1;
	u32 groups = a.w.cols / kGroup, part = (u32)thread() % quads, slot = (u32)thread() / quads;
	float4v *to = xs + part * pitch + slot;
	const float4v *from = xs + lane();
	float4v factor = 1;
	if constexpr (kSubnormal<F>) factor = ((const float4v *)kFactors<F>.of)[part];
	// Past the end, rows and groups are read again, for nothing: x is 0 there, and
	// the sums are not stored.
	Row rows[R] = {rowOf<F>(a.w, minimum(row, last))};
#pragma unroll
	for (int r = 1; r < R; r++) rows[r] = after<F>(rows[0], row + r <= last ? r * groups : 0);
	float sums[N][R] = {};
	for (u32 first = 0; first < groups; first += kChunk) {
		u32 mine = groups - first <= (u32)lane() ? groups - first - 1 : lane();
		Group<F> w[R];
		Scale scales[R];
#pragma unroll
		for (int r = 0; r < R; r++) {
			w[r] = groupOf<F>(rows[r], groups, first, mine);
			scales[r] = scaleOf<F>(rows[r], first + mine);
		}
		barrier(); // the chunk before has been used
#pragma unroll
		for (int i = 0; i < N; i++) {
#pragma unroll
			for (int j = 0; j < kChunk * quads / kVecThreads; j++) {
				constexpr u32 step = kVecThreads / quads; // groups
				float4v v = 0;
				if ((N == 1 || i < a.n) && first + slot + j * step < groups)
					v = ((const float4v *)(a.x + (u64)i * a.xStride))[first * quads + thread() + j * kVecThreads];
				to[i * quads * pitch + j * step] = kSubnormal<F> ? v * factor : v;
			}
		}
		barrier();
		addChunk<F>(w, scales, from, sums);
	}
	int mine = (lane() & 1) * (R / 2) + (R == 4 ? lane() >> 1 & 1 : 0); // the row of this lane's sum
#pragma unroll
	for (int i = 0; i < N; i++) {
		float sum = sumOfRows(sums[i]) * (kSubnormal<F> ? kProducts : 1);
		if (lane() < R && i < a.n && row + mine < a.w.rows) finish(a, i, row + mine, sum);
	}
}

constexpr int kGemmThreads = 64;
constexpr int kTile = 64;  // rows of weights that a block of gemm multiplies
constexpr int kSlice = 16; // weights of each that are in shared memory at a time

// gemm multiplies many rows of x: prefill. A block computes kTile rows of
// outputs for Tile rows of x, a thread PartW x PartX of them. Each thread turns
// the weights of one row into numbers.
template <class F, int Tile, int PartW, int PartX> DEVICE void gemm(const MatmulArgs &a) {
	constexpr int pitchW = kTile + 4, pitchX = Tile + 4, across = Tile / PartX, quads = kSlice / 4;
	static_assert(across * (kTile / PartW) == kGemmThreads, "each output has a thread");
	SHARED(float, ws, kSlice * pitchW); // [weight][row]
	SHARED(float, xs, kSlice * pitchX);
	int tilesX = (a.n + Tile - 1) / Tile, groups = a.w.cols / kGroup;
	int row0 = block() / tilesX * kTile, i0 = block() % tilesX * Tile, mine = row0 + thread();
	// A thread's outputs are in runs of four, so that the threads that read
	// shared memory together read consecutive addresses.
	int ty = thread() / across * 4, tx = thread() % across * 4;
	auto atY = [&](int i) { return ty + i / 4 * (4 * kTile / PartW) + i % 4; };
	auto atX = [&](int i) { return tx + i / 4 * (4 * Tile / PartX) + i % 4; };
	Row row = rowOf<F>(a.w, minimum(mine, a.w.rows - 1));
	float sums[PartW][PartX] = {};
	for (int g = 0; g < groups; g++) {
		Group<F> w = groupOf<F>(row, groups, g & -kChunk, g & (kChunk - 1));
		Scale s = scaleOf<F>(row, g);
#pragma unroll
		for (int first = 0; first < kGroup; first += kSlice) {
			float4v v[Tile * quads / kGemmThreads];
#pragma unroll
			for (int j = 0; j < Tile * quads / kGemmThreads; j++) {
				int t = thread() + j * kGemmThreads, i = i0 + t / quads;
				v[j] = 0;
				if (i < a.n) v[j] = *(const float4v *)(a.x + (u64)i * a.xStride + g * kGroup + first + t % quads * 4);
			}
			barrier(); // the slice before has been used
#pragma unroll
			for (int k = 0; k < kSlice; k++)
				ws[k * pitchW + thread()] = scaled(w, s, first + k);
#pragma unroll
			for (int j = 0; j < Tile * quads / kGemmThreads; j++) {
				int t = thread() + j * kGemmThreads;
#pragma unroll
				for (int k = 0; k < 4; k++) xs[(t % quads * 4 + k) * pitchX + t / quads] = v[j][k];
			}
			barrier();
#pragma unroll 4
			for (int k = 0; k < kSlice; k++) {
				float4v wk[PartW / 4], xk[PartX / 4];
#pragma unroll
				for (int h = 0; h < PartW / 4; h++) wk[h] = *(const float4v *)&ws[k * pitchW + atY(4 * h)];
#pragma unroll
				for (int h = 0; h < PartX / 4; h++) xk[h] = *(const float4v *)&xs[k * pitchX + atX(4 * h)];
#pragma unroll
				for (int i = 0; i < PartW; i++)
#pragma unroll
					for (int j = 0; j < PartX; j++) sums[i][j] += wk[i / 4][i % 4] * xk[j / 4][j % 4];
			}
		}
	}
#pragma unroll
	for (int i = 0; i < PartW; i++)
#pragma unroll
		for (int j = 0; j < PartX; j++)
			if (row0 + atY(i) < a.w.rows && i0 + atX(j) < a.n)
				finish(a, i0 + atX(j), row0 + atY(i), sums[i][j]);
}

struct EmbedArgs {
	Matrix w;
	const int *tokens;
	float *y; // [blocks()][w.cols]
};

// embed looks up a row of weights for each token; a block does one.
template <class F> DEVICE void embed(const EmbedArgs &a) {
	int groups = a.w.cols / kGroup;
	Row row = rowOf<F>(a.w, a.tokens[block()]);
	for (int g = thread(); g < groups; g += threads()) {
		Group<F> w = groupOf<F>(row, groups, g & -kChunk, g & (kChunk - 1));
		Scale s = scaleOf<F>(row, g);
		float *y = a.y + (u64)block() * a.w.cols + g * kGroup;
#pragma unroll
		for (int i = 0; i < kGroup; i++) y[i] = scaled(w, s, i);
	}
}

// The rows of weights that a warp of matvec takes.
constexpr int kRows1 = 4, kRows4 = 2;

// Two steps, so that F may be a macro itself.
#define MATRIX_KERNELS(F) MATRIX_KERNELS_(F)
#define MATRIX_KERNELS_(F) \
	KERNEL(matvec1_##F, MatmulArgs, kVecThreads) { matvec<F, 1, kRows1>(a); } \
	KERNEL(matvec4_##F, MatmulArgs, kVecThreads) { matvec<F, 4, kRows4>(a); } \
	KERNEL(gemm16_##F, MatmulArgs, kGemmThreads) { gemm<F, 16, 4, 4>(a); } \
	KERNEL(gemm32_##F, MatmulArgs, kGemmThreads) { gemm<F, 32, 8, 4>(a); } \
	KERNEL(gemm64_##F, MatmulArgs, kGemmThreads) { gemm<F, 64, 8, 8>(a); } \
	KERNEL(embed_##F, EmbedArgs, 256) { embed<F>(a); }
