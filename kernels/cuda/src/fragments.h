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
template <class F> constexpr bool kByLane = kExact<F> && F::kHigh == 0 && F::kLow >= 4;

// Four groups of 32 rows of weights, as a quad has them in the block's memory. Of a plane four lanes copy what
// the groups of a row have there; partAt says where it goes, so that the rows of one group are in
// different banks. Scales come in whole words, four for a row: the scales of its groups may begin in the middle
// of the first one, and the last one has the number that they are multiplied with, if there is one.
template <u32 Bytes> DEVICE u32 partAt(u32 row, u32 group) { return (row * kTileGroups + (group ^ row / (32 / Bytes) % kTileGroups)) * Bytes; }
template <class F> struct Stage {
	static constexpr u32 kParts = kBatchRows * kTileGroups, kHighAt = kParts * kCodesBytes<F>, kScalesAt = kHighAt + kParts * kHighBytes<F>;
	alignas(16) u8 bytes[kScalesAt + kBatchRows * 16];

	// pieceOf returns where piece k of a group's codes is in a stage that begins at an address.
	template <class Address> static DEVICE_METHOD Address pieceOf(Address begin, u32 k, u32 row, u32 group) {
		return begin + k * kParts * kPiece<F> + partAt<kPiece<F>>(row, group ^ 2 * k);
	}
};

// Of weights that do not go to the units as they are, which the lane that has read all of a group takes
// apart, a warp has this, too.
struct BatchTiles {
	uint4v codes[kBatchTiles][2][kTileRows / 2][4];
	Scale scales[kBatchRows];
};
struct NoTiles {};

template <bool First, class A, class B> struct Choice { typedef A Type; };
template <class A, class B> struct Choice<false, A, B> { typedef B Type; };

// bankOf keeps what is written together in different banks.
DEVICE int bankOf(int row, int t) { return t ^ row / 2 % 4; }

