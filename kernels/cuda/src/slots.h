// Rows as slots, which products want (tiles.h): hidden states times a norm's weights, what
// attention made, or gates and ups through SwiGLU.
#pragma once
#include "span.h"
#include "tiles.h"

// A lane multiplies weights 4*t to 4*t+3 of each half of a group, where t is lane()%4: batchPlace
// returns where the halves of weights at place p stand, which makes those of a lane neighbours.
constexpr int batchPlace(int p) { return p / 4 % 4 * 8 + p / 16 * 4 + p % 4; }

struct SlotsArgs {
	float *x;           // [rows][stride]: a hidden state, to which the parts are added if there are any, or what attention made
	const float *parts; // [count][rows][width], may be null; or, of gates and ups, [count][rows][2*width]
	const int *rows;    // [rows]: those of x, may be null
	const float *norm;  // [width], may be null
	const float *gated; // [rows], may be null: what gates and ups are to be multiplied with
	Slot *slots;        // [rows][width/kGroup], or [width/kGroup][rowsOfX] for batch
	float *scales;      // [rows]: what a norm divides by, if there is one
	u64 apart;          // from part to part
	int count, width, stride;
	int rowsOfX;        // 0 if slots are for few
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

// slotsFrom stores values 4*i to 4*i+3 of a row, rounded as numbers that a token's blocks hand
// on, and times a norm's weights if there are any, whose squares it adds in a token's order.
// All lanes of a warp call it, as they do store.
DEVICE void slotsFrom(float4v v, int i, bool there, const float *norm, Slot *slots, const Form<true> &form) {
#pragma unroll
	for (int k = 0; k < 4; k++) v[k] = rounded(v[k]);
	if (norm) {
		float square = warpSum(squareOf(v));
		if (lane() == 0) ((float *)rowSquares())[i / kWarp] = square;
		if (there) v *= ((const float4v *)norm)[i];
	}
	store(slots, i, there, v, form);
}

// slotsOf writes rows as slots: times a norm's weights, or gates and ups through SwiGLU. The
// norm's factor is that of a token.
template <class F> DEVICE void slotsOf(const SlotsArgs &a) {
	constexpr int quadsOfGroup = kGroup / 4;
	clearSquares();
	int quads = a.width / 4, r = block() / a.blocks, of = block() % a.blocks * kSlotsThreads;
	float *x = a.x + (u64)(a.rows ? a.rows[r] : r) * a.stride;
	Slot *slots = a.slots + (a.rowsOfX ? r : (u64)r * (a.width / kGroup));
	float scale = a.gated ? a.gated[r] : 0;
	Form<true> form = formOf<F, true>(lane() % quadsOfGroup);
	if (a.rowsOfX) form.at = 2 * batchPlace(form.at / 2);
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
		slotsFrom(v, i, i < quads, a.norm, a.rowsOfX ? slots + (u64)(i / quadsOfGroup) * (a.rowsOfX - 1) : slots, form);
	}
	barrier();
	if (thread() == 0 && a.norm) a.scales[r] = normScale(rowSquares(), a.width, 1.0f / a.width, a.eps);
}
