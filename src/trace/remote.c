#include "remote.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define SYSCALL_INSN_SIZE 2
#define STOP_SYSCALL (SIGTRAP | 0x80)

/* ---- the table of calls that are awaited (R4) ---- */

struct expectation {
	struct expectation *next;
	pid_t tid;
	long nr;                /* nr: -1 while none is awaited */
	uint64_t arg[6];
};

#define STEER_SHARDS 16
struct steer_table {
	_Atomic unsigned count;
	struct {
		pthread_mutex_t lock;
		struct expectation *first;
	} shard[STEER_SHARDS];
};

int steer_table_new(struct steer_table **ret)
{
	struct steer_table *t = calloc(1, sizeof *t);

	if (!t)
		return -ENOMEM;
	for (int i = 0; i < STEER_SHARDS; i++)
		pthread_mutex_init(&t->shard[i].lock, NULL);
	*ret = t;
	return 0;
}

void steer_table_free(struct steer_table *t)
{
	if (!t)
		return;
	for (int i = 0; i < STEER_SHARDS; i++) {
		for (struct expectation *e = t->shard[i].first, *next; e; e = next) {
			next = e->next;
			free(e);
		}
		pthread_mutex_destroy(&t->shard[i].lock);
	}
	free(t);
}

/* Entries are told apart by address, not by tid: a thread that one worker has just let go may be in the hands of the next already. */
static int table_add(struct steer_table *t, pid_t tid, struct expectation **ret)
{
	struct expectation *e = calloc(1, sizeof *e);

	if (!e)
		return -ENOMEM;
	e->tid = tid;
	e->nr = -1;
	pthread_mutex_lock(&t->shard[tid % STEER_SHARDS].lock);
	e->next = t->shard[tid % STEER_SHARDS].first;
	t->shard[tid % STEER_SHARDS].first = e;
	pthread_mutex_unlock(&t->shard[tid % STEER_SHARDS].lock);
	atomic_fetch_add(&t->count, 1);
	*ret = e;
	return 0;
}

static void table_remove(struct steer_table *t, struct expectation *e)
{
	int shard;

	if (!e)
		return;
	shard = e->tid % STEER_SHARDS;
	pthread_mutex_lock(&t->shard[shard].lock);
	for (struct expectation **at = &t->shard[shard].first; *at; at = &(*at)->next)
		if (*at == e) {
			*at = e->next;
			break;
		}
	pthread_mutex_unlock(&t->shard[shard].lock);
	atomic_fetch_sub(&t->count, 1);
	free(e);
}

/* arg NULL: none is awaited. */
static void table_await(struct steer_table *t, struct expectation *e, long nr, const uint64_t arg[6])
{
	if (!e)
		return;
	pthread_mutex_lock(&t->shard[e->tid % STEER_SHARDS].lock);
	e->nr = arg ? nr : -1;
	if (arg)
		memcpy(e->arg, arg, sizeof e->arg);
	pthread_mutex_unlock(&t->shard[e->tid % STEER_SHARDS].lock);
}

bool steer_table_expects(struct steer_table *t, pid_t tid, long nr, const uint64_t arg[6])
{
	struct expectation *e;
	bool yes = false;

	if (atomic_load(&t->count) == 0)
		return false;
	pthread_mutex_lock(&t->shard[tid % STEER_SHARDS].lock);
	for (e = t->shard[tid % STEER_SHARDS].first; e && !yes; e = e->next)
		yes = e->tid == tid && e->nr == nr && memcmp(e->arg, arg, sizeof e->arg) == 0;
	pthread_mutex_unlock(&t->shard[tid % STEER_SHARDS].lock);
	return yes;
}

bool steer_table_has(struct steer_table *t, pid_t tid)
{
	bool yes = false;

	if (atomic_load(&t->count) == 0)
		return false;
	pthread_mutex_lock(&t->shard[tid % STEER_SHARDS].lock);
	for (struct expectation *e = t->shard[tid % STEER_SHARDS].first; e && !yes; e = e->next)
		yes = e->tid == tid;
	pthread_mutex_unlock(&t->shard[tid % STEER_SHARDS].lock);
	return yes;
}

/* ---- ptrace, each request ending in -ESRCH when the tracee is gone ---- */

static int gone(struct remote *r)
{
	r->dead = true;
	return -ESRCH;
}

static int request(struct remote *r, int what, uintptr_t addr, uintptr_t data)
{
	if (r->dead)
		return -ESRCH;
	if (ptrace((enum __ptrace_request)what, r->tid, (void *)addr, (void *)data) < 0)
		return errno == ESRCH ? gone(r) : -errno;
	return 0;
}

