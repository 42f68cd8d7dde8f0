// Keys and values. Those of one head lie together, position after position:
// float32 or float16 values, or for Q8_0 all int8 and then all float16 scales,
// one for 32 values.
#pragma once
#include "weights.h"

// Where a row of a batch stores its key and value, and up to where it sees.
struct CacheRow {
	u8 *kv;  // [layer][K, V][head]
	int pos; // of the row
	int ctx; // positions there is room for
};

// A type of cache, and how eight values are read.
struct CacheF32 {
	static constexpr int kBytes = 4;
	typedef float Words __attribute__((ext_vector_type(8)));
};
struct CacheF16 {
	static constexpr int kBytes = 2;
	typedef uint4v Words;
};
struct CacheQ8 {
	static constexpr int kBytes = 1;
	typedef uint2v Words;
};

// By the names of their types, and with the lengths of heads that there are kernels for.
using CacheOf_F32 = CacheF32;
using CacheOf_F16 = CacheF16;
using CacheOf_Q8_0 = CacheQ8;
#define HEADS_AND_CACHES(X) X(64, F32) X(64, F16) X(64, Q8_0) X(128, F32) X(128, F16) X(128, Q8_0)

// turned returns value i of a head turned by the angle of that cosine and sine.
DEVICE float turned(const float *head, float cosine, float sine, int i, int half) {
	return i < half ? head[i] * cosine - head[i + half] * sine : head[i] * cosine + head[i - half] * sine;
}

// Eight values as the cache has them.
template <class K> struct Octet {
	typename K::Words words;
	float scale; // of CacheQ8

	DEVICE_METHOD float value(int i) const {
		if constexpr (same<K, CacheF32>) return words[i];
		else if constexpr (same<K, CacheF16>) return fromHalf(words[i / 2] >> 16 * (i % 2));
		else return scale * (i8)(words[i / 4] >> 8 * (i % 4));
	}
};

// The keys (part 0) or values (part 1) of a head.
template <class K> struct Cache {
	u8 *data;
	u16 *scales;
	int headDim;

	DEVICE_METHOD Cache(const CacheRow &r, int layer, int part, int head, int heads, int headDim) : headDim(headDim) {
		u64 bytes = (u64)r.ctx * headDim * K::kBytes;
		if (same<K, CacheQ8>) bytes += (u64)r.ctx * (headDim / kGroup) * 2;
		data = r.kv + ((u64)(layer * 2 + part) * heads + head) * bytes;
		scales = (u16 *)(data + (u64)r.ctx * headDim);
	}

	// store writes value i of a position, and returns it as it will be read. All lanes
	// of a warp store the 32 values of one group.
	DEVICE_METHOD float store(int pos, int i, float v) {
		u64 at = (u64)pos * headDim + i;
		if constexpr (same<K, CacheF32>) {
			((float *)data)[at] = v;
			return v;
		} else if constexpr (same<K, CacheF16>) {
			u16 h = toHalf(v);
			((u16 *)data)[at] = h;
			return fromHalf(h);
		} else {
			float d = warpMax(v < 0 ? -v : v) / 127;
			u16 h = toHalf(d);
			if (lane() == 0) scales[at / kGroup] = h;
			int code = nearest(d > 0 ? v / d : 0);
			((i8 *)data)[at] = (i8)code;
			return fromHalf(h) * code;
		}
	}

	// octet reads values i to i+7 of a position, a multiple of 8.
	DEVICE_METHOD Octet<K> octet(int pos, int i) const {
		u64 at = (u64)pos * headDim + i;
		Octet<K> o;
		o.words = ((const typename K::Words *)data)[at / 8];
		if constexpr (same<K, CacheQ8>) o.scale = fromHalf(scales[at / kGroup]);
		return o;
	}

	// copyOctet copies values i to i+7 of a position to shared memory, as float16
	// numbers. It may do so later: see copyAsync.
	DEVICE_METHOD void copyOctet(Shared to, int pos, int i) const {
		if constexpr (same<K, CacheF16>) {
			copyAsync(to, data + ((u64)pos * headDim + i) * 2);
		} else {
			Octet<K> v = octet(pos, i);
			uint4v w;
			for (int k = 0; k < 4; k++) w[k] = halves(v.value(2 * k), v.value(2 * k + 1));
			storeShared(to, w);
		}
	}

	// at reads value i of a position.
	DEVICE_METHOD float at(int pos, int i) const {
		u64 at = (u64)pos * headDim + i;
		if constexpr (same<K, CacheF32>) return ((const float *)data)[at];
		else if constexpr (same<K, CacheF16>) return fromHalf(((const u16 *)data)[at]);
		else return fromHalf(scales[at / kGroup]) * ((const i8 *)data)[at];
	}
};
