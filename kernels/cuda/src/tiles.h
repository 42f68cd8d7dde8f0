// A vector of float32 numbers by 16 rows of weights, with the units for products of matrices
// or without. The units take float16 numbers. Codes are such numbers as they are; of the
// vector, each number is two, the second what the first leaves, once its group has been given
// a power of two that brings the group's largest near the end of their range: 22 bits of that.
#pragma once
#include "matmul.h"

// The rows that are multiplied at a time, and the groups of their columns: a lane has one
// group of row lane()/4 and one of the eighth row after it.
constexpr int kTileRows = 16, kTileGroups = 2 * kWarp / kTileRows;

// Formats whose numbers are float16 numbers, but for their scales.
template <class F> constexpr bool kInHalves = !same<F, F32> && !same<F, BF16>;

// Codes of 2 and 4 bits stand in pairs as they are: one in the lower half of a word, the
// other at the same bit of the upper one.
template <class F> constexpr bool kPaired = !F::kTable && F::kHigh == 0 && F::kLow < 8;
template <class F> constexpr int kOfHalf = 16 / F::kLow;   // codes of half a word
template <class F> constexpr int kDirect = 10 / F::kLow;   // and those that can be read where they are

// placeOf returns where weight i of a group stands among all.
template <class F> constexpr int placeOf(int i) {
	if constexpr (!kPaired<F>) return i;
	else return i / (2 * kOfHalf<F>) * 2 * kOfHalf<F> + i % kOfHalf<F> * 2 + i / kOfHalf<F> % 2;
}

// bitOf returns at which bit of their halves the weights at places 2*p and 2*p+1 are read:
// they are 1 << bitOf(p) times as large as they should be.
template <class F> constexpr int bitOf(int p) {
	if constexpr (!kPaired<F>) return 0;
	else return p % kOfHalf<F> % kDirect<F> * F::kLow;
}

// Float16 numbers from 1024 to 2047 have integers in their low bits. integerHalves returns
// 1024 + c twice.
constexpr u32 integerHalves(u32 c) { return (0x6400 + c) * 0x10001; }

// pairOf returns the weights at places 2*p and 2*p+1, without their scale.
template <class F> DEVICE u32 pairOf(const Group<F> &w, int p) {
	if constexpr (same<F, F16>) return w.words[p];
	u32 r;
	if constexpr (kPaired<F>) {
		constexpr u32 mask = (1 << F::kLow) - 1;
		u32 word = w.words[p / kOfHalf<F>] >> p % kOfHalf<F> / kDirect<F> * kDirect<F> * F::kLow;
		r = andOr(word, mask << bitOf<F>(p) | mask << bitOf<F>(p) << 16, integerHalves(0));
	} else if constexpr (F::kTable || F::kLow == 8) {
		u32 bytes;
		if constexpr (F::kTable) bytes = levels<F>(w.words[p / 4], p / 2 % 2);
		else bytes = w.words[p / 2];
		r = permute(bytes, integerHalves(0), p % 2 ? 0x5352 : 0x5150);
	} else {
		using At = Fields<F>;
		constexpr u32 mask = (1 << At::kBits) - 1;
		auto wordOf = [&](int i) { return i < At::kPlaced ? w.words[i / At::kEach] : w.rest; };
		auto bit = [&](int i) { return (i < At::kPlaced ? i % At::kEach : i - At::kPlaced) * At::kBits; };
		int i = 2 * p, j = i + 1, by = bit(j) - 16;
		u32 second = by < 0 ? wordOf(j) << -by : wordOf(j) >> by;
		r = andOr(second, mask << 16, andOr(wordOf(i) >> bit(i), mask, integerHalves(0)));
	}
	return addHalves(r, integerHalves(F::kOffset << bitOf<F>(p)) | 0x80008000);
}

// A group of a vector in shared memory: the large and the small parts of its numbers, in the
// order of weights' places, or the numbers themselves as they are. What is left keeps
// groups that are read together in different banks.
struct Slot {
	union {
		uint4v halves[2][kGroup / 8];
		float4v floats[kGroup / 4];
	};
	float scale; // what the parts are to be multiplied with
	u32 unused[3];
};

// What a format wants of four neighbours of a group of a vector: the factors that they are
// multiplied with, and their places among halves, in bytes, a byte each. Places are
// kAsTheyAre where it wants floats.
struct Form {
	float4v factor;
	u32 places, unused[3];
};
constexpr u32 kAsTheyAre = ~0u;

template <class F, bool Tiles> DEVICE Form formOf(int quad) {
	Form f = {1, kAsTheyAre};
	if constexpr (Tiles && kInHalves<F>) {
		f.places = 0;
#pragma unroll
		for (int k = 0; k < 4; k++) {
			int at = placeOf<F>(4 * quad + k);
			f.factor[k] = fromBits((127 - bitOf<F>(at / 2)) << 23);
			f.places |= 2 * at << 8 * k;
		}
	} else if constexpr (kSubnormal<F>) {
		f.factor = ((const float4v *)kFactors<F>.of)[quad];
	}
	return f;
}

