/* syscalls_doc.c - prints docs/SYSCALLS.md from the table. The test lint.syscalls_doc compares; `cmake --build . --target syscalls-doc` writes. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "../../src/trace/table.h"

static const char intro[] =
	"# What becomes of every system call\n"
	"\n"
	"This page is made from `src/trace/syscalls.def` and `src/trace/rules.def`: do not edit it, run the target "
	"`syscalls-doc`.\n"
	"\n"
	"- **allow**: the kernel runs the call; cowbox never sees it.\n"
	"- **refuse**: the kernel fails it with the errno named. A number that is not in the table (x32's and 32-bit calls too) "
	"fails with ENOSYS.\n"
	"- **trap**: the supervisor answers it, on the view.\n"
	"- **by arguments**: see the second table; what no line there names is allowed.\n"
	"\n"
	"*unscoped* marks what holds only where the kernel's Landlock has no signal scope (before Linux 6.12).\n"
	"\n";

/* For a table cell: a bar would end it. */
static void put_text(const char *s)
{
	for (; *s; s++)
		printf(*s == '|' ? "\\|" : "%c", *s);
}

static void put_decision(enum syscall_class class, int code)
{
	if (class == SYSCALL_REFUSE && code == 0)
		printf("answer 0, do nothing");
	else if (class == SYSCALL_REFUSE)
		printf("refuse %s", strerrorname_np(code));
	else
		printf("%s", syscall_class_name(class));
}

static void put_counts(void)
{
	unsigned count[SYSCALL_BY_ARGS + 1] = { 0 };
	for (int nr = 0; nr < SYSCALL_NR_END; nr++)
		if (syscall_lookup(nr))
			count[syscall_lookup(nr)->class]++;
	printf("%u are allowed, %u refused, %u trapped, %u decided by their arguments.\n\n", count[SYSCALL_ALLOW],
	       count[SYSCALL_REFUSE], count[SYSCALL_TRAP], count[SYSCALL_BY_ARGS]);
}

static void put_rows(void)
{
	printf("| number | call | decision | why |\n|---:|---|---|---|\n");
	for (int nr = 0; nr < SYSCALL_NR_END; nr++) {
		const struct syscall_row *row = syscall_lookup(nr);
		if (!row)
			continue;
		printf("| %d | `%s` | ", nr, row->name);
		put_decision(row->class, row->code);
		printf(" | ");
		put_text(row->truth);
		printf(" |\n");
	}
}

static void put_cond(const struct syscall_cond *c)
{
	static const char *const op[] = { [TEST_EQ] = "=", [TEST_NE] = "≠", [TEST_ANY] = "has any of" };
	printf("argument %u%s", c->arg, c->high ? " (upper half)" : "");
	if (c->test != TEST_ANY && c->mask != UINT32_MAX)
		printf(" & %#x", c->mask);
	printf(" %s %#x", op[c->test], c->test == TEST_ANY ? c->mask : c->value);
}

static void put_rules(void)
{
	printf("\n## By arguments\n\nThe first line that holds decides. Arguments count from 0 and are compared by their lower 32 "
	       "bits.\n\n"
	       "| call | condition | decision | what |\n|---|---|---|---|\n");
	for (int nr = 0; nr < SYSCALL_NR_END; nr++) {
		size_t n;
		const struct syscall_rule *r = syscall_rules(nr, &n);
		for (size_t i = 0; i < n; i++) {
			printf("| `%s` | ", syscall_lookup(nr)->name);
			for (size_t c = 0; c < SYSCALL_CONDS_MAX && r[i].cond[c].test != TEST_NONE; c++) {
				printf("%s", c ? " and " : "");
				put_cond(&r[i].cond[c]);
			}
			printf("%s | ", r[i].cond[0].test == TEST_NONE ? "any other" : "");
			put_decision(r[i].action, r[i].code);
			printf("%s | ", r[i].unscoped ? " (unscoped)" : "");
			put_text(r[i].truth);
			printf(" |\n");
		}
	}
}

int main(void)
{
	printf("%s", intro);
	put_counts();
	put_rows();
	put_rules();
	return ferror(stdout) || fclose(stdout) ? 1 : 0;
}
