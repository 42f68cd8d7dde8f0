// What platform.h gives kernels, on the CPU: see emulator.cu.
#pragma once

#define DEVICE static inline __attribute__((always_inline))
#define DEVICE_METHOD inline __attribute__((always_inline))
#define FUNCTION static __attribute__((noinline))
#define INLINED __attribute__((always_inline))
#define KERNEL(name, Args, threads) \
	static void name##_body(Args a); \
	static void name##_run(const void *args) { name##_body(*(const Args *)args); } \
	static Kernel name##_kernel(#name, sizeof(Args), threads, name##_run); \
	static void name##_body(Args a)
#define KERNEL_AT_ONCE(name, Args, threads, blocks) KERNEL(name, Args, threads)
#define CONSTANT static const
#define SHARED(type, name, n) \
	type(&name)[n] = *(type(*)[n])sharedMemory(__COUNTER__, sizeof(type) * (n))

// A kernel in the list of all, which Kernel's constructor appends to.
struct Kernel {
	const char *name;
	int argsSize, maxThreads;
	void (*run)(const void *args);
	Kernel *next;
	Kernel(const char *name, int argsSize, int maxThreads, void (*run)(const void *));
};

// Of the thread that runs.
int thread();
int threads();
int block();
int blocks();
void barrier();
u32 exchangeBits(u32 x, int mask);
// gather returns the words that the lanes of a warp call it with, lane by lane in
// steps of kWords; they stand until a lane calls it for the second time from then on.
constexpr int kWords = 6;
const u32 *gather(const u32 *words, int n);
void barrierOfGroup(int group, int n);
void arriveAtGroup(int group, int n);
template <int N> static inline void barrierOf(int group) { barrierOfGroup(group, N); }
template <int N> static inline void arriveAt(int group) { arriveAtGroup(group, N); }
void *sharedMemory(int id, int bytes);
uint4v *blockMemory();
// relax lets the other threads run, in a loop that waits for one of them.
void relax();

static inline float exchange(float x, int mask) {
	u32 b;
	__builtin_memcpy(&b, &x, 4);
	b = exchangeBits(b, mask);
	__builtin_memcpy(&x, &b, 4);
	return x;
}
static inline void warpBarrier() { exchangeBits(0, 0); }
static inline bool allOfWarp(bool p) {
	u32 word = p;
	const u32 *words = gather(&word, 1);
	bool all = true;
	for (int i = 0; i < kWarp; i++) all = all && words[i * kWords];
	return all;
}
static inline int exchange(int x, int mask) { return (int)exchangeBits((u32)x, mask); }

template <class T> static inline T broadcast(T x, int lane) {
	u32 words[2] = {};
	__builtin_memcpy(words, &x, sizeof x);
	__builtin_memcpy(&x, gather(words, sizeof x / 4) + lane * kWords, sizeof x);
	return x;
}

static inline float exp2(float x) { return __builtin_exp2f(x); }
static inline float rsqrt(float x) { return 1.0f / __builtin_sqrtf(x); }
static inline float divide(float x, float y) { return x / y; }
static inline int nearest(float x) { return (int)__builtin_rintf(x); }
static inline float maximum(float a, float b) { return __builtin_fmaxf(a, b); }
static inline u32 andOr(u32 a, u32 b, u32 c) { return (a & b) | c; }
static inline u32 permute(u32 a, u32 b, u32 selector) {
	u64 bytes = (u64)b << 32 | a;
	u32 r = 0;
	for (int i = 0; i < 4; i++) r |= (u32)(bytes >> 8 * (selector >> 4 * i & 7) & 255) << 8 * i;
	return r;
}
static inline float fromHalf(u16 h) {
	_Float16 f;
	__builtin_memcpy(&f, &h, 2);
	return (float)f;
}
static inline u16 toHalf(float x) {
	_Float16 f = (_Float16)x;
	u16 h;
	__builtin_memcpy(&h, &f, 2);
	return h;
}
static inline float multiplyAdd(float x, float y, float z) { return __builtin_fmaf(x, y, z); }
static inline u32 multiplyAddHalves(u32 x, u32 y, u32 z) {
	u32 r = 0;
	for (int i = 0; i < 32; i += 16) r |= (u32)toHalf(multiplyAdd(fromHalf(x >> i), fromHalf(y >> i), fromHalf(z >> i))) << i;
	return r;
}
static inline u32 multiplyHalves(u32 x, u32 y) { return multiplyAddHalves(x, y, 0x80008000); }
static inline void fetchAdd(u32 *p, u32 n) { *p += n; }
static inline void storeNumber(u32 *p, u32 v) { *(volatile u32 *)p = v; }
static inline u32 loadNumber(const u32 *p) { return *(const volatile u32 *)p; }
static inline uint4v loadNumbers(const uint4v *p) {
	const u32 *w = (const u32 *)p;
	return {loadNumber(w), loadNumber(w + 1), loadNumber(w + 2), loadNumber(w + 3)};
}
static inline void storeWord(u64 *p, u64 v) { *(volatile u64 *)p = v; }
static inline void storeHostWord(u64 *p, u64 v) { storeWord(p, v); }
u64 loadHostWord(const u64 *p);
static inline void showHost() {}
static inline uint4v loadWords(const u64 *p) {
	u64 a = ((const volatile u64 *)p)[0], b = ((const volatile u64 *)p)[1];
	return {(u32)a, (u32)(a >> 32), (u32)b, (u32)(b >> 32)};
}
static inline int anew(int x) { return x; }
static inline void fetchAhead(const void *) {}
static inline u32 latest(const u32 *p) { return *(const volatile u32 *)p; }

