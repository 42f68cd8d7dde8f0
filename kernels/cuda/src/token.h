// All transformer blocks of one token in one launch: decode. Each multiprocessor has one
// block of threads; they hand on what they compute by words (exchange.h), and their weights
// come ahead (stationed.h).
#pragma once
#include "exchange.h"
#include "reduce.h"
#include "stationed.h"

struct TokenArgs {
	const TokenLayer *layers;
	float *hidden;                // [width], before and after
	Words vector, qkv, attn, ffn; // the hidden state, and what their names say
	Words parts, softmax;         // of attention over spans: [heads][splits][headDim], [heads][splits][maximum, sum]
	const float *rope;            // [position][cosines, sines][headDim/2]
	const CacheRow *row;
	u32 before;                   // the number of the last step there was
	int rest;                     // 0 if all weights fit into blocks' memory
	int sums, own;                // where they begin in a block's memory, in bytes; before them is x, behind them weights
	int count, width, ffnWidth, heads, group, splits, span; // group: heads on a KV head
	float eps, scale;             // of norms, and of queries
};

// What the steps of a transformer block hand on, and how many there are.
enum Step { kQKVStep, kAttentionStep, kOutputStep, kGateUpStep, kDownStep, kSteps };

// The sequence and the place in it that the token has, and what turns value
// thread() % headDim of its queries and keys.
struct Place {
	CacheRow row;
	int head, split; // of attention that the block computes first
};

DEVICE Place *thePlace() {
	SHARED(Place, one, 1);
	return one;
}
DEVICE TokenArgs *theArgs() {
	SHARED(TokenArgs, one, 1);
	return one;
}

// What a span of positions makes of a value of a head: the largest score, the sum of the
// exponentials, from that on, and the sum of values weighted with those.
struct Span {
	float top, sum, out;
};

// merged returns value thread() of a head whose first span is mine and whose others are
// published, from part number first on.
template <int D> DEVICE float merged(Words parts, Words softmax, int first, int splits, Span mine, u32 step) {
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
			float2v other = softmax.await(first + s + j, scale[j], step);
			float value = valueOf(parts.await(((first + s + j) * D + thread()) / 2, out[j], step), thread());
			float top = maximum(mine.top, other[0]), before = exponential(mine.top - top), factor = exponential(other[0] - top);
			mine = {top, mine.sum * before + other[1] * factor, mine.out * before + value * factor};
		}
	}
	return divide(mine.out, mine.sum);
}

