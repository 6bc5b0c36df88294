#include "guest.h"
#include "process_stat.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include <fcntl.h>

#include "exec_cache.h"

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL
#endif

#define SHARDS 64

struct guest {
	struct guest *next;
	pid_t tid, tgid;
	int pidfd;              /* pidfd: of the thread, or of the process (see by_process) */
	bool by_process;        /* by_process: (I2) applies */
	bool listed;            /* listed: still in the table */
	_Atomic int procfd;     /* procfd: /proc/TID, -1 until needed */
	unsigned refs;          /* refs: guarded by the shard's lock; the table holds one */
	_Atomic int umask;      /* umask: of the process; -1 unknown. Meaningful in the leader's entry */
	unsigned cred_gen;      /* cred_gen: supervisor's ids_gen that cred was read at; used by the thread's own worker only */
	struct cred *cred;
	_Atomic uint64_t comm[2]; /* comm: of the process, 16 bytes; the first word 0: unknown. For people only: halves may disagree */
	uint64_t used;          /* used: a clock, for eviction */
};

struct shard {
	pthread_mutex_t lock;
	struct guest *first;
	unsigned count;
};

struct guest_table {
	struct shard shard[SHARDS];
	unsigned per_shard;
	_Atomic uint64_t clock;
	_Atomic bool umask_shared, files_shared;
};

int guest_table_new(struct guest_table **ret)
{
	struct guest_table *t = calloc(1, sizeof *t);
	struct rlimit lim;

	if (!t)
		return -ENOMEM;
	for (int i = 0; i < SHARDS; i++)
		pthread_mutex_init(&t->shard[i].lock, NULL);
	/* At most half of our descriptors, two an entry. */
	t->per_shard = 16;
	if (getrlimit(RLIMIT_NOFILE, &lim) == 0 && lim.rlim_cur / (4 * SHARDS) < t->per_shard)
		t->per_shard = lim.rlim_cur / (4 * SHARDS) < 2 ? 2 : (unsigned)(lim.rlim_cur / (4 * SHARDS));
	*ret = t;
	return 0;
}

static void guest_destroy(struct guest *g)
{
	int procfd = atomic_load(&g->procfd);

	if (g->pidfd >= 0)
		close(g->pidfd);
	if (procfd >= 0)
		close(procfd);
	free(g->cred);
	free(g);
}

void guest_table_free(struct guest_table *t)
{
	if (!t)
		return;
	for (int i = 0; i < SHARDS; i++) {
		for (struct guest *g = t->shard[i].first, *next; g; g = next) {
			next = g->next;
			guest_destroy(g);
		}
		pthread_mutex_destroy(&t->shard[i].lock);
	}
	free(t);
}

static struct shard *shard_of(struct guest_table *t, pid_t tid)
{
	return &t->shard[(unsigned)tid % SHARDS];
}

static bool guest_alive(const struct guest *g)
{
	struct pollfd p = { .fd = g->pidfd, .events = POLLIN };

	if (poll(&p, 1, 0) != 0)
		return false;
	if (!g->by_process || g->tid == g->tgid)
		return true;
	return syscall(SYS_tgkill, g->tgid, g->tid, 0) == 0 || errno == EPERM;
}

/* Takes g out of the list; the shard's lock is held. The caller drops the table's reference. */
static void shard_unlink(struct shard *s, struct guest *g)
{
	struct guest **at = &s->first;

	while (*at && *at != g)
		at = &(*at)->next;
	if (*at) {
		*at = g->next;
		s->count--;
	}
	g->next = NULL;
	g->listed = false;
}

static void guest_unref_locked(struct guest *g)
{
	if (--g->refs == 0)
		guest_destroy(g);
}

void guest_put(struct supervisor *sup, struct guest *g)
{
	struct shard *s;

	if (!g)
		return;
	s = shard_of(sup->guests, g->tid);
	pthread_mutex_lock(&s->lock);
	guest_unref_locked(g);
	pthread_mutex_unlock(&s->lock);
}

pid_t guest_tgid(const struct guest *g)
{
	return g->tgid;
}

/* ---- /proc/PID/status ---- */

static const char *status_field(const char *text, const char *name)
{
	size_t n = strlen(name);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		if (*line == '\n')
			line++;
		if (strncmp(line, name, n) == 0)
			return line + n;
	}
	return NULL;
}

