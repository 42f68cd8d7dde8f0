// All transformer blocks of one token in one launch: decode. Each multiprocessor has one
// block of threads; they hand on what they compute by words (exchange.h), and their weights
// come ahead (stationed.h).
#pragma once
#include "exchange.h"
#include "heads.h"
#include "span.h"
#include "stationed.h"

struct TokenArgs {
	const TokenLayer *layers;
	float *hidden;                // [width], before and after
	Vector before, between;       // the hidden state before a block's attention, and behind it
	Vector qkv, attn, ffn;        // what their names say
	Words parts, softmax;         // of attention over spans: [heads][splits][headDim], [heads][splits][maximum, sum]
	const float *rope;            // [position][cosines, sines][headDim/2]
	const u32 *skips;             // whether nobody wants the token, may be null: then somebody does
	CacheRow row;
	u32 layer;                    // the number of the first layer, counted from the first launch on, and from 1
	int rest;                     // 0 if all weights fit into blocks' memory
	int sums, own;                // where they begin in a block's memory, in bytes; before them is x, behind them weights
	int count, width, ffnWidth, heads, kvHeads, group, splits, span; // group: heads on a KV head
	int together, shares;         // of attention by units for products of matrices: heads of a KV head that a block computes, and so many blocks do for a span
	float eps, scale;             // of norms, and of queries
	float inverseWidth;           // 1/width
	int partsOfX;                 // 1, or 2 for more bits
};

// The attention that a block computes first. It stands in shared memory, as the arguments
// do, for functions that are not part of their callers.
struct Place {
	int head, kvHead, split;
	SomeHeads some; // with units for products of matrices
};

DEVICE Place *thePlace() {
	SHARED(Place, one, 1);
	return one;
}
DEVICE TokenArgs *theArgs() {
	SHARED(TokenArgs, one, 1);
	return one;
}

// The cosines and sines of the token's position.
template <int D> DEVICE float *theAngles() {
	SHARED(float, all, D);
	return all;
}

// merged returns value thread() of a head whose first span is mine and whose others are
// published, from part number first on.
template <int D> DEVICE float merged(Words parts, Words softmax, int first, int splits, Span mine, u32 number) {
	constexpr int together = 4;
#pragma unroll 1
	for (int s = 1; s < splits; s += together) {
		uint4v out[together], scale[together];
#pragma unroll
		for (int j = 0; j < together; j++)
			if (s + j < splits) {
				scale[j] = softmax.read(first + s + j);
				out[j] = parts.read(((first + s + j) * D + thread()) / 2);
			}
#pragma unroll
		for (int j = 0; j < together; j++) {
			if (s + j >= splits) continue;
			float2v other = softmax.await(first + s + j, scale[j], number);
			float value = valueOf(parts.await(((first + s + j) * D + thread()) / 2, out[j], number), thread());
			mine = joined(mine, {other[0], other[1], value});
		}
	}
	return divide(mine.out, mine.sum);
}

// tokenHeads computes the heads over spans of positions by units for products of matrices, a block some of a KV head over
// one span. Those that see the token's own position store its key and value, which are the same in all.
template <int D> FUNCTION void tokenHeads(int layer) {
	typedef Heads<D> Some;
	const TokenArgs &a = *theArgs();
	Place &place = *thePlace();
	const SomeHeads &heads = place.some; // read again where they are wanted: registers are few
	SHARED(typename Some::Queries, queries, 1);
	SHARED(typename Some::Scales, scales, 1);
	SHARED(float, own, 2 * D); // key and value of the token
	int team = warp() / Some::parts;
	const CacheRow &row = a.row;
	u32 number = a.layer + layer, phase = number % 2;
#pragma unroll 1
	for (int item = block(); item < a.shares * a.splits; item += blocks()) {
		if (blocks() < a.shares * a.splits) {
			computing(); // those before have been used
			if (thread() == 0) place.some = SomeHeads::of(item % a.shares, a.group, a.together), place.split = item / a.shares;
			computing();
		}
		int begin = place.split * a.span, end = minimum(row.pos + 1, begin + a.span);
		Cache<CacheF16> keys(row, layer, 0, heads.kvHead, a.kvHeads, D), values(row, layer, 1, heads.kvHead, a.kvHeads, D);
		Some some(keys, values);
#pragma unroll 1
		for (u32 i = thread(); i < (end == row.pos + 1 ? heads.count + 2 : heads.count) * D; i += kTokenThreads) {
			u32 which = i / D, at = i % D;
			int matrix = larger((int)which - heads.count + 1, 0);
			int x = (matrix ? a.heads + (matrix - 1) * a.kvHeads + heads.kvHead : heads.first + which) * D;
			float2v both = a.qkv.awaitTwo(x + at, x + (at ^ D / 2), phase);
			float value = both[0];
			const float *angle = theAngles<D>() + at % (D / 2);
			if (matrix < 2) value = turned(value, at < D / 2 ? -both[1] : both[1], angle[0], angle[D / 2]);
			if (matrix == 0) Some::put(*queries, which, at, value * a.scale);
			else own[(matrix - 1) * D + at] = (matrix == 1 ? keys : values).store(row.pos, at, value);
		}
		// The token's own is read for nothing. Before, this would hold up what waits for Q, K and V.
		if (team < Some::teams) some.start(team, begin, end);
		computing();
		const typename Some::Made made = {heads.count, (float *)blockMemory(), scales}; // where x of products comes
		if (team < Some::teams) some.attend(*queries, team, own, own + D, row.pos, made);
		computing();
		Some::weigh(made);
		computing();
#pragma unroll 1
		for (u32 i = thread(); i < heads.count * D; i += kTokenThreads) {
			u32 which = i / D, at = i % D;
			int head = heads.first + which, to = head * a.splits + place.split;
			Span span = Some::joined(made, which, at);
			if (a.splits == 1) {
				a.attn.publish(head * D + at, divide(span.out, span.sum), phase);
				continue;
			}
			a.parts.publish(to * D + at, span.out, number);
			if (at < 2) a.softmax.publish(2 * to + at, at == 0 ? span.top : span.sum, number);
		}
	}
}

