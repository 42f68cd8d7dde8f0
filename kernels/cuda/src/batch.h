// Products of a matrix with several rows of x, to the bit those of a token's kernel: decode
// of several sequences. There the weights of four groups of a row are one tile's (tiles.h); here
// a tile has one group, and its columns are eight rows of x. The sums of groups are integers, and
// so the same; they are added in the token's order. Where they are not, tiles are as there (pairs).
#pragma once
#include "slots.h"

struct BatchArgs {
	Matrix w;
	const Slot *x;         // slots, or, for batch and pairs, RowOfX: see XRows
	const float *scales;   // [n], may be null: what a row's products are multiplied with
	float *y;              // [part of the columns][n][stride]
	u64 apart;             // from part to part of y
	const u8 *ahead;       // what will be wanted next
	u64 aheadBytes;
	int n, stride, length; // length: steps of a part, as in Weights of stationed.h
	int rowsOfX;           // that there is room for in x, or 0 if they are slots
};

// leave writes what a part of the columns makes of row r with row j of x.
DEVICE void leave(const BatchArgs &a, int part, int j, int r, float sum) {
	if (a.scales) sum *= a.scales[j];
	a.y[part * a.apart + (u64)j * a.stride + r] = sum;
}

constexpr int kBatchThreads = 512; // at the most

// What a warp has in the block's memory of a group of 32 rows: weights as numbers, those of the
// lower and of the upper half of the group, as the lanes that multiply them want them, and their
// scales.
constexpr int kBatchRows = 32, kBatchTiles = kBatchRows / kTileRows;
struct BatchTiles {
	uint4v halves[kBatchTiles][2][kTileRows / 2][4];
	Scale scales[kBatchRows];
};

// bankOf keeps what is written together in different banks.
DEVICE int bankOf(int row, int t) { return t ^ row / 2 % 4; }

// Those as they are in memory: a lane reads its row's while the group before is multiplied.
template <class F> struct BatchWeights {
	Group<F> group;
	Scale scale;

	// load reads group g, or the last one, of the rows from row on.
	DEVICE_METHOD void load(const Matrix &w, int row, int g, int groups) {
		g = minimum(g, groups - 1);
		Row from = rowOf<F>(w, minimum(row + lane(), w.rows - 1));
		group = groupOf<F>(from, groups, g & -kChunk, g % kChunk);
		scale = scaleOf<F>(from, g);
	}

	// turn writes them to the block's memory as numbers. In odd tiles two words are the other way
	// round, which is for the sake of the banks, too.
	DEVICE_METHOD void turn(BatchTiles &to) const {
		int row = lane() % 8, upper = lane() / 8 % 2, odd = lane() / kTileRows;
		to.scales[lane()] = scale;
#pragma unroll
		for (int half = 0; half < 2; half++)
#pragma unroll
			for (int p = 0; p < 8; p++) {
				u32 *four = (u32 *)&to.halves[odd][half][row][bankOf(row, p / 2)];
				four[(p % 2 ^ odd) * 2 + upper] = pairOf<F>(group, 8 * half + p);
			}
	}
};

// Rows of weights, so many steps of a part of the columns: what a block does at a time.
struct Item {
	int part, rows, steps;
};