static void drop_expected(struct remote *r)
{
	table_remove(r->sup->steered, r->expected);
	r->expected = NULL;
}

int remote_seize(struct remote *r, struct supervisor *sup, pid_t tid, pid_t tgid)
{
	int e;

	memset(r, 0, sizeof *r);
	r->sup = sup;
	r->tid = tid;
	r->tgid = tgid;
	e = table_add(sup->steered, tid, &r->expected);
	if (e < 0)
		return e;
	if (ptrace(PTRACE_SEIZE, tid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC) < 0) {
		e = -errno;
		drop_expected(r);
		return e;
	}
	r->held = true;
	return 0;
}

int remote_interrupt(struct remote *r)
{
	return request(r, PTRACE_INTERRUPT, 0, 0);
}

/* The next thing that our tracee reports. */
static int wait_event(struct remote *r, int *ret_status)
{
	for (;;) {
		int status;
		pid_t pid = waitpid(-1, &status, __WALL | __WNOTHREAD);

		if (pid < 0 && errno == EINTR)
			continue;
		/* ECHILD: it went without a report, as a leader does when another thread execs. */
		if (pid < 0)
			return gone(r);
		if (pid != r->tid && pid != r->tgid)
			continue;
		if (WIFSTOPPED(status)) {
			/* A thread that execs takes its leader's number. */
			if (pid != r->tid && status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8)) {
				drop_expected(r);
				r->tid = pid;
				if (table_add(r->sup->steered, pid, &r->expected) < 0)
					kill(pid, SIGKILL);
			}
			*ret_status = status;
			return 0;
		}
		if (pid == r->tid)
			return gone(r);
	}
}

static bool fault_signal(int sig)
{
	return sig == SIGSEGV || sig == SIGBUS || sig == SIGILL || sig == SIGFPE || sig == SIGTRAP || sig == SIGSYS;
}

static bool stop_signal(int sig)
{
	return sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU;
}

/* Takes a signal off the tracee, which is in its signal-delivery-stop. */
static void take_signal(struct remote *r, int sig)
{
	if (sig == SIGSTOP) {
		r->stop_again = true;
		return;
	}
	if (r->signal)
		return;
	memset(&r->info, 0, sizeof r->info);
	if (request(r, PTRACE_GETSIGINFO, 0, (uintptr_t)&r->info) == 0)
		r->signal = sig;
}

static int mask_signals(struct remote *r)
{
	uint64_t all = ~UINT64_C(0);
	int e;

	if (!r->masked) {
		e = request(r, PTRACE_GETSIGMASK, sizeof r->sigmask, (uintptr_t)&r->sigmask);
		if (e < 0)
			return e;
	}
	e = request(r, PTRACE_SETSIGMASK, sizeof all, (uintptr_t)&all);
	if (e == 0)
		r->masked = true;
	return e;
}

static int unmask_signals(struct remote *r)
{
	return r->masked ? request(r, PTRACE_SETSIGMASK, sizeof r->sigmask, (uintptr_t)&r->sigmask) : 0;
}

int remote_stop(struct remote *r)
{
	int status, e = wait_event(r, &status);

	if (e < 0)
		return e;
	/* Where the wait for the answer can be interrupted (Linux < 5.19), a signal may come first. */
	if (status >> 16 == 0)
		take_signal(r, WSTOPSIG(status));
	e = request(r, PTRACE_GETREGS, 0, (uintptr_t)&r->regs);
	if (e == 0)
		e = mask_signals(r);
	return e;
}

/* Resumes until the next syscall stop. 0: there; 1: exec event. */
static int run_to_syscall_stop(struct remote *r)
{
	for (;;) {
		int status, sig, e = request(r, PTRACE_SYSCALL, 0, 0);

		if (e == 0)
			e = wait_event(r, &status);
		if (e < 0)
			return e;
		sig = WSTOPSIG(status);
		if (status >> 16 == PTRACE_EVENT_EXEC)
			return 1;
		if (status >> 16 != 0)
			continue;        /* a group stop, or a late answer to our interrupt */
		if (sig == STOP_SYSCALL)
			return 0;
		take_signal(r, sig);
		/* Its text was unmapped under it by another of its threads: the call will never be made. */
		if (fault_signal(sig))
			return -EFAULT;
	}
}

static void set_call(struct user_regs_struct *regs, long nr, const uint64_t arg[6])
{
	regs->rip -= SYSCALL_INSN_SIZE;
	regs->rax = (uint64_t)nr;
	regs->orig_rax = ~0ULL;          /* no restart of an earlier call */
	regs->rdi = arg[0];
	regs->rsi = arg[1];
	regs->rdx = arg[2];
	regs->r10 = arg[3];
	regs->r8 = arg[4];
	regs->r9 = arg[5];
}

