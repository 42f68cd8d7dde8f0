// The kernels as a program for the CPU, which a test talks to through pipes.
// Device memory is a file that both map, here at one fixed address, so that
// addresses in arguments hold. What has not been allocated cannot be read: an
// access beyond an allocation ends the program with a message.
//
// The threads of a block are fibers, switched at barriers and exchanges only.
// Their order turns round with every launch, so that what depends on it shows.
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stacks.h"

#define EMULATOR
#include "../src/platform.h"

static Kernel *kernels;

Kernel::Kernel(const char *name, int argsSize, int maxThreads, void (*run)(const void *))
	: name(name), argsSize(argsSize), maxThreads(maxThreads), run(run), next(kernels) {
	kernels = this;
}

constexpr int kMaxThreads = 1024, kResident = 24, kSharedArrays = 64, kStack = 64 << 10;
constexpr int kMaxShared = 48 << 10; // bytes a block may have on every GPU,
constexpr int kMaxGiven = 99 << 10; // and by its launch on those of capability 8.0 and more
constexpr int kBarriers = 1 + 4; // that of all threads, and those of groups

struct Gate { // a barrier
	int arrived;
	unsigned generation;
};

struct Copy { // that has not been made
	void *to;
	const void *from; // or 0, for zeros
	int bytes, group;
	Arrivals *arrivals; // of one in bulk
};

constexpr int kBulkCopies = 256; // of a block that have not been made

struct Block {
	int id, running, bulkLeft, bulkMade;
	Gate gates[kBarriers], warpGates[kMaxThreads / 32];
	void *shared[kSharedArrays];
	int sharedBytes[kSharedArrays], sharedTotal;
	u32 lanes[2][kMaxThreads * kWords]; // of one exchange and the next
	Copy bulk[kBulkCopies];
};

struct Fiber {
	Copy *copies;
	int copiesLeft, copiesRoom, copiesMade, groupsEnded;
	char *stack;
	void *state; // the stack's pointer while another runs
	Block *block;
	int thread;
	bool done;
	const Gate *gate; // it waits at, or 0
	unsigned generation;
};

static Block residents[kResident];
static Fiber fibers[kResident * kMaxThreads];
static Fiber *current;
static void *scheduler; // its stack's pointer while a fiber runs
static Kernel *kernel;
static char args[4096];
static int gridBlocks, blockThreads, givenShared;

int thread() { return current->thread; }
int threads() { return blockThreads; }
int block() { return current->block->id; }
int blocks() { return gridBlocks; }

static void answer(int status, const char *text) {
	int32_t head[2] = {status, (int32_t)strlen(text)};
	if (write(1, head, sizeof head) != sizeof head || write(1, text, head[1]) != head[1]) exit(1);
}

static void fail(const char *what) {
	char text[256];
	snprintf(text, sizeof text, "%s in kernel %s, block %d, thread %d", what, kernel ? kernel->name : "(none)",
		current ? current->block->id : -1, current ? current->thread : -1);
	answer(1, text);
	_exit(1);
}

static void fault(int, siginfo_t *info, void *) {
	char text[64];
	snprintf(text, sizeof text, "access to %p", info->si_addr);
	fail(text);
}

// toScheduler lets the scheduler choose who runs next.
static void toScheduler() { switchStacks(&current->state, scheduler); }

static bool moved; // something happened in this round of the scheduler

void relax() { toScheduler(); }

u64 loadHostWord(const u64 *p) {
	moved = true; // so the host may take its time
	toScheduler();
	return *(const volatile u64 *)p;
}

// arrive reports whether the last one has.
static bool arrive(Gate *g, int of) {
	moved = true;
	if (++g->arrived < of) return false;
	g->arrived = 0;
	g->generation++;
	return true;
}

static void wait(Gate *g, int of) {
	unsigned generation = g->generation;
	if (arrive(g, of)) return;
	current->gate = g;
	current->generation = generation;
	toScheduler();
}

void barrier() { wait(&current->block->gates[0], blockThreads); }
void barrierOfGroup(int group, int n) { wait(&current->block->gates[1 + group], n); }
void arriveAtGroup(int group, int n) { arrive(&current->block->gates[1 + group], n); }

