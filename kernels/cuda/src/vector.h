// What a transformer block does beside products of matrices and attention.
#pragma once
#include "reduce.h"

struct NormArgs {
	const float *x, *weight; // [rows][width], [width]
	const int *rows;         // the row of x for each row of y; null for all in order
	float *y;                // [blocks()][width]
	int width;
	float eps;
};

// RMSNorm of a row by each block.
KERNEL(rmsnorm, NormArgs, kVectorThreads) {
	const float *x = a.x + (u64)(a.rows ? a.rows[block()] : block()) * a.width;
	float sum = 0;
	for (int i = thread(); i < a.width; i += threads()) sum += x[i] * x[i];
	float scale = rsqrt(blockSum(sum) / a.width + a.eps);
	float *y = a.y + (u64)block() * a.width;
	for (int i = thread(); i < a.width; i += threads()) y[i] = x[i] * scale * a.weight[i];
}

struct HeadNormArgs {
	float *qkv;            // [rows][stride]: queries, keys and values
	const float *q, *k;    // weights, [headDim]
	int heads, kvHeads, headDim, stride;
	float eps;
};

constexpr int kHeadNormThreads = 32;

// RMSNorm of the heads of queries and keys, in place: a warp does one head.
KERNEL(headnorm, HeadNormArgs, kHeadNormThreads) {
	int heads = a.heads + a.kvHeads, head = block() % heads;
	float *x = a.qkv + (u64)(block() / heads) * a.stride + head * a.headDim;
	const float *weight = head < a.heads ? a.q : a.k;
	float sum = 0;
	for (int i = lane(); i < a.headDim; i += kWarp) sum += x[i] * x[i];
	float scale = rsqrt(warpSum(sum) / a.headDim + a.eps);
	for (int i = lane(); i < a.headDim; i += kWarp) x[i] = x[i] * scale * weight[i];
}

struct RopeArgs {
	float *qkv;             // [blocks()][stride]: queries, keys and values
	const float *rope;      // [position][cosines, sines][headDim/2]
	const CacheRow *rows;   // [blocks()]
	int layer, heads, kvHeads, headDim, stride;
	float scale;            // of queries
};

// ropeStore turns the queries of a row and gives them the scale of the softmax,
// and stores its keys, turned, and its values. A block does one row.
template <class K> DEVICE void ropeStore(const RopeArgs &a) {
	CacheRow row = a.rows[block()];
	int half = a.headDim / 2, kvDim = a.kvHeads * a.headDim, qDim = a.heads * a.headDim;
	float *x = a.qkv + (u64)block() * a.stride;
	const float *rope = a.rope + (u64)row.pos * a.headDim;
	for (int i = thread(); i < a.heads * half; i += threads()) {
		float *u = x + i / half * a.headDim + i % half, *v = u + half;
		float c = rope[i % half] * a.scale, s = rope[half + i % half] * a.scale, p = *u, q = *v;
		*u = p * c - q * s;
		*v = q * c + p * s;
	}
	// Keys and values in groups of 32, a lane to a value.
	for (int g = warp(); g < 2 * kvDim / kGroup; g += warps()) {
		int part = g >= kvDim / kGroup, i = g * kGroup - part * kvDim + lane(), j = i % half;
		const float *head = x + qDim + part * kvDim + i / a.headDim * a.headDim;
		float v = part ? head[i % a.headDim] : turned(head, rope[j], rope[half + j], i % a.headDim, half);
		Cache<K> cache(row, a.layer, part, i / a.headDim, a.kvHeads, a.headDim);
		cache.store(row.pos, i % a.headDim, v);
	}
}

KERNEL(rope_F32, RopeArgs, kVectorThreads) { ropeStore<CacheF32>(a); }
KERNEL(rope_F16, RopeArgs, kVectorThreads) { ropeStore<CacheF16>(a); }
KERNEL(rope_Q8_0, RopeArgs, kVectorThreads) { ropeStore<CacheQ8>(a); }

struct SwigluArgs {
	float *gateUp; // [rows][gates, ups][width]
	int rows, width;
};

// swiglu writes silu(gate)*up to gate.
KERNEL(swiglu, SwigluArgs, kVectorThreads) {
	int i = block() * threads() + thread();
	if (i >= a.rows * a.width) return;
	float *gate = a.gateUp + (u64)(i / a.width) * 2 * a.width + i % a.width;
	*gate = *gate / (1 + exponential(-*gate)) * gate[a.width];
}

struct LargestArgs {
	const float *logits; // [rows][n]
	float *values;       // [rows][parts]
	int *places;         // [rows][parts]
	int n, parts;
};

struct ArgmaxArgs {
	const float *values;
	const int *places;
	int *out; // [rows]
	int parts;
};

// largest finds the first of the largest values of a part of a row; a block does one.
KERNEL(largest, LargestArgs, kVectorThreads) {
	int row = block() / a.parts, part = block() % a.parts, n = a.n;
	const float *x = a.logits + (u64)row * n;
	Candidate c = {-kInfinity, kNowhere};
	int end = (u64)n * (part + 1) / a.parts;
	for (int i = (u64)n * part / a.parts + thread(); i < end; i += threads())
		if (c.place == kNowhere || x[i] > c.value) c.value = x[i], c.place = i;
	c = firstOfBlock(c);
	if (thread() == 0) a.values[block()] = c.value, a.places[block()] = c.place;
}

// argmax finds the first of the largest values of a row among those of its parts; a warp
// does one.
KERNEL(argmax, ArgmaxArgs, kWarp) {
	const float *values = a.values + (u64)block() * a.parts;
	const int *places = a.places + (u64)block() * a.parts;
	Candidate c = {-kInfinity, kNowhere};
	for (int i = lane(); i < a.parts; i += kWarp)
		if (c.place == kNowhere || values[i] > c.value) c = {values[i], places[i]};
	c = firstLargest(c);
	if (lane() == 0) a.out[block()] = c.place;
}
