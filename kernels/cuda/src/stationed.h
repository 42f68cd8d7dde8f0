// Products of matrices for one vector, by a grid that is resident as a whole. Each block
// has a share of the rows of every matrix, and as many of them as there is room for come
// into its shared memory long before they are wanted: one warp does nothing but bring them.
#pragma once
#include "exchange.h"
#include "span.h"
#include "tiles.h"

// A matrix, or several in one piece, whose rows are taken in pairs.
struct Weights {
	Matrix w;
	const float *bias;      // [w.rows], may be null
	int bytes[4];           // of a row in each plane: codes, high, scales, supers
	int format;
	int pairs, before, all; // of the matrix, of those before it in the same product, and of the product
	int step, apart;        // pair i is rows step*i and step*i + apart
	int at, room;           // where in the block's memory its pairs come, and how many there is room for
	int length;             // steps of kTileGroups groups of a tile of rows that a warp takes at a time
	int sums;               // where in the block's memory the parts of rows come
};

// The matrices of a layer, one to three of which are Q, K and V, and its products.
enum Matrices { kQKVMatrices, kOutputMatrix = 3, kGateUpMatrix, kDownMatrix, kMatrices };
enum Product { kQKV, kOutput, kGateUp, kDown, kProductsOfLayer };

// matrixOf returns the first matrix of a product.
DEVICE int matrixOf(int product) { return product == kQKV ? kQKVMatrices : product + kOutputMatrix - 1; }

struct TokenLayer {
	const float *attnNorm, *ffnNorm; // [width]
	Weights matrices[kMatrices];
	int pieces, unused[3];           // of the first
};

// The pairs of a matrix that a block has.
struct Share {
	int first, count;
};
DEVICE Share shareOf(const Weights &w) {
	int begin = (u32)(w.all * block()) / blocks() - w.before, end = (u32)(w.all * (block() + 1)) / blocks() - w.before;
	begin = larger(begin, 0), end = minimum(end, w.pairs);
	return {begin, larger(end - begin, 0)};
}

// What a block has of a matrix.
struct Piece {
	const u8 *planes[2][4];    // of the rows of its first pair
	int there[2][4];           // and where they come in the block's memory, in bytes
	const float *bias;         // of its first row
	int first, count, room;    // pairs: the first one of the product, and as many as there are, and come
	int format, groups, step;  // groups of a row, and from a pair to the next
	int length, parts;         // steps of a tile that a warp takes at a time, and how many of those a tile has
	int sums;                  // where those of rows come in the block's memory, in bytes
	int items, tiles, odd;     // of all tiles, and from one that a warp takes to the next: tiles, and parts
};

struct Layer {
	Piece pieces[kMatrices];
	const float *attnNorm, *ffnNorm;
	int qkv; // pieces of them
};

// This layer and the next one, in turn.
DEVICE Layer *layers() {
	SHARED(Layer, two, 2);
	return two;
}

// x of a product stands first in a block's memory.
DEVICE Slot *slots() { return (Slot *)blockMemory(); }

// What lanes read that have no group of x.
DEVICE Slot *zeros() {
	SHARED(Slot, one, 1);
	return one;
}

constexpr int kTilePairs = kTileRows / 2;

// What warps make of a row of a product, each of a part of its columns, stands in fours, with zeros
// past the last one: nothing else comes there. foursOf returns how many fours there are.
DEVICE int foursOf(int parts) { return (u32)(parts + 3) / 4; }

// A number that a lambda takes as part of its type.
template <int N> struct Constant {
	static constexpr int value = N;
};

// Of how many integers numbers of x are: 1, or 2.
DEVICE int *partsOfX() {
	SHARED(int, one, 1);
	return one;
}

// The sums of squares of a vector, of kSquares numbers each: what a warp brings at a time.
// Behind them there are zeros.
DEVICE float4v *squares() {
	SHARED(float4v, all, kMostSquares / 4);
	return all;
}

// What a matrix of every layer is multiplied with, in shared memory for functions that are not part of their
// callers: a vector, times the weights of a norm or as it is.
struct Input {
	const u32 *vector;
	int quads, phase; // phase: of the first layer
};
DEVICE Input *inputs() {
	SHARED(Input, all, kMatrices);
	return all;
}

