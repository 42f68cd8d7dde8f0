// What CUDA C gives and what the emulator on the CPU puts in its place. A
// kernel has one parameter, a struct, and one-dimensional blocks and grids. It
// is compiled by clang without any CUDA headers.
#pragma once

typedef signed char i8;
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

typedef float float2v __attribute__((ext_vector_type(2)));
typedef float float4v __attribute__((ext_vector_type(4)));
typedef u32 uint2v __attribute__((ext_vector_type(2)));
typedef u32 uint4v __attribute__((ext_vector_type(4)));

constexpr int kWarp = 32;
constexpr int kLine = 128; // bytes that lie together in caches and in shared memory

#ifdef EMULATOR
#include "../emulator/emulator.h"
#else

#define DEVICE static __attribute__((device, always_inline)) inline
#define DEVICE_METHOD __attribute__((device, always_inline)) inline
// A function of which there is to be one copy.
#define FUNCTION static __attribute__((device, noinline))
#define INLINED __attribute__((always_inline)) // of lambdas
#define KERNEL(name, Args, threads) \
	extern "C" __attribute__((global, launch_bounds(threads))) void name(Args a)
// One of which a multiprocessor is to run so many blocks at a time.
#define KERNEL_AT_ONCE(name, Args, threads, blocks) \
	extern "C" __attribute__((global, launch_bounds(threads, blocks))) void name(Args a)
// A table in constant memory.
#define CONSTANT static __attribute__((constant)) const
// An array that all threads of the block share.
#define SHARED(type, name, n) static __attribute__((shared)) type name[n]

DEVICE int thread() { return __nvvm_read_ptx_sreg_tid_x(); }
DEVICE int threads() { return __nvvm_read_ptx_sreg_ntid_x(); }
DEVICE int block() { return __nvvm_read_ptx_sreg_ctaid_x(); }
DEVICE int blocks() { return __nvvm_read_ptx_sreg_nctaid_x(); }

// barrier waits for all threads of the block.
DEVICE void barrier() { __nvvm_bar_sync(0); }

// exchange returns the value of the lane whose number differs in the bits of
// mask.
DEVICE float exchange(float x, int mask) {
	return __nvvm_shfl_sync_bfly_f32(0xffffffff, x, mask, 31);
}
DEVICE int exchange(int x, int mask) { return __nvvm_shfl_sync_bfly_i32(0xffffffff, x, mask, 31); }

// broadcast returns the value of a lane.
DEVICE float broadcast(float x, int lane) { return __nvvm_shfl_sync_idx_f32(0xffffffff, x, lane, 31); }
DEVICE int broadcast(int x, int lane) { return __nvvm_shfl_sync_idx_i32(0xffffffff, x, lane, 31); }
DEVICE u64 broadcast(u64 x, int lane) { return (u64)(u32)broadcast((int)(x >> 32), lane) << 32 | (u32)broadcast((int)x, lane); }

DEVICE float exp2(float x) { return __nvvm_ex2_approx_f(x); }
// rsqrt is within two units in the last place, for x far from the ends of float32's range,
// as divide is.
DEVICE float rsqrt(float x) {
	float y = __nvvm_rsqrt_approx_f(x);
	return y * (1.5f - 0.5f * x * y * y);
}
DEVICE float divide(float x, float y) { return __nvvm_div_approx_f(x, y); }
DEVICE int nearest(float x) { return __nvvm_f2i_rn(x); } // ties to even
DEVICE float maximum(float a, float b) { return __nvvm_fmax_f(a, b); }

// andOr returns a & b | c. Left to itself, the compiler takes two instructions
// where b and c are constants.
DEVICE u32 andOr(u32 a, u32 b, u32 c) {
	u32 r;
	asm("lop3.b32 %0, %1, %2, %3, 0xea;" : "=r"(r) : "r"(a), "r"(b), "r"(c));
	return r;
}

