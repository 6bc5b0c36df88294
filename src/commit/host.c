/* host.c - names on the host, reached without following a symlink. */
#include "host.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/descent.h"
#include "base/dir.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/stat.h"
#include "base/sys.h"
#include "overlay/box.h"

#define RESOLVE_HOST (RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)
#define N_DIRS (sizeof ((struct host *)NULL)->dirs / sizeof ((struct host *)NULL)->dirs[0])

int host_init(struct host *h)
{
	int fd = sys_openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);

	host_blank(h, fd);
	return fd < 0 ? fd : 0;
}

void host_blank(struct host *h, int root_fd)
{
	h->root_fd = root_fd;
	h->last = 0;
	h->pinned[0] = '\0';
	for (size_t i = 0; i < N_DIRS; i++)
		h->dirs[i].fd = -1;
}

void host_release(struct host *h)
{
	host_moved(h);
	fd_closep(&h->root_fd);
	h->root_fd = -1;
}

static void forget(struct host_dir *d)
{
	fd_closep(&d->fd);
	d->fd = -1;
}

void host_moved(struct host *h)
{
	for (size_t i = 0; i < N_DIRS; i++)
		forget(&h->dirs[i]);
}

/* The directory, which was opened by its path, is not another than the one that is to be there. */
static bool pin_holds(const struct host *h, const struct host_dir *d)
{
	return !h->pinned[0] || strcmp(d->path, h->pinned) != 0 || (h->pin.ino && ident_same(&h->pin, &d->id));
}

void host_pin(struct host *h, const char *path, struct ident dir)
{
	h->pin = dir;
	if (!path_split(path, h->pinned, sizeof h->pinned))
		h->pinned[0] = '\0';
	for (size_t i = 0; i < N_DIRS; i++)
		if (h->dirs[i].fd >= 0 && !pin_holds(h, &h->dirs[i]))
			forget(&h->dirs[i]);
}

void host_unpin(struct host *h)
{
	h->pinned[0] = '\0';
}

static struct host_dir *find_dir(struct host *h, const char *path)
{
	for (unsigned i = 0; i < N_DIRS; i++) {
		unsigned k = (h->last + i) % N_DIRS;

		if (h->dirs[k].fd >= 0 && strcmp(h->dirs[k].path, path) == 0) {
			h->last = k;
			return &h->dirs[k];
		}
	}
	return NULL;
}

static int open_dir(struct host *h, const char *path, struct host_dir **ret)
{
	_cleanup_close_ int fd = sys_openat2(h->root_fd, path_relative(path), O_PATH | O_DIRECTORY | O_CLOEXEC, 0, RESOLVE_HOST);
	struct host_dir *d = &h->dirs[(h->last + 1) % N_DIRS];
	struct stat st;
	int r = fd < 0 ? fd : sys_fstat(fd, &st);

	if (r < 0)
		return r;
	forget(d);
	strcpy(d->path, path);
	d->id = ident_of(&st);
	if (!pin_holds(h, d))
		return -ESTALE;
	d->fd = TAKE_FD(fd);
	h->last = (unsigned)(d - h->dirs);
	*ret = d;
	return 0;
}

int host_parent(struct host *h, const char *path, int *ret_fd, const char **ret_name)
{
	char dir[PATH_MAX];
	const char *name = path_split(path, dir, sizeof dir);
	struct host_dir *d;
	int r;

	if (!name)
		return -ENAMETOOLONG;
	d = find_dir(h, dir);
	r = d ? 0 : open_dir(h, dir, &d);
	if (r < 0)
		return r;
	*ret_fd = d->fd;
	*ret_name = *name ? name : ".";
	return 0;
}

int host_ident(const struct host *h, int fd, struct ident *ret)
{
	struct stat st;
	int r;

	for (size_t i = 0; i < N_DIRS; i++)
		if (h->dirs[i].fd == fd) {
			*ret = h->dirs[i].id;
			return 0;
		}
	r = sys_fstat(fd, &st);
	if (r == 0)
		*ret = ident_of(&st);
	return r;
}

int host_parent_ident(struct host *h, const char *path, struct ident *ret)
{
	const char *name;
	int dir, r = host_parent(h, path, &dir, &name);

	return r < 0 ? r : host_ident(h, dir, ret);
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

bool host_same_mount(int a, int b)
{
	struct statx x, y;

	return sys_statx(a, "", AT_EMPTY_PATH, STATX_MNT_ID, &x) == 0 && sys_statx(b, "", AT_EMPTY_PATH, STATX_MNT_ID, &y) == 0 &&
	       (x.stx_mask & y.stx_mask & STATX_MNT_ID) && x.stx_mnt_id == y.stx_mnt_id && x.stx_dev_major == y.stx_dev_major &&
	       x.stx_dev_minor == y.stx_dev_minor;
}

static int rename_new(int dir, const char *name, int new_dir, const char *new)
{
	struct stat st;
	int r = sys_renameat2(dir, name, new_dir, new, RENAME_NOREPLACE);

	if (r != -EINVAL)
		return r;
	r = sys_fstatat(new_dir, new, &st, AT_SYMLINK_NOFOLLOW);
	if (r == 0)
		return -EEXIST;
	return r == -ENOENT ? sys_renameat2(dir, name, new_dir, new, 0) : r;
}

int host_move(int dir, const char *name, int new_dir, const char *new)
{
	_cleanup_close_ int fd = -1;
	_cleanup_door_ struct door door = DOOR_NONE;
	int r = rename_new(dir, name, new_dir, new);

	if (r != -EACCES || geteuid() == 0)
		return r;
	/* Its ".." becomes another. */
	fd = sys_openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	if (fd < 0)
		return r;
	door_open(&door, fd);
	return door.fd < 0 ? r : rename_new(dir, name, new_dir, new);
}

int host_sync(struct host *h, const char *dir)
{
	_cleanup_close_ int fd = -1;

	if (host_open(h, dir, O_RDONLY | O_DIRECTORY, &fd) == 0)
		return sys_syncfs(fd);
	/* We may write into it, but not read it, or it has got another place: then all file systems are. */
	sync();
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

static int list(struct host *h, const char *path, char ***ret)
{
	_cleanup_closedir_ DIR *d = NULL;
	int fd, r;

	r = host_open(h, path, O_RDONLY | O_DIRECTORY, &fd);
	if (r < 0)
		return r;
	d = dir_take(fd);
	return d ? dir_names(d, ret) : -ENOMEM;
}

int host_enter(struct host *h, const char *path, struct descent *d)
{
	char **names;
	int r = list(h, path, &names);

	return r < 0 ? r : descent_enter(d, names);
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
