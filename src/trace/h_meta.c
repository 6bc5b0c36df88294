/* h_meta.c - calls that change an object's metadata or length by path or by descriptor: chmod, chown, the utime family, truncate. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>
#include <utime.h>
#include "h_util.h"

/* The object of a call that names it by descriptor alone. */
static int file_of_fd(struct call *c, struct caller *who, int fd, struct object *ret)
{
	guest_caller(c, false, who);
	return target_fd(c, who, fd, TARGET_FILE_FD, ret);
}

static int file_of_path(struct call *c, struct caller *who, int dirfd, uint64_t path, unsigned at_flags, struct object *ret)
{
	guest_caller(c, false, who);
	return target_find(c, who, dirfd, path, at_flags, ret);
}

/* ---- chmod ---- */

static int chmod_object(struct call *c, struct answer *a, const struct caller *who, int found, struct object *o, uint64_t mode)
{
	if (found >= 0 && S_ISLNK(o->st.st_mode))
		found = -EOPNOTSUPP;
	if (found >= 0)
		found = object_chmod(c->ov, who, o, (mode_t)mode & 07777);
	return answer_done(a, found);
}

static int chmod_at(struct call *c, struct answer *a, int dirfd, uint64_t path, uint64_t mode, unsigned flags)
{
	struct caller who;
	_cleanup_object_ struct object o;
	object_init(&o);
	if (flags & ~(unsigned)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return answer_errno(a, EINVAL);
	int r = file_of_path(c, &who, dirfd, path, flags, &o);
	return chmod_object(c, a, &who, r, &o, mode);
}

int h_chmod(struct call *c, struct answer *a)
{
	return chmod_at(c, a, AT_FDCWD, c->arg[0], c->arg[1], 0);
}
int h_fchmodat(struct call *c, struct answer *a)
{
	return chmod_at(c, a, arg_int(c, 0), c->arg[1], c->arg[2], 0);
}
int h_fchmodat2(struct call *c, struct answer *a)
{
	return chmod_at(c, a, arg_int(c, 0), c->arg[1], c->arg[2], arg_uint(c, 3));
}

int h_fchmod(struct call *c, struct answer *a)
{
	struct caller who;
	_cleanup_object_ struct object o;
	object_init(&o);
	int r = file_of_fd(c, &who, arg_int(c, 0), &o);
	return chmod_object(c, a, &who, r, &o, c->arg[1]);
}

/* ---- chown ---- */

static int chown_at(struct call *c, struct answer *a, int dirfd, uint64_t path, uint64_t uid, uint64_t gid, unsigned flags)
{
	struct caller who;
	_cleanup_object_ struct object o;
	object_init(&o);
	if (flags & ~(unsigned)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return answer_errno(a, EINVAL);
	int r = file_of_path(c, &who, dirfd, path, flags, &o);
	if (r >= 0)
		r = object_chown(c->ov, &who, &o, (uid_t)uid, (gid_t)gid);
	return answer_done(a, r);
}

int h_chown(struct call *c, struct answer *a)
{
	return chown_at(c, a, AT_FDCWD, c->arg[0], c->arg[1], c->arg[2], 0);
}
int h_lchown(struct call *c, struct answer *a)
{
	return chown_at(c, a, AT_FDCWD, c->arg[0], c->arg[1], c->arg[2], AT_SYMLINK_NOFOLLOW);
}
int h_fchownat(struct call *c, struct answer *a)
{
	return chown_at(c, a, arg_int(c, 0), c->arg[1], c->arg[2], c->arg[3], arg_uint(c, 4));
}

int h_fchown(struct call *c, struct answer *a)
{
	struct caller who;
	_cleanup_object_ struct object o;
	object_init(&o);
	int r = file_of_fd(c, &who, arg_int(c, 0), &o);
	if (r >= 0)
		r = object_chown(c->ov, &who, &o, (uid_t)c->arg[1], (gid_t)c->arg[2]);
	return answer_done(a, r);
}

/* ---- times ---- */

static bool nsec_valid(const struct timespec *ts)
{
	return ts->tv_nsec == UTIME_NOW || ts->tv_nsec == UTIME_OMIT || (ts->tv_nsec >= 0 && ts->tv_nsec < 1000000000L);
}

/* Both now is NULL, which asks for less right (write permission is enough) than two times do. */
static int utimens_object(struct call *c, struct answer *a, const struct caller *who, int found, struct object *o,
                          const struct timespec *ts)
{
	if (ts && ts[0].tv_nsec == UTIME_NOW && ts[1].tv_nsec == UTIME_NOW)
		ts = NULL;
	if (found >= 0 && ts && (!nsec_valid(&ts[0]) || !nsec_valid(&ts[1])))
		found = -EINVAL;
	if (found >= 0)
		found = object_utimens(c->ov, who, o, ts);
	return answer_done(a, found);
}

static int utimens_at(struct call *c, struct answer *a, int dirfd, uint64_t path, const struct timespec *ts, unsigned flags)
{
	struct caller who;
	int r;
	_cleanup_object_ struct object o;
	object_init(&o);
	bool by_fd = !path && dirfd != AT_FDCWD; /* futimens and futimes */
	if (by_fd ? flags : flags & ~(unsigned)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return answer_errno(a, EINVAL);
	if (by_fd)
		r = file_of_fd(c, &who, dirfd, &o);
	else
		r = file_of_path(c, &who, dirfd, path, flags, &o);
	return utimens_object(c, a, &who, r, &o, ts);
}

int h_utimensat(struct call *c, struct answer *a)
{
	struct timespec ts[2];
	if (!c->arg[2])
		return utimens_at(c, a, arg_int(c, 0), c->arg[1], NULL, arg_uint(c, 3));
	int r = guest_read(c, c->arg[2], ts, sizeof ts);
	if (r < 0)
		return answer_errno(a, r);
	if (ts[0].tv_nsec == UTIME_OMIT && ts[1].tv_nsec == UTIME_OMIT) /* nothing is looked at then, not even the path */
		return answer_value(a, 0);
	return utimens_at(c, a, arg_int(c, 0), c->arg[1], ts, arg_uint(c, 3));
}

static int utimes_at(struct call *c, struct answer *a, int dirfd, uint64_t path, uint64_t times)
{
	struct timeval tv[2];
	struct timespec ts[2];
	if (!times)
		return utimens_at(c, a, dirfd, path, NULL, 0);
	int r = guest_read(c, times, tv, sizeof tv);
	if (r < 0)
		return answer_errno(a, r);
	for (int i = 0; i < 2; i++) {
		if (tv[i].tv_usec < 0 || tv[i].tv_usec >= 1000000)
			return answer_errno(a, EINVAL);
		ts[i] = (struct timespec){ tv[i].tv_sec, tv[i].tv_usec * 1000 };
	}
	return utimens_at(c, a, dirfd, path, ts, 0);
}

int h_utimes(struct call *c, struct answer *a)
{
	return utimes_at(c, a, AT_FDCWD, c->arg[0], c->arg[1]);
}
int h_futimesat(struct call *c, struct answer *a)
{
	return utimes_at(c, a, arg_int(c, 0), c->arg[1], c->arg[2]);
}

int h_utime(struct call *c, struct answer *a)
{
	struct utimbuf t;
	if (!c->arg[1])
		return utimens_at(c, a, AT_FDCWD, c->arg[0], NULL, 0);
	int r = guest_read(c, c->arg[1], &t, sizeof t);
	if (r < 0)
		return answer_errno(a, r);
	struct timespec ts[2] = { { .tv_sec = t.actime }, { .tv_sec = t.modtime } };
	return utimens_at(c, a, AT_FDCWD, c->arg[0], ts, 0);
}

/* ---- truncate ---- */

/* The guest's limit, not ours: growing beyond it is EFBIG and a signal. */
static int check_file_size(struct call *c, off_t old, off_t new)
{
	uint64_t limit = new > old ? guest_rlimit(c, RLIMIT_FSIZE) : RLIM_INFINITY;
	if (limit == (uint64_t)RLIM_INFINITY || (uint64_t) new <= limit)
		return 0;
	if (guest_valid(c))
		syscall(__NR_tgkill, c->tgid, c->tid, SIGXFSZ);
	return -EFBIG;
}

int h_truncate(struct call *c, struct answer *a)
{
	struct caller who;
	off_t size = (off_t)c->arg[1];
	_cleanup_object_ struct object o;
	object_init(&o);
	if (size < 0)
		return answer_errno(a, EINVAL);
	int r = file_of_path(c, &who, AT_FDCWD, c->arg[0], 0, &o);
	if (r >= 0 && !S_ISREG(o.st.st_mode))
		r = S_ISDIR(o.st.st_mode) ? -EISDIR : -EINVAL;
	if (r >= 0)
		r = object_access(c->ov, &o, W_OK, AT_EACCESS);
	if (r >= 0)
		r = check_file_size(c, o.st.st_size, size);
	if (r >= 0)
		r = object_truncate(c->ov, &who, &o, size);
	return answer_done(a, r);
}
