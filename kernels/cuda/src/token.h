// All transformer blocks of one token in one launch: decode. The blocks of the grid, one
// on each multiprocessor, wait for each other between the steps of a transformer block,
// which takes less time than launches do, and meanwhile fetch weights of later steps. The
// arithmetic is that of matvec, in float32.
#pragma once
#include "matmul.h"
#include "reduce.h"

// The formats by number, in the order of FORMATS.
enum {
#define FORMAT_NUMBER(F) kFormat_##F,
	FORMATS(FORMAT_NUMBER) kFormats
};

// A matrix, or several in one piece, with what fetching it ahead needs to know.
struct Weights {
	Matrix w;
	const float *bias; // [w.rows], may be null
	int format;
	int codes, high, scales, supers; // bytes of a row in each plane
	int sharing;                     // 2^sharing warps of a block share the columns of two rows
};

struct TokenLayer {
	const float *attnNorm, *ffnNorm; // [width]
	Weights qkv[3], o, gateUp, down;
	int pieces; // of qkv
};

struct TokenArgs {
	const TokenLayer *layers;
	float *hidden, *qkv, *attn, *ffn;
	float *parts, *tops, *sums; // of attention, as attend writes them
	const float *rope;          // [position][cosines, sines][headDim/2]
	const CacheRow *row;
	u32 *arrived; // blocks at barriers, over all launches
	u32 before;   // what it is when this launch begins
	int count, width, ffnWidth, heads, group, splits, span; // group: heads on a KV head
	float eps, scale; // of norms, and of queries
};

constexpr int kTokenThreads = 512;
constexpr int kTokenWarps = kTokenThreads / kWarp;

// The part [chunk, end) of the products of two rows of weights with x, which is in the
// block's memory: in even lanes of the first, in odd lanes of the second.
template <class F> FUNCTION float dots(const Matrix *m, int row0, int row1, int chunk, int end) {
	constexpr int quads = kGroup / 4;
	u32 groups = m->cols / kGroup;
	Row rows[2] = {rowOf<F>(*m, row0), rowOf<F>(*m, row1)};
	const float4v *x = (const float4v *)blockMemory() + chunk * quads * kPitch + lane();
	float sums[1][2] = {};
	for (; chunk < end; chunk++, x += quads * kPitch) {
		u32 first = chunk * kChunk, mine = groups - first <= (u32)lane() ? groups - first - 1 : lane();
		Group<F> w[2] = {groupOf<F>(rows[0], groups, first, mine), groupOf<F>(rows[1], groups, first, mine)};
		Scale scales[2] = {scaleOf<F>(rows[0], first + mine), scaleOf<F>(rows[1], first + mine)};
		addChunk<F>(w, scales, x, sums);
	}
	return sumOfRows(sums[0]) * (kSubnormal<F> ? kProducts : 1);
}

FUNCTION float dotsOf(const Weights *w, int row0, int row1, int chunk, int end) {
	switch (w->format) {
#define DOTS_OF(F) case kFormat_##F: return dots<F>(&w->w, row0, row1, chunk, end);
		FORMATS(DOTS_OF)
	}
	return 0;
}

// The factors that x is multiplied with before it meets codes: for each format, of the
// eight quads of a group.
DEVICE float4v *factors() {
	SHARED(float4v, all, kFormats * kGroup / 4);
	return all;
}

// makeFactors fills them.
DEVICE void makeFactors() {
	constexpr int quads = kGroup / 4;
	int format = thread() / quads, quad = thread() % quads;
	if (format >= kFormats) return;
	float4v v = 1;
	switch (format) {
#define FACTOR_OF(F) \
	case kFormat_##F: \
		if constexpr (kSubnormal<F>) v = ((const float4v *)kFactors<F>.of)[quad]; \
		break;
		FORMATS(FACTOR_OF)
	}
	factors()[thread()] = v;
}

DEVICE float4v factorOf(int format) {
	constexpr int quads = kGroup / 4;
	return factors()[format * quads + thread() % quads];
}

DEVICE int chunksOf(int cols) { return (cols / kGroup + kChunk - 1) / kChunk; }

// storeX brings values 4*i to 4*i+3 of x into the block's memory.
DEVICE void storeX(int i, float4v v) {
	constexpr int quads = kGroup / 4;
	int g = i / quads;
	((float4v *)blockMemory())[(g / kChunk * quads + i % quads) * kPitch + g % kChunk] = v;
}

// prepare brings x into the block's memory, for weights of a format. value(i) returns
// values 4*i to 4*i+3.
template <class V> DEVICE void prepare(int format, int cols, V value) {
	constexpr int quads = kGroup / 4;
	float4v factor = factorOf(format);
	for (int i = thread(); i < chunksOf(cols) * kChunk * quads; i += kTokenThreads) {
		float4v v = 0; // past the end
		if (i < cols / 4) v = value(i) * factor;
		storeX(i, v);
	}
	barrier();
}