// mergeHeads merges the spans of heads: the blocks of some heads' spans share those.
template <int D> FUNCTION void mergeHeads(int layer) {
	const TokenArgs &a = *theArgs();
	float2v *made = (float2v *)blockMemory(); // [spans][D / 2]
	SHARED(SpanFactors, factors, 1);
	u32 number = a.layer + layer;
	int splits = a.splits;
#pragma unroll 1
	for (u32 item = block(); item < a.shares * splits; item += blocks()) {
		u32 split = item / a.shares;
		SomeHeads some = SomeHeads::of(item - split * a.shares, a.group, a.together);
#pragma unroll 1
		for (int head = some.first + split; head < some.first + some.count; head += splits) {
			computing(); // what was there has been used
			int first = head * splits;
#pragma unroll 1
			for (int s = warp(); s < splits; s += kTokenWarps) {
				uint4v seen[D / 64];
				auto at = [&](int j) INLINED { return j * kWarp + lane(); };
#pragma unroll
				for (int j = 0; j < D / 64; j++) seen[j] = a.parts.read((first + s) * (D / 2) + at(j));
				if (s == 0) factors->make(splits, [&](int i) INLINED { return a.softmax.await(first + i, a.softmax.read(first + i), number); });
#pragma unroll
				for (int j = 0; j < D / 64; j++) made[s * (D / 2) + at(j)] = a.parts.await((first + s) * (D / 2) + at(j), seen[j], number);
			}
			computing();
			if (thread() >= D) continue;
			float out = 0;
#pragma unroll 4
			for (int s = 0; s < splits; s++) out = multiplyAdd(((float *)made)[s * D + thread()], factors->of[s], out);
			a.attn.publish(head * D + thread(), divide(out, factors->sum), number % 2);
		}
	}
}

// tokenAttention computes the heads over spans of positions, a block one head over one
// span; that of a head's first span merges what the others make. Blocks that see the
// token's own position store its key and value: those that share a KV head write the same.
template <class K, int D> FUNCTION void tokenAttention(int layer) {
	const TokenArgs &a = *theArgs();
	const Place &place = *thePlace();
	SHARED(float, own, 3 * D); // query, key and value of the token
	SHARED(float, outs, kTokenWarps * D);
	SHARED(float, tops, kTokenWarps);
	SHARED(float, sums, kTokenWarps);
	const CacheRow &row = a.row;
	u32 number = a.layer + layer, phase = number % 2;
	int head = place.head, kvHead = place.kvHead, split = place.split, kvHeads = a.kvHeads;
	for (int item = block(); item < a.heads * a.splits; item += blocks()) {
		if (item != block()) head = item % a.heads, kvHead = head / a.group, split = item / a.heads;
		int begin = split * a.span, end = minimum(row.pos + 1, begin + a.span);
		Cache<K> keys(row, layer, 0, kvHead, kvHeads, D), values(row, layer, 1, kvHead, kvHeads, D);
		Positions<K, D, 2> positions(keys, values, begin, end); // the token's own is read for nothing
		if (item != block()) computing(); // the head before has been used
		int part = thread() / D, at = thread() % D, other = at ^ D / 2;
		if (part == 0 || (part < 3 && end == row.pos + 1)) {
			int x = (part == 0 ? head : a.heads + (part - 1) * kvHeads + kvHead) * D;
			float2v both = a.qkv.awaitTwo(x + at, x + other, phase);
			float value = both[0];
			const float *angle = theAngles<D>() + at % (D / 2);
			if (part < 2) value = turned(value, at < D / 2 ? -both[1] : both[1], angle[0], angle[D / 2]);
			if (part == 0) value *= a.scale;
			else value = (part == 1 ? keys : values).store(row.pos, at, value);
			own[thread()] = value;
		}
		computing();
		Span span = positions.attend(own, row.pos, outs, tops, sums);
		if (thread() >= D) continue;
		int to = head * a.splits + split;
		if (split > 0) {
			a.parts.publish(to * D + thread(), span.out, number);
			if (thread() < 2) a.softmax.publish(2 * to + thread(), thread() == 0 ? span.top : span.sum, number);
			continue;
		}
		a.attn.publish(head * D + thread(), merged<D>(a.parts, a.softmax, to, a.splits, span, number), phase);
	}
}

