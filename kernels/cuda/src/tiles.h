// A vector of float32 numbers by 16 rows of weights, in integers or in float32. A group of the vector
// is given a power of two that makes its largest an integer of 11 bits; each of its numbers is the
// nearest integer, or, where more is asked for, that and what it leaves as a multiple of 2^-11: 22
// bits of the largest. A lane multiplies two of those, of 16 bits each, with codes, which are bytes, at a time. For
// many vectors the units for products of matrices do that, which take float16 numbers (batch.h): the lowest bits of one of 0
// are an integer of up to 10 bits in 2^-24, so codes are such numbers as they are. What is added is
// exact, either way and in whichever order; and with the sum of a group, codes' offsets and minima are taken into account
// only once. For one vector the units would be as fast, but while they have something to do an H200 runs at 1.80 GHz instead of 1.98.
#pragma once
#include "matmul.h"

// The rows that are multiplied at a time, and the groups of their columns: a lane has one
// group of row lane()/4 and one of the eighth row after it.
constexpr int kTileRows = 16, kTileGroups = 2 * kWarp / kTileRows;

// Formats whose numbers are float16 numbers, but for their scales.
template <class F> constexpr bool kInHalves = !same<F, F32> && !same<F, BF16>;

// Weights whose products with parts of x are integers.
template <class F> constexpr bool kExact = kInHalves<F> && !same<F, F16>;

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

// Two or four bits: the codes that are a byte apart are of a byte each as they stand.
template <class F> constexpr bool kInBytes = kApart<F>;

// bytesOf returns four weights as bytes, without their scale and their offset: those at integers 4*j to 4*j+3.
template <class F> DEVICE u32 bytesOf(const Group<F> &w, int j) {
	if constexpr (F::kTable) {
		return levels<F>(w.words[j / 2], j % 2);
	} else if constexpr (F::kLow == 8) {
		return w.words[j];
	} else if constexpr (kInBytes<F>) {
		constexpr int bits = Fields<F>::kBits, each = 8 / bits;
		return w.words[j / each] >> j % each * bits & ((1 << bits) - 1) * 0x01010101;
	} else if constexpr (kPaired<F>) {
		using At = Fields<F>;
		constexpr u32 mask = ((1 << At::kBits) - 1) * 0x10001;
		auto wordOf = [&](int p) { return 2 * p < At::kPlaced ? w.words[p / kOfHalf<F>] : w.rest; };
		int a = At::bit(4 * j), b = At::bit(4 * j + 2);
		u32 second = wordOf(2 * j + 1);
		second = b < 8 ? second << (8 - b) : second >> (b - 8);
		return andOr(second, mask << 8, wordOf(2 * j) >> a & mask);
	} else {
		return pairOf<F>(w, 2 * j) | pairOf<F>(w, 2 * j + 1) << 8;
	}
}

// integerOf returns which integer of a group is multiplied with weight i: see bytesOf.
template <class F> constexpr int integerOf(int i) {
	if constexpr (F::kTable || F::kLow == 8) {
		return i;
	} else if constexpr (kInBytes<F>) {
		constexpr int each = 8 / Fields<F>::kBits;
		return i / (4 * each) * 4 * each + i % each * 4 + i / (2 * each) % 2 * 2 + i / each % 2;
	} else {
		return i / 4 * 4 + i % 2 * 2 + i / 2 % 2;
	}
}

// A group of a vector in shared memory: the large and the small parts of its numbers, as integers of 16 bits or as
// float16 numbers in the order of weights' places, or the numbers themselves as they are. What is left keeps
// groups that are read together in different banks.
struct Slot {
	union {
		uint4v integers[2][kGroup / 8];
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

// How four numbers become two words of two each: they follow each other, or, if spread, the first and the third one are
// a word, or they are numbers of the lane's quad and of that of lane()^partner, where that is not 0: the first two of each, if the
// lane's come first, and the others.
struct Pairing {
	u8 partner, spread;

