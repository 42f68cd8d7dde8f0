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
	kSuper32Min, // a uint8 for scale and for minimum a group, times float16
};

// A format of weights: bits in the low and the high plane, what is taken from
// every code, and its scales.
template <int Low, int High, int Offset, Scales S> struct Codes {
	static constexpr int kLow = Low, kHigh = High, kOffset = Offset;
	static constexpr Scales kScales = S;
	static constexpr bool kTable = false;
};
struct F32 : Codes<32, 0, 0, kNone> {};
struct F16 : Codes<16, 0, 0, kNone> {};
struct BF16 : Codes<16, 0, 0, kNone> {};
struct Q4_0 : Codes<4, 0, 8, kPlain> {};
struct Q4_1 : Codes<4, 0, 0, kPlainMin> {};
struct Q5_0 : Codes<4, 1, 16, kPlain> {};
struct Q5_1 : Codes<4, 1, 0, kPlainMin> {};
struct Q8_0 : Codes<8, 0, 0, kPlain> {};
struct Q2_K : Codes<2, 0, 0, kSuper16Min> {};
struct Q3_K : Codes<2, 1, 4, kSuper16> {};
struct Q4_K : Codes<4, 0, 0, kSuper32Min> {};
struct Q5_K : Codes<4, 1, 0, kSuper32Min> {};
struct Q6_K : Codes<4, 2, 32, kSuper16> {};
struct IQ4_NL : Codes<4, 0, 0, kPlain> {
	static constexpr bool kTable = true;
};

template <class A, class B> constexpr bool same = false;
template <class A> constexpr bool same<A, A> = true;

// Eight consecutive weights as they are stored.
template <class F> struct Octet {
	static constexpr int kWords = (F::kLow + 3) / 4; // of 32 bits, or a part of one
	u32 codes[kWords];
	u32 high;
};

// The levels of IQ4_NL, kvalues_iq4nl in ggml, as bytes of four words.
constexpr u32 kLevels[4] = {0xbfad9881, 0xf6eaddcf, 0x26190d01, 0x71594535};

// levels returns the levels of the low four of the 4-bit codes.
DEVICE u32 levels(u32 codes) {
	u32 low = permute(kLevels[0], kLevels[1], codes & 0x7777);
	u32 upper = permute(kLevels[2], kLevels[3], codes & 0x7777);
	// Of each byte the upper one where bit 3 of its code is set.
	return permute(low, upper, 0x3210 + ((codes & 0x8888) >> 1));
}

// values turns stored weights into numbers that are to be multiplied with
// their scale.
template <class F> DEVICE void values(const Octet<F> &o, float w[8]) {
	if constexpr (same<F, F32>) {
		for (int i = 0; i < 8; i++) w[i] = fromBits(o.codes[i]);
	} else if constexpr (same<F, F16>) {
		for (int i = 0; i < 8; i++) w[i] = fromHalf(o.codes[i / 2] >> 16 * (i % 2));
	} else if constexpr (same<F, BF16>) {
		for (int i = 0; i < 8; i++) w[i] = fromBits(i % 2 ? o.codes[i / 2] & 0xffff0000 : o.codes[i / 2] << 16);
	} else if constexpr (F::kTable) {
		for (int h = 0; h < 2; h++) {
			u32 v = levels(o.codes[0] >> 16 * h);
			for (int i = 0; i < 4; i++) w[4 * h + i] = (i8)(v >> 8 * i);
		}
	} else if constexpr (F::kLow == 8) {
		for (int i = 0; i < 8; i++) w[i] = (i8)(o.codes[i / 4] >> 8 * (i % 4));
	} else {
		for (int i = 0; i < 8; i++) {
			u32 c = o.codes[0] >> F::kLow * i & ((1 << F::kLow) - 1);
			if (F::kHigh > 0) c |= (o.high >> F::kHigh * i & ((1 << F::kHigh) - 1)) << F::kLow;
			w[i] = (int)c - F::kOffset;
		}
	}
}

// The scale and minimum of each half of a group.
struct Scale {
	float scale[2], min[2];
};

template <class F> constexpr bool hasMin =
	F::kScales == kPlainMin || F::kScales == kSuper16Min || F::kScales == kSuper32Min;

