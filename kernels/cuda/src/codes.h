// The weights of a group as products take them: as pairs of float16 numbers or of integers, or as bytes.
#pragma once
#include "matmul.h"

// The rows that are multiplied at a time, and the groups of their columns: a lane has one
// group of row lane()/4 and one of the eighth row after it.
constexpr int kTileRows = 16, kTileGroups = 2 * kWarp / kTileRows;

// Weights whose products with parts of x are integers.
template <class F> constexpr bool kExact = F::kScales != kNone;

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
constexpr float kCodeUnit = 0x1p-24f;

// pairOf returns the weights at places 2*p and 2*p+1, without their scale and their offset.
template <class F> DEVICE u32 pairOf(const Group<F> &w, int p) {
	if constexpr (kPaired<F>) {
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