const u32 *gather(const u32 *words, int n) {
	Block *b = current->block;
	int t = current->thread;
	Gate *g = &b->warpGates[t / 32];
	// The lane that is ahead is so by one exchange at most.
	u32 *lanes = b->lanes[g->generation % 2];
	memcpy(lanes + t * kWords, words, n * sizeof *words);
	wait(g, 32);
	return lanes + t / 32 * 32 * kWords;
}

u32 exchangeBits(u32 x, int mask) { return gather(&x, 1)[(thread() % 32 ^ mask) * kWords]; }

void *sharedMemory(int id, int bytes) {
	Block *b = current->block;
	if (id >= kSharedArrays) fail("too many shared arrays");
	if (!b->shared[id]) {
		b->shared[id] = aligned_alloc(kLine, (bytes + kLine - 1) / kLine * kLine);
		b->sharedBytes[id] = bytes;
		b->sharedTotal += bytes;
		memset(b->shared[id], 0xff, bytes);
		if (b->sharedTotal > (givenShared > 0 ? kMaxGiven : kMaxShared)) fail("too much shared memory");
	}
	if (b->sharedBytes[id] != bytes) fail("a shared array of two sizes");
	return b->shared[id];
}

uint4v *blockMemory() { return (uint4v *)sharedMemory(kSharedArrays - 1, givenShared); }

static void make(const Copy &c) {
	if (c.from) memcpy(c.to, c.from, c.bytes);
	else memset(c.to, 0, c.bytes);
}

void copyLater(void *to, const void *from, int bytes) {
	Fiber *f = current;
	Copy c = {to, from, bytes, f->groupsEnded};
	if ((f->thread + f->copiesMade++) % 2) return make(c);
	if (f->copiesLeft == f->copiesRoom) f->copies = (Copy *)realloc(f->copies, (f->copiesRoom = 2 * f->copiesRoom + 16) * sizeof c);
	f->copies[f->copiesLeft++] = c;
}

void endGroup() { current->groupsEnded++; }

void waitFor(int latest) {
	Fiber *f = current;
	int left = 0;
	for (int i = 0; i < f->copiesLeft; i++) {
		if (f->copies[i].group < f->groupsEnded - latest) make(f->copies[i]);
		else f->copies[left++] = f->copies[i];
	}
	f->copiesLeft = left;
}

static bool hopper; // of compute capability 9.0 or more

bool copiesInBulk() { return hopper; }

void Arrivals::init() { *this = {}; }

void Arrivals::arrived() {
	if (expected && missing == 0) odd = !odd, expected = false;
}

void Arrivals::expect(u32 bytes) {
	if (expected) fail("bytes are expected twice in a round");
	missing += bytes, expected = true;
	arrived();
}

static void makeBulk(const Copy &c) {
	make(c);
	c.arrivals->missing -= c.bytes;
	c.arrivals->arrived();
}

void copyBulk(Shared to, const void *global, u32 bytes, Arrivals &arrivals) {
	Block *b = current->block;
	if (to % 16 || (u64)global % 16 || bytes % 16) fail("a copy in bulk that is not of 16 bytes each");
	moved = true;
	Copy c = {(void *)to, global, (int)bytes, 0, &arrivals};
	if (b->bulkMade++ % 2) return makeBulk(c);
	if (b->bulkLeft == kBulkCopies) fail("too many copies in bulk");
	b->bulk[b->bulkLeft++] = c;
}

void Arrivals::await(u32 round) {
	Block *b = current->block;
	while (odd == (bool)(round % 2)) {
		int left = 0;
		for (int i = 0; i < b->bulkLeft; i++) {
			if (b->bulk[i].arrivals == this) makeBulk(b->bulk[i]);
			else b->bulk[left++] = b->bulk[i];
		}
		if (left == b->bulkLeft) toScheduler();
		b->bulkLeft = left;
	}
}

// Where a fiber begins. It runs the kernel for one block after the other.
static void enter() {
	for (;;) {
		kernel->run(args);
		moved = true;
		current->done = true;
		if (--current->block->running == 0 && current->block->bulkLeft > 0) fail("copies that nobody waits for");
		toScheduler();
	}
}