static void status_groups(const char *p, struct cred *ret)
{
	char *end;

	ret->ngroups = 0;
	while (p && *p && *p != '\n' && ret->ngroups < CRED_GROUPS_MAX) {
		unsigned long v = strtoul(p, &end, 10);

		if (end == p)
			break;
		ret->groups[ret->ngroups++] = (gid_t)v;
		for (p = end; *p == ' ' || *p == '\t'; p++)
			;
	}
}

int guest_read_status(pid_t tid, struct guest_status *ret)
{
	char name[40], text[8192];
	const char *p;
	_cleanup_close_ int fd = -1;
	ssize_t n, have = 0;
	unsigned a, b, c, d;

	snprintf(name, sizeof name, "/proc/%d/status", tid);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -ESRCH;
	while ((n = read(fd, text + have, sizeof text - 1 - (size_t)have)) > 0)
		have += n;
	if (have == 0)
		return -ESRCH;
	text[have] = '\0';

	memset(ret, 0, sizeof *ret);
	ret->umask = -1;
	if ((p = status_field(text, "Umask:")))
		ret->umask = (int)strtol(p, NULL, 8);
	if ((p = status_field(text, "Tgid:")))
		ret->tgid = atoi(p);
	if ((p = status_field(text, "PPid:")))
		ret->ppid = atoi(p);
	if ((p = status_field(text, "TracerPid:")))
		ret->tracer = atoi(p);
	if (!(p = status_field(text, "Uid:")) || sscanf(p, "%u %u %u %u", &a, &b, &c, &d) != 4)
		return -ESRCH;
	ret->cred.uid = a;
	ret->cred.fsuid = d;
	if (!(p = status_field(text, "Gid:")) || sscanf(p, "%u %u %u %u", &a, &b, &c, &d) != 4)
		return -ESRCH;
	ret->cred.gid = a;
	ret->cred.fsgid = d;
	status_groups(status_field(text, "Groups:"), &ret->cred);
	return ret->tgid > 0 ? 0 : -ESRCH;
}

/* ---- entries ---- */

static int guest_identify(struct guest *g)
{
	struct guest_status st;

	/* A plain pidfd can be had of a thread group's leader only. */
	g->pidfd = (int)syscall(SYS_pidfd_open, g->tid, 0);
	if (g->pidfd >= 0) {
		g->tgid = g->tid;
		return 0;
	}
	if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
		return -errno;
	g->pidfd = (int)syscall(SYS_pidfd_open, g->tid, PIDFD_THREAD);
	if (guest_read_status(g->tid, &st) < 0)
		return -ESRCH;
	g->tgid = st.tgid;
	if (g->pidfd >= 0)
		return 0;
	g->by_process = true;
	g->pidfd = (int)syscall(SYS_pidfd_open, g->tgid, 0);
	return g->pidfd >= 0 ? 0 : -errno;
}

static struct guest *guest_new(pid_t tid)
{
	struct guest *g = calloc(1, sizeof *g);

	if (!g)
		return NULL;
	g->tid = tid;
	g->pidfd = -1;
	atomic_init(&g->procfd, -1);
	atomic_init(&g->umask, -1);
	g->refs = 1;
	if (guest_identify(g) < 0 || !guest_alive(g)) {
		guest_destroy(g);
		return NULL;
	}
	return g;
}

/* Makes room in a full shard: the dead go, else the one used longest ago that nobody holds. The lock is held. */
static void shard_evict(struct shard *s)
{
	struct guest *oldest = NULL;

	for (struct guest *g = s->first, *next; g; g = next) {
		next = g->next;
		if (g->refs > 1)
			continue;
		if (!guest_alive(g)) {
			shard_unlink(s, g);
			guest_unref_locked(g);
		} else if (!oldest || g->used < oldest->used) {
			oldest = g;
		}
	}
	if (oldest && oldest->listed) {
		shard_unlink(s, oldest);
		guest_unref_locked(oldest);
	}
}

static struct guest *shard_find(struct shard *s, pid_t tid)
{
	struct guest *g = s->first;

	while (g && g->tid != tid)
		g = g->next;
	return g;
}

struct guest *guest_get(struct supervisor *sup, pid_t tid)
{
	bool fresh;

	return guest_get_fresh(sup, tid, &fresh);
}

struct guest *guest_get_fresh(struct supervisor *sup, pid_t tid, bool *ret_fresh)
{
	struct guest_table *t = sup->guests;
	struct shard *s = shard_of(t, tid);
	struct guest *g;