typedef u64 Shared;
static inline Shared sharedAddress(const void *p) { return (Shared)p; }
static inline void storeShared(Shared to, uint4v v) { *(uint4v *)to = v; }
// copyLater makes every second copy at once and the others as late as waitFor, which waits for all groups
// but the latest, lets it: so a kernel that reads too early, or writes over what is still read, shows.
void copyLater(void *to, const void *from, int bytes);
void endGroup();
void waitFor(int latest);
template <int Bytes = 16> static inline void copyAsync(Shared to, const void *global) { copyLater((void *)to, global, Bytes); }
static inline void copyOrZero(Shared to, const void *global, bool there) { copyLater((void *)to, there ? global : 0, 16); }
template <int N> static inline void waitGroups() { waitFor(N); }
static inline void startNext() {}
static inline void awaitLaunch() {}

// copyBulk makes every second copy at once and the others when somebody waits for them.
bool copiesInBulk();
struct Arrivals {
	bool odd, expected; // rounds that have ended, and whether this one's bytes are known
	int missing;        // bytes

	void init();
	void expect(u32 bytes);
	void await(u32 round);
	void arrived();
};
static inline void showArrivals() {}
static inline void copyOnce(Shared to, const void *global) { copyAsync(to, global); }
void copyBulk(Shared to, const void *global, u32 bytes, Arrivals &arrivals);

static inline void loadTilesAs(u32 (&r)[4], Shared row, bool transposed) {
	const u32 *all = gather((const u32 *)&row, 2);
	int lane = thread() % kWarp;
	for (int t = 0; t < 4; t++) {
		u16 two[2];
		for (int k = 0; k < 2; k++) {
			int i = lane / 4, j = lane % 4 * 2 + k;
			const u16 *from;
			__builtin_memcpy(&from, all + (8 * t + (transposed ? j : i)) * kWords, sizeof from);
			two[k] = from[transposed ? i : j];
		}
		r[t] = two[0] | (u32)two[1] << 16;
	}
}
static inline void loadTiles(u32 (&r)[4], Shared row) { loadTilesAs(r, row, false); }
static inline void loadTransposed(u32 (&r)[4], Shared row) { loadTilesAs(r, row, true); }
static inline int multiplyBytes(u32 first, u32 second, u32 bytes, int sum) {
	for (int i = 0; i < 4; i++) sum += (short)((i < 2 ? first : second) >> 16 * (i % 2)) * (int)(bytes >> 8 * i & 0xff);
	return sum;
}
static inline void multiplyTiles(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
	u32 mine[6] = {a[0], a[1], a[2], a[3], b0, b1};
	const u32 *all = gather(mine, 6);
	int lane = thread() % kWarp;
	for (int i = 0; i < 4; i++) {
		int row = lane / 4, column = lane % 4 * 2 + i % 2;
		for (int k = 0; k < 16; k++) {
			u32 x = all[(row * 4 + k % 8 / 2) * kWords + i / 2 + k / 8 * 2];
			u32 y = all[(column * 4 + k % 8 / 2) * kWords + 4 + k / 8];
			c[i] += fromHalf(x >> 16 * (k % 2)) * fromHalf(y >> 16 * (k % 2));
		}
	}
}
static inline void multiplyTiles(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1, const float (&c)[4]) {
	for (int i = 0; i < 4; i++) d[i] = c[i];
	multiplyTiles(d, a, b0, b1);
}
