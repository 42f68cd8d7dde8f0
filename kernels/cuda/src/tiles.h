// A vector of float32 numbers by 16 rows of weights, in integers or in float32. A group of the vector
// is given a power of two that makes its largest an integer of 11 bits; each of its numbers is the
// nearest integer, or, where more is asked for, that and what it leaves as a multiple of 2^-11: 22
// bits of the largest. A lane multiplies two of those, of 16 bits each, with codes, which are bytes, at a time. For
// many vectors the units for products of matrices do that, which take float16 numbers (batch.h): the lowest bits of one of 0
// are an integer of up to 10 bits in 2^-24, so codes are such numbers as they are. What is added is
// exact, either way and in whichever order; and with the sum of a group, codes' offsets and minima are taken into account
// only once. For one vector the units would be as fast, but while they have something to do an H200 runs at 1.80 GHz instead of 1.98.
#pragma once
#include "quads.h"

// addGroup adds to a sum what products have made of a half of a group, or of all of it, of a
// row of weights, where tail is the end of the group's slot.
template <class F> DEVICE void addGroup(float &to, const Scale &s, int half, const float4v &tail, float sum) {
	float total = (oneScale<F> ? tail[1] + tail[2] : tail[1 + half]) * kCodeUnit;
	if constexpr (F::kOffset > 0) sum = multiplyAdd(-F::kOffset, total, sum);
	to = multiplyAdd(s.scale[half] * tail[0], sum, to);
	if constexpr (hasMin<F>) to = multiplyAdd(s.min[half] * tail[0], total, to);
}

// The products of rows with a vector, as a lane has them.
template <class F, bool Tiles> struct Products {
	static constexpr bool kInIntegers = Tiles && kExact<F>;
	float sums[2] = {}; // of rows lane()/4 and lane()/4 + 8

	// add adds those of groups first + lane()%4 of the two rows, or of the first one if Rows is
	// 1, where numbers are two if both says so. Past the end of the vector there are zeros.
	template <int Rows> DEVICE_METHOD void add(const Group<F> (&w)[Rows], const Scale (&scales)[Rows], const Slot *slots, int first, int groups, const Slot *zeros, bool both) {
		int mine = first + lane() % kTileGroups;
		const Slot *slot = mine < groups ? slots + mine : zeros;
		if constexpr (Tiles && !kExact<F>) {
			// One after the other, so that floats (floats.h) needs no registers for the sum of a group.
#pragma unroll
			for (int q = 0; q < kGroup / 4; q++) {
				float4v x = slot->floats[q];
#pragma unroll
				for (int k = 0; k < 4; k++)
#pragma unroll
					for (int r = 0; r < Rows; r++) sums[r] = multiplyAdd(w[r].number(4 * q + k), x[k], sums[r]);
			}
		} else if constexpr (!Tiles) {
			addChunk<F, 1, Rows, 1>(w, scales, slot->floats, *(float(*)[1][Rows])sums);
		} else {
			constexpr int parts = oneScale<F> ? 1 : 2;
			float4v tail = *(const float4v *)&slot->scale;
#pragma unroll
			for (int part = 0; part < parts; part++) {
				float products[Rows];
				inIntegers<Rows, parts>(products, w, slot, part, both);
#pragma unroll
				for (int r = 0; r < Rows; r++) addGroup<F>(sums[r], scales[r], part, tail, products[r]);
			}
		}
	}

	// inIntegers multiplies a group, or half of it.
	template <int Rows, int Parts> DEVICE_METHOD void inIntegers(float (&to)[Rows], const Group<F> (&w)[Rows], const Slot *slot, int part, bool both) {
		constexpr int each = kGroup / 4 / Parts;
		int large[Rows] = {}, small[Rows] = {};
#pragma unroll
		for (int j = part * each; j < (part + 1) * each; j++) {
			u32 first = slot->integers[0][j / 2][j % 2 * 2], second = slot->integers[0][j / 2][j % 2 * 2 + 1];
#pragma unroll
			for (int r = 0; r < Rows; r++) large[r] = multiplyBytes(first, second, bytesOf<F>(w[r], j), large[r]);
		}
		if (both) {
#pragma unroll
			for (int j = part * each; j < (part + 1) * each; j++) {
				u32 first = slot->integers[1][j / 2][j % 2 * 2], second = slot->integers[1][j / 2][j % 2 * 2 + 1];
#pragma unroll
				for (int r = 0; r < Rows; r++) small[r] = multiplyBytes(first, second, bytesOf<F>(w[r], j), small[r]);
			}
		}
#pragma unroll
		for (int r = 0; r < Rows; r++) to[r] = large[r] * kCodeUnit;
		if (both)
#pragma unroll
			for (int r = 0; r < Rows; r++) to[r] += small[r] * (kCodeUnit * 0x1p-11f);
	}

	// finish adds what lanes have, and returns the sum of row lane()/4 in lanes of number 0 of
	// four, and that of the eighth after it in those of number 1.
	DEVICE_METHOD float finish() {
#pragma unroll
		for (int r = 0; r < 2; r++)
#pragma unroll
			for (int m = 1; m < kTileGroups; m *= 2) sums[r] += exchange(sums[r], m);
		return (lane() % kTileGroups ? sums[1] : sums[0]) * (kInIntegers ? 1 / kCodeUnit : kSubnormal<F> ? kProducts : 1);
	}
};