	pthread_mutex_lock(&s->lock);
	g = shard_find(s, tid);
	if (g && !guest_alive(g)) {
		shard_unlink(s, g);
		guest_unref_locked(g);
		g = NULL;
	}
	*ret_fresh = !g;
	if (!g) {
		if (s->count >= t->per_shard)
			shard_evict(s);
		g = guest_new(tid);
		if (!g && (errno == EMFILE || errno == ENFILE)) {
			shard_evict(s);
			g = guest_new(tid);
		}
		if (g) {
			g->next = s->first;
			g->listed = true;
			s->first = g;
			s->count++;
		}
	}
	if (g) {
		g->refs++;
		g->used = atomic_fetch_add_explicit(&t->clock, 1, memory_order_relaxed);
	}
	pthread_mutex_unlock(&s->lock);
	return g;
}

/* Copies what is known of gen; false: nothing is. A call that a signal ended may still be at work while the thread's next one is, so by the lock. */
static bool cred_known(struct shard *s, const struct guest *g, unsigned gen, struct cred *ret)
{
	pthread_mutex_lock(&s->lock);
	bool known = g->cred && g->cred_gen == gen;
	if (known)
		*ret = *g->cred;
	pthread_mutex_unlock(&s->lock);
	return known;
}

int guest_cred(struct supervisor *sup, struct guest *g, struct cred *ret)
{
	struct shard *s = shard_of(sup->guests, g->tid);
	unsigned gen = atomic_load(&sup->ids_gen);
	struct guest_status st;
	int r;

	if (cred_known(s, g, gen, ret))
		return 0;
	r = guest_read_status(g->tid, &st);
	if (r < 0)
		return r;
	pthread_mutex_lock(&s->lock);
	if (!g->cred)
		g->cred = malloc(sizeof *g->cred);
	if (g->cred) {
		*g->cred = st.cred;
		g->cred_gen = gen;
	}
	pthread_mutex_unlock(&s->lock);
	*ret = st.cred;
	return 0;
}

void guest_ids_changed(struct supervisor *sup)
{
	atomic_fetch_add(&sup->ids_gen, 1);
}

void guest_execed(const struct call *c)
{
	struct guest *g = guest_get(c->sup, c->tgid);

	if (g) {
		atomic_store(&g->comm[0], 0);
		guest_put(c->sup, g);
	}
}

void guest_fs_shared(struct supervisor *sup)
{
	atomic_store(&sup->guests->umask_shared, true);
}

void guest_files_shared(struct supervisor *sup)
{
	atomic_store(&sup->guests->files_shared, true);
}

bool guest_files_may_change(const struct call *c)
{
	enum { NLINK_ALONE = 3 };       /* of /proc/TID/task: a directory's two and one a thread */
	int dir = guest_proc_fd(c);
	struct stat st;

	return atomic_load(&c->sup->guests->files_shared) || dir < 0 || fstatat(dir, "task", &st, 0) < 0 || st.st_nlink != NLINK_ALONE;
}

void guest_umask_changed(struct call *c, mode_t mask)
{
	struct guest *g = guest_get(c->sup, c->tgid);

	if (g) {
		atomic_store(&g->umask, (int)(mask & 0777));
		guest_put(c->sup, g);
	}
}

static mode_t guest_umask(const struct call *c, struct guest *leader)
{
	struct guest_status st;
	int mask = leader ? atomic_load(&leader->umask) : -1;

	if (mask >= 0 && !atomic_load(&c->sup->guests->umask_shared))
		return (mode_t)mask;
	/* When the guest died meanwhile, or the kernel is silent, the strictest mask does no harm. */
	if (guest_read_status(c->tid, &st) < 0 || st.umask < 0)
		return 077;
	if (leader)
		atomic_store(&leader->umask, st.umask);
	return (mode_t)st.umask;
}

/* ---- memory ---- */

