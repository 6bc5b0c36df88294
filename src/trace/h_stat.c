/* h_stat.c - calls that look at an object: stat, access, readlink and statfs in all their forms. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "h_proc.h"
#include "supervisor.h"

#define STAT_FLAGS (AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE)

/* The C library's struct stat on x86-64 is the kernel's. */
_Static_assert(sizeof(struct stat) == 144, "struct stat is the kernel's");
_Static_assert(sizeof(struct statfs) == 120, "struct statfs is the kernel's");
_Static_assert(sizeof(struct statx) == 256, "struct statx is the kernel's");

/* The C library's fstat is newfstatat with an empty path: one of the most frequent calls there is. */
static int stat_fd(struct call *c, struct answer *a, int fd, uint64_t buf)
{
	_cleanup_close_ int dup = guest_fd(c, fd);
	struct caller who;
	struct stat st;
	if (dup < 0)
		return answer_errno(a, dup);
	guest_caller(c, false, &who);
	int r = overlay_fstat(c->ov, &who, dup, &st);
	if (r > 0)
		return answer_continue(a);
	return r < 0 ? answer_errno(a, r) : answer_done(a, guest_write(c, buf, &st, sizeof st));
}

static int stat_at(struct call *c, struct answer *a, int dirfd, uint64_t path, uint64_t buf, unsigned flags)
{
	struct caller who;
	_cleanup_object_ struct object o;
	object_init(&o);
	struct place p;
	int r = place_read_null(c, dirfd, path, flags, &p);
	if (r < 0)
		return answer_errno(a, r);
	if (!*p.at.path && dirfd != AT_FDCWD)
		return stat_fd(c, a, dirfd, buf);
	guest_caller(c, false, &who);
	r = target_place(c, &who, dirfd, &p, flags, &o);
	return r < 0 ? answer_errno(a, r) : answer_done(a, guest_write(c, buf, &o.st, sizeof o.st));
}

int h_stat(struct call *c, struct answer *a)
{
	return stat_at(c, a, AT_FDCWD, c->arg[0], c->arg[1], 0);
}
int h_lstat(struct call *c, struct answer *a)
{
	return stat_at(c, a, AT_FDCWD, c->arg[0], c->arg[1], AT_SYMLINK_NOFOLLOW);
}

int h_fstat(struct call *c, struct answer *a)
{
	return stat_fd(c, a, arg_int(c, 0), c->arg[1]);
}

int h_newfstatat(struct call *c, struct answer *a)
{
	if (arg_uint(c, 3) & ~(unsigned)STAT_FLAGS)
		return answer_errno(a, EINVAL);
	return stat_at(c, a, arg_int(c, 0), c->arg[1], c->arg[2], arg_uint(c, 3));
}

