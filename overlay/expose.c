/* expose.c - a directory that the box made in the place of one of the host's hides all that the host has in it, with one mark for all names. Before
 * the changes in it can be taken one by one, out of the box or to the host, each name needs its own.
 *
 * (E1) The view does not change: a name of the host gets a whiteout before the directory lets the host's names through. A crash in between
 *      leaves whiteouts that hide what is hidden anyway.
 * (E2) Names that the host has got since then are not the box's to hide: they show from then on.
 */
#include "overlay/changes.h"
#include "overlay/compare.h"
#include "overlay/known.h"

#include <sys/xattr.h>

struct exposing {
	struct overlay *ov;
	struct origins *origins;   /* origins: of the top layer, loaded when first needed */
	struct known known;        /* known: the same, by their inodes */
	bool known_loaded;
};

/* The box had it under another name, and the host has not changed it since it was noted. */
static bool was_elsewhere(struct exposing *x, const char *path, const struct stat *st)
{
	const struct origin *o;

	if (!x->known_loaded)
		(void)known_load(&x->known, x->ov->layers[x->ov->top].fd);
	x->known_loaded = true;
	o = known_find(&x->known, st, path);
	return o && (S_ISDIR(st->st_mode) ? time_ns(&st->st_ctim) <= o->when_ns : origin_same(o, st) || origin_same_fewer_names(o, st));
}

/* A host's name that the directory hides. dir: the directory's own record; fd: the directory in the layer. */
static int hide_name(struct exposing *x, const struct origin *dir, int fd, int host_fd, const char *view, const char *host, const char *name)
{
	char path[PATH_MAX], own[PATH_MAX], target[PATH_MAX] = "";
	struct stat st;
	int r = path_join(path, sizeof path, view, name);

	if (r >= 0)
		r = path_join(own, sizeof own, host, name);
	if (r < 0)
		return r;
	if (overlay_hides(x->ov, path))
		return 0;
	r = sys_fstatat(host_fd, name, &st, AT_SYMLINK_NOFOLLOW);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (!origins_find(x->origins, path)) {
		if (dir && time_ns(&st.st_ctim) > dir->when_ns && !was_elsewhere(x, own, &st))
			return 0;   /* (E2) */
		if (S_ISLNK(st.st_mode) && sys_readlinkat(host_fd, name, target, sizeof target) < 0)
			target[0] = 0;
		r = layer_note_origin(x->ov, NULL, path, &st, *target ? target : NULL, NULL);
		if (r < 0)
			return r;
	}
	return layer_whiteout(x->ov, fd, name);
}