// multiplyBytes adds the products of four signed integers of 16 bits, two in each word, with the bytes of a word, which
// have no sign. Needs compute capability 6.1.
DEVICE int multiplyBytes(u32 first, u32 second, u32 bytes, int sum) {
	asm("dp2a.lo.s32.u32 %0, %1, %2, %0;" : "+r"(sum) : "r"(first), "r"(bytes));
	asm("dp2a.hi.s32.u32 %0, %1, %2, %0;" : "+r"(sum) : "r"(second), "r"(bytes));
	return sum;
}

// permute returns four of the eight bytes of a and b (a's are 0 to 3), chosen by
// the low three bits of each of the low four nibbles of selector, whose fourth
// bits are to be zero; nibbles above do not count.
DEVICE u32 permute(u32 a, u32 b, u32 selector) { return __nvvm_prmt(a, b, selector); }

// Half-precision numbers, which clang has no arithmetic type for here.
DEVICE float fromHalf(u16 h) {
	float f;
	asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(h));
	return f;
}
DEVICE u16 toHalf(float f) {
	u16 h;
	asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(f));
	return h;
}

// multiplyAdd returns x*y + z, rounded once; multiplyAddHalves does so for both
// halves of its arguments, which are float16 numbers, and multiplyHalves returns x*y.
DEVICE float multiplyAdd(float x, float y, float z) { return __nvvm_fma_rn_f(x, y, z); }
DEVICE u32 multiplyAddHalves(u32 x, u32 y, u32 z) {
	u32 r;
	asm("fma.rn.f16x2 %0, %1, %2, %3;" : "=r"(r) : "r"(x), "r"(y), "r"(z));
	return r;
}
DEVICE u32 multiplyHalves(u32 x, u32 y) { return multiplyAddHalves(x, y, 0x80008000); }

// fetchAdd adds to a number that other blocks add to, too. latest is what such
// a number is now; relax is called in a loop that waits for it to change.
DEVICE void fetchAdd(u32 *p, u32 n) {
	__nvvm_membar_gl();
	__nvvm_atom_add_gen_i((int *)p, (int)n);
}
DEVICE u32 latest(const u32 *p) { return *(const volatile u32 *)p; }
DEVICE void relax() {}

// What follows needs compute capability 7.0.

// Numbers of 32 bits that other blocks read while they change, one or four that follow each
// other, and words of 64 bits, of which two are read in four halves.
DEVICE void storeNumber(u32 *p, u32 v) { asm volatile("st.relaxed.gpu.global.b32 [%0], %1;" ::"l"(p), "r"(v)); }
DEVICE u32 loadNumber(const u32 *p) {
	u32 v;
	asm volatile("ld.relaxed.gpu.global.b32 %0, [%1];" : "=r"(v) : "l"(p));
	return v;
}
DEVICE uint4v loadNumbers(const uint4v *p) {
	uint4v v;
	asm volatile("ld.relaxed.gpu.global.v4.b32 {%0, %1, %2, %3}, [%4];" : "=r"(v[0]), "=r"(v[1]), "=r"(v[2]), "=r"(v[3]) : "l"(p));
	return v;
}
DEVICE void storeWord(u64 *p, u64 v) { asm volatile("st.relaxed.gpu.global.b64 [%0], %1;" ::"l"(p), "l"(v)); }
// storeHostWord stores one that the CPU reads while it changes.
DEVICE void storeHostWord(u64 *p, u64 v) { asm volatile("st.relaxed.sys.global.b64 [%0], %1;" ::"l"(p), "l"(v)); }
// loadHostWord loads one that the CPU writes while the kernel runs.
DEVICE u64 loadHostWord(const u64 *p) {
	u64 v;
	asm volatile("ld.relaxed.sys.global.b64 %0, [%1];" : "=l"(v) : "l"(p));
	return v;
}
// showHost has the CPU see what launches before have stored no later than words that are stored next.
DEVICE void showHost() { asm volatile("fence.acq_rel.sys;" ::: "memory"); }
DEVICE uint4v loadWords(const u64 *p) {
	u64 a, b;
	asm volatile("ld.relaxed.gpu.global.v2.b64 {%0, %1}, [%2];" : "=l"(a), "=l"(b) : "l"(p));
	return {(u32)a, (u32)(a >> 32), (u32)b, (u32)(b >> 32)};
}

