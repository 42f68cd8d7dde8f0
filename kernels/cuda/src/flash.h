// Attention of many rows by the units for products of matrices; see attention.h. Queries
// are two float16 numbers each, the second what the first leaves: products of Qwen2's
// queries and keys are in the hundreds, and the softmax takes them absolutely. Keys and
// values are as the cache has them, or rounded to float16.
#pragma once
#include "cache.h"

struct FlashArgs {
	const float *qkv;     // [n][stride]; queries with the scale of the softmax in them
	const CacheRow *rows; // [n]
	u16 *out;             // float16 [n][heads*headDim], interleaved
	int n, layer, heads, kvHeads, stride;
};

constexpr int kFlashGroups = 2, kFlashThreads = 128 * kFlashGroups;
constexpr int kFlashRows = 64; // of a block

// The keys at a time; there are registers for so many.
template <int D> constexpr int kFlashKeys = D == 64 ? 64 : 32;

// flash computes one head of kFlashRows rows: block (rows, head). A warp does 16 rows.
// Two groups of warps take turns with keys, and what they have is merged in the end.
template <class K, int D> DEVICE void flash(const FlashArgs &a) {
	constexpr int tile = kFlashKeys<D>, quads = D / 8; // pieces of 16 bytes of a row
	SHARED(uint4v, memory, kFlashGroups * 2 * tile * quads);
	SHARED(float2v, ends, 2 * kFlashThreads / kFlashGroups);
	constexpr int count = kFlashThreads / kFlashGroups; // threads of a group
	int group = warp() / (count / kWarp), thread_ = thread() % count;
	Shared keys = sharedAddress(memory + group * 2 * tile * quads), values = keys + tile * quads * 16;
	auto wait = [&]() { barrierOf<count>(group); };
	// As in quadOf.
	auto at = [](int row, int i) { return (row * quads + (i ^ (row & 7))) * 16; };
	constexpr int part = 16 * quads * 16; // bytes of 16 rows
	Shared ofKey = at(lane() % 8 + lane() / 16 * 8, lane() / 8 % 2), ofValue = at(lane() % 16, lane() / 16);
	int head = block() % a.heads, first = block() / a.heads * kFlashRows, end = minimum(first + kFlashRows, a.n);
	int kvHead = head / (a.heads / a.kvHeads);
	int mine = first + thread_ / kWarp * 16 + lane() / 4; // and the eighth after it

	u32 q[2][D / 16][4]; // large parts and small ones
#pragma unroll
	for (int i = 0; i < D / 16; i++)
#pragma unroll
		for (int t = 0; t < 4; t++) {
			const float *x = a.qkv + (u64)minimum(mine + t % 2 * 8, a.n - 1) * a.stride + head * D + i * 16 + t / 2 * 8 + lane() % 4 * 2;
			float u = x[0] * kLog2E, v = x[1] * kLog2E;
			q[0][i][t] = halves(u, v);
			q[1][i][t] = halves(u - fromHalf(q[0][i][t]), v - fromHalf(q[0][i][t] >> 16));
		}
	float out[D / 8][4] = {}, top[2] = {-kInfinity, -kInfinity}, sum[2] = {};

	// A run of rows that are of one sequence at a time.
	for (int begin = first, next; begin < end; begin = next) {
		CacheRow row = a.rows[begin];
		for (next = begin + 1; next < end && a.rows[next].kv == row.kv;) next++;
		Cache<K> keyCache(row, a.layer, 0, kvHead, a.kvHeads, D), valueCache(row, a.layer, 1, kvHead, a.kvHeads, D);
		int see[2]; // how many positions a row sees
		for (int h = 0; h < 2; h++) {
			int r = mine + h * 8;
			see[h] = r >= begin && r < next ? a.rows[r].pos + 1 : 0;
		}
		int depth = a.rows[next - 1].pos + 1;
		auto copy = [&](Shared to, const Cache<K> &cache, int from) {
			for (int t = thread_; t < tile * quads; t += count) {
				int row = t / quads, i = t % quads;
				cache.copyOctet(to + at(row, i), minimum(from + row, depth - 1), i * 8);
			}
			endGroup();
		};
		waitGroups<0>();
		wait(); // the run before has used its keys and values
		copy(keys, keyCache, group * tile);
		copy(values, valueCache, group * tile);
		for (int from = group * tile; from < depth; from += kFlashGroups * tile) {
			waitGroups<1>();
			wait(); // keys are there
			float s[tile / 8][4] = {};
#pragma unroll
			for (int i = 0; i < D / 16; i++)
#pragma unroll
				for (int j = 0; j < tile / 16; j++) {
					u32 k[4];
					loadTiles(k, keys + (ofKey ^ i * 32) + j * part);
#pragma unroll
					for (int t = 0; t < 2; t++) {
						multiplyTiles(s[2 * j + t], q[1][i], k[2 * t], k[2 * t + 1]);
						multiplyTiles(s[2 * j + t], q[0][i], k[2 * t], k[2 * t + 1]);
					}
				}
			wait(); // keys have been used
			if (from + kFlashGroups * tile < depth) copy(keys, keyCache, from + kFlashGroups * tile);
			else endGroup();
			u32 p[tile / 16][4]; // as the left factor of values
#pragma unroll
			for (int h = 0; h < 2; h++) {
				if (from + tile > see[h]) {
#pragma unroll
					for (int j = 0; j < tile / 8; j++)
#pragma unroll
						for (int k = 0; k < 2; k++)
							if (from + j * 8 + lane() % 4 * 2 + k >= see[h]) s[j][2 * h + k] = -kInfinity;
				}
				float most = top[h];
#pragma unroll
				for (int j = 0; j < tile / 8; j++) most = maximum(most, maximum(s[j][2 * h], s[j][2 * h + 1]));
				most = maximum(most, exchange(most, 1));
				most = maximum(most, exchange(most, 2));
				float base = most == -kInfinity ? 0 : most; // a row may see nothing yet
				float factor = exp2(top[h] - base), add = 0;
				top[h] = most;
#pragma unroll
				for (int j = 0; j < tile / 8; j++) {
					float u = exp2(s[j][2 * h] - base), v = exp2(s[j][2 * h + 1] - base);
					add += u + v;
					p[j / 2][j % 2 * 2 + h] = halves(u, v);
				}
				sum[h] = sum[h] * factor + add;
#pragma unroll
				for (int j = 0; j < D / 8; j++) out[j][2 * h] *= factor, out[j][2 * h + 1] *= factor;
			}
			waitGroups<1>();
			wait(); // values are there
#pragma unroll
			for (int i = 0; i < tile / 16; i++)
#pragma unroll
				for (int j = 0; j < D / 16; j++) {
					u32 v[4];
					loadTransposed(v, values + (ofValue ^ j * 32) + i * part);
					multiplyTiles(out[2 * j], p[i], v[0], v[1]);
					multiplyTiles(out[2 * j + 1], p[i], v[2], v[3]);
				}
			wait(); // values have been used
			if (from + kFlashGroups * tile < depth) copy(values, valueCache, from + kFlashGroups * tile);
			else endGroup();
		}
	}
	// The second group hands over what it has.
	waitGroups<0>();
	barrier();
	float4v *parts = (float4v *)memory + thread_;
	if (group == 1) {
#pragma unroll
		for (int j = 0; j < D / 8; j++) parts[j * count] = float4v{out[j][0], out[j][1], out[j][2], out[j][3]};
		for (int h = 0; h < 2; h++) ends[2 * thread_ + h] = float2v{top[h], sum[h]};
	}
	barrier();
	if (group == 1) return;
#pragma unroll
	for (int h = 0; h < 2; h++) {
		float2v other = ends[2 * thread_ + h];
		float most = maximum(top[h], other[0]), base = most == -kInfinity ? 0 : most;
		float factor = exp2(top[h] - base), factor1 = exp2(other[0] - base);
		sum[h] = sum[h] * factor + other[1] * factor1;
#pragma unroll
		for (int j = 0; j < D / 8; j++) {
			float4v v = parts[j * count];
#pragma unroll
			for (int k = 2 * h; k < 2 * h + 2; k++) out[j][k] = out[j][k] * factor + v[k] * factor1;
		}
	}
#pragma unroll
	for (int h = 0; h < 2; h++) {
		float all = sum[h] + exchange(sum[h], 1);
		all += exchange(all, 2);
		int r = mine + h * 8;
		if (r >= a.n) continue;
		u16 *y = a.out + (u64)r * a.heads * D;
#pragma unroll
		for (int j = 0; j < D / 8; j++)
			*(u32 *)(y + interleaved(head * D + j * 8 + lane() % 4 * 2, a.heads * D / kGroup)) = halves(out[j][2 * h] / all, out[j][2 * h + 1] / all);
	}
}

#define FLASH_KERNEL(D, type) FLASH_KERNEL_(D, type)
#define FLASH_KERNEL_(D, type) \
	KERNEL(flash##D##_##type, FlashArgs, kFlashThreads) { flash<CacheOf_##type, D>(a); }
