// Sums and maxima over the threads of a block.
#pragma once
#include "cache.h"

constexpr int kVectorThreads = 256;

// blockSum returns the sum over all threads of a block, in all of them.
DEVICE float blockSum(float x) {
	SHARED(float, sums, kWarp);
	x = warpSum(x);
	if (lane() == 0) sums[warp()] = x;
	barrier();
	return warpSum(lane() < warps() ? sums[lane()] : 0);
}

// blockMax returns the maximum over all threads of a block, in all of them.
DEVICE float blockMax(float x) {
	SHARED(float, tops, kWarp);
	x = warpMax(x);
	if (lane() == 0) tops[warp()] = x;
	barrier();
	return warpMax(lane() < warps() ? tops[lane()] : 0);
}

// A value of a row and where it stands, which may be nowhere.
constexpr int kNowhere = 0x7fffffff;
struct Candidate {
	float value;
	int place;
};

// firstLargest returns the best of the candidates of a warp, in all lanes: the
// first of the largest values.
DEVICE Candidate firstLargest(Candidate c) {
#pragma unroll
	for (int m = kWarp / 2; m > 0; m /= 2) {
		float v = exchange(c.value, m);
		int p = exchange(c.place, m);
		bool better = p != kNowhere && (c.place == kNowhere || v > c.value || (v == c.value && p < c.place));
		c.value = better ? v : c.value;
		c.place = better ? p : c.place;
	}
	return c;
}

// firstOfBlock returns the best of the candidates of a block, in all of its first warp.
DEVICE Candidate firstOfBlock(Candidate c) {
	SHARED(float, tops, kWarp);
	SHARED(int, places, kWarp);
	c = firstLargest(c);
	if (lane() == 0) tops[warp()] = c.value, places[warp()] = c.place;
	barrier();
	c = {-kInfinity, kNowhere};
	if (lane() < warps()) c = {tops[lane()], places[lane()]};
	return firstLargest(c);
}
