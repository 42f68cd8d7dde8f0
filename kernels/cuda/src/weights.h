// Weights on the GPU. A row is cut into groups of 32 weights, and the parts of
// groups stand in planes, so that each can be read by whole words: see pack.go,
// which writes them.
#pragma once
#include "platform.h"

struct Matrix {
	const u8 *codes;  // low bits of the codes, or the numbers themselves
	const u8 *high;   // further bits of the codes
	const u8 *scales; // of groups
	const u8 *supers; // of 8 groups
	int rows, cols;
};

constexpr int kGroup = 32;
constexpr int kChunk = 32; // groups whose pieces of 16 bytes are interleaved

// How the scales of a format are stored.
enum Scales {
	kNone,
	kPlain,      // float16 a group
	kPlainMin,   // float16 scale and minimum a group
	kSuper16,    // two int8 a group, for 16 weights each, times float16 for 8 groups
	kSuper16Min, // the same with 4 bits for the scale and 4 for the minimum
	kSuper32,    // an int8 a group, times float16
	kSuper32Min, // a uint8 for scale and for minimum a group, times float16
};

// A format of weights: bits in the low and the high plane, what is taken from
// every code, and its scales.
template <int Low, int High, int Offset, Scales S> struct Codes {
	static constexpr int kLow = Low, kHigh = High, kOffset = Offset;
	static constexpr Scales kScales = S;
	static constexpr bool kTable = false;
};
#include "formats.h"

template <class A, class B> constexpr bool same = false;
template <class A> constexpr bool same<A, A> = true;

// A float32 of 2^23 has integers in its low bits: or-ing and a subtraction turn
// bits of a word into a number, exactly. On Maxwell conversions take four times
// as long as either.
constexpr u32 kInteger = 0x4b000000;

// numberAt returns (c - offset)·2^bit of the code c that stands at that bit of a
// word, below bit 23, and has so many bits.
DEVICE float numberAt(u32 word, int bit, int bits, int offset) {
	u32 mask = ((1u << bits) - 1) << bit;
	return fromBits(andOr(word, mask, kInteger)) - (float)(0x800000 + (offset << bit));
}

// byteAt returns byte i of a word less an offset.
DEVICE float byteAt(u32 word, int i, int offset) {
	return fromBits(permute(word, kInteger, 0x7440 + i)) - (float)(0x800000 + offset);
}

// Codes of 2 to 6 bits stand in as many words: see pack.go.
template <class F> struct Fields {
	static constexpr int kBits = F::kLow + F::kHigh;
	static constexpr bool kNeighbours = kBits == 3 || kBits == 5; // stand in the halves of a word
	static constexpr int kEach = 32 / kBits;      // codes of a word
	static constexpr int kPlaced = kEach * kBits; // codes in all words; two more may be cut up
	static constexpr int kDirect = 23 / kBits;    // codes of a word that numberAt can read where they are

	// bit returns the bit at which code i is read, once the word has been shifted
	// if need be.
	static constexpr int bit(int i) {
		if (kNeighbours) return i < kPlaced ? i % kEach / 2 * kBits : 16 - kBits;
		return (i < kPlaced ? i % kEach % kDirect : i - kPlaced) * kBits;
	}
};

// unitOf returns what weight i of a group is read in units of.
template <class F> constexpr u32 unitOf(int i) {
	if constexpr (F::kLow < 8 && !F::kTable) return 1u << Fields<F>::bit(i);
	else return 1;
}

// levels returns the levels of four 4-bit codes: the low ones of a word, or the
// upper.
template <class F> DEVICE u32 levels(u32 codes, int upper) {
	u32 index = (codes & 0x77777777) >> 16 * upper;
	u32 low = permute(F::kLevels[0], F::kLevels[1], index), high = permute(F::kLevels[2], F::kLevels[3], index);
	// Of each byte the upper one where bit 3 of its code is set.
	return permute(low, high, andOr(codes >> 1, 0x44444444, 0x32103210) >> 16 * upper);
}

