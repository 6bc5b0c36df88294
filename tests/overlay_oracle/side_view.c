/* side_view.c - the overlay library's answer: the same calls on the view of a box. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "base/fd.h"
#include "side.h"

/* The start directory in the view; valid until the function that declared it returns. */
struct start {
	char dir[2 * PATH_MAX];
	struct at at;
	struct caller c;
};

static void start_init(struct start *st, struct side *s, const struct where *w)
{
	if (w->base[0])
		snprintf(st->dir, sizeof(st->dir), "%s/%s", s->root, w->base);
	else
		snprintf(st->dir, sizeof(st->dir), "%s", s->root);
	st->at = (struct at){ .dir = { st->dir }, .path = w->path };
	st->c = (struct caller){ .umask = w->umask, .comm = "oracle" };
}

#define START(name, s, w)    \
	struct start name;   \
	start_init(&name, (s), (w))

/* What a caller has to do itself for OPENED_SPECIAL: a FIFO or device is opened through its descriptor; a FIFO of the host is the box's own from
 * then on, or who comes later, when it was changed, would not meet who has it open. */
static int open_special(struct side *s, const struct caller *c, struct opened *o, uint64_t flags)
{
	struct object *obj = &o->object;
	int mode = (flags & O_ACCMODE) == O_RDONLY ? R_OK : (flags & O_ACCMODE) == O_WRONLY ? W_OK : R_OK | W_OK;
	int fd, r = 0;

	if (flags & O_PATH) {
		fd = fcntl(obj->fd, F_DUPFD_CLOEXEC, 0);
		return fd < 0 ? -errno : fd;
	}
	if (S_ISFIFO(obj->st.st_mode) || (flags & O_TRUNC))   /* asked for, also where nothing is emptied */
		r = object_access(s->ov, obj, mode | (flags & O_TRUNC ? W_OK : 0), AT_EACCESS);
	if (r == 0 && S_ISFIFO(obj->st.st_mode) && !(obj->where == OBJECT_LAYER && obj->is_top))
		r = object_copy_up(s->ov, c, obj);
	if (r < 0)
		return r;
	fd = open(FD_PATH(obj->fd), (int)flags & ~(O_CREAT | O_EXCL | O_NOFOLLOW | O_TRUNC));
	return fd < 0 ? -errno : fd;
}

static int view_open(struct side *s, const struct where *w, uint64_t flags, mode_t mode)
{
	_cleanup_opened_ struct opened o;
	START(st, s, w);
	int r;

	opened_init(&o);
	r = overlay_open(s->ov, &st.c, st.at, flags, mode, 0, &o);
	if (r < 0)
		return r;
	return o.how == OPENED_SPECIAL ? open_special(s, &st.c, &o, flags) : TAKE_FD(o.fd);
}

static int find(struct side *s, const struct start *st, unsigned flags, struct object *ret)
{
	object_init(ret);
	return overlay_lookup(s->ov, &st->c, st->at, flags, ret);
}

static int view_stat(struct side *s, const struct where *w, unsigned flags, struct stat *ret)
{
	_cleanup_object_ struct object o;
	START(st, s, w);
	int r = find(s, &st, flags, &o);

	if (r < 0)
		return r;
	*ret = o.st;
	return 0;
}

static int view_mkdir(struct side *s, const struct where *w, mode_t mode)
{
	START(st, s, w);
	return overlay_mkdir(s->ov, &st.c, st.at, mode);
}

static int view_mknod(struct side *s, const struct where *w, mode_t mode, dev_t dev)
{
	START(st, s, w);
	return overlay_mknod(s->ov, &st.c, st.at, mode, dev);
}

static int view_symlink(struct side *s, const char *target, const struct where *w)
{
	START(st, s, w);
	return overlay_symlink(s->ov, &st.c, target, st.at);
}

static int view_link(struct side *s, const struct where *old, const struct where *w, int flags)
{
	START(from, s, old);
	START(st, s, w);
	return overlay_link(s->ov, &st.c, from.at, st.at, flags);
}

static int view_link_fd(struct side *s, int fd, const struct where *w)
{
	START(st, s, w);
	return overlay_link_fd(s->ov, &st.c, fd, st.at);
}

static int view_unlink(struct side *s, const struct where *w, int flags)
{
	START(st, s, w);
	return overlay_unlink(s->ov, &st.c, st.at, flags);
}

static int view_rename(struct side *s, const struct where *old, const struct where *w, unsigned flags)
{
	START(from, s, old);
	START(st, s, w);
	return overlay_rename(s->ov, &st.c, from.at, st.at, flags);
}

/* Finds the object of a call, for what works on objects. */
#define FIND(s, w, follow, st, o)                                     \
	_cleanup_object_ struct object o;                             \
	START(st, (s), (w));                                          \
	int find_r = find((s), &st, (follow) ? 0 : LOOKUP_NOFOLLOW, &o); \
	if (find_r < 0)                                               \
	return find_r

static int view_chmod(struct side *s, const struct where *w, mode_t mode)
{
	FIND(s, w, true, st, o);
	return object_chmod(s->ov, &st.c, &o, mode);
}

