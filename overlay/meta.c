/* meta.c - metadata of objects: reading it as the view shows it, changing it in the top layer. */
#include "overlay/internal.h"

#include <stdio.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

/* The descriptor that carries the metadata. */
static int meta(const struct object *o)
{
	return o->where == OBJECT_MERGED ? o->meta_fd : o->fd;
}

/* ---- reading ---- */

int object_statx(struct overlay *ov, const struct object *o, unsigned flags, unsigned mask, struct statx *ret)
{
	struct statx sx, low;
	int r;

	(void)ov;
	memset(&sx, 0, sizeof sx);
	r = sys_statx(meta(o), "", (int)((flags & AT_STATX_SYNC_TYPE) | AT_EMPTY_PATH), mask, &sx);
	if (r < 0)
		return r;
	if (o->where == OBJECT_MERGED) {
		r = sys_statx(o->fd, "", AT_EMPTY_PATH, mask, &low);
		if (r < 0)
			return r;
		sx.stx_dev_major = low.stx_dev_major;
		sx.stx_dev_minor = low.stx_dev_minor;
		sx.stx_ino = low.stx_ino;
		sx.stx_mnt_id = low.stx_mnt_id;
		sx.stx_attributes = low.stx_attributes;
	}
	if (o->where == OBJECT_LAYER || o->where == OBJECT_ANON) {   /* a copy shows the host's identity */
		sx.stx_dev_major = major(o->st.st_dev);
		sx.stx_dev_minor = minor(o->st.st_dev);
		sx.stx_ino = o->st.st_ino;
	}
	if (o->where != OBJECT_ANON) {
		sx.stx_uid = o->st.st_uid;
		sx.stx_gid = o->st.st_gid;
	}
	if (o->where != OBJECT_ANON || S_ISDIR(o->st.st_mode))
		sx.stx_nlink = (uint32_t)o->st.st_nlink;
	*ret = sx;
	return 0;
}

int object_access(struct overlay *ov, const struct object *o, int mode, int flags)
{
	if (mode & ~(R_OK | W_OK | X_OK))
		return -EINVAL;
	if (mode == F_OK)
		return 0;
	/* Where the metadata's owner is not the real one, ids and bits decide; there real and effective ids are the same. */
	if ((flags & AT_EACCESS) || o->where != OBJECT_HOST)
		return perm_object(ov, o, mode);
	return syscall(SYS_faccessat2, o->fd, "", mode, (flags & AT_EACCESS) | AT_EMPTY_PATH) < 0 ? -errno : 0;
}

int object_readlink(struct overlay *ov, const struct object *o, char *ret, size_t size)
{
	(void)ov;
	ssize_t n = readlinkat(o->fd, "", ret, size);

	/* An empty path on what is no link is ENOENT to the kernel, EINVAL to who gave a path. */
	return n < 0 ? (errno == ENOENT ? -EINVAL : -errno) : (int)n;
}

static bool is_ours(const char *name)
{
	return !strncmp(name, XATTR_OVERLAY_PREFIX, sizeof XATTR_OVERLAY_PREFIX - 1) || !strncmp(name, "trusted.overlay.", 16);
}

/* Attributes go by path: O_PATH descriptors do not take the f* calls. A symlink is not followed through /proc/self/fd/N... but that name is
 * itself a link that must be: so a symlink is reached through its parent. */
static int link_path(const struct object *o, char ret[static PATH_MAX + FD_PATH_MAX])
{
	if (!S_ISLNK(o->st.st_mode)) {
		fd_path(ret, meta(o));
		return 0;
	}
	return fd_real_path(o->fd, ret, PATH_MAX) < 0 ? -EIO : 1;
}

ssize_t object_getxattr(struct overlay *ov, const struct object *o, const char *name, void *buf, size_t size)
{
	char path[PATH_MAX + FD_PATH_MAX];
	ssize_t n;

	(void)ov;
	if (is_ours(name))
		return -ENODATA;
	int r = link_path(o, path);
	if (r < 0)
		return r;
	if (r && !cred_is_root() && !strncmp(name, "trusted.", 8))
		return -ENODATA;
	_cleanup_cred_ int own = r ? cred_own_begin() : 0;   /* the way to a symlink goes through the store */
	n = r ? lgetxattr(path, name, buf, size) : getxattr(path, name, buf, size);
	return n < 0 ? -errno : n;
}

