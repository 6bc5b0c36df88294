/* lookup_back.c - from what the kernel says back to the view: a path that it tells, a descriptor that a guest has open. */
#include "overlay/internal.h"

#include <stdio.h>

bool overlay_hides(struct overlay *ov, const char *path)
{
	return path_below(path, ov->box->store_path, NULL);
}

bool overlay_untouched(struct overlay *ov, struct vpath dir)
{
	_cleanup_spot_ struct spot s;

	spot_init(&s);
	return table_walk(ov, dir.s, &s) == 0 && s.kind == SPOT_HOST && !overlay_hides(ov, dir.s) && !strcmp(s.path, dir.s);
}

/* The view path of what a part's path names, through renamed directories. */
static int view_of_part(struct overlay *ov, int layer, const char *real, char *ret, size_t size)
{
	int r = 0;

	if (layer != ov->top && ov->has_redirects) {
		r = table_begin(ov, !ov->redirects_valid);
		if (r < 0)
			return r;
		if (!ov->redirects_valid) {
			table_end(ov);
			r = table_begin(ov, true);
			if (r < 0)
				return r;
			r = redirects_update(ov);
		}
		if (r == 0)
			r = redirects_view(ov, layer, real, ret, size);
		table_end(ov);
		return r;
	}
	if (strlen(real) >= size)
		return -ENAMETOOLONG;
	strcpy(ret, real);
	return 0;
}

int overlay_view_of_name(struct overlay *ov, const char *host, char ret[static PATH_MAX])
{
	int r = table_begin(ov, true);

	if (r < 0)
		return r;
	r = redirects_update(ov);
	if (r == 0)
		r = redirects_view_of_name(ov, host, ret);
	table_end(ov);
	return r;
}

/* Whether the view still shows at `view` what (layer, real) names. */
static int view_shows(struct overlay *ov, int layer, const char *real, const char *view)
{
	_cleanup_spot_ struct spot s;
	int r;

	spot_init(&s);
	r = table_walk(ov, view, &s);
	if (r < 0)
		return r;
	switch (s.kind) {
	case SPOT_WHITEOUT:
	case SPOT_HIDDEN:
	case SPOT_THROUGH:
		return -ENOENT;
	case SPOT_HOST:
	case SPOT_LAYER:
		return s.kind == (layer == PART_HOST ? SPOT_HOST : SPOT_LAYER) && !strcmp(s.path, real) ? 0 : -ENOENT;
	case SPOT_OTHER:
		return 0;   /* the object itself, or the host's that was copied up or replaced */
	case SPOT_DIR:
		for (int i = 0; i < s.nparts; i++)
			if (s.parts[i].layer == layer && !strcmp(s.parts[i].path, real))
				return 0;
		return -ENOENT;
	}
	return -ENOENT;
}

int overlay_view_path(struct overlay *ov, const char *real, char *ret, size_t size)
{
	static const char suffix[] = " (deleted)";
	char path[PATH_MAX];
	size_t len = strlen(real);
	int layer = PART_HOST, r;
	bool gone = false;

	if (len >= sizeof path || real[0] != '/')
		return -ENOENT;
	memcpy(path, real, len + 1);
	if (len > sizeof suffix && !strcmp(path + len - (sizeof suffix - 1), suffix)) {
		struct stat st;   /* or a name that ends so */
		if (sys_fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			path[len - (sizeof suffix - 1)] = 0;
			gone = true;
		}
	}
	const char *rest = path;
	for (int i = 0; i < ov->nlayers; i++)
		if (path_below(path, ov->layers[i].path, &rest)) {
			layer = i;
			if (!*rest)
				rest = "/";
			break;
		}
	if (layer == PART_HOST) {
		rest = path;
		if (overlay_hides(ov, path)) {
			if (size)
				ret[0] = 0;
			return -ENOENT;
		}
	}
	r = view_of_part(ov, layer, rest, ret, size);
	if (r < 0)
		return r;
	return gone ? -ENOENT : view_shows(ov, layer, rest, ret);
}

int overlay_fstat(struct overlay *ov, const struct caller *c, int fd, struct stat *ret)
{
	_cleanup_object_ struct object o;
	struct stat st;
	int r = sys_fstat(fd, &st);

	object_init(&o);
	if (r == 0)
		r = table_begin(ov, false);
	if (r < 0)
		return r;
	bool known = inode_set_has(&ov->touched, st.st_dev, st.st_ino), fix = ov->fix_owner || (ov->nlinks && st.st_nlink > 1);
	table_end(ov);
	if ((known && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))) || (fix && S_ISREG(st.st_mode)) || ov->nlayers > 1) {
		r = overlay_lookup_fd(ov, c, fd, &o);
		if (r < 0)
			return r;
		r = 0;
		st = o.st;
	} else {
		struct stat own = st;
		links_identity(ov, fd, &st);
		r = own.st_dev == st.st_dev && own.st_ino == st.st_ino;
	}
	*ret = st;
	return r;
}

