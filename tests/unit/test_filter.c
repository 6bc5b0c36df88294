/* test_filter.c - the filter decides as the table says: interpreted for every number and many arguments, and live in the kernel. */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/audit.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <cmocka.h>
#include "base/fd.h"
#include "../../src/trace/filter.h"
#include "../../src/trace/table.h"
#include "../skip.h"

#define UNDECIDED 0xdeadbeefu

/* Runs prog over data. args_known false: as the kernel's search for its allow bitmap does, UNDECIDED at the first look at an argument. */
static uint32_t interpret(const struct sock_fprog *prog, const struct seccomp_data *data, bool args_known)
{
	uint32_t acc = 0;
	for (size_t pc = 0; pc < prog->len; pc++) {
		const struct sock_filter *i = &prog->filter[pc];
		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			if (!args_known && i->k >= offsetof(struct seccomp_data, instruction_pointer))
				return UNDECIDED;
			assert_true(i->k + 4 <= sizeof(*data) && i->k % 4 == 0);
			memcpy(&acc, (const char *)data + i->k, 4);
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			acc &= i->k;
			break;
		case BPF_JMP | BPF_JA:
			pc += i->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			pc += acc == i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			pc += acc >= i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			pc += acc & i->k ? i->jt : i->jf;
			break;
		case BPF_RET | BPF_K:
			return i->k;
		default:
			fail_msg("instruction %zu is of a kind the filter does not use: %#x", pc, i->code);
		}
	}
	fail_msg("the program runs off its end");
	return 0;
}

static uint32_t expected(long nr, const uint64_t arg[static 6], bool scope)
{
	struct syscall_verdict v = syscall_decide(nr, arg, scope);
	return v.class == SYSCALL_ALLOW  ? SECCOMP_RET_ALLOW
	       : v.class == SYSCALL_TRAP ? SECCOMP_RET_USER_NOTIF
	                                 : SECCOMP_RET_ERRNO | (uint32_t)v.code;
}

static void check_call(const struct sock_fprog *prog, int nr, const uint64_t arg[static 6], bool scope)
{
	struct seccomp_data data = { .nr = nr, .arch = AUDIT_ARCH_X86_64 };
	memcpy(data.args, arg, sizeof(data.args));
	uint32_t got = interpret(prog, &data, true), want = expected(nr, arg, scope);
	if (got != want)
		fail_msg("call %d (%#llx %#llx ...): filter %#x, table %#x", nr, (unsigned long long)arg[0],
		         (unsigned long long)arg[1], got, want);
}

static const bool scopes[] = { false, true };

static void build(bool scope, struct sock_fprog *ret)
{
	struct filter_options opt = { .has_signal_scope = scope };
	assert_int_equal(filter_build(&opt, ret, NULL), 0);
}

/* Values around which a rule's condition turns. */
static uint64_t near_value(const struct syscall_cond *c, unsigned which)
{
	static const uint64_t high = 0xabcdef01ull << 32;
	uint64_t v = c->test == TEST_ANY ? c->mask & -c->mask : c->value;
	switch (which) {
	case 0:
		return c->high ? v << 32 : v;
	case 1:
		return c->high ? 7 : v | high;
	case 2:
		return v | ~(uint64_t)c->mask;
	case 3:
		return v + 1;
	case 4:
		return v - 1;
	case 5:
		return c->test == TEST_ANY ? ~(uint64_t)c->mask : v ^ (c->mask & -c->mask);
	default:
		return v << 32;
	}
}

static void test_every_number(void **state)
{
	(void)state;
	static const uint64_t patterns[][6] = {
		{ 0 },
		{ 1, 1, 1, 1, 1, 1 },
		{ ~0ull, ~0ull, ~0ull, ~0ull, ~0ull, ~0ull },
		{ 1ull << 32, 1ull << 32, 1ull << 32, 1ull << 32, 1ull << 32, 1ull << 32 },
	};
	for (size_t s = 0; s < 2; s++) {
		struct sock_fprog prog;
		build(scopes[s], &prog);
		for (int nr = -2; nr < SYSCALL_NR_END + 600; nr++)
			for (size_t p = 0; p < sizeof(patterns) / sizeof(patterns[0]); p++)
				check_call(&prog, nr, patterns[p], scopes[s]);
		filter_release(&prog);
	}
}

