// How the blocks of a grid that is resident as a whole hand vectors to each other without
// a barrier: every value stands in a word of 64 bits beside the number of the step that
// made it, and whoever wants it reads the word until that number is there. A word is
// written and read as one, so nothing has to be ordered with anything else.
#pragma once
#include "platform.h"

// What the steps hand on. Words are written again only by a step whose inputs depend on
// all who have read them: whoever reads a vector has a part of what is made of it.
struct Words {
	u64 *w; // a multiple of 16 bytes

	DEVICE_METHOD void publish(int i, float v, u32 step) const { storeWord(w + i, (u64)step << 32 | bitsOf(v)); }

	// read returns words 2*i and 2*i+1, and arrived whether both are of that step.
	DEVICE_METHOD uint4v read(int i) const { return loadWords(w + 2 * i); }
	static DEVICE_METHOD bool arrived(const uint4v &v, u32 step) { return v[1] == step && v[3] == step; }
	static DEVICE_METHOD float2v values(const uint4v &v) { return {fromBits(v[0]), fromBits(v[2])}; }

	// await returns values 2*i and 2*i+1. seen is what read returned before.
	DEVICE_METHOD float2v await(int i, uint4v seen, u32 step) const {
		while (!arrived(seen, step)) {
			relax();
			seen = read(i);
		}
		return values(seen);
	}
};

// valueOf returns value i of those that stand in pairs, of which these are i/2's. With an
// index a vector would be put into memory for it.
DEVICE float valueOf(float2v pair, int i) { return i % 2 ? pair[1] : pair[0]; }

// awaitAll calls use(what ahead(i) returned, i, i < pairs, values 2*i and 2*i+1 or zeros) for
// the pairs of a vector, which the first Threads threads of a block share, and for those past
// its end that a warp has besides. A thread calls ahead for Together of its pairs at a time
// and waits for one of those before it asks for the others, which were made at about the same
// time: all of a long vector, asked for again and again by every block, would take what the
// second-level cache can deliver.
template <int Threads, int Together, class A, class F> DEVICE void awaitAll(const Words &from, int pairs, u32 step, A ahead, F use) {
	for (int base = thread(); (base & -kWarp) < pairs; base += Together * Threads) {
		auto has = [&](int j) INLINED { return base + j * Threads < pairs; };
		float2v held[Together] = {};
#pragma unroll
		for (int j = 0; j < Together; j++)
			if (has(j)) held[j] = ahead(base + j * Threads);
		uint4v seen[Together] = {};
		float2v first = 0;
		if (has(0)) first = from.await(base, from.read(base), step);
#pragma unroll
		for (int j = 1; j < Together; j++)
			if (has(j)) seen[j] = from.read(base + j * Threads);
#pragma unroll
		for (int j = 0; j < Together; j++) {
			int i = base + j * Threads;
			if ((i & -kWarp) >= pairs) break;
			float2v v = first;
			if (j > 0) {
				v = 0;
				if (has(j)) v = from.await(i, seen[j], step);
			}
			use(held[j], i, has(j), v);
		}
	}
}