// store brings values 4*i to 4*i+3 of a vector, which have been multiplied with their
// factors, into slots. All lanes of a warp call it, with values that follow each other; those
// past the end of the vector have zeros.
template <bool Tiles> DEVICE void store(Slot *slots, int i, bool there, float4v v, u32 places) {
	constexpr int quads = kGroup / 4, top = 14; // the exponent of the largest
	Slot &slot = slots[i / quads];
	if (!Tiles || places == kAsTheyAre) {
		if (there) slot.floats[i % quads] = v;
		return;
	}
	constexpr u32 magnitude = 0x7fffffff;
	int most = larger(larger(bitsOf(v[0]) & magnitude, bitsOf(v[1]) & magnitude), larger(bitsOf(v[2]) & magnitude, bitsOf(v[3]) & magnitude));
#pragma unroll
	for (int m = 1; m < quads; m *= 2) most = larger(most, exchange(most, m));
	int exponent = larger(most >> 23, top + 1);
	if (!there) return;
	v *= fromBits((2 * 127 + top - exponent) << 23);
	u8 *to = (u8 *)slot.halves;
#pragma unroll
	for (int k = 0; k < 4; k += 2) {
		u32 large = halves(v[k], v[k + 1]), small = halves(v[k] - fromHalf(large), v[k + 1] - fromHalf(large >> 16));
		u16 *first = (u16 *)(to + (places >> 8 * k & 0xff)), *second = (u16 *)(to + (places >> (8 * k + 8) & 0xff));
		first[0] = large, first[kGroup] = small;
		second[0] = large >> 16, second[kGroup] = small >> 16;
	}
	if (i % quads == 0) slot.scale = fromBits((exponent - top) << 23);
}

// The products of rows with a vector, as a lane has them.
template <class F, bool Tiles> struct Products {
	static constexpr bool kHalves = Tiles && kInHalves<F>;
	float sums[2] = {}; // of rows lane()/4 and lane()/4 + 8

	// add adds those of groups first + lane()%4 of the two rows, or of the first one if Rows is
	// 1. Past the end of the vector there are zeros.
	//
	// The units multiply four weights of each of a row's groups at a time. The right factor
	// has two columns for each group, the large parts and the small ones, with zeros in the
	// rows of the others; so groups' sums remain apart, and a lane gets those of its own.
	template <int Rows> DEVICE_METHOD void add(const Group<F> (&w)[Rows], const Scale (&scales)[Rows], const Slot *slots, int first, int groups, const Slot *zeros) {
		int mine = first + lane() % kTileGroups;
		if constexpr (!kHalves) {
			const Slot *slot = mine < groups ? slots + mine : zeros;
			addChunk<F, 1, Rows, 1>(w, scales, slot->floats, *(float(*)[1][Rows])sums);
		} else {
			constexpr int parts = oneScale<F> ? 1 : 2, each = kGroup / 4 / parts;
			int column = lane() / 4;
			bool has = column / 2 == lane() % kTileGroups && mine < groups;
			const uint4v *x = (has ? slots + mine : zeros)->halves[column % 2];
			float by = mine < groups ? slots[mine].scale : 0;
#pragma unroll
			for (int part = 0; part < parts; part++) {
				float c[2][4] = {}, totals[4] = {};
#pragma unroll
				for (int j = part * each; j < (part + 1) * each; j++) {
					uint4v four = x[j / 2];
					u32 a[4] = {pairOf<F>(w[0], 2 * j), 0, pairOf<F>(w[0], 2 * j + 1), 0};
					if constexpr (Rows == 2) a[1] = pairOf<F>(w[1], 2 * j), a[3] = pairOf<F>(w[1], 2 * j + 1);
					multiplyTiles(c[j % 2], a, four[j % 2 * 2], four[j % 2 * 2 + 1]);
					if constexpr (hasMin<F>) {
						u32 ones[4] = {unitsOf(2 * j), 0, unitsOf(2 * j + 1), 0};
						multiplyTiles(totals, ones, four[j % 2 * 2], four[j % 2 * 2 + 1]);
					}
				}
#pragma unroll
				for (int r = 0; r < Rows; r++) {
					sums[r] += scales[r].scale[part] * by * (c[0][2 * r] + c[0][2 * r + 1] + c[1][2 * r] + c[1][2 * r + 1]);
					if constexpr (hasMin<F>) sums[r] += scales[r].min[part] * by * (totals[0] + totals[1]);
				}
			}
		}
	}

	// unitsOf returns what the weights at places 2*p and 2*p+1 are read in units of.
	static DEVICE_METHOD u32 unitsOf(int p) { return (0x3c00 + (bitOf<F>(p) << 10)) * 0x10001; }

	// finish adds what lanes have, and returns the sum of row lane()/4 in lanes of number 0 of
	// four, and that of the eighth after it in those of number 1.
	DEVICE_METHOD float finish() {
#pragma unroll
		for (int r = 0; r < 2; r++)
#pragma unroll
			for (int m = 1; m < kTileGroups; m *= 2) sums[r] += exchange(sums[r], m);
		return (lane() % kTileGroups ? sums[1] : sums[0]) * (!kHalves && kSubnormal<F> ? kProducts : 1);
	}
};
