/* moveout.c - what a layer has, and could be given to the host as it is. */
#include <sys/xattr.h>

#include "base/cred.h"
#include "base/descent.h"
#include "overlay/changes.h"
#include "overlay/internal.h"

#define ATTRS_MAX 1024 /* bytes of names: who has more is copied */

/* Attributes that are for the layer alone, and those that the host's directory is to give (labels). */
static bool is_for_layer(const char *name)
{
	static const char *const prefixes[] = { XATTR_OVERLAY_PREFIX, "trusted.overlay.", "security.selinux", "security.SMACK64", "security.apparmor" };

	for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
		if (!strncmp(name, prefixes[i], strlen(prefixes[i])))
			return true;
	return false;
}

/* What overlay_strip takes away again: of directories, and of a file that is given alone. */
static bool is_stripped(const char *name, bool directory, bool alone)
{
	return directory ? !strcmp(name, XATTR_OPAQUE) || !strcmp(name, XATTR_TIMES) : alone && !strcmp(name, XATTR_RECORD);
}

static bool attrs_are_plain(const char *names, ssize_t size, const struct stat *st, bool alone)
{
	/* Only root takes attributes off what its mode keeps from being written. */
	bool can_strip = (st->st_mode & S_IWUSR) || cred_process_is_root();

	for (const char *n = names; n < names + size; n += strlen(n) + 1)
		if (is_for_layer(n) && !(can_strip && is_stripped(n, S_ISDIR(st->st_mode), alone)))
			return false;
	return size >= 0;
}

/* Nobody else has the file open for writing, or can come to write by a mapping: the kernel gives a read lease then alone (fcntl(2)). */
static bool is_quiet(int fd)
{
	return fcntl(fd, F_SETLEASE, F_RDLCK) == 0;
}

static bool fd_is_plain(int fd, const struct stat *st, bool alone)
{
	char names[ATTRS_MAX];

	return attrs_are_plain(names, flistxattr(fd, names, sizeof names), st, alone) && (!S_ISREG(st->st_mode) || is_quiet(fd));
}

/* One object below top. 1: plain, a directory; 0: plain; -ENOTSUP: not plain. */
static int check_object(int top, const char *path, dev_t dev, bool alone)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r = sys_fstatat(top, path, &st, AT_SYMLINK_NOFOLLOW);

	if (r < 0)
		return r;
	if (st.st_dev != dev || S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode) || (!S_ISDIR(st.st_mode) && st.st_nlink > 1))
		return -ENOTSUP;
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return 0;
	fd = sys_openat2(top, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0, RESOLVE_LAYER);
	r = fd < 0 ? fd : sys_fstat(fd, &st);
	/* Made unreadable by its owner. */
	if (r == -EACCES)
		return -ENOTSUP;
	return r < 0 ? r : fd_is_plain(fd, &st, alone) ? S_ISDIR(st.st_mode) : -ENOTSUP;
}

static int check_tree(struct plain *p)
{
	char path[PATH_MAX];
	_cleanup_descent_ struct descent d = { .path = { path } };
	int r;

	strcpy(path, p->name);
	p->objects = 1;
	r = check_object(p->dir, path, p->st.st_dev, true);
	if (r == 1)
		r = descent_enter_at(&d, p->dir, path);
	while (r >= 0 && d.depth) {
		r = descent_step(&d);
		if (r <= 0)
			continue;
		p->objects++;
		r = check_object(p->dir, path, p->st.st_dev, false);
		if (r == 1)
			r = descent_enter_at(&d, p->dir, path);
	}
	return r < 0 ? r : 0;
}

void plain_release(struct plain *p)
{
	fd_closep(&p->dir);
}

int overlay_plain(struct overlay *ov, struct vpath path, struct plain *ret)
{
	_cleanup_(plain_release) struct plain p = { .dir = -1 };
	_cleanup_spot_ struct spot s;
	char dir[PATH_MAX], tree[32];
	const char *where;
	int r;

	spot_init(&s);
	if (!path_split(path.s, dir, sizeof dir) || strlen(strrchr(path.s, '/') + 1) > NAME_MAX)
		return -ENAMETOOLONG;
	strcpy(p.name, strrchr(path.s, '/') + 1);
	r = change_begin(ov);
	if (r < 0)
		return r;
	r = table_walk_locked(ov, dir, &s);
	if (r == 0 && s.kind != SPOT_LAYER && s.kind != SPOT_DIR)
		r = -ENOENT;
	if (r == 0 && s.layer != ov->top)
		r = -ENOTSUP;
	where = s.kind == SPOT_DIR ? s.parts[0].path : s.path;
	if (r == 0)
		r = layer_open_own(ov, ov->top, where, O_PATH | O_DIRECTORY, &p.dir);
	if (r == 0)
		r = sys_fstatat(p.dir, p.name, &p.st, AT_SYMLINK_NOFOLLOW);
	snprintf(tree, sizeof tree, "/layers/%d/tree", ov->box->layer[ov->top]);
	if (r == 0 && snprintf(p.path, sizeof p.path, "%s%s%s/%s", ov->box->path, tree, strcmp(where, "/") ? where : "", p.name) >= (int)sizeof p.path)
		r = -ENAMETOOLONG;
	if (r == 0)
		r = check_tree(&p);
	change_end(ov, false);
	if (r < 0)
		return r;
	*ret = p;
	p.dir = -1;
	return 0;
}

void overlay_moved_out(struct overlay *ov, const struct vpath *paths, size_t n)
{
	if (change_begin(ov) < 0)
		return;
	for (size_t i = 0; i < n; i++)
		table_remove(ov, paths[i].s);
	change_end(ov, true);
}

void overlay_moved_back(struct overlay *ov)
{
	if (change_begin(ov) < 0)
		return;
	table_drop(ov);
	change_end(ov, true);
}

int overlay_strip(int fd, bool directory)
{
	static const char *const of_directory[] = { XATTR_OPAQUE, XATTR_TIMES, NULL }, *const of_file[] = { XATTR_RECORD, NULL };
	int r = 0;

	for (const char *const *name = directory ? of_directory : of_file; *name && (r == 0 || r == -ENODATA); name++)
		r = sys_removexattr(FD_PATH(fd), *name);
	return r == -ENODATA ? 0 : r;
}
