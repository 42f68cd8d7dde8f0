// What a transformer block does for several rows beside products (batch.h), to the bit as a
// token's kernel does: queries and keys are turned, and attention over the same spans.
#pragma once
#include "heads.h"
#include "slots.h"

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

	// value returns value i of a head of a matrix, of row r.
	DEVICE_METHOD float value(int matrix, int r, int head, int headDim, int i) const {
		const Joined &f = from[matrix];
		int at = head * headDim + i;
		return rounded(multiplyAdd(joinedParts<float>(f.parts + (u64)r * f.stride + at, f.count, f.apart), scales[r], f.bias ? f.bias[at] : 0));
	}
};

// turn joins the parts of queries, keys and values of a row, turns queries and keys, gives queries
// the scale of the softmax, and stores keys and values. A block does one head of a row, a thread
// two values of it that are turned together.
template <class K, int D> DEVICE void turn(const TurnArgs &a) {
	constexpr int half = D / 2;
	startNext();
	awaitLaunch();
	int all = a.heads + 2 * a.kvHeads, r = block() / all, head = block() % all, at = thread(), matrix = 0;
	if (head >= a.heads) matrix = 1, head -= a.heads;
	if (matrix == 1 && head >= a.kvHeads) matrix = 2, head -= a.kvHeads;
	CacheRow row = a.rows[r];
	float first = a.value(matrix, r, head, D, at), second = a.value(matrix, r, head, D, at + half);
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
	TurnArgs turn;        // where queries come from, or all of a row
	XRows to;             // the rows that heads make
	int format, first;    // of the matrix that they are multiplied with, and the first row
	float *parts;         // [rows][heads][splits][headDim]: of spans, for rows that have several
	float *tops, *sums;   // [rows][heads][splits]
	int alone;            // whether no row sees what another one stores: then nothing has been turned yet
	int splits;           // that there is room for
	int span, most;       // as in Go's attentionSpans
	int group;            // heads on a KV head
	int together, each;   // by units for products of matrices: heads of those, and spans, that a block computes; 0 without
	int above, upTo;      // rows that see more positions than the one and no more than the other are computed
};

// spansOf returns how a row's positions are shared.
struct Spans {
	int splits, span; // 0 if another launch computes the row
};
DEVICE Spans spansOf(const SpansArgs &a, int depth) {
	if (depth <= a.above || depth > a.upTo) return {0, 0};
	if (depth <= a.span) return {1, depth}; // divisions take longest of all that comes before the first key
	u32 splits = minimum((u32)(depth + a.span - 1) / a.span, a.most), span = (depth + splits - 1) / splits;
	return {(int)((depth + span - 1) / span), (int)span};
}

// The forms of what heads make, for each quad of a group. The first threads of a block find them out; a
// barrier has to come before they are used.
DEVICE Form<true> *headForms() {
	SHARED(Form<true>, all, kGroup / 4);
	return all;
}
DEVICE void makeHeadForms(const SpansArgs &a) {
	if (thread() < kGroup / 4) headForms()[thread()] = a.to.form(formOf(a.format, thread(), 1));
}

// handOn has a warp store what a head makes of a row.
template <int D> DEVICE void handOn(const SpansArgs &a, int r, int head, const float *out) {
	bool there = lane() < D / 4;
	float4v v = 0;
	if (there)
		for (int k = 0; k < 4; k++) v[k] = out[4 * lane() + k];
	a.to.put(r, head * (D / 4) + lane(), there, v, headForms()[lane() % (kGroup / 4)]);
}

// ownOf returns value at of what a row has by itself of a head, or of the key or the value of a KV head (matrix 1
// and 2), which it stores.
template <class K, int D> DEVICE float ownOf(const SpansArgs &a, const CacheRow &row, int r, int matrix, int head, int at, Cache<K> &keys, Cache<K> &values) {
	const TurnArgs &t = a.turn;
	if (!a.alone) return t.queries[((u64)r * t.heads + head) * D + at];
	float value = t.value(matrix, r, head, D, at);
	if (matrix < 2) {
		float with = t.value(matrix, r, head, D, at ^ D / 2);
		const float *rope = t.rope + (u64)row.pos * D + at % (D / 2);
		value = turned(value, at < D / 2 ? -with : with, rope[0], rope[D / 2]);
	}
	return matrix == 0 ? value * t.scale : (matrix == 1 ? keys : values).store(row.pos, at, value);
}

