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
	FORMATS(FORMAT_NUMBER)
};

// A matrix, or several in one piece, with what fetching it ahead needs to know.
struct Weights {
	Matrix w;
	const float *bias;                         // [w.rows], may be null
	int format, codes, high, scales, supers; // bytes of a row in each plane
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
	int count, width, ffnWidth, heads, kvHeads, splits, span;
	float eps, scale; // of norms, and of queries
};

constexpr int kTokenThreads = 512;
constexpr int kTokenWarps = kTokenThreads / kWarp;
constexpr int kTokenPitch = kChunk + 1; // as in matvec

// The part [chunk, end) of the products of two rows of weights with x, which is in the
// block's memory: in even lanes of the first, in odd lanes of the second.
template <class F> FUNCTION float dots(const Matrix *m, int row0, int row1, int chunk, int end) {
	constexpr int quads = kGroup / 4;
	u32 groups = m->cols / kGroup;
	Row rows[2] = {rowOf<F>(*m, row0), rowOf<F>(*m, row1)};
	const float4v *x = (const float4v *)blockMemory() + chunk * quads * kTokenPitch + lane();
	float sums[1][2] = {};
	for (; chunk < end; chunk++, x += quads * kTokenPitch) {
		u32 first = chunk * kChunk, mine = groups - first <= (u32)lane() ? groups - first - 1 : lane();
		Group<F> w[2] = {groupOf<F>(rows[0], groups, first, mine), groupOf<F>(rows[1], groups, first, mine)};
		Scale scales[2] = {scaleOf<F>(rows[0], first + mine), scaleOf<F>(rows[1], first + mine)};
		addChunk<F>(w, scales, x, 0, kTokenPitch, sums);
	}
	return sumOfRows(sums[0]) * (kSubnormal<F> ? kProducts : 1);
}

DEVICE float dotsOf(const Weights &w, int row0, int row1, int chunk, int end) {
	switch (w.format) {
#define DOTS_OF(F) case kFormat_##F: return dots<F>(&w.w, row0, row1, chunk, end);
		FORMATS(DOTS_OF)
	}
	return 0;
}

// factorOf is what four values of x at that place of a group are multiplied with before
// they meet codes of a format.
DEVICE float4v factorOf(int format, int quad) {
	switch (format) {
#define FACTOR_OF(F) \
	case kFormat_##F: \
		if constexpr (kSubnormal<F>) return ((const float4v *)kFactors<F>.of)[quad]; \
		break;
		FORMATS(FACTOR_OF)
	}
	return 1;
}

DEVICE int chunksOf(int cols) { return (cols / kGroup + kChunk - 1) / kChunk; }

// prepare brings x into the block's memory, for weights of a format. value(i) returns
// values 4*i to 4*i+3.
template <class V> DEVICE void prepare(int format, int cols, V value) {
	constexpr int quads = kGroup / 4;
	float4v factor = factorOf(format, thread() % quads), *x = (float4v *)blockMemory();
	for (int i = thread(); i < chunksOf(cols) * kChunk * quads; i += kTokenThreads) {
		int g = i / quads;
		float4v v = 0; // past the end
		if (i < cols / 4) v = value(i) * factor;
		x[(g / kChunk * quads + i % quads) * kTokenPitch + g % kChunk] = v;
	}
	barrier();
}

// The products of pairs of rows are dealt out to warps, pair by pair over all blocks. If
// there are fewer than warps, several warps of a block share one, each with a part of the
// columns. Pair i has rows first(i) and second(i); write(i, sum) is called by an even and
// an odd lane, with the sum of either.
template <class Second, class Write>
DEVICE void products(const Weights &w, int pairs, Second rowsOfPair, Write write) {
	SHARED(float2v, shares, kTokenWarps);
	int chunks = chunksOf(w.w.cols), share = 1;
	while (share * 2 <= minimum(chunks, kTokenWarps) && pairs * share * 2 <= blocks() * kTokenWarps) share *= 2;
	int teams = kTokenWarps / share, part = warp() % share, team = warp() / share;
	int chunk = chunks * part / share, end = chunks * (part + 1) / share;
	for (int base = 0; base < pairs; base += teams * blocks()) {
		int pair = base + team * blocks() + block();
		float sum = 0;
		if (pair < pairs) {
			int rows[2];
			rowsOfPair(pair, rows);
			sum = dotsOf(w, rows[0], rows[1], chunk, end);
		}
		if (share > 1) {
			if (lane() < 2) ((float *)&shares[warp()])[lane()] = sum;
			barrier();
			if (part == 0 && lane() < 2)
				for (int p = 1; p < share; p++) sum += ((float *)&shares[warp() + p])[lane()];
			barrier();
		}
		if (pair < pairs && part == 0) write(pair, sum);
	}
}

