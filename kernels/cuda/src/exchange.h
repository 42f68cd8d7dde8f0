// How the blocks of a grid that is resident as a whole hand numbers to each other without
// a barrier: a number says itself who made it, and whoever wants it reads it until it is
// there. Numbers are written and read as one, so nothing has to be ordered with anything
// else. They are written again only by a step whose inputs depend on all who have read
// them: whoever reads a vector has a part of what is made of it.
#pragma once
#include "platform.h"

// A vector that every layer writes as a whole, once: so whoever has read a layer's numbers
// finds those or the next layer's. The lowest bit of a number says whether its layer's is an
// even one, 0 or 1, which is its phase; 23 bits are the number's own.
struct Vector {
	u32 *w; // a multiple of 16 bytes

	DEVICE_METHOD void publish(int i, float v, u32 phase) const { storeNumber(w + i, bitsOf(rounded(v)) | phase); }

	// read returns numbers 4*i to 4*i+3, and arrived whether all are of that phase.
	DEVICE_METHOD uint4v read(int i) const { return loadNumbers((const uint4v *)w + i); }
	static DEVICE_METHOD bool arrived(const uint4v &v, u32 phase) {
		u32 even = ~(v[0] | v[1] | v[2] | v[3]), odd = v[0] & v[1] & v[2] & v[3];
		return (phase ? odd : even) & 1;
	}

	// await returns numbers 4*i to 4*i+3, to all lanes of a warp together: else they would go on
	// in parts of a warp. seen is what read returned before.
	DEVICE_METHOD float4v await(int i, uint4v seen, u32 phase) const {
		while (!allOfWarp(arrived(seen, phase))) {
			relax();
			seen = read(i);
		}
		return {fromBits(seen[0] & -2), fromBits(seen[1] & -2), fromBits(seen[2] & -2), fromBits(seen[3] & -2)};
	}

	// awaitTwo returns numbers i and j, to all lanes of a warp together.
	DEVICE_METHOD float2v awaitTwo(int i, int j, u32 phase) const {
		u32 first = loadNumber(w + i), second = loadNumber(w + j);
		while (!allOfWarp((first & 1) == phase && (second & 1) == phase)) {
			relax();
			first = loadNumber(w + i), second = loadNumber(w + j);
		}
		return {fromBits(first & -2), fromBits(second & -2)};
	}
};

// What not every layer writes: a number stands in a word of 64 bits beside that of its layer.
struct Words {
	u64 *w; // a multiple of 16 bytes

	DEVICE_METHOD void publish(int i, float v, u32 layer) const { storeWord(w + i, (u64)layer << 32 | bitsOf(v)); }

	// read returns words 2*i and 2*i+1.
	DEVICE_METHOD uint4v read(int i) const { return loadWords(w + 2 * i); }

	// await returns values 2*i and 2*i+1, to all lanes of a warp together. seen is what read
	// returned before.
	DEVICE_METHOD float2v await(int i, uint4v seen, u32 layer) const {
		while (!allOfWarp(seen[1] == layer && seen[3] == layer)) {
			relax();
			seen = read(i);
		}
		return {fromBits(seen[0]), fromBits(seen[2])};
	}
};

// valueOf returns value i of those that stand in pairs, of which these are i/2's. With an
// index a vector would be put into memory for it.
DEVICE float valueOf(float2v pair, int i) { return i % 2 ? pair[1] : pair[0]; }

// awaitAll calls use(what ahead(i) returned, i, i < end, numbers 4*i to 4*i+3 or zeros) for
// quads first, first + stride and so on of a vector, up to end and, of those past it, for as
// many as a warp has besides. It asks for Together of them ahead. Their registers move on
// instead of the loop being unrolled, as it is part of the products of every format and
// mostly runs once or twice.
template <int Together, class A, class F> DEVICE void awaitAll(const Vector &from, int first, int end, int stride, u32 phase, A ahead, F use) {
	auto used = [&](int i) INLINED { return (i & -kWarp) < end; };    // by a lane of the warp
	auto within = [&](int i) INLINED { return minimum(i, end - 1); }; // past the end, the last quad
	float4v held[Together] = {};
	uint4v seen[Together] = {};
#pragma unroll
	for (int j = 0; j < Together; j++) {
		int i = first + j * stride;
		if (used(i)) held[j] = ahead(within(i)), seen[j] = from.read(within(i));
	}
#pragma unroll 1
	for (int i = first; used(i); i += stride) {
		float4v with = held[0], v = from.await(within(i), seen[0], phase);
#pragma unroll
		for (int j = 1; j < Together; j++) held[j - 1] = held[j], seen[j - 1] = seen[j];
		int next = i + Together * stride;
		if (used(next)) held[Together - 1] = ahead(within(next)), seen[Together - 1] = from.read(within(next));
		bool there = i < end;
		if (!there) v = 0;
		use(with, i, there, v);
	}
}
