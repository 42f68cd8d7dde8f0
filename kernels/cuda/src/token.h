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
		Positions<K, D, 4> positions(keys, values, begin, end); // the token's own is read for nothing
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

// The sums of squares of a vector, of kSquares numbers each: what a warp brings at a time.
// Behind them there are zeros.
DEVICE float4v *squares() {
	SHARED(float4v, all, kMostSquares / 4);
	return all;
}

// awaited brings a vector, times a norm's weights if there are any, into the block's memory,
// and sums of squares of a normed one. All warps share it; but if slice is not 0, each brings
// so many quads for itself.
template <bool Tiles, bool Normed> FUNCTION void awaited(const u32 *vector, int quads, u32 phase, int format, const float4v *norm, int slice) {
	constexpr int together = Normed ? 2 : 4;
	Form<Tiles> form = formFor<Tiles>(format);
	int first = slice ? warp() * slice + lane() : thread(), end = slice ? minimum(quads, (warp() + 1) * slice) : quads;
	// A norm's weights may come from the GPU's memory.
	auto ahead = [&](int i) INLINED { return Normed ? norm[i] : float4v(1); };
	awaitAll<together>({(u32 *)vector}, first, end, slice ? kWarp : kTokenThreads, phase, ahead, [&](float4v weights, int i, bool there, float4v v) INLINED {
		if (Normed) {
			float square = warpSum(squareOf(v));
			if (lane() == 0) ((float *)squares())[i / kWarp] = square;
		}
		store(slots(), i, there, v * weights, form);
	});
}

// tokenBlocks runs all transformer blocks, products by units for products of matrices (Tiles) or not, attention by
// them (Units) or not.
template <class K, int D, bool Tiles, bool Units> DEVICE void tokenBlocks(const TokenArgs &a) {
	if (Tiles) startNext();
	if (warp() == kTokenWarps) return bringAll(a.layers, a.count, a.width, a.rest, Tiles ? a.skips : 0);
	u8 *memory = (u8 *)blockMemory();
	float *own = (float *)(memory + a.own); // the block's rows of the hidden state, each a thread's
	if (thread() == 0) {
		if (Units) *thePlace() = {0, 0, block() / a.shares, SomeHeads::of(block() % a.shares, a.group, a.together)};
		else *thePlace() = {block() % a.heads, block() % a.heads / a.group, block() / a.heads, {}};
		*theArgs() = a;
	}
	if (thread() < D) theAngles<D>()[thread()] = a.rope[(u64)a.row.pos * D + thread()];
	makeForms<Tiles>(a.partsOfX);
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

	// All matrices are gone through by the same code: what each call of a function keeps
	// registers for, all others have to do without.
#pragma unroll 1
	for (int layer = 0; layer < a.count; layer++) {
		const Layer &l = layers()[layer % 2];
		u32 phase = (a.layer + layer) % 2;
		auto after = [&](int m) INLINED { return m + 1 == l.qkv ? kOutputMatrix : m + 1; };
#pragma unroll 1
		for (int m = 0; m < kMatrices; m = after(m)) {
			const Piece &p = l.pieces[m];
			int rows = 2 * p.count;
			bool ofQKV = m < kOutputMatrix;
			if (m != kOutputMatrix) {
			} else if constexpr (Units) {
				if (block() < a.shares * a.splits) tokenHeads<D>(layer);
				if (block() < a.shares * a.splits && a.splits > 1) mergeHeads<D>(layer);
			} else if (block() < a.heads * a.splits) {
				tokenAttention<K, D>(layer);
			}

			// The weights of all of Q, K and V are there at the same time, and used.
			if (m == 0 || !ofQKV) barrierOf<kAllThreads>(kThere);
			else computing();
			int t = anew(thread());
			float bias = p.bias && t < 4 * rows ? p.bias[(u32)t / 4] : 0;

			// The hidden state, times the norm's weights, and the sum of its squares, or what
			// attention or SwiGLU made. What the norm divides by, the results of products are
			// divided by. If each warp multiplies other columns, it waits for those only; else all
			// wait for all.
			int slice = p.items == p.parts && p.items <= kTokenWarps ? p.length * kTileGroups * (kGroup / 4) : 0;
			if (rows == 0) {
			} else if (ofQKV || m == kGateUpMatrix) {
				awaited<Tiles, true>(ofQKV ? a.before.w : a.between.w, a.width / 4, phase, p.format, (const float4v *)(ofQKV ? l.attnNorm : l.ffnNorm), slice);
			} else {
				bool attn = m == kOutputMatrix;
				awaited<Tiles, false>(attn ? a.attn.w : a.ffn.w, (attn ? a.heads * D : a.ffnWidth) / 4, phase, p.format, 0, slice);
			}
			if (slice) warpBarrier();
			else computing();
			if (anew(thread()) < p.items * kWarp) products<Tiles>(layer, m);
			if (after(m) >= kOutputMatrix) arriveAt<kAllThreads>(kUsed);
			computing();

			// Four lanes add up the parts of a row; a pair of gate and up are eight lanes'.
			rows = 2 * p.count;
			int first = 2 * p.first, fours = foursOf(p.parts);
			const float4v *parts = (const float4v *)(memory + p.sums);
			int now = anew(m); // there are no registers for what follows from it
			bool gated = now == kGateUpMatrix, norms = gated || now < kOutputMatrix;
			for (t = anew(thread()); (t & -kWarp) < 4 * rows; t += kTokenThreads) {
				int row = (u32)t / 4, i = (u32)t % 4;
				float4v four = 0;
				if (i < fours) four = parts[row * fours + i];
				float scale = norms ? normScale(squares(), a.width, a.inverseWidth, a.eps) : 1;
				float v = sumOfFour(four[0], four[1], four[2], four[3]);
				v += exchange(v, 1);
				v += exchange(v, 2);
				float up = exchange(v, 4);
				if (i > 0 || row >= rows) continue;
				if (gated) {
					if (row % 2 == 0) a.ffn.publish((u32)(first + row) / 2, gatedBy(v * scale, up * scale), phase);
				} else if (norms) {
					if (p.bias && t >= kTokenThreads) bias = p.bias[row];
					a.qkv.publish(first + row, multiplyAdd(v, scale, bias), phase);
				} else {
					float *mine = (float *)(memory + anew(a.own)) + row;
					v = *mine += v;
					if (now == kOutputMatrix) a.between.publish(first + row, v, phase);
					else if (layer < a.count - 1) a.before.publish(first + row, v, phase ^ 1);
					else a.hidden[first + row] = v;
				}
			}
			// Until all of it is handed on no warp waits for what is next: it would read in vain,
			// and be in the way.
			computing();
		}
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
