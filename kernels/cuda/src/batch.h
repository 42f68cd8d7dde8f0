// Products of a matrix with several rows of x, to the bit those of a token's kernel: decode
// of several sequences. There the weights of four groups of a row are one tile's (tiles.h); here
// a tile has one group, and its columns are eight rows of x. The sums of groups are integers, and
// so the same; they are added in the token's order. Weights that are floats have kernels of their own (floats.h).
#pragma once
#include "fragments.h"

struct BatchArgs {
	Matrix w;
	const Slot *x;         // slots, or, for batch of integers, RowOfX: see XRows
	const float *scales;   // [n], may be null: what a row's products are multiplied with
	float *y;              // [part of the columns][n][stride], or [n][stride]
	u64 apart;             // from part to part of y
	const u8 *ahead;       // what will be wanted next
	u64 aheadBytes;
	int n, stride, length; // length: steps of a part, as in Weights of stationed.h
	int rowsOfX;           // that there is room for in x, or 0 if they are slots
	int parts, shares;     // of batch: parts of y, one if it adds up those of the columns, of which there are four at the most, and blocks of each
};

// leave writes what a part of the columns makes of row r with row j of x.
DEVICE void leave(const BatchArgs &a, int part, int j, int r, float sum) {
	if (a.scales) sum *= a.scales[j];
	a.y[part * a.apart + (u64)j * a.stride + r] = sum;
}

constexpr int kBatchThreads = 512; // at the most

// Rows of x in the block's memory, so many steps of them, which come in three pieces.
template <class F, int OfX> struct StagedX {
	using Tails = TailsOf<oneScale<F>>;
	static constexpr int second = 1, third = 3; // steps that pieces begin with
	RowOfX *x;    // [groups][OfX]
	Tails *tails; // [groups][OfX/2]
	int first, end, steps; // groups, and steps

	DEVICE_METHOD StagedX(void *memory, int firstStep, int steps, int groups) : x((RowOfX *)memory), first(firstStep * kTileGroups), steps(steps) {
		tails = (Tails *)(x + steps * kTileGroups * OfX);
		end = minimum(first + steps * kTileGroups, groups);
	}

	// piece starts copying the groups from one step to another.
	DEVICE_METHOD void piece(const BatchArgs &a, int firstX, int from, int to) {
		const RowOfX *all = (const RowOfX *)a.x;
		const Tails *allTails = tailsOf<oneScale<F>>(all, (u32)a.w.cols / kGroup, a.rowsOfX);
		for (int g = first + from * kTileGroups + warp(); g < minimum(first + to * kTileGroups, end); g += warps()) {
			u64 from = (u64)g * a.rowsOfX + firstX;
			int at = (g - first) * OfX;
			const uint4v *numbers = all[from].halves;
			Shared to = sharedAddress(x + at);
#pragma unroll
			for (int i = 0; i < OfX * 4; i += kWarp) copyAsync(to + (i + lane()) * 16, numbers + i + lane());
			if (lane() < OfX / 2 * (int)sizeof(Tails) / 16) copyAsync(sharedAddress(tails + at / 2) + lane() * 16, (const uint4v *)(allTails + from / 2) + lane());
		}
		endGroup();
	}
	DEVICE_METHOD void start(const BatchArgs &a, int firstX) {
		piece(a, firstX, 0, second);
		piece(a, firstX, second, third);
		piece(a, firstX, third, steps);
	}

};

// What a warp has in the block's memory: its tiles, and the sums that it makes of a part, [fours of a
// lane][lane].
template <class F, int Eights> struct BatchMemory : BatchWeights<F>::Tiles {
	float4v sums[2 * Eights][kWarp];
};

// What the four warps of a quad have. A stage is filled as soon as the one before it has been taken apart, so the weights
// of three steps are on their way while those of one are multiplied.
constexpr u32 kStages = 4, kAhead = kStages - 1;
template <class F, int Eights> struct QuadMemory {
	Stage<F> stages[kStages];
	BatchMemory<F, Eights> warps[kTileGroups];
};

// What a lane makes of a tile: sums of rows lane()/4 and every eighth one after it, with rows
// 2*(lane()%4) and the one after it of each eight of x. Fours of them are of two rows of weights.
template <int Eights> using LaneSums = float[kEighths][Eights][2];