static int view_chown(struct side *s, const struct where *w, bool follow, uid_t uid, gid_t gid)
{
	FIND(s, w, follow, st, o);
	return object_chown(s->ov, &st.c, &o, uid, gid);
}

/* utimensat(2) does not even look at the path when there is nothing to set; that is the front's to do, before it asks. */
static bool nothing_to_set(const struct timespec ts[2])
{
	return ts && ts[0].tv_nsec == UTIME_OMIT && ts[1].tv_nsec == UTIME_OMIT;
}

static int view_utimens(struct side *s, const struct where *w, bool follow, const struct timespec ts[2])
{
	if (nothing_to_set(ts))
		return 0;
	FIND(s, w, follow, st, o);
	return object_utimens(s->ov, &st.c, &o, ts);
}

static int view_truncate(struct side *s, const struct where *w, off_t size)
{
	if (size < 0)   /* so does truncate(2), without a look at the path */
		return -EINVAL;
	FIND(s, w, true, st, o);
	return object_truncate(s->ov, &st.c, &o, size);
}

static int view_setxattr(struct side *s, const struct where *w, bool follow, const char *name, const void *value, size_t size,
			 int flags)
{
	FIND(s, w, follow, st, o);
	return object_setxattr(s->ov, &st.c, &o, name, value, size, flags);
}

static int view_removexattr(struct side *s, const struct where *w, bool follow, const char *name)
{
	FIND(s, w, follow, st, o);
	return object_removexattr(s->ov, &st.c, &o, name);
}

static ssize_t view_getxattr(struct side *s, const struct where *w, bool follow, const char *name, void *buf, size_t size)
{
	FIND(s, w, follow, st, o);
	return object_getxattr(s->ov, &o, name, buf, size);
}

static ssize_t view_listxattr(struct side *s, const struct where *w, bool follow, char *buf, size_t size)
{
	FIND(s, w, follow, st, o);
	return object_listxattr(s->ov, &o, buf, size);
}

static int view_readlink(struct side *s, const struct where *w, char *buf, size_t size)
{
	FIND(s, w, false, st, o);
	return object_readlink(s->ov, &o, buf, size);
}

static int view_access(struct side *s, const struct where *w, int mode, int flags)
{
	FIND(s, w, !(flags & AT_SYMLINK_NOFOLLOW), st, o);
	return object_access(s->ov, &o, mode, flags & ~AT_SYMLINK_NOFOLLOW);
}

static ssize_t view_getdents(struct side *s, int fd, void *buf, size_t size)
{
	struct caller c = { .comm = "oracle" };

	return overlay_getdents(s->ov, &c, fd, buf, size);
}

static int view_fd_stat(struct side *s, int fd, struct stat *ret)
{
	struct caller c = { .comm = "oracle" };
	_cleanup_object_ struct object o;
	struct stat st;
	int r;

	object_init(&o);
	r = overlay_lookup_fd(s->ov, &c, fd, &o);
	if (r == 0)
		r = overlay_fstat(s->ov, &c, fd, &st);
	if (r < 0)
		return r;
	/* The short way to the same answer. */
	if (st.st_dev != o.st.st_dev || st.st_ino != o.st.st_ino || st.st_mode != o.st.st_mode || st.st_size != o.st.st_size ||
	    st.st_uid != o.st.st_uid || st.st_gid != o.st.st_gid)
		return -EBADE;
	*ret = o.st;
	return 0;
}

static int view_fd_chmod(struct side *s, int fd, mode_t mode)
{
	struct caller c = { .comm = "oracle" };
	_cleanup_object_ struct object o;
	int r;

	object_init(&o);
	r = overlay_lookup_fd(s->ov, &c, fd, &o);
	return r < 0 ? r : object_chmod(s->ov, &c, &o, mode);
}

static int view_fd_utimens(struct side *s, int fd, const struct timespec ts[2])
{
	struct caller c = { .comm = "oracle" };
	_cleanup_object_ struct object o;
	int r;

	object_init(&o);
	r = overlay_lookup_fd(s->ov, &c, fd, &o);
	return r < 0 ? r : object_utimens(s->ov, &c, &o, ts);
}

static const struct side_ops view_ops = {
	.open = view_open, .stat = view_stat, .mkdir = view_mkdir, .mknod = view_mknod, .symlink = view_symlink,
	.link = view_link, .link_fd = view_link_fd, .unlink = view_unlink, .rename = view_rename, .chmod = view_chmod,
	.chown = view_chown, .utimens = view_utimens, .truncate = view_truncate, .setxattr = view_setxattr,
	.removexattr = view_removexattr, .getxattr = view_getxattr, .listxattr = view_listxattr, .readlink = view_readlink,
	.access = view_access, .getdents = view_getdents, .fd_stat = view_fd_stat, .fd_chmod = view_fd_chmod,
	.fd_utimens = view_fd_utimens,
};

void side_init_view(struct side *s, const char *label, const char *root, struct overlay *ov)
{
	side_init_plain(s, label, root, root);
	s->ops = &view_ops;
	s->ov = ov;
}