static void test_every_rule(void **state)
{
	(void)state;
	for (size_t s = 0; s < 2; s++) {
		struct sock_fprog prog;
		build(scopes[s], &prog);
		for (int nr = 0; nr < SYSCALL_NR_END; nr++) {
			size_t n;
			const struct syscall_rule *r = syscall_rules(nr, &n);
			for (size_t i = 0; i < n * 49; i++) {
				const struct syscall_rule *rule = &r[i / 49];
				uint64_t arg[6] = { 0 };
				arg[rule->cond[0].arg] = near_value(&rule->cond[0], i % 7);
				if (rule->cond[1].test != TEST_NONE)
					arg[rule->cond[1].arg] = near_value(&rule->cond[1], i / 7 % 7);
				check_call(&prog, nr, arg, scopes[s]);
			}
		}
		filter_release(&prog);
	}
}

static void test_every_ioctl_type_and_number(void **state)
{
	(void)state;
	static const uint64_t upper[] = { 0, 0x40080000, 0x80080000, 0xc0200000, 0x100000000ull, 0xffffffff40040000ull };
	struct sock_fprog prog;
	build(true, &prog);
	for (uint64_t cmd = 0; cmd < 0x10000; cmd++)
		for (size_t u = 0; u < sizeof(upper) / sizeof(upper[0]); u++)
			check_call(&prog, NR_ioctl, (uint64_t[6]){ 0, upper[u] | cmd }, true);
	filter_release(&prog);
}

static void test_ioctls_that_change_a_host(void **state)
{
	(void)state;
	static const uint32_t refused[] = {
		0x5412,     0x541c,     0x541d,     0x40086602, 0x40046602, 0x401c5820, 0xc0045877,
		0xc0045878, 0xc0185879, 0x40806685, 0x800c6613, 0x5000940e, 0x50009401, 0x1277,
		0x127f,     0x125d,     0x4c00,     0x4c80,     1,          0x40087602,
	};
	static const uint32_t passed[] = { 0x5401,     0x5413,     0x541b,     0x80086601, 0xc020660b,
		                           0x801c581f, 0x40049409, 0x4020940d, 2,          0x80081272 };
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		assert_int_equal(syscall_decide(NR_ioctl, (uint64_t[6]){ 0, refused[i] }, true).class, SYSCALL_REFUSE);
	for (size_t i = 0; i < sizeof(passed) / sizeof(passed[0]); i++)
		assert_int_equal(syscall_decide(NR_ioctl, (uint64_t[6]){ 0, passed[i] }, true).class, SYSCALL_ALLOW);
}

static void test_plain_allow_needs_no_argument(void **state)
{
	(void)state;
	static const uint64_t none[6];
	for (size_t s = 0; s < 2; s++) {
		struct sock_fprog prog;
		build(scopes[s], &prog);
		for (int nr = 0; nr < SYSCALL_NR_END; nr++) {
			const struct syscall_row *row = syscall_lookup(nr);
			struct seccomp_data data = { .nr = nr, .arch = AUDIT_ARCH_X86_64 };
			uint32_t got = interpret(&prog, &data, false);
			if (row && row->class == SYSCALL_BY_ARGS)
				assert_true(got == UNDECIDED || got == expected(nr, none, scopes[s]));
			else
				assert_int_equal(got, expected(nr, none, scopes[s]));
		}
		filter_release(&prog);
	}
}

static void test_other_architectures(void **state)
{
	(void)state;
	static const uint32_t archs[] = { AUDIT_ARCH_I386, AUDIT_ARCH_AARCH64, 0, 0xffffffff };
	struct sock_fprog prog;
	build(true, &prog);
	for (int nr = 0; nr < 512; nr++) {
		for (size_t a = 0; a < sizeof(archs) / sizeof(archs[0]); a++) {
			struct seccomp_data data = { .nr = nr, .arch = archs[a] };
			assert_int_equal(interpret(&prog, &data, false), SECCOMP_RET_ERRNO | ENOSYS);
		}
		struct seccomp_data x32 = { .nr = nr | 0x40000000, .arch = AUDIT_ARCH_X86_64 };
		assert_int_equal(interpret(&prog, &x32, false), SECCOMP_RET_ERRNO | ENOSYS);
	}
	filter_release(&prog);
}

