#include "steer_traced.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "exec.h"
#include "guest.h"
#include "remote.h"
#include "steer.h"

#define STRINGS_MAX 4096

/* The memory of the guest, through a descriptor that stays with the address space when the thread execs out of it: what a vfork child
 * shares with its parent must be put right for the parent. */
struct patch {
	int mem;
	uint64_t addr;
	size_t size;
	char saved[PATH_MAX];
};

static int mem_open(const struct call *c)
{
	char name[40];
	int fd;

	snprintf(name, sizeof name, "/proc/%d/mem", c->tid);
	fd = open(name, O_RDWR | O_CLOEXEC);
	if (fd >= 0 && !guest_valid(c)) {
		close(fd);
		return -ESRCH;
	}
	return fd < 0 ? -errno : fd;
}

static int mem_write(int mem, uint64_t addr, const void *buf, size_t size)
{
	return pwrite(mem, buf, size, (off_t)addr) == (ssize_t)size ? 0 : -EPERM;
}

/* The kernel's line on what the thread is doing, and the stack pointer in it. */
static int syscall_line(pid_t tid, char *line, size_t size, uint64_t *ret_sp)
{
	char name[40];
	_cleanup_close_ int fd = -1;
	unsigned long long sp;
	ssize_t n;
	int fields;

	snprintf(name, sizeof name, "/proc/%d/syscall", tid);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, line, size - 1);
	if (n <= 0)
		return -ESRCH;
	line[n] = '\0';
	fields = sscanf(line, "%*d %*x %*x %*x %*x %*x %*x %llx", &sp);
	if (ret_sp)
		*ret_sp = fields == 1 ? sp : 0;
	return strncmp(line, "running", 7) == 0 ? -EAGAIN : 0;
}

/* True when the thread's working directory is the one that it is being steered to. */
static bool arrived(const struct call *c, const struct steer *s)
{
	struct stat want, is;
	char name[40];

	if (c->nr != SYS_chdir || s->fd[0] < 0)
		return false;
	snprintf(name, sizeof name, "/proc/%d/cwd", c->tid);
	return fstat(s->fd[0], &want) == 0 && stat(name, &is) == 0 && want.st_ino == is.st_ino && want.st_dev == is.st_dev;
}

/* Until the thread has done the call, or is likely to sleep in it with its path long read. A syscall tracer stops it on its way out,
 * where the kernel still shows the call: hence the look at what chdir changes. */
static void wait_left(const struct call *c, const struct steer *s, const char *before)
{
	struct timespec start, now;
	char line[256];

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (unsigned turn = 0;; turn++) {
		/* The cheap look first and often: a tracer needs some 30 us to see the thread stop and to let it go on, and what was
		 * written over must be back by then. The dear one tells of a call that failed. */
		if (arrived(c, s))
			return;
		if (turn % 8 == 7) {
			int e = syscall_line(c->tid, line, sizeof line, NULL);

			if (e == -ESRCH || (e == 0 && strcmp(line, before) != 0))
				return;
		}
		clock_gettime(CLOCK_MONOTONIC, &now);
		if ((now.tv_sec - start.tv_sec) * 1000000000LL + now.tv_nsec - start.tv_nsec > 20000000)
			return;
		if (turn > 2000)
			sched_yield();
	}
}

/* ---- argument strings in the way ---- */

struct mover {
	const struct call *c;
	int mem;
	uint64_t from, to;      /* the range that will be written over */
	uint64_t top;           /* top: free stack ends here; grows down */
};

static int move_string(struct mover *m, uint64_t slot, uint64_t ptr)
{
	char text[PATH_MAX];
	int n;

	if (ptr >= m->to || ptr + PATH_MAX <= m->from)
		return 0;
	n = guest_read_string(m->c, ptr, text, sizeof text);
	if (n < 0)
		return ptr >= m->from ? -EPERM : 0;
	if (ptr + (uint64_t)n < m->from)
		return 0;
	m->top -= (uint64_t)n + 1;
	if (mem_write(m->mem, m->top, text, (size_t)n + 1) < 0)
		return -EPERM;
	return mem_write(m->mem, slot, &m->top, sizeof m->top);
}

static int move_strings(struct mover *m, uint64_t vector)
{
	for (int i = 0; vector && i < STRINGS_MAX; i++, vector += sizeof(uint64_t)) {
		uint64_t ptr;
		int e;

		if (guest_read(m->c, vector, &ptr, sizeof ptr) < 0)
			return -EPERM;
		if (!ptr)
			return 0;
		/* The vector itself is in the way: too tangled. */
		if (vector < m->to && vector + sizeof ptr > m->from)
			return -EPERM;
		e = move_string(m, vector, ptr);
		if (e < 0)
			return e;
	}
	return vector ? -EPERM : 0;
}