	DEVICE_METHOD uint2v of(int i, uint2v words) const {
		u32 a = words[0], b = words[1];
		if (partner) {
			bool second = i & partner; // with a number that varies, an array would be read from memory
			u32 other = exchange((int)(second ? a : b), partner);
			if (second) a = other;
			else b = other;
		}
		if (partner | spread) words = {permute(a, b, 0x5410), permute(a, b, 0x7632)};
		return words;
	}
};

// With them: where two words of two parts come in halves, in bytes, and the factors of those. Where the format wants
// floats, at is kAsTheyAre. A number is two if parts is. Where groups have one scale, total is what the sum of all 32
// numbers is multiplied with for batch (batch.h), else 0. Where a slot has integers, each of the words comes to the
// bytes from its number in integers on.
template <> struct Form<true> {
	Pairing pairing, ofIntegers;
	u32 at, factors[2];
	float total;
	u16 parts;
	u8 integers[2];
};
constexpr u32 kAsTheyAre = ~0u;

template <class F, bool Tiles> DEVICE Form<Tiles> formOf(int quad, int parts) {
	if constexpr (!Tiles) {
		if constexpr (kSubnormal<F>) return {((const float4v *)kFactors<F>.of)[quad]};
		return {1};
	} else if constexpr (!kInHalves<F>) {
		return {{}, {}, kAsTheyAre, {}, 0, 1, {}};
	} else {
		constexpr int partner = kApart<F> ? kOfHalf<F> / 4 : 0;
		int at = placeOf<F>(4 * quad + (quad & partner ? 2 : 0)) & -2;
		auto factor = [&](int p) { return (0x3c00 - (bitOf<F>(p) << 10)) * 0x10001; };
		constexpr float total = !oneScale<F> ? 0 : F::kOffset > 0 ? -F::kOffset * kCodeUnit<F> : kCodeUnit<F>;
		Form<Tiles> form = {{partner, 0}, {}, 2 * (u32)at, {(u32)factor(at / 2), (u32)factor(at / 2 + 1)}, total, (u16)parts, {}};
		if constexpr (kExact<F>) {
			constexpr bool ofTwo = kInBytes<F> && Fields<F>::kBits == 2; // quads
			int first = ofTwo ? 4 * (quad & -2) + quad % 2 * 2 : 4 * quad, second = first + (integerOf<F>(1) == 1 ? 2 : 1);
			form.ofIntegers = {ofTwo, !ofTwo && integerOf<F>(1) != 1};
			form.integers[0] = 2 * integerOf<F>(first), form.integers[1] = 2 * integerOf<F>(second);
		}
		return form;
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

// Four numbers of a group as integers.
struct Quad {
	float4v parts[2]; // the large ones, and the small ones in 2^-11 or zeros
	float sum;        // of the half of the group, in scale
	float scale;      // of the group
};

// quadOf returns that of values 4*i to 4*i+3 of a vector. All lanes of a warp call it, with values
// that follow each other.
DEVICE Quad quadOf(float4v v, bool both) {
	constexpr int quads = kGroup / 4, top = 10; // the exponent of the largest
	constexpr u32 magnitude = 0x7fffffff;
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
	Quad q = {{large, small}};
	q.sum = v[0] + v[1] + (v[2] + v[3]);
#pragma unroll
	for (int m = 1; m < quads / 2; m *= 2) q.sum += exchange(q.sum, m);
	q.scale = fromBits((exponent - top) << 23);
	return q;
}

// halvesOf returns quad i, or what it leaves, as the units want it, or Products of float16 numbers.
DEVICE uint2v halvesOf(int i, const float4v &x, const Form<true> &form) {
	uint2v words = form.pairing.of(i, {halves(x[0], x[1]), halves(x[2], x[3])});
	return {multiplyHalves(words[0], form.factors[0]), multiplyHalves(words[1], form.factors[1])};
}

// integersOf returns quad i of integers of 16 bits.
DEVICE uint2v integersOf(int i, const float4v &x, const Form<true> &form) {
	auto two = [](float a, float b) INLINED {
		constexpr float integers = 0x1.8p23f; // has them in its lowest bits
		return permute(bitsOf(a + integers), bitsOf(b + integers), 0x5410);
	};
	return form.ofIntegers.of(i, {two(x[0], x[1]), two(x[2], x[3])});
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
	bool both = form.parts > 1, inIntegers = form.integers[1];
	Quad q = quadOf(v, both);
#pragma unroll
	for (int part = 0; part < 2; part++) {
		uint2v words = 0;
		if (part == 0 || both) words = inIntegers ? integersOf(i, part ? q.parts[1] * 0x1p11f : q.parts[0], form) : halvesOf(i, q.parts[part], form);
		if (!there) continue;
		if (!inIntegers) {
			*(uint2v *)((u8 *)slot.halves[part] + form.at) = words;
		} else if (part == 0 || both) {
			u8 *to = (u8 *)slot.integers[part];
			*(u32 *)(to + form.integers[0]) = words[0], *(u32 *)(to + form.integers[1]) = words[1];
		}
	}
	if (!there || i % (quads / 2) != 0) return;
	slot.sums[i / (quads / 2) % 2] = q.sum;
	if (i % quads == 0) slot.scale = q.scale;
}

// addGroup adds to a sum what products have made of a half of a group, or of all of it, of a
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
	// 1, where numbers are two if both says so. Past the end of the vector there are zeros.
	template <int Rows> DEVICE_METHOD void add(const Group<F> (&w)[Rows], const Scale (&scales)[Rows], const Slot *slots, int first, int groups, const Slot *zeros, bool both) {
		int mine = first + lane() % kTileGroups;
		const Slot *slot = mine < groups ? slots + mine : zeros;
		if constexpr (!kHalves) {
			addChunk<F, 1, Rows, 1>(w, scales, slot->floats, *(float(*)[1][Rows])sums);
		} else {
			constexpr int parts = oneScale<F> ? 1 : 2;
			float4v tail = *(const float4v *)&slot->scale;
#pragma unroll
			for (int part = 0; part < parts; part++) {
				float products[Rows];
				if constexpr (kExact<F>) inIntegers<Rows, parts>(products, w, slot, part, both);
				else inHalves<Rows>(products, w, slots, zeros, mine, groups);
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
		for (int r = 0; r < Rows; r++) to[r] = large[r] * kCodeUnit<F>;
		if (both)
#pragma unroll
			for (int r = 0; r < Rows; r++) to[r] += small[r] * (kCodeUnit<F> * 0x1p-11f);
	}

	// inHalves multiplies float16 numbers by the units. They take four weights of each of a row's groups at a time. The
	// right factor has two columns for each group, the large parts and the small ones, with zeros in the
	// rows of the others; so groups' sums remain apart, and a lane gets those of its own.
	template <int Rows> DEVICE_METHOD void inHalves(float (&to)[Rows], const Group<F> (&w)[Rows], const Slot *slots, const Slot *zeros, int mine, int groups) {
		int column = lane() / 4;
		bool has = column / 2 == lane() % kTileGroups && mine < groups;
		const uint4v *x = (has ? slots + mine : zeros)->halves[column % 2];
		float c[2][4] = {};
#pragma unroll
		for (int j = 0; j < kGroup / 4; j++) {
			uint4v four = x[j / 2];
			u32 a[4] = {pairOf<F>(w[0], 2 * j), 0, pairOf<F>(w[0], 2 * j + 1), 0};
			if constexpr (Rows == 2) a[1] = pairOf<F>(w[1], 2 * j), a[3] = pairOf<F>(w[1], 2 * j + 1);
			multiplyTiles(c[j % 2], a, four[j % 2 * 2], four[j % 2 * 2 + 1]);
		}
#pragma unroll
		for (int r = 0; r < Rows; r++) to[r] = (c[0][2 * r] + c[1][2 * r]) + (c[0][2 * r + 1] + c[1][2 * r + 1]);
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
