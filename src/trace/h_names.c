/* h_names.c - calls that make, remove and move names: mkdir, mknod, symlink, link, unlink, rmdir and rename in all their forms. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "h_util.h"

#ifndef RENAME_NOREPLACE
#include <linux/fs.h>
#endif

static int mkdir_at(struct call *c, struct answer *a, int dirfd, uint64_t path, uint64_t mode)
{
	struct place p;
	struct caller who;
	int r = place_read(c, dirfd, path, false, &p);
	if (r >= 0) {
		guest_caller(c, true, &who);
		r = overlay_mkdir(c->ov, &who, p.at, (mode_t)mode & 01777);
	}
	return answer_done(a, r);
}

int h_mkdir(struct call *c, struct answer *a)
{
	return mkdir_at(c, a, AT_FDCWD, c->arg[0], c->arg[1]);
}
int h_mkdirat(struct call *c, struct answer *a)
{
	return mkdir_at(c, a, arg_int(c, 0), c->arg[1], c->arg[2]);
}

/* ---- mknod ---- */

/* The number as the call carries it: 12 bits major and 20 bits minor, in the order that keeps the old 16-bit numbers. */
static dev_t dev_of_arg(uint64_t arg)
{
	uint32_t v = (uint32_t)arg;
	return makedev((v & 0xfff00) >> 8, (v & 0xff) | ((v >> 12) & 0xfff00));
}

/* 0:0 is what a whiteout is made of, so not even root makes one in the view. */
static int mknod_allowed(mode_t mode, dev_t dev)
{
	switch (mode & S_IFMT) {
	case 0:
	case S_IFREG:
	case S_IFIFO:
	case S_IFSOCK:
		return 0;
	case S_IFCHR:
		if (dev == 0)
			return -EPERM;
		/* fall through */
	case S_IFBLK:
		return cred_process_is_root() && cred_is_root() ? 0 : -EPERM;
	case S_IFDIR:
		return -EPERM;
	default:
		return -EINVAL;
	}
}

static int mknod_at(struct call *c, struct answer *a, int dirfd, uint64_t path, uint64_t mode_arg, uint64_t dev_arg)
{
	struct place p;
	struct caller who;
	mode_t mode = (mode_t)mode_arg & (S_IFMT | 07777);
	dev_t dev = dev_of_arg(dev_arg);
	if (!(mode & S_IFMT))
		mode |= S_IFREG;
	int refused = mknod_allowed(mode, dev);
	if (refused == -EINVAL || S_ISDIR(mode))
		return answer_errno(a, refused);
	int r = place_read(c, dirfd, path, false, &p);
	if (r < 0)
		return answer_errno(a, r);
	guest_caller(c, true, &who);
	if (refused < 0) {
		/* The kernel finds the place first. */
		r = overlay_may_make(c->ov, &who, p.at);
		return answer_errno(a, r < 0 ? r : refused);
	}
	bool device = S_ISCHR(mode) || S_ISBLK(mode);
	return answer_done(a, overlay_mknod(c->ov, &who, p.at, mode, device ? dev : 0));
}

int h_mknod(struct call *c, struct answer *a)
{
	return mknod_at(c, a, AT_FDCWD, c->arg[0], c->arg[1], c->arg[2]);
}
int h_mknodat(struct call *c, struct answer *a)
{
	return mknod_at(c, a, arg_int(c, 0), c->arg[1], c->arg[2], c->arg[3]);
}

/* ---- symlink and link ---- */

static int symlink_at(struct call *c, struct answer *a, uint64_t target_addr, int dirfd, uint64_t path)
{
	char target[PATH_MAX];
	struct place p;
	struct caller who;
	int r = guest_read_string(c, target_addr, target, sizeof target);
	if (r == 0)
		r = -ENOENT;
	if (r >= 0)
		r = place_read(c, dirfd, path, false, &p);
	if (r < 0)
		return answer_errno(a, r);
	guest_caller(c, false, &who);
	return answer_done(a, overlay_symlink(c->ov, &who, target, p.at));
}

int h_symlink(struct call *c, struct answer *a)
{
	return symlink_at(c, a, c->arg[0], AT_FDCWD, c->arg[1]);
}
int h_symlinkat(struct call *c, struct answer *a)
{
	return symlink_at(c, a, c->arg[0], arg_int(c, 1), c->arg[2]);
}

/* The N of a path that leads to the guest's own /proc/self/fd/N in whichever way it is written, or -1. */
static int own_fd_link(struct call *c, const struct caller *who, struct at at)
{
	_cleanup_object_ struct object o;
	int pid = 0, fd = -1;
	object_init(&o);
	if (!strstr(at.path, "fd/"))
		return -1;
	if (overlay_lookup(c->ov, who, at, LOOKUP_NOFOLLOW, &o) < 0 || !S_ISLNK(o.st.st_mode))
		return -1;
	if (sscanf(o.view, "/proc/%d/fd/%d", &pid, &fd) != 2 && sscanf(o.view, "/proc/%d/task/%*d/fd/%d", &pid, &fd) != 2)
		return -1;
	return pid == c->tgid ? fd : -1;
}

