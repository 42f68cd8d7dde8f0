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

// What x is multiplied with, so that weights can be used in unitOf<F>.
template <class F> struct Factors {
	float of[kGroup];
	constexpr Factors() : of() {
		for (int i = 0; i < kGroup; i++) of[i] = 1 / unitOf<F>(i);
	}
};
template <class F> CONSTANT Factors<F> kFactors;

// matvec multiplies up to N rows of x: decode, and small batches. A warp takes
// R rows of weights, a lane one group in every kChunk. x goes through shared
// memory, laid out so that the lanes of a warp, which want the values of
// different groups, find them side by side.
template <class F, int N, int R> DEVICE void matvec(const MatmulArgs &a) {
	constexpr int quads = kGroup / 4, pitch = kChunk + 1;
	static_assert(kVecThreads % quads == 0, "a thread loads the same place of groups");
	SHARED(float4v, xs, N * quads * pitch);
	int row = (block() * (kVecThreads / kWarp) + warp()) * R, groups = a.w.cols / kGroup;
	float4v factor = 1;
	if constexpr (isFields<F>) factor = ((const float4v *)kFactors<F>.of)[thread() % quads];
	float sums[N][R] = {};
	for (int first = 0; first < groups; first += kChunk) {
		int g = first + lane();
		bool active = g < groups;
		Group<F> w[R];
		Scale scales[R];
		for (int r = 0; r < R; r++) {
			if (!active || row + r >= a.w.rows) continue;
			w[r] = groupOf<F>(a.w, row + r, g);
			scales[r] = scaleOf<F>(a.w, (u64)(row + r) * groups + g);
		}
		barrier(); // the chunk before has been used
		for (int i = 0; i < N; i++) {
#pragma unroll
			for (int j = 0; j < kChunk * quads / kVecThreads; j++) {
				int t = thread() + j * kVecThreads;
				float4v v = 0;
				if (i < a.n && first + t / quads < groups)
					v = ((const float4v *)(a.x + (u64)i * a.xStride + first * kGroup))[t];
				xs[(i * quads + t % quads) * pitch + t / quads] = isFields<F> ? v * factor : v;
			}
		}
		barrier();
		if (!active) continue;
		constexpr int parts = oneScale<F> ? 1 : 2; // of a group, each with a scale
#pragma unroll
		for (int p = 0; p < parts; p++) {
			float part[N][R] = {}, total[N] = {};
#pragma unroll
			for (int q = p * quads / parts; q < (p + 1) * quads / parts; q++) {
				float v[R][4];
				for (int r = 0; r < R; r++)
					for (int k = 0; k < 4; k++) v[r][k] = w[r].number(4 * q + k);
				for (int i = 0; i < N; i++) {
					float4v x = xs[(i * quads + q) * pitch + lane()];
					for (int k = 0; k < 4; k++) {
						if (hasMin<F>) total[i] += x[k] * unitOf<F>(4 * q + k);
						for (int r = 0; r < R; r++) part[i][r] += v[r][k] * x[k];
					}
				}
			}
			for (int i = 0; i < N; i++) {
				for (int r = 0; r < R; r++) {
					sums[i][r] += scales[r].scale[p] * part[i][r];
					if (hasMin<F>) sums[i][r] += scales[r].min[p] * total[i];
				}
			}
		}
	}
	for (int i = 0; i < N; i++) {
		for (int r = 0; r < R; r++) {
			float sum = warpSum(sums[i][r]);
			if (lane() == 0 && i < a.n && row + r < a.w.rows) finish(a, i, row + r, sum);
		}
	}
}

// The tile of outputs that a block of gemm computes: kTile rows of weights
// times kTile rows of x; a thread computes kPart x kPart of them.
constexpr int kTile = 64, kPart = 8, kGemmThreads = 64;

// gemm multiplies many rows of x: prefill. A group of weights at a time is
// turned into numbers in shared memory, one row of weights and of x a thread.
template <class F> DEVICE void gemm(const MatmulArgs &a) {
	constexpr int pitch = kTile + 4;
	SHARED(float, ws, kGroup * pitch); // [weight of the group][row]
	SHARED(float, xs, kGroup * pitch);
	int tilesX = (a.n + kTile - 1) / kTile;
	int row0 = block() / tilesX * kTile, i0 = block() % tilesX * kTile, mine = thread();
	// A thread's outputs are in runs of four, so that the threads that read
	// shared memory together read consecutive addresses.
	int ty = thread() / (kTile / kPart) * 4, tx = thread() % (kTile / kPart) * 4;
	auto at = [](int first, int i) { return first + i / 4 * (kTile / 2) + i % 4; };
	const float4v *x = (const float4v *)(a.x + (u64)(i0 + mine) * a.xStride);
	bool hasRow = row0 + mine < a.w.rows, hasX = i0 + mine < a.n;
	float sums[kPart][kPart] = {};
	for (int g = 0; g < a.w.cols / kGroup; g++) {
		Group<F> w;
		Scale s;
		if (hasRow) {
			w = groupOf<F>(a.w, row0 + mine, g);
			s = scaleOf<F>(a.w, (u64)(row0 + mine) * (a.w.cols / kGroup) + g);
		}
		barrier(); // the group before has been used
#pragma unroll
		for (int k = 0; k < kGroup; k++) ws[k * pitch + mine] = hasRow ? scaled(w, s, k) : 0;
#pragma unroll
		for (int q = 0; q < kGroup / 4; q++) {
			float4v v = 0;
			if (hasX) v = x[g * (kGroup / 4) + q];
			for (int k = 0; k < 4; k++) xs[(4 * q + k) * pitch + mine] = v[k];
		}
		barrier();
#pragma unroll 4
		for (int k = 0; k < kGroup; k++) {
			float4v wk[2], xk[2];
			for (int h = 0; h < 2; h++) {
				wk[h] = *(const float4v *)&ws[k * pitch + at(ty, 4 * h)];
				xk[h] = *(const float4v *)&xs[k * pitch + at(tx, 4 * h)];
			}
			for (int i = 0; i < kPart; i++)
				for (int j = 0; j < kPart; j++) sums[i][j] += wk[i / 4][i % 4] * xk[j / 4][j % 4];
		}
	}
#pragma unroll
	for (int i = 0; i < kPart; i++)
#pragma unroll
		for (int j = 0; j < kPart; j++)
			if (row0 + at(ty, i) < a.w.rows && i0 + at(tx, j) < a.n)
				finish(a, i0 + at(tx, j), row0 + at(ty, i), sums[i][j]);
}

struct EmbedArgs {
	Matrix w;
	const int *tokens;
	float *y; // [blocks()][w.cols]
};

// embed looks up a row of weights for each token; a block does one.
template <class F> DEVICE void embed(const EmbedArgs &a) {
	int row = a.tokens[block()];
	int groups = a.w.cols / kGroup;
	for (int g = thread(); g < groups; g += threads()) {
		Group<F> w = groupOf<F>(a.w, row, g);
		Scale s = scaleOf<F>(a.w, (u64)row * groups + g);
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
	KERNEL(gemm_##F, MatmulArgs, kGemmThreads) { gemm<F>(a); } \
	KERNEL(embed_##F, EmbedArgs, 256) { embed<F>(a); }
