/* steer.c and remote.c on a small child behind the real filter: what it is steered to, what it keeps, and that nothing hangs when it dies. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "../../src/trace/filter.h"
#include "../../src/trace/remote.h"
#include "../../src/trace/steer.h"
#include "../../src/trace/supervisor.h"
#include "../skip.h"

struct shared {
	_Atomic int listener;   /* listener: number in the child + 1 */
	_Atomic int go;
	_Atomic int value;      /* value: of the last siginfo that the child's handler saw */
	_Atomic int result;     /* result: what the child's call returned, + 1000 */
	_Atomic int intact;     /* intact: registers and the memory below the stack pointer are what they were */
};

struct rig {
	struct shared *sh;
	struct supervisor sup;
	pid_t child;
	pthread_t helper;
	char notif[256], resp[256];
	struct work work;
};

static struct shared *handler_shared;

static void on_signal(int sig, siginfo_t *si, void *ctx)
{
	(void)sig;
	(void)ctx;
	handler_shared->value = si->si_value.sival_int;
}

/* chdir(path) with marks in the registers that a system call must keep. */
static long marked_chdir(const char *path, int *ret_intact)
{
	long ret, rsi = 0x1111, rdx = 0x2222;
	register long r10 __asm__("r10") = 0x3333;
	register long r8 __asm__("r8") = 0x4444;
	register long r9 __asm__("r9") = 0x5555;
	const char *rdi = path;

	__asm__ volatile("syscall" : "=a"(ret), "+D"(rdi), "+S"(rsi), "+d"(rdx), "+r"(r10), "+r"(r8), "+r"(r9)
			 : "0"(SYS_chdir) : "rcx", "r11", "memory");
	*ret_intact = rdi == path && rsi == 0x1111 && rdx == 0x2222 && r10 == 0x3333 && r8 == 0x4444 && r9 == 0x5555;
	return ret;
}

static void child_main(struct shared *sh, struct sock_fprog *prog, int times)
{
	struct sigaction act = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	int fd;

	handler_shared = sh;
	sigaction(SIGUSR1, &act, NULL);
	fd = filter_install(prog, NULL);
	if (fd < 0)
		_exit(99);
	sh->listener = fd + 1;
	while (!sh->go)
		sched_yield();
	for (int i = 0; i < times; i++) {
		int intact;
		long r = marked_chdir("/a/path/that/is/not/there", &intact);

		sh->result = (int)r + 1000;
		sh->intact = intact;
	}
	_exit(0);
}

/* The second worker: lets through what a steered thread was told to do. */
static void *helper_main(void *arg)
{
	struct rig *b = arg;
	struct seccomp_notif n;
	struct seccomp_notif_resp r;

	for (;;) {
		memset(&n, 0, sizeof n);
		if (ioctl(b->sup.listener, SECCOMP_IOCTL_NOTIF_RECV, &n) < 0) {
			if (errno == EINTR || (errno == ENOENT && !supervisor_deserted(&b->sup)))
				continue;
			return NULL;
		}
		uint64_t args[6];

		memcpy(args, n.data.args, sizeof args);
		memset(&r, 0, sizeof r);
		r.id = n.id;
		if (steer_table_expects(b->sup.steered, (pid_t)n.pid, n.data.nr, args))
			r.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		else
			r.error = -EIO;
		ioctl(b->sup.listener, SECCOMP_IOCTL_NOTIF_SEND, &r);
	}
}

