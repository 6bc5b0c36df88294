/* compare.c - one name in the box and on the host: whether they differ. */
#include "overlay/compare.h"
#include "overlay/changes.h"

void pair_release(struct pair *p)
{
	fd_closep(&p->box_fd);
	fd_closep(&p->host_fd);
}

int pair_open_host(struct overlay *ov, const char *path, int *ret_fd, struct stat *st)
{
	int fd, r;

	*ret_fd = -1;
	memset(st, 0, sizeof *st);
	if (!path || overlay_hides(ov, path))
		return 0;
	fd = sys_openat2(ov->root_fd, path_relative(path), O_PATH | O_NOFOLLOW | O_CLOEXEC, 0, RESOLVE_NO_SYMLINKS);
	if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP)
		return 0;
	if (fd < 0)
		return fd;
	r = sys_fstat(fd, st);
	*ret_fd = fd;
	return r;
}

int pair_host_path(struct overlay *ov, const char *view, char ret[static PATH_MAX])
{
	_cleanup_spot_ struct spot up;
	char dir[PATH_MAX];
	const char *name = path_split(view, dir, sizeof dir);
	int r;

	spot_init(&up);
	r = name ? table_walk_locked(ov, dir, &up) : -ENAMETOOLONG;
	if (r < 0 || up.kind != SPOT_DIR || !spot_host(&up))
		return r;
	r = path_join(ret, PATH_MAX, spot_host(&up)->path, name);
	return r < 0 ? r : 1;
}

int pair_reopen(int path_fd)
{
	return sys_reopen(path_fd, O_RDONLY | O_CLOEXEC | O_NOCTTY, 0);
}

int pair_content_differs(unsigned flags, const struct pair *p)
{
	if (S_ISREG(p->box.st_mode)) {
		if (p->box.st_size != p->host.st_size)
			return 1;
		bool same_time = time_same(&p->box.st_mtim, &p->host.st_mtim);
		if (flags & CHANGES_NO_CONTENT)
			return !same_time;
		_cleanup_close_ int a = pair_reopen(p->box_fd), b = pair_reopen(p->host_fd);
		if (a < 0 || b < 0)
			return !same_time;   /* unreadable: believe what stat says */
		int r = copy_content_equal(a, b);
		return r < 0 ? r : !r;
	}
	if (S_ISLNK(p->box.st_mode)) {
		char a[PATH_MAX], b[PATH_MAX];
		int r = sys_readlinkat(p->box_fd, "", a, sizeof a);
		if (r >= 0)
			r = sys_readlinkat(p->host_fd, "", b, sizeof b);
		return r < 0 ? r : strcmp(a, b) != 0;
	}
	if (S_ISCHR(p->box.st_mode) || S_ISBLK(p->box.st_mode))
		return p->box.st_rdev != p->host.st_rdev;
	return 0;
}

bool pair_time_differs(const struct pair *p)
{
	return !time_same(&p->box.st_mtim, &p->host.st_mtim) && (!S_ISDIR(p->box.st_mode) || times_marked(p->box_fd, &p->box));
}

bool pair_meta_differs(const struct pair *p)
{
	const struct stat *a = &p->box, *b = &p->host;

	if (a->st_uid != b->st_uid || a->st_gid != b->st_gid)
		return true;
	if (!S_ISLNK(a->st_mode) && (a->st_mode & 07777) != (b->st_mode & 07777))
		return true;
	if (pair_time_differs(p))
		return true;
	return copy_xattrs_equal(p->box_fd, p->host_fd) == 0;
}

int pair_names(int path_fd, char ***ret)
{
	_cleanup_closedir_ DIR *dir = NULL;
	_cleanup_force_ struct force f = { .fd = -1 };
	int r = force_dir_open(path_fd, &f, &dir);

	return r < 0 ? r : dir_names(dir, ret);
}

bool pair_is_empty(int path_fd)
{
	_cleanup_closedir_ DIR *dir = NULL;
	_cleanup_force_ struct force f = { .fd = -1 };

	return force_dir_open(path_fd, &f, &dir) == 0 && !dir_next(dir);
}
