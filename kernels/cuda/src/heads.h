// Attention of the heads that share keys and values, of one token, over a span of positions, by units for
// products of matrices. Keys and values are float16 numbers.
#pragma once
#include "span.h"

constexpr int kMostGroup = 8; // heads that share keys and values, at the most
constexpr int kMostTeams = 8;  // of warps

// Some of the heads that share keys and values: those that a block computes.
struct SomeHeads {
	int kvHead, first, count;

	// of returns those of part number i, where a part has so many heads of a KV head.
	static DEVICE_METHOD SomeHeads of(int i, int group, int together) {
		int parts = (u32)(group + together - 1) / together, kvHead = (u32)i / parts, begin = (i - kvHead * parts) * together;
		return {kvHead, kvHead * group + begin, minimum(together, group - begin)};
	}
};

// What makes a head's spans relative to the largest score of all, and the sum of all weights, in shared memory.
constexpr int kMostSpans = 2 * kWarp;
struct SpanFactors {
	float of[kMostSpans], sum;

	// make makes those of so many spans, by one warp; scales(i) returns the largest score of span i and the sum of its weights.
	template <class F> DEVICE_METHOD void make(int spans, F scales) {
		float2v some[2] = {-kInfinity, -kInfinity}; // of spans lane() and lane() + 32
		some[0] = scales(minimum(lane(), spans - 1));
		if (spans > kWarp) some[1] = scales(minimum(lane() + kWarp, spans - 1));
		float top = warpMax(maximum(some[0][0], some[1][0])), all = 0;
#pragma unroll
		for (int j = 0; j < 2; j++) {
			int i = lane() + kWarp * j;
			if (i >= spans) continue;
			float factor = exponential(some[j][0] - top);
			of[i] = factor, all = multiplyAdd(some[j][1], factor, all);
		}
		all = warpSum(all);
		if (lane() == 0) sum = all;
	}
};

