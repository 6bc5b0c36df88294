/* host.c - names on the host, reached without following a symlink. */
#include "host.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/stat.h"
#include "base/sys.h"
#include "overlay/box.h"

#define RESOLVE_HOST (RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)

int host_init(struct host *h)
{
	int fd = sys_openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);

	h->dir_fd = -1;
	h->dir[0] = h->pinned[0] = '\0';
	h->root_fd = fd;
	return fd < 0 ? fd : 0;
}

void host_release(struct host *h)
{
	fd_closep(&h->dir_fd);
	fd_closep(&h->root_fd);
	h->dir_fd = h->root_fd = -1;
}

void host_moved(struct host *h)
{
	fd_closep(&h->dir_fd);
	h->dir_fd = -1;
	h->dir[0] = '\0';
}

/* The directory, which was opened by its path, is not another than the one that is to be there. */
static bool pin_holds(const struct host *h, const char *dir, int fd)
{
	struct stat st;

	return !h->pinned[0] || strcmp(dir, h->pinned) != 0 || (sys_fstat(fd, &st) == 0 && ident_is(&h->pin, &st));
}

void host_pin(struct host *h, const char *path, struct ident dir)
{
	h->pin = dir;
	if (!path_split(path, h->pinned, sizeof h->pinned))
		h->pinned[0] = '\0';
	if (h->dir_fd >= 0 && !pin_holds(h, h->dir, h->dir_fd))
		host_moved(h);
}

void host_unpin(struct host *h)
{
	h->pinned[0] = '\0';
}

int host_parent(struct host *h, const char *path, int *ret_fd, const char **ret_name)
{
	char dir[PATH_MAX];
	const char *name = path_split(path, dir, sizeof dir);
	int fd;

	if (!name)
		return -ENAMETOOLONG;
	if (!*name)
		name = ".";
	if (h->dir_fd < 0 || strcmp(dir, h->dir) != 0) {
		fd = sys_openat2(h->root_fd, path_relative(dir), O_PATH | O_DIRECTORY | O_CLOEXEC, 0, RESOLVE_HOST);
		if (fd < 0)
			return fd;
		host_moved(h);
		if (!pin_holds(h, dir, fd)) {
			fd_closep(&fd);
			return -ESTALE;
		}
		h->dir_fd = fd;
		strcpy(h->dir, dir);
	}
	*ret_fd = h->dir_fd;
	*ret_name = name;
	return 0;
}

int host_open(struct host *h, const char *path, int flags, int *ret_fd)
{
	const char *name;
	int dir, r;

	r = host_parent(h, path, &dir, &name);
	if (r < 0)
		return r;
	r = sys_openat(dir, name, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);
	if (r < 0)
		return r;
	*ret_fd = r;
	return 0;
}

int host_stat(struct host *h, const char *path, struct stat *ret)
{
	const char *name;
	struct stat st;
	int dir, r;

	r = host_parent(h, path, &dir, &name);
	if (r == 0)
		r = sys_fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW);
	if (r == -ENOENT || r == -ENOTDIR) {
		memset(ret, 0, sizeof *ret);
		return 0;
	}
	if (r < 0)
		return r;
	*ret = st;
	return 0;
}

int host_exchange(int dir_a, const char *a, int dir_b, const char *b, const char *spare)
{
	int r = sys_renameat2(dir_a, a, dir_b, b, RENAME_EXCHANGE);

	if (r != -EINVAL)
		return r;
	r = sys_linkat(dir_b, b, dir_a, spare, 0);
	if (r < 0)
		return r == -EPERM || r == -EOPNOTSUPP || r == -EISDIR ? -EINVAL : r;
	r = sys_renameat2(dir_a, a, dir_b, b, 0);
	if (r < 0) {
		sys_unlinkat(dir_a, spare, 0);
		return r;
	}
	return sys_renameat2(dir_a, spare, dir_a, a, 0);
}

int host_list(struct host *h, const char *path, char ***ret)
{
	_cleanup_closedir_ DIR *d = NULL;
	int fd, r;

	r = host_open(h, path, O_RDONLY | O_DIRECTORY, &fd);
	if (r < 0)
		return r;
	d = dir_take(fd);
	return d ? dir_names(d, ret) : -ENOMEM;
}

bool host_older(const struct box *box, const struct stat *st)
{
	return time_ns(&st->st_ctim) < box->born_ns;
}

/* ---- doors ---- */

void door_open(struct door *d, int dir)
{
	struct stat st;

	*d = DOOR_NONE;
	if (geteuid() == 0 || sys_fstat(dir, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & S_IRWXU) == S_IRWXU)
		return;
	if (sys_chmod_fd(dir, (st.st_mode & 07777) | S_IRWXU) == 0)
		*d = (struct door){ .fd = dir, .mode = st.st_mode & 07777 };
}

void door_close(struct door *d)
{
	if (d->fd >= 0)
		(void)sys_chmod_fd(d->fd, d->mode);
	*d = DOOR_NONE;
}
