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