constexpr int kSpansWarps = 8;

// headSpans computes some heads of a KV head of a row over some of its spans.
template <int D> DEVICE void headSpans(const SpansArgs &a) {
	typedef Heads<D> Some;
	startNext();
	SHARED(typename Some::Queries, queries, 1);
	SHARED(float, own, kMostGroup * D); // key and value of the row, and then what heads make
	SHARED(float, outs, Some::teams *kMostGroup *Some::row);
	SHARED(typename Some::Scales, scales, 1);
	const TurnArgs &t = a.turn;
	if (!a.alone) awaitLaunch(); // else no launch of the graph writes a key or a value that is read
	u32 ofRow = (u32)(a.splits + a.each - 1) / a.each, item = (u32)block() / ofRow, shares = t.kvHeads * ((u32)(a.group + a.together - 1) / a.together);
	int split = (block() - item * ofRow) * a.each, ofFirst = item / shares, r = a.first + ofFirst;
	SomeHeads heads = SomeHeads::of(item - ofFirst * shares, a.group, a.together);
	CacheRow row = t.rows[r];
	Spans s = spansOf(a, row.pos + 1);
	if (split >= s.splits) return awaitLaunch();
	const typename Some::Made made = {heads.count, outs, scales};
	int kvHead = heads.kvHead, depth = row.pos + 1, after = minimum(split + a.each, s.splits);
	auto endOf = [&](int split) INLINED { return minimum(depth, (split + 1) * s.span); };
	Cache<CacheF16> keys(row, t.layer, 0, kvHead, t.kvHeads, D), values(row, t.layer, 1, kvHead, t.kvHeads, D);
	Some some(keys, values);
	constexpr int together = kSpansWarps / Some::parts; // teams
	int team = warp() / Some::parts;
	some.start(team, split * s.span, endOf(split));
	bool last = a.alone && after == s.splits; // the block sees the row's own position: it stores key and value
	makeHeadForms(a);
	awaitLaunch();
	for (int i = thread(); i < (last ? heads.count + 2 : heads.count) * D; i += kSpansWarps * kWarp) {
		int which = i / D, matrix = larger(which - heads.count + 1, 0);
		float value = ownOf<CacheF16, D>(a, row, r, matrix, matrix ? kvHead : heads.first + which, i % D, keys, values);
		if (matrix == 0) Some::put(*queries, which, i % D, value);
		else own[i - heads.count * D] = value;
	}
	barrier();
#pragma unroll 1
	for (;; split++) {
		bool more = split + 1 < after;
#pragma unroll 1
		for (int i = team; i < Some::teams; i += together) {
			bool again = i + together < Some::teams; // of this span
			int of = again ? split : split + 1, next = of * s.span + (again ? i + together : team) * Some::chunk;
			some.attend(*queries, i, own, own + D, a.alone ? row.pos : -1, made, next, again || more ? endOf(of) : 0);
		}
		barrier();
		Some::weigh(made);
		barrier();
		for (int i = thread(); i < heads.count * D; i += kSpansWarps * kWarp) {
			Span mine = Some::joined(made, i / D, i % D);
			if (s.splits == 1) {
				own[i] = rounded(divide(mine.out, mine.sum));
				continue;
			}
			u64 to = ((u64)ofFirst * t.heads + heads.first + i / D) * a.splits + split;
			a.parts[to * D + i % D] = mine.out;
			if (i % D == 0) a.tops[to] = mine.top, a.sums[to] = mine.sum;
		}
		if (!more) break;
		barrier(); // what was made has been used
	}
	if (s.splits > 1) return;
	barrier();
	if (warp() < heads.count) handOn<D>(a, r, heads.first + warp(), own + warp() * D);
}

