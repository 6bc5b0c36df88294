/* forget.c - taking changes out of a box: what the top layer has at a path is removed, and the mirrors that are of no more use with it. */
#include "overlay/changes.h"
#include "overlay/compare.h"
#include "overlay/forget_links.h"

#include <sys/xattr.h>

/* True when the mirror says nothing that the host does not say. */
static bool mirror_is_idle(struct overlay *ov, int dirfd, const char *name, const char *host_path)
{
	_cleanup_pair_ struct pair p = PAIR_INIT;
	char v[8];

	p.box_fd = sys_openat(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	if (p.box_fd < 0 || sys_fstat(p.box_fd, &p.box) < 0 || fd_is_opaque(p.box_fd) ||
	    fd_getxattr(p.box_fd, XATTR_REDIRECT, v, 0) >= 0)
		return false;
	if (!pair_is_empty(p.box_fd))
		return false;
	if (pair_open_host(ov, host_path, &p.host_fd, &p.host) < 0 || !S_ISDIR(p.host.st_mode))
		return false;
	if (!cred_process_is_root() && p.host.st_uid != p.box.st_uid) {
		p.box.st_uid = p.host.st_uid;
		p.box.st_gid = p.host.st_gid;
	}
	return !pair_meta_differs(&p);
}

/* Removes mirrors that have become idle, from dir upwards. */
static void prune(struct overlay *ov, const char *from)
{
	char dir[PATH_MAX], up[PATH_MAX];

	strcpy(dir, from);
	while (strcmp(dir, "/")) {
		_cleanup_spot_ struct spot s;
		_cleanup_close_ int fd = -1;
		_cleanup_force_ struct force f = { .fd = -1 };
		struct stat st;
		const char *name = path_split(dir, up, sizeof up);

		spot_init(&s);
		if (!name || table_walk_locked(ov, dir, &s) < 0 || s.kind != SPOT_DIR || s.parts[0].layer != ov->top || !spot_host(&s))
			return;
		if (layer_open_parent(ov, ov->top, s.parts[0].path, &fd, &name) < 0 || !mirror_is_idle(ov, fd, name, spot_host(&s)->path))
			return;
		if (sys_fstat(fd, &st) < 0 || force_begin(fd, &f) < 0 || sys_unlinkat(fd, name, AT_REMOVEDIR) < 0)
			return;
		fd_set_times(fd, &st);
		table_remove(ov, dir);
		strcpy(dir, up);
	}
}

/* A layer that has nothing left says nothing of files with several names either. */
static int reset_if_empty(struct overlay *ov)
{
	return ov->nlinks && pair_is_empty(ov->layers[ov->top].tree_fd) ? links_reset(ov, true) : 0;
}

/* The path on the host that `name` in a directory of the view stands for; false: none. */
static bool host_path_of(const struct spot *dir, const char *view, const char *name, char *ret)
{
	if (dir->kind == SPOT_DIR)
		return spot_host(dir) && path_join(ret, PATH_MAX, spot_host(dir)->path, name) >= 0;
	/* Below a directory that only the layer has: the host may have one of that name, which it hides. */
	strcpy(ret, view);
	return true;
}

static int forget(struct overlay *ov, struct vpath path, bool whole)
{
	_cleanup_returns_ struct returns back = { 0 };
	_cleanup_spot_ struct spot s;
	_cleanup_close_ int fd = -1;
	_cleanup_force_ struct force f = { .fd = -1 };
	char dir[PATH_MAX], host[PATH_MAX];
	struct stat st;
	const char *name;
	int r;

	spot_init(&s);
	if (!path_split(path.s, dir, sizeof dir))
		return -ENAMETOOLONG;
	r = change_begin(ov);
	if (r < 0)
		return r;
	r = table_walk_locked(ov, dir, &s);
	if (r == 0 && s.kind != SPOT_LAYER && s.kind != SPOT_DIR)
		r = -ENOENT;
	const char *where = s.kind == SPOT_DIR ? s.parts[0].path : s.path;
	if (r == 0 && s.layer != ov->top)
		r = -ENOENT;
	if (r == 0)
		r = layer_open_own(ov, ov->top, where, O_PATH | O_DIRECTORY, &fd);
	name = strrchr(path.s, '/') + 1;
	if (r == 0)
		r = sys_fstat(fd, &st);
	if (r == 0)
		r = returns_find(ov, fd, name, host_path_of(&s, path.s, name, host) ? host : NULL, &back);
	if (r == 0)
		r = force_begin(fd, &f);
	if (r == 0)
		r = layer_remove_tree(fd, name);
	if (r == 0) {
		fd_set_times(fd, &st);   /* the directory's own change, if it has one, stays */
		table_remove(ov, path.s);
		ov->redirects_valid = false;
		force_endp(&f);
		r = returns_give_back(ov, &back);
		if (whole)
			prune(ov, dir);
		if (r == 0 && whole)
			r = reset_if_empty(ov);
	}
	change_end(ov, true);
	return r;
}

int overlay_forget(struct overlay *ov, struct vpath path)
{
	return forget(ov, path, true);
}

int overlay_forget_only(struct overlay *ov, struct vpath path)
{
	return forget(ov, path, false);
}

void overlay_prune(struct overlay *ov, struct vpath dir)
{
	if (change_begin(ov) < 0)
		return;
	prune(ov, dir.s);
	/* Else the next time: it only counts. */
	(void)reset_if_empty(ov);
	change_end(ov, true);
}

int overlay_settle(struct overlay *ov, struct vpath path)
{
	_cleanup_spot_ struct spot s;
	_cleanup_close_ int fd = -1, host = -1;
	_cleanup_force_ struct force f = { .fd = -1 };
	struct stat st;
	int r;

	spot_init(&s);
	r = change_begin(ov);
	if (r < 0)
		return r;
	r = table_walk_locked(ov, path.s, &s);
	if (r == 0 && s.kind != SPOT_LAYER && s.kind != SPOT_DIR)
		r = -ENOENT;
	if (r == 0 && s.layer != ov->top)
		r = -ENOENT;
	if (r == 0)
		r = layer_open_own(ov, ov->top, s.kind == SPOT_DIR ? s.parts[0].path : s.path, O_PATH | O_DIRECTORY, &fd);
	if (r == 0) {
		char there[PATH_MAX];
		r = pair_host_path(ov, path.s, there);
		r = r < 0 ? r : pair_open_host(ov, r ? there : path.s, &host, &st);
	}
	if (r == 0 && !S_ISDIR(st.st_mode))
		r = -ENOENT;
	if (r == 0)
		r = layer_note_origin(ov, NULL, path.s, &st, NULL, NULL);   /* what a later change of it begins with */
	if (r == 0)
		r = force_begin(fd, &f);
	if (r == 0) {
		removexattr(FD_PATH(fd), XATTR_OPAQUE);
		removexattr(FD_PATH(fd), XATTR_REDIRECT);
		removexattr(FD_PATH(fd), XATTR_RECORD);
		removexattr(FD_PATH(fd), XATTR_TIMES);
		force_endp(&f);
		r = mirror_metadata(host, fd, &st);
		table_drop(ov);
		prune(ov, path.s);
	}
	change_end(ov, true);
	return r;
}