// batch multiplies rows of weights with 8*Eights rows of x. Four warps have 32 rows of weights at a
// time, each every fourth group of a part of the columns: what they make is added as the lanes of
// a token's kernel add it. A block does one item after the other, all blocks about as many steps.
// What a part needs of x is in the block's memory.
template <class F, int Eights> DEVICE void batch(const BatchArgs &a) {
	startNext();
	constexpr int halvesOfGroup = oneScale<F> ? 1 : 2, ofX = 8 * Eights;
	constexpr int ofGroup = kTileGroups * kWarp; // threads that have the same rows
	int groups = (u32)a.w.cols / kGroup, steps = (u32)(groups + kTileGroups - 1) / kTileGroups, length = minimum(a.length, steps);
	int passes = (u32)(a.n + ofX - 1) / ofX, firstX = block() % passes * ofX;
	int phase = warp() % kTileGroups, own = warp() / kTileGroups, rowsOfItem = warps() / kTileGroups * kBatchRows;
	int items = (u32)(a.w.rows + rowsOfItem - 1) / rowsOfItem, all = (u32)blocks() / passes, number = block() / passes; // items: of a part
	u32 work = items * steps; // of which a block has a share; times blocks it fits in 32 bits
	int begin = work * number / all, limit = work * (number + 1) / all;
	auto itemAt = [&](int part, int i) INLINED { return Item{part, i * rowsOfItem + own * kBatchRows, minimum(length, steps - part * length)}; };
	// The first item that begins at step begin or later.
	int part = (u32)begin / (length * items), ofPart = minimum(length, steps - part * length);
	int i = (u32)(begin - part * length * items + ofPart - 1) / ofPart, at = part * length * items + i * ofPart;
	if (i == items) i = 0, part++;
	if (at >= limit) return awaitLaunch();

	BatchTiles &mine = ((BatchTiles *)blockMemory())[warp()];
	const RowOfX *staged = (RowOfX *)((BatchTiles *)blockMemory() + warps()); // [groups of the part][of x]
	const float4v *stagedTails = (float4v *)(staged + length * kTileGroups * ofX);
	RowOfX *allX = (RowOfX *)a.x;
	const float4v *allTails = tailsOf(allX, groups, a.rowsOfX);
	// stage starts copying groups of x.
	auto stage = [&](int part, int from, int end) INLINED {
		int first = part * length * kTileGroups;
		for (int g = first + from + warp(); g < minimum(first + end, groups); g += warps()) {
			int from = g * a.rowsOfX + firstX, at = (g - first) * ofX;
			const uint4v *x = allX[from].halves;
			Shared to = sharedAddress(staged + at);
#pragma unroll
			for (int i = 0; i < ofX * 4; i += kWarp) copyAsync(to + (i + lane()) * 16, x + i + lane());
			if (lane() < ofX) copyAsync(sharedAddress(stagedTails + at + lane()), allTails + from + lane());
		}
		endGroup();
	};
	// The codes of an item come into the second-level cache while the one before is computed, and
	// those of the matrix that is wanted next meanwhile.
	constexpr int line = 128;
	auto fetchItem = [&](const Item &next) INLINED {
		const u8 *codes = rowOf<F>(a.w, minimum(next.rows + lane(), a.w.rows - 1)).codes + next.part * length * kTileGroups * kCodesBytes<F>;
		for (int i = phase * line; i < next.steps * kTileGroups * (int)kCodesBytes<F>; i += kTileGroups * line) fetchAhead(codes + i);
	};
	for (u64 i = (u64)(block() * threads() + thread()) * line; i < a.aheadBytes; i += (u64)blocks() * threads() * line) fetchAhead(a.ahead + i);
	Item item = itemAt(part, i);
	BatchWeights<F> weights;
	weights.load(a.w, item.rows, part * length * kTileGroups + phase, groups);
	int row = lane() / 4, t = lane() % 4;
	bool fresh = true; // the part is
	awaitLaunch();
#pragma unroll 1
	while (true) {
		int first = item.part * length * kTileGroups;
		if (fresh) {
			barrier(); // the part before has been used
			stage(item.part, 0, kTileGroups);
			stage(item.part, kTileGroups, length * kTileGroups);
		}
		at += item.steps;
		bool last = at >= limit;
		Item next = item;
		if (!last) {
			if (++i == items) i = 0, part++;
			next = itemAt(part, i);
		}
		fetchItem(next);
		float sums[2 * kBatchTiles][Eights][2] = {}; // of rows row, row + 8 and so on, with rows 2*t and 2*t+1 of eight
#pragma unroll 1
		for (int step = 0; step < item.steps; step++) {
			int g = first + step * kTileGroups + phase;
			if (fresh && step < 2) {
				if (step == 0) waitGroups<1>();
				else waitGroups<0>();
				barrier();
			}
			weights.turn(mine);
			warpBarrier();
			bool more = step + 1 < item.steps;
			weights.load(a.w, more ? item.rows : next.rows, more ? g + kTileGroups : next.part * length * kTileGroups + phase, groups);
			if (g < groups) {
				uint4v halves[kBatchTiles][2];
				Scale scales[2 * kBatchTiles];
#pragma unroll
				for (int k = 0; k < kBatchTiles; k++) {
					halves[k][0] = mine.halves[k][0][row][bankOf(row, t)], halves[k][1] = mine.halves[k][1][row][bankOf(row, t)];
					scales[2 * k] = mine.scales[k * kTileRows + row], scales[2 * k + 1] = mine.scales[k * kTileRows + row + 8];
				}
				const RowOfX *columns = staged + (g - first) * ofX + row;
				const float4v *tails = stagedTails + (g - first) * ofX + 2 * t;
#pragma unroll
				for (int i = 0; i < Eights; i++) {
					uint4v x = columns[8 * i].halves[t];
					float4v tail[2] = {tails[8 * i], tails[8 * i + 1]};
#pragma unroll
					for (int k = 0; k < kBatchTiles; k++) {
						const uint4v &lower = halves[k][0], &upper = halves[k][1];
						float c[2][4] = {};
						multiplyTiles(c[0], {lower[0], lower[1], lower[2], lower[3]}, x[k % 2], x[1 - k % 2]);
						multiplyTiles(c[halvesOfGroup - 1], {upper[0], upper[1], upper[2], upper[3]}, x[2 + k % 2], x[3 - k % 2]);
#pragma unroll
						for (int r = 0; r < 2; r++)
#pragma unroll
							for (int n = 0; n < halvesOfGroup; n++)
#pragma unroll
								for (int j = 0; j < 2; j++)
									addGroup<F>(sums[2 * k + r][i][j], scales[2 * k + r], n, tail[j], c[n][2 * r + j]);
					}
				}
			}
			warpBarrier(); // they have been used
		}
		// A lane adds up what the four warps have of one row, each for other rows of x. The memory
		// of the weights is that of a part of the sums.
		constexpr int together = Eights < 2 ? Eights : 2, ofWarp = 8 * together / kTileGroups, stride = kBatchRows + 4;
		float *to = (float *)&mine, *from = (float *)(&mine - phase);
		int r = item.rows + lane(), x = firstX + phase * ofWarp;
		float *y = a.y + item.part * a.apart + (u64)x * a.stride + r;
#pragma unroll
		for (int q = 0; q < Eights; q += together) {
#pragma unroll
			for (int k = 0; k < 2 * kBatchTiles; k++)
#pragma unroll
				for (int i = 0; i < 2 * together; i++) to[(i / 2 * 8 + 2 * t + i % 2) * stride + 8 * k + row] = sums[k][q + i / 2][i % 2];
			barrierOf<ofGroup>(own);
#pragma unroll
			for (int i = 0; i < ofWarp; i++) {
				auto sum = [&](int warp) INLINED { return from[warp * (int)(sizeof(BatchTiles) / 4) + (phase * ofWarp + i) * stride + lane()]; };
				float v = ((sum(0) + sum(1)) + (sum(2) + sum(3))) * (1 / kCodeUnit<F>);
				int j = 8 * q + i;
				if (r >= a.w.rows || x + j >= a.n) continue;
				y[(u32)(j * a.stride)] = a.scales ? v * a.scales[x + j] : v;
			}
			barrierOf<ofGroup>(own);
		}
		if (last) return;
		fresh = next.part != item.part;
		item = next;
	}
}

