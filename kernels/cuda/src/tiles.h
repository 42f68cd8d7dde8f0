// A vector of float32 numbers by 16 rows of weights, with the units for products of matrices
// or without. The units take float16 numbers. A group of the vector is given a power of two
// that makes its largest an integer of 11 bits; each of its numbers is the nearest integer, or,
// where more is asked for, that and what it leaves as a multiple of 2^-11: 22 bits of the
// largest. The lowest bits of a float16 number of 0 are an integer of up to 10 bits in 2^-24, so
// codes are such numbers as they are. What the units add is exact, in whichever order they do;
// and with the sum of a group, codes' offsets and minima are taken into account only once.
#pragma once
#include "matmul.h"

// The rows that are multiplied at a time, and the groups of their columns: a lane has one
// group of row lane()/4 and one of the eighth row after it.
constexpr int kTileRows = 16, kTileGroups = 2 * kWarp / kTileRows;

// Formats whose numbers are float16 numbers, but for their scales.
template <class F> constexpr bool kInHalves = !same<F, F32> && !same<F, BF16>;

// Codes of 2 to 5 bits stand in pairs as they are: one in the lower half of a word, the
// other at the same bit of the upper one.
template <class F> constexpr bool kPaired = !F::kTable && F::kLow < 8 && Fields<F>::kBits != 6;
template <class F> constexpr int kOfHalf = 16 / Fields<F>::kBits; // codes of half a word
template <class F> constexpr int kDirect = 10 / Fields<F>::kBits; // and those that can be read where they are

// Those of 2 and 4 bits are not pairs of neighbours.
template <class F> constexpr bool kApart = kPaired<F> && !Fields<F>::kNeighbours;

// placeOf returns where weight i of a group stands among all.
template <class F> constexpr int placeOf(int i) {
	if constexpr (!kApart<F>) return i;
	else return i / (2 * kOfHalf<F>) * 2 * kOfHalf<F> + i % kOfHalf<F> * 2 + i / kOfHalf<F> % 2;
}

// bitOf returns at which bit of their halves the weights at places 2*p and 2*p+1 are read:
// they are 1 << bitOf(p) times as large as they should be.
template <class F> constexpr int bitOf(int p) {
	if constexpr (!kPaired<F>) return 0;
	else return p % kOfHalf<F> % kDirect<F> * Fields<F>::kBits;
}

// In which the weights of a group are read.
template <class F> constexpr float kCodeUnit = same<F, F16> ? 1 : 0x1p-24f;

// pairOf returns the weights at places 2*p and 2*p+1, without their scale and their offset.
template <class F> DEVICE u32 pairOf(const Group<F> &w, int p) {
	if constexpr (same<F, F16>) {
		return w.words[p];
	} else if constexpr (kPaired<F>) {
		using At = Fields<F>;
		constexpr u32 mask = ((1 << At::kBits) - 1) * 0x10001;
		if (2 * p >= At::kPlaced) return w.rest >> At::bit(2 * p) & mask;
		return w.words[p / kOfHalf<F>] >> p % kOfHalf<F> / kDirect<F> * kDirect<F> * At::kBits & mask << bitOf<F>(p);
	} else if constexpr (F::kTable || F::kLow == 8) {
		u32 bytes;
		if constexpr (F::kTable) bytes = levels<F>(w.words[p / 4], p / 2 % 2);
		else bytes = w.words[p / 2];
		return permute(bytes, 0, p % 2 ? 0x4342 : 0x4140);
	} else {
		using At = Fields<F>;
		constexpr u32 mask = (1 << At::kBits) - 1;
		auto wordOf = [&](int i) { return i < At::kPlaced ? w.words[i / At::kEach] : w.rest; };
		auto bit = [&](int i) { return (i < At::kPlaced ? i % At::kEach : i - At::kPlaced) * At::kBits; };
		int i = 2 * p, j = i + 1, by = bit(j) - 16;
		u32 second = by < 0 ? wordOf(j) << -by : wordOf(j) >> by;
		return andOr(second, mask << 16, wordOf(i) >> bit(i) & mask);
	}
}

// A group of a vector in shared memory: the large and the small parts of its numbers, in the
// order of weights' places, or the numbers themselves as they are. What is left keeps
// groups that are read together in different banks.
struct Slot {
	union {
		uint4v halves[2][kGroup / 8];
		float4v floats[kGroup / 4];
	};
	float scale, sums[2], unused; // what the parts, and the sums of the group's halves, are in
};

// What a format wants of four neighbours of a group of a vector.
template <bool Tiles> struct Form;