static int clear_for_exec(const struct call *c, int mem, uint64_t from, size_t size, uint64_t sp)
{
	struct mover m = { .c = c, .mem = mem, .from = from, .to = from + size, .top = sp - 256 };
	int first = c->nr == SYS_execveat ? 2 : 1, e;

	if (!sp)
		return -EPERM;
	e = move_strings(&m, c->arg[first]);
	return e < 0 ? e : move_strings(&m, c->arg[first + 1]);
}

/* ---- the path that is to stand there ---- */

/* Puts a directory into the guest and writes the shortest path to the object. Returns its length. */
static int path_through_fd(const struct call *c, int fd, bool cloexec, const char *name, char *ret, size_t size)
{
	int number = supervisor_addfd(c, fd, cloexec), n;

	if (number < 0)
		return number;
	n = snprintf(ret, size, "/proc/self/fd/%d%s%s", number, name ? "/" : "", name ? name : "");
	return n < (int)size ? n : -ENAMETOOLONG;
}

static int exec_path(const struct call *c, const struct exec_fix *f, char *ret, size_t size)
{
	char dir[PATH_MAX];
	const char *name;
	_cleanup_close_ int fd = -1;

	if (!f->native)
		return -EPERM;
	name = path_split(f->native, dir, sizeof dir);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -EPERM;
	/* A script's interpreter opens it by the same path, so the descriptor stays. */
	return path_through_fd(c, fd, !f->script, name, ret, size);
}

static int wanted_path(const struct call *c, const struct steer *s, char *ret, size_t size)
{
	int from = steer_path_arg(s->nr);

	if (s->exec)
		return exec_path(c, s->exec, ret, size);
	if (s->nr == SYS_fchdir && s->fd[0] >= 0)
		return path_through_fd(c, s->fd[0], true, NULL, ret, size);
	if (from < 0 || !(s->relative & 1U << from) || s->arg[from] >= s->size)
		return -EPERM;
	if (s->fd_field >= 0 && s->fd[0] >= 0) {
		const char *name = strchr(s->data + s->fd_field + STEER_FD_FIELD_SIZE, '/');

		return path_through_fd(c, s->fd[0], true, name ? name + 1 : NULL, ret, size);
	}
	return snprintf(ret, size, "%s", s->data + s->arg[from]);
}

/* The guest's own call goes on, with its own flags: those in a register stay what they are, those of openat2 do not. */
static bool flags_safe(const struct call *c)
{
	switch (c->nr) {
	case SYS_open:
		return c->arg[1] & O_PATH;
	case SYS_openat:
		return c->arg[2] & O_PATH;
	case SYS_openat2: case SYS_creat:
		return false;
	default:
		return true;
	}
}

static int traced_write(const struct call *c, struct steer *s, struct patch *p, char *line, size_t line_size)
{
	char path[PATH_MAX];
	int at = steer_path_arg(c->nr), e, n;
	uint64_t sp;

	if (at < 0 || !flags_safe(c))
		return -EPERM;
	e = syscall_line(c->tid, line, line_size, &sp);
	if (e < 0)
		return -EPERM;
	n = wanted_path(c, s, path, sizeof path);
	if (n < 0)
		return n;
	p->addr = c->arg[at];
	p->size = (size_t)n + 1;
	/* What exec overwrites is thrown away. Any other call goes on with its memory, and nobody can tell us in time when the kernel has
	 * read the path: so only the string itself may be written over, never what stands behind it. */
	if (!s->exec) {
		char own[PATH_MAX];
		int have = guest_read_string(c, p->addr, own, sizeof own);
		if (have < n)
			return -EPERM;
	}
	p->mem = mem_open(c);
	if (p->mem < 0)
		return -EPERM;
	if (guest_read(c, p->addr, p->saved, p->size) < 0)
		return -EPERM;
	if (s->exec) {
		e = clear_for_exec(c, p->mem, p->addr, p->size, sp);
		if (e < 0)
			return e;
	}
	return mem_write(p->mem, p->addr, path, p->size);
}

int steer_traced(const struct call *c, struct steer *s)
{
	struct patch p = { .mem = -1 };
	char line[256];
	int e;

	/* Another worker of ours holds it: this notification is of an earlier life of the same call. */
	if (steer_table_has(c->sup->steered, c->tid))
		return 0;
	/* The kernel also says EPERM of a thread that is dying. */
	if (!guest_valid(c))
		return 0;
	if (arrived(c, s)) {
		supervisor_send(c, 0, 0, false);
		return 0;
	}
	e = traced_write(c, s, &p, line, sizeof line);
	if (e == 0) {
		supervisor_send(c, 0, 0, true);
		wait_left(c, s, line);
		mem_write(p.mem, p.addr, p.saved, p.size);
	} else if (e == -EPERM) {
		supervisor_refused(c, "a call of a thread that is being debugged", NULL, EPERM);
	}
	fd_closep(&p.mem);
	return e;
}
