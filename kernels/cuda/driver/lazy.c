//go:build cuda && linux && (amd64 || arm64)

// Lazy binding of the NVIDIA driver. gorgonia.org/cu is linked against
// libcuda, and ends the program from its init function where cuInit fails. So
// that one binary runs with and without a driver, this file defines all the
// functions that the linker looks for there: jumps through slots, which the
// first call of cuInit fills from libcuda.so.1. lib/libcuda.a, an archive
// without members, is what -lcuda finds.

#include <cuda.h>
#include <dlfcn.h>
#include <stddef.h>

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x) // of what the macros of cuda.h make of x

static CUresult missing(void) { return CUDA_ERROR_NOT_INITIALIZED; }

// Where the jump of function f goes.
#define X(f) __attribute__((visibility("hidden"))) void *qgo_slot_##f = (void *)missing;
#include "symbols.h"
#undef X

static const struct {
	const char *name;
	void **slot;
} functions[] = {
#define X(f) {TEXT(f), &qgo_slot_##f},
#include "symbols.h"
#undef X
};

// A jump leaves registers and stack as the caller made them, so that the
// signatures do not matter.
#if defined(__x86_64__)
#define JUMP(slot) "jmp *" slot "(%rip)\n"
#else
#define JUMP(slot) "adrp x16, " slot "\nldr x16, [x16, :lo12:" slot "]\nbr x16\n"
#endif

__asm__(".text\n"
#define X(f) ".globl " TEXT(f) "\n.type " TEXT(f) ", %function\n" TEXT(f) ":\n" JUMP("qgo_slot_" #f)
#include "symbols.h"
#undef X
);

// What cuInit returned, and what dlopen said if there is no driver.
CUresult qgo_cuda_status = CUDA_ERROR_NOT_INITIALIZED;
const char *qgo_cuda_reason = "";

// cuGraphAddDependencies with kinds of edges, which older headers do not have; NULL where drivers do not.
void *qgo_cuda_edges;

// cuLaunchKernelEx, likewise.
void *qgo_cuda_launch;

// cuInit always succeeds: see above. The true result is in qgo_cuda_status.
CUresult cuInit(unsigned int flags) {
	static int called;
	if (called++) return CUDA_SUCCESS;
	void *lib = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
	if (!lib) {
		qgo_cuda_reason = dlerror();
		return CUDA_SUCCESS;
	}
	CUresult (*init)(unsigned int) = (CUresult(*)(unsigned int))dlsym(lib, "cuInit");
	for (size_t i = 0; init && i < sizeof functions / sizeof *functions; i++) {
		void *f = dlsym(lib, functions[i].name);
		if (f) *functions[i].slot = f;
	}
	qgo_cuda_edges = dlsym(lib, "cuGraphAddDependencies_v2");
	qgo_cuda_launch = dlsym(lib, "cuLaunchKernelEx");
	if (init) qgo_cuda_status = init(flags);
	return CUDA_SUCCESS;
}