// The products of pairs of rows are dealt out to warps, pair by pair over all blocks. If
// there are fewer than warps, several warps of a block share one, each with a part of the
// columns. rowsOfPair(pair, rows) says which rows a pair has. What before(row) returns is
// read while the product is computed, and goes to write(pair, sum, it), which even lanes
// call with the sum of the first row and odd lanes with that of the second.
template <class Rows, class Before, class Write>
DEVICE void products(const Weights &w, int pairs, Rows rowsOfPair, Before before, Write write) {
	SHARED(float, shares, 2 * kTokenWarps);
	int chunks = chunksOf(w.w.cols), sharing = w.sharing, part = warp() & ((1 << sharing) - 1), team = warp() >> sharing;
	int chunk = chunks * part >> sharing, end = chunks * (part + 1) >> sharing;
	int step = (kTokenWarps >> sharing) * blocks();
	for (int base = 0; base < pairs; base += step) {
		int pair = base + team * blocks() + block();
		float sum = 0, more = 0;
		if (pair < pairs) {
			int rows[2];
			rowsOfPair(pair, rows);
			if (part == 0 && lane() < 2) more = before(lane() == 0 ? rows[0] : rows[1]);
			sum = dotsOf(&w, rows[0], rows[1], chunk, end);
		}
		if (sharing > 0) {
			if (lane() < 2) shares[2 * warp() + lane()] = sum;
			barrier();
			if (part == 0 && lane() < 2)
				for (int p = 1; p < 1 << sharing; p++) sum += shares[2 * (warp() + p) + lane()];
			if (base + step < pairs) barrier();
		}
		if (pair < pairs && part == 0) write(pair, sum, more);
	}
}

// ahead has the cache fetch the rows of pairs that products gives to this warp.
template <class Rows> DEVICE void ahead(const Weights &w, int pairs, Rows rowsOfPair) {
	constexpr int line = 128;
	int all = blocks() * kTokenWarps;
	for (int pair = warp() * blocks() + block(); pair < pairs; pair += all) {
		int rows[2];
		rowsOfPair(pair, rows);
		for (int k = 0; k < 2; k++) {
			u64 r = rows[k];
			for (int i = lane() * line; i < w.codes; i += kWarp * line) fetchAhead(w.w.codes + r * w.codes + i);
			if (k == 0 && w.bias && lane() == 0) fetchAhead(w.bias + r);
			if (lane() * line < w.high) fetchAhead(w.w.high + r * w.high + lane() * line);
			if (lane() * line < w.scales) fetchAhead(w.w.scales + r * w.scales + lane() * line);
			if (lane() * line < w.supers) fetchAhead(w.w.supers + r * w.supers + lane() * line);
		}
	}
}

// The barrier of the grid. Between arrive and wait a block may do what does not depend on
// others.
struct Grid {
	u32 *arrived, target;

	DEVICE_METHOD void arrive() {
		barrier();
		target += blocks();
		if (thread() == 0) release(arrived, 1);
	}
	DEVICE_METHOD void wait() {
		if (thread() == 0)
			while ((int)(acquire(arrived) - target) < 0) relax();
		barrier();
	}
};

// What a thread holds of a vector as wide as the hidden state, at most kHeld times four
// values.
constexpr int kHeld = 4;
struct Held {
	float4v v[kHeld];

	// each calls f(j, i) for the values that a thread holds, i being their place in the
	// vector in fours. Code that is not wanted is not even fetched.
	template <class F> static DEVICE_METHOD void each(int width, F f) {
		f(0, thread());
		if (width <= 4 * kTokenThreads) return;
#pragma unroll
		for (int j = 1; j < kHeld; j++) f(j, thread() + j * kTokenThreads);
	}

	DEVICE_METHOD void load(const float *x, int width) {
		each(width, [&](int j, int i) {
			v[j] = 0;
			if (i < width / 4) v[j] = ((const float4v *)x)[i];
		});
	}
};

// normed makes of a norm's weights the normed hidden state.
DEVICE void normed(const TokenArgs &a, Held &weight) {
	Held x;
	x.load(a.hidden, a.width);
	float sum = 0;
	Held::each(a.width, [&](int j, int) {
		for (int k = 0; k < 4; k++) sum += x.v[j][k] * x.v[j][k];
	});
	float scale = rsqrt(blockSum(sum) / a.width + a.eps);
	Held::each(a.width, [&](int j, int) { weight.v[j] *= x.v[j] * scale; });
}

// prepareHeld is prepare for what the threads hold.
DEVICE void prepareHeld(int format, int width, const Held &x) {
	constexpr int quads = kGroup / 4;
	float4v factor = factorOf(format);
	Held::each(width, [&](int j, int i) {
		if (i < chunksOf(width) * kChunk * quads) storeX(i, x.v[j] * factor);
	});
	barrier();
}

