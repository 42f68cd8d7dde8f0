// All transformer blocks of one token in one launch: decode. Each multiprocessor has one
// block of threads; they hand on what they compute by words (exchange.h), and their weights
// come ahead (stationed.h).
#pragma once
#include "exchange.h"
#include "span.h"
#include "stationed.h"

struct TokenArgs {
	const TokenLayer *layers;
	float *hidden;                // [width], before and after
	Vector before, between;       // the hidden state before a block's attention, and behind it
	Vector qkv, attn, ffn;        // what their names say
	Words parts, softmax;         // of attention over spans: [heads][splits][headDim], [heads][splits][maximum, sum]
	const float *rope;            // [position][cosines, sines][headDim/2]
	CacheRow row;
	u32 layer;                    // the number of the first layer, counted from the first launch on, and from 1
	int rest;                     // 0 if all weights fit into blocks' memory
	int sums, own;                // where they begin in a block's memory, in bytes; before them is x, behind them weights
	int count, width, ffnWidth, heads, kvHeads, group, splits, span; // group: heads on a KV head
	float eps, scale;             // of norms, and of queries
};

// The attention that a block computes first. It stands in shared memory, as the arguments
// do, for functions that are not part of their callers.
struct Place {
	int head, kvHead, split;
};

DEVICE Place *thePlace() {
	SHARED(Place, one, 1);
	return one;
}
DEVICE TokenArgs *theArgs() {
	SHARED(TokenArgs, one, 1);
	return one;
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

// tokenAttention computes the heads over spans of positions, a block one head over one
// span; that of a head's first span merges what the others make. Blocks that see the
// token's own position store its key and value: those that share a KV head write the same.
template <class K, int D> FUNCTION void tokenAttention(int layer, float cosine, float sine) {
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
			if (part < 2) value = turned(value, at < D / 2 ? -both[1] : both[1], cosine, sine);
			if (part == 0) value *= a.scale;
			else value = (part == 1 ? keys : values).store(row.pos, at, value);
			own[thread()] = value;
		}
		computing();
		Span span = positions.template attend<true>(own, row.pos, outs, tops, sums);
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
DEVICE float *squares() {
	SHARED(float, all, kMostSquares);
	return all;
}

// awaited brings a vector, times a norm's weights if there are any, into the block's memory,
// and sums of squares of a normed one. All warps share it; but if slice is not 0, each brings
// so many quads for itself.
template <bool Tiles, bool Normed> FUNCTION void awaited(const u32 *vector, int quads, u32 phase, int format, const float4v *norm, int slice) {
	constexpr int together = Normed ? 2 : 6;
	Form<Tiles> form = formFor<Tiles>(format);
	int first = slice ? warp() * slice + lane() : thread(), end = slice ? minimum(quads, (warp() + 1) * slice) : quads;
	// A norm's weights may come from the GPU's memory.
	auto ahead = [&](int i) INLINED { return Normed ? norm[i] : float4v(1); };
	awaitAll<together>({(u32 *)vector}, first, end, slice ? kWarp : kTokenThreads, phase, ahead, [&](float4v weights, int i, bool there, float4v v) INLINED {
		if (Normed) {
			float square = warpSum(squareOf(v));
			if (lane() == 0) squares()[i / kWarp] = square;
		}
		store(slots(), i, there, v * weights, form);
	});
}

template <class K, int D, bool Tiles> DEVICE void tokenBlocks(const TokenArgs &a) {
	if (warp() == kTokenWarps) return bringAll(a.layers, a.count, a.width, a.rest);
	u8 *memory = (u8 *)blockMemory();
	float *sums = (float *)(memory + a.sums);
	float *own = (float *)(memory + a.own); // the block's rows of the hidden state, each a thread's
	if (thread() == 0) *thePlace() = {block() % a.heads, block() % a.heads / a.group, block() / a.heads}, *theArgs() = a;
	const float *rope = a.rope + (u64)a.row.pos * D + thread() % (D / 2);
	float cosine = rope[0], sine = rope[D / 2];
	float inverseWidth = 1.0f / a.width;
	makeForms<Tiles>();
	barrier();
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
		int next;
#pragma unroll 1
		for (int m = 0; m < kMatrices; m = next) {
			const Piece &p = l.pieces[m];
			int rows = 2 * p.count;
			bool ofQKV = m < kOutputMatrix, normed = ofQKV || m == kGateUpMatrix;
			next = ofQKV && m + 1 == l.qkv ? kOutputMatrix : m + 1;
			if (m == kOutputMatrix && block() < a.heads * a.splits) tokenAttention<K, D>(layer, cosine, sine);

			// The hidden state, times the norm's weights, and the sum of its squares, or what
			// attention or SwiGLU made. What the norm divides by, the results of products are
			// divided by. If each warp multiplies other columns, it waits for those only, once the
			// weights are there; else all wait for all of them before. (Two turns, as functions
			// have one call site each.)
			int slice = p.items == p.parts && p.items <= kTokenWarps ? p.length * kTileGroups * (kGroup / 4) : 0;
			float bias = p.bias && thread() < rows ? p.bias[thread()] : 0;
#pragma unroll 1
			for (int shared = 1; shared >= 0; shared--) {
				if (rows == 0 || (slice == 0) != shared) {
				} else if (normed) {
					awaited<Tiles, true>(ofQKV ? a.before.w : a.between.w, a.width / 4, phase, p.format,
						(const float4v *)(ofQKV ? l.attnNorm : l.ffnNorm), slice);
				} else {
					bool attn = m == kOutputMatrix;
					awaited<Tiles, false>(attn ? a.attn.w : a.ffn.w, (attn ? a.heads * D : a.ffnWidth) / 4, phase, p.format, 0, slice);
				}
				if (!shared) continue;
				// The weights of all of Q, K and V are there at the same time, and used.
				if (m == 0 || !ofQKV) barrierOf<kAllThreads>(kThere);
				else computing();
			}
			warpBarrier();
			if (warp() < p.items) products<Tiles>(layer, m, a.sums);
			if (!ofQKV || next == kOutputMatrix) arriveAt<kAllThreads>(kUsed);
			computing();

			int results = m == kGateUpMatrix ? p.count : rows;
			for (int t = thread(); t < results; t += kTokenThreads) {
				if (m == kGateUpMatrix) {
					float scale = normScale(squares(), a.width, inverseWidth, a.eps);
					float gate = product(sums, p.parts, t, 0) * scale, up = product(sums, p.parts, t, 1) * scale;
					a.ffn.publish(p.first + t, gatedBy(gate, up), phase);
					continue;
				}
				float v = product(sums, p.parts, t / 2, t % 2);
				int row = 2 * p.first + t;
				if (ofQKV) {
					if (p.bias && t >= kTokenThreads) bias = p.bias[t];
					a.qkv.publish(row, multiplyAdd(v, normScale(squares(), a.width, inverseWidth, a.eps), bias), phase);
					continue;
				}
				v = own[t] += v;
				if (m == kOutputMatrix) a.between.publish(row, v, phase);
				else if (layer < a.count - 1) a.before.publish(row, v, phase ^ 1);
				else a.hidden[row] = v;
			}
		}
	}
}

// token with units for products of matrices, plainToken without.
#define TOKEN_KERNEL(D, type) TOKEN_KERNEL_(D, type)
#define TOKEN_KERNEL_(D, type) \
	KERNEL(token##D##_##type, TokenArgs, kAllThreads) { tokenBlocks<CacheOf_##type, D, true>(a); }
#define PLAIN_TOKEN_KERNEL(D, type) PLAIN_TOKEN_KERNEL_(D, type)
#define PLAIN_TOKEN_KERNEL_(D, type) \
	KERNEL(plainToken##D##_##type, TokenArgs, kAllThreads) { tokenBlocks<CacheOf_##type, D, false>(a); }