// The words of a group's codes, and the two codes that are cut up.
template <class F> struct Group {
	static constexpr int kWords = F::kLow + F::kHigh;
	u32 words[kWords], rest;

	// collectRest puts the two codes together that are cut up.
	DEVICE_METHOD void collectRest() {
		rest = 0;
		if constexpr (F::kHigh > 0)
			for (u32 word : words) rest = Fields<F>::kNeighbours ? andOr(word, 0x80008000, rest >> 1) : rest << 2 | word >> 30;
	}

	// wordOf returns a word that has code i at the bit where it is read.
	DEVICE_METHOD u32 wordOf(int i) const {
		using At = Fields<F>;
		if (At::kNeighbours) return (i < At::kPlaced ? words[i / At::kEach] : rest) >> i % 2 * 16;
		if (i >= At::kPlaced) return rest;
		return words[i / At::kEach] >> i % At::kEach / At::kDirect * At::kDirect * At::kBits;
	}

	// number returns weight i in unitOf<F>(i), to be multiplied with its scale.
	DEVICE_METHOD float number(int i) const {
		if constexpr (same<F, F32>) {
			return fromBits(words[i]);
		} else if constexpr (same<F, F16>) {
			return fromHalf(words[i / 2] >> 16 * (i % 2));
		} else if constexpr (same<F, BF16>) {
			return fromBits(i % 2 ? words[i / 2] & 0xffff0000 : words[i / 2] << 16);
		} else if constexpr (F::kTable) {
			return byteAt(levels<F>(words[i / 8], i / 4 % 2), i % 4, F::kOffset);
		} else if constexpr (F::kLow == 8) {
			return byteAt(words[i / 4], i % 4, F::kOffset);
		} else {
			return numberAt(wordOf(i), Fields<F>::bit(i), Fields<F>::kBits, F::kOffset);
		}
	}
	DEVICE_METHOD float value(int i) const { return number(i) * (1.0f / unitOf<F>(i)); }

	// subnormal returns the code of weight i, without its offset, in 2^-149 of
	// unitOf<F>(i): an integer below 2^23 is the float32 of that value as it is.
	// GPUs multiply such numbers as fast as others and without a loss.
	DEVICE_METHOD float subnormal(int i) const {
		if constexpr (F::kTable) return fromBits(permute(levels<F>(words[i / 8], i / 4 % 2), 0, 0x4440 + i % 4));
		else return fromBits(wordOf(i) & ((1u << Fields<F>::kBits) - 1) << Fields<F>::bit(i));
	}
};

// The scale and minimum of each half of a group.
struct Scale {
	float scale[2], min[2];
};

template <class F> constexpr bool hasMin =
	F::kScales == kPlainMin || F::kScales == kSuper16Min || F::kScales == kSuper32Min;

// A format with one scale and one minimum a group.
template <class F> constexpr bool oneScale = F::kScales != kSuper16 && F::kScales != kSuper16Min;

// The planes of a matrix from the begin of a row.
struct Row {
	const u8 *codes, *high, *scales, *supers;
};

// The bytes of a group in each plane; of supers, those of 8 groups.
template <class F> constexpr u32 kCodesBytes = kGroup * F::kLow / 8;
template <class F> constexpr u32 kHighBytes = kGroup * F::kHigh / 8;
template <class F> constexpr u32 kScaleBytes = F::kScales == kNone ? 0 : F::kScales == kPlainMin ? 4 : F::kScales == kSuper32 ? 1 : 2;
template <class F> constexpr u32 kSuperBytes = F::kScales < kSuper16 ? 0 : F::kScales == kSuper16 || F::kScales == kSuper32 ? 2 : 4;

// after returns what stands some groups further on: whole rows, or 8 groups.
template <class F, class N> DEVICE Row after(const Row &r, N groups) {
	return {r.codes + groups * kCodesBytes<F>, r.high + groups * kHighBytes<F>, r.scales + groups * kScaleBytes<F>,
		r.supers + groups / 8 * kSuperBytes<F>};
}

// rowAfter is the row that begins so many groups after the first one of a matrix.
template <class F> DEVICE Row rowAfter(const Matrix &m, u64 before) { return after<F>(Row{m.codes, m.high, m.scales, m.supers}, before); }

template <class F> DEVICE Row rowOf(const Matrix &m, int row) { return rowAfter<F>(m, (u64)(u32)row * (u32)(m.cols / kGroup)); }

// The same as they are in memory: of the group, and of 8 groups.
struct PackedScale {
	u32 own, super;
};

// packedScaleOf reads those of group g, counted from the begin of the row; blocks of
// 8 groups never cross a row's end.
template <class F> DEVICE PackedScale packedScaleOf(const Row &m, u32 g) {
	PackedScale p = {};
	if constexpr (kScaleBytes<F> == 1) p.own = m.scales[g];
	if constexpr (kScaleBytes<F> == 2) p.own = ((const u16 *)m.scales)[g];
	if constexpr (kScaleBytes<F> == 4) p.own = ((const u32 *)m.scales)[g];
	if constexpr (kSuperBytes<F> == 2) p.super = ((const u16 *)m.supers)[g / 8];
	if constexpr (kSuperBytes<F> == 4) p.super = ((const u32 *)m.supers)[g / 8];
	return p;
}