static int link_fd(struct call *c, const struct caller *who, int fd, struct at at)
{
	_cleanup_close_ int dup =
		fd == AT_FDCWD ? -EPERM : guest_fd(c, fd); /* the working directory is a directory: no links to it */
	return dup < 0 ? dup : overlay_link_fd(c->ov, who, dup, at);
}

static int link_at(struct call *c, struct answer *a, int olddir, uint64_t oldpath, int newdir, uint64_t newpath, unsigned flags)
{
	struct place old, new;
	struct caller who;
	if (flags & ~(unsigned)(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return answer_errno(a, EINVAL);
	int r = place_read(c, olddir, oldpath, flags & AT_EMPTY_PATH, &old);
	if (r < 0)
		return answer_errno(a, r);
	guest_caller(c, false, &who);
	r = place_read(c, newdir, newpath, false, &new);
	if (r < 0) { /* the old name is looked up before that is seen */
		_cleanup_object_ struct object o;
		object_init(&o);
		int found = *old.at.path && flags & AT_SYMLINK_FOLLOW ? own_fd_link(c, &who, old.at) : -1;
		if (found < 0) /* a descriptor of its own needs no way to it */
			found = target_place(c, &who, olddir, &old, flags & AT_SYMLINK_FOLLOW ? 0 : AT_SYMLINK_NOFOLLOW, &o);
		return answer_errno(a, found < 0 ? found : r);
	}
	if (!*old.at.path)
		return answer_done(a, link_fd(c, &who, olddir, new.at));
	int fd = flags & AT_SYMLINK_FOLLOW ? own_fd_link(c, &who, old.at) : -1;
	if (fd >= 0)
		return answer_done(a, link_fd(c, &who, fd, new.at));
	return answer_done(a, overlay_link(c->ov, &who, old.at, new.at, (int)(flags & AT_SYMLINK_FOLLOW)));
}

int h_link(struct call *c, struct answer *a)
{
	return link_at(c, a, AT_FDCWD, c->arg[0], AT_FDCWD, c->arg[1], 0);
}
int h_linkat(struct call *c, struct answer *a)
{
	return link_at(c, a, arg_int(c, 0), c->arg[1], arg_int(c, 2), c->arg[3], arg_uint(c, 4));
}

/* ---- unlink and rename ---- */

static int unlink_at(struct call *c, struct answer *a, int dirfd, uint64_t path, unsigned flags)
{
	struct place p;
	struct caller who;
	if (flags & ~(unsigned)AT_REMOVEDIR)
		return answer_errno(a, EINVAL);
	int r = place_read(c, dirfd, path, false, &p);
	if (r >= 0) {
		guest_caller(c, false, &who);
		r = overlay_unlink(c->ov, &who, p.at, (int)flags);
	}
	return answer_done(a, r);
}

int h_unlink(struct call *c, struct answer *a)
{
	return unlink_at(c, a, AT_FDCWD, c->arg[0], 0);
}
int h_rmdir(struct call *c, struct answer *a)
{
	return unlink_at(c, a, AT_FDCWD, c->arg[0], AT_REMOVEDIR);
}
int h_unlinkat(struct call *c, struct answer *a)
{
	return unlink_at(c, a, arg_int(c, 0), c->arg[1], arg_uint(c, 2));
}

static int rename_at(struct call *c, struct answer *a, int olddir, uint64_t oldpath, int newdir, uint64_t newpath, unsigned flags)
{
	struct place old, new;
	struct caller who;
	if (flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT))
		return answer_errno(a, EINVAL);
	if (flags & RENAME_EXCHANGE && flags & (RENAME_NOREPLACE | RENAME_WHITEOUT))
		return answer_errno(a, EINVAL);
	int r = place_read(c, olddir, oldpath, false, &old);
	if (r < 0)
		return answer_errno(a, r);
	guest_caller(c, false, &who);
	r = place_read(c, newdir, newpath, false, &new);
	if (r < 0) { /* the way to the old name is gone before that is seen */
		int found = overlay_lookup_parent(c->ov, &who, old.at);
		return answer_errno(a, found < 0 ? found : r);
	}
	return answer_done(a, overlay_rename(c->ov, &who, old.at, new.at, flags));
}

int h_rename(struct call *c, struct answer *a)
{
	return rename_at(c, a, AT_FDCWD, c->arg[0], AT_FDCWD, c->arg[1], 0);
}
int h_renameat(struct call *c, struct answer *a)
{
	return rename_at(c, a, arg_int(c, 0), c->arg[1], arg_int(c, 2), c->arg[3], 0);
}
int h_renameat2(struct call *c, struct answer *a)
{
	return rename_at(c, a, arg_int(c, 0), c->arg[1], arg_int(c, 2), c->arg[3], arg_uint(c, 4));
}
