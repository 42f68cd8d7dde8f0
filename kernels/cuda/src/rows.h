// What a transformer block does for several rows beside products (batch.h), to the bit as a
// token's kernel does: queries and keys are turned, and attention over the same spans.
#pragma once
#include "span.h"

// Products of a matrix with rows, in parts of its columns.
struct Joined {
	const float *parts; // [count][rows][stride]
	const float *bias;  // [stride], may be null
	u64 apart;          // from part to part
	int count, stride;
};

struct TurnArgs {
	Joined from[3];       // of queries, keys and values
	const float *scales;  // [rows]: what they are multiplied with
	float *queries;       // [rows][heads][headDim]: where they come, turned
	const float *rope;    // [position][cosines, sines][headDim/2]
	const CacheRow *rows; // [rows]
	int layer, heads, kvHeads;
	float scale;          // of queries
};

// turn joins the parts of queries, keys and values of a row, turns queries and keys, gives queries
// the scale of the softmax, and stores keys and values. A block does one head of a row, a thread
// two values of it that are turned together.
template <class K, int D> DEVICE void turn(const TurnArgs &a) {
	constexpr int half = D / 2;
	int all = a.heads + 2 * a.kvHeads, r = block() / all, head = block() % all, at = thread(), matrix = 0;
	if (head >= a.heads) matrix = 1, head -= a.heads;
	if (matrix == 1 && head >= a.kvHeads) matrix = 2, head -= a.kvHeads;
	CacheRow row = a.rows[r];
	const Joined &from = a.from[matrix];
	auto joined = [&](int i) INLINED {
		float bias = from.bias ? from.bias[head * D + i] : 0;
		return rounded(multiplyAdd(joinedParts<float>(from.parts + (u64)r * from.stride + head * D + i, from.count, from.apart), a.scales[r], bias));
	};
	float first = joined(at), second = joined(at + half);
	if (matrix < 2) {
		const float *rope = a.rope + (u64)row.pos * D;
		float c = rope[at], s = rope[half + at], p = first, q = second;
		first = turned(p, -q, c, s), second = turned(q, p, c, s);
	}
	if (matrix == 0) {
		float *to = a.queries + ((u64)r * a.heads + head) * D + at;
		to[0] = first * a.scale, to[half] = second * a.scale;
		return;
	}
	Cache<K> cache(row, a.layer, matrix - 1, head, a.kvHeads, D);
	cache.store(row.pos, at, first);
	cache.store(row.pos, at + half, second);
}

struct SpansArgs {
	const float *q;       // [rows][heads][headDim], turned
	const CacheRow *rows; // [rows]
	float *out;           // [rows][heads][headDim]
	float *parts;         // [rows][heads][splits][headDim]: of spans, for rows that have several
	float *tops, *sums;   // [rows][heads][splits]
	int layer, heads, kvHeads;
	int splits;           // that there is room for
	int span, most;       // as in Go's attentionSpans
};

// spansOf returns how a row's positions are shared.
struct Spans {
	int splits, span;
};
DEVICE Spans spansOf(const SpansArgs &a, int depth) {
	int splits = minimum(larger(1, (depth + a.span - 1) / a.span), a.most), span = (depth + splits - 1) / splits;
	return {(depth + span - 1) / span, span};
}

// spans computes a head of a row over one of its spans.
template <class K, int D> DEVICE void spans(const SpansArgs &a) {
	SHARED(float, query, D);
	SHARED(float, outs, kTokenWarps * D);
	SHARED(float, tops, kTokenWarps);
	SHARED(float, sums, kTokenWarps);
	int split = block() % a.splits, head = block() / a.splits % a.heads, r = block() / a.splits / a.heads;
	CacheRow row = a.rows[r];
	Spans s = spansOf(a, row.pos + 1);
	if (split >= s.splits) return;
	int kvHead = head / (a.heads / a.kvHeads), begin = split * s.span, end = minimum(row.pos + 1, begin + s.span);
	Cache<K> keys(row, a.layer, 0, kvHead, a.kvHeads, D), values(row, a.layer, 1, kvHead, a.kvHeads, D);
	Positions<K, D, 2> positions(keys, values, begin, end);
	if (thread() < D) query[thread()] = a.q[((u64)r * a.heads + head) * D + thread()];
	computing();
	Span mine = positions.template attend<false>(query, 0, outs, tops, sums);
	if (thread() >= D) return;
	u64 to = (u64)r * a.heads + head;
	if (s.splits == 1) {
		a.out[to * D + thread()] = rounded(divide(mine.out, mine.sum));
		return;
	}
	to = to * a.splits + split;
	a.parts[to * D + thread()] = mine.out;
	if (thread() == 0) a.tops[to] = mine.top, a.sums[to] = mine.sum;
}

// joinSpans joins those of a head; a block does one head of a row.
template <int D> DEVICE void joinSpans(const SpansArgs &a) {
	int splits = spansOf(a, a.rows[block() / a.heads].pos + 1).splits;
	if (splits == 1) return;
	u64 first = (u64)block() * a.splits;
	auto part = [&](int s) INLINED { return Span{a.tops[first + s], a.sums[first + s], a.parts[(first + s) * D + thread()]}; };
	Span mine = part(0);
	for (int s = 1; s < splits; s++) mine = joined(mine, part(s));
	a.out[(u64)block() * D + thread()] = rounded(divide(mine.out, mine.sum));
}

#define ROWS_KERNELS(D, type) ROWS_KERNELS_(D, type)
#define ROWS_KERNELS_(D, type) \
	KERNEL(turn##D##_##type, TurnArgs, D / 2) { turn<CacheOf_##type, D>(a); } \
	KERNEL(spans##D##_##type, SpansArgs, kTokenThreads) { spans<CacheOf_##type, D>(a); } \
	KERNEL(joinSpans##D##_##type, SpansArgs, D) { joinSpans<D>(a); }