// allOfWarp returns whether p is so in all lanes of a warp.
DEVICE bool allOfWarp(bool p) {
	u32 all;
	asm volatile("{ .reg .pred p, q; setp.ne.u32 p, %1, 0; vote.sync.all.pred q, p, 0xffffffff; selp.u32 %0, 1, 0, q; }" : "=r"(all) : "r"((u32)p) : "memory");
	return all;
}

// anew returns x. What is computed of it in a loop is computed anew each time: else it would be
// kept, in memory where registers do not suffice.
DEVICE int anew(int x) {
	asm volatile("" : "+r"(x));
	return x;
}

// fetchAhead has the second-level cache fetch 128 bytes.
DEVICE void fetchAhead(const void *p) { asm volatile("prefetch.global.L2 [%0];" ::"l"(p)); }

// blockMemory is the shared memory that a launch gives a block beside SHARED. It begins with a line, as
// copies in bulk are faster from line to line.
extern __attribute__((shared, aligned(kLine))) uint4v launchMemory[];
DEVICE uint4v *blockMemory() { return launchMemory; }

// barrierOf waits for all N threads, whole warps, of one of up to four groups of a block;
// arriveAt is for those of them that do not wait. Which barrier it is stands in the
// instruction: else a block would take all sixteen that there are, and keep others out.
template <int N> DEVICE void barrierOf(int group) {
	asm volatile(
		"{ .reg .pred p;"
		" setp.eq.s32 p, %0, 0; @p bar.sync 1, %1;"
		" setp.eq.s32 p, %0, 1; @p bar.sync 2, %1;"
		" setp.eq.s32 p, %0, 2; @p bar.sync 3, %1;"
		" setp.eq.s32 p, %0, 3; @p bar.sync 4, %1; }" ::"r"(group), "n"(N)
		: "memory");
}
template <int N> DEVICE void arriveAt(int group) {
	if (group == 0) asm volatile("bar.arrive 1, %0;" ::"n"(N) : "memory");
	else if (group == 1) asm volatile("bar.arrive 2, %0;" ::"n"(N) : "memory");
	else if (group == 2) asm volatile("bar.arrive 3, %0;" ::"n"(N) : "memory");
	else asm volatile("bar.arrive 4, %0;" ::"n"(N) : "memory");
}

// warpBarrier has the lanes of a warp see what the others have written to shared memory.
DEVICE void warpBarrier() { asm volatile("bar.warp.sync 0xffffffff;" ::: "memory"); }

// An address in shared memory, in bytes. It has half the bits of a pointer, which
// matters where addresses take as long as what is done with what is there.
typedef u32 Shared;
DEVICE Shared sharedAddress(const void *p) {
	Shared a;
	asm("{ .reg .u64 t; cvta.to.shared.u64 t, %1; cvt.u32.u64 %0, t; }" : "=r"(a) : "l"(p));
	return a;
}
DEVICE void storeShared(Shared to, uint4v v) {
	asm volatile("st.shared.v4.b32 [%0], {%1, %2, %3, %4};" ::"r"(to), "r"(v[0]), "r"(v[1]), "r"(v[2]), "r"(v[3]) : "memory");
}

