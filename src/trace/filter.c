/* filter.c - writes the BPF program that decides every system call of a guest.
 *
 *     load arch; not x86-64 -> ENOSYS
 *     load nr; binary search over ranges of numbers with one decision; what is above the table (x32 too) -> ENOSYS
 *     leaf: a plain return, or the rules of one call, each with its own loads
 *
 * (I1) No argument is loaded on the way to a plain return. The kernel (5.11 and later) runs the program once per number with no
 *      arguments at hand, and keeps a bitmap of the numbers for which it returns ALLOW: those never run it again.
 * (I2) A jump goes forward, and over more than 255 instructions only by BPF_JA.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include "base/fd.h"
#include "filter.h"
#include "table.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

#define OFF_NR offsetof(struct seccomp_data, nr)
#define OFF_ARCH offsetof(struct seccomp_data, arch)
#define OFF_ARG(n, high) (offsetof(struct seccomp_data, args) + 8 * (n) + ((high) ? 4 : 0))

/* A range of numbers, from start to the next one's start, with one decision. */
struct range {
	unsigned start;
	uint32_t ret;  /* ret: the SECCOMP_RET_ value, when rules is 0 */
	bool by_rules; /* by_rules: one number, decided by its rules */
};

struct writer {
	struct sock_filter *insn;
	size_t n;
	bool full; /* full: longer than the kernel takes */
	bool has_signal_scope;
};

static void emit(struct writer *w, uint16_t code, uint32_t k, size_t jt, size_t jf)
{
	if (w->n == BPF_MAXINSNS || jt > 255 || jf > 255) {
		w->full = true;
		return;
	}
	w->insn[w->n++] = (struct sock_filter){ .code = code, .jt = (uint8_t)jt, .jf = (uint8_t)jf, .k = k };
}

