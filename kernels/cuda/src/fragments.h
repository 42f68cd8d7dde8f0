// The left factors of batch's products: a group of 32 rows of weights, as the units want it.
#pragma once
#include "slots.h"

constexpr int kBatchRows = 32, kBatchTiles = kBatchRows / kTileRows, kEighths = kBatchRows / 8;

// What a lane has of a group of 32 rows: of each tile and each of the group's two products its part of
// the codes, and the scales of rows lane()/4 and of every eighth one after it.
struct Fragments {
	u32 codes[kBatchTiles][2][4];
	Scale scales[kEighths];
};

// pairAt returns which pair of a group's weights, as in pairOf, is number i of lane t's in a product:
// see batchPlace.
template <class F> constexpr int pairAt(int product, int t, int i) { return oneScale<F> ? 4 * t + 2 * product + i : 8 * product + 2 * t + i; }

// Formats of which whole words of a group are what a lane multiplies: it reads those only.
template <class F> constexpr bool kByLane = kInHalves<F> && !same<F, F16> && F::kHigh == 0 && F::kLow >= 4;

// Others are taken apart by the lane that has read all of a group, and come to the others by way of
// the block's memory, in which a warp has this.
struct BatchTiles {
	uint4v codes[kBatchTiles][2][kTileRows / 2][4];
	Scale scales[kBatchRows];
};
struct NoTiles {};

// bankOf keeps what is written together in different banks.
DEVICE int bankOf(int row, int t) { return t ^ row / 2 % 4; }

// A warp's weights on their way: start says which 32 rows they are of, load begins to read a group, or
// the last one, take takes what was read apart, and used is called when it has been multiplied.
template <class F, bool ByLane = kByLane<F>> struct BatchWeights {
	using Tiles = BatchTiles;
	u32 before; // groups of the rows before the lane's
	Group<F> group;
	PackedScale scale;

	DEVICE_METHOD void start(const Matrix &w, int row, int groups) { before = minimum(row + lane(), w.rows - 1) * groups; }

	DEVICE_METHOD void load(const Matrix &w, int g, int groups) {
		g = minimum(g, groups - 1);
		Row from = rowAfter<F>(w, before);
		group = groupOf<F>(from, groups, g & -kChunk, g % kChunk);
		scale = packedScaleOf<F>(from, g);
	}

	DEVICE_METHOD void take(Fragments &to, Tiles *by) const {
		int own = lane() % 8, upper = lane() / 8 % 2, tile = lane() / kTileRows;
		by->scales[lane()] = unpacked<F>(scale);
#pragma unroll
		for (int product = 0; product < 2; product++)
#pragma unroll
			for (int t = 0; t < 4; t++) {
				uint2v *two = (uint2v *)&by->codes[tile][product][own][bankOf(own, t)];
				two[upper] = {pairOf<F>(group, pairAt<F>(product, t, 0)), pairOf<F>(group, pairAt<F>(product, t, 1))};
			}
		warpBarrier();
		int row = lane() / 4, t = lane() % 4;
#pragma unroll
		for (int k = 0; k < kBatchTiles; k++)
#pragma unroll
			for (int product = 0; product < 2; product++) {
				uint4v four = by->codes[k][product][row][bankOf(row, t)];
#pragma unroll
				for (int i = 0; i < 4; i++) to.codes[k][product][i] = four[i % 2 * 2 + i / 2];
			}
#pragma unroll
		for (int i = 0; i < kEighths; i++) to.scales[i] = by->scales[8 * i + row];
	}

	static DEVICE_METHOD void used() { warpBarrier(); }
};

template <class F> struct BatchWeights<F, true> {
	using Tiles = NoTiles;
	u32 before[kEighths];
	Group<F> quarters[kEighths]; // the first words are the lane's
	PackedScale scales[kEighths];

	DEVICE_METHOD void start(const Matrix &w, int row, int groups) {
#pragma unroll
		for (int i = 0; i < kEighths; i++) before[i] = minimum(row + 8 * i + lane() / 4, w.rows - 1) * groups;
	}

	DEVICE_METHOD void load(const Matrix &w, int g, int groups) {
		g = minimum(g, groups - 1);
		u32 at = quarterAt<F>(groups, g & -kChunk, g % kChunk, lane() % 4);
#pragma unroll
		for (int i = 0; i < kEighths; i++) {
			Row from = rowAfter<F>(w, before[i]);
			if constexpr (F::kLow == 8) {
				uint2v v = *(const uint2v *)(from.codes + at);
				quarters[i].words[0] = v[0], quarters[i].words[1] = v[1];
			} else {
				quarters[i].words[0] = *(const u32 *)(from.codes + at);
			}
			scales[i] = packedScaleOf<F>(from, g);
		}
	}

	DEVICE_METHOD void take(Fragments &to, Tiles *) const {
#pragma unroll
		for (int k = 0; k < kBatchTiles; k++)
#pragma unroll
			for (int product = 0; product < 2; product++)
#pragma unroll
				for (int i = 0; i < 4; i++) to.codes[k][product][i] = pairOf<F>(quarters[2 * k + i % 2], 2 * product + i / 2);
#pragma unroll
		for (int i = 0; i < kEighths; i++) to.scales[i] = unpacked<F>(scales[i]);
	}

	static DEVICE_METHOD void used() {}
};

// multiplyGroup adds the products of a group with eight rows of x: with a lane's numbers of row lane()/4 of
// them, where the tails are those of rows 2*(lane()%4) and the one after it.
template <class F, int Eights>
DEVICE void multiplyGroup(float (&sums)[kEighths][Eights][2], int i, const Fragments &f, const uint4v &x, const TailsOf<oneScale<F>> &tails) {
	if constexpr (oneScale<F>) {
		// An offset is what the sums begin with: they are integers.
		float4v totals = *(const float4v *)tails.totals;
		float2v scale = *(const float2v *)tails.scales;
		float begin[4] = {};
		if constexpr (F::kOffset > 0)
			for (int i = 0; i < 4; i++) begin[i] = totals[i];
#pragma unroll
		for (int k = 0; k < kBatchTiles; k++) {
			float c[4];
			multiplyTiles(c, f.codes[k][0], x[0], x[1], begin);
			multiplyTiles(c, f.codes[k][1], x[2], x[3]);
#pragma unroll
			for (int r = 0; r < 2; r++)
#pragma unroll
				for (int j = 0; j < 2; j++) {
					const Scale &s = f.scales[2 * k + r];
					float &to = sums[2 * k + r][i][j];
					to = multiplyAdd(s.scale[0] * scale[j], c[2 * r + j], to);
					if constexpr (hasMin<F>) to = multiplyAdd(s.min[0] * scale[j], totals[j], to);
				}
		}
	} else {
		float4v tail[2] = {*(const float4v *)&tails.of[0], *(const float4v *)&tails.of[1]};
#pragma unroll
		for (int k = 0; k < kBatchTiles; k++) {
			float c[2][4] = {};
			multiplyTiles(c[0], f.codes[k][0], x[0], x[1]);
			multiplyTiles(c[1], f.codes[k][1], x[2], x[3]);
#pragma unroll
			for (int r = 0; r < 2; r++)
#pragma unroll
				for (int half = 0; half < 2; half++)
#pragma unroll
					for (int j = 0; j < 2; j++) addGroup<F>(sums[2 * k + r][i][j], f.scales[2 * k + r], half, tail[j], c[half][2 * r + j]);
		}
	}
}
