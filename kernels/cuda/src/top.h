// The largest logits of a row in order, which are what most ways of sampling look at.
#pragma once
#include "reduce.h"

constexpr int kTop = 64;
constexpr int kMostOfThread = 32; // values that a thread looks at
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
	u64 *keys;           // [rows][parts][kTop]
	u64 *out;            // [rows][kTop]: token and logit
	int n, parts;
};

// largestKeys calls leave for the kTop largest keys from begin to end, with their ranks, and with
// kNoKey for those that there are not. The largest of each thread say how large a key is at the
// least: so few others are as large that each can be compared with all of them.
template <class K, class F> DEVICE void largestKeys(int begin, int end, K keyAt, F leave) {
	SHARED(u64, tops, kVectorThreads);
	SHARED(int, counts, kVectorThreads);
	SHARED(u64, kept, kTop *kMostOfThread);
	SHARED(u64, least, 1);
	u64 mine = kNoKey;
#pragma unroll 4
	for (int i = begin + thread(); i < end; i += kVectorThreads) {
		u64 key = keyAt(i);
		mine = key > mine ? key : mine;
	}
	tops[thread()] = mine;
	if (thread() == 0) *least = kNoKey + 1;
	barrier();
	int larger = 0;
#pragma unroll 8
	for (int t = 0; t < kVectorThreads; t++) larger += tops[t] > mine;
	if (larger == kTop - 1 && mine != kNoKey) *least = mine; // one thread: keys differ
	barrier();
	u64 from = *least;
	int count = 0;
	if (mine >= from)
		for (int i = begin + thread(); i < end; i += kVectorThreads) count += keyAt(i) >= from;
	counts[thread()] = count;
	barrier();
	int at = 0, all = 0;
#pragma unroll 8
	for (int t = 0; t < kVectorThreads; t++) {
		int n = counts[t];
		at += t < thread() ? n : 0, all += n;
	}
	if (count > 0)
		for (int i = begin + thread(); i < end; i += kVectorThreads) {
			u64 key = keyAt(i);
			if (key >= from) kept[at++] = key;
		}
	barrier();
	for (int i = thread(); i < all; i += kVectorThreads) {
		int rank = 0;
		for (int j = 0; j < all; j++) rank += kept[j] > kept[i];
		if (rank < kTop) leave(rank, kept[i]);
	}
	for (int rank = all + thread(); rank < kTop; rank += kVectorThreads) leave(rank, kNoKey);
}

// topOfPart finds the largest of a part of a row, of at most kVectorThreads*kMostOfThread
// logits; a block does one.
KERNEL(topOfPart, TopArgs, kVectorThreads) {
	int row = block() / a.parts, part = block() % a.parts;
	const float *x = a.logits + (u64)row * a.n;
	u64 *keys = a.keys + (u64)block() * kTop;
	largestKeys((u64)a.n * part / a.parts, (u64)a.n * (part + 1) / a.parts,
		[&](int i) INLINED { return keyOf(x[i], i); },
		[&](int rank, u64 key) INLINED { keys[rank] = key; });
}

// topOfRow finds those of a row among the largest of its parts, of which there are at most
// kVectorThreads*kMostOfThread/kTop; a block does one.
KERNEL(topOfRow, TopArgs, kVectorThreads) {
	const u64 *keys = a.keys + (u64)block() * a.parts * kTop;
	u64 *out = a.out + (u64)block() * kTop;
	largestKeys(0, a.parts * kTop,
		[&](int i) INLINED { return keys[i]; },
		[&](int rank, u64 key) INLINED { out[rank] = tokenOf(key); });
}