// keepSums writes them to the block's memory, and makes them zero.
template <int Eights> DEVICE void keepSums(float4v (&to)[2 * Eights][kWarp], LaneSums<Eights> &sums) {
#pragma unroll
	for (int i = 0; i < Eights; i++)
#pragma unroll
		for (int k = 0; k < kBatchTiles; k++) {
			float(&lower)[2] = sums[2 * k][i], (&upper)[2] = sums[2 * k + 1][i];
			to[kBatchTiles * i + k][lane()] = {lower[0], lower[1], upper[0], upper[1]};
			lower[0] = lower[1] = upper[0] = upper[1] = 0;
		}
}

// batch multiplies rows of weights with 8*Eights rows of x. Four warps, a quad, have a tile of 32 rows of
// weights at a time, each every fourth group of a part of the columns: what they make is added as the lanes
// of a token's kernel add it. The quads of a block have other tiles, one after the other, of the same
// columns, whose x is in the block's memory. They are those of a part, or all: then a quad adds up what the
// parts make, too.
template <class F, int Eights> DEVICE void batch(const BatchArgs &a) {
	startNext();
	constexpr int ofX = 8 * Eights, quadThreads = kTileGroups * kWarp;
	int groups = (u32)a.w.cols / kGroup, steps = (u32)(groups + kTileGroups - 1) / kTileGroups, length = minimum(a.length, steps);
	int kind = (u32)block() / a.shares, share = block() - kind * a.shares, pass = (u32)kind / a.parts, part = kind - pass * a.parts;
	int firstX = pass * ofX, from = part * length, first = from * kTileGroups, mine = a.parts == 1 ? steps : minimum(length, steps - from); // steps
	int phase = warp() % kTileGroups, quad = warp() / kTileGroups, quads = warps() / kTileGroups;
	int tile = quad * a.shares + share, limit = (u32)(a.w.rows + kBatchRows - 1) / kBatchRows, atOnce = quads * a.shares;
	int row = lane() / 4, t = lane() % 4;

	auto *memory = (QuadMemory<F, Eights> *)blockMemory(), *ofQuad = memory + quad;

	// While a step is multiplied the weights of the next ones come, of this tile and of those after it, and those of
	// the matrix that is wanted next come into the second-level cache.
	BatchWeights<F> weights;
	Shared stages = sharedAddress(ofQuad->stages);
	int coming = tile, comingStep = 0;
	auto bring = [&](u32 stage) INLINED {
		if (coming < limit) {
			if (comingStep == 0) weights.start(a.w, coming * kBatchRows, phase, groups);
			weights.copy(a.w, first + comingStep * kTileGroups, groups, stages + stage % kStages * sizeof(Stage<F>));
			if (++comingStep == mine) comingStep = 0, coming += atOnce;
		}
		endGroup();
	};
#pragma unroll
	for (u32 stage = 0; stage < kAhead; stage++) bring(stage);
	for (u64 i = (u64)(block() * threads() + thread()) * kLine; i < a.aheadBytes; i += (u64)blocks() * threads() * kLine) fetchAhead(a.ahead + i);

	StagedX<F, ofX> x(memory + quads, from, mine, groups);
	awaitLaunch();
	x.start(a, firstX);
	// Of the sums of its quad's warps a lane adds up so many, from one of the fours on or the half of one.
	constexpr int left = 2 * Eights, vector = left < 4 ? left : 4;
	int four = phase * left / 4, half = phase * left % 4, ownX = firstX + four / kBatchTiles * 8 + 2 * t;
	float by[2] = {1, 1};
	if (a.scales)
#pragma unroll
		for (int j = 0; j < 2; j++) by[j] = a.scales[minimum(ownX + j, a.n - 1)];
	// In the steps of the first tile that pieces of x begin with all threads of the block meet. Bit 0 is the next step.
	u32 meetings = 1 | 1 << x.second | 1 << x.third;
	auto arrived = [&]() INLINED {
		// Each step begins one more group of copies. The weights of the two steps behind this one may still be on their
		// way, and in the step in front of the last piece of x that piece, too. In the first step those are its last two
		// pieces.
		static_assert(kAhead - 1 == 2, "pieces of x that the first step does not wait for");
		if (meetings == 1 << 1) waitGroups<kAhead>();
		else waitGroups<kAhead - 1>();
		if (meetings & 1) barrier();
		else barrierOf<quadThreads>(quad);
		meetings >>= 1;
	};
	if (tile >= limit) {
		for (int step = 0; step < mine; step++) {
			arrived();
			endGroup();
		}
		return;
	}
	u32 stage = 0;
#pragma unroll 1
	while (true) {
		float results[left] = {};
		LaneSums<Eights> sums = {};
		int done = 0; // steps of a part
#pragma unroll 1
		for (int step = 0; step < mine; step++) {
			arrived();
			bring(stage + kAhead);
			Fragments f;
			int firstOf = first + step * kTileGroups, g = firstOf + phase;
			weights.take(f, ofQuad->stages[stage++ % kStages], ofQuad->warps[phase], tile * kBatchRows, firstOf, phase, groups);
			bool last = step + 1 == mine;
			if (g < groups) {
				const RowOfX *columns = x.x + (g - first) * ofX + row;
				const auto *tails = x.tails + (g - first) * (ofX / 2) + t;
#pragma unroll
				for (int i = 0; i < Eights; i++) multiplyGroup<F>(sums, i, f, columns[8 * i].halves[t], tails[4 * i]);
			}
			if (++done < length && !last) continue;
			done = 0;
			keepSums<Eights>(ofQuad->warps[phase].sums, sums); // the next ones come behind a step's barrier
			barrierOf<quadThreads>(quad);
#pragma unroll
			for (int j = 0; j < left; j += vector) {
				float v[kTileGroups][vector];
#pragma unroll
				for (int w = 0; w < kTileGroups; w++) __builtin_memcpy(v[w], __builtin_assume_aligned((const float *)&ofQuad->warps[w].sums[four + j / 4][lane()] + half, 4 * vector), 4 * vector);
#pragma unroll
				for (int i = 0; i < vector; i++) results[j + i] += ((v[0][i] + v[1][i]) + (v[2][i] + v[3][i])) * (1 / kCodeUnit) * by[i % 2];
			}
		}
		float *y = a.y + part * a.apart + (u64)ownX * a.stride;
#pragma unroll
		for (int j = 0; j < left; j++) {
			int r = tile * kBatchRows + (four + j / 4) % kBatchTiles * kTileRows + (half + j % 4) / 2 * 8 + row;
			if (r < a.w.rows && ownX + j % 2 < a.n) y[(u64)(j % 2) * a.stride + r] = results[j];
		}
		tile += atOnce;
		if (tile >= limit) return;
		meetings = 0;
	}
}

