/* table.c - syscalls.def and rules.def as constant arrays. */
#include <errno.h>
#include <string.h>
#include "table.h"
#include "handlers.h"

/* clang-format off */
#define ROW(number, rowname, rowshape, rowclass, rowcode, fn, text) \
	[number] = { .name = rowname, .shape = rowshape, .truth = text, .handler = fn, .nr = number, \
		     .nargs = sizeof(rowshape) - 1, .class = rowclass, .code = rowcode },
#define ALLOW(nr, name, shape, truth) ROW(nr, #name, shape, SYSCALL_ALLOW, 0, NULL, truth)
#define REFUSE(nr, name, shape, code, truth) ROW(nr, #name, shape, SYSCALL_REFUSE, code, NULL, truth)
#define TRAP(nr, name, shape, truth) ROW(nr, #name, shape, SYSCALL_TRAP, 0, h_##name, truth)
#define CHECK(nr, name, shape, truth) ROW(nr, #name, shape, SYSCALL_BY_ARGS, 0, NULL, truth)
#define SPLIT(nr, name, shape, truth) ROW(nr, #name, shape, SYSCALL_BY_ARGS, 0, h_##name, truth)
static const struct syscall_row rows[SYSCALL_NR_END] = {
#include "syscalls.def"
};

#define PASS .action = SYSCALL_ALLOW
#define FAIL(errcode) .action = SYSCALL_REFUSE, .code = errcode
#define ASK .action = SYSCALL_TRAP
#define ASK_UNSCOPED ASK, .unscoped = true
#define FAIL_UNSCOPED(errcode) FAIL(errcode), .unscoped = true
#define ALWAYS { .test = TEST_NONE }
#define EQ(n, v) { .test = TEST_EQ, .arg = n, .mask = 0xffffffff, .value = v }
#define NE(n, v) { .test = TEST_NE, .arg = n, .mask = 0xffffffff, .value = v }
#define BITS(n, m, v) { .test = TEST_EQ, .arg = n, .mask = m, .value = v }
#define ANY(n, m) { .test = TEST_ANY, .arg = n, .mask = m }
#define HIGH(n) { .test = TEST_ANY, .arg = n, .mask = 0xffffffff, .high = true }
#define TYPE(t) BITS(1, 0xff00, (t) << 8)
#define NUM(t, n) BITS(1, 0xffff, (t) << 8 | (n))
#define RULE(name, decision, text, ...) { .nr = NR_##name, .truth = text, decision, .cond = { __VA_ARGS__ } },
static const struct syscall_rule rules[] = {
#include "rules.def"
};
/* clang-format on */
#define NRULES (sizeof(rules) / sizeof(rules[0]))

const struct syscall_row *syscall_lookup(long nr)
{
	if (nr < 0 || nr >= SYSCALL_NR_END || !rows[nr].name)
		return NULL;
	return &rows[nr];
}

const struct syscall_row *syscall_lookup_name(const char *name)
{
	for (int nr = 0; nr < SYSCALL_NR_END; nr++)
		if (rows[nr].name && strcmp(rows[nr].name, name) == 0)
			return &rows[nr];
	return NULL;
}

const struct syscall_rule *syscall_rules(long nr, size_t *ret_n)
{
	size_t first = 0;
	while (first < NRULES && rules[first].nr != nr)
		first++;
	size_t n = 0;
	while (first + n < NRULES && rules[first + n].nr == nr)
		n++;
	*ret_n = n;
	return n ? &rules[first] : NULL;
}

static bool cond_holds(const struct syscall_cond *c, const uint64_t arg[static 6])
{
	uint32_t half = (uint32_t)(c->high ? arg[c->arg] >> 32 : arg[c->arg]) & c->mask;
	switch ((enum syscall_test)c->test) {
	case TEST_NONE:
		return true;
	case TEST_EQ:
		return half == c->value;
	case TEST_NE:
		return half != c->value;
	case TEST_ANY:
		return half != 0;
	}
	return false;
}

static bool rule_holds(const struct syscall_rule *r, const uint64_t arg[static 6], bool has_signal_scope)
{
	if (r->unscoped && has_signal_scope)
		return false;
	for (size_t i = 0; i < SYSCALL_CONDS_MAX; i++)
		if (!cond_holds(&r->cond[i], arg))
			return false;
	return true;
}

struct syscall_verdict syscall_decide(long nr, const uint64_t arg[static 6], bool has_signal_scope)
{
	const struct syscall_row *row = syscall_lookup(nr);
	if (!row)
		return (struct syscall_verdict){ SYSCALL_REFUSE, ENOSYS };
	if (row->class != SYSCALL_BY_ARGS)
		return (struct syscall_verdict){ row->class, row->code };
	size_t n;
	const struct syscall_rule *r = syscall_rules(nr, &n);
	for (size_t i = 0; i < n; i++)
		if (rule_holds(&r[i], arg, has_signal_scope))
			return (struct syscall_verdict){ r[i].action, r[i].code };
	return (struct syscall_verdict){ SYSCALL_ALLOW, 0 };
}

const char *syscall_class_name(enum syscall_class class)
{
	switch (class) {
	case SYSCALL_ALLOW:
		return "allow";
	case SYSCALL_REFUSE:
		return "refuse";
	case SYSCALL_TRAP:
		return "trap";
	case SYSCALL_BY_ARGS:
		return "by arguments";
	}
	return "?";
}