// awaitX brings what a matrix is multiplied with into the block's memory as products of a format want it, and
// sums of squares of what is normed. All warps share it; but if slice is not 0, each brings so many
// quads for itself.
template <class F, bool Tiles> DEVICE void awaitX(int layer, int matrix, int slice, bool both) {
	const Input &x = inputs()[matrix];
	const Layer &l = layers()[layer % 2];
	const float4v *norm = (const float4v *)(matrix < kOutputMatrix ? l.attnNorm : matrix == kGateUpMatrix ? l.ffnNorm : 0);
	int quads = x.quads;
	Form<Tiles> form = formOf<F, Tiles>(lane() % (kGroup / 4), both ? 2 : 1);
	int first = slice ? warp() * slice + lane() : thread(), end = slice ? minimum(quads, (warp() + 1) * slice) : quads;
	// A norm's weights may come from the GPU's memory.
	auto ahead = [&](int i) INLINED { return norm ? norm[i] : float4v(1); };
	awaitAll<2>({(u32 *)x.vector}, first, end, slice ? kWarp : kTokenThreads, (x.phase + layer) % 2, ahead, [&](float4v weights, int i, bool there, float4v v) INLINED {
		if (norm) {
			float square = warpSum(squareOf(v));
			if (lane() == 0) ((float *)squares())[i / kWarp] = square;
		}
		v *= weights;
		// store would find out what is known here.
		if constexpr (Tiles && kExact<F>) {
			if (!both) return storeIntegers(slots()[i / (kGroup / 4)], i, there, v, form);
		}
		store(slots(), i, there, v, form);
	});
}

// productsOf writes the products of a block's pairs of a matrix of a layer to its memory: [pair][row][part of
// the columns, in fours], of all pairs of a tile. What a warp multiplies first it finds out before it waits for what
// that is multiplied with.
template <class F, bool Tiles> FUNCTION void productsOf(int layer, int matrix) {
	const Piece &p = layers()[layer % 2].pieces[matrix];
	u8 *memory = (u8 *)blockMemory();
	int groups = p.groups, parts = p.parts, items = p.items, last = p.count - 1;
	// If each warp multiplies other columns, it waits for those only; else all wait for all.
	int slice = items == parts && items <= kTokenWarps ? p.length * kTileGroups * (kGroup / 4) : 0;
	if (slice && warp() >= items) return;
	int row = lane() / kTileGroups, mine = lane() % kTileGroups, tile = 0, part = warp();
	bool both = Tiles && *partsOfX() > 1;
	while (part >= parts) part -= parts, tile++;
	Row rows[2];
	auto find = [&]() INLINED {
		// Past the end rows and groups are read again, for nothing.
		int k = row % 2;
		const int *there = p.there[k];
		const u8 *const *planes = p.planes[k];
#pragma unroll
		for (int r = 0; r < 2; r++) {
			int pair = minimum(tile * kTilePairs + row / 2 + r * kTilePairs / 2, last);
			Row begin = {planes[0], planes[1], planes[2], planes[3]};
			if (pair < p.room) begin = {memory + there[0], memory + there[1], memory + there[2], memory + there[3]};
			rows[r] = after<F>(begin, pair * p.step);
		}
	};
	find();
	awaitX<F, Tiles>(layer, matrix, slice, both);
	if (slice) warpBarrier();
	else computing();
#pragma unroll 1
	for (int item = warp(); item < items; item += kTokenWarps) {
		Products<F, Tiles> products;
		auto multiply = [&](auto count) INLINED {
			constexpr int n = decltype(count)::value;
			int first = part * p.length * kTileGroups, end = minimum(first + p.length * kTileGroups, groups);
#pragma unroll 1
			for (; first < end; first += kTileGroups) {
				u32 g = minimum(first + mine, groups - 1);
				Group<F> w[n];
				Scale scales[n];
#pragma unroll
				for (int r = 0; r < n; r++) {
					w[r] = groupOf<F>(rows[r], groups, g & -kChunk, g % kChunk);
					scales[r] = scaleOf<F>(rows[r], g);
				}
				products.template add<n>(w, scales, slots(), first, groups, zeros(), both);
			}
		};
		if (tile * kTilePairs + kTilePairs / 2 <= last) multiply(Constant<2>());
		else multiply(Constant<1>());
		float sum = products.finish();
		int pair = tile * kTilePairs + row / 2 + mine * kTilePairs / 2;
		if (mine < 2) ((float *)(memory + p.sums))[(2 * pair + row % 2) * 4 * foursOf(parts) + part] = sum;
		tile += p.tiles, part += p.odd;
		if (part >= parts) part -= parts, tile++;
		find();
	}
}