constexpr int kFewThreads = 256;

// few is batch for one row of x, or N, as the token's kernel multiplies: for weights that are no
// float16 numbers, or where reading weights takes longest. Slots are in its order. A warp
// has one part of one tile.
template <class F, int N> DEVICE void few(const BatchArgs &a) {
	startNext();
	awaitLaunch();
	SHARED(Slot, zeros, 1);
	int groups = (u32)a.w.cols / kGroup, ofPart = a.length * kTileGroups, parts = (u32)(groups + ofPart - 1) / ofPart, last = a.w.rows - 1;
	int passes = (u32)(a.n + N - 1) / N, firstX = block() % passes * N, item = block() / passes * warps() + warp();
	if (thread() < (int)sizeof(Slot) / 16) ((uint4v *)zeros)[thread()] = 0;
	const Slot *x = a.x + (u64)firstX * groups;
	barrier();
	int row = lane() / kTileGroups, mine = lane() % kTileGroups, part = item % parts;
	int r0 = item / parts * kTileRows + row, first = part * ofPart, end = minimum(first + ofPart, groups);
	if (r0 - row > last) return;
	// Past the end rows and groups are read again, for nothing.
	Row rows[2] = {rowOf<F>(a.w, minimum(r0, last)), rowOf<F>(a.w, minimum(r0 + kTileRows / 2, last))};
	Products<F, true> products[N];
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
#pragma unroll
		for (int i = 0; i < N; i++) products[i].template add<2>(w, scales, x + i * groups, first, groups, zeros);
	}