/* process_vm_* refuse where the memory is fine but unmapped for us in part; /proc/TID/mem serves what they cannot (I/O on VM_IO). */
static ssize_t mem_file(const struct call *c, uint64_t addr, void *buf, size_t size, bool write)
{
	char name[40];
	_cleanup_close_ int fd = -1;
	ssize_t n;

	snprintf(name, sizeof name, "/proc/%d/mem", c->tid);
	fd = open(name, (write ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
	if (fd < 0 || !guest_valid(c))
		return -EFAULT;
	n = write ? pwrite(fd, buf, size, (off_t)addr) : pread(fd, buf, size, (off_t)addr);
	return n > 0 ? n : -EFAULT;
}

ssize_t guest_read_some(const struct call *c, uint64_t addr, void *buf, size_t size)
{
	struct iovec local = { buf, size }, remote = { (void *)(uintptr_t)addr, size };
	ssize_t n;

	if (size == 0)
		return 0;
	/* A page may never answer. */
	inflight_leave(c);
	n = process_vm_readv(c->tid, &local, 1, &remote, 1, 0);
	if (n < 0 && (errno == ENOSYS || errno == EPERM))
		n = mem_file(c, addr, buf, size, false);
	return inflight_enter(c) && n > 0 ? n : -EFAULT;
}

int guest_read(const struct call *c, uint64_t addr, void *buf, size_t size)
{
	size_t done = 0;

	/* A short count ends at an unmapped page, or at an iovec boundary of the kernel's: the second try tells. */
	while (done < size) {
		ssize_t n = guest_read_some(c, addr + done, (char *)buf + done, size - done);

		if (n <= 0)
			return -EFAULT;
		done += (size_t)n;
	}
	return 0;
}

int guest_write(const struct call *c, uint64_t addr, const void *buf, size_t size)
{
	size_t done = 0;

	inflight_leave(c);
	while (done < size) {
		struct iovec local = { (char *)(uintptr_t)buf + done, size - done };
		struct iovec remote = { (void *)(uintptr_t)(addr + done), size - done };
		ssize_t n = process_vm_writev(c->tid, &local, 1, &remote, 1, 0);

		/* No way through /proc/TID/mem here: it would write to read-only pages too. */
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return inflight_enter(c) && done == size ? 0 : -EFAULT;
}

int guest_read_string(const struct call *c, uint64_t addr, char *buf, size_t size)
{
	size_t done = 0, step = 256;

	while (done < size) {
		size_t want = 4096 - ((addr + done) & 4095);
		const char *nul;
		ssize_t n;

		/* Most strings are short: do not copy a page for each. Never past a page in one go, as the next may be unmapped. */
		if (want > step)
			want = step;
		if (want > size - done)
			want = size - done;
		n = guest_read_some(c, addr + done, buf + done, want);
		if (n <= 0)
			return -EFAULT;
		nul = memchr(buf + done, '\0', (size_t)n);
		if (nul)
			return (int)(nul - buf);
		done += (size_t)n;
		step = 4096;
	}
	return -ENAMETOOLONG;
}

/* ---- descriptors and directories ---- */

bool guest_valid(const struct call *c)
{
	return supervisor_waits(c->sup, c->id);
}

int guest_fd(const struct call *c, int fd)
{
	const struct guest *g = work_of(c)->guest;
	int r;

	if (fd < 0 || !g)
		return -EBADF;
	r = (int)syscall(SYS_pidfd_getfd, g->pidfd, fd, 0);
	if (r >= 0)
		return r;
	return errno == ESRCH ? -EBADF : -errno;
}

int guest_proc_fd(const struct call *c)
{
	struct guest *g = work_of(c)->guest;
	char name[32];
	int fd, none = -1;

	if (!g)
		return -ESRCH;
	fd = atomic_load(&g->procfd);
	if (fd >= 0)
		return fd;
	snprintf(name, sizeof name, "/proc/%d", c->tid);
	fd = open(name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (!guest_valid(c)) {
		close(fd);
		return -ESRCH;
	}
	if (!atomic_compare_exchange_strong(&g->procfd, &none, fd)) {
		close(fd);
		fd = none;
	}
	return fd;
}

/* A link of procfs that the caller was found to be allowed to read: with our rights, since who has changed ids without an exec is not dumpable, and
 * its /proc/TID/fd root's. */
static int read_proc_link(int dir, const char *name, char *ret, size_t size)
{
	_cleanup_cred_ int own = cred_own_begin();
	ssize_t n = readlinkat(dir, name, ret, size);

	if (n < 0)
		return -errno;
	if ((size_t)n >= size)
		return -ENAMETOOLONG;
	ret[n] = '\0';
	return (int)n;
}

int guest_readlink(const struct call *c, const char *name, char *ret, size_t size)
{
	int dir = guest_proc_fd(c);

	return dir < 0 ? dir : read_proc_link(dir, name, ret, size);
}

int guest_dir(const struct call *c, int dirfd, char *ret, size_t size)
{
	char name[24] = "cwd", real[PATH_MAX];
	int r;

	if (dirfd != AT_FDCWD) {
		if (dirfd < 0)
			return -EBADF;
		snprintf(name, sizeof name, "fd/%d", dirfd);
	}
	r = guest_readlink(c, name, real, sizeof real);
	if (r < 0)
		return dirfd != AT_FDCWD && (r == -ENOENT || r == -ESRCH) ? -EBADF : r;
	if (real[0] != '/')
		return -ENOTDIR;
	return overlay_view_path(c->ov, real, ret, size);
}

/* A path from a directory that the view has no more. There is nothing in it, but "." is still the directory, and ".." the one it was in.
 * dirbuf: where it would be. */
static int path_from_gone(int dirfd, char *pathbuf, char *dirbuf)
{
	char text[PATH_MAX], up[PATH_MAX];
	const char *rest = pathbuf;
	int n;

	while (rest[0] == '.' && (rest[1] == '/' || !rest[1])) {
		rest++;
		rest += strspn(rest, "/");
	}
	if (!*rest && dirfd == AT_FDCWD)
		n = snprintf(text, sizeof text, "/proc/thread-self/cwd/.");
	else if (!*rest)
		n = snprintf(text, sizeof text, "/proc/thread-self/fd/%d/.", dirfd);
	else if (rest[0] != '.' || rest[1] != '.' || (rest[2] && rest[2] != '/') || dirbuf[0] != '/' || !path_split(dirbuf, up, sizeof up))
		return -ENOENT;
	else
		n = snprintf(text, sizeof text, "%s%s", up[1] ? up : "", rest[2] ? rest + 2 : "/.");
	if (n >= (int)sizeof text)
		return -ENAMETOOLONG;
	memcpy(pathbuf, text, (size_t)n + 1);
	dirbuf[0] = '\0';
	return 0;
}

int guest_at(const struct call *c, int dirfd, uint64_t addr, bool empty_ok, char *pathbuf, char *dirbuf, struct at *ret)
{
	int n = guest_read_string(c, addr, pathbuf, PATH_MAX), r;

	if (n < 0)
		return n;
	if (n == 0 && !empty_ok)
		return -ENOENT;
	strcpy(dirbuf, "/");
	if (pathbuf[0] != '/' && (n > 0 || dirfd == AT_FDCWD)) {
		dirbuf[0] = '\0';
		r = guest_dir(c, dirfd, dirbuf, PATH_MAX);
		if (r == -ENOENT)
			r = path_from_gone(dirfd, pathbuf, dirbuf);
		if (r < 0)
			return r;
	}
	*ret = (struct at){ .dir = { dirbuf }, .path = pathbuf };
	return 0;
}

/* ---- who calls ---- */

static const char *guest_comm(const struct call *c, struct guest *leader)
{
	static _Thread_local union {
		char text[16];
		uint64_t word[2];
	} comm;
	char name[40];
	_cleanup_close_ int fd = -1;
	ssize_t n;

	comm.word[0] = leader ? atomic_load(&leader->comm[0]) : 0;
	comm.word[1] = leader ? atomic_load(&leader->comm[1]) : 0;
	comm.text[15] = '\0';
	if (comm.word[0])
		return comm.text;
	snprintf(name, sizeof name, "/proc/%d/comm", c->tid);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, comm.text, sizeof comm.text);
	n = n > 0 ? n - 1 : 0;
	memset(comm.text + n, 0, sizeof comm.text - (size_t)n);
	if (leader) {
		atomic_store(&leader->comm[1], comm.word[1]);
		atomic_store(&leader->comm[0], comm.word[0]);
	}
	return comm.text;
}

int guest_map_path(struct overlay *ov, const char *real, char *ret, size_t size)
{
	int r = exec_cache_view(ov, real, ret, size);

	return r == -ENXIO ? overlay_view_path(ov, real, ret, size) : r;
}

int guest_may_look_into(const struct call *c, const char *proc_path)
{
	char own[32];
	const char *rest;
	struct stat st;
	int pid;

	/* Whose processes a procfs at another place tells of is not known. */
	if (!path_below(proc_path, "/proc", &rest))
		return -EACCES;
	if (sscanf(rest, "/%d", &pid) != 1)
		return 0;
	if (pid == c->tgid || pid == c->tid)
		return 0;
	if (!guest_is_ours(c->sup, pid))
		return -EACCES;
	if (!cred_process_is_root() || cred_is_root())
		return 0;
	/* We may look into every guest; this one only into those of its own user and group. */
	snprintf(own, sizeof own, "/proc/%d", pid);
	return stat(own, &st) == 0 && st.st_uid == cred_fsuid() && st.st_gid == cred_fsgid() ? 0 : -EACCES;
}

static int guest_magic_link(const struct caller *caller, struct hpath link, char *ret_view, size_t size)
{
	const struct call *c = caller->ctx;
	char own[PATH_MAX], real[PATH_MAX];
	const char *path = link.s, *rest;
	int r;

	/* "self" is the guest, not we. */
	if (path_below(path, "/proc/self", &rest)) {
		snprintf(own, sizeof own, "/proc/%d%s", caller->pid, rest);
		path = own;
	} else if (path_below(path, "/proc/thread-self", &rest)) {
		snprintf(own, sizeof own, "/proc/%d/task/%d%s", caller->pid, caller->tid, rest);
		path = own;
	}
	r = guest_may_look_into(c, path);
	if (r < 0)
		return r;
	r = read_proc_link(AT_FDCWD, path, real, sizeof real);
	if (r < 0)
		return r;
	if (real[0] != '/')
		return -ENXIO;
	r = guest_map_path(c->ov, real, ret_view, size);
	/* What the view no longer has is still behind the link. */
	return r == -ENOENT ? -ENXIO : r;
}

/* Copies wait for one another, and long ones keep a worker: the other guests are served by more of them meanwhile. */
static void guest_wait_begin(const struct caller *caller)
{
	const struct call *c = caller->ctx;

	supervisor_block_begin(c->sup);
	inflight_leave(c);
}

static int guest_wait_end(const struct caller *caller)
{
	const struct call *c = caller->ctx;

	supervisor_block_end(c->sup);
	return inflight_enter(c) ? 0 : -CALLER_GONE;
}

static void guest_look_begin(const struct caller *caller)
{
	inflight_leave(caller->ctx);
}

static int guest_look_end(const struct caller *caller)
{
	return inflight_enter(caller->ctx) ? 0 : -CALLER_GONE;
}

static bool guest_gone(const struct caller *caller)
{
	return !guest_valid(caller->ctx);
}

void guest_caller(const struct call *c, bool want_umask, struct caller *ret)
{
	struct guest *own = work_of(c)->guest;
	struct guest *leader = own && own->tid == c->tgid ? own : guest_get(c->sup, c->tgid);

	memset(ret, 0, sizeof *ret);
	ret->pid = c->tgid;
	ret->tid = c->tid;
	ret->umask = want_umask ? guest_umask(c, leader) : 0;
	ret->comm = guest_comm(c, leader);
	ret->magic_link = guest_magic_link;
	ret->look_begin = guest_look_begin;
	ret->look_end = guest_look_end;
	ret->wait_begin = guest_wait_begin;
	ret->wait_end = guest_wait_end;
	ret->gone = guest_gone;
	ret->ctx = (void *)(uintptr_t)c;
	if (leader != own)
		guest_put(c->sup, leader);
}

static bool is_known(struct supervisor *sup, pid_t pid)
{
	struct shard *s = shard_of(sup->guests, pid);
	struct guest *g;
	bool known;

	pthread_mutex_lock(&s->lock);
	g = shard_find(s, pid);
	known = g && guest_alive(g);
	pthread_mutex_unlock(&s->lock);
	return known;
}

bool guest_is_ours(struct supervisor *sup, pid_t pid)
{
	if (pid <= 0 || pid == sup->reaper || pid == getpid())
		return false;
	if (is_known(sup, pid))
		return true;
	/* Whoever descends from the reaper: it adopts all orphans. A chain longer than this is nobody's. */
	for (int depth = 0; pid > 1 && depth < 4096; depth++) {
		struct process_stat st;

		if (process_stat_read(pid, &st) < 0)
			return false;
		if (st.parent == sup->reaper)
			return true;
		/* Our own children are guests when the reaper was killed, and we adopted them. But a shell that became cowbox by exec has left it
		 * some that are of the host: a guest is one that has called us. */
		if (st.parent == getpid())
			return is_known(sup, pid);
		pid = st.parent;
	}
	return false;
}

uint64_t guest_rlimit(const struct call *c, int resource)
{
	struct rlimit lim;

	if (prlimit(c->tgid, (enum __rlimit_resource)resource, NULL, &lim) < 0)
		return RLIM_INFINITY;
	return lim.rlim_cur;
}
