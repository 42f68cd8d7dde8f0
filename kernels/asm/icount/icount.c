// A plugin for qemu-user that counts the instructions that a program executes
// and prints their number when it ends:
//
//	cc -O2 -shared -fPIC -o libicount.so icount.c
//	qemu-aarch64 -plugin ./libicount.so -d plugin PROGRAM
//
// What it uses of QEMU's interface for plugins (docs/devel/tcg-plugins.rst in
// QEMU) is declared here, as distributions do not install its header.

#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct qemu_plugin_tb;
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*f)(uint64_t id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, void (*f)(unsigned cpu, void *data), int flags, void *data);
void qemu_plugin_register_atexit_cb(uint64_t id, void (*f)(uint64_t id, void *data), void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
void qemu_plugin_outs(const char *text);

int qemu_plugin_version = 1;

// One counter for each thread, on a cache line of its own.
enum { threads = 256 };
static struct { _Alignas(64) uint64_t instructions; } counts[threads];

static void executed(unsigned cpu, void *n) {
	counts[cpu % threads].instructions += (uintptr_t)n;
}

static void translated(uint64_t id, struct qemu_plugin_tb *tb) {
	(void)id;
	qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, 0, (void *)(uintptr_t)qemu_plugin_tb_n_insns(tb));
}

static void ended(uint64_t id, void *data) {
	(void)id, (void)data;
	uint64_t sum = 0;
	for (int i = 0; i < threads; i++)
		sum += counts[i].instructions;
	char text[64];
	snprintf(text, sizeof text, "instructions: %" PRIu64 "\n", sum);
	qemu_plugin_outs(text);
}

int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv) {
	(void)info, (void)argc, (void)argv;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, ended, NULL);
	return 0;
}
