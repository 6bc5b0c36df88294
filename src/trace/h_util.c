/* h_util.c - what several handlers share; see h_util.h. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "base/path.h"
#include "base/sys.h"
#include "guest.h"
#include "h_util.h"
#include "supervisor.h"

int place_read(const struct call *c, int dirfd, uint64_t addr, bool empty_ok, struct place *ret)
{
	return guest_at(c, dirfd, addr, empty_ok, ret->path, ret->dir, &ret->at);
}

static bool kernel_takes_null(void)
{
	static _Atomic int known; /* 0: not asked yet, 1: no, 2: yes */
	int k = atomic_load_explicit(&known, memory_order_relaxed);
	struct statx sx;
	if (k == 0) {
		k = syscall(__NR_statx, AT_FDCWD, NULL, AT_EMPTY_PATH, STATX_TYPE, &sx) == 0 ? 2 : 1;
		atomic_store_explicit(&known, k, memory_order_relaxed);
	}
	return k == 2;
}

int place_read_null(const struct call *c, int dirfd, uint64_t addr, unsigned at_flags, struct place *ret)
{
	if (addr || !(at_flags & AT_EMPTY_PATH) || !kernel_takes_null())
		return place_read(c, dirfd, addr, at_flags & AT_EMPTY_PATH, ret);
	ret->at = AT_VIEW("");
	strcpy(ret->dir, "/");
	int r = dirfd == AT_FDCWD ? guest_dir(c, dirfd, ret->dir, sizeof ret->dir) : 0;
	ret->at.dir.s = ret->dir;
	return r < 0 ? r : 0;
}

int place_text(const struct call *c, const char *text, struct place *ret)
{
	if (!*text)
		return -ENOENT;
	ret->at = AT_VIEW(text);
	if (*text == '/')
		return 0;
	int r = guest_dir(c, AT_FDCWD, ret->dir, sizeof ret->dir);
	if (r < 0)
		return r;
	ret->at.dir.s = ret->dir;
	return 0;
}

int target_fd(struct call *c, const struct caller *who, int fd, enum target_fd_how how, struct object *ret)
{
	_cleanup_close_ int dup = guest_fd(c, fd);
	if (dup < 0)
		return dup;
	if (how == TARGET_FILE_FD) {
		int fl = fcntl(dup, F_GETFL);
		if (fl < 0 || (fl & O_PATH))
			return -EBADF;
	}
	return overlay_lookup_fd_take(c->ov, who, &dup, ret);
}

int target_place(struct call *c, const struct caller *who, int dirfd, const struct place *p, unsigned at_flags, struct object *ret)
{
	unsigned lookup = at_flags & AT_SYMLINK_NOFOLLOW ? LOOKUP_NOFOLLOW : 0;
	if (*p->at.path)
		return overlay_lookup(c->ov, who, p->at, lookup, ret);
	if (dirfd != AT_FDCWD)
		return target_fd(c, who, dirfd, TARGET_ANY_FD, ret);
	return overlay_lookup(c->ov, who, p->at, lookup | LOOKUP_EMPTY_PATH, ret);
}

int target_find(struct call *c, const struct caller *who, int dirfd, uint64_t addr, unsigned at_flags, struct object *ret)
{
	struct place p;
	int r = place_read(c, dirfd, addr, at_flags & AT_EMPTY_PATH, &p);
	return r < 0 ? r : target_place(c, who, dirfd, &p, at_flags, ret);
}

/* (a) An absolute path is resolved here as the guest's kernel would, magic "self" links apart, which then lead elsewhere and differ.
 *     Not so when the text is ours (see guest_at).
 * (b) A relative one starts at the guest's own directory, which may be a layer's. It is the host's when no layer touches it, or when the
 *     object is found below it without any link; not so once a guest was let into a mirror (answer_steer_mirror). */