static void begin(Block *b, Fiber *f, int id) {
	for (int i = 0; i < kSharedArrays; i++) free(b->shared[i]);
	memset(b, 0, offsetof(Block, lanes));
	b->id = id;
	b->running = blockThreads;
	for (int t = 0; t < blockThreads; t++, f++) {
		if (!f->stack) {
			f->stack = (char *)malloc(kStack);
			f->state = newStack(f->stack + kStack, enter);
		}
		f->block = b;
		f->thread = t;
		f->done = false;
		f->copiesLeft = f->copiesMade = f->groupsEnded = 0;
	}
}

static void resume(Fiber *f) {
	if (f->gate && f->gate->generation == f->generation) return;
	f->gate = 0;
	current = f;
	switchStacks(&scheduler, f->state);
}

static void launch() {
	static bool backwards;
	backwards = !backwards;
	int next = 0, resident = gridBlocks < kResident ? gridBlocks : kResident, running = 0, idle = 0;
	for (; next < resident; next++, running++) begin(&residents[next], &fibers[next * kMaxThreads], next);
	while (running > 0) {
		moved = false;
		for (int i = 0; i < resident; i++) {
			int r = backwards ? resident - 1 - i : i;
			Block *b = &residents[r];
			Fiber *f = &fibers[r * kMaxThreads];
			if (b->running == 0) continue;
			for (int t = 0; t < blockThreads; t++) {
				Fiber *one = &f[backwards ? blockThreads - 1 - t : t];
				if (!one->done) resume(one);
			}
			if (b->running > 0) continue;
			if (next < gridBlocks) begin(b, f, next++);
			else running--;
		}
		idle = moved ? 0 : idle + 1;
		if (idle > 1000) fail("threads wait for each other for ever");
	}
	current = 0;
}

static bool get(void *p, size_t n) {
	for (char *c = (char *)p; n > 0;) {
		ssize_t k = read(0, c, n);
		if (k <= 0) return false;
		c += k, n -= k;
	}
	return true;
}

// A request; see emulator.go.
struct Request {
	u64 op, a, b, c;
};

int main(int, char **argv) {
	hopper = atoi(argv[3]) >= 90;
	char *base = (char *)strtoull(argv[1], 0, 0);
	size_t size = strtoull(argv[2], 0, 0);
	if (mmap(base, size, PROT_NONE, MAP_SHARED | MAP_FIXED_NOREPLACE, 3, 0) != base) return 1;
	static char altStack[64 << 10];
	stack_t alt = {altStack, 0, sizeof altStack};
	sigaltstack(&alt, 0);
	struct sigaction act = {};
	act.sa_sigaction = fault;
	act.sa_flags = SA_SIGINFO | SA_ONSTACK;
	sigaction(SIGSEGV, &act, 0);
	sigaction(SIGBUS, &act, 0);
	for (Request r; get(&r, sizeof r);) {
		char name[128] = {};
		switch (r.op) {
		case 0: // make a bytes from address b on usable, or (c = 0) not
			if (mprotect((void *)r.b, r.a, r.c ? PROT_READ | PROT_WRITE : PROT_NONE)) fail("mprotect");
			answer(0, "");
			break;
		case 1: // find the kernel whose name, of a bytes, follows: its arguments' size
			if (r.a >= sizeof name || !get(name, r.a)) return 1;
			for (kernel = kernels; kernel && strcmp(kernel->name, name); kernel = kernel->next) {}
			answer(kernel ? 0 : 1, kernel ? "" : "no such kernel");
			break;
		case 2: // launch the kernel found last: b blocks of c % 2^32 threads that have c / 2^32 bytes; a bytes of arguments follow
			if (r.a > sizeof args || !get(args, r.a)) return 1;
			gridBlocks = r.b, blockThreads = (u32)r.c, givenShared = r.c >> 32;
			if ((int)r.a != kernel->argsSize) fail("arguments of another size");
			if (gridBlocks < 1 || blockThreads < 1 || blockThreads > kernel->maxThreads || blockThreads % 32) fail("bad launch");
			launch();
			answer(0, "");
		}
	}
	return 0;
}