// A quad's weights on their way: start says which 32 rows they are of, copy begins to copy four groups of
// them to a stage, and take takes the group of a warp apart.
template <class F> struct BatchWeights {
	using Tiles = typename Choice<kByLane<F>, NoTiles, BatchTiles>::Type;
	static constexpr u32 kWords = kScaleBytes<F> < 4 ? kScaleBytes<F> + 1 : 4; // that have four scales
	u32 row, before; // that the lane copies, and groups of the rows before it

	// start: past the last row that is copied again.
	DEVICE_METHOD void start(const Matrix &w, int first, int phase, int groups) {
		row = phase * (kBatchRows / kTileGroups) + lane() / kTileGroups;
		before = minimum(first + row, w.rows - 1) * groups;
	}

	// startOf returns at which byte of its word a number begins, so many bytes from the start of a plane.
	static DEVICE_METHOD u32 startOf(u32 bytes) { return bytes % 4; }

	// copy: past the last group that is copied again. Its words of scales reach up to 16 bytes further, for which
	// layout in pack.go leaves room.
	DEVICE_METHOD void copy(const Matrix &w, u32 first, u32 groups, Shared to) const {
		u32 own = lane() % kTileGroups, g = first + own < groups ? first + own : groups - 1;
		Row from = rowAfter<F>(w, before);
#pragma unroll
		for (u32 k = 0; k < kCodesBytes<F> / kPiece<F>; k++)
			copyAsync<kPiece<F>>(Stage<F>::pieceOf(to, k, row, own), from.codes + pieceAt<F>(groups, g & -kChunk, g % kChunk, k));
		if constexpr (kHighBytes<F> > 0) copyAsync<kHighBytes<F>>(to + Stage<F>::kHighAt + partAt<kHighBytes<F>>(row, own), from.high + g * kHighBytes<F>);
		const u8 *scales = from.scales - startOf(before * kScaleBytes<F>) + first * kScaleBytes<F> + own * 4;
		if constexpr (kSuperBytes<F> > 0)
			if (own == kTileGroups - 1) scales = (const u8 *)((u64)(from.supers + first / 8 * kSuperBytes<F>) & -4);
		if (own < kWords || kSuperBytes<F> > 0) copyAsync<4>(to + Stage<F>::kScalesAt + (row * kTileGroups + own) * 4, scales);
	}

	// scaleAt reads the scale of one of the four groups of a row of a stage. Group first is the first of them, and
	// before are all groups of the rows in front.
	static DEVICE_METHOD Scale scaleAt(const Stage<F> &from, int row, u32 before, u32 first, u32 group) {
		const u8 *at = from.bytes + from.kScalesAt + row * 16, *own = at + startOf(before * kScaleBytes<F>) + group * kScaleBytes<F>;
		const u8 *super = at + 12 + startOf((before + first) / 8 * kSuperBytes<F>);
		return scaleOf<F>(Row{0, 0, own, super}, 0);
	}

	// take: the stage begins with row r0 and group first, and the warp wants one of its four groups.
	static DEVICE_METHOD void take(Fragments &to, const Stage<F> &from, Tiles &by, int r0, u32 first, u32 group, u32 groups) {
		int row = lane() / 4, t = lane() % 4;
		if constexpr (kByLane<F>) {
			u32 before = (r0 + row) * groups; // rows eight apart begin alike in words
#pragma unroll
			for (int i = 0; i < kEighths; i++) to.scales[i] = scaleAt(from, 8 * i + row, before, first, group);
			constexpr u32 bytes = kCodesBytes<F> / 4, ofPiece = kPiece<F> / bytes;
			u32 k = t / ofPiece;
			const u8 *codes = from.pieceOf(from.bytes, k, row, group) + t % ofPiece * bytes;
			Group<F> quarters[kEighths]; // the first words are the lane's
#pragma unroll
			for (int i = 0; i < kEighths; i++) __builtin_memcpy(quarters[i].words, __builtin_assume_aligned(codes + i * 8 * kTileGroups * kPiece<F>, bytes), bytes);
#pragma unroll
			for (int k = 0; k < kBatchTiles; k++)
#pragma unroll
				for (int product = 0; product < 2; product++)
#pragma unroll
					for (int i = 0; i < 4; i++) to.codes[k][product][i] = pairOf<F>(quarters[2 * k + i % 2], 2 * product + i / 2);
		} else {
			Group<F> all;
#pragma unroll
			for (u32 k = 0; k < kCodesBytes<F> / kPiece<F>; k++)
				__builtin_memcpy(all.words + k * kPiece<F> / 4, __builtin_assume_aligned(from.pieceOf(from.bytes, k, lane(), group), kPiece<F>), kPiece<F>);
			if constexpr (kHighBytes<F> > 0) __builtin_memcpy(all.words + F::kLow, __builtin_assume_aligned(from.bytes + from.kHighAt + partAt<kHighBytes<F>>(lane(), group), kHighBytes<F>), kHighBytes<F>);
			all.collectRest();
			by.scales[lane()] = scaleAt(from, lane(), (r0 + lane()) * groups, first, group);
			int own = lane() % 8, upper = lane() / 8 % 2, tile = lane() / kTileRows;
#pragma unroll
			for (int product = 0; product < 2; product++)
#pragma unroll
				for (int t = 0; t < 4; t++) {
					uint2v *two = (uint2v *)&by.codes[tile][product][own][bankOf(own, t)];
					two[upper] = {pairOf<F>(all, pairAt<F>(product, t, 0)), pairOf<F>(all, pairAt<F>(product, t, 1))};
				}
			warpBarrier();
#pragma unroll
			for (int k = 0; k < kBatchTiles; k++)
#pragma unroll
				for (int product = 0; product < 2; product++) {
					uint4v four = by.codes[k][product][row][bankOf(row, t)];
#pragma unroll
					for (int i = 0; i < 4; i++) to.codes[k][product][i] = four[i % 2 * 2 + i / 2];
				}
#pragma unroll
			for (int i = 0; i < kEighths; i++) to.scales[i] = by.scales[8 * i + row];
		}
	}
};

// multiplyGroup adds the products of a group with eight rows of x: with a lane's numbers of row lane()/4 of
// them, where the tails are those of rows 2*(lane()%4) and the one after it.
template <class F, int Eights>
DEVICE void multiplyGroup(float (&sums)[kEighths][Eights][2], int i, const Fragments &f, const uint4v &x, const TailsOf<oneScale<F>> &tails) {
	if constexpr (oneScale<F>) {
		// An offset is what the sums begin with: they are integers.
		float2v total = *(const float2v *)tails.totals, scale = *(const float2v *)tails.scales;
		float begin[4] = {};
		if constexpr (F::kOffset > 0) {
			// Read once more instead of copied: the units want four registers that follow each other.
			float2v again = *(const volatile float2v *)tails.totals;
			begin[0] = total[0], begin[1] = total[1], begin[2] = again[0], begin[3] = again[1];
		}
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
					if constexpr (hasMin<F>) to = multiplyAdd(s.min[0] * scale[j], total[j], to);
				}
		}
	} else {
		float2v scales = *(const float2v *)tails.scales, halves[2] = {*(const float2v *)tails.sums[0], *(const float2v *)tails.sums[1]};
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
					for (int j = 0; j < 2; j++) addGroup<F>(sums[2 * k + r][i][j], f.scales[2 * k + r], half, float4v{scales[j], halves[j][0], halves[j][1], 0}, c[half][2 * r + j]);
		}
	}
}