constexpr int kFewThreads = 256;

// few is batch for one row of x at a time, as the token's kernel multiplies: slots are in its order. A warp
// has one part of one tile.
template <class F> DEVICE void few(const BatchArgs &a) {
	startNext();
	awaitLaunch();
	SHARED(Slot, zeros, 1);
	int groups = (u32)a.w.cols / kGroup, ofPart = a.length * kTileGroups, parts = (u32)(groups + ofPart - 1) / ofPart, last = a.w.rows - 1;
	int j = block() % a.n, item = (u32)block() / a.n * warps() + warp();
	if (thread() < (int)sizeof(Slot) / 16) ((uint4v *)zeros)[thread()] = 0;
	const Slot *x = a.x + (u64)j * groups;
	barrier();
	int row = lane() / kTileGroups, mine = lane() % kTileGroups, part = item % parts;
	int r0 = item / parts * kTileRows + row, first = part * ofPart, end = minimum(first + ofPart, groups);
	if (r0 - row > last) return;
	// Past the end rows and groups are read again, for nothing.
	Row rows[2] = {rowOf<F>(a.w, minimum(r0, last)), rowOf<F>(a.w, minimum(r0 + kTileRows / 2, last))};
	Products<F, true> products;
#pragma unroll 1
	for (; first < end; first += kTileGroups) {
		u32 g = minimum(first + mine, groups - 1);
		Group<F> w[2];
		Scale scales[2];
#pragma unroll
		for (int r = 0; r < 2; r++) {
			w[r] = groupOf<F>(rows[r], groups, g & -kChunk, g % kChunk);
			scales[r] = scaleOf<F>(rows[r], g);
		}
		products.template add<2>(w, scales, x, first, groups, zeros, false);
	}
	float sum = products.finish();
	int r = r0 + mine * (kTileRows / 2);
	if (mine < 2 && r <= last) leave(a, part, j, r, sum);
}
