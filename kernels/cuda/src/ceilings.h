// What measures the ceilings of a GPU: streams through memory, chains of fused
// multiply-adds in registers, launches of nothing and barriers of a whole grid.
// All of them leave a result behind, so that no compiler can drop their work.
#pragma once
#include "platform.h"

constexpr int kProbeThreads = 256;
constexpr int kInFlight = 4;    // loads of 16 bytes that a thread has under way
constexpr int kChains = 8;      // independent ones: an FMA must wait for the one before it in its chain
constexpr int kChainSteps = 16; // of each chain in a round
constexpr int kStreamTile = kProbeThreads * kInFlight; // vectors of 16 bytes that a block does at a time

struct StreamArgs {
	const uint4v *from;
	uint4v *to;
	u32 *sums; // [blocks()][warps()]
	u64 tiles;
};

// forTiles calls f with the numbers of the vectors of each tile that are this
// thread's: neighbours in a warp take neighbours. Nothing depends on how many
// there are, so that all loads of a tile can be under way together.
template <class F> DEVICE void forTiles(u64 tiles, F f) {
	for (u64 tile = block(); tile < tiles; tile += blocks()) {
		u64 at[kInFlight];
#pragma unroll
		for (int j = 0; j < kInFlight; j++) at[j] = tile * kStreamTile + j * kProbeThreads + thread();
		f(at);
	}
}

// probe_fill writes the numbers 0, 1, 2 and so on as 32-bit words.
KERNEL(probe_fill, StreamArgs, kProbeThreads) {
	forTiles(a.tiles, [&](const u64 *at) {
#pragma unroll
		for (int j = 0; j < kInFlight; j++) {
			u32 word = (u32)(4 * at[j]);
			a.to[at[j]] = uint4v{word, word + 1, word + 2, word + 3};
		}
	});
}

// probe_read adds all words up, modulo 2^32: a sum for each warp.
KERNEL(probe_read, StreamArgs, kProbeThreads) {
	uint4v sum = {0, 0, 0, 0};
	forTiles(a.tiles, [&](const u64 *at) {
		uint4v v[kInFlight];
#pragma unroll
		for (int j = 0; j < kInFlight; j++) v[j] = a.from[at[j]];
#pragma unroll
		for (int j = 0; j < kInFlight; j++) sum += v[j];
	});
	int total = (int)(sum.x + sum.y + sum.z + sum.w);
	for (int m = kWarp / 2; m > 0; m /= 2) total += exchange(total, m);
	if (lane() == 0) a.sums[block() * warps() + warp()] = (u32)total;
}

// probe_copy copies.
KERNEL(probe_copy, StreamArgs, kProbeThreads) {
	forTiles(a.tiles, [&](const u64 *at) {
		uint4v v[kInFlight];
#pragma unroll
		for (int j = 0; j < kInFlight; j++) v[j] = a.from[at[j]];
#pragma unroll
		for (int j = 0; j < kInFlight; j++) a.to[at[j]] = v[j];
	});
}

struct ChainArgs {
	u32 *out;                  // [blocks()][threads()]
	u32 start, factor, addend; // the bits of numbers, as out has them
	int rounds;
};

// A chain x = x * factor + addend of float32 numbers, and one of pairs of
// float16 numbers.
struct Single {
	typedef float T;
	static DEVICE_METHOD float load(u32 bits) { return fromBits(bits); }
	static DEVICE_METHOD u32 store(float x) {
		u32 bits;
		__builtin_memcpy(&bits, &x, 4);
		return bits;
	}
	static DEVICE_METHOD float step(float x, float f, float c) { return multiplyAdd(x, f, c); }
};
struct HalfPair {
	typedef u32 T;
	static DEVICE_METHOD u32 load(u32 bits) { return bits; }
	static DEVICE_METHOD u32 store(u32 x) { return x; }
	static DEVICE_METHOD u32 step(u32 x, u32 f, u32 c) { return multiplyAddHalves(x, f, c); }
};

// chains runs kChains chains, each of which begins with the end of one step of
// the chain before it, and stores what their ends add up to, each times factor but
// the first.
template <class N> DEVICE void chains(const ChainArgs &a) {
	typename N::T x[kChains], f = N::load(a.factor), c = N::load(a.addend);
	x[0] = N::load(a.start);
#pragma unroll
	for (int j = 1; j < kChains; j++) x[j] = N::step(x[j - 1], f, c);
	for (int r = 0; r < a.rounds; r++) {
#pragma unroll
		for (int s = 0; s < kChainSteps; s++) {
#pragma unroll
			for (int j = 0; j < kChains; j++) x[j] = N::step(x[j], f, c);
		}
	}
	typename N::T end = x[0];
#pragma unroll
	for (int j = 1; j < kChains; j++) end = N::step(x[j], f, end);
	a.out[(u64)block() * threads() + thread()] = N::store(end);
}

KERNEL(probe_fp32, ChainArgs, kProbeThreads) { chains<Single>(a); }
KERNEL(probe_fp16, ChainArgs, kProbeThreads) { chains<HalfPair>(a); }

struct BarrierArgs {
	u32 *arrived; // blocks that have come, over all rounds; 0 at first
	int rounds;
};

// probe_launch does nothing: its launch is what is measured.
KERNEL(probe_launch, BarrierArgs, kProbeThreads) {}

// probe_barrier has all blocks of the grid wait for each other, again and again.
// Every block must be resident, or those that wait keep the others out for ever.
KERNEL(probe_barrier, BarrierArgs, kProbeThreads) {
	for (int r = 1; r <= a.rounds; r++) {
		barrier();
		if (thread() == 0) {
			fetchAdd(a.arrived, 1);
			while (latest(a.arrived) < (u32)(r * blocks())) relax();
		}
		barrier();
	}
}