// tokenAttention computes the heads over spans of positions, a block one head over one
// span; that of a head's first span merges what the others make. Blocks that see the
// token's own position store its key and value: those that share a KV head write the same.
// As many lanes as have 8 values each take a position, with a softmax of their own; all are
// merged in the end.
template <class K, int D> FUNCTION void tokenAttention(int layer, u32 step, float cosine, float sine) {
	const TokenArgs &a = *theArgs();
	const Place &place = *thePlace();
	constexpr int lanes = D / 8, atOnce = kTokenThreads / lanes; // positions
	SHARED(float, own, 3 * D); // query, key and value of the token
	SHARED(float, outs, kTokenWarps * D);
	SHARED(float, tops, kTokenWarps);
	SHARED(float, sums, kTokenWarps);
	const CacheRow &row = place.row;
	int head = place.head, split = place.split, kvHeads = a.heads / a.group;
	for (int item = block(); item < a.heads * a.splits; item += blocks()) {
		if (item != block()) head = item % a.heads, split = item / a.heads;
		int kvHead = head / a.group, begin = split * a.span, end = minimum(row.pos + 1, begin + a.span);
		Cache<K> keys(row, layer, 0, kvHead, kvHeads, D), values(row, layer, 1, kvHead, kvHeads, D);
		constexpr int some = 2; // positions that a lane reads before it looks at one
		int first = begin + thread() / lanes, i = thread() % lanes * 8;
		float k[some][8], v[some][8];
		auto load = [&]() INLINED {
#pragma unroll
			for (int n = 0; n < some; n++) {
				int p = minimum(first + n * atOnce, end - 1);
				keys.octet(p, i, k[n]);
				values.octet(p, i, v[n]);
			}
		};
		load(); // of the token's own position, for nothing
		if (item != block()) computing(); // the head before has been used
		int part = thread() / D, at = thread() % D, other = at ^ D / 2;
		if (part == 0 || (part < 3 && end == row.pos + 1)) {
			int x = (part == 0 ? head : a.heads + (part - 1) * kvHeads + kvHead) * D;
			uint4v seen = a.qkv.read((x + at) / 2), seenOther = a.qkv.read((x + other) / 2);
			float mine = valueOf(a.qkv.await((x + at) / 2, seen, step + kQKVStep), at);
			float turns = valueOf(a.qkv.await((x + other) / 2, seenOther, step + kQKVStep), other);
			if (part < 2) mine = mine * cosine + (at < D / 2 ? -turns : turns) * sine;
			if (part == 0) mine *= a.scale;
			else mine = (part == 1 ? keys : values).store(row.pos, at, mine);
			own[thread()] = mine;
		}
		computing();
		float top = -kInfinity, sum = 0, acc[8] = {}, mine[8];
#pragma unroll
		for (int j = 0; j < 8; j++) mine[j] = own[i + j];
		for (;;) {
			float scores[some], next = top;
#pragma unroll
			for (int n = 0; n < some; n++) {
				int p = first + n * atOnce;
				if (minimum(p, end - 1) == row.pos)
#pragma unroll
					for (int j = 0; j < 8; j++) k[n][j] = own[D + i + j], v[n][j] = own[2 * D + i + j];
				float s = 0;
#pragma unroll
				for (int j = 0; j < 8; j++) s += k[n][j] * mine[j];
				scores[n] = s;
			}
#pragma unroll
			for (int n = 0; n < some; n++) {
#pragma unroll
				for (int m = 1; m < lanes; m *= 2) scores[n] += exchange(scores[n], m);
				if (first + n * atOnce >= end) scores[n] = -kInfinity;
				next = maximum(next, scores[n]);
			}
			float origin = next == -kInfinity ? 0 : next, factor = exponential(top - origin);
			top = next;
			sum *= factor;
#pragma unroll
			for (int j = 0; j < 8; j++) acc[j] *= factor;
#pragma unroll
			for (int n = 0; n < some; n++) {
				float e = exponential(scores[n] - origin);
				sum += e;
#pragma unroll
				for (int j = 0; j < 8; j++) acc[j] += e * v[n][j];
			}
			first += some * atOnce;
			if (first - thread() / lanes >= end) break;
			load();
		}
#pragma unroll
		for (int m = lanes; m < kWarp; m *= 2) {
			float other = exchange(top, m), next = maximum(top, other), origin = next == -kInfinity ? 0 : next;
			float factor = exponential(top - origin);
			top = next;
			sum *= factor;
			sum += exchange(sum, m);
#pragma unroll
			for (int j = 0; j < 8; j++) acc[j] *= factor, acc[j] += exchange(acc[j], m);
		}
		if (lane() < lanes)
#pragma unroll
			for (int j = 0; j < 8; j++) outs[warp() * D + i + j] = acc[j];
		if (lane() == 0) tops[warp()] = top, sums[warp()] = sum;
		computing();
		if (thread() >= D) continue;
		float most = tops[0], all = 0, out = 0;
#pragma unroll
		for (int w = 1; w < kTokenWarps; w++) most = maximum(most, tops[w]);
#pragma unroll
		for (int w = 0; w < kTokenWarps; w++) {
			float factor = exponential(tops[w] - most); // 0 of a warp that had no positions
			all += sums[w] * factor;
			out += outs[w * D + thread()] * factor;
		}
		int to = head * a.splits + split;
		if (split > 0) {
			a.parts.publish(to * D + thread(), out, step + kAttentionStep);
			if (thread() < 2) a.softmax.publish(2 * to + thread(), thread() == 0 ? most : all, step + kAttentionStep);
			continue;
		}
		out = merged<D>(a.parts, a.softmax, to, a.splits, {most, all, out}, step + kAttentionStep);
		a.attn.publish(head * D + thread(), out, step + kAttentionStep);
	}
}

// awaited brings a vector, times a factor and, if there is one, a norm's weights, into the
// block's memory. It returns the sum of the squares of what a thread has brought.
template <bool Tiles> FUNCTION float awaited(const u64 *words, int pairs, u32 step, int format, const float2v *norm) {
	Words from = {(u64 *)words};
	Form form = formFor(format);
	float square = 0;
	float2v first = form.factor;
	if (norm && thread() < pairs) first *= norm[thread()];
	awaitAll<kTokenThreads>(from, pairs, step, [&](int i, bool there, float2v v) {
		square += v[0] * v[0] + v[1] * v[1];
		if (norm && there && i != thread()) first = norm[i] * form.factor;
		store<Tiles>(slots(), i, there, v * first, form.places);
	});
	return square;
}