/* ---- live ---- */

/* What the notifier answers: no call that is made here fails with it by itself. */
#define MARK EXFULL
struct probe {
	int nr;
	uint64_t arg[6];
};
struct result {
	long value;
	int code;
	int trapped;
};
struct page {
	int listener;
	uint32_t ready;
	int done;
	struct result result[SYSCALL_NR_END + 64];
};

/* Allowed calls that would end, stop or bend the child when they are made. */
static const int unsafe[] = {
	NR_exit,   NR_exit_group,      NR_pause,       NR_rt_sigreturn,    NR_fork,
	NR_vfork,  NR_alarm,           NR_sync,        NR_set_tid_address, NR_uretprobe,
	NR_uprobe, NR_restart_syscall, NR_close_range, NR_munlockall,
};

static bool is_unsafe(int nr)
{
	for (size_t i = 0; i < sizeof(unsafe) / sizeof(unsafe[0]); i++)
		if (unsafe[i] == nr)
			return true;
	return false;
}

static void live_child(const struct sock_fprog *prog, struct page *page, const struct probe *probes, size_t n)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	page->listener = filter_install(prog, NULL);
	__atomic_store_n(&page->ready, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, &page->ready, FUTEX_WAKE, 1, NULL, NULL, 0);
	for (size_t i = 0; i < n && page->listener >= 0; i++) {
		const uint64_t *a = probes[i].arg;
		errno = 0;
		page->result[i].value = syscall(probes[i].nr, a[0], a[1], a[2], a[3], a[4], a[5]);
		page->result[i].code = errno;
		__atomic_store_n(&page->done, (int)i + 1, __ATOMIC_SEQ_CST);
	}
	_exit(0);
}

union notif_buffer {
	struct seccomp_notif notif;
	struct seccomp_notif_resp resp;
	char space[512];
};

/* Answers MARK to every call until the child has gone. */
static void serve(struct page *page)
{
	for (;;) {
		struct pollfd p = { .fd = page->listener, .events = POLLIN };
		if (poll(&p, 1, 20000) <= 0 || !(p.revents & POLLIN))
			return;
		union notif_buffer in = { 0 }, out = { 0 };
		if (ioctl(page->listener, SECCOMP_IOCTL_NOTIF_RECV, &in) < 0)
			continue;
		page->result[__atomic_load_n(&page->done, __ATOMIC_SEQ_CST)].trapped = in.notif.data.nr + 1;
		out.resp.id = in.notif.id;
		out.resp.error = -MARK;
		ioctl(page->listener, SECCOMP_IOCTL_NOTIF_SEND, &out);
	}
}

/* Makes the calls in a child behind the filter, which shares our descriptors so that the listener is ours too. */
static struct page *run_live(bool scope, const struct probe *probes, size_t n)
{
	struct sock_fprog prog;
	build(scope, &prog);
	struct page *page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(page, MAP_FAILED);
	fflush(NULL);
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		live_child(&prog, page, probes, n);
	assert_true(pid > 0);
	while (!__atomic_load_n(&page->ready, __ATOMIC_SEQ_CST))
		syscall(SYS_futex, &page->ready, FUTEX_WAIT, 0, NULL, NULL, 0);
	if (page->listener < 0) {
		waitpid(pid, NULL, 0);
		SKIP("a filter with a listener cannot be installed here: %s", strerror(-page->listener));
	}
	serve(page);
	close(page->listener);
	int status;
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (page->done != (int)n)
		fail_msg("the child ended at %s (%d)",
		         syscall_lookup(probes[page->done].nr) ? syscall_lookup(probes[page->done].nr)->name : "?",
		         probes[page->done].nr);
	filter_release(&prog);
	return page;
}

static void check_live(const struct probe *p, const struct result *r, bool scope)
{
	const struct syscall_row *row = syscall_lookup(p->nr);
	const char *name = row ? row->name : "a number without a row";
	struct syscall_verdict v = syscall_decide(p->nr, p->arg, scope);
	if (v.class == SYSCALL_TRAP && (r->trapped != p->nr + 1 || r->value != -1 || r->code != MARK))
		fail_msg("%s (%d) is not trapped: %ld, %s", name, p->nr, r->value, strerror(r->code));
	if (v.class != SYSCALL_TRAP && r->trapped)
		fail_msg("%s (%d) is trapped, and should not be", name, p->nr);
	if (v.class == SYSCALL_REFUSE && (r->value != (v.code ? -1 : 0) || r->code != v.code))
		fail_msg("%s (%d) should fail with %s: %ld, %s", name, p->nr, strerror(v.code), r->value, strerror(r->code));
}