#pragma unroll
	for (int i = 0; i < N; i++) {
		float sum = products[i].finish();
		int r = r0 + mine * (kTileRows / 2);
		if (mine < 2 && r <= last && firstX + i < a.n) leave(a, part, firstX + i, r, sum);
	}
}

// Weights whose products with parts of x are integers.
template <class F> constexpr bool kExact = kInHalves<F> && !same<F, F16>;

// pairs is batch for weights in float16, whose products are not exact: so that they are added as
// the token's kernel adds them, a tile has four groups as there, and for each in its columns two
// rows of x instead of two parts of one. A warp has one part of 16 rows of weights. Blocks are
// small, so that several share a multiprocessor: one copies x while another one multiplies.
template <class F, int Pairs> DEVICE void pairs(const BatchArgs &a) {
	startNext();
	constexpr int ofX = 2 * Pairs, apart = ofX + 1; // from tail to tail of neighbouring groups: another bank
	int groups = (u32)a.w.cols / kGroup, ofPart = minimum(a.length * kTileGroups, groups), parts = (u32)(groups + ofPart - 1) / ofPart, last = a.w.rows - 1;
	int passes = (u32)(a.n + ofX - 1) / ofX, firstX = block() % passes * ofX, item = block() / passes;
	int part = item % parts, first = part * ofPart, end = minimum(first + ofPart, groups);
	int row = lane() / kTileGroups, mine = lane() % kTileGroups, r0 = (item / parts * warps() + warp()) * kTileRows + row;
	// Past the end rows and groups are read again, for nothing.
	Row rows[2] = {rowOf<F>(a.w, minimum(r0, last)), rowOf<F>(a.w, minimum(r0 + kTileRows / 2, last))};
	Group<F> w[2];
	auto load = [&](int g) INLINED {
		g = minimum(g + mine, end - 1);
#pragma unroll
		for (int r = 0; r < 2; r++) w[r] = groupOf<F>(rows[r], groups, g & -kChunk, g % kChunk);
	};
	load(first);
	// Zeros are read together with numbers of x, and so begin in another bank.
	RowOfX *zeros = (RowOfX *)blockMemory(); // [of x]
	RowOfX *staged = (RowOfX *)((uint4v *)(zeros + ofX) + 2); // [groups of the part][of x]
	float *scales = (float *)(staged + ofPart * ofX); // [groups of the part, and zeros][apart]
	for (int i = thread(); i < ofX * 4; i += threads()) ((uint4v *)zeros)[i] = 0;
	if (thread() < ofX) scales[ofPart * apart + thread()] = 0;
	awaitLaunch();
	const RowOfX *all = (const RowOfX *)a.x + firstX;
	const float4v *tails = tailsOf((const RowOfX *)a.x, groups, a.rowsOfX) + firstX;
	for (int g = first + warp(); g < end; g += warps()) {
		const uint4v *x = all[g * a.rowsOfX].halves;
		Shared to = sharedAddress(staged + (g - first) * ofX);
#pragma unroll
		for (int i = 0; i < ofX * 4; i += kWarp) copyAsync(to + (i + lane()) * 16, x + i + lane());
		if (lane() < ofX) scales[(g - first) * apart + lane()] = tails[g * a.rowsOfX + lane()][0];
	}
	endGroup();
	waitGroups<0>();
	barrier();
	float sums[2][ofX] = {};
#pragma unroll 1
	for (int from = first; from < end; from += kTileGroups) {
		int g = from + mine - first, column = lane() / 4;
		bool there = from + mine < end;
		const RowOfX *x = (column / 2 == mine && there ? staged + g * ofX : zeros) + column % 2;
		const float *scale = scales + (there ? g : ofPart) * apart;
#pragma unroll
		for (int p = 0; p < Pairs; p++) {
			uint4v fours[4];
#pragma unroll
			for (int i = 0; i < 4; i++) fours[i] = x[2 * p].halves[i];
			float c[2][4] = {};
#pragma unroll
			for (int j = 0; j < kGroup / 4; j++)
				multiplyTiles(c[j % 2], {pairOf<F>(w[0], 2 * j), pairOf<F>(w[1], 2 * j), pairOf<F>(w[0], 2 * j + 1), pairOf<F>(w[1], 2 * j + 1)},
					fours[j % 4][j / 4 * 2], fours[j % 4][j / 4 * 2 + 1]);
#pragma unroll
			for (int r = 0; r < 2; r++)
#pragma unroll
				for (int i = 0; i < 2; i++) sums[r][2 * p + i] = multiplyAdd(scale[2 * p + i], c[0][2 * r + i] + c[1][2 * r + i], sums[r][2 * p + i]);
		}
		load(from + kTileGroups);
	}
#pragma unroll
	for (int r = 0; r < 2; r++)
#pragma unroll
		for (int i = 0; i < ofX; i += kTileGroups) {
			float own = 0; // of the four lanes that have a row, each leaves it with another row of x
#pragma unroll
			for (int k = 0; k < kTileGroups; k++) {
				float sum = sums[r][i + k];
#pragma unroll
				for (int m = 1; m < kTileGroups; m *= 2) sum += exchange(sum, m);
				if (k == mine) own = sum;
			}
			int to = r0 + r * (kTileRows / 2), j = firstX + i + mine;
			if (to <= last && j < a.n) leave(a, part, j, to, own);
		}
}
constexpr int kPairsThreads = 128;

#define BATCH_KERNELS(F) BATCH_KERNELS_(F)
#define BATCH_KERNELS_(F) \
	BATCH_KERNEL(F, 8) \
	BATCH_KERNEL(F, 16) \
	KERNEL(batch32_##F, BatchArgs, kBatchThreads) { \
		if constexpr (kExact<F>) batch<F, 4>(a); \
	} \
	KERNEL(few_##F, BatchArgs, kFewThreads) { few<F, 1>(a); } \
	KERNEL(few4_##F, BatchArgs, kFewThreads) { \
		if constexpr (!kInHalves<F>) few<F, 4>(a); \
	} \
	KERNEL(slots_##F, SlotsArgs, kSlotsThreads) { slotsOf<F>(a); }
#define BATCH_KERNEL(F, ofX) \
	KERNEL_AT_ONCE(batch##ofX##_##F, BatchArgs, kExact<F> ? kBatchThreads : kPairsThreads, kExact<F> ? 1 : 4) { \
		if constexpr (kExact<F>) batch<F, ofX / 8>(a); \
		else if constexpr (kInHalves<F>) pairs<F, ofX / 2>(a); \
	}
