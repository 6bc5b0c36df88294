#include "exec.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

void exec_fix_free(struct exec_fix *f)
{
	if (!f)
		return;
	free(f->execfn);
	free(f->native);
	free(f);
}

/* Skips the pointers at addr up to and with the NULL that ends them; counts them. 0 when the memory cannot be read. */
static uint64_t skip_vector(struct remote *r, uint64_t addr, uint64_t *ret_count)
{
	uint64_t word[128], count = 0;

	for (;;) {
		size_t n = (4096 - (addr & 4095)) / sizeof word[0];

		if (n > 128)
			n = 128;
		if (remote_read(r, addr, word, n * sizeof word[0]) < 0)
			return 0;
		for (size_t i = 0; i < n; i++, count++)
			if (word[i] == 0) {
				*ret_count = count;
				return addr + (i + 1) * sizeof word[0];
			}
		addr += n * sizeof word[0];
	}
}

/* Where the value of AT_EXECFN stands in the auxiliary vector; 0 when it has none. */
static uint64_t find_execfn(struct remote *r, uint64_t *ret_argv)
{
	uint64_t count, addr = r->regs.rsp + sizeof(uint64_t);
	Elf64_auxv_t aux;

	*ret_argv = addr;
	addr = skip_vector(r, addr, &count);
	if (addr)
		addr = skip_vector(r, addr, &count);
	for (int i = 0; addr && i < 64; i++, addr += sizeof aux) {
		if (remote_read(r, addr, &aux, sizeof aux) < 0 || aux.a_type == AT_NULL)
			return 0;
		if (aux.a_type == AT_EXECFN)
			return addr + offsetof(Elf64_auxv_t, a_un);
	}
	return 0;
}

static void fix_execfn(const struct exec_fix *f, struct remote *r)
{
	uint64_t argv, string, at = find_execfn(r, &argv);

	if (!at)
		return;
	if (f->execfn && remote_read(r, at, &string, sizeof string) == 0)
		remote_write(r, string, f->execfn, strlen(f->execfn) + 1);
	if (f->execfn_argv >= 0 &&
	    remote_read(r, argv + (uint64_t)f->execfn_argv * sizeof string, &string, sizeof string) == 0 && string)
		remote_write(r, at, &string, sizeof string);
}

/* Only the process itself can set its name: it runs prctl at its entry point, where a syscall instruction is put for the moment. */
static void fix_comm(const struct exec_fix *f, struct remote *r)
{
	static const unsigned char insn[2] = { 0x0f, 0x05 };
	uint64_t name = (r->regs.rsp - 256) & ~15ULL, entry = r->regs.rip;
	unsigned char text[2];
	int64_t value;

	if (remote_read(r, entry, text, sizeof text) < 0 || remote_write(r, name, f->comm, sizeof f->comm) < 0 ||
	    remote_poke(r, entry, insn, sizeof insn) < 0)
		return;
	/* remote_call wants rip behind the instruction. */
	r->regs.rip = entry + sizeof insn;
	remote_call(r, SYS_prctl, (uint64_t[6]){ PR_SET_NAME, name }, false, &value);
	r->regs.rip = entry;
	remote_poke(r, entry, text, sizeof text);
}

void exec_fix_apply(const struct exec_fix *f, struct remote *r)
{
	if (f->execfn || f->execfn_argv >= 0)
		fix_execfn(f, r);
	if (f->comm[0])
		fix_comm(f, r);
}