ssize_t object_listxattr(struct overlay *ov, const struct object *o, char *buf, size_t size)
{
	char path[PATH_MAX + FD_PATH_MAX];
	_cleanup_free_ char *all = NULL;
	ssize_t n, out = 0;

	(void)ov;
	int r = link_path(o, path);
	if (r < 0)
		return r;
	all = malloc(XATTR_LIST_MAX);
	if (!all)
		return -ENOMEM;
	_cleanup_cred_ int own = r ? cred_own_begin() : 0;
	n = r ? llistxattr(path, all, XATTR_LIST_MAX) : listxattr(path, all, XATTR_LIST_MAX);
	if (n < 0)
		return -errno;
	for (const char *p = all; p < all + n; p += strlen(p) + 1) {
		size_t len = strlen(p) + 1;
		if (is_ours(p) || (r && !cred_is_root() && !strncmp(p, "trusted.", 8)))
			continue;
		if (size && (size_t)out + len > size)
			return -ERANGE;
		if (size)
			memcpy(buf + out, p, len);
		out += (ssize_t)len;
	}
	return out;
}

int object_statfs(struct overlay *ov, const struct object *o, struct statfs *ret)
{
	(void)ov;
	return fstatfs(o->fd, ret) < 0 ? -errno : 0;
}

/* ---- changing ---- */

/* After a change: what the table remembers. */
static int updated(struct overlay *ov, const struct object *o)
{
	char v;

	if (!S_ISDIR(o->st.st_mode))
		return 0;
	/* In a directory of the layer alone the kernel judges, unless something of another place was moved into it. */
	if (o->where == OBJECT_LAYER && fd_getxattr(o->fd, XATTR_IMPURE, &v, 1) == -ENODATA)
		return 0;
	return o->where == OBJECT_MERGED || o->where == OBJECT_LAYER ? table_meta(ov, o->view, meta(o)) : 0;
}

/* Brings the object into the top layer for a change of its metadata. What has no path in the view is changed as it is when it is the layer's
 * (a deleted file) or nowhere; it may as well be the host's, removed in the view and still open: that is refused. */
static int prepare(struct overlay *ov, const struct caller *c, struct object *o, unsigned flags)
{
	int r = perm_flags(o, STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND);

	if (r == 0 && o->where != OBJECT_ANON)
		r = copyup_object(ov, c, o, flags);
	return r < 0 ? r : o->in_layer || fd_in_layer(ov, meta(o)) || (o->where == OBJECT_ANON && fd_is_nowhere(o->fd)) ? 0 : -EPERM;
}

int object_chmod(struct overlay *ov, const struct caller *c, struct object *o, mode_t mode)
{
	int r;

	if (S_ISLNK(o->st.st_mode))
		return -EOPNOTSUPP;
	if (!perm_is_owner(o))
		return -EPERM;
	r = prepare(ov, c, o, 0);
	/* An ordinary user's directories get another mode for moments (force_begin), which is put back: not over this one. */
	bool lock = S_ISDIR(o->st.st_mode) && !cred_process_is_root();
	if (r == 0 && lock)
		r = change_begin(ov);
	if (r == 0) {
		r = sys_chmod_fd(meta(o), mode & 07777);
		if (lock)
			change_end(ov, false);
	}
	return r < 0 ? r : updated(ov, o);
}

int object_chown(struct overlay *ov, const struct caller *c, struct object *o, uid_t uid, gid_t gid)
{
	struct record rec;
	int r;

	if (!cred_is_root()) {
		if (uid != (uid_t)-1 && (uid != o->st.st_uid || !perm_is_owner(o)))
			return -EPERM;
		if (gid != (gid_t)-1 && (!perm_is_owner(o) || (gid != o->st.st_gid && !cred_in_group(gid))))
			return -EPERM;
	}
	r = prepare(ov, c, o, 0);
	if (r == 0)
		r = sys_fchownat(meta(o), "", uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW);
	/* The record says what could not be set when it was copied. */
	if (r == 0 && gid != (gid_t)-1 && !cred_process_is_root() && record_read(meta(o), &rec) == 0) {
		rec.gid = gid;
		r = record_write(meta(o), &rec);
	}
	return r < 0 ? r : updated(ov, o);
}

int object_utimens(struct overlay *ov, const struct caller *c, struct object *o, const struct timespec ts[2])
{
	bool now = !ts || (ts[0].tv_nsec == UTIME_NOW && ts[1].tv_nsec == UTIME_NOW);
	int r = 0;

	if (ts && ts[0].tv_nsec == UTIME_OMIT && ts[1].tv_nsec == UTIME_OMIT)
		return 0;
	if (!perm_is_owner(o)) {
		r = now ? perm_object(ov, o, W_OK) : -EPERM;
		if (r < 0)
			return r;
	}
	r = prepare(ov, c, o, 0);
	/* What `touch /dev/null` is about is not the device's times: who can make no device of their own keeps the host's, with its times. */
	if ((r == -EPERM || r == -EACCES) && now && o->where == OBJECT_HOST && (S_ISCHR(o->st.st_mode) || S_ISBLK(o->st.st_mode)))
		return 0;
	if (r < 0)
		return r;
	r = sys_utimensat(meta(o), "", ts, AT_EMPTY_PATH);
	if (r == 0 && S_ISDIR(o->st.st_mode) && o->where != OBJECT_ANON && !(ts && ts[1].tv_nsec == UTIME_OMIT))
		r = times_mark(meta(o));
	return r < 0 ? r : updated(ov, o);
}

