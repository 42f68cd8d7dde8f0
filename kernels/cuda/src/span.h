// A head of attention over a span of positions, of one token, by the threads of a block that
// compute.
#pragma once
#include "cache.h"
#include "reduce.h"

constexpr int kTokenWarps = 15; // that compute
constexpr int kTokenThreads = kTokenWarps * kWarp;
constexpr int kAllThreads = kTokenThreads + kWarp; // with those of the warp that brings weights

// The barriers: of those that compute; of all, where the weights of the next product are
// there, for which the warp that brings them does not wait; and where a product's have been
// used, for which the others do not wait.
enum Barrier { kComputing, kThere, kUsed };
DEVICE void computing() { barrierOf<kTokenThreads>(kComputing); }

// turned returns a value of a query or a key, turned by an angle with the one that it is turned
// with, or its negative for the first half of a head.
DEVICE float turned(float x, float with, float cosine, float sine) { return multiplyAdd(x, cosine, with * sine); }

// The parts that several warps or blocks make of a product, at the most. They are added in one
// order: fours, of zeros where there are fewer, two of those, and two of these.
constexpr int kMostParts = 16;
template <class T> DEVICE T sumOfFour(const T &a, const T &b, const T &c, const T &d) { return a + b + c + d; }

// joinedParts adds up parts in that order. It asks for several at a time: what they take to come
// is longer than all else.
template <class T> DEVICE T joinedParts(const float *parts, int count, u64 apart) {
	constexpr int together = kMostParts / 2;
	auto half = [&](int first) INLINED {
		T some[together] = {};
#pragma unroll
		for (int i = 0; i < together; i++)
			if (first + i < count) some[i] = *(const T *)(parts + (first + i) * apart);
		return sumOfFour(some[0], some[1], some[2], some[3]) + sumOfFour(some[4], some[5], some[6], some[7]);
	};
	T lower = half(0), upper = 0;
	if (count > together) upper = half(together);
	return lower + upper;
}

// What a span of positions makes of a value of a head: the largest score, the sum of the
// exponentials, from that on, and the sum of values weighted with those.
struct Span {
	float top, sum, out;
};

// joined is what two spans make together.
DEVICE Span joined(const Span &a, const Span &b) {
	float top = maximum(a.top, b.top), before = exponential(a.top - top), factor = exponential(b.top - top);
	return {top, multiplyAdd(a.sum, before, b.sum * factor), multiplyAdd(a.out, before, b.out * factor)};
}