template <class K, int D, bool Tiles> DEVICE void tokenBlocks(const TokenArgs &a) {
	SHARED(float, squares, kTokenWarps);
	if (warp() == kTokenWarps) return bringAll(a.layers, a.count, a.rest);
	u8 *memory = (u8 *)blockMemory();
	float *sums = (float *)(memory + a.sums);
	float *own = (float *)(memory + a.own); // the block's rows of the hidden state, each a thread's
	if (thread() == 0) *thePlace() = {*a.row, block() % a.heads, block() / a.heads}, *theArgs() = a;
	const float *rope = a.rope + (u64)a.row->pos * D + thread() % (D / 2);
	float cosine = rope[0], sine = rope[D / 2];
	float inverseWidth = 1.0f / a.width;
	makeForms<Tiles>();
	barrier();
	int firstRow = 2 * layers()[0].pieces[3].first, rows = 2 * layers()[0].pieces[3].count;
	for (int t = thread(); t < rows; t += kTokenThreads) own[t] = a.hidden[firstRow + t];

	// normed brings the hidden state of a step, times the norm's weights, into the block's
	// memory, and the sum of its squares to squares. What the norm divides by, the
	// results of products are divided by.
	auto normed = [&](const float *norm, int format, u32 step) INLINED {
		Form form = formFor(format);
		float square = 0;
		if (step != a.before) square = awaited<Tiles>(a.vector.w, a.width / 2, step, format, (const float2v *)norm);
		else
			for (int i = thread(); (i & -kWarp) < a.width / 2; i += kTokenThreads) {
				bool there = i < a.width / 2;
				float2v v = 0, x = 0;
				if (there) v = ((const float2v *)a.hidden)[i], x = v * form.factor * ((const float2v *)norm)[i];
				square += v[0] * v[0] + v[1] * v[1];
				store<Tiles>(slots(), i, there, x, form.places);
			}
		square = warpSum(square);
		if (lane() == 0) squares[warp()] = square;
	};
	auto normScale = [&]() INLINED {
		float sum = 0;
#pragma unroll
		for (int w = 0; w < kTokenWarps; w++) sum += squares[w];
		return rsqrt(sum * inverseWidth + a.eps);
	};
	// multiply computes products with x, once all threads have brought their part.
	auto multiply = [&](int layer, int matrix) INLINED {
		const Piece &p = layers()[layer % 2].pieces[matrix];
		barrierOf<kAllThreads>(kThere);
		if (warp() < p.items) products<Tiles>(layer, matrix, a.sums);
		arriveAt<kAllThreads>(kUsed);
		computing();
	};
	auto addToHidden = [&](int parts, u32 step, bool last) INLINED {
		for (int t = thread(); t < rows; t += kTokenThreads) {
			float v = own[t] += product(sums, parts, t / 2, t % 2);
			if (last) a.hidden[firstRow + t] = v;
			else a.vector.publish(firstRow + t, v, step);
		}
	};

	u32 step = a.before + 1; // of the layer's first one
#pragma unroll 1
	for (int layer = 0; layer < a.count; layer++, step += kSteps) {
		const Layer &l = layers()[layer % 2];
		int pieces = l.qkv;
#pragma unroll 1
		for (int i = 0; i < pieces; i++) {
			const Piece &p = l.pieces[i];
			int n = 2 * p.count;
			if (n > 0) normed(l.attnNorm, p.format, step - 1);
			float bias = p.bias && thread() < n ? p.bias[thread()] : 0;
			if (i == 0) barrierOf<kAllThreads>(kThere);
			else computing();
			if (warp() < p.items) products<Tiles>(layer, i, a.sums);
			if (i == pieces - 1) arriveAt<kAllThreads>(kUsed);
			computing();
			for (int t = thread(); t < n; t += kTokenThreads) {
				if (p.bias && t >= kTokenThreads) bias = p.bias[t];
				a.qkv.publish(2 * p.first + t, product(sums, p.parts, t / 2, t % 2) * normScale() + bias, step + kQKVStep);
			}
		}

		if (block() < a.heads * a.splits) tokenAttention<K, D>(layer, step, cosine, sine);

		if (rows > 0) awaited<Tiles>(a.attn.w, a.heads * D / 2, step + kAttentionStep, l.pieces[3].format, 0);
		multiply(layer, 3);
		addToHidden(l.pieces[3].parts, step + kOutputStep, false);

		const Piece &gateUp = l.pieces[4];
		if (gateUp.count > 0) normed(l.ffnNorm, gateUp.format, step + kOutputStep);
		multiply(layer, 4);
		for (int t = thread(); t < gateUp.count; t += kTokenThreads) {
			float scale = normScale();
			float gate = product(sums, gateUp.parts, t, 0) * scale, up = product(sums, gateUp.parts, t, 1) * scale;
			a.ffn.publish(gateUp.first + t, divide(gate, 1 + exponential(-gate)) * up, step + kGateUpStep);
		}

		if (rows > 0) awaited<Tiles>(a.ffn.w, a.ffnWidth / 2, step + kGateUpStep, l.pieces[5].format, 0);
		multiply(layer, 5);
		addToHidden(l.pieces[5].parts, step + kDownStep, layer == a.count - 1);
	}
}

// token with units for products of matrices, plainToken without.
#define TOKEN_KERNEL(D, type) TOKEN_KERNEL_(D, type)
#define TOKEN_KERNEL_(D, type) \
	KERNEL(token##D##_##type, TokenArgs, kAllThreads) { tokenBlocks<CacheOf_##type, D, true>(a); }
#define PLAIN_TOKEN_KERNEL(D, type) PLAIN_TOKEN_KERNEL_(D, type)
#define PLAIN_TOKEN_KERNEL_(D, type) \
	KERNEL(plainToken##D##_##type, TokenArgs, kAllThreads) { tokenBlocks<CacheOf_##type, D, false>(a); }
