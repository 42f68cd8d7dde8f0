// Rows as slots, which products want (tiles.h): hidden states times a norm's weights, what
// attention made, or gates and ups through SwiGLU.
#pragma once
#include "span.h"
#include "tiles.h"

// For batch, of which a lane multiplies eight weights of a group, those of the lane stand together:
// weights 8*t to 8*t+7, where t is lane()%4, or, where each half of a group has a scale of its own and so
// a product, 4*t to 4*t+3 of either half. batchPlace returns where those at place p stand then.
constexpr int batchPlace(int p) { return p / 4 % 4 * 8 + p / 16 * 4 + p % 4; }

// What batch has of a group of a row of x: its numbers, and elsewhere a tail.
struct RowOfX {
	uint4v halves[kGroup / 8];
};

// The tails of two rows: what the group's numbers are in, and, where it has one scale, their sums times
// Form's total, which the units begin with; else the sums of its halves.
template <bool OneScale> struct TailsOf {
	float scales[2], sums[2][2];
};
template <> struct alignas(16) TailsOf<true> {
	float totals[2], scales[2];
};

// tailsOf returns where the tails of x are, [group][row/2], behind its numbers.
template <bool OneScale> DEVICE TailsOf<OneScale> *tailsOf(const RowOfX *x, int groups, int rows) {
	return (TailsOf<OneScale> *)(x + (u64)groups * rows);
}

// Where rows of x come: [rows][groups] slots, or, for batch, RowOfX and behind them tails, each
// [groups][rowsOfX or half of it].
struct XRows {
	Slot *slots;
	int groups;
	int rowsOfX; // 0 if they are slots

	// form returns how quad lane() of a group comes there, if f is how it comes to a slot.
	DEVICE_METHOD Form<true> form(Form<true> f) const {
		if (rowsOfX && f.total == 0 && f.at != kAsTheyAre) f.at = 2 * batchPlace(f.at / 2);
		return f;
	}

	// put stores values 4*i to 4*i+3 of row r. All lanes of a warp call it, as they do store.
	DEVICE_METHOD void put(int r, int i, bool there, float4v v, const Form<true> &form) const {
		constexpr int quads = kGroup / 4;
		if (!rowsOfX) return store(slots + (u64)r * groups, i, there, v, form);
		Quad q = quadOf(v, false);
		uint2v words = halvesOf(i, q.parts[0], form);
		float total = (q.sum + exchange(q.sum, quads / 2)) * form.total;
		if (!there) return;
		u64 at = (u64)(i / quads) * rowsOfX + r;
		RowOfX *all = (RowOfX *)slots;
		*(uint2v *)((u8 *)all[at].halves + form.at) = words;
		if (form.total != 0) {
			if (i % quads > 0) return;
			TailsOf<true> &tails = tailsOf<true>(all, groups, rowsOfX)[at / 2];
			tails.totals[r % 2] = total, tails.scales[r % 2] = q.scale;
			return;
		}
		auto &tails = tailsOf<false>(all, groups, rowsOfX)[at / 2];
		if (i % (quads / 2) == 0) tails.sums[r % 2][i / (quads / 2) % 2] = q.sum;
		if (i % quads == 0) tails.scales[r % 2] = q.scale;
	}
};

struct SlotsArgs {
	float *x;           // [rows][stride]: a hidden state, to which the parts are added if there are any, or what attention made
	const float *parts; // [count][rows][width], may be null; or, of gates and ups, [count][rows][2*width]
	const int *rows;    // [rows]: those of x, may be null
	const float *norm;  // [width], may be null
	const float *gated; // [rows], may be null: what gates and ups are to be multiplied with
	XRows to;
	float *scales;      // [rows]: what a norm divides by, if there is one
	u64 apart;          // from part to part
	int count, width, stride;
	int blocks;         // that share a row: 1 for a norm
	float eps;
};

constexpr int kSlotsThreads = 256;

// Sums of squares of a row, with zeros behind them: what is normed takes them from there.
DEVICE float4v *rowSquares() {
	SHARED(float4v, all, kMostSquares / 4);
	return all;
}
DEVICE void clearSquares() {
	if (thread() < kMostSquares / 4) rowSquares()[thread()] = 0;
	barrier();
}

// normed returns values 4*i to 4*i+3 of a row, rounded as numbers that a token's blocks hand
// on, and times a norm's weights if there are any, whose squares it adds in a token's order.
// All lanes of a warp call it.
DEVICE float4v normed(float4v v, int i, bool there, const float *norm) {
#pragma unroll
	for (int k = 0; k < 4; k++) v[k] = rounded(v[k]);
	if (norm) {
		float square = warpSum(squareOf(v));
		if (lane() == 0) ((float *)rowSquares())[i / kWarp] = square;
		if (there) v *= ((const float4v *)norm)[i];
	}
	return v;
}

// slotsOf writes rows as slots: times a norm's weights, or gates and ups through SwiGLU. The
// norm's factor is that of a token.
template <class F> DEVICE void slotsOf(const SlotsArgs &a) {
	constexpr int quadsOfGroup = kGroup / 4;
	startNext();
	clearSquares();
	awaitLaunch();
	int quads = a.width / 4, r = a.blocks == 1 ? block() : (u32)block() / a.blocks, of = (block() - r * a.blocks) * kSlotsThreads;
	float *x = a.x + (u64)(a.rows ? a.rows[r] : r) * a.stride;
	float scale = a.gated ? a.gated[r] : 0;
	Form<true> form = a.to.form(formOf<F, true>(lane() % quadsOfGroup, 1));
	for (int i = of + thread(); (i & -kWarp) < quads; i += a.blocks * kSlotsThreads) {
		float4v v = 0;
		if (i < quads && a.gated) {
			const float *gates = a.parts + (u64)r * 2 * a.width + 4 * i;
			float4v gate = joinedParts<float4v>(gates, a.count, a.apart) * scale, up = joinedParts<float4v>(gates + a.width, a.count, a.apart) * scale;
#pragma unroll
			for (int k = 0; k < 4; k++) v[k] = gatedBy(gate[k], up[k]);
		} else if (i < quads) {
			v = ((const float4v *)x)[i];
			if (a.parts) {
				v += joinedParts<float4v>(a.parts + (u64)r * a.width + 4 * i, a.count, a.apart);
				((float4v *)x)[i] = v;
			}
		}
		a.to.put(r, i, i < quads, normed(v, i, i < quads, a.norm), form);
	}
	barrier();
	if (thread() == 0 && a.norm) a.scales[r] = normScale(rowSquares(), a.width, 1.0f / a.width, a.eps);
}
