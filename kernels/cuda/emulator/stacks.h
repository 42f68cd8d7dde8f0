// Switching between stacks: setcontext would make system calls.
#pragma once
#include <stdint.h>
#include <string.h>

// switchStacks saves the registers that a function has to keep on the stack, and
// the stack's pointer in *from; then it goes on where to was saved.
extern "C" void switchStacks(void **from, void *to);

#if defined(__x86_64__)
constexpr int kSaved = 8, kReturn = 6; // words, and which of them is the address to go to
__asm__(".text\n.globl switchStacks\n.type switchStacks, %function\nswitchStacks:\n"
	"push %rbp\npush %rbx\npush %r12\npush %r13\npush %r14\npush %r15\n"
	"mov %rsp, (%rdi)\nmov %rsi, %rsp\n"
	"pop %r15\npop %r14\npop %r13\npop %r12\npop %rbx\npop %rbp\nret\n");
#elif defined(__aarch64__)
constexpr int kSaved = 20, kReturn = 11;
#define REGISTERS(op) \
	op " x19, x20, [sp]\n" op " x21, x22, [sp, #16]\n" op " x23, x24, [sp, #32]\n" \
	op " x25, x26, [sp, #48]\n" op " x27, x28, [sp, #64]\n" op " x29, x30, [sp, #80]\n" \
	op " d8, d9, [sp, #96]\n" op " d10, d11, [sp, #112]\n" op " d12, d13, [sp, #128]\n" op " d14, d15, [sp, #144]\n"
__asm__(".text\n.globl switchStacks\n.type switchStacks, %function\nswitchStacks:\n"
	"sub sp, sp, #160\n" REGISTERS("stp") "mov x9, sp\nstr x9, [x0]\n"
	"mov sp, x1\n" REGISTERS("ldp") "add sp, sp, #160\nret\n");
#else
#error "the emulator is for amd64 and arm64"
#endif

// newStack makes a stack that ends at top, a multiple of 16, ready to be
// switched to: it will call f, which must not return.
static inline void *newStack(char *top, void (*f)()) {
	void **words = (void **)top - kSaved;
	memset(words, 0, kSaved * sizeof *words);
	words[kReturn] = (void *)f;
	return words;
}