// Without units, or of floats: the factors that they are multiplied with.
template <> struct Form<false> {
	float4v factor;
};

// With them: where two words of two parts come in halves, in bytes, and the factors of those.
// The words are the lane's own where partner is 0. Else they consist of numbers of the lane's
// quad and of that of lane()^partner: of the first two of each, if the lane's come first, and
// of the others. Where the format wants floats, at is kAsTheyAre. A number is two if parts is.
// Where groups have one scale, total is what the sum of all 32 numbers is multiplied with for
// batch (batch.h), else 0.
template <> struct Form<true> {
	u16 partner, parts;
	u32 at, factors[2];
	float total;
};
constexpr u32 kAsTheyAre = ~0u;

template <class F, bool Tiles> DEVICE Form<Tiles> formOf(int quad, int parts) {
	if constexpr (!Tiles) {
		if constexpr (kSubnormal<F>) return {((const float4v *)kFactors<F>.of)[quad]};
		return {1};
	} else if constexpr (!kInHalves<F>) {
		return {0, 1, kAsTheyAre, {}, 0};
	} else {
		constexpr int partner = kApart<F> ? kOfHalf<F> / 4 : 0;
		int at = placeOf<F>(4 * quad + (quad & partner ? 2 : 0)) & -2;
		auto factor = [&](int p) { return (0x3c00 - (bitOf<F>(p) << 10)) * 0x10001; };
		constexpr float total = !oneScale<F> ? 0 : F::kOffset > 0 ? -F::kOffset * kCodeUnit<F> : kCodeUnit<F>;
		return {partner, (u16)parts, 2 * (u32)at, {(u32)factor(at / 2), (u32)factor(at / 2 + 1)}, total};
	}
}

// The formats by number, in the order of FORMATS.
enum {
#define FORMAT_NUMBER(F) kFormat_##F,
	FORMATS(FORMAT_NUMBER) kFormats
};

// formOf returns that of a format by its number.
template <bool Tiles> DEVICE Form<Tiles> formOf(int format, int quad, int parts) {
	switch (format) {
#define FORM_OF(F) case kFormat_##F: return formOf<F, Tiles>(quad, parts);
		FORMATS(FORM_OF)
	}
	return {};
}

// The squares of a vector that is normed are added so many numbers at a time, and there are at
// most so many sums.
constexpr int kSquares = 4 * kWarp, kMostSquares = 64;

DEVICE float squareOf(float4v v) { return multiplyAdd(v[0], v[0], v[1] * v[1]) + multiplyAdd(v[2], v[2], v[3] * v[3]); }

// normScale is what an RMSNorm multiplies with. The sums of squares stand in fours, with zeros past
// the last one: at least two fours.
DEVICE float normScale(const float4v *squares, int width, float inverseWidth, float eps) {
	float4v a = squares[0], b = squares[1];
	float sum = a[0] + a[1] + a[2] + a[3] + b[0] + b[1] + b[2] + b[3];
#pragma unroll 1
	for (int i = 2; i * 4 * kSquares < width; i++) {
		a = squares[i];
		sum = sum + a[0] + a[1] + a[2] + a[3];
	}
	return rsqrt(multiplyAdd(sum, inverseWidth, eps));
}

// gatedBy is silu(gate)*up.
DEVICE float gatedBy(float gate, float up) { return divide(gate, 1 + exponential(-gate)) * up; }

// Four numbers of a group as the units want them.
struct Quad {
	uint2v parts[2]; // the large ones, and the small ones or zeros
	float sum;       // of the half of the group, in scale
	float scale;     // of the group
};