// products calls that of the matrix's format. It is part of its callers: a function that calls
// others keeps what it has in memory.
template <bool Tiles> DEVICE void products(int layer, int matrix) {
	switch (layers()[layer % 2].pieces[matrix].format) {
#define PRODUCTS_OF(F) case kFormat_##F: return productsOf<F, Tiles>(layer, matrix);
		FORMATS(PRODUCTS_OF)
	}
}

// Of a plane of a matrix: what comes, and what follows it, which is too much to come. The
// lanes of the warp that brings weights have one each, for every plane of a layer.
struct Runs {
	u64 from[2]; // two runs where the rows of a pair are apart
	int to[2];   // in the block's memory: where the line comes that the first byte is in
	int bytes, more;
};

// describe writes what a block has of a layer, and returns a lane's runs.
DEVICE Runs describe(const TokenLayer *from, Layer &to) {
	int m = lane() / 4, k = lane() % 4;
	Runs r = {};
	if (m >= kMatrices) return r;
	Piece &p = to.pieces[m];
	int pieces = from->pieces;
	if (lane() == 0) to.attnNorm = from->attnNorm, to.ffnNorm = from->ffnNorm, to.qkv = pieces;
	if (m < kOutputMatrix && m >= pieces) return r;
	const Weights &w = from->matrices[m];
	Share s = shareOf(w);
	int room = w.room, step = w.step, apart = w.apart, mine = 0, at = w.at, all = 0;
#pragma unroll
	for (int j = 0; j < 4; j++) {
		int bytes = w.bytes[j], space = bytes == 0 ? 0 : (room * step * bytes + 2 * (kLine - 1)) & -kLine;
		if (j < k) at += space;
		if (j == k) mine = bytes;
		all += space;
	}
	const u8 *plane = k == 0 ? w.w.codes : k == 1 ? w.w.high : k == 2 ? w.w.scales : w.w.supers;
	int staged = minimum(s.count, room);
	r.bytes = staged * step * mine, r.more = (s.count - staged) * step * mine;
	// The rows of a pair are read together: if they have runs of their own, half a line keeps them in different banks.
	all += kLine / 2;
#pragma unroll
	for (int i = 0; i < 2; i++) {
		const u8 *row = plane + (u64)(step * s.first + i * apart) * mine;
		p.planes[i][k] = row;
		if (i == 0 || apart != 1) {
			r.from[i] = (u64)row;
			r.to[i] = at + i * all;
			p.there[i][k] = at + i * all + ((u64)row & (kLine - 1));
		} else {
			p.there[i][k] = p.there[0][k] + mine;
		}
	}
	if (k != 0) return r;
	p.bias = w.bias ? w.bias + step * s.first : 0;
	p.first = w.before + s.first, p.count = s.count, p.room = room;
	p.format = w.format, p.groups = (u32)w.w.cols / kGroup, p.step = step * p.groups;
	p.sums = w.sums, p.length = w.length, p.parts = (u32)(p.groups + p.length * kTileGroups - 1) / (p.length * kTileGroups);
	p.items = (u32)(p.count + kTilePairs - 1) / kTilePairs * p.parts;
	p.tiles = (u32)kTokenWarps / p.parts, p.odd = kTokenWarps - p.tiles * p.parts;
	return r;
}