template <class F> DEVICE Scale unpacked(const PackedScale &p) {
	Scale s = {{1, 1}, {0, 0}};
	u32 v = p.own;
	if constexpr (F::kScales == kPlain) {
		s.scale[0] = s.scale[1] = fromHalf(v);
	} else if constexpr (F::kScales == kPlainMin) {
		s.scale[0] = s.scale[1] = fromHalf(v);
		s.min[0] = s.min[1] = fromHalf(v >> 16);
	} else if constexpr (F::kScales == kSuper32) {
		s.scale[0] = s.scale[1] = fromHalf(p.super) * numberAt(v ^ 0x80, 0, 8, 128);
	} else if constexpr (F::kScales == kSuper16) {
		float d = fromHalf(p.super);
		s.scale[0] = d * numberAt(v ^ 0x80, 0, 8, 128);
		s.scale[1] = d * (1 / 256.0f) * numberAt(v ^ 0x8000, 8, 8, 128);
	} else if constexpr (F::kScales != kNone) {
		float d = fromHalf(p.super), min = -fromHalf(p.super >> 16);
		if constexpr (F::kScales == kSuper16Min) {
			s.scale[0] = d * numberAt(v, 0, 4, 0);
			s.min[0] = min * (1 / 16.0f) * numberAt(v, 4, 4, 0);
			s.scale[1] = d * (1 / 256.0f) * numberAt(v, 8, 4, 0);
			s.min[1] = min * (1 / 4096.0f) * numberAt(v, 12, 4, 0);
		} else {
			s.scale[0] = s.scale[1] = d * numberAt(v, 0, 8, 0);
			s.min[0] = s.min[1] = min * (1 / 256.0f) * numberAt(v, 8, 8, 0);
		}
	}
	return s;
}

// scaleOf reads those of group g.
template <class F> DEVICE Scale scaleOf(const Row &m, u32 g) { return unpacked<F>(packedScaleOf<F>(m, g)); }

// Codes are cut into pieces; those of up to kChunk groups, from first on, stand together, so that
// lanes that read one group each read consecutive addresses. pieceAt returns where piece k of group
// first + i of a row of so many groups is.
template <class F> constexpr u32 kPiece = kCodesBytes<F> < 16 ? kCodesBytes<F> : 16;
template <class F> DEVICE u32 pieceAt(u32 groups, u32 first, u32 i, u32 k) {
	u32 n = groups - first < kChunk ? groups - first : kChunk;
	return first * kCodesBytes<F> + (k * n + i) * kPiece<F>;
}

// groupOf reads group first + i of a row of so many.
template <class F> DEVICE Group<F> groupOf(const Row &m, u32 groups, u32 first, u32 i) {
	Group<F> r;
#pragma unroll
	for (u32 k = 0; k < kCodesBytes<F> / kPiece<F>; k++) {
		const u8 *p = m.codes + pieceAt<F>(groups, first, i, k);
		if constexpr (kPiece<F> == 16) {
			uint4v v = *(const uint4v *)p;
			for (int j = 0; j < 4; j++) r.words[4 * k + j] = v[j];
		} else {
			uint2v v = *(const uint2v *)p;
			for (int j = 0; j < 2; j++) r.words[2 * k + j] = v[j];
		}
	}
	if constexpr (F::kHigh == 1) r.words[F::kLow] = *(const u32 *)(m.high + (first + i) * kHighBytes<F>);
	if constexpr (F::kHigh == 2) {
		uint2v v = *(const uint2v *)(m.high + (first + i) * kHighBytes<F>);
		r.words[F::kLow] = v[0], r.words[F::kLow + 1] = v[1];
	}
	r.collectRest();
	return r;
}

// interleaved returns where value i of a row of so many groups stands if the row, of numbers
// of 16 bits, is in the order that float16 weights have.
DEVICE u32 interleaved(u32 i, u32 groups) {
	constexpr u32 piece = 8;
	u32 g = i / kGroup, first = g & -kChunk, n = groups - first < kChunk ? groups - first : kChunk;
	return first * kGroup + (i % kGroup / piece * n + g - first) * piece + i % piece;
}

// scaled returns weight i of a group as the format defines it.
template <class F> DEVICE float scaled(const Group<F> &w, const Scale &s, int i) {
	if constexpr (F::kScales == kNone) return w.number(i);
	else return w.value(i) * s.scale[i / 16] + s.min[i / 16];
}
