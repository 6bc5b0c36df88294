/* forget.c - taking changes out of a box: what the top layer has at a path is removed, and the mirrors that are of no more use with it. */
#include "overlay/changes.h"
#include "overlay/compare.h"

#include <sys/xattr.h>

/* True when the mirror says nothing that the host does not say. */
static bool mirror_is_idle(struct overlay *ov, int dirfd, const char *name, const char *host_path)
{
	_cleanup_pair_ struct pair p = PAIR_INIT;
	_cleanup_strv_ char **names = NULL;
	char v[8];

	p.box_fd = sys_openat(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	if (p.box_fd < 0 || sys_fstat(p.box_fd, &p.box) < 0 || fd_is_opaque(p.box_fd) ||
	    fd_getxattr(p.box_fd, XATTR_REDIRECT, v, 0) >= 0)
		return false;
	if (pair_names(p.box_fd, &names) < 0 || *names)
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

/* Where a renamed object of the layer was: the redirect of a directory, the record of a file. "" for none. */
static void moved_from(struct overlay *ov, const char *view, char *ret)
{
	_cleanup_object_ struct object o;
	struct record rec;

	ret[0] = 0;
	object_init(&o);
	if (lookup_canonical_locked(ov, view, &o) < 0 || o.where == OBJECT_HOST)
		return;
	if (S_ISDIR(o.st.st_mode)) {
		ssize_t n = fd_getxattr(o.meta_fd >= 0 ? o.meta_fd : o.fd, XATTR_REDIRECT, ret, PATH_MAX - 1);
		ret[n > 0 && ret[0] == '/' ? n : 0] = 0;
	} else if (S_ISREG(o.st.st_mode) && record_read(o.fd, &rec) == 0 && strcmp(rec.path, view)) {
		strcpy(ret, rec.path);
	}
}

/* Takes a whiteout of the top layer away, if that is what is there. */
static void uncover(struct overlay *ov, const char *view)
{
	_cleanup_spot_ struct spot s;
	_cleanup_close_ int fd = -1;
	_cleanup_force_ struct force f = { .fd = -1 };
	char dir[PATH_MAX];
	const char *name = path_split(view, dir, sizeof dir);
	struct stat st;

	spot_init(&s);
	if (!name || table_walk_locked(ov, view, &s) < 0 || s.kind != SPOT_WHITEOUT || s.layer != ov->top)
		return;
	if (table_walk_locked(ov, dir, &s) < 0 || s.kind != SPOT_DIR || s.parts[0].layer != ov->top ||
	    layer_open(ov, ov->top, s.parts[0].path, O_PATH | O_DIRECTORY, &fd) < 0)
		return;
	if (sys_fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !stat_is_whiteout(&st) || force_begin(fd, &f) < 0 ||
	    sys_unlinkat(fd, name, 0) < 0)
		return;
	table_remove(ov, view);
	force_endp(&f);
	prune(ov, dir);
}

int overlay_forget(struct overlay *ov, struct vpath path)
{
	char from[PATH_MAX] = "";
	_cleanup_spot_ struct spot s;
	_cleanup_close_ int fd = -1;
	_cleanup_force_ struct force f = { .fd = -1 };
	char dir[PATH_MAX];
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
		r = layer_open(ov, ov->top, where, O_PATH | O_DIRECTORY, &fd);
	name = strrchr(path.s, '/') + 1;
	if (r == 0)
		moved_from(ov, path.s, from);
	if (r == 0)
		r = force_begin(fd, &f);
	if (r == 0)
		r = layer_remove_tree(fd, name);
	if (r == 0) {
		table_remove(ov, path.s);
		ov->redirects_valid = false;
		force_endp(&f);
		prune(ov, dir);
		if (from[0])
			uncover(ov, from);
	}
	change_end(ov, true);
	return r;
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
		r = layer_open(ov, ov->top, s.kind == SPOT_DIR ? s.parts[0].path : s.path, O_PATH | O_DIRECTORY, &fd);
	if (r == 0)
		r = pair_open_host(ov, path.s, &host, &st);
	if (r == 0 && !S_ISDIR(st.st_mode))
		r = -ENOENT;
	if (r == 0)
		r = force_begin(fd, &f);
	if (r == 0) {
		removexattr(FD_PATH(fd), XATTR_OPAQUE);
		removexattr(FD_PATH(fd), XATTR_REDIRECT);
		removexattr(FD_PATH(fd), XATTR_RECORD);
		force_endp(&f);
		r = mirror_metadata(host, fd, &st);
		table_drop(ov);
		prune(ov, path.s);
	}
	change_end(ov, true);
	return r;
}