int h_statx(struct call *c, struct answer *a)
{
	unsigned flags = arg_uint(c, 2), mask = arg_uint(c, 3);
	struct caller who;
	struct statx sx;
	_cleanup_object_ struct object o;
	object_init(&o);
	if (mask & STATX__RESERVED || (flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE || flags & ~(unsigned)STAT_FLAGS)
		return answer_errno(a, EINVAL);
	struct place p;
	int dirfd = arg_int(c, 0);
	int r = place_read_null(c, dirfd, c->arg[1], flags, &p);
	if (r < 0)
		return answer_errno(a, r);
	guest_caller(c, false, &who);
	r = target_place(c, &who, dirfd, &p, flags, &o);
	if (r >= 0)
		r = object_statx(c->ov, &o, flags, mask, &sx);
	return r < 0 ? answer_errno(a, r) : answer_done(a, guest_write(c, c->arg[4], &sx, sizeof sx));
}

/* ---- access ---- */

/* Without AT_EACCESS the real ids count, also on the way to the object. Where the guest's differ from those it acts with, they are assumed: 1. */
static int assume_real(const struct call *c, unsigned flags, struct cred *real)
{
	if (flags & AT_EACCESS || !cred_process_is_root() || atomic_load(&c->sup->ids_gen) == 0)
		return 0;
	if (c->cred.uid == c->cred.fsuid && c->cred.gid == c->cred.fsgid)
		return 0;
	*real = c->cred;
	real->fsuid = c->cred.uid;
	real->fsgid = c->cred.gid;
	int r = cred_assume(real);
	return r < 0 ? r : 1;
}

static int access_at(struct call *c, struct answer *a, int dirfd, uint64_t path, int mode, unsigned flags)
{
	struct caller who;
	struct cred real;
	_cleanup_object_ struct object o;
	object_init(&o);
	if (mode & ~(R_OK | W_OK | X_OK) || flags & ~(unsigned)(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return answer_errno(a, EINVAL);
	guest_caller(c, false, &who);
	int assumed = assume_real(c, flags, &real);
	if (assumed < 0)
		return assumed;
	int r = target_find(c, &who, dirfd, path, flags, &o);
	if (r >= 0 && mode != F_OK)
		/* The kernel's real ids are ours: those that the guest acts with are asked for, which are its real ones by now. */
		r = object_access(c->ov, &o, mode, assumed || (cred_process_is_root() && !cred_is_root()) ? AT_EACCESS : (int)(flags & AT_EACCESS));
	if (assumed)
		cred_drop();
	return answer_done(a, r);
}

int h_access(struct call *c, struct answer *a)
{
	return access_at(c, a, AT_FDCWD, c->arg[0], arg_int(c, 1), 0);
}
int h_faccessat(struct call *c, struct answer *a)
{
	return access_at(c, a, arg_int(c, 0), c->arg[1], arg_int(c, 2), 0);
}
int h_faccessat2(struct call *c, struct answer *a)
{
	return access_at(c, a, arg_int(c, 0), c->arg[1], arg_int(c, 2), arg_uint(c, 3));
}

/* ---- readlink ---- */

static int readlink_text(struct call *c, const struct object *o, char *text, size_t size, size_t *len)
{
	int r = proc_readlink(c, o, text, size, len);
	if (r != 0)
		return r;
	r = object_readlink(c->ov, o, text, size);
	if (r >= 0)
		*len = (size_t)r;
	return r;
}

/* "" names the descriptor itself, a link opened with O_PATH | O_NOFOLLOW. */
static int readlink_at(struct call *c, struct answer *a, int dirfd, uint64_t path, uint64_t buf, int size, bool empty_ok)
{
	struct caller who;
	struct place p;
	char text[PATH_MAX];
	size_t len = 0;
	_cleanup_object_ struct object o;
	object_init(&o);
	if (size <= 0)
		return answer_errno(a, EINVAL);
	guest_caller(c, false, &who);
	int r = place_read(c, dirfd, path, empty_ok, &p);
	if (r < 0)
		return answer_errno(a, r);
	bool empty = !*p.at.path;
	r = target_place(c, &who, dirfd, &p, AT_SYMLINK_NOFOLLOW, &o);
	if (r >= 0 && !S_ISLNK(o.st.st_mode))
		r = empty ? -ENOENT : -EINVAL;
	if (r >= 0)
		r = readlink_text(c, &o, text, sizeof text, &len);
	if (r < 0)
		return answer_errno(a, r);
	if (len > (size_t)size)
		len = (size_t)size;
	r = guest_write(c, buf, text, len);
	return answer_result(a, r < 0 ? r : (int64_t)len);
}

int h_readlink(struct call *c, struct answer *a)
{
	return readlink_at(c, a, AT_FDCWD, c->arg[0], c->arg[1], arg_int(c, 2), false);
}

int h_readlinkat(struct call *c, struct answer *a)
{
	return readlink_at(c, a, arg_int(c, 0), c->arg[1], c->arg[2], arg_int(c, 3), true);
}

/* ---- statfs ---- */

int h_statfs(struct call *c, struct answer *a)
{
	struct caller who;
	struct statfs sf;
	_cleanup_object_ struct object o;
	object_init(&o);
	guest_caller(c, false, &who);
	int r = target_find(c, &who, AT_FDCWD, c->arg[0], 0, &o);
	if (r >= 0)
		r = object_statfs(c->ov, &o, &sf);
	return r < 0 ? answer_errno(a, r) : answer_done(a, guest_write(c, c->arg[1], &sf, sizeof sf));
}