// bring starts copying what a block has of a product to its memory, line by line. In first runs what eight lanes copy is a line
// there, too, which takes two accesses to it instead of four for parts of two lines.
DEVICE void bring(int product, const Runs &mine) {
	Shared memory = sharedAddress(blockMemory());
#pragma unroll 1
	for (int i = 4 * matrixOf(product); i < 4 * matrixOf(product + 1); i++) {
#pragma unroll
		for (int j = 0; j < 2; j++) {
			const u8 *from = (const u8 *)broadcast(mine.from[j], i);
			int bytes = broadcast(mine.bytes, i), before = (u64)from & (kLine - 1);
			if (from == 0 || bytes == 0) break;
			Shared to = memory + (Shared)broadcast(mine.to[j], i);
			// Two a turn are faster than one or four: see Float16 in docs/cuda.md. But where over a third does not
			// come ahead, those who multiply read that from the cache meanwhile, and one is less in their way.
			constexpr int turn = kWarp * 16;
			bool much = 2 * broadcast(mine.more, i) > bytes;
			int n = lane() * 16, end = before + bytes, pairs = much ? 0 : end & -2 * turn;
#pragma unroll 1
			for (; n < pairs; n += 2 * turn) copyOnce(to + n, from - before + n), copyOnce(to + n + turn, from - before + n + turn);
#pragma unroll 1
			for (; n < end; n += turn) copyOnce(to + n, from - before + n);
		}
	}
	endGroup();
}

// fetchRest has the cache fetch what there is no room for, but no more than the cache will
// keep until it is wanted.
DEVICE void fetchRest(int product, const Runs &mine) {
	constexpr int most = 96 << 10;
#pragma unroll 1
	for (int i = 4 * matrixOf(product); i < 4 * matrixOf(product + 1); i++) {
		int more = minimum(broadcast(mine.more, i), most), bytes = broadcast(mine.bytes, i);
#pragma unroll
		for (int j = 0; j < 2; j++) {
			const u8 *from = (const u8 *)broadcast(mine.from[j], i) + bytes;
			if (j == 1 && broadcast(mine.from[1], i) == 0) break;
			for (int n = lane() * kLine; n < more; n += kWarp * kLine) fetchAhead(from + n);
		}
	}
}

// fetchNorms has the cache fetch a layer's norms of so many bytes.
DEVICE void fetchNorms(const Layer &l, int bytes) {
#pragma unroll 1
	for (int n = lane() * kLine; n < bytes; n += kWarp * kLine) {
		fetchAhead((const u8 *)l.attnNorm + n);
		fetchAhead((const u8 *)l.ffnNorm + n);
	}
}

// bringAll is what the warp does that brings weights: those that a block has room for when
// the same product of the layer before has been computed, the rest of a product while the
// one before it is. rest says whether there is any, skips whether nobody wants the token, or it is null.
DEVICE void bringAll(const TokenLayer *from, int count, int width, bool rest, const u32 *skips) {
	Runs before = {}, now = {};
	// Products are counted on from one layer to the next. All four of a layer fit, so the ones that are
	// brought are four ahead of those that are computed.
#pragma unroll 1
	for (int n = 0;; n++) {
		int layer = n / kProductsOfLayer, p = n % kProductsOfLayer;
		bool more = layer < count;
		if (n == kProductsOfLayer) {
			barrier();
			if (skips) {
				awaitLaunch();
				if (*skips) return waitGroups<0>();
			}
			waitGroups<kProductsOfLayer - 1>();
			arriveAt<kAllThreads>(kThere);
		}
		if (layer > 0) {
			barrierOf<kAllThreads>(kUsed);
			if (!more && p == kDown) return;
			// Three groups of copies are on the way: the first is what is wanted next.
			waitGroups<kProductsOfLayer - 2>();
			arriveAt<kAllThreads>(kThere);
		}
		Layer &to = layers()[layer % 2];
		if (p == kQKV) {
			before = now;
			if (more) now = describe(from + layer, to);
		}
		if (more) bring(p, now);
		else endGroup();
		if (more && p == kGateUp) fetchNorms(to, 4 * width);
		if (!rest || n < 2) continue;
		// What is wanted after the next product.
		bool ofBefore = p < 2;
		if (ofBefore || more) fetchRest((p + 2) % kProductsOfLayer, ofBefore ? before : now);
	}
}
