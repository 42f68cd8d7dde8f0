// A vector of float32 numbers by 8 rows of weights, with the units for products of matrices
// or without. The units take float16 numbers. Codes are such numbers as they are; of the
// vector, each number is two, the second what the first leaves, once its group has been given
// a power of two that brings the group's largest near the end of their range: 22 bits of that.
#pragma once
#include "matmul.h"

// The rows that are multiplied at a time, and the groups of their columns: a lane has one
// group of one row.
constexpr int kTileRows = 8, kTileGroups = kWarp / kTileRows;

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

// What a format wants of two neighbours of a group of a vector: the factors that they are
// multiplied with, and their places among halves, in bytes, the second in the upper half of
// the word. Places are kAsTheyAre where it wants floats.
struct Form {
	float2v factor;
	u32 places;
};
constexpr u32 kAsTheyAre = ~0u;

template <class F, bool Tiles> DEVICE Form formOf(int pair) {
	Form f = {1, kAsTheyAre};
	if constexpr (Tiles && kInHalves<F>) {
		int a = placeOf<F>(2 * pair), b = placeOf<F>(2 * pair + 1);
		f.factor = {1.0f / (1 << bitOf<F>(a / 2)), 1.0f / (1 << bitOf<F>(b / 2))};
		f.places = 2 * a | 2 * b << 16;
	} else if constexpr (kSubnormal<F>) {
		f.factor = ((const float2v *)kFactors<F>.of)[pair];
	}
	return f;
}

// store brings values 2*i and 2*i+1 of a vector, which have been multiplied with their
// factors, into slots. All lanes of a warp call it, with values that follow each other; those
// past the end of the vector have zeros.
template <bool Tiles> DEVICE void store(Slot *slots, int i, bool there, float2v v, u32 places) {
	constexpr int pairs = kGroup / 2, top = 14; // the exponent of the largest
	Slot &slot = slots[i / pairs];
	if (!Tiles || places == kAsTheyAre) {
		if (there) ((float2v *)slot.floats)[i % pairs] = v;
		return;
	}
	constexpr u32 magnitude = 0x7fffffff;
	int most = larger(bitsOf(v[0]) & magnitude, bitsOf(v[1]) & magnitude);
#pragma unroll
	for (int m = 1; m < pairs; m *= 2) most = larger(most, exchange(most, m));
	int exponent = larger(most >> 23, top + 1);
	if (!there) return;
	v *= fromBits((2 * 127 + top - exponent) << 23);
	u8 *to = (u8 *)slot.halves;
#pragma unroll
	for (int k = 0; k < 2; k++) {
		u16 large = toHalf(v[k]);
		u16 *place = (u16 *)(to + (k ? places >> 16 : places & 0xffff));
		place[0] = large, place[kGroup] = toHalf(v[k] - fromHalf(large));
	}
	if (i % pairs == 0) slot.scale = fromBits((exponent - top) << 23);
}

// The products of a row's groups with a vector, as a lane has them.
template <class F, bool Tiles> struct Products {
	static constexpr bool kHalves = Tiles && kInHalves<F>;
	float sums[2] = {}; // of rows 2*(lane()%4) and the next, or of row lane()/4

	// add adds that of one group of each of 8 rows for each of the four groups of a vector
	// from number first on, of which lane() has that of row lane()/4 and group lane()%4.
	// Past the end of the vector slots are zeros.
	//
	// The units multiply four of a lane's weights at a time. Rows 0 to 3 of the left factor
	// are the large parts of the four groups, each with zeros in the columns of the others,
	// and rows 4 to 7 the small ones, so groups' sums remain apart.
	DEVICE_METHOD void add(const Group<F> &w, const Scale &scale, const Slot *slots, int first, int groups, const Slot *zeros) {
		int mine = first + lane() % kTileGroups;
		if constexpr (!kHalves) {
			const Slot *slot = mine < groups ? slots + mine : zeros;
			addChunk<F, 1, 1, 1>({w}, {scale}, slot->floats, *(float(*)[1][1])sums);
		} else {
			constexpr int parts = oneScale<F> ? 1 : 2;
			int group = lane() / 4 % kTileGroups;
			const Slot *slot = group == lane() % kTileGroups && first + group < groups ? slots + first + group : zeros;
			const uint4v *x = slot->halves[lane() / 16];
			float by = mine < groups ? slots[mine].scale : 0;
#pragma unroll
			for (int part = 0; part < parts; part++) {
				float c[2][4] = {}, totals[4] = {};
#pragma unroll
				for (int j = part * 8 / parts; j < (part + 1) * 8 / parts; j++) {
					uint4v four = x[j / 2];
					u32 a[4] = {four[j % 2 * 2], 0, four[j % 2 * 2 + 1], 0};
					multiplyTiles(c[j % 2], a, pairOf<F>(w, 2 * j), pairOf<F>(w, 2 * j + 1));
					if constexpr (hasMin<F>) multiplyTiles(totals, a, unitsOf(2 * j), unitsOf(2 * j + 1));
				}
				// Lane 4*r + g has the scales of row r and group g.
				int from = lane() % 4 * 8 + group;
#pragma unroll
				for (int k = 0; k < 2; k++) {
					sums[k] += broadcast(scale.scale[part] * by, from + 4 * k) * (c[0][k] + c[1][k]);
					if constexpr (hasMin<F>) sums[k] += broadcast(scale.min[part] * by, from + 4 * k) * totals[k];
				}
			}
		}
	}

	// unitsOf returns what the weights at places 2*p and 2*p+1 are read in units of.
	static DEVICE_METHOD u32 unitsOf(int p) { return (0x3c00 + (bitOf<F>(p) << 10)) * 0x10001; }

	// finish adds what the lanes have. Lane r then has the sums of rows 2*r and 2*r+1 for r
	// below 4.
	DEVICE_METHOD float2v finish() {
		if constexpr (kHalves) {
#pragma unroll
			for (int k = 0; k < 2; k++)
#pragma unroll
				for (int m = 4; m < kWarp; m *= 2) sums[k] += exchange(sums[k], m);
			return {sums[0], sums[1]};
		} else {
			float sum = sums[0] * (kSubnormal<F> ? kProducts : 1);
			for (int m = 1; m < kTileGroups; m *= 2) sum += exchange(sum, m);
			return {broadcast(sum, lane() % 4 * 8), broadcast(sum, lane() % 4 * 8 + 4)};
		}
	}
};
