/* mirror.c - directories of the host in the top layer.
 *
 * (W3) A mirror is made with the metadata of what it mirrors, and making something in a mirror that the caller did not ask for leaves the
 *      mirror's times as they were.
 */
#include "overlay/internal.h"

#include <dirent.h>

int mirror_metadata(int src, int dst, const struct stat *st)
{
	struct record rec = { .uid = st->st_uid, .gid = st->st_gid, .path = "/" };
	unsigned lost = 0;
	int r = copy_metadata(src, dst, st, COPY_ALL, &lost);

	/* Of a directory that is another user's, no group can be given in the box either: there the host is asked each time. */
	if (r == 0 && (lost & COPY_LOST_OWNER) && st->st_uid == cred_fsuid())
		r = record_write(dst, &rec);
	return r;
}

/* Makes in work/ a directory with the metadata of src, and moves it to (dirfd, name). in_layer: src is a lower layer's. */
static int mirror_make(struct overlay *ov, int src, bool in_layer, const struct stat *st, int dirfd, const char *name)
{
	char tmp[32];
	int work = ov->layers[ov->top].work_fd, r;
	_cleanup_close_ int fd = -1;

	layer_temp_name(ov, tmp);
	r = sys_mkdirat(work, tmp, 0700);
	if (r < 0)
		return r;
	fd = sys_openat(work, tmp, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	/* To move a directory one needs write permission on it. */
	bool late = !cred_process_is_root() && (st->st_mode & 0700) != 0700;
	struct stat first = *st;
	first.st_mode |= 0700;
	r = fd < 0 ? fd : mirror_metadata(src, fd, late ? &first : st);
	if (r == 0 && in_layer && times_marked(src, st))
		r = times_mark(fd);
	if (r == 0)
		r = sys_renameat2(work, tmp, dirfd, name, RENAME_NOREPLACE);
	if (r == 0 && late)
		r = sys_fchmod(fd, st->st_mode & 07777);
	if (r < 0)
		sys_unlinkat(work, tmp, AT_REMOVEDIR);
	return r;
}

/* One directory on the way: its mirror in the directory dirfd of the top layer, which is the mirror of its parent. */
static int mirror_step(struct overlay *ov, const struct caller *c, const char *view, int dirfd, const char *name)
{
	_cleanup_object_ struct object o;
	_cleanup_force_ struct force force = { .fd = -1 };
	struct stat parent;
	int r;

	r = lookup_canonical_locked(ov, view, &o);
	if (r < 0)
		return r;
	if (!S_ISDIR(o.st.st_mode))
		return -ENOTDIR;
	r = perm_mirror_fs(&o);
	if (r < 0)
		return r;
	_cleanup_cred_ int own = cred_own_begin();
	r = layer_note_origin(ov, c, view, &o.st, NULL, NULL);
	if (r == 0)
		r = sys_fstat(dirfd, &parent);
	if (r == 0)
		r = force_begin(dirfd, &force);
	if (r == 0)
		r = mirror_make(ov, o.meta_fd >= 0 ? o.meta_fd : o.fd, o.where != OBJECT_HOST, &o.st, dirfd, name);
	if (r == 0)
		fd_set_times(dirfd, &parent);
	if (r == 0)
		r = table_put(ov, view, DNODE_DIR, DT_DIR, 0);
	return r;
}

int layer_mirror(struct overlay *ov, const struct caller *c, const char *view, int *ret_fd, char *ret_path)
{
	char upto[PATH_MAX] = "/";
	_cleanup_spot_ struct spot s;
	const char *rest = view;
	int r;

	spot_init(&s);
	r = table_walk_locked(ov, view, &s);
	if (r < 0)
		return r;
	if ((s.kind == SPOT_DIR && s.parts[0].layer == ov->top) || (s.kind == SPOT_LAYER && s.layer == ov->top)) {
		const char *path = s.kind == SPOT_DIR ? s.parts[0].path : s.path;
		if (ret_path)
			strcpy(ret_path, path);
		return layer_open_own(ov, ov->top, path, O_PATH | O_DIRECTORY, ret_fd);
	}
	for (;;) {
		char path[PATH_MAX];
		_cleanup_close_ int fd = -1;

		r = table_walk_locked(ov, upto, &s);
		if (r < 0)
			return r;
		if (s.kind == SPOT_LAYER && s.layer == ov->top) {   /* all that follows is in the top layer too */
			r = table_walk_locked(ov, view, &s);
			if (r == 0)
				r = s.kind == SPOT_LAYER ? layer_open_own(ov, s.layer, s.path, O_PATH | O_DIRECTORY, ret_fd) : -ENOENT;
			if (r == 0 && ret_path)
				strcpy(ret_path, s.path);
			return r;
		}
		if (s.kind != SPOT_DIR || s.parts[0].layer != ov->top)
			return s.kind == SPOT_WHITEOUT || s.kind == SPOT_HIDDEN ? -ENOENT : -EIO;
		strcpy(path, s.parts[0].path);
		r = layer_open_own(ov, ov->top, path, O_PATH | O_DIRECTORY, &fd);
		if (r < 0)
			return r;
		rest += strspn(rest, "/");
		if (!*rest) {
			*ret_fd = TAKE_FD(fd);
			if (ret_path)
				strcpy(ret_path, path);
			return 0;
		}
		size_t len = strcspn(rest, "/");
		rest += len;
		memcpy(upto, view, (size_t)(rest - view));
		upto[rest - view] = 0;
		r = table_walk_locked(ov, upto, &s);
		if (r < 0)
			return r;
		bool there = (s.kind == SPOT_DIR && s.parts[0].layer == ov->top) || (s.kind == SPOT_LAYER && s.layer == ov->top);
		if (!there) {
			r = mirror_step(ov, c, upto, fd, strrchr(upto, '/') + 1);
			if (r < 0)
				return r;
		}
	}
}

int layer_mark_impure(struct overlay *ov, const char *view)
{
	_cleanup_cred_ int own = cred_own_begin();
	char path[PATH_MAX], dir[PATH_MAX];
	_cleanup_spot_ struct spot s;
	int r;

	spot_init(&s);
	strcpy(path, view);
	for (;;) {
		_cleanup_close_ int fd = -1;
		_cleanup_force_ struct force force = { .fd = -1 };
		struct stat st;

		r = table_walk_locked(ov, path, &s);
		if (r < 0 || s.kind != SPOT_LAYER || s.layer != ov->top)
			return r;
		r = layer_open(ov, s.layer, s.path, O_PATH | O_DIRECTORY, &fd);
		if (r == 0)
			r = force_begin(fd, &force);
		if (r == 0)
			r = sys_setxattr(FD_PATH(fd), XATTR_IMPURE, "y", 1, 0);
		if (r == 0)
			r = sys_fstat(fd, &st);
		if (r < 0)
			return r;
		/* The table knows the topmost of them only; it is told when that is reached. */
		if (!path_split(path, dir, sizeof dir))
			return -ENAMETOOLONG;
		r = table_put(ov, path, DNODE_DIR, DT_DIR, st.st_ino);
		if (r < 0)
			return r;
		strcpy(path, dir);
	}
}
