/* side_plain.c - the kernel's answer: plain system calls on a directory. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "base/fd.h"
#include "side.h"

#define RESULT(expr) ({ long _r = (long)(expr); _r < 0 ? -errno : _r; })

/* The start directory as a descriptor. */
static int base_open(struct side *s, const struct where *w)
{
	char path[2 * PATH_MAX];

	if (w->path[0] == '/')   /* does not ask for it, and may be just removing it */
		strcpy(path, "/");
	else if (w->base[0])
		snprintf(path, sizeof(path), "%s/%s", s->root, w->base);
	else
		snprintf(path, sizeof(path), "%s", s->root);
	return (int)RESULT(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
}

/* The overlay keeps the thread's umask and remembers it: leave it as it was. */
static void umask_back(mode_t *old)
{
	umask(*old);
}

#define WITH_BASE(s, w, fd)                              \
	_cleanup_close_ int fd = base_open((s), (w));    \
	(s)->refused |= fd < 0;                          \
	if (fd < 0)                                      \
		return fd;                               \
	_cleanup_(umask_back) mode_t umask_##fd = umask((w)->umask); \
	(void)umask_##fd

/* Calls that know no directory descriptor go through the descriptor's own name. */
static const char *long_way(char *buf, size_t size, int dirfd, const struct where *w)
{
	if (w->path[0] == '/' || !w->path[0])
		return w->path;
	snprintf(buf, size, "/proc/self/fd/%d/%s", dirfd, w->path);
	return buf;
}

static int plain_open(struct side *s, const struct where *w, uint64_t flags, mode_t mode)
{
	WITH_BASE(s, w, dir);
	return (int)RESULT(openat(dir, w->path, (int)flags, mode));
}

static int plain_stat(struct side *s, const struct where *w, unsigned flags, struct stat *ret)
{
	WITH_BASE(s, w, dir);
	int at = (flags & LOOKUP_NOFOLLOW ? AT_SYMLINK_NOFOLLOW : 0) | (flags & LOOKUP_EMPTY_PATH ? AT_EMPTY_PATH : 0);

	if (flags & LOOKUP_DIRECTORY) {
		_cleanup_close_ int fd = openat(dir, w->path,
						O_PATH | O_DIRECTORY | O_CLOEXEC | (flags & LOOKUP_NOFOLLOW ? O_NOFOLLOW : 0));
		if (fd < 0)
			return -errno;
		return (int)RESULT(fstat(fd, ret));
	}
	return (int)RESULT(fstatat(dir, w->path, ret, at));
}

static int plain_mkdir(struct side *s, const struct where *w, mode_t mode)
{
	WITH_BASE(s, w, dir);
	return (int)RESULT(mkdirat(dir, w->path, mode));
}

static int plain_mknod(struct side *s, const struct where *w, mode_t mode, dev_t dev)
{
	WITH_BASE(s, w, dir);
	return (int)RESULT(mknodat(dir, w->path, mode, dev));
}

static int plain_symlink(struct side *s, const char *target, const struct where *w)
{
	WITH_BASE(s, w, dir);
	return (int)RESULT(symlinkat(target, dir, w->path));
}

static int plain_link(struct side *s, const struct where *old, const struct where *w, int flags)
{
	WITH_BASE(s, old, olddir);
	WITH_BASE(s, w, dir);
	return (int)RESULT(linkat(olddir, old->path, dir, w->path, flags));
}

static int plain_link_fd(struct side *s, int fd, const struct where *w)
{
	WITH_BASE(s, w, dir);
	return (int)RESULT(linkat(AT_FDCWD, FD_PATH(fd), dir, w->path, AT_SYMLINK_FOLLOW));
}

static int plain_unlink(struct side *s, const struct where *w, int flags)
{
	WITH_BASE(s, w, dir);
	return (int)RESULT(unlinkat(dir, w->path, flags));
}

static int plain_rename(struct side *s, const struct where *old, const struct where *w, unsigned flags)
{
	WITH_BASE(s, old, olddir);
	WITH_BASE(s, w, dir);
	return (int)RESULT(renameat2(olddir, old->path, dir, w->path, flags));
}

static int plain_chmod(struct side *s, const struct where *w, mode_t mode)
{
	WITH_BASE(s, w, dir);
	return (int)RESULT(fchmodat(dir, w->path, mode, 0));
}

static int plain_chown(struct side *s, const struct where *w, bool follow, uid_t uid, gid_t gid)
{
	WITH_BASE(s, w, dir);
	return (int)RESULT(fchownat(dir, w->path, uid, gid, follow ? 0 : AT_SYMLINK_NOFOLLOW));
}

static int plain_utimens(struct side *s, const struct where *w, bool follow, const struct timespec ts[2])
{
	if (ts && ts[0].tv_nsec == UTIME_OMIT && ts[1].tv_nsec == UTIME_OMIT)   /* the kernel looks at no path then, nor we at the start */
		return 0;
	WITH_BASE(s, w, dir);
	return (int)RESULT(utimensat(dir, w->path, ts, follow ? 0 : AT_SYMLINK_NOFOLLOW));
}

static int plain_truncate(struct side *s, const struct where *w, off_t size)
{
	char buf[PATH_MAX + 64];
	WITH_BASE(s, w, dir);
	return (int)RESULT(truncate(long_way(buf, sizeof(buf), dir, w), size));
}

static int plain_setxattr(struct side *s, const struct where *w, bool follow, const char *name, const void *value, size_t size,
			  int flags)
{
	char buf[PATH_MAX + 64];
	WITH_BASE(s, w, dir);
	const char *path = long_way(buf, sizeof(buf), dir, w);

	return (int)RESULT(follow ? setxattr(path, name, value, size, flags) : lsetxattr(path, name, value, size, flags));
}

static int plain_removexattr(struct side *s, const struct where *w, bool follow, const char *name)
{
	char buf[PATH_MAX + 64];
	WITH_BASE(s, w, dir);
	const char *path = long_way(buf, sizeof(buf), dir, w);

	return (int)RESULT(follow ? removexattr(path, name) : lremovexattr(path, name));
}

static ssize_t plain_getxattr(struct side *s, const struct where *w, bool follow, const char *name, void *value, size_t size)
{
	char buf[PATH_MAX + 64];
	WITH_BASE(s, w, dir);
	const char *path = long_way(buf, sizeof(buf), dir, w);

	return RESULT(follow ? getxattr(path, name, value, size) : lgetxattr(path, name, value, size));
}

static ssize_t plain_listxattr(struct side *s, const struct where *w, bool follow, char *list, size_t size)
{
	char buf[PATH_MAX + 64];
	WITH_BASE(s, w, dir);
	const char *path = long_way(buf, sizeof(buf), dir, w);

	return RESULT(follow ? listxattr(path, list, size) : llistxattr(path, list, size));
}

static int plain_readlink(struct side *s, const struct where *w, char *buf, size_t size)
{
	WITH_BASE(s, w, dir);
	return (int)RESULT(readlinkat(dir, w->path, buf, size));
}

static int plain_access(struct side *s, const struct where *w, int mode, int flags)
{
	WITH_BASE(s, w, dir);
	/* The C library emulates flags on old kernels; faccessat2 itself is wanted here. */
	return (int)RESULT(syscall(SYS_faccessat2, dir, w->path, mode, flags));
}

static ssize_t plain_getdents(struct side *s, int fd, void *buf, size_t size)
{
	(void)s;
	return RESULT(syscall(SYS_getdents64, fd, buf, size));
}

static int plain_fd_stat(struct side *s, int fd, struct stat *ret)
{
	(void)s;
	return (int)RESULT(fstat(fd, ret));
}

static int plain_fd_chmod(struct side *s, int fd, mode_t mode)
{
	(void)s;
	return (int)RESULT(fchmod(fd, mode));
}

static int plain_fd_utimens(struct side *s, int fd, const struct timespec ts[2])
{
	(void)s;
	return (int)RESULT(futimens(fd, ts));
}

static const struct side_ops plain_ops = {
	.open = plain_open, .stat = plain_stat, .mkdir = plain_mkdir, .mknod = plain_mknod, .symlink = plain_symlink,
	.link = plain_link, .link_fd = plain_link_fd, .unlink = plain_unlink, .rename = plain_rename, .chmod = plain_chmod,
	.chown = plain_chown, .utimens = plain_utimens, .truncate = plain_truncate, .setxattr = plain_setxattr,
	.removexattr = plain_removexattr, .getxattr = plain_getxattr, .listxattr = plain_listxattr, .readlink = plain_readlink,
	.access = plain_access, .getdents = plain_getdents, .fd_stat = plain_fd_stat, .fd_chmod = plain_fd_chmod,
	.fd_utimens = plain_fd_utimens,
};

void side_init_plain(struct side *s, const char *label, const char *root, const char *shown)
{
	memset(s, 0, sizeof(*s));
	s->ops = &plain_ops;
	s->label = label;
	snprintf(s->root, sizeof(s->root), "%s", root);
	snprintf(s->shown, sizeof(s->shown), "%s", shown);
	for (int i = 0; i < SIDE_HELD; i++)
		s->held[i] = -1;
}

void side_release(struct side *s)
{
	for (int i = 0; i < SIDE_HELD; i++)
		fd_closep(&s->held[i]);
}

static int dirent_order(const void *a, const void *b)
{
	return strcmp(((const struct side_dirent *)a)->name, ((const struct side_dirent *)b)->name);
}

int side_list_fd(struct side *s, int fd, size_t buf_size, struct side_dirent **ret, size_t *ret_count)
{
	_cleanup_free_ struct side_dirent *list = NULL;
	_cleanup_free_ char *buf = malloc(buf_size);
	size_t count = 0, room = 0;

	if (!buf)
		return -ENOMEM;
	for (;;) {
		ssize_t n = s->ops->getdents(s, fd, buf, buf_size);
		if (n < 0)
			return (int)n;
		if (n == 0)
			break;
		for (ssize_t at = 0; at < n;) {
			const struct linux_dirent64 *d = (const void *)(buf + at);

			at += d->d_reclen;
			if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
				continue;
			if (count == room) {
				struct side_dirent *more = realloc(list, (room = room ? 2 * room : 64) * sizeof(*list));
				if (!more)
					return -ENOMEM;
				list = more;
			}
			snprintf(list[count].name, sizeof(list[count].name), "%s", d->d_name);
			list[count].type = d->d_type;
			list[count++].ino = d->d_ino;
		}
	}
	if (count)
		qsort(list, count, sizeof(*list), dirent_order);
	*ret = TAKE_PTR(list);
	*ret_count = count;
	return 0;
}

int side_list(struct side *s, const char *path, struct side_dirent **ret, size_t *ret_count)
{
	struct where w = { .base = "", .path = path[0] ? path : "." };
	_cleanup_close_ int fd = s->ops->open(s, &w, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);

	if (fd < 0)
		return fd;
	return side_list_fd(s, fd, 32768, ret, ret_count);
}
