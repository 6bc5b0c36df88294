/* table_coverage.c - is the table of system calls whole and sound?
 *
 * Reads lines "number name" (the machine's own headers and newer_calls, by coverage.sh) from stdin: each must have its row. Then the table's own
 * rules are checked, and its names are compared with libseccomp's, which were written by others.
 */
#include <seccomp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../../src/trace/table.h"

enum { LAST_OWN = 336, FIRST_COMMON = 424 };

static int failures;

static void __attribute__((format(printf, 1, 2))) fault(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	failures++;
}

static unsigned check_headers(void)
{
	char name[128];
	int nr;
	unsigned n = 0;
	for (; scanf("%d %127s", &nr, name) == 2; n++) {
		const struct syscall_row *row = syscall_lookup(nr);
		if (!row)
			fault("syscalls.def has no row for %d %s, which is known", nr, name);
		else if (strcmp(row->name, name) != 0)
			fault("number %d is %s in syscalls.def and %s elsewhere", nr, row->name, name);
	}
	return n;
}

static void check_row(const struct syscall_row *row)
{
	size_t n;
	const struct syscall_rule *r = syscall_rules(row->nr, &n);
	bool traps = row->class == SYSCALL_TRAP;
	for (size_t i = 0; i < n; i++) {
		traps |= r[i].action == SYSCALL_TRAP;
		if (i + 1 < n && r[i].cond[0].test == TEST_NONE && !r[i].unscoped)
			fault("%s: the rules after \"%s\" are never reached", row->name, r[i].truth);
		for (size_t c = 0; c < SYSCALL_CONDS_MAX; c++)
			if (r[i].cond[c].test != TEST_NONE && r[i].cond[c].arg >= row->nargs)
				fault("%s: a rule looks at argument %u of %u", row->name, r[i].cond[c].arg, row->nargs);
	}
	if ((row->class == SYSCALL_BY_ARGS) != (n > 0))
		fault("%s: rules.def has %zu rules for it, its row says \"%s\"", row->name, n, syscall_class_name(row->class));
	if (traps != !!row->handler)
		fault("%s: %s", row->name, traps ? "is trapped without a handler: SPLIT" : "has a handler and is never trapped");
	if (row->class == SYSCALL_REFUSE && row->code <= 0)
		fault("%s: refused without an errno", row->name);
	if (row->nargs > 6 || strspn(row->shape, "dpnfomilPuarwx") != row->nargs)
		fault("%s: bad shape \"%s\"", row->name, row->shape);
	if (!row->truth[0])
		fault("%s: no line of truth", row->name);
}

static void check_name(const struct syscall_row *row)
{
	char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, row->nr);
	if (name && strcmp(name, row->name) != 0)
		fault("number %d is %s in syscalls.def and %s in libseccomp", row->nr, row->name, name);
	free(name);
}

int main(void)
{
	unsigned known = check_headers(), rows = 0;
	if (known < 300)
		fault("only %u numbers were read", known);
	/* x86-64 has one gap, up to where all architectures began to count together. */
	for (int nr = 0; nr < SYSCALL_NR_END; nr++) {
		const struct syscall_row *row = syscall_lookup(nr);
		if (!row && (nr <= LAST_OWN || nr >= FIRST_COMMON))
			fault("syscalls.def has no row for %d, and one for a higher number", nr);
		if (!row)
			continue;
		rows++;
		check_row(row);
		check_name(row);
	}
	printf("%u rows; %u numbers are known\n", rows, known);
	return failures ? 1 : 0;
}