// The sequence and the place in it that the token has, and what turns value thread() of
// its queries and keys.
struct Place {
	CacheRow row;
	float cosine, sine;
	int head, split; // of attention that the block computes first

	template <int D> DEVICE_METHOD float value(const float *head) const { return turned(head, cosine, sine, thread(), D / 2); }
};

// tokenAttention computes the heads over spans of positions, a block one head over one
// span. Blocks that see the token's own position store its key and value first: those
// that share a KV head write the same. As many lanes as have 8 values each take a
// position, with a softmax of their own; all are merged in the end.
template <class K, int D> DEVICE void tokenAttention(const TokenArgs &a, const Place &place, int layer) {
	constexpr int lanes = D / 8, atOnce = kTokenThreads / lanes; // positions
	SHARED(float, q, D);
	SHARED(float, outs, kTokenWarps * D);
	SHARED(float, tops, kTokenWarps);
	SHARED(float, sums, kTokenWarps);
	const CacheRow &row = place.row;
	int head = place.head, split = place.split;
	for (int item = block(); item < a.heads * a.splits; item += blocks()) {
		if (item != block()) head = item % a.heads, split = item / a.heads;
		int kvHead = head / a.group, begin = split * a.span, end = minimum(row.pos + 1, begin + a.span);
		Cache<K> keys(row, layer, 0, kvHead, a.heads / a.group, D), values(row, layer, 1, kvHead, a.heads / a.group, D);
		if (item != block()) barrier(); // the head before has been used
		if (thread() < D) q[thread()] = place.value<D>(a.qkv + head * D) * a.scale;
		if (end == row.pos + 1 && thread() < 2 * D) {
			int part = thread() / D, i = thread() % D;
			const float *x = a.qkv + (a.heads + part * (a.heads / a.group) + kvHead) * D;
			if (part == 0) keys.store(row.pos, i, place.value<D>(x));
			else values.store(row.pos, i, x[i]);
		}
		barrier();
		int first = begin + thread() / lanes, i = thread() % lanes * 8;
		float top = -kInfinity, sum = 0, acc[8] = {}, mine[8];
#pragma unroll
		for (int j = 0; j < 8; j++) mine[j] = q[i + j];
		constexpr int some = 2; // positions that a lane reads before it looks at one
		for (; first - thread() / lanes < end; first += some * atOnce) {
			float k[some][8], v[some][8], s[some] = {};
#pragma unroll
			for (int n = 0; n < some; n++) {
				int p = minimum(first + n * atOnce, end - 1);
				keys.octet(p, i, k[n]);
				values.octet(p, i, v[n]);
			}
#pragma unroll
			for (int n = 0; n < some; n++) {
#pragma unroll
				for (int j = 0; j < 8; j++) s[n] += k[n][j] * mine[j];
#pragma unroll
				for (int m = 1; m < lanes; m *= 2) s[n] += exchange(s[n], m);
				if (first + n * atOnce >= end) s[n] = -kInfinity;
				float next = maximum(top, s[n]), origin = next == -kInfinity ? 0 : next;
				float e = exponential(s[n] - origin), factor = exponential(top - origin);
				sum = sum * factor + e;
				top = next;
#pragma unroll
				for (int j = 0; j < 8; j++) acc[j] = acc[j] * factor + e * v[n][j];
			}
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
		barrier();
		if (thread() >= D) continue;
		float most = -kInfinity, all = 0, out = 0;
		for (int w = 0; w < kTokenWarps; w++) most = maximum(most, tops[w]);
		for (int w = 0; w < kTokenWarps; w++) {
			float factor = exponential(tops[w] - most);
			all += sums[w] * factor;
			out += outs[w * D + thread()] * factor;
		}
		if (a.splits == 1) {
			a.attn[head * D + thread()] = out / all;
			continue;
		}
		u64 at = (u64)head * a.splits + split;
		a.parts[at * D + thread()] = out;
		if (thread() == 0) a.tops[at] = most, a.sums[at] = all;
	}
}

// attended returns values 4*i to 4*i+3 of the result of attention.
template <int D> DEVICE float4v attended(const TokenArgs &a, int i) {
	if (a.splits == 1) return ((const float4v *)a.attn)[i];
	int head = i * 4 / D;
	const float *tops = a.tops + head * a.splits, *sums = a.sums + head * a.splits;
	float top = -kInfinity, sum = 0;
	float4v out = 0;
	for (int s = 0; s < a.splits; s++) top = maximum(top, tops[s]);
	for (int s = 0; s < a.splits; s++) {
		float factor = exponential(tops[s] - top);
		sum += sums[s] * factor;
		out += ((const float4v *)a.parts)[(head * a.splits + s) * (D / 4) + i % (D / 4)] * factor;
	}
	return out / sum;
}

// attentionAhead has the cache fetch the keys and values that tokenAttention gives to this
// block first.
template <class K, int D> DEVICE void attentionAhead(const TokenArgs &a, const Place &place, int layer) {
	if (place.split >= a.splits) return;
	int p = place.split * a.span + thread(), end = minimum(place.row.pos, (place.split + 1) * a.span);
	for (; p < end; p += kTokenThreads)
		for (int part = 0; part < 2; part++) {
			Cache<K> cache(place.row, layer, part, place.head / a.group, a.heads / a.group, D);
			for (int i = 0; i < D * K::kBytes; i += 128) fetchAhead(cache.data + (u64)p * D * K::kBytes + i);
		}
}

template <class K, int D> DEVICE void tokenBlocks(const TokenArgs &a) {
	// Those of this layer and the next.
	SHARED(TokenLayer, layers, 2);
	auto copyLayer = [&](int i) {
		if (i < a.count && thread() < (int)sizeof(TokenLayer) / 4) ((u32 *)&layers[i % 2])[thread()] = ((const u32 *)&a.layers[i])[thread()];
	};
	Grid grid = {a.arrived, a.before};
	Place place = {*a.row, 0, 0, block() % a.heads, block() / a.heads};
	if (thread() < D) {
		const float *rope = a.rope + (u64)place.row.pos * D + thread() % (D / 2);
		place.cosine = rope[0], place.sine = rope[D / 2];
	}
	auto neighbours = [](int pair, int (&rows)[2]) { rows[0] = 2 * pair, rows[1] = 2 * pair + 1; };
	auto gateAndUp = [&](int pair, int (&rows)[2]) { rows[0] = pair, rows[1] = a.ffnWidth + pair; };
	auto hiddenOf = [&](int row) { return a.hidden[row]; };
	auto addToHidden = [&](int pair, float sum, float before) {
		if (lane() < 2) a.hidden[2 * pair + lane()] = before + sum;
	};
	makeFactors();
	copyLayer(0);
	barrier();
	Held x;
	x.load(layers[0].attnNorm, a.width);
	for (int layer = 0; layer < a.count; layer++) {
		const TokenLayer &l = layers[layer % 2];
		normed(a, x);
		int at = 0; // of a piece's results
		for (int piece = 0; piece < l.pieces; piece++) {
			const Weights &w = l.qkv[piece];
			if (piece > 0) barrier(); // x has been used
			prepareHeld(w.format, a.width, x);
			products(
				w, w.w.rows / 2, neighbours, [&](int row) { return w.bias ? w.bias[row] : 0; },
				[&](int pair, float sum, float bias) {
					if (lane() < 2) a.qkv[at + 2 * pair + lane()] = sum + bias;
				});
			at += w.w.rows;
		}
		grid.arrive();
		attentionAhead<K, D>(a, place, layer);
		ahead(l.o, a.width / 2, neighbours);
		copyLayer(layer + 1);
		grid.wait();

		tokenAttention<K, D>(a, place, layer);
		grid.arrive();
		ahead(l.gateUp, a.ffnWidth, gateAndUp);
		grid.wait();

		prepare(l.o.format, a.heads * D, [&](int i) { return attended<D>(a, i); });
		products(l.o, a.width / 2, neighbours, hiddenOf, addToHidden);
		grid.arrive();
		x.load(l.ffnNorm, a.width);
		ahead(l.down, a.width / 2, neighbours);
		grid.wait();

		normed(a, x);
		prepareHeld(l.gateUp.format, a.width, x);
		products(
			l.gateUp, a.ffnWidth, gateAndUp, [](int) { return 0; },
			[&](int pair, float sum, float) {
				float up = exchange(sum, 1);
				if (lane() == 0) a.ffn[pair] = sum / (1 + exponential(-sum)) * up;
			});
		grid.arrive();
		bool more = layer + 1 < a.count;
		const TokenLayer &next = layers[(layer + 1) % 2];
		if (more) {
			x.load(next.attnNorm, a.width);
			for (int piece = 0; piece < next.pieces; piece++) ahead(next.qkv[piece], next.qkv[piece].w.rows / 2, neighbours);
		}
		grid.wait();

		prepare(l.down.format, a.ffnWidth, [&](int i) { return ((const float4v *)a.ffn)[i]; });
		products(l.down, a.width / 2, neighbours, hiddenOf, addToHidden);
		if (!more) break;
		grid.arrive();
		grid.wait();
	}
}

#define TOKEN_KERNEL(D, type) TOKEN_KERNEL_(D, type)
#define TOKEN_KERNEL_(D, type) \
	KERNEL(token##D##_##type, TokenArgs, kTokenThreads) { tokenBlocks<CacheOf_##type, D>(a); }