// copyAsync starts a copy of 16 bytes, 8 or 4 from global to shared memory. endGroup ends a
// group of such copies, and waitGroups waits for this thread's but the latest N. Before
// compute capability 8.0 they are made at once.
#if __CUDA_ARCH__ >= 800
template <int Bytes = 16> DEVICE void copyAsync(Shared to, const void *global) {
	if constexpr (Bytes == 16) asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(global) : "memory");
	else asm volatile("cp.async.ca.shared.global [%0], [%1], %2;" ::"r"(to), "l"(global), "n"(Bytes) : "memory");
}
// copyOrZero writes zeros where there is nothing to copy.
DEVICE void copyOrZero(Shared to, const void *global, bool there) {
	asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(global), "r"(there ? 16 : 0) : "memory");
}
DEVICE void endGroup() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int N> DEVICE void waitGroups() { asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory"); }
#else
template <int Bytes = 16> DEVICE void copyAsync(Shared to, const void *global) {
	static_assert(Bytes == 16, "no kernel copies less where copies are made at once");
	storeShared(to, *(const uint4v *)global);
}
DEVICE void endGroup() {}
template <int N> DEVICE void waitGroups() {}
#endif

// What follows needs compute capability 8.0.

// loadTiles loads four tiles of 8 rows of 8 float16 numbers from shared memory for a
// warp. Lane i has the address of row i%8 of tile i/8, and gets in word t numbers
// 2*(i%4) and 2*(i%4)+1 of row i/4 of tile t; loadTransposed gives it those of the
// transposed tile.
DEVICE void loadTiles(u32 (&r)[4], Shared row) {
	asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
		: "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
		: "r"(row)
		: "memory");
}
DEVICE void loadTransposed(u32 (&r)[4], Shared row) {
	asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
		: "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
		: "r"(row)
		: "memory");
}

// What follows does something on GPUs of compute capability 9.0 and more only: see ForHopper in the driver
// package, which makes instructions of the comments that begin with sm_90.

// A kernel that calls awaitLaunch may begin while the launch in front of it still runs; it must not write
// anything before that, nor read what launches write. startNext lets the launch behind begin, once all
// blocks have called it.
DEVICE void startNext() { asm volatile("//sm_90 griddepcontrol.launch_dependents;"); }
DEVICE void awaitLaunch() { asm volatile("//sm_90 griddepcontrol.wait;" ::: "memory"); }

// copiesInBulk returns whether copyBulk copies anything; the compiler of the driver knows it.
DEVICE bool copiesInBulk() {
	u32 does = 0;
#if __CUDA_ARCH__ >= 800
	asm("mov.u32 %0, 0;\n\t//sm_90 mov.u32 %0, 1;" : "=r"(does));
#endif
	return does;
}

// Arrivals counts bytes that copyBulk brings to shared memory. init makes it ready for its first round, and is
// called by one thread, before showArrivals. expect says how many bytes come in a round, and await waits for
// those of round number n, counted from 0: a round ends when its bytes are there, and the next one begins.
struct Arrivals {
	u64 state;