static void rig_start(struct rig *b, int times)
{
	struct filter_options fo = { .has_signal_scope = true };
	struct sock_fprog prog = { 0 };
	struct err err;
	int pidfd;

	memset(b, 0, sizeof *b);
	b->sh = mmap(NULL, sizeof *b->sh, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_int_equal(filter_build(&fo, &prog, &err), 0);
	b->child = fork();
	if (b->child == 0)
		child_main(b->sh, &prog, times);
	filter_release(&prog);
	while (!b->sh->listener) {
		if (waitpid(b->child, NULL, WNOHANG) > 0)
			fail_msg("the child could not enter the filter");
		sched_yield();
	}
	pidfd = (int)syscall(SYS_pidfd_open, b->child, 0);
	b->sup.listener = (int)syscall(SYS_pidfd_getfd, pidfd, b->sh->listener - 1, 0);
	close(pidfd);
	if (b->sup.listener < 0)
		SKIP("pidfd_getfd of a child is not allowed here");
	b->sup.notif_size = b->sup.resp_size = 80;
	pthread_mutex_init(&b->sup.lock, NULL);
	inflight_init(&b->sup.inflight);
	b->work.slot = inflight_slot_new(&b->sup.inflight);
	b->sup.idle = 1;        /* so that nobody starts threads */
	assert_int_equal(steer_table_new(&b->sup.steered), 0);
	b->work.notif = b->notif;
	b->work.resp = b->resp;
}

static void rig_next(struct rig *b)
{
	struct seccomp_notif *n = b->work.notif;

	b->sh->go = 1;
	do
		memset(b->notif, 0, sizeof b->notif);
	while (ioctl(b->sup.listener, SECCOMP_IOCTL_NOTIF_RECV, n) < 0 && errno == EINTR);
	b->work.call = (struct call){ .sup = &b->sup, .id = n->id, .tid = (pid_t)n->pid, .tgid = (pid_t)n->pid, .nr = n->data.nr };
	memcpy(b->work.call.arg, n->data.args, sizeof b->work.call.arg);
	assert_int_equal(n->data.nr, SYS_chdir);
}

static void rig_help(struct rig *b)
{
	assert_int_equal(pthread_create(&b->helper, NULL, helper_main, b), 0);
}

/* Waits for the child and for all that belongs to it; returns its wait status. What it told is read from *ret_sh afterwards. */
static int rig_end(struct rig *b, struct shared *ret_sh)
{
	int status = -1;
	pid_t pid = waitpid(b->child, &status, 0);

	/* We are parent and tracer in one here: of a child that died while it was held, the tracer's wait was the last. */
	assert_true(pid == b->child || (pid < 0 && errno == ECHILD));
	if (b->helper) {
		pthread_cancel(b->helper);
		pthread_join(b->helper, NULL);
	}
	assert_false(steer_table_has(b->sup.steered, b->child));
	steer_table_free(b->sup.steered);
	close(b->sup.listener);
	memcpy(ret_sh, b->sh, sizeof *ret_sh);
	munmap(b->sh, sizeof *b->sh);
	return status;
}

static int steer_to(struct rig *b, const char *path, size_t padding)
{
	struct steer s = { .nr = SYS_chdir, .relative = 1, .fd = { -1, -1 }, .fd_field = -1 };
	int r;

	s.size = strlen(path) + 1 + padding;
	s.data = calloc(1, s.size);
	strcpy(s.data, path);
	r = steer_run(&b->work.call, &s);
	steer_release(&s);
	return r;
}

static void check(const char *path, size_t padding, int result)
{
	struct rig b;
	struct shared sh;

	rig_start(&b, 1);
	rig_next(&b);
	rig_help(&b);
	assert_int_equal(steer_to(&b, path, padding), 0);
	assert_int_equal(rig_end(&b, &sh), 0);
	assert_int_equal(sh.result, 1000 + result);
	assert_int_equal(sh.intact, 1);
}

/* Small data stands on the stack, large data in a mapping. */
static void test_results(void **state)
{
	(void)state;
	check("/usr", 0, 0);
	check("/usr", 100000, 0);
	check("/dev/null", 0, -ENOTDIR);
	check("/dev/null", 100000, -ENOTDIR);
}

/* A signal that comes meanwhile arrives as it was sent, with its value, and the call is not interrupted. */
static void test_signal(void **state)
{
	struct rig b;
	struct shared sh;

	(void)state;
	rig_start(&b, 1);
	rig_next(&b);
	rig_help(&b);
	assert_int_equal(sigqueue(b.child, SIGUSR1, (union sigval){ .sival_int = 4711 }), 0);
	assert_int_equal(steer_to(&b, "/usr", 0), 0);
	assert_int_equal(rig_end(&b, &sh), 0);
	assert_int_equal(sh.value, 4711);
	assert_int_equal(sh.result, 1000);
	assert_int_equal(sh.intact, 1);
}

static void test_dead(void **state)
{
	struct rig b;
	struct shared sh;

	(void)state;
	rig_start(&b, 1);
	rig_next(&b);
	kill(b.child, SIGKILL);
	assert_int_equal(steer_to(&b, "/usr", 0), 0);
	rig_end(&b, &sh);
}

static void *killer_main(void *arg)
{
	struct rig *b = arg;

	usleep((useconds_t)(rand() % 300));
	kill(b->child, SIGKILL);
	return NULL;
}

/* Killed at any point of it. */
static void test_dying(void **state)
{
	(void)state;
	for (int i = 0; i < 60; i++) {
		struct rig b;
		struct shared sh;
		pthread_t killer;

		rig_start(&b, 1);
		rig_next(&b);
		rig_help(&b);
		pthread_create(&killer, NULL, killer_main, &b);
		assert_int_equal(steer_to(&b, "/usr", i % 2 ? 5000 : 0), 0);
		pthread_join(killer, NULL);
		rig_end(&b, &sh);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_results), cmocka_unit_test(test_signal), cmocka_unit_test(test_dead), cmocka_unit_test(test_dying),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
