/* table.h - the table of system calls, made from syscalls.def and rules.def.
 *
 * The table is constant; everything here is borrowed from it and safe from any thread and after fork.
 */
#ifndef COWBOX_TRACE_TABLE_H
#define COWBOX_TRACE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "handler.h"

/* clang-format off */
/* NR_<name>: the number, also of calls that are newer than the machine's headers. SYSCALL_NR_END: one more than the last. */
enum syscall_nr {
#define ALLOW(nr, name, shape, truth) NR_##name = nr,
#define REFUSE(nr, name, shape, code, truth) NR_##name = nr,
#define TRAP(nr, name, shape, truth) NR_##name = nr,
#define CHECK(nr, name, shape, truth) NR_##name = nr,
#define SPLIT(nr, name, shape, truth) NR_##name = nr,
#include "syscalls.def"
#undef ALLOW
#undef REFUSE
#undef TRAP
#undef CHECK
#undef SPLIT
	SYSCALL_NR_END
};
/* clang-format on */
enum syscall_class {
	SYSCALL_ALLOW,   /* the kernel runs it */
	SYSCALL_REFUSE,  /* fails with code */
	SYSCALL_TRAP,    /* goes to the handler */
	SYSCALL_BY_ARGS, /* the first rule that holds decides; none: allowed */
};

struct syscall_row {
	const char *name;    /* name: NULL in a gap between numbers */
	const char *shape;   /* shape: one letter an argument, see syscalls.def */
	const char *truth;   /* truth: one line on why */
	handler_fn *handler; /* handler: NULL when no call of this number is ever trapped */
	short nr;
	unsigned char nargs;
	unsigned char class; /* class: enum syscall_class */
	int code;            /* code: errno of SYSCALL_REFUSE, else 0 */
};

enum syscall_test {
	TEST_NONE, /* no condition */
	TEST_EQ,   /* (arg & mask) == value */
	TEST_NE,   /* (arg & mask) != value */
	TEST_ANY,  /* (arg & mask) != 0 */
};

struct syscall_cond {
	unsigned char test; /* test: enum syscall_test */
	unsigned char arg;  /* arg: 0 to 5 */
	bool high;          /* high: the upper 32 bits, else the lower */
	uint32_t mask;
	uint32_t value;
};

#define SYSCALL_CONDS_MAX 2
struct syscall_rule {
	const char *truth;
	short nr;
	unsigned char action;                        /* action: SYSCALL_ALLOW, SYSCALL_REFUSE or SYSCALL_TRAP */
	bool unscoped;                               /* unscoped: the rule exists only where Landlock has no signal scope */
	int code;                                    /* code: errno of SYSCALL_REFUSE; 0 is success without doing anything */
	struct syscall_cond cond[SYSCALL_CONDS_MAX]; /* cond: all must hold */
};

/* prctl(CALL_NESTED) fails with ELOOP in a box and with EINVAL anywhere else. */
#define CALL_NESTED 0x434f5742

struct syscall_verdict {
	enum syscall_class class; /* class: never SYSCALL_BY_ARGS */
	int code;
};

/* The row of a number, or NULL: such a call is refused with ENOSYS. O(1). */
const struct syscall_row *syscall_lookup(long nr);
/* The row of a name, or NULL. Slow. */
const struct syscall_row *syscall_lookup_name(const char *name);
/* The rules of a number, in their order; *ret_n is 0 where there is none. */
const struct syscall_rule *syscall_rules(long nr, size_t *ret_n);
/* What the filter does with a call: the same decision, in C. */
struct syscall_verdict syscall_decide(long nr, const uint64_t arg[static 6], bool has_signal_scope);
/* "allow", "refuse EPERM", "trap", "by arguments": for people. */
const char *syscall_class_name(enum syscall_class class);

#endif
