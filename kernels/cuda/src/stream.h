// The head of a token: logits of one row, or which of them is the largest.
#pragma once
#include "matmul.h"
#include "slots.h"

struct HeadArgs {
	Matrix w;
	const float *x;    // [rows][w.cols]: hidden states
	const int *rows;   // which of them is meant, or null: the first
	const float *norm; // [w.cols]
	float *y;          // [w.rows]
	float *tops;       // [warp], may be null: the largest product that it makes, in place of y,
	int *places;       // and of which row that is
	const u32 *skips;  // whether nobody wants them, may be null: then somebody does
	float eps;
};

constexpr int kStreamThreads = 128;

// stream norms one row of x and multiplies it with whole rows of weights, as few does, which takes
// as long as the weights take to be read. They come to the block's memory by requests of whole
// lines. In front of x, a warp has room for two tiles, plane by plane: one is on the way while the other
// is multiplied.
template <class F> DEVICE void stream(const HeadArgs &a) {
	SHARED(Slot, zeros, 1);
	constexpr int unit = 16; // bytes of a copy
	int groups = (u32)a.w.cols / kGroup, tiles = (u32)(a.w.rows + kTileRows - 1) / kTileRows;
	const u8 *from[4] = {a.w.codes, a.w.high, a.w.scales, a.w.supers};
	int bytes[4] = {groups * (int)kCodesBytes<F>, groups * (int)kHighBytes<F>, groups * (int)kScaleBytes<F>, groups / 8 * (int)kSuperBytes<F>}; // of a row
	auto lines = [](int n) INLINED { return (n + kLine - 1) & -kLine; };
	int bytesOfTile = 0, half = 0; // where the next one comes
#pragma unroll
	for (int p = 0; p < 4; p++) bytesOfTile += lines(kTileRows * bytes[p]);
	u8 *to[4], *room = (u8 *)blockMemory() + 2 * warp() * bytesOfTile;
#pragma unroll
	for (int p = 0; p < 4; p++) to[p] = room, room += lines(kTileRows * bytes[p]);
	SHARED(Arrivals, all, 2 * kStreamThreads / kWarp);
	Arrivals *arrivals = all + 2 * warp(); // in the halves
	bool bulk = copiesInBulk();
	if (bulk) {
		if (lane() == 0) arrivals[0].init(), arrivals[1].init();
		showArrivals();
		warpBarrier();
	}
	auto bring = [&](int tile) INLINED {
		int rows = minimum(kTileRows, a.w.rows - tile * kTileRows);
		if (bulk) {
			if (lane() == 0) {
				Arrivals &own = arrivals[half > 0];
				auto size = [&](int p) INLINED { return (rows * bytes[p] + unit - 1) & -unit; };
				own.expect(size(0) + size(1) + size(2) + size(3));
#pragma unroll
				for (int p = 0; p < 4; p++)
					if (bytes[p] > 0) copyBulk(sharedAddress(to[p] + half), from[p] + (u64)(tile * kTileRows) * bytes[p], size(p), own);
			}
		} else {
#pragma unroll
			for (int p = 0; p < 4; p++)
				for (int i = lane() * unit; i < rows * bytes[p]; i += kWarp * unit)
					copyAsync(sharedAddress(to[p] + half + i), from[p] + (u64)(tile * kTileRows) * bytes[p] + i);
			endGroup();
		}
		half = bytesOfTile - half;
	};
	int tile = warp() * blocks() + block();
	startNext();
	if (tile < tiles) bring(tile);
	if (thread() < (int)sizeof(Slot) / unit) ((uint4v *)zeros)[thread()] = 0;
	clearSquares();
	Slot *x = (Slot *)((u8 *)blockMemory() + 2 * warps() * bytesOfTile);
	Form<true> form = formOf<F, true>(lane() % (kGroup / 4), 1);
	awaitLaunch();
	bool skipped = a.skips && *a.skips;
	if (skipped) tiles = minimum(tiles, tile + 1); // that is on its way
	const float4v *hidden = (const float4v *)(a.x + (u64)(a.rows ? a.rows[0] : 0) * a.w.cols);
	for (int i = thread(), quads = a.w.cols / 4; (i & -kWarp) < quads; i += threads())
		store(x, i, i < quads, normed(i < quads ? hidden[i] : 0, i, i < quads, a.norm), form);
	barrier();
	float scale = normScale(rowSquares(), a.w.cols, 1.0f / a.w.cols, a.eps);
	Candidate best = {-kInfinity, kNowhere};
	int row = lane() / kTileGroups, mine = lane() % kTileGroups;
	u32 round = 0; // of the half that is multiplied next
#pragma unroll 1
	for (int more; tile < tiles; tile = more) {
		Row rows[2];
#pragma unroll
		for (int r = 0; r < 2; r++) {
			int from = bytesOfTile - half;
			rows[r] = after<F>(Row{to[0] + from, to[1] + from, to[2] + from, to[3] + from}, (row + r * kTileRows / 2) * groups);
		}
		more = tile + warps() * blocks();
		bool second = half == 0; // that the tile came to
		if (more < tiles) bring(more);
		else endGroup();
		if (bulk) arrivals[second].await(round), round += second;
		else waitGroups<1>();
		warpBarrier();
		Products<F, true> products;
#pragma unroll 1
		for (int first = 0; first < groups; first += kTileGroups) {
			u32 g = minimum(first + mine, groups - 1);
			Group<F> w[2];
			Scale scales[2];
#pragma unroll
			for (int r = 0; r < 2; r++) {
				w[r] = groupOf<F>(rows[r], groups, g & -kChunk, g % kChunk);
				scales[r] = scaleOf<F>(rows[r], g);
			}
			products.template add<2>(w, scales, x, first, groups, zeros, false);
		}
		warpBarrier(); // they have been used
		float sum = products.finish() * scale;
		int r = tile * kTileRows + row + mine * (kTileRows / 2);
		if (mine >= 2 || r >= a.w.rows || skipped) continue;
		if (!a.tops) a.y[r] = sum;
		else if (best.place == kNowhere || sum > best.value) best = {sum, r};
	}
	if (!a.tops) return;
	best = firstLargest(best);
	if (lane() == 0) a.tops[block() * warps() + warp()] = best.value, a.places[block() * warps() + warp()] = best.place;
}