/* Directories in it were hidden from the host's of the same names by it; now each has to hide its own. */
static int close_child(int fd, const char *name)
{
	_cleanup_close_ int child = sys_openat(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	_cleanup_force_ struct force f = { .fd = -1 };
	char v[8];
	int r;

	if (child == -ENOTDIR || child == -ELOOP)
		return 0;
	r = child < 0 ? child : force_begin(child, &f);
	if (r < 0 || fd_is_opaque(child) || fd_getxattr(child, XATTR_REDIRECT, v, 0) >= 0)
		return r;
	return fd_set_opaque(child);
}

static int open_up(struct exposing *x, const char *view, const char *host, int fd, int host_fd)
{
	_cleanup_strv_ char **names = NULL, **theirs = NULL;
	_cleanup_force_ struct force f = { .fd = -1 };
	const struct origin *dir = origins_find(x->origins, view);
	struct stat st, own;
	int r = sys_fstat(fd, &own);

	if (r == 0)
		r = force_begin(fd, &f);
	if (r == 0)
		r = pair_names(fd, &names);
	if (r == 0)
		r = pair_names(host_fd, &theirs);
	for (char **n = names; r == 0 && *n; n++)
		r = close_child(fd, *n);
	for (char **n = theirs; r == 0 && *n; n++)
		if (sys_fstatat(fd, *n, &st, AT_SYMLINK_NOFOLLOW) == -ENOENT)
			r = hide_name(x, dir, fd, host_fd, view, host, *n);
	if (r == 0 && removexattr(FD_PATH(fd), XATTR_OPAQUE) < 0 && errno != ENODATA)
		r = -errno;
	if (r == 0)
		fd_set_times(fd, &own);
	return r;
}

/* 1: go on below it; 0: nothing of the host's is hidden here, or further down. */
static int expose_step(struct exposing *x, const char *view)
{
	struct overlay *ov = x->ov;
	_cleanup_spot_ struct spot s;
	_cleanup_close_ int fd = -1, host_fd = -1;
	char host[PATH_MAX];
	struct stat st;
	const char *where;
	int r;

	spot_init(&s);
	r = table_walk_locked(ov, view, &s);
	if (r < 0)
		return r;
	if (s.kind == SPOT_DIR && spot_host(&s))
		return 1;
	if ((s.kind != SPOT_LAYER && s.kind != SPOT_DIR) || (s.kind == SPOT_LAYER ? s.layer : s.parts[0].layer) != ov->top)
		return 0;
	r = pair_host_path(ov, view, host);
	/* Renamed directories of the host may be further down. */
	if (r <= 0 || redirects_take(ov, host))
		return r < 0 ? r : s.kind == SPOT_DIR;
	r = pair_open_host(ov, host, &host_fd, &st);
	if (r < 0 || !S_ISDIR(st.st_mode))
		return r < 0 ? r : s.kind == SPOT_DIR;
	where = s.kind == SPOT_DIR ? s.parts[0].path : s.path;
	r = layer_open_own(ov, ov->top, where, O_PATH | O_DIRECTORY, &fd);
	if (r == 0 && !x->origins)
		r = origins_load(ov->layers[ov->top].fd, &x->origins, NULL);
	if (r == 0)
		r = open_up(x, view, host, fd, host_fd);
	table_drop(ov);
	return r < 0 ? r : 1;
}

int overlay_expose(struct overlay *ov, struct vpath path)
{
	struct exposing x = { .ov = ov };
	char upto[PATH_MAX];
	const char *rest = path.s;
	int r = change_begin(ov);

	if (r < 0)
		return r;
	r = redirects_update(ov);
	for (bool more = r == 0; more && *(rest += strspn(rest, "/"));) {
		rest += strcspn(rest, "/");
		memcpy(upto, path.s, (size_t)(rest - path.s));
		upto[rest - path.s] = 0;
		r = expose_step(&x, upto);
		more = r > 0;
		if (r > 0)
			r = redirects_update(ov);
	}
	origins_free(x.origins);
	known_release(&x.known);
	change_end(ov, true);
	return r < 0 ? r : 0;
}

int overlay_reorigin(struct overlay *ov, struct vpath path)
{
	_cleanup_close_ int fd = -1;
	_cleanup_object_ struct object o;
	char target[PATH_MAX] = "", there[PATH_MAX];
	struct kept kept = { 0 };
	struct stat st;
	int r = change_begin(ov);

	object_init(&o);
	if (r < 0)
		return r;
	r = pair_host_path(ov, path.s, there);
	r = r < 0 ? r : pair_open_host(ov, r ? there : path.s, &fd, &st);
	if (r == 0 && S_ISLNK(st.st_mode) && sys_readlinkat(fd, "", target, sizeof target) < 0)
		target[0] = 0;
	/* Where the box has a file of its own there, it will be compared with this one, or merged. */
	if (r == 0 && S_ISREG(st.st_mode) && lookup_canonical_locked(ov, path.s, &o) == 0 && o.where == OBJECT_LAYER && S_ISREG(o.st.st_mode))
		kept = layer_keep(ov, fd, &st, NULL);
	if (r == 0)
		r = layer_note_origin(ov, NULL, path.s, st.st_mode ? &st : NULL, *target ? target : NULL, &kept);
	change_end(ov, false);
	return r;
}

int overlay_cover(struct overlay *ov, struct vpath path)
{
	_cleanup_object_ struct object o;
	_cleanup_close_ int fd = -1;
	char dir[PATH_MAX];
	struct stat st;
	const char *name = path_split(path.s, dir, sizeof dir);
	int r = name ? change_begin(ov) : -ENAMETOOLONG;

	object_init(&o);
	if (r < 0)
		return r;
	r = lookup_canonical_locked(ov, path.s, &o);
	if (r == 0 && o.where == OBJECT_HOST) {
		r = layer_mirror(ov, NULL, dir, &fd, NULL);
		if (r == 0)
			r = sys_fstat(fd, &st);
		if (r == 0)
			r = layer_note_object(ov, NULL, &o, NULL, NULL);
		if (r == 0)
			r = layer_whiteout(ov, fd, name);
		if (r == 0) {
			fd_set_times(fd, &st);
			r = table_put(ov, path.s, DNODE_WHITEOUT, DT_CHR, 0);
		}
	}
	change_end(ov, true);
	return r == -ENOENT || r == -ENOTDIR ? 0 : r;
}
