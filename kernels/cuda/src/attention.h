// Attention in one pass over keys and values (Dao et al. 2022,
// arXiv:2205.14135): the maximum and the sum of the softmax are carried along.
// All sums are of float32: products of Qwen2's queries and keys are too large
// for half precision.
#pragma once
#include "cache.h"

struct AttentionArgs {
	const float *qkv;     // [rows][stride]; queries with the scale of the softmax in them
	const CacheRow *rows; // [rows]
	float *out;           // [rows][heads][headDim] if splits is 1
	float *parts;         // else [rows][heads][splits][headDim], not yet divided by the sum,
	float *tops, *sums;   // and the maximum and the sum of each, [rows][heads][splits]
	int n, layer, heads, kvHeads, stride;
	int splits, span; // depth is cut into splits spans of that many positions
};

constexpr int kAttnThreads = 128;
constexpr int kAttnTile = 64; // positions at a time
constexpr int kMaxGroup = 8;  // query heads on a KV head

// attend computes the heads that share a KV head, of one row, over one span:
// block (row, KV head, span). A span that the row does not see gets the sum 0.
template <class K, int D> DEVICE void attend(const AttentionArgs &a) {
	constexpr int perD = kAttnThreads / D, mine = kMaxGroup / perD; // heads of a thread
	constexpr int perWarp = kMaxGroup / (kAttnThreads / kWarp);      // heads of a warp
	SHARED(float, qs, kMaxGroup * D);
	SHARED(float, scores, kMaxGroup * kAttnTile);
	SHARED(float, factors, kMaxGroup);
	SHARED(float, sums, kMaxGroup);
	SHARED(float, tops, kMaxGroup);
	int split = block() % a.splits, kv = block() / a.splits % a.kvHeads, r = block() / a.splits / a.kvHeads;
	CacheRow row = a.rows[r];
	int group = a.heads / a.kvHeads, head0 = kv * group;
	const float *q = a.qkv + (u64)r * a.stride + head0 * D;
	for (int i = thread(); i < group * D; i += threads()) qs[i] = q[i];
	float top[perWarp], sum[perWarp] = {}; // of the softmax of the warp's heads, in all lanes
	for (int w = 0; w < perWarp; w++) top[w] = -kInfinity;
	Cache<K> keys(row, a.layer, 0, kv, a.kvHeads, D), values(row, a.layer, 1, kv, a.kvHeads, D);
	int d = thread() % D, slot = thread() / D;
	float acc[mine] = {};
	int begin = split * a.span, end = minimum(row.pos + 1, begin + a.span);
	for (int first = begin; first < end; first += kAttnTile) {
		int n = minimum(kAttnTile, end - first);
		barrier(); // queries are there; the scores of the tile before have been used
		// Scores: a position a thread, every other head.
		int p = thread() % kAttnTile, odd = thread() / kAttnTile;
		float s[kMaxGroup / 2] = {};
		if (p < n) {
			for (int i = 0; i < D; i += 8) {
				Octet<K> k = keys.octet(first + p, i);
				for (int h = 0; h < kMaxGroup / 2; h++) {
					if (2 * h + odd >= group) continue;
					const float *x = &qs[(2 * h + odd) * D + i];
					for (int j = 0; j < 8; j++) s[h] += k.value(j) * x[j];
				}
			}
		}
		for (int h = 0; h < kMaxGroup / 2; h++) scores[(2 * h + odd) * kAttnTile + p] = p < n ? s[h] : -kInfinity;
		barrier();
		// Softmax: a warp a head.
		for (int w = 0, h = warp(); w < perWarp && h < group; w++, h += warps()) {
			float *x = &scores[h * kAttnTile + lane()];
			float next = maximum(top[w], warpMax(maximum(x[0], x[kWarp])));
			x[0] = exponential(x[0] - next), x[kWarp] = exponential(x[kWarp] - next);
			float factor = exponential(top[w] - next);
			sum[w] = sum[w] * factor + warpSum(x[0] + x[kWarp]);
			top[w] = next;
			if (lane() == 0) factors[h] = factor;
		}
		barrier();
		// Values: a value of the head a thread.
		for (int i = 0; i < mine; i++)
			if (i * perD + slot < group) acc[i] *= factors[i * perD + slot];
		for (int j = 0; j < n; j++) {
			float v = values.at(first + j, d);
			for (int i = 0; i < mine; i++) acc[i] += scores[(i * perD + slot) * kAttnTile + j] * v;
		}
	}
	for (int w = 0, h = warp(); w < perWarp && h < group; w++, h += warps())
		if (lane() == 0) tops[h] = top[w], sums[h] = sum[w];
	barrier();
	for (int i = 0; i < mine; i++) {
		int h = i * perD + slot;
		if (h >= group) continue;
		u64 at = (u64)r * a.heads + head0 + h;
		if (a.splits == 1) {
			a.out[at * D + d] = acc[i] / sums[h];
			continue;
		}
		at = at * a.splits + split;
		a.parts[at * D + d] = acc[i];
		if (d == 0) a.tops[at] = tops[h], a.sums[at] = sums[h];
	}
}

#define ATTENTION_KERNELS(K, name) \
	KERNEL(attend64_##name, AttentionArgs, kAttnThreads) { attend<K, 64>(a); } \
	KERNEL(attend128_##name, AttentionArgs, kAttnThreads) { attend<K, 128>(a); }

ATTENTION_KERNELS(CacheF32, F32)
ATTENTION_KERNELS(CacheF16, F16)
ATTENTION_KERNELS(CacheQ8, Q8_0)

struct MergeArgs {
	const float *parts, *tops, *sums; // as attend writes them
	float *out;                       // [rows][heads][headDim]
	int headDim, splits;
};

// merge adds up the spans of a head; a block does one head of a row.
KERNEL(merge, MergeArgs, kAttnThreads) {
	u64 first = (u64)block() * a.splits;
	float top = -kInfinity, sum = 0;
	for (int s = 0; s < a.splits; s++)
		if (a.sums[first + s] > 0) top = maximum(top, a.tops[first + s]);
	for (int s = 0; s < a.splits; s++)
		if (a.sums[first + s] > 0) sum += a.sums[first + s] * exponential(a.tops[first + s] - top);
	for (int i = thread(); i < a.headDim; i += threads()) {
		float v = 0;
		for (int s = 0; s < a.splits; s++)
			if (a.sums[first + s] > 0) v += a.parts[(first + s) * a.headDim + i] * exponential(a.tops[first + s] - top);
		a.out[(u64)block() * a.headDim + i] = v / sum;
	}
}