// Queries, and the weights of the softmax, are two float16 numbers each, the nearest one and what it leaves, so they
// have 22 bits. The warps of a team go through chunks of 16 positions, each for 64 values of a head, and have a
// softmax of their own; teams are merged in the end. Scores are products of 16 rows of queries, those of eight
// heads and what they leave, with keys; then lane i has those of head i/4, as the product of values and weights wants
// them. Which dimensions are which rows and columns of a tile the lanes choose so that they read 16 bytes at a time.
template <int D> struct Heads {
	static constexpr int parts = D / 64, teams = parts == 1 ? kMostTeams : kTokenWarps / parts, chunk = 16, stride = teams * chunk;
	static constexpr int row = D + 4; // numbers of a head in outs: so lanes write to other banks

	// What sums of values are relative to, in shared memory: for each head and team the largest score, then the factor
	// that makes it the largest of all teams, and the sum of the weights.
	struct Scales {
		float tops[kMostGroup][kMostTeams], factors[kMostGroup][kMostTeams], sums[kMostGroup][kMostTeams];
		float largest[kMostGroup];
	};

	// What teams make of some heads, in shared memory. outs, [teams][heads][row], are sums of values.
	struct Made {
		int heads;
		float *outs;
		Scales *scales;
	};

	// Queries as the left factors of the scores, in shared memory: for each lane, at each step of 16 dimensions.
	typedef uint4v Queries[D / 16 * kWarp];
	static constexpr float scale = 8; // of them: they are less than 2^13, and what is left is no subnormal number that matters

	// put puts value i of a head's query there.
	static DEVICE_METHOD void put(Queries &to, u32 head, u32 i, float x) {
		u16 *at = (u16 *)&to[(i / 32 * 2 + i % 8 / 4) * kWarp + head * 4 + i % 32 / 8] + i % 4 / 2 * 4 + i % 2;
		x *= scale;
		at[0] = toHalf(x), at[2] = toHalf(x - fromHalf(at[0]));
	}

	const Cache<CacheF16> &keys, &values;
	int g, t, part;
	int first, end; // positions of the team, past which there are those of others
	uint4v k[2][D / 32], v[4];

	DEVICE_METHOD Heads(const Cache<CacheF16> &keys, const Cache<CacheF16> &values) : keys(keys), values(values) {
		g = lane() / 4, t = lane() % 4, part = warp() % parts;
	}

	// start reads the first keys and values of a team's positions, of a span.
	DEVICE_METHOD void start(int team, int begin, int endOfSpan) {
		first = begin + team * chunk, end = endOfSpan;
		loadKeys(first, end), loadValues(first, end);
	}

	// Past the end the last position is read again.
	DEVICE_METHOD int keyAt(int from, int j, int end) const { return minimum(from + 8 * j + g, end - 1); }
	DEVICE_METHOD int valueAt(int from, int r, int end) const { return minimum(from + 8 * (r / 2) + 2 * t + r % 2, end - 1); }
	DEVICE_METHOD void loadKeys(int from, int end) {
#pragma unroll
		for (int j = 0; j < 2; j++)
#pragma unroll
			for (int c = 0; c < D / 32; c++) k[j][c] = keys.octet(keyAt(from, j, end), 32 * c + 8 * t).words;
	}
	DEVICE_METHOD void loadValues(int from, int end) {
#pragma unroll
		for (int r = 0; r < 4; r++) v[r] = values.octet(valueAt(from, r, end), 64 * part + 8 * g).words;
	}

	static DEVICE_METHOD uint4v packed(const float *x) { return {halves(x[0], x[1]), halves(x[2], x[3]), halves(x[4], x[5]), halves(x[6], x[7])}; }

	// split makes a word of two float16 numbers, and another one of what they leave.
	static DEVICE_METHOD void split(float a, float b, u32 &large, u32 &small) {
		large = halves(a, b);
		small = halves(a - fromHalf(large), b - fromHalf(large >> 16));
	}

	// attend makes that of all heads, of a team's positions. ownKey and ownValue, in shared memory, are what position pos
	// has instead of what is in the cache. The first keys and values from position next on are read meanwhile, of a span
	// that ends at nextEnd, unless that is 0: with them attend goes on when it is called again.
	DEVICE_METHOD void attend(const Queries &queries, int team, const float *ownKey, const float *ownValue, int pos, const Made &made, int next = 0, int nextEnd = 0) {
		float top = -kInfinity, sum = 0, acc[4][4] = {}; // of dimensions 2*u and 2*u+1 of eight, of two heads each
		if (first >= end && nextEnd > 0) loadKeys(next, nextEnd), loadValues(next, nextEnd);
#pragma unroll 1
		for (; first < end; first += stride) {
			if (first <= pos && pos < first + chunk) { // the token's own is not in the cache yet
#pragma unroll
				for (int j = 0; j < 2; j++)
#pragma unroll
					for (int c = 0; c < D / 32; c++)
						if (keyAt(first, j, end) == pos) k[j][c] = packed(ownKey + 32 * c + 8 * t);
#pragma unroll
				for (int r = 0; r < 4; r++)
					if (valueAt(first, r, end) == pos) v[r] = packed(ownValue + 64 * part + 8 * g);
			}
			const uint4v *query = queries + anew(lane()); // there are no registers for all of them
			float scores[4], most = top;
#pragma unroll
			for (int j = 0; j < 2; j++) {
				float c[4] = {};
#pragma unroll
				for (int s = 0; s < D / 16; s++) {
					uint4v q = query[s * kWarp];
					u32 a[4] = {q[0], q[1], q[2], q[3]};
					multiplyTiles(c, a, k[j][s / 2][s % 2 * 2], k[j][s / 2][s % 2 * 2 + 1]);
				}
#pragma unroll
				for (int i = 0; i < 2; i++) scores[2 * j + i] = first + 8 * j + 2 * t + i < end ? (c[i] + c[2 + i]) * (1 / scale) : -kInfinity;
			}
			bool more = first + stride < end;
			int then = more ? first + stride : next, thenEnd = more ? end : nextEnd;
			if (thenEnd > 0) loadKeys(then, thenEnd);
#pragma unroll
			for (int i = 0; i < 4; i++) most = maximum(most, scores[i]);
			most = maximum(most, exchange(most, 1)), most = maximum(most, exchange(most, 2));
			float origin = most == -kInfinity ? 0 : most, factor = exponential(top - origin);
			top = most;
#pragma unroll
			for (int i = 0; i < 4; i++) scores[i] = exponential(scores[i] - origin);
			sum = multiplyAdd(sum, factor, scores[0] + scores[1] + (scores[2] + scores[3]));
			u32 large[2], small[2];
			split(scores[0], scores[1], large[0], small[0]);
			split(scores[2], scores[3], large[1], small[1]);
			float factors[2] = {broadcast(factor, 8 * t), broadcast(factor, 8 * t + 4)}; // of heads 2*t and 2*t+1
#pragma unroll
			for (int u = 0; u < 4; u++) {
#pragma unroll
				for (int i = 0; i < 4; i++) acc[u][i] *= factors[i % 2];
				u32 a[4] = {
					permute(v[0][u], v[1][u], 0x5410), permute(v[0][u], v[1][u], 0x7632),
					permute(v[2][u], v[3][u], 0x5410), permute(v[2][u], v[3][u], 0x7632),
				};
				multiplyTiles(acc[u], a, large[0], large[1]);
				multiplyTiles(acc[u], a, small[0], small[1]);
			}
			if (thenEnd > 0) loadValues(then, thenEnd);
		}
		sum += exchange(sum, 1), sum += exchange(sum, 2);
		if (t == 0) made.scales->tops[g][team] = top, made.scales->sums[g][team] = sum;
#pragma unroll
		for (int i = 0; i < 2; i++) {
			if (2 * t + i >= made.heads) continue;
			float4v *out = (float4v *)(made.outs + (team * made.heads + 2 * t + i) * row + 64 * part + 8 * g);
			out[0] = {acc[0][i], acc[0][2 + i], acc[1][i], acc[1][2 + i]};
			out[1] = {acc[2][i], acc[2][2 + i], acc[3][i], acc[3][2 + i]};
		}
		first = next, end = nextEnd;
	}

	// quad returns numbers 4*i to 4*i+3 of those of all teams.
	static DEVICE_METHOD float4v quad(const float *teams, int i) { return ((const float4v *)teams)[i]; }

	// weigh makes the factors, once all of the span has been made.
	static DEVICE_METHOD void weigh(const Made &made) {
		int head = thread() / kMostTeams, team = thread() % kMostTeams;
		if (head >= made.heads) return;
		Scales &s = *made.scales;
		float4v tops[kMostTeams / 4];
#pragma unroll
		for (int i = 0; i < (teams + 3) / 4; i++) tops[i] = quad(s.tops[head], i);
		float largest = tops[0][0];
#pragma unroll
		for (int i = 1; i < teams; i++) largest = maximum(largest, tops[i / 4][i % 4]);
		float factor = exponential(s.tops[head][team] - largest); // 0 of teams that had no positions
		if (team < teams) s.factors[head][team] = factor, s.sums[head][team] *= factor;
		if (team == 0) s.largest[head] = largest;
	}

	// joined returns what the span makes of a value of one of the heads, after that.
	static DEVICE_METHOD Span joined(const Made &made, int head, int value) {
		const Scales &s = *made.scales;
		const float *outs = made.outs + head * row + value;
		float out[4] = {}, sum[4] = {};
#pragma unroll
		for (int i = 0; i < (teams + 3) / 4; i++) {
			float4v factors = quad(s.factors[head], i), sums = quad(s.sums[head], i);
#pragma unroll
			for (int j = 0; j < 4; j++)
				if (4 * i + j < teams) out[j] = multiplyAdd(outs[(4 * i + j) * made.heads * row], factors[j], out[j]), sum[j] += sums[j];
		}
		return {s.largest[head], sumOfFour(sum[0], sum[1], sum[2], sum[3]), sumOfFour(out[0], out[1], out[2], out[3])};
	}
};