static void emit_load(struct writer *w, size_t offset)
{
	emit(w, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void emit_return(struct writer *w, uint32_t value)
{
	emit(w, BPF_RET | BPF_K, value, 0, 0);
}

static uint32_t return_value(enum syscall_class action, int code)
{
	switch (action) {
	case SYSCALL_ALLOW:
		return SECCOMP_RET_ALLOW;
	case SYSCALL_TRAP:
		return SECCOMP_RET_USER_NOTIF;
	case SYSCALL_REFUSE:
		return SECCOMP_RET_ERRNO | ((uint32_t)code & SECCOMP_RET_DATA);
	case SYSCALL_BY_ARGS:
		break;
	}
	return SECCOMP_RET_ERRNO | ENOSYS;
}

static bool rule_exists(const struct writer *w, const struct syscall_rule *r)
{
	return !(r->unscoped && w->has_signal_scope);
}

/* How many instructions the conditions of r from i on take; 0 for a rule that always holds. */
static size_t conds_size(const struct syscall_rule *r, size_t i)
{
	size_t size = 0;
	for (; i < SYSCALL_CONDS_MAX && r->cond[i].test != TEST_NONE; i++) {
		const struct syscall_cond *c = &r->cond[i];
		size += c->test != TEST_ANY && c->mask != UINT32_MAX ? 3 : 2;
	}
	return size;
}

/* One rule: where a condition fails, control goes on behind the rule's return. */
static void emit_rule(struct writer *w, const struct syscall_rule *r)
{
	for (size_t i = 0; i < SYSCALL_CONDS_MAX && r->cond[i].test != TEST_NONE; i++) {
		const struct syscall_cond *c = &r->cond[i];
		size_t skip = conds_size(r, i + 1) + 1;
		emit_load(w, OFF_ARG(c->arg, c->high));
		if (c->test == TEST_ANY) {
			emit(w, BPF_JMP | BPF_JSET | BPF_K, c->mask, 0, skip);
			continue;
		}
		if (c->mask != UINT32_MAX)
			emit(w, BPF_ALU | BPF_AND | BPF_K, c->mask, 0, 0);
		bool eq = c->test == TEST_EQ;
		emit(w, BPF_JMP | BPF_JEQ | BPF_K, c->value, eq ? 0 : skip, eq ? skip : 0);
	}
	emit_return(w, return_value(r->action, r->code));
}

static void emit_leaf(struct writer *w, const struct range *range)
{
	if (!range->by_rules) {
		emit_return(w, range->ret);
		return;
	}
	size_t n;
	const struct syscall_rule *r = syscall_rules(range->start, &n);
	for (size_t i = 0; i < n; i++) {
		if (!rule_exists(w, &r[i]))
			continue;
		emit_rule(w, &r[i]);
		if (conds_size(&r[i], 0) == 0)
			return;
	}
	emit_return(w, SECCOMP_RET_ALLOW);
}

/* The search tree over ranges[lo, hi). The lower half stands first; offsets within it are relative, so it may be moved. */
static void emit_tree(struct writer *w, const struct range *ranges, size_t lo, size_t hi)
{
	if (hi - lo == 1) {
		emit_leaf(w, &ranges[lo]);
		return;
	}
	size_t mid = lo + (hi - lo) / 2, node = w->n;
	emit(w, BPF_JMP | BPF_JGE | BPF_K, ranges[mid].start, 0, 0);
	emit_tree(w, ranges, lo, mid);
	size_t size = w->n - node - 1;
	if (size <= 255 && !w->full) {
		w->insn[node].jt = (uint8_t)size;
	} else {
		emit(w, BPF_JMP | BPF_JA, 0, 0, 0);
		if (w->full)
			return;
		memmove(&w->insn[node + 2], &w->insn[node + 1], size * sizeof(w->insn[0]));
		w->insn[node].jf = 1;
		w->insn[node + 1] = (struct sock_filter){ .code = BPF_JMP | BPF_JA, .k = (uint32_t)size };
	}
	emit_tree(w, ranges, mid, hi);
}

/* A call decided by rules is plain when its first rule on this machine holds always, or when none is left. */
static struct range range_of(const struct writer *w, unsigned nr)
{
	const struct syscall_row *row = syscall_lookup(nr);
	struct range ret = { .start = nr, .ret = SECCOMP_RET_ERRNO | ENOSYS };
	if (!row)
		return ret;
	if (row->class != SYSCALL_BY_ARGS) {
		ret.ret = return_value(row->class, row->code);
		return ret;
	}
	size_t n, i = 0;
	const struct syscall_rule *r = syscall_rules(nr, &n);
	while (i < n && !rule_exists(w, &r[i]))
		i++;
	ret.by_rules = i < n && conds_size(&r[i], 0) > 0;
	ret.ret = i < n ? return_value(r[i].action, r[i].code) : SECCOMP_RET_ALLOW;
	return ret;
}

static size_t make_ranges(const struct writer *w, struct range ret[static SYSCALL_NR_END + 1])
{
	size_t n = 0;
	for (unsigned nr = 0; nr <= SYSCALL_NR_END; nr++) {
		struct range r = range_of(w, nr);
		if (n > 0 && !r.by_rules && !ret[n - 1].by_rules && r.ret == ret[n - 1].ret)
			continue;
		ret[n++] = r;
	}
	return n;
}

int filter_build(const struct filter_options *opt, struct sock_fprog *ret, struct err *err)
{
	struct writer w = { .has_signal_scope = opt->has_signal_scope };
	_cleanup_free_ struct range *ranges = calloc(SYSCALL_NR_END + 1, sizeof(*ranges));
	_cleanup_free_ struct sock_filter *insn = calloc(BPF_MAXINSNS, sizeof(*insn));
	if (!ranges || !insn)
		return err_sys(err, -ENOMEM, "building the system-call filter");
	w.insn = insn;
	size_t n = make_ranges(&w, ranges);

	emit_load(&w, OFF_ARCH);
	emit(&w, BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
	emit_return(&w, SECCOMP_RET_ERRNO | ENOSYS);
	emit_load(&w, OFF_NR);
	emit_tree(&w, ranges, 0, n);
	if (w.full)
		return err_set(err, -E2BIG, "the system-call filter is too long for the kernel: shorten the rules");
	ret->len = (unsigned short)w.n;
	ret->filter = TAKE_PTR(insn);
	return 0;
}

void filter_release(struct sock_fprog *prog)
{
	free(prog->filter);
	*prog = (struct sock_fprog){ 0 };
}

int filter_install(const struct sock_fprog *prog, bool *ret_unbroken)
{
	/* SPEC_ALLOW: kernels before 5.16 would otherwise slow every guest down by speculation barriers; a box does not keep
	 * secrets from its own user. WAIT_KILLABLE_RECV is Linux 5.19's. */
	static const unsigned long flags[] = {
		SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_SPEC_ALLOW | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
		SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_SPEC_ALLOW,
	};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags[i], prog);
		if (fd >= 0 && ret_unbroken)
			*ret_unbroken = flags[i] & SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
		if (fd >= 0)
			return (int)fd;
		if (errno != EINVAL)
			return -errno;
	}
	return -EINVAL;
}