/* A host object that the view has no more under the name by which it was opened: it may have been copied up under another. */
static int lookup_copy(struct overlay *ov, struct object *o, const struct stat *host)
{
	_cleanup_cred_ int own = cred_own_begin();
	struct object copy = { .where = OBJECT_LAYER, .fd = -1, .meta_fd = -1 };
	char name[LINK_NAME_MAX];
	struct link_entry e;
	int r;

	if (!links_get(ov, host->st_dev, host->st_ino, &e))
		return -ENOENT;
	if (!e.copied || !e.in_top) {
		links_count(ov, false, &o->st);
		return -ENOENT;
	}
	links_name(name, &e);
	copy.fd = sys_openat(ov->layers[ov->top].links_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
	if (copy.fd < 0)
		return copy.fd;
	r = object_fix_stat(ov, &copy);
	if (r < 0) {
		fd_closep(&copy.fd);
		return r;
	}
	fd_closep(&o->fd);
	o->fd = copy.fd;
	o->st = copy.st;
	return 0;
}

/* fd for an object: *own, the same, is taken where the caller can spare it. */
static int keep_fd(int fd, int *own)
{
	int r = own ? TAKE_FD(*own) : fcntl(fd, F_DUPFD_CLOEXEC, 3);

	return r < 0 ? -errno : r;
}

/* A regular file that is in the top layer under the name the kernel tells: there is nothing to look up. 1, or 0 when it is not one. */
static int own_file(struct overlay *ov, int fd, int *own, const struct stat *st, const char *real, struct object *ret)
{
	static const char suffix[] = " (deleted)";
	const char *rest;
	size_t len = strlen(real);

	if (!S_ISREG(st->st_mode) || !path_below(real, ov->layers[ov->top].path, &rest) || !*rest)
		return 0;
	if (len >= sizeof suffix && !strcmp(real + len - (sizeof suffix - 1), suffix))
		return 0;
	ret->fd = keep_fd(fd, own);
	if (ret->fd < 0)
		return ret->fd;
	ret->where = OBJECT_LAYER;
	ret->is_top = ret->in_layer = true;
	ret->st = *st;
	strcpy(ret->view, rest);
	strcpy(ret->real, real);
	int r = object_show_stat(ov, ret);
	return r < 0 ? r : 1;
}

/* The object is a merged directory, and st that of its mirror (object_open_mirror). */
static bool is_mirror_of(const struct object *o, const struct stat *st)
{
	struct stat mirror;

	return o->meta_fd >= 0 && sys_fstat(o->meta_fd, &mirror) == 0 && mirror.st_ino == st->st_ino && mirror.st_dev == st->st_dev;
}

static int lookup_fd(struct overlay *ov, const struct caller *c, int fd, int *own, struct object *ret)
{
	char real[PATH_MAX], view[PATH_MAX];
	_cleanup_object_ struct object found;
	struct stat st, shown;
	int r;

	object_init(ret);
	object_init(&found);
	r = sys_fstat(fd, &st);
	if (r < 0)
		return r;
	shown = st;
	links_identity(ov, fd, &shown);
	if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) || S_ISLNK(st.st_mode) || S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode) ||
	    S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) {
		r = fd_real_path(fd, real, sizeof real);
		if (r > 0) {
			r = own_file(ov, fd, own, &st, real, ret);
			if (r != 0)
				return r < 0 ? r : 0;
			r = 1;
		}
		r = r > 0 && real[0] == '/' ? overlay_view_path(ov, real, view, sizeof view) : -EIO;
		if (r == -ENOENT && S_ISDIR(st.st_mode))
			shown.st_nlink = 0;   /* it is gone, also when the host still has it */
		if (r == 0)
			r = lookup_again(ov, c, view, &found);
		if (r == -CALLER_GONE)
			return r;
		if (r == 0) {
			/* A host file whose copy the view has shows the same identity. */
			bool same = found.st.st_ino == shown.st_ino && found.st.st_dev == shown.st_dev;
			if (same || is_mirror_of(&found, &st)) {
				*ret = found;
				object_init(&found);
				return 0;
			}
		}
	}
	ret->fd = keep_fd(fd, own);
	if (ret->fd < 0)
		return ret->fd;
	ret->where = OBJECT_ANON;
	ret->st = shown;
	if (ov->nlinks && !S_ISDIR(st.st_mode) && lookup_copy(ov, ret, &st) == 0)
		return 0;
	if (ov->nlinks || ov->fix_owner) {   /* a deleted file of the layer still has its true owner */
		struct object layer = { .where = OBJECT_LAYER, .fd = fd, .meta_fd = -1 };
		if (S_ISREG(st.st_mode) && st.st_dev == ov->layers[ov->top].dev && object_fix_stat(ov, &layer) == 0 && st.st_nlink)
			ret->st = layer.st;
	}
	return 0;
}

int overlay_lookup_fd(struct overlay *ov, const struct caller *c, int fd, struct object *ret)
{
	return lookup_fd(ov, c, fd, NULL, ret);
}

int overlay_lookup_fd_take(struct overlay *ov, const struct caller *c, int *fd, struct object *ret)
{
	return lookup_fd(ov, c, *fd, fd, ret);
}