int remote_call(struct remote *r, long nr, const uint64_t arg[6], bool interruptible, int64_t *ret_value)
{
	struct user_regs_struct regs = r->regs;
	bool new_image = false;
	int e;

	set_call(&regs, nr, arg);
	e = request(r, PTRACE_SETREGS, 0, (uintptr_t)&regs);
	if (e == 0)
		e = run_to_syscall_stop(r);
	if (e < 0)
		return e;
	if (interruptible)
		unmask_signals(r);
	table_await(r->sup->steered, r->expected, nr, arg);
	e = run_to_syscall_stop(r);
	if (e == 1) {
		r->execed = new_image = true;
		e = run_to_syscall_stop(r);
	}
	if (!r->dead)
		table_await(r->sup->steered, r->expected, -1, NULL);
	if (interruptible && e >= 0)
		mask_signals(r);
	if (e < 0)
		return e;
	e = request(r, PTRACE_GETREGS, 0, (uintptr_t)&regs);
	if (e == 0)
		*ret_value = (int64_t)regs.rax;
	if (e == 0 && new_image)
		r->regs = regs;
	return e;
}

int remote_read(struct remote *r, uint64_t addr, void *buf, size_t size)
{
	struct iovec local = { buf, size }, there = { (void *)(uintptr_t)addr, size };

	return process_vm_readv(r->tid, &local, 1, &there, 1, 0) == (ssize_t)size ? 0 : -EFAULT;
}

int remote_write(struct remote *r, uint64_t addr, const void *buf, size_t size)
{
	struct iovec local = { (void *)(uintptr_t)buf, size }, there = { (void *)(uintptr_t)addr, size };

	return process_vm_writev(r->tid, &local, 1, &there, 1, 0) == (ssize_t)size ? 0 : -EFAULT;
}

int remote_poke(struct remote *r, uint64_t addr, const void *buf, size_t size)
{
	char name[40];
	_cleanup_close_ int fd = -1;

	snprintf(name, sizeof name, "/proc/%d/mem", r->tid);
	fd = open(name, O_WRONLY | O_CLOEXEC);
	return fd >= 0 && pwrite(fd, buf, size, (off_t)addr) == (ssize_t)size ? 0 : -EFAULT;
}

/* Has the signal that was taken off delivered again, as it was. The tracee is stopped; it is stopped for that signal afterwards. */
static int give_signal(struct remote *r)
{
	int status;

	if (unmask_signals(r) < 0 || syscall(SYS_tgkill, r->tgid, r->tid, r->signal) < 0)
		return -ESRCH;
	for (int tries = 0; tries < 8; tries++) {
		if (request(r, PTRACE_CONT, 0, 0) < 0 || wait_event(r, &status) < 0)
			return -ESRCH;
		if (status >> 16 != 0)
			continue;
		if (WSTOPSIG(status) == r->signal) {
			request(r, PTRACE_SETSIGINFO, 0, (uintptr_t)&r->info);
			return 0;
		}
		/* Another came first: that one now, ours stays pending. */
		request(r, PTRACE_DETACH, 0, (uintptr_t)WSTOPSIG(status));
		r->held = false;
		return -EINTR;
	}
	return -ESRCH;
}

/* ESRCH from a request means dying as well as dead. A tracee that was not waited for could never be reaped by its parent. */
static void drain(void)
{
	for (int tries = 0; tries < 2000; tries++) {
		int status;
		pid_t pid = waitpid(-1, &status, __WALL | __WNOTHREAD | WNOHANG);

		if (pid < 0 && errno != EINTR)
			return;
		if (pid > 0 && WIFSTOPPED(status))
			ptrace(PTRACE_DETACH, pid, NULL, NULL);
		if (pid <= 0)
			usleep(1000);
	}
}

void remote_release(struct remote *r)
{
	int sig = 0;

	if (!r->held)
		return;
	request(r, PTRACE_SETREGS, 0, (uintptr_t)&r->regs);
	/* Before it runs: its next call may be steered by another worker. */
	drop_expected(r);
	if (!r->dead && r->stop_again)
		syscall(SYS_tgkill, r->tgid, r->tid, SIGSTOP);
	if (!r->dead && stop_signal(r->signal))
		syscall(SYS_tgkill, r->tgid, r->tid, r->signal);
	else if (!r->dead && r->signal && give_signal(r) == 0)
		sig = r->signal;
	if (!r->dead && r->held) {
		unmask_signals(r);
		request(r, PTRACE_DETACH, 0, (uintptr_t)sig);
	}
	if (r->dead)
		drain();
	r->held = false;
}