// spans computes a head of a row over one of its spans. Blocks are small, so that all of a step's
// run at once: they wait longer than they compute.
template <class K, int D> DEVICE void spans(const SpansArgs &a) {
	startNext();
	SHARED(float, own, 3 * D);
	SHARED(float, outs, kTokenWarps * D);
	SHARED(float, tops, kSpansWarps);
	SHARED(float, sums, kTokenWarps);
	const TurnArgs &t = a.turn;
	if (!a.alone) awaitLaunch(); // else no launch of the graph writes a key or a value that is read
	int item = a.splits == 1 ? block() : (u32)block() / a.splits, split = block() - item * a.splits;
	int ofFirst = (u32)item / t.heads, head = item - ofFirst * t.heads, r = a.first + ofFirst;
	CacheRow row = t.rows[r];
	Spans s = spansOf(a, row.pos + 1);
	if (split >= s.splits) return awaitLaunch();
	int kvHead = (u32)head / a.group, begin = split * s.span, end = minimum(row.pos + 1, begin + s.span);
	Cache<K> keys(row, t.layer, 0, kvHead, t.kvHeads, D), values(row, t.layer, 1, kvHead, t.kvHeads, D);
	Positions<K, D, 2, kSpansWarps> positions(keys, values, begin, end);
	bool last = end == row.pos + 1; // the block sees the row's own position: it stores key and value
	makeHeadForms(a);
	awaitLaunch();
	for (int i = thread(); i < (a.alone && last ? 3 : 1) * D; i += kSpansWarps * kWarp)
		own[i] = ownOf<K, D>(a, row, r, i / D, i < D ? head : kvHead, i % D, keys, values);
	barrier();
	Span mine = positions.attend(own, a.alone ? row.pos : -1, outs, tops, sums);
	if (s.splits == 1) {
		if (thread() < D) own[thread()] = rounded(divide(mine.out, mine.sum));
		barrier();
		if (warp() == 0) handOn<D>(a, r, head, own);
		return;
	}
	if (thread() >= D) return;
	a.parts[(u64)block() * D + thread()] = mine.out;
	if (thread() == 0) a.tops[block()] = mine.top, a.sums[block()] = mine.sum;
}

// joinSpans joins those of a head; a block does one head of a row.
template <class K, int D> DEVICE void joinSpans(const SpansArgs &a) {
	startNext();
	makeHeadForms(a);
	int ofFirst = (u32)block() / a.turn.heads, head = block() - ofFirst * a.turn.heads, r = a.first + ofFirst;
	awaitLaunch();
	int splits = spansOf(a, a.turn.rows[r].pos + 1).splits;
	if (splits <= 1) return;
	u64 first = (u64)block() * a.splits;
	auto value = [&](int s) INLINED { return a.parts[(first + s) * D + thread()]; };
	SHARED(float, out, D);
	if (same<K, CacheF16> && a.together) {
		SHARED(SpanFactors, factors, 1);
		if (warp() == 0) factors->make(splits, [&](int s) INLINED { return float2v{a.tops[first + s], a.sums[first + s]}; });
		barrier();
		float v = 0;
#pragma unroll 4
		for (int s = 0; s < splits; s++) v = multiplyAdd(value(s), factors->of[s], v);
		out[thread()] = rounded(divide(v, factors->sum));
	} else {
		auto part = [&](int s) INLINED { return Span{a.tops[first + s], a.sums[first + s], value(s)}; };
		Span mine = part(0);
		for (int s = 1; s < splits; s++) mine = joined(mine, part(s));
		out[thread()] = rounded(divide(mine.out, mine.sum));
	}
	barrier();
	if (warp() == 0) handOn<D>(a, r, head, out);
}

#define ROWS_KERNELS(D, type) ROWS_KERNELS_(D, type)
#define ROWS_KERNELS_(D, type) \
	KERNEL(turn##D##_##type, TurnArgs, D / 2) { turn<CacheOf_##type, D>(a); } \
	KERNEL_AT_ONCE(spans##D##_##type, SpansArgs, kSpansWarps *kWarp, 4) { spans<CacheOf_##type, D>(a); } \
	KERNEL(joinSpans##D##_##type, SpansArgs, D) { joinSpans<CacheOf_##type, D>(a); } \
	HEADS_KERNEL_##type(D)
// Units for products of matrices want float16 numbers.
#define HEADS_KERNEL_F16(D) \
	KERNEL_AT_ONCE(headSpans##D##_F16, SpansArgs, kSpansWarps *kWarp, 2) { headSpans<D>(a); }
#define HEADS_KERNEL_F32(D)
#define HEADS_KERNEL_Q8_0(D)