// ofSums returns which four lanes of all this lane is one of, and which, that add up the parts of a row: from the last
// warp on, as the last ones multiply least.
DEVICE int ofSums() {
	int t = anew(thread());
	return (kTokenWarps - 1) * kWarp + 2 * (t & (kWarp - 1)) - t;
}

// addUp adds up the parts of rows when all warps have multiplied, and hands them on. Four lanes have a row; a pair of
// gate and up are eight lanes'. Where the parts are, and whom a sum is for, they find out before.
DEVICE void addUp(const TokenArgs &a, int layer, int m, float bias) {
	const Piece &p = layers()[layer % 2].pieces[m];
	u8 *memory = (u8 *)blockMemory();
	int t = ofSums(), rows = 2 * p.count;
	if ((t & -kWarp) >= 4 * rows) return computing();
	int first = 2 * p.first, fours = foursOf(p.parts), i = t % 4;
	const float4v *parts = (const float4v *)(memory + p.sums) + (u32)t / 4 * fours + i;
	bool gated = m == kGateUpMatrix, norms = gated || m < kOutputMatrix, down = m == kDownMatrix;
	Vector to = gated ? a.ffn : norms ? a.qkv : down ? a.before : a.between;
	u32 phase = (a.layer + layer + down) % 2;
	float *mine = (float *)(memory + a.own) + (u32)t / 4; // of the hidden state
	float before = !norms && t < 4 * rows ? *mine : 0;
	computing();
#pragma unroll 1
	while ((t & -kWarp) < 4 * rows) {
		int row = (u32)t / 4;
		float4v four = i < fours ? *parts : float4v(0);
		float scale = norms ? normScale(squares(), a.width, a.inverseWidth, a.eps) : 1;
		float v = sumOfFour(four[0], four[1], four[2], four[3]);
		v += exchange(v, 1);
		v += exchange(v, 2);
		float up = exchange(v, 4);
		if (i == 0 && row < rows) {
			if (gated) {
				if (row % 2 == 0) to.publish((u32)(first + row) / 2, gatedBy(v * scale, up * scale), phase);
			} else {
				if (norms) v = multiplyAdd(v, scale, bias);
				else *mine = v = before + v;
				if (down && layer == a.count - 1) a.hidden[first + row] = v;
				else to.publish(first + row, v, phase);
			}
		}
		t += kTokenThreads, parts += kTokenThreads / 4 * fours, mine += kTokenThreads / 4;
		if (t >= 4 * rows) continue;
		if (norms && p.bias) bias = p.bias[(u32)t / 4];
		if (!norms) before = *mine;
	}
}

// addUpApart is addUp as a function that is not part of its caller.
template <int D> FUNCTION void addUpApart(int layer, int m, float bias) { addUp(*theArgs(), layer, m, bias); }