	DEVICE_METHOD void init() { asm volatile("mbarrier.init.shared.b64 [%0], 1;" ::"r"(sharedAddress(this)) : "memory"); }
	DEVICE_METHOD void expect(u32 bytes) {
		asm volatile("//sm_90 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(sharedAddress(this)), "r"(bytes) : "memory");
	}
	DEVICE_METHOD void await(u32 round) {
		u32 there;
		do {
			asm volatile(
				"{ .reg .pred p; setp.eq.u32 p, %1, %1;\n\t"
				"//sm_90 mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n\t"
				"selp.u32 %0, 1, 0, p; }"
				: "=r"(there)
				: "r"(sharedAddress(this)), "r"(round % 2)
				: "memory");
		} while (!there);
	}
};

// showArrivals has copies see what init has made.
DEVICE void showArrivals() { asm volatile("//sm_90 fence.mbarrier_init.release.cluster;" ::: "memory"); }

// What is read once in a long time leaves the second-level cache first: so a part of it is there the next time, while
// else each would displace what is wanted before it is.
DEVICE u64 readOnce() {
	u64 policy;
	asm("mov.u64 %0, 0;\n\t//sm_90 createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(policy));
	return policy;
}
// copyOnce is copyAsync for that, where copies can be told.
DEVICE void copyOnce(Shared to, const void *global) {
	if (!copiesInBulk()) return copyAsync(to, global);
	asm volatile("//sm_90 cp.async.cg.shared.global.L2::cache_hint [%0], [%1], 16, %2;" ::"r"(to), "l"(global), "l"(readOnce()) : "memory");
}

// copyBulk starts a copy of such, by one thread, of so many bytes, a multiple of 16 as the addresses are.
DEVICE void copyBulk(Shared to, const void *global, u32 bytes, Arrivals &arrivals) {
	asm volatile("//sm_90 cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint [%0], [%1], %2, [%3], %4;" ::"r"(to), "l"(global), "r"(bytes),
		"r"(sharedAddress(&arrivals)), "l"(readOnce())
		: "memory");
}

// multiplyTiles adds a product of 16x16 and 16x8 float16 numbers to 16x8 numbers that a
// warp has: lane i has two of row i/4 in c[0] and c[1], and two of row i/4 + 8 in the
// others. The tiles of a are the left upper, left lower, right upper and right lower
// one; those of b, whose columns are rows, the upper and the lower one.
DEVICE void multiplyTiles(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
	asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
		: "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
		: "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
// Into other numbers than those that it is added to.
DEVICE void multiplyTiles(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1, const float (&c)[4]) {
	asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%10, %11, %12, %13};"
		: "=f"(d[0]), "=f"(d[1]), "=f"(d[2]), "=f"(d[3])
		: "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1), "f"(c[0]), "f"(c[1]), "f"(c[2]), "f"(c[3]));
}
#endif

DEVICE int lane() { return thread() & (kWarp - 1); }
DEVICE int warp() { return (u32)thread() / kWarp; }
DEVICE int warps() { return (u32)threads() / kWarp; }

DEVICE u64 exchange(u64 x, int mask) { return (u64)(u32)exchange((int)(x >> 32), mask) << 32 | (u32)exchange((int)x, mask); }

// The sum and the maximum over all lanes of a warp, in all of them.
DEVICE float warpSum(float x) {
	for (int m = kWarp / 2; m > 0; m /= 2) x += exchange(x, m);
	return x;
}
DEVICE float warpMax(float x) {
	for (int m = kWarp / 2; m > 0; m /= 2) x = maximum(x, exchange(x, m));
	return x;
}

constexpr float kLog2E = 1.44269504088896341f;
constexpr float kInfinity = __builtin_inff();

DEVICE float exponential(float x) { return exp2(x * kLog2E); }

DEVICE float fromBits(u32 b) {
	float f;
	__builtin_memcpy(&f, &b, 4);
	return f;
}
DEVICE u32 bitsOf(float f) {
	u32 b;
	__builtin_memcpy(&b, &f, 4);
	return b;
}

// rounded returns the nearest number of 23 bits, ties to even. The NaN that GPUs make has all bits
// but the sign, and would become a zero.
DEVICE float rounded(float v) {
	constexpr u32 nan = 0x7fc00000;
	u32 bits = bitsOf(v);
	return fromBits(v != v ? nan : (bits + (bits >> 1 & 1)) & -2);
}

// halves returns two float16 numbers in a word, the first in the lower half.
#if !defined(EMULATOR) && __CUDA_ARCH__ >= 800
DEVICE u32 halves(float a, float b) {
	u32 r;
	asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(b), "f"(a));
	return r;
}
#else
DEVICE u32 halves(float a, float b) { return toHalf(a) | (u32)toHalf(b) << 16; }
#endif

DEVICE int minimum(int a, int b) { return a < b ? a : b; }
DEVICE int larger(int a, int b) { return a > b ? a : b; }