bool place_is_native(const struct call *c, const struct at *at, const struct object *o, bool nofollow)
{
	char full[PATH_MAX];
	const char *text = at->path;
	if ((o->where != OBJECT_HOST && o->where != OBJECT_MERGED) || !*at->dir.s)
		return false;
	if (*text != '/') {
		if (atomic_load(&c->sup->mirrors_lent) || path_join(full, sizeof full, at->dir.s, at->path) < 0)
			return false;
		text = full;
		if (strcmp(full, o->view) && !overlay_untouched(c->ov, at->dir))
			return false;
	}
	if (!strcmp(text, o->real))
		return true;
	struct stat st;
	return sys_fstatat(AT_FDCWD, text, &st, nofollow ? AT_SYMLINK_NOFOLLOW : 0) >= 0 && st.st_dev == o->st.st_dev &&
	       st.st_ino == o->st.st_ino;
}

bool place_is_own_link(const struct call *c, const char *text, const struct object *o, bool nofollow)
{
	struct stat st, real;
	const char *rest;
	if (!path_below(text, "/proc/self", &rest) && !path_below(text, "/proc/thread-self", &rest))
		return false;
	int dir = guest_proc_fd(c);
	if (dir < 0 || !*rest || sys_fstat(o->fd, &real) < 0)
		return false;
	_cleanup_cred_ int own = cred_own_begin(); /* who changed ids without an exec is not dumpable */
	return sys_fstatat(dir, rest + strspn(rest, "/"), &st, nofollow ? AT_SYMLINK_NOFOLLOW : 0) >= 0 && st.st_dev == real.st_dev &&
	       st.st_ino == real.st_ino;
}

int answer_steer_text(struct answer *a, long nr, const uint64_t args[6], int path_arg, const char *path)
{
	struct steer s = { .nr = nr, .relative = 1u << path_arg, .fd = { -1, -1 }, .fd_field = -1 };
	memcpy(s.arg, args, sizeof s.arg);
	s.arg[path_arg] = 0;
	s.size = strlen(path) + 1;
	s.data = strdup(path);
	if (!s.data)
		return -ENOMEM;
	a->kind = ANSWER_STEER;
	a->steer = s;
	return 0;
}