// quadOf returns that of values 4*i to 4*i+3 of a vector. All lanes of a warp call it, with values
// that follow each other.
DEVICE Quad quadOf(int i, float4v v, const Form<true> &form) {
	constexpr int quads = kGroup / 4, top = 10; // the exponent of the largest
	constexpr u32 magnitude = 0x7fffffff;
	bool both = form.parts > 1;
	int most = larger(larger(bitsOf(v[0]) & magnitude, bitsOf(v[1]) & magnitude), larger(bitsOf(v[2]) & magnitude, bitsOf(v[3]) & magnitude));
#pragma unroll
	for (int m = 1; m < quads; m *= 2) most = larger(most, exchange(most, m));
	int exponent = larger(most >> 23, top + 1);
	float by = fromBits((2 * 127 + top - exponent) << 23);
	// Numbers that have no bits after the point, and none after 2^-11.
	constexpr float integers = 0x1.8p23f, fractions = 0x1.8p12f;
	float4v large, small = 0;
#pragma unroll
	for (int k = 0; k < 4; k++) large[k] = multiplyAdd(v[k], by, integers) - integers;
	if (both) {
#pragma unroll
		for (int k = 0; k < 4; k++) small[k] = (multiplyAdd(v[k], by, -large[k]) + fractions) - fractions;
		v *= by;
	} else {
		v = large;
	}
	Quad q = {};
	q.sum = v[0] + v[1] + (v[2] + v[3]);
#pragma unroll
	for (int m = 1; m < quads / 2; m *= 2) q.sum += exchange(q.sum, m);
	q.scale = fromBits((exponent - top) << 23);
	int partner = form.partner;
#pragma unroll
	for (int part = 0; part < 2; part++) {
		if (part && !both) break;
		const float4v &x = part ? small : large;
		uint2v words = {halves(x[0], x[1]), halves(x[2], x[3])};
		if (partner) {
			bool second = i & partner; // with a number that varies, an array would be read from memory
			u32 other = exchange((int)(second ? words[0] : words[1]), partner), a = second ? other : words[0], b = second ? words[1] : other;
			words = {permute(a, b, 0x5410), permute(a, b, 0x7632)};
		}
		q.parts[part] = {multiplyHalves(words[0], form.factors[0]), multiplyHalves(words[1], form.factors[1])};
	}
	return q;
}

// store brings values 4*i to 4*i+3 of a vector into slots. All lanes of a warp call it, with
// values that follow each other; those past the end of the vector have zeros.
DEVICE void store(Slot *slots, int i, bool there, float4v v, const Form<false> &form) {
	constexpr int quads = kGroup / 4;
	if (there) slots[i / quads].floats[i % quads] = v * form.factor;
}
DEVICE void store(Slot *slots, int i, bool there, float4v v, const Form<true> &form) {
	constexpr int quads = kGroup / 4;
	Slot &slot = slots[i / quads];
	if (form.at == kAsTheyAre) {
		if (there) slot.floats[i % quads] = v;
		return;
	}
	Quad q = quadOf(i, v, form);
	if (!there) return;
#pragma unroll
	for (int part = 0; part < 2; part++) *(uint2v *)((u8 *)slot.halves[part] + form.at) = q.parts[part];
	if (i % (quads / 2) != 0) return;
	slot.sums[i / (quads / 2) % 2] = q.sum;
	if (i % quads == 0) slot.scale = q.scale;
}

// addGroup adds to a sum what the units have made of a half of a group, or of all of it, of a
// row of weights, where tail is the end of the group's slot.
template <class F> DEVICE void addGroup(float &to, const Scale &s, int half, const float4v &tail, float sum) {
	float total = (oneScale<F> ? tail[1] + tail[2] : tail[1 + half]) * kCodeUnit<F>;
	if constexpr (F::kOffset > 0) sum = multiplyAdd(-F::kOffset, total, sum);
	to = multiplyAdd(s.scale[half] * tail[0], sum, to);
	if constexpr (hasMin<F>) to = multiplyAdd(s.min[half] * tail[0], total, to);
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
			float4v tail = 0; // of the group's slot
			if (mine < groups) tail = *(const float4v *)&slots[mine].scale;
#pragma unroll
			for (int part = 0; part < parts; part++) {
				float c[2][4] = {};
#pragma unroll
				for (int j = part * each; j < (part + 1) * each; j++) {
					uint4v four = x[j / 2];
					u32 a[4] = {pairOf<F>(w[0], 2 * j), 0, pairOf<F>(w[0], 2 * j + 1), 0};
					if constexpr (Rows == 2) a[1] = pairOf<F>(w[1], 2 * j), a[3] = pairOf<F>(w[1], 2 * j + 1);
					multiplyTiles(c[j % 2], a, four[j % 2 * 2], four[j % 2 * 2 + 1]);
				}
#pragma unroll
				for (int r = 0; r < Rows; r++)
					addGroup<F>(sums[r], scales[r], part, tail, (c[0][2 * r] + c[1][2 * r]) + (c[0][2 * r + 1] + c[1][2 * r + 1]));
			}
		}
	}

	// finish adds what lanes have, and returns the sum of row lane()/4 in lanes of number 0 of
	// four, and that of the eighth after it in those of number 1.
	DEVICE_METHOD float finish() {
#pragma unroll
		for (int r = 0; r < 2; r++)
#pragma unroll
			for (int m = 1; m < kTileGroups; m *= 2) sums[r] += exchange(sums[r], m);
		return (lane() % kTileGroups ? sums[1] : sums[0]) * (kHalves ? 1 / kCodeUnit<F> : kSubnormal<F> ? kProducts : 1);
	}
};
