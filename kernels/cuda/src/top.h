// The largest logits of a row in order, which are what most ways of sampling look at.
#pragma once
#include "reduce.h"

constexpr int kTop = 64;
constexpr int kMostOfThread = 16; // values that a thread looks at
constexpr u64 kNoKey = 0;         // stands for no token

// keyOf orders tokens by their logits, of equal ones the first before the others. A NaN comes
// before all numbers.
DEVICE u64 keyOf(float logit, int token) {
	u32 bits = logit == 0 ? 0 : bitsOf(logit);
	bits = logit != logit ? -1 : bits >> 31 ? ~bits : bits | 1u << 31;
	return (u64)bits << 32 | ~(u32)token;
}

// tokenOf returns a key's token and, above it, its logit: -1 and minus infinity of no token.
DEVICE u64 tokenOf(u64 key) {
	u32 bits = key >> 32;
	bits = key == kNoKey ? bitsOf(-kInfinity) : bits >> 31 ? bits & 0x7fffffff : ~bits;
	return (u64)bits << 32 | ~(u32)key;
}

struct TopArgs {
	const float *logits; // [rows][n]
	u64 *keys;           // [rows][kTop][parts]: so each thread of topOfRow has few of the largest
	u64 *out;            // [rows][kTop]: token and logit
	const u32 *skips;    // whether nobody wants them, may be null: then somebody does
	int n, parts;
};

// largestKeys calls leave for the kTop largest keys from begin to end, with their ranks, and with
// kNoKey for those that there are not. The largest of each pair of threads say how large a key is
// at the least, and which pairs have such keys: so few that each can be compared with all of them.
template <class K, class F> DEVICE void largestKeys(int begin, int end, K keyAt, F leave) {
	constexpr int pairs = kVectorThreads / 2;
	SHARED(uint4v, memory, pairs / 2);
	SHARED(int, counts, kTop);
	SHARED(u64, kept, kTop * 2 * kMostOfThread);
	SHARED(u64, least, 1);
	u64 *tops = (u64 *)memory, keys[kMostOfThread], top = kNoKey;
#pragma unroll
	for (int j = 0; j < kMostOfThread; j++) {
		int i = begin + thread() + j * kVectorThreads;
		keys[j] = i < end ? keyAt(i) : kNoKey;
	}
#pragma unroll
	for (int j = 0; j < kMostOfThread; j++) top = keys[j] > top ? keys[j] : top;
	u64 other = exchange(top, 1);
	top = other > top ? other : top;
	bool odd = thread() % 2;
	if (!odd) tops[thread() / 2] = top;
	if (thread() == 0) *least = kNoKey + 1;
	if (thread() < kTop) counts[thread()] = 0;
	barrier();
	int rank = 0; // of this pair
#pragma unroll 16
	for (int t = 0; t < pairs; t++) rank += tops[t] > top;
	bool has = rank < kTop && top != kNoKey;
	if (has && !odd && rank == kTop - 1) *least = top; // of one pair: keys differ
	barrier();
	u64 from = *least;
	int count = 0;
#pragma unroll
	for (int j = 0; j < kMostOfThread; j++) count += keys[j] >= from;
	int ofOther = exchange(count, 1);
	if (has && !odd) counts[rank] = count + ofOther;
	barrier();
	int at = odd ? ofOther : 0, all = 0;
#pragma unroll 16
	for (int t = 0; t < kTop; t++) {
		int n = counts[t];
		at += t < rank ? n : 0, all += n;
	}
#pragma unroll
	for (int j = 0; j < kMostOfThread; j++)
		if (keys[j] >= from) kept[at++] = keys[j];
	barrier();
	for (int i = thread(); i < all; i += kVectorThreads) {
		u64 key = kept[i];
		int before = 0;
#pragma unroll 8
		for (int j = 0; j < all; j++) before += kept[j] > key;
		if (before < kTop) leave(before, key);
	}
	for (int i = all + thread(); i < kTop; i += kVectorThreads) leave(i, kNoKey);
}

// topOfPart finds the largest of a part of a row, of at most kVectorThreads*kMostOfThread
// logits; a block does one.
KERNEL(topOfPart, TopArgs, kVectorThreads) {
	startNext();
	awaitLaunch();
	if (a.skips && *a.skips) return;
	int row = block() / a.parts, part = block() % a.parts;
	const float *x = a.logits + (u64)row * a.n;
	u64 *keys = a.keys + (u64)row * a.parts * kTop + part;
	largestKeys((u64)a.n * part / a.parts, (u64)a.n * (part + 1) / a.parts,
		[&](int i) INLINED { return keyOf(x[i], i); },
		[&](int rank, u64 key) INLINED { keys[rank * a.parts] = key; });
}

// topOfRow finds those of a row among the largest of its parts, of which there are at most
// kVectorThreads*kMostOfThread/kTop; a block does one.
KERNEL(topOfRow, TopArgs, kVectorThreads) {
	startNext();
	awaitLaunch();
	if (a.skips && *a.skips) return;
	const u64 *keys = a.keys + (u64)block() * a.parts * kTop;
	u64 *out = a.out + (u64)block() * kTop;
	largestKeys(0, a.parts * kTop,
		[&](int i) INLINED { return keys[i]; },
		[&](int rank, u64 key) INLINED { out[rank] = tokenOf(key); });
}