static void live(const struct probe *probes, size_t n, bool scope)
{
	struct page *page = run_live(scope, probes, n);
	for (size_t i = 0; i < n; i++)
		check_live(&probes[i], &page->result[i], scope);
	munmap(page, sizeof(*page));
}

static void test_live_every_number(void **state)
{
	(void)state;
	static struct probe probes[SYSCALL_NR_END + 16];
	for (size_t s = 0; s < 2; s++) {
		size_t n = 0;
		for (int nr = 0; nr < SYSCALL_NR_END + 8; nr++) {
			if (is_unsafe(nr))
				continue;
			/* Nothing is a descriptor, an address or a flag word that the kernel would take. */
			probes[n++] = (struct probe){ nr, { ~0ull, ~0ull, ~0ull, ~0ull, ~0ull, ~0ull } };
		}
		probes[n++] = (struct probe){ 0x40000000 | NR_getpid, { 0 } };
		live(probes, n, scopes[s]);
	}
}

static void test_live_arguments(void **state)
{
	(void)state;
	/* clang-format off */
	static const struct probe probes[] = {
		{ NR_ioctl, { 0, 0x5412, 0 } },
		{ NR_ioctl, { 0, 0xdead00005412, 0 } },
		{ NR_ioctl, { 0, 0x40086602, 0 } },
		{ NR_ioctl, { ~0ull, 0x5401, 0 } },
		{ NR_clone, { 0x10000000 | SIGCHLD } },
		{ NR_clone, { 0x200 | SIGCHLD } },
		{ NR_unshare, { 0x20000 } },
		{ NR_unshare, { 0x200 } },
		{ NR_unshare, { 0 } },
		{ NR_prlimit64, { 0, 7, 0, 0 } },
		{ NR_prlimit64, { 1, 7, 0, 0 } },
		{ NR_setpriority, { 0, 0, 0 } },
		{ NR_setpriority, { 0, 1, 0 } },
		{ NR_setpriority, { 1, 0, 0 } },
		{ NR_sendto, { ~0ull, 0, 0, 0, 0, 0 } },
		{ NR_sendto, { ~0ull, 0, 0, 0, 1, 0 } },
		{ NR_sendto, { ~0ull, 0, 0, 0, 1ull << 32, 0 } },
		{ NR_seccomp, { 1, 8, 0 } },
		{ NR_seccomp, { 1, 0xff00000008, 0 } },
		{ NR_prctl, { 4, 0, 0, 0, 0 } },
		{ NR_prctl, { 3, 0, 0, 0, 0 } },
		{ NR_prctl, { 35, 0, 0, 0, 0 } },
		{ NR_prctl, { CALL_NESTED, 0, 0, 0, 0 } },
		{ NR_kill, { ~0ull >> 40, 0 } },
		{ NR_fcntl, { 0, 1024, 0 } },
		{ NR_fcntl, { ~0ull, 8, 0 } },
		{ NR_syslog, { 5, 0, 0 } },
	};
	/* clang-format on */
	live(probes, sizeof(probes) / sizeof(probes[0]), true);
	live(probes, sizeof(probes) / sizeof(probes[0]), false);
}

static void test_size(void **state)
{
	(void)state;
	struct sock_fprog prog;
	build(false, &prog);
	print_message("the filter has %u instructions\n", prog.len);
	assert_in_range(prog.len, 100, 2000);
	filter_release(&prog);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_every_number),
		cmocka_unit_test(test_every_rule),
		cmocka_unit_test(test_every_ioctl_type_and_number),
		cmocka_unit_test(test_ioctls_that_change_a_host),
		cmocka_unit_test(test_plain_allow_needs_no_argument),
		cmocka_unit_test(test_other_architectures),
		cmocka_unit_test(test_live_every_number),
		cmocka_unit_test(test_live_arguments),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
