// How a vector becomes what products take, four numbers at a time. Each lane of a warp has four that follow those of the lane
// before it; a group is eight lanes'.
#pragma once
#include "codes.h"

// A group of a vector in shared memory: the large and the small parts of its numbers, as integers of 16 bits, or
// the numbers themselves as they are. What is left keeps groups that are read together in different banks.
struct Slot {
	union {
		uint4v integers[2][kGroup / 8];
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

// With them: where two words of a quad come in RowOfX, in bytes, and the factors of those; and at which byte of a slot's part
// each of two words of integers begins. Where the format wants floats, at is kAsTheyAre. A number is two if parts is. Where groups
// have one scale, total is what the sum of all 32 numbers is multiplied with for batch (batch.h), else 0.
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
	} else if constexpr (!kExact<F>) {
		return {{}, {}, kAsTheyAre, {}, 0, 1, {}};
	} else {
		constexpr int partner = kApart<F> ? kOfHalf<F> / 4 : 0;
		int at = placeOf<F>(4 * quad + (quad & partner ? 2 : 0)) & -2;
		auto factor = [&](int p) { return (0x3c00 - (bitOf<F>(p) << 10)) * 0x10001; };
		constexpr float total = !oneScale<F> ? 0 : F::kOffset > 0 ? -F::kOffset * kCodeUnit : kCodeUnit;
		Form<Tiles> form = {{partner, 0}, {}, 2 * (u32)at, {(u32)factor(at / 2), (u32)factor(at / 2 + 1)}, total, (u16)parts, {}};
		constexpr bool ofTwo = kInBytes<F> && Fields<F>::kBits == 2; // quads
		int first = ofTwo ? 4 * (quad & -2) + quad % 2 * 2 : 4 * quad, second = first + (integerOf<F>(1) == 1 ? 2 : 1);
		form.ofIntegers = {ofTwo, !ofTwo && integerOf<F>(1) != 1};
		form.integers[0] = 2 * integerOf<F>(first), form.integers[1] = 2 * integerOf<F>(second);
		return form;
	}
}

// The formats by number, in the order of FORMATS.
enum {
#define FORMAT_NUMBER(F) kFormat_##F,
	FORMATS(FORMAT_NUMBER) kFormats
};

// formOf returns that of a format by its number, with units.
DEVICE Form<true> formOf(int format, int quad, int parts) {
	switch (format) {
#define FORM_OF(F) case kFormat_##F: return formOf<F, true>(quad, parts);
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

// What makes integers of a group's numbers.
struct Power {
	float by, scale; // what they are multiplied with, and what the integers then are in
};

// powerOf returns that of the group of values 4*i to 4*i+3 of a vector, of which the largest becomes an integer of 11 bits.
// All lanes of a warp call it, with values that follow each other. The scale of a group that has a NaN or
// an infinity is a NaN: its integers mean nothing.
DEVICE Power powerOf(float4v v) {
	constexpr int quads = kGroup / 4, top = 10, none = 0xff; // exponents: of the largest integer, and of what is not finite
	constexpr u32 magnitude = 0x7fffffff;
	int most = larger(larger(bitsOf(v[0]) & magnitude, bitsOf(v[1]) & magnitude), larger(bitsOf(v[2]) & magnitude, bitsOf(v[3]) & magnitude));
#pragma unroll
	for (int m = 1; m < quads; m *= 2) most = larger(most, exchange(most, m));
	int exponent = larger(most >> 23, top + 1);
	u32 scale = exponent == none ? magnitude : (exponent - top) << 23;
	return {fromBits((2 * 127 + top - exponent) << 23), fromBits(scale)};
}

// Four numbers of a group as integers.
struct Quad {
	float4v parts[2]; // the large ones, and the small ones in 2^-11 or zeros
	float sum;        // of the half of the group, in scale
	float scale;      // of the group
};

// A float32 number from 2^23 to 2^24 has no bits after the point, and its lowest bits are
// those of the integer that was added to this one.
constexpr float kIntegers = 0x1.8p23f;

// quadOf returns that of values 4*i to 4*i+3 of a vector. All lanes of a warp call it, with values
// that follow each other.
DEVICE Quad quadOf(float4v v, bool both) {
	constexpr int quads = kGroup / 4;
	constexpr float fractions = 0x1.8p12f; // no bits after 2^-11
	Power power = powerOf(v);
	float4v large, small = 0;
#pragma unroll
	for (int k = 0; k < 4; k++) large[k] = multiplyAdd(v[k], power.by, kIntegers) - kIntegers;
	if (both) {
#pragma unroll
		for (int k = 0; k < 4; k++) small[k] = (multiplyAdd(v[k], power.by, -large[k]) + fractions) - fractions;
		v *= power.by;
	} else {
		v = large;
	}
	Quad q = {{large, small}};
	q.sum = v[0] + v[1] + (v[2] + v[3]);
#pragma unroll
	for (int m = 1; m < quads / 2; m *= 2) q.sum += exchange(q.sum, m);
	q.scale = power.scale;
	return q;
}

// halvesOf returns quad i as the units want it.
DEVICE uint2v halvesOf(int i, const float4v &x, const Form<true> &form) {
	uint2v words = form.pairing.of(i, {halves(x[0], x[1]), halves(x[2], x[3])});
	return {multiplyHalves(words[0], form.factors[0]), multiplyHalves(words[1], form.factors[1])};
}

// leaveIntegers stores quad i of integers, the lowest 16 bits of each of four words, as one of a slot's parts.
DEVICE void leaveIntegers(uint4v *part, int i, bool there, const uint4v &x, const Form<true> &form) {
	uint2v words = form.ofIntegers.of(i, {permute(x[0], x[1], 0x5410), permute(x[2], x[3], 0x5410)});
	if (!there) return;
	*(u32 *)((u8 *)part + form.integers[0]) = words[0];
	*(u32 *)((u8 *)part + form.integers[1]) = words[1];
}

// storeIntegers is store of numbers that are one integer each.
DEVICE void storeIntegers(Slot &slot, int i, bool there, float4v v, const Form<true> &form) {
	constexpr int quads = kGroup / 4;
	Power power = powerOf(v);
	uint4v x;
#pragma unroll
	for (int k = 0; k < 4; k++) x[k] = bitsOf(multiplyAdd(v[k], power.by, kIntegers));
	leaveIntegers(slot.integers[0], i, there, x, form);
	int sum = x[0] + x[1] + x[2] + x[3] - 4 * bitsOf(kIntegers);
#pragma unroll
	for (int m = 1; m < quads / 2; m *= 2) sum += exchange(sum, m);
	if (!there || i % (quads / 2) != 0) return;
	slot.sums[i / (quads / 2) % 2] = sum;
	if (i % quads == 0) slot.scale = power.scale;
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
	if (form.parts == 1) return storeIntegers(slot, i, there, v, form);
	Quad q = quadOf(v, true);
#pragma unroll
	for (int part = 0; part < 2; part++) {
		float4v x = part ? q.parts[1] * 0x1p11f : q.parts[0];
		uint4v integers;
#pragma unroll
		for (int k = 0; k < 4; k++) integers[k] = bitsOf(x[k] + kIntegers);
		leaveIntegers(slot.integers[part], i, there, integers, form);
	}
	if (!there || i % (quads / 2) != 0) return;
	slot.sums[i / (quads / 2) % 2] = q.sum;
	if (i % quads == 0) slot.scale = q.scale;
}
