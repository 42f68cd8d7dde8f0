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

constexpr int kRows = 2;        // of weights that a warp multiplies at a time
constexpr int kVecThreads = 128; // threads of a block

// matvec multiplies up to N rows of x: decode, and small batches. A warp takes
// kRows rows of weights, a lane one group in every kChunk. x goes through
// shared memory, laid out so that the lanes of a warp, which want the values
// of different groups, find them side by side.
template <class F, int N> DEVICE void matvec(const MatmulArgs &a) {
	constexpr int quads = kGroup / 4, pitch = kChunk + 1;
	SHARED(float4v, xs, N * quads * pitch);
	int row = (block() * warps() + warp()) * kRows, groups = a.w.cols / kGroup;
	float sums[N][kRows] = {};
	for (int first = 0; first < groups; first += kChunk) {
		int g = first + lane();
		bool active = g < groups;
		Group<F> w[kRows];
		for (int r = 0; r < kRows; r++) {
			if (active && row + r < a.w.rows) w[r] = groupOf<F>(a.w, row + r, g);
		}
		barrier(); // the chunk before has been used
		for (int i = 0; i < N; i++) {
			for (int t = thread(); t < kChunk * quads; t += threads()) {
				float4v v = 0;
				if (i < a.n && first + t / quads < groups)
					v = ((const float4v *)(a.x + (u64)i * a.xStride + first * kGroup))[t];
				xs[(i * quads + t % quads) * pitch + t / quads] = v;
			}
		}
		barrier();
		if (!active) continue;
#pragma unroll
		for (int half = 0; half < 2; half++) {
			float part[N][kRows] = {}, total[N] = {};
#pragma unroll
			for (int o = 2 * half; o < 2 * half + 2; o++) {
				float v[kRows][8];
				for (int r = 0; r < kRows; r++) values(w[r].octets[o], v[r]);
				for (int i = 0; i < N; i++) {
					for (int q = 0; q < 2; q++) {
						float4v x = xs[(i * quads + 2 * o + q) * pitch + lane()];
						if (hasMin<F>) total[i] += x[0] + x[1] + x[2] + x[3];
						for (int r = 0; r < kRows; r++)
							for (int k = 0; k < 4; k++) part[i][r] += v[r][4 * q + k] * x[k];
					}
				}
			}
			for (int i = 0; i < N; i++) {
				for (int r = 0; r < kRows; r++) {
					sums[i][r] += w[r].scale.scale[half] * part[i][r];
					if (hasMin<F>) sums[i][r] += w[r].scale.min[half] * total[i];
				}
			}
		}
	}
	for (int i = 0; i < N; i++) {
		for (int r = 0; r < kRows; r++) {
			float sum = warpSum(sums[i][r]);
			if (lane() == 0 && i < a.n && row + r < a.w.rows) finish(a, i, row + r, sum);
		}
	}
}

// The tile of outputs that a block of gemm computes: kTile rows of weights
// times kTile rows of x; a thread computes kPart x kPart of them.
constexpr int kTile = 64, kPart = 4, kGemmThreads = 256;

// gemm multiplies many rows of x: prefill. A group of weights at a time is
// turned into numbers in shared memory.
template <class F> DEVICE void gemm(const MatmulArgs &a) {
	constexpr int pitch = kTile + 4;
	SHARED(float, ws, kGroup * pitch); // [weight of the group][row]
	SHARED(float, xs, kGroup * pitch);
	int tilesX = (a.n + kTile - 1) / kTile;
	int row0 = block() / tilesX * kTile, i0 = block() % tilesX * kTile;
	int mine = thread() / 4, part = thread() % 4; // what this thread loads
	int ty = thread() / (kTile / kPart) * kPart, tx = thread() % (kTile / kPart) * kPart;
	float sums[kPart][kPart] = {};
	for (int g = 0; g < a.w.cols / kGroup; g++) {
		float w[8] = {}, x[8] = {};
		if (row0 + mine < a.w.rows) {
			values(octetOf<F>(a.w, row0 + mine, g, part), w);
			Scale s = scaleOf<F>(a.w, (u64)(row0 + mine) * (a.w.cols / kGroup) + g);
			float scale = part < 2 ? s.scale[0] : s.scale[1], min = part < 2 ? s.min[0] : s.min[1];
			if (F::kScales != kNone)
				for (int k = 0; k < 8; k++) w[k] = w[k] * scale + min;
		}
		if (i0 + mine < a.n) {
			const float4v *p = (const float4v *)(a.x + (u64)(i0 + mine) * a.xStride + g * kGroup + 8 * part);
			for (int k = 0; k < 8; k++) x[k] = p[k / 4][k % 4];
		}
		barrier();
		for (int k = 0; k < 8; k++) {
			ws[(8 * part + k) * pitch + mine] = w[k];
			xs[(8 * part + k) * pitch + mine] = x[k];
		}
		barrier();
		for (int k = 0; k < kGroup; k++) {
			float4v wk = *(const float4v *)&ws[k * pitch + ty], xk = *(const float4v *)&xs[k * pitch + tx];
			for (int i = 0; i < kPart; i++)
				for (int j = 0; j < kPart; j++) sums[i][j] += wk[i] * xk[j];
		}
	}
	for (int i = 0; i < kPart; i++)
		for (int j = 0; j < kPart; j++)
			if (row0 + ty + i < a.w.rows && i0 + tx + j < a.n) finish(a, i0 + tx + j, row0 + ty + i, sums[i][j]);
}

struct EmbedArgs {
	Matrix w;
	const int *tokens;
	float *y; // [blocks()][w.cols]
};

// embed looks up a row of weights for each token; a block does one.
template <class F> DEVICE void embed(const EmbedArgs &a) {
	int row = a.tokens[block()];
	for (int t = thread(); t < a.w.cols / 8; t += threads()) {
		int g = t / 4, part = t % 4;
		float w[8];
		values(octetOf<F>(a.w, row, g, part), w);
		Scale s = scaleOf<F>(a.w, (u64)row * (a.w.cols / kGroup) + g);
		float scale = part < 2 ? s.scale[0] : s.scale[1], min = part < 2 ? s.min[0] : s.min[1];
		float *y = a.y + (u64)block() * a.w.cols + 8 * t;
		for (int k = 0; k < 8; k++) y[k] = F::kScales == kNone ? w[k] : w[k] * scale + min;
	}
}

// Two steps, so that F may be a macro itself.
#define MATRIX_KERNELS(F) MATRIX_KERNELS_(F)
#define MATRIX_KERNELS_(F) \
	KERNEL(matvec1_##F, MatmulArgs, kVecThreads) { matvec<F, 1>(a); } \
	KERNEL(matvec4_##F, MatmulArgs, kVecThreads) { matvec<F, 4>(a); } \
	KERNEL(gemm_##F, MatmulArgs, kGemmThreads) { gemm<F>(a); } \
	KERNEL(embed_##F, EmbedArgs, 256) { embed<F>(a); }