struct NextArgs {
	const float *values; // [parts]: the largest logits of each part,
	const int *places;   // and their tokens
	u64 *out;            // the first of the tokens that have the largest, and above it the number
	Matrix w;            // embedding
	float *hidden;       // [w.cols]: the row of that token
	int parts;
	u32 number;
};

// next finds the token of a stream, and looks up what the next one begins with.
template <class F> DEVICE void next(const NextArgs &a) {
	SHARED(int, token, 1);
	startNext();
	awaitLaunch();
	Candidate c = {-kInfinity, kNowhere};
	for (int i = thread(); i < a.parts; i += threads())
		if (c.place == kNowhere || a.values[i] > c.value) c = {a.values[i], a.places[i]};
	c = firstOfBlock(c);
	if (thread() == 0) *token = c.place, storeHostWord(a.out, (u64)a.number << 32 | (u32)c.place);
	barrier();
	embed<F>({a.w, token, a.hidden});
}

struct GivenArgs {
	const u64 *given;   // what the host gives: the number, above the token, or kNotWanted
	u64 *taken, *ended; // what the host learns: the number above what it was; where the launches before have ended, theirs, if it is not null
	u32 *skips;         // whether nothing is to be computed
	Matrix w;           // embedding
	float *hidden;      // [w.cols]: the row of the token
	u32 number, before;
	int patience;       // how often to look for it
};

constexpr int kNotWanted = -1;

// given looks up a token that comes while it waits. If none comes, or none is wanted, the launches that
// follow it skip what they would do. They may have begun, and so nothing but the token is waited for.
template <class F> DEVICE void given(const GivenArgs &a) {
	SHARED(int, token, 1);
	startNext();
	awaitLaunch();
	if (thread() == 0) {
		if (a.ended) showHost(), storeHostWord(a.ended, (u64)a.before << 32);
		*token = kNotWanted;
		for (int i = 0; i < a.patience; i++) {
			u64 word = loadHostWord(a.given);
			if (word >> 32 != a.number) continue;
			*token = (u32)word;
			break;
		}
		*a.skips = *token == kNotWanted;
		storeHostWord(a.taken, (u64)a.number << 32 | (u32)*token);
	}
	barrier();
	if (*token != kNotWanted) embed<F>({a.w, token, a.hidden});
}

#define STREAM_KERNELS(F) STREAM_KERNELS_(F)
#define STREAM_KERNELS_(F) \
	KERNEL_AT_ONCE(stream_##F, HeadArgs, kStreamThreads, 1) { stream<F>(a); } \
	KERNEL(next_##F, NextArgs, kVectorThreads) { next<F>(a); } \
	KERNEL(given_##F, GivenArgs, kVectorThreads) { given<F>(a); }