int object_truncate(struct overlay *ov, const struct caller *c, struct object *o, off_t size)
{
	_cleanup_opened_ struct opened w;
	int r;

	opened_init(&w);
	if (size < 0)
		return -EINVAL;
	if (S_ISDIR(o->st.st_mode))
		return -EISDIR;
	if (!S_ISREG(o->st.st_mode))
		return -EINVAL;
	r = perm_object(ov, o, W_OK);
	if (r == 0)
		r = prepare(ov, c, o, size == 0 ? COPYUP_NO_DATA : 0);
	if (r == 0)
		r = object_open(ov, c, o, O_WRONLY, &w);
	if (r == 0)
		r = sys_ftruncate(w.fd, size);
	return r < 0 ? r : updated(ov, o);
}

/* Rights of an attribute's name space, judged before anything is copied up. */
static int xattr_check(struct overlay *ov, const struct object *o, const char *name, bool remove)
{
	mode_t mode = o->st.st_mode;

	if (is_ours(name))
		return remove ? -ENODATA : -EPERM;
	if (!strncmp(name, "user.", 5)) {
		if (!S_ISREG(mode) && !S_ISDIR(mode))
			return -EPERM;
		if (S_ISDIR(mode) && (mode & S_ISVTX) && !perm_is_owner(o))
			return -EPERM;
		return perm_object(ov, o, W_OK);
	}
	if (!strncmp(name, "trusted.", 8) || !strncmp(name, "security.", 9))
		return cred_is_root() ? 0 : -EPERM;
	if (remove && !S_ISDIR(mode) && !S_ISLNK(mode) && !strcmp(name, "system.posix_acl_default"))
		return 0;   /* there is none, and the kernel does not ask for whom that is said */
	if (!strncmp(name, "system.", 7)) {
		if (S_ISLNK(mode))
			return -EOPNOTSUPP;
		if (!remove && !S_ISDIR(mode) && !strcmp(name, "system.posix_acl_default"))
			return -EACCES;
		return perm_is_owner(o) ? 0 : -EPERM;
	}
	int r = perm_object(ov, o, W_OK);
	return r < 0 ? r : -EOPNOTSUPP;
}

/* What the kernel says of an ACL's value before it asks whose file it is for: acl(5) of version 2, entries of 8 bytes. */
static int acl_check(const void *value, size_t size)
{
	uint32_t version;

	if (!size)
		return 0;
	if (size < sizeof version)
		return -EINVAL;
	memcpy(&version, value, sizeof version);
	if (version != 2)
		return -EOPNOTSUPP;
	return (size - sizeof version) % 8 ? -EINVAL : 0;
}

int object_setxattr(struct overlay *ov, const struct caller *c, struct object *o, const char *name, const void *value, size_t size,
		    int flags)
{
	char path[PATH_MAX + FD_PATH_MAX];
	bool is_acl = !strncmp(name, "system.posix_acl_", 17);
	int r = is_acl ? acl_check(value, size) : 0;

	if (r == 0)
		r = xattr_check(ov, o, name, false);

	bool acl = !strncmp(name, "system.", 7);   /* for which being there or not is no error */
	if (r == 0 && !acl && (flags & XATTR_REPLACE)) {
		ssize_t n = object_getxattr(ov, o, name, NULL, 0);
		if (n == -ENODATA)
			return -ENODATA;
	}
	if (r == 0 && !acl && (flags & XATTR_CREATE) && object_getxattr(ov, o, name, NULL, 0) >= 0)
		return -EEXIST;
	if (r == 0)
		r = prepare(ov, c, o, 0);
	if (r == 0)
		r = link_path(o, path);
	if (r < 0)
		return r;
	r = r ? sys_lsetxattr(path, name, value, size, flags) : sys_setxattr(path, name, value, size, flags);
	return r < 0 ? r : updated(ov, o);
}

int object_removexattr(struct overlay *ov, const struct caller *c, struct object *o, const char *name)
{
	char path[PATH_MAX + FD_PATH_MAX];
	int r = xattr_check(ov, o, name, true);

	if (r == 0 && object_getxattr(ov, o, name, NULL, 0) == -ENODATA)
		return strncmp(name, "system.", 7) ? -ENODATA : 0;
	if (r == 0)
		r = prepare(ov, c, o, 0);
	if (r == 0)
		r = link_path(o, path);
	if (r < 0)
		return r;
	r = (r ? lremovexattr(path, name) : removexattr(path, name)) < 0 ? -errno : 0;
	return r < 0 ? r : updated(ov, o);
}