// ahead has the cache fetch the rows of pairs that products gives to this warp.
template <class Second> DEVICE void ahead(const Weights &w, int pairs, Second rowsOfPair) {
	constexpr int line = 128;
	int all = blocks() * kTokenWarps;
	for (int pair = warp() * blocks() + block(); pair < pairs; pair += all) {
		int rows[2];
		rowsOfPair(pair, rows);
		for (int k = 0; k < 2; k++) {
			u64 r = rows[k];
			for (int i = lane() * line; i < w.codes; i += kWarp * line) fetchAhead(w.w.codes + r * w.codes + i);
			if (w.high) fetchAhead(w.w.high + r * w.high + minimum(lane() * line, w.high - 1));
			if (lane() * line < w.scales) fetchAhead(w.w.scales + r * w.scales + lane() * line);
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
		if (thread() == 0) fetchAdd(arrived, 1);
	}
	DEVICE_METHOD void wait() {
		if (thread() == 0) {
			while ((int)(latest(arrived) - target) < 0) relax();
			fence();
		}
		barrier();
	}
};

// normed returns the scale of a norm of the hidden state.
DEVICE float normOf(const TokenArgs &a) {
	float sum = 0;
	for (int i = thread(); i < a.width; i += kTokenThreads) sum += a.hidden[i] * a.hidden[i];
	return rsqrt(blockSum(sum) / a.width + a.eps);
}

// tokenAttention computes the heads over spans of positions, a block one head over one
// span. Blocks that see the token's own position store its key and value first: those
// that share a KV head write the same.
template <class K, int D> DEVICE void tokenAttention(const TokenArgs &a, int layer) {
	constexpr int perLane = D / kWarp;
	SHARED(float, q, D);
	SHARED(float, outs, kTokenWarps * D);
	SHARED(float, tops, kTokenWarps);
	SHARED(float, sums, kTokenWarps);
	CacheRow row = *a.row;
	const float *rope = a.rope + (u64)row.pos * D;
	for (int item = block(); item < a.heads * a.splits; item += blocks()) {
		int head = item % a.heads, split = item / a.heads, kvHead = head / (a.heads / a.kvHeads);
		int begin = split * a.span, end = minimum(row.pos + 1, begin + a.span);
		Cache<K> keys(row, layer, 0, kvHead, a.kvHeads, D), values(row, layer, 1, kvHead, a.kvHeads, D);
		barrier(); // the head before has been used
		if (thread() < D) q[thread()] = rotated(a.qkv + head * D, rope, thread(), D / 2) * a.scale;
		if (begin <= row.pos && row.pos < end && warp() < 2 * perLane) {
			int part = warp() / perLane, i = warp() % perLane * kWarp + lane();
			const float *x = a.qkv + (a.heads + part * a.kvHeads + kvHead) * D;
			if (part == 0) keys.store(row.pos, i, rotated(x, rope, i, D / 2));
			else values.store(row.pos, i, x[i]);
		}
		barrier();
		float top = -kInfinity, sum = 0, acc[perLane] = {};
		for (int first = begin + warp() * kWarp; first < end; first += kTokenThreads) {
			int p = minimum(first + lane(), end - 1), n = minimum(kWarp, end - first);
			float s = 0;
#pragma unroll
			for (int i = 0; i < D; i += 8) {
				float k[8];
				keys.octet(p, i, k);
#pragma unroll
				for (int j = 0; j < 8; j++) s += k[j] * q[i + j];
			}
			if (lane() >= n) s = -kInfinity;
			float next = maximum(top, warpMax(s)), e = exponential(s - next), factor = exponential(top - next);
			sum = sum * factor + warpSum(e);
			top = next;
			for (int d = 0; d < perLane; d++) acc[d] *= factor;
			constexpr int some = 8; // positions at a time
			for (int j = 0; j < n; j += some)
#pragma unroll
				for (int k = 0; k < some; k++) {
					float w = broadcast(e, j + k); // 0 past the end
					int v = minimum(first + j + k, end - 1);
#pragma unroll
					for (int d = 0; d < perLane; d++) acc[d] += w * values.at(v, d * kWarp + lane());
				}
		}
		for (int d = 0; d < perLane; d++) outs[warp() * D + d * kWarp + lane()] = acc[d];
		if (lane() == 0) tops[warp()] = top, sums[warp()] = sum;
		barrier();
		if (thread() >= D) continue;
		float most = -kInfinity, all = 0, out = 0;
		for (int w = 0; w < kTokenWarps; w++) most = maximum(most, tops[w]);
		for (int w = 0; w < kTokenWarps; w++) {
			if (!(sums[w] > 0)) continue;
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

template <class K, int D> DEVICE void tokenBlocks(const TokenArgs &a) {
	Grid grid = {a.arrived, a.before};
	auto neighbours = [](int pair, int (&rows)[2]) { rows[0] = 2 * pair, rows[1] = 2 * pair + 1; };
	auto gateAndUp = [&](int pair, int (&rows)[2]) { rows[0] = pair, rows[1] = a.ffnWidth + pair; };
	auto addToHidden = [&](int pair, float sum) {
		if (lane() < 2) a.hidden[2 * pair + lane()] += sum;
	};
	for (int layer = 0; layer < a.count; layer++) {
		const TokenLayer &l = a.layers[layer];
		auto normed = [&](const float *weight, float scale) {
			return [=](int i) { return ((const float4v *)a.hidden)[i] * scale * ((const float4v *)weight)[i]; };
		};

		float scale = normOf(a);
		int at = 0; // of a piece's results
		for (int piece = 0; piece < l.pieces; piece++) {
			const Weights &w = l.qkv[piece];
			if (piece > 0) barrier(); // x has been used
			prepare(w.format, a.width, normed(l.attnNorm, scale));
			products(w, w.w.rows / 2, neighbours, [&](int pair, float sum) {
				int r = 2 * pair + lane();
				if (lane() < 2) a.qkv[at + r] = w.bias ? sum + w.bias[r] : sum;
			});
			at += w.w.rows;
		}
		grid.arrive();
		ahead(l.o, l.o.w.rows / 2, neighbours);
		grid.wait();

		tokenAttention<K, D>(a, layer);
		grid.arrive();
		ahead(l.gateUp, a.ffnWidth, gateAndUp);
		grid.wait();

		prepare(l.o.format, a.heads * D, [&](int i) { return attended<D>(a, i); });
		products(l.o, a.width / 2, neighbours, addToHidden);
		grid.arrive();
		ahead(l.down, l.down.w.rows / 2, neighbours);
		grid.wait();

		scale = normOf(a);
		prepare(l.gateUp.format, a.width, normed(l.ffnNorm, scale));
		products(l.gateUp, a.ffnWidth, gateAndUp, [&](int pair, float sum) {
			float up = exchange(sum, 1);
			if (lane() == 0) a.ffn[pair] = sum / (1 + exponential(-sum)) * up;
		});
		grid.arrive();
		if (layer + 1 < a.count)
			for (int piece = 0; piece < a.layers[layer + 1].pieces; piece++)
				ahead(a.layers[layer + 1].qkv[piece], a.layers[layer + 1].qkv[piece].w.rows / 2, neighbours);
		grid.wait();

		prepare(l.down.format, a.ffnWidth, [&](int i) { return ((const float4v *)a.ffn)[i]; });
		products(l.down, a.width / 2, neighbours, addToHidden);
		grid.arrive();
		grid.wait();
	}
}

#define TOKEN_KERNELS(K, name) \
	KERNEL(token64_##name, TokenArgs, kTokenThreads) { tokenBlocks<K, 64>(a); } \
	KERNEL(token128_##name, TokenArgs, kTokenThreads) { tokenBlocks<K, 128>(a); }

TOKEN_KERNELS(CacheF32, F32)
TOKEN_KERNELS(CacheF16, F16)
TOKEN_KERNELS(CacheQ8, Q8_0)