// The keys and values of a span that a lane reads ahead: what it takes to read them is longer
// than what it takes to use them. As many lanes as have 8 values each take a position, with a
// softmax of their own; all are merged in the end. A block of fewer warps than a token's does
// what those do one after the other, in their order.
template <class K, int D, int Ahead, int Warps = kTokenWarps> struct Positions {
	static constexpr int lanes = D / 8, atOnce = kTokenThreads / lanes; // positions
	static constexpr int turns = (kTokenWarps + Warps - 1) / Warps;     // of a warp
	static constexpr int some = sizeof(typename K::Words) > 16 ? 2 : Ahead;
	const Cache<K> &keys, &values;
	int begin, first, end, mine, i; // first is the warp's
	Octet<K> k[some], v[some];

	DEVICE_METHOD Positions(const Cache<K> &keys, const Cache<K> &values, int begin, int end) : keys(keys), values(values), begin(begin), end(end) {
		mine = lane() / lanes, i = lane() % lanes * 8;
		start(0);
	}

	// has reports whether a token's block has a warp of that number.
	static DEVICE_METHOD bool has(int w) { return turns * Warps == kTokenWarps || w < kTokenWarps; }

	// start reads the first positions of a turn.
	DEVICE_METHOD void start(int turn) {
		int w = warp() + turn * Warps;
		first = has(w) ? begin + w * (kWarp / lanes) : end;
#pragma unroll
		for (int n = 0; n < some; n++) load(n, first + n * atOnce);
	}

	DEVICE_METHOD void load(int n, int from) {
		int p = minimum(from + mine, end - 1);
		k[n] = keys.octet(p, i), v[n] = values.octet(p, i);
	}

	// attend returns what the span makes of value thread() of a head, for the first D threads.
	// own is the query, in shared memory, and what position pos has instead of what is in the
	// cache: its key and its value. outs, [kTokenWarps][D], tops, [Warps], and sums,
	// [kTokenWarps], are shared memory, too. Declared here, they made decode 3 % slower on an
	// H100; the machine code does not show why.
	DEVICE_METHOD Span attend(const float *own, int pos, float *outs, float *tops, float *sums) {
		struct {
			float top = -kInfinity, sum = 0, acc[8] = {};
		} made[turns];
		float query[8];
#pragma unroll
		for (int j = 0; j < 8; j++) query[j] = own[i + j];
		auto eight = [&](float (&to)[8], const Octet<K> &o, bool isOwn, const float *own) INLINED {
#pragma unroll
			for (int j = 0; j < 8; j++) to[j] = o.value(j);
			if (isOwn)
#pragma unroll
				for (int j = 0; j < 8; j++) to[j] = own[i + j];
		};
#pragma unroll
		for (int turn = 0; turn < turns; turn++) {
			if (turn > 0) start(turn);
			float &top = made[turn].top, &sum = made[turn].sum, (&acc)[8] = made[turn].acc;
#pragma unroll 1
			for (; first < end; first += some * atOnce)
#pragma unroll
				for (int n = 0; n < some; n += 2) {
					int from = first + n * atOnce; // of two positions
					if (from >= end) continue;
					float scores[2], value[8], next = top;
					// The token's own may not be in the cache yet.
					auto isOwn = [&](int j) INLINED { return minimum(from + j * atOnce + mine, end - 1) == pos; };
#pragma unroll
					for (int j = 0; j < 2; j++) {
						float key[8];
						eight(key, k[n + j], isOwn(j), own + D);
						scores[j] = 0;
#pragma unroll
						for (int c = 0; c < 8; c++) scores[j] += key[c] * query[c];
					}
#pragma unroll
					for (int j = 0; j < 2; j++) {
#pragma unroll
						for (int m = 1; m < lanes; m *= 2) scores[j] += exchange(scores[j], m);
						if (from + j * atOnce + mine >= end) scores[j] = -kInfinity;
						next = maximum(next, scores[j]);
					}
					float origin = next == -kInfinity ? 0 : next, factor = exponential(top - origin);
					top = next;
					sum *= factor;
#pragma unroll
					for (int c = 0; c < 8; c++) acc[c] *= factor;
#pragma unroll
					for (int j = 0; j < 2; j++) {
						float e = exponential(scores[j] - origin);
						sum += e;
						eight(value, v[n + j], isOwn(j), own + 2 * D);
#pragma unroll
						for (int c = 0; c < 8; c++) acc[c] += e * value[c];
					}
					if (from + some * atOnce < end) load(n, from + some * atOnce), load(n + 1, from + (some + 1) * atOnce);
				}
		}
		// The block's largest score, and then what positions have relative to that.
		float most = made[0].top;
#pragma unroll
		for (int turn = 1; turn < turns; turn++) most = maximum(most, made[turn].top);
#pragma unroll
		for (int m = lanes; m < kWarp; m *= 2) most = maximum(most, exchange(most, m));
		if (lane() == 0) tops[warp()] = most;
		barrierOf<Warps * kWarp>(kComputing);
#pragma unroll
		for (int w = 0; w < Warps; w++) most = maximum(most, tops[w]);
#pragma unroll
		for (int turn = 0; turn < turns; turn++) {
			int w = warp() + turn * Warps;
			if (!has(w)) continue;
			float sum = made[turn].sum, (&acc)[8] = made[turn].acc;
			float factor = exponential(made[turn].top - most); // 0 of lanes that had no positions
			sum *= factor;
#pragma unroll
			for (int j = 0; j < 8; j++) acc[j] *= factor;
#pragma unroll
			for (int m = lanes; m < kWarp; m *= 2) {
				sum += exchange(sum, m);
#pragma unroll
				for (int j = 0; j < 8; j++) acc[j] += exchange(acc[j], m);
			}
			if (lane() < lanes)
#pragma unroll
				for (int j = 0; j < 8; j++) outs[w * D + i + j] = acc[j];
			if (lane() == 0) sums[w] = sum;
		}
		barrierOf<Warps * kWarp>(kComputing);
		if (thread() >= D) return {};
		float all = 0, out = 0;
#pragma unroll
		for (int w = 0; w < kTokenWarps; w++) all += sums[w], out += outs[w * D + thread()];
		return {most, all, out};
	}
};
