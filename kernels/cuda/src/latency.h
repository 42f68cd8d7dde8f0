// What measures how soon all blocks of a grid have what each of them has made: what a token waits for, beside
// memory and arithmetic, whose blocks hand each other a vector several times in every layer (exchange.h).
#pragma once
#include "exchange.h"

constexpr int kExchangeThreads = 256;
constexpr int kExchanged = 4 * kExchangeThreads; // numbers of a vector, of which each thread reads four

struct ExchangeArgs {
	u32 *vectors; // [2][kExchanged], zeros at first
	int rounds;   // a multiple of 4: then phases are as they were before
};

// probe_exchange has all blocks of the grid make a part of a vector each and wait for all of it, again and
// again. What they make in a round is its number, from 1 on, which they know from the round before. Two vectors take
// turns: whoever makes a part of one has read all of the other, and so have all blocks read what stood there. Every
// block must be resident, or those that wait keep the others out for ever.
KERNEL(probe_exchange, ExchangeArgs, kExchangeThreads) {
	float made = 1;
#pragma unroll 1
	for (int r = 0; r < a.rounds; r++) {
		Vector v = {a.vectors + r % 2 * kExchanged};
		u32 phase = r / 2 % 2 ^ 1;
		for (int i = block() + blocks() * thread(); i < kExchanged; i += blocks() * threads()) v.publish(i, made, phase);
		made = v.await(thread(), v.read(thread()), phase)[0] + 1;
		barrier(); // all threads of the block have read it
	}
}