// scaleOf returns those of group g, counted from the begin of the matrix; the
// blocks of 8 groups never cross a row's end.
template <class F> DEVICE Scale scaleOf(const Matrix &m, u64 g) {
	Scale s = {{1, 1}, {0, 0}};
	if constexpr (F::kScales == kPlain) {
		s.scale[0] = s.scale[1] = fromHalf(((const u16 *)m.scales)[g]);
	} else if constexpr (F::kScales == kPlainMin) {
		u32 v = ((const u32 *)m.scales)[g];
		s.scale[0] = s.scale[1] = fromHalf(v);
		s.min[0] = s.min[1] = fromHalf(v >> 16);
	} else if constexpr (F::kScales != kNone) {
		u32 v = ((const u16 *)m.scales)[g];
		if constexpr (F::kScales == kSuper16) {
			float d = fromHalf(((const u16 *)m.supers)[g / 8]);
			s.scale[0] = d * (i8)v;
			s.scale[1] = d * (i8)(v >> 8);
			return s;
		}
		u32 super = ((const u32 *)m.supers)[g / 8];
		float d = fromHalf(super), min = -fromHalf(super >> 16);
		if constexpr (F::kScales == kSuper16Min) {
			for (int h = 0; h < 2; h++) {
				s.scale[h] = d * (v >> 8 * h & 15);
				s.min[h] = min * (v >> (8 * h + 4) & 15);
			}
		} else {
			s.scale[0] = s.scale[1] = d * (v & 255);
			s.min[0] = s.min[1] = min * (v >> 8 & 255);
		}
	}
	return s;
}

// The bytes of codes that a group has, and of the pieces they are cut into.
template <class F> constexpr int kGroupBytes = kGroup * F::kLow / 8;
template <class F> constexpr int kPiece = kGroupBytes<F> < 16 ? kGroupBytes<F> : 16;

// pieces returns the address of piece k of a group. The pieces of up to kChunk
// groups stand together by k, so that lanes that read one group each read
// consecutive addresses.
template <class F> DEVICE const u8 *pieces(const Matrix &m, int row, int g, int k) {
	int groups = m.cols / kGroup, first = g / kChunk * kChunk;
	int n = minimum(kChunk, groups - first);
	return m.codes + ((u64)row * groups + first) * kGroupBytes<F> + (u64)(k * n + g - first) * kPiece<F>;
}

// octetOf returns weights 8·part to 8·part+7 of a group.
template <class F> DEVICE Octet<F> octetOf(const Matrix &m, int row, int g, int part) {
	constexpr int bytes = F::kLow, each = kPiece<F> / bytes; // octets in a piece
	Octet<F> o;
	o.high = 0;
	if constexpr (bytes <= 16) {
		const u8 *p = pieces<F>(m, row, g, part / each) + part % each * bytes;
		if constexpr (bytes == 2) o.codes[0] = *(const u16 *)p;
		else for (int i = 0; i < bytes / 4; i++) o.codes[i] = ((const u32 *)p)[i];
	} else {
		for (int i = 0; i < bytes / 4; i++) o.codes[i] = ((const u32 *)pieces<F>(m, row, g, part * bytes / 16 + i / 4))[i % 4];
	}
	if constexpr (F::kHigh > 0) {
		const u8 *p = m.high + ((u64)row * (m.cols / kGroup) + g) * 4 * F::kHigh;
		o.high = F::kHigh == 1 ? p[part] : ((const u16 *)p)[part];
	}
	return o;
}

// A group as it is stored.
template <class F> struct Group {
	Octet<F> octets[4];
	Scale scale;
};

template <class F> DEVICE Group<F> groupOf(const Matrix &m, int row, int g) {
	constexpr int bytes = kGroupBytes<F>, piece = kPiece<F>;
	u32 words[bytes / 4];
	for (int k = 0; k < bytes / piece; k++) {
		const u8 *p = pieces<F>(m, row, g, k);
		if constexpr (piece == 16) {
			uint4v v = *(const uint4v *)p;
			for (int i = 0; i < 4; i++) words[4 * k + i] = v[i];
		} else {
			uint2v v = *(const uint2v *)p;
			for (int i = 0; i < 2; i++) words[2 * k + i] = v[i];
		}
	}
	u64 number = (u64)row * (m.cols / kGroup) + g;
	u32 high[2] = {0, 0};
	if constexpr (F::kHigh == 1) high[0] = ((const u32 *)m.high)[number];
	if constexpr (F::kHigh == 2) {
		uint2v v = ((const uint2v *)m.high)[number];
		high[0] = v[0], high[1] = v[1];
	}
	Group<F> r;
	for (int o = 0; o < 4; o++) {
		if constexpr (F::kLow == 2) r.octets[o].codes[0] = words[o / 2] >> 16 * (o % 2);
		else for (int i = 0; i < Octet<F>::kWords; i++) r.octets[o].codes[i] = words[o * Octet<F>::kWords + i];
		if constexpr (F::kHigh == 1) r.octets[o].high = high[0] >> 8 * o;
		if constexpr (F::kHigh == 2) r.octets[o].high = high[o / 2] >> 16 * (o % 2);
	}
	r.scale = scaleOf<F>(m, number);
	return r;
}
