#include "steer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cred.h"
#include "exec.h"
#include "guest.h"
#include "remote.h"
#include "steer_traced.h"

#define ERESTARTNOINTR 513
#define RED_ZONE 128
#define STACK_DATA_MAX 1024         /* a goroutine has about this much below its stack pointer, a musl posix_spawn child too */
#define EXEC_DATA_MAX (8 * 1024 * 1024)

/* Where the data stands in the guest. */
struct scratch {
	uint64_t addr;
	size_t size;
	void *saved;            /* saved: what was there before, when it is the guest's stack */
	bool mapped;            /* mapped: a mapping of our own */
};

void steer_release(struct steer *s)
{
	for (int i = 0; i < STEER_FDS_MAX; i++)
		fd_closep(&s->fd[i]);
	free(s->data);
	s->data = NULL;
	exec_fix_free(s->exec);
	s->exec = NULL;
}

void steer_fill_field(char *field, int fd)
{
	char digits[STEER_FD_FIELD_SIZE + 1];
	int n = snprintf(digits, sizeof digits, "%d", fd);

	memset(field, '/', STEER_FD_FIELD_SIZE);
	memcpy(field + STEER_FD_FIELD_SIZE - n, digits, (size_t)n);
}

int steer_path_arg(long nr)
{
	switch (nr) {
	case SYS_open: case SYS_creat: case SYS_chdir: case SYS_execve: case SYS_mknod: case SYS_truncate: case SYS_stat: case SYS_lstat:
		return 0;
	case SYS_openat: case SYS_openat2: case SYS_execveat: case SYS_mknodat:
		return 1;
	default:
		return -1;
	}
}

static bool may_sleep(long nr)
{
	return nr == SYS_open || nr == SYS_openat || nr == SYS_openat2 || nr == SYS_creat || nr == SYS_connect;
}

/* ---- data in the guest ---- */

static int scratch_on_stack(struct remote *r, const struct steer *s, struct scratch *sc)
{
	int e;

	sc->addr = (r->regs.rsp - RED_ZONE - s->size) & ~63ULL;
	sc->saved = malloc(s->size);
	if (!sc->saved)
		return -ENOMEM;
	e = remote_read(r, sc->addr, sc->saved, s->size);
	if (e == 0)
		e = remote_write(r, sc->addr, s->data, s->size);
	if (e < 0) {
		free(sc->saved);
		sc->saved = NULL;
	}
	return e;
}

static int scratch_mapped(struct remote *r, const struct steer *s, struct scratch *sc)
{
	uint64_t arg[6] = { 0, s->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, (uint64_t)-1, 0 };
	int64_t addr;
	int e = remote_call(r, SYS_mmap, arg, false, &addr);

	if (e < 0)
		return e;
	if (addr < 0 && addr > -4096)
		return (int)addr;
	sc->addr = (uint64_t)addr;
	sc->mapped = true;
	return remote_write(r, sc->addr, s->data, s->size);
}

static int scratch_place(struct remote *r, const struct steer *s, struct scratch *sc)
{
	memset(sc, 0, sizeof *sc);
	sc->size = s->size;
	if (s->size == 0)
		return 0;
	if (s->size <= STACK_DATA_MAX && scratch_on_stack(r, s, sc) == 0)
		return 0;
	return r->dead ? -ESRCH : scratch_mapped(r, s, sc);
}

static void scratch_remove(struct remote *r, struct scratch *sc)
{
	int64_t value;

	if (sc->saved && !r->execed && !r->dead)
		remote_write(r, sc->addr, sc->saved, sc->size);
	if (sc->mapped && !r->execed && !r->dead)
		remote_call(r, SYS_munmap, (uint64_t[6]){ sc->addr, sc->size }, false, &value);
	free(sc->saved);
	sc->saved = NULL;
}

/* Pointers within the data are offsets until its address is known. */
static int relocate(struct remote *r, struct steer *s, uint64_t addr)
{
	uint64_t *word = (uint64_t *)(void *)s->data;

	if (s->nwords == 0)
		return 0;
	for (size_t i = 0; i < s->nwords; i++)
		if (word[i] & STEER_OFFSET)
			word[i] = addr + (word[i] & ~STEER_OFFSET);
	return remote_write(r, addr, s->data, s->nwords * sizeof *word);
}

/* ---- the steering itself ---- */

static int inject(const struct call *c, struct steer *s, int number[STEER_FDS_MAX])
{
	for (int i = 0; i < STEER_FDS_MAX; i++) {
		if (s->fd[i] < 0)
			continue;
		number[i] = supervisor_addfd(c, s->fd[i], !(s->keep && i == 0) || s->keep_cloexec);
		if (number[i] < 0)
			return number[i];
	}
	if (s->fd_field >= 0 && s->data && number[0] >= 0)
		steer_fill_field(s->data + s->fd_field, number[0]);
	return 0;
}

static void eject(struct remote *r, const int number[STEER_FDS_MAX])
{
	int64_t value;

	for (int i = 0; i < STEER_FDS_MAX; i++)
		if (number[i] >= 0 && !r->execed && !r->dead)
			remote_call(r, SYS_close, (uint64_t[6]){ (uint64_t)number[i] }, false, &value);
}