int answer_steer_object(struct call *c, struct answer *a, long nr, const uint64_t args[6], int path_arg, const struct object *o)
{
	char dir[PATH_MAX];
	const char *name = path_split(o->real, dir, sizeof dir);
	int fd;
	if (!*o->real) /* too long to say */
		return answer_errno(a, ENAMETOOLONG);
	if (!name || !*name)
		return answer_steer_text(a, nr, args, path_arg, o->real);
	{
		/* The way to the layer is the store's, which a guest of another user may not search. */
		_cleanup_cred_ int own = cred_own_begin();
		fd = sys_openat2(AT_FDCWD, dir, O_RDONLY | LENT_FLAG | O_DIRECTORY | O_CLOEXEC, 0, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
	}
	if (fd < 0)
		return answer_steer_text(a, nr, args, path_arg, o->real);
	return answer_steer_path(c, a, nr, args, path_arg, fd, name);
}

int object_lend(const struct call *c, const struct object *o)
{
	bool readable = object_access(c->ov, o, R_OK, AT_EACCESS) == 0, is_dir = S_ISDIR(o->st.st_mode);
	/* A directory of the host the guest lists by itself. */
	if (!readable && !(is_dir && o->where == OBJECT_LAYER))
		return -EACCES;
	if (!is_dir && !S_ISREG(o->st.st_mode))
		return -EACCES;
	_cleanup_cred_ int own = cred_own_begin();
	return sys_reopen(o->fd, O_RDONLY | O_NONBLOCK | O_CLOEXEC | (readable ? 0 : LENT_FLAG), 0);
}

bool guest_reaches(const struct call *c, const struct object *o)
{
	struct stat st;
	if (o->where == OBJECT_LAYER || o->where == OBJECT_ANON || (cred_process_is_root() && atomic_load(&c->sup->ids_gen) == 0))
		return true;
	return sys_fstatat(AT_FDCWD, o->real, &st, AT_SYMLINK_NOFOLLOW) != -EACCES;
}

int answer_steer_mirror(struct call *c, struct answer *a, const struct caller *who, long nr, const uint64_t args[6], int arg, struct object *o)
{
	char real[PATH_MAX];
	int fd = object_open_mirror(c->ov, who, o, LENT_FLAG);
	if (fd < 0 && fd != -EACCES)
		return answer_errno(a, fd);
	atomic_store(&c->sup->mirrors_lent, true);
	if (fd >= 0)
		return nr == __NR_fchdir ? answer_steer_fd(c, a, nr, args, arg, fd) : answer_steer_path(c, a, nr, args, arg, fd, NULL);
	/* It may be searched, but not read; where that is so for us too, the guest is the same user and can walk to it. */
	if (o->meta_fd < 0 || fd_real_path(o->meta_fd, real, sizeof real) < 0)
		return answer_errno(a, EACCES);
	return answer_steer_text(a, nr == __NR_fchdir ? __NR_chdir : nr, args, arg, real);
}

struct pending {
	unsigned long long thread, process, blocked;
	unsigned threads;
};

static int pending_read(pid_t tid, struct pending *ret)
{
	char name[40], line[256];
	snprintf(name, sizeof name, "/proc/%d/status", (int)tid);
	_cleanup_fclose_ FILE *f = fopen(name, "re");
	if (!f)
		return -ESRCH;
	struct pending p = { 0 };
	while (fgets(line, sizeof line, f))
		if (sscanf(line, "Threads: %u", &p.threads) != 1 && sscanf(line, "SigPnd: %llx", &p.thread) != 1 &&
		    sscanf(line, "ShdPnd: %llx", &p.process) != 1 && sscanf(line, "SigBlk: %llx", &p.blocked) == 1)
			break;
	*ret = p;
	return 0;
}

/* A thread that waits for our answer takes no signal but a fatal one (WAIT_KILLABLE_RECV). So what may block is tried without
 * blocking, and between the tries we look whether a signal waits. When one does, the thread is marked to handle it before it returns, and
 * the kernel's own restart code is right for it. Of a signal sent to a process with several threads we cannot tell which of them is
 * marked: when nobody took it for a while, plain EINTR is the answer that depends on nothing. */
int guest_pause(const struct call *c, unsigned *turn, int fd)
{
	enum { SHORT_TURNS = 8, SHARED_TURNS = 20, CROWD = 64 };
	unsigned n = (*turn)++, others = atomic_load(&c->sup->blocked);
	/* Each wait holds a worker. Many of them look more seldom; too many would leave none for the other guests, so no more may begin. */
	struct timespec ts = { .tv_nsec = n < SHORT_TURNS ? 50000L << n : others > CROWD ? 100000000L : 10000000L };
	struct pollfd ready = { .fd = fd, .events = POLLOUT };
	struct pending p;
	if (others >= SUPERVISOR_BLOCKED_MAX)
		return -ENFILE;
	supervisor_block_begin(c->sup);
	/* It holds a descriptor of the guest's, which is its last end perhaps, so that others wait for it, for this moment, when the guest is gone; but not all
	 * of them for many. */
	if (others > CROWD)
		inflight_leave(c);
	ppoll(&ready, 1, &ts, NULL);
	supervisor_block_end(c->sup);
	if (!guest_valid(c) || !inflight_enter(c) || pending_read(c->tid, &p) < 0)
		return -ESRCH;
	if (p.thread & ~p.blocked)
		return -ERESTARTSYS;
	if (!(p.process & ~p.blocked))
		return 0;
	if (p.threads == 1)
		return -ERESTARTSYS;
	return n >= SHARED_TURNS ? -EINTR : 0;
}