// tokenBlocks runs all transformer blocks, products by units for products of matrices (Tiles) or not, attention by
// them (Units) or not.
template <class K, int D, bool Tiles, bool Units> DEVICE void tokenBlocks(const TokenArgs &a) {
	if (Tiles) startNext();
	if (warp() == kTokenWarps) return bringAll(a.layers, a.count, a.width, a.rest, Tiles ? a.skips : 0);
	u8 *memory = (u8 *)blockMemory();
	float *own = (float *)(memory + a.own); // the block's rows of the hidden state, each some lanes'
	if (thread() == 0) {
		if (Units) *thePlace() = {0, 0, block() / a.shares, SomeHeads::of(block() % a.shares, a.group, a.together)};
		else *thePlace() = {block() % a.heads, block() % a.heads / a.group, block() / a.heads, {}};
		*theArgs() = a;
	}
	if (thread() < D) theAngles<D>()[thread()] = a.rope[(u64)a.row.pos * D + thread()];
	if (thread() < (int)sizeof(Slot) / 16) ((uint4v *)zeros())[thread()] = 0;
	if (thread() == 0) *partsOfX() = a.partsOfX;
	if (int m = thread(); m < kMatrices) {
		bool attn = m == kOutputMatrix, down = m == kDownMatrix;
		Vector x = attn ? a.attn : down ? a.ffn : m == kGateUpMatrix ? a.between : a.before;
		inputs()[m] = {x.w, (attn ? a.heads * D : down ? a.ffnWidth : a.width) / 4, (int)(a.layer % 2)};
	}
	if (thread() < kMostSquares / 4) squares()[thread()] = 0;
	for (float4v *zero = (float4v *)(memory + a.sums) + thread(); zero < (float4v *)(memory + a.own); zero += kTokenThreads) *zero = 0;
	barrier();
	if (Tiles) awaitLaunch();
	if (Tiles && a.skips && *a.skips) return;
	{
		const Piece &o = layers()[0].pieces[kOutputMatrix];
		for (int t = thread(); t < 2 * o.count; t += kTokenThreads) {
			float v = own[t] = a.hidden[2 * o.first + t];
			a.before.publish(2 * o.first + t, v, a.layer % 2);
		}
	}

	// All matrices are gone through by the same code: what each call of a function keeps registers for,
	// all others have to do without. So one number says where that is, which is the same in all lanes.
	constexpr u32 ofLayer = 8;
	static_assert(kMatrices <= ofLayer, "a layer's matrices");
	u32 step = 0; // layer*ofLayer + matrix
#pragma unroll 1
	while (step < a.count * ofLayer) {
		int layer = step / ofLayer, m = step % ofLayer;
		const Layer &l = layers()[layer % 2];
		const Piece &p = l.pieces[m];
		if (m != kOutputMatrix) {
		} else if constexpr (Units) {
			if (block() < a.shares * a.splits) tokenHeads<D>(layer);
			if (block() < a.shares * a.splits && a.splits > 1) mergeHeads<D>(layer);
		} else if (block() < a.heads * a.splits) {
			tokenAttention<K, D>(layer);
		}
		// The weights of all of Q, K and V are there at the same time, and used.
		if (m == 0 || m >= kOutputMatrix) barrierOf<kAllThreads>(kThere);
		else computing();
		int t = ofSums();
		float bias = p.bias && t < 8 * p.count ? p.bias[(u32)t / 4] : 0;
		// Of the hidden state, times the norm's weights, or of what attention or SwiGLU made. What the
		// norm divides by, the results of products are divided by.
		if (p.count > 0) products<Tiles>(layer, m);
		int after = m + 1 == l.qkv ? kOutputMatrix : m + 1;
		if (after >= kOutputMatrix) arriveAt<kAllThreads>(kUsed);
		// Attention by units for products of matrices leaves too few registers where heads have 128 values.
		if constexpr (Units && D > 64) addUpApart<D>(layer, m, bias);
		else addUp(a, layer, m, bias);
		// Until all of it is handed on no warp waits for what is next: it would read in vain,
		// and be in the way.
		computing();
		step += (after < kMatrices ? after : ofLayer) - m;
	}
}

// token with units for products of matrices, plainToken without, and headToken with attention by them, too, of float16
// numbers.
#define TOKEN_KERNEL(D, type) TOKEN_KERNEL_(D, type)
#define TOKEN_KERNEL_(D, type) \
	KERNEL(token##D##_##type, TokenArgs, kAllThreads) { tokenBlocks<CacheOf_##type, D, true, false>(a); }
#define PLAIN_TOKEN_KERNEL(D, type) PLAIN_TOKEN_KERNEL_(D, type)
#define PLAIN_TOKEN_KERNEL_(D, type) \
	KERNEL(plainToken##D##_##type, TokenArgs, kAllThreads) { tokenBlocks<CacheOf_##type, D, false, false>(a); }
#define HEAD_TOKEN_KERNEL(D) HEAD_TOKEN_KERNEL_(D)
#define HEAD_TOKEN_KERNEL_(D) \
	KERNEL(headToken##D##_F16, TokenArgs, kAllThreads) { tokenBlocks<CacheF16, D, true, true>(a); }