/* The thread stands still: it makes the call. Returns what the guest gets. */
static int64_t perform(struct remote *r, struct steer *s, const int number[STEER_FDS_MAX])
{
	struct scratch sc;
	uint64_t arg[6];
	int64_t value = 0;
	int e = scratch_place(r, s, &sc);

	if (e == 0)
		e = relocate(r, s, sc.addr);
	for (int i = 0; i < 6; i++) {
		arg[i] = s->arg[i];
		if (s->relative & 1U << i)
			arg[i] += sc.addr;
		if (s->is_fd & 1U << i)
			arg[i] = (uint64_t)number[s->arg[i]];
	}
	if (e == 0)
		e = remote_call(r, s->nr, arg, may_sleep(s->nr), &value);
	if (e == 0 && r->execed && s->exec)
		exec_fix_apply(s->exec, r);
	scratch_remove(r, &sc);
	return e < 0 ? e : value;
}

/* True when the stopped thread still stands behind the call that we were asked to answer. The kernel takes the number from the lower half of the
 * register and leaves the upper one as the guest had it. */
static bool stands_at(const struct remote *r, long nr)
{
	int64_t rax = (int64_t)r->regs.rax;

	return (int32_t)r->regs.orig_rax == (int32_t)nr && rax <= -512 && rax >= -516;
}

static void steer_held(const struct call *c, struct steer *s, struct remote *r)
{
	int number[STEER_FDS_MAX] = { -1, -1 }, e = inject(c, s, number);
	int64_t value;

	/* From here on the thread is ours whatever becomes of the notification. */
	if (remote_interrupt(r) < 0)
		return;
	supervisor_send(c, 0, ERESTARTNOINTR, false);
	if (remote_stop(r) < 0 || !stands_at(r, c->nr))
		return;
	value = e < 0 ? e : perform(r, s, number);
	if (s->keep && e == 0)
		value = number[0];
	else
		eject(r, number);
	if (!r->execed)
		r->regs.rax = (uint64_t)value;
}

/* What the kernel calls a directory that is gone cannot be walked to. */
static bool is_deleted(const char *real, size_t len)
{
	static const char suffix[] = " (deleted)";

	return len >= sizeof suffix && strcmp(real + len - (sizeof suffix - 1), suffix) == 0;
}

/* fchdir to an injected directory costs the guest a close too; by its path it is one call. A guest with other rights than ours may not
 * be able to walk there. */
static void prefer_path(const struct call *c, struct steer *s)
{
	char real[PATH_MAX];
	int n;

	if (s->nr != SYS_fchdir || s->is_fd != 1 || (cred_process_is_root() && atomic_load(&c->sup->ids_gen) > 0))
		return;
	n = fd_real_path(s->fd[0], real, sizeof real);
	if (n <= 0 || real[0] != '/' || n >= STACK_DATA_MAX || is_deleted(real, (size_t)n))
		return;
	s->data = strdup(real);
	if (!s->data)
		return;
	s->size = (size_t)n + 1;
	s->nr = SYS_chdir;
	s->arg[0] = 0;
	s->relative = 1;
	s->is_fd = 0;
	fd_closep(&s->fd[0]);
}

int steer_run(const struct call *c, struct steer *s)
{
	struct remote r;
	int e;

	if (s->size > (s->exec ? EXEC_DATA_MAX : STEER_BYTES_MAX))
		return -E2BIG;
	supervisor_block_begin(c->sup);
	inflight_leave(c); /* what is left to do is the guest's, or is not done when it is gone */
	e = remote_seize(&r, c->sup, c->tid, c->tgid);
	if (e == 0) {
		/* Whom we hold is who asked, and not a later bearer of its number. */
		if (guest_valid(c)) {
			prefer_path(c, s);
			steer_held(c, s, &r);
		} else {
			remote_interrupt(&r);
			remote_stop(&r);
		}
		remote_release(&r);
	} else if (e == -EPERM) {
		e = steer_traced(c, s);
	} else if (e == -ESRCH) {
		e = 0;
	}
	supervisor_block_end(c->sup);
	return e;
}

/* ---- for handlers ---- */

static void steer_start(struct answer *a, long nr, const uint64_t args[6])
{
	a->kind = ANSWER_STEER;
	memset(&a->steer, 0, sizeof a->steer);
	a->steer.nr = nr;
	memcpy(a->steer.arg, args, sizeof a->steer.arg);
	a->steer.fd[0] = a->steer.fd[1] = -1;
	a->steer.fd_field = -1;
}

int answer_steer_path(struct call *c, struct answer *a, long nr, const uint64_t args[6], int path_arg, int fd, const char *name)
{
	static const char prefix[] = "/proc/self/fd/";
	size_t size = sizeof prefix - 1 + STEER_FD_FIELD_SIZE + 1 + (name ? strlen(name) : 0) + 1;
	_cleanup_close_ int taken = fd;
	char *data = malloc(size);

	(void)c;
	if (!data)
		return -ENOMEM;
	snprintf(data, size, "%s" STEER_FD_FIELD "%s%s", prefix, name ? "/" : "", name ? name : "");
	steer_start(a, nr, args);
	a->steer.data = data;
	a->steer.size = size;
	a->steer.fd_field = sizeof prefix - 1;
	a->steer.fd[0] = TAKE_FD(taken);
	a->steer.arg[path_arg] = 0;
	a->steer.relative = 1U << path_arg;
	return 0;
}

int answer_steer_fd(struct call *c, struct answer *a, long nr, const uint64_t args[6], int fd_arg, int fd)
{
	(void)c;
	steer_start(a, nr, args);
	a->steer.fd[0] = fd;
	a->steer.arg[fd_arg] = 0;
	a->steer.is_fd = 1U << fd_arg;
	return 0;
}
