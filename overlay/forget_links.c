/* forget_links.c - host objects with several names, when some of those names come back into the view.
 *
 * What the box did to such an object it did to all its names, and lookup gives each of them to the copy (links.c). When a name is taken out of the
 * box, the view must show the host's there, so the name must not find the copy again: a copy that no name is left of is removed from
 * links/, and one that stays under other names, and differs, becomes a file of its own.
 */
#include "overlay/compare.h"
#include "overlay/forget_links.h"

#include <unistd.h>

#define DEPTH_MAX (PATH_MAX / 2)

void returns_release(struct returns *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->v[i].path);
	free(l->v);
	origins_free(l->origins);
	*l = (struct returns){ 0 };
}

static int add(struct returns *l, const char *path, bool named)
{
	struct returned *v = reallocarray(l->v, l->count + 1, sizeof *v);

	if (!v)
		return -ENOMEM;
	l->v = v;
	v[l->count] = (struct returned){ .path = strdup(path), .named = named };
	if (!v[l->count].path)
		return -ENOMEM;
	l->count++;
	return 0;
}

/* Below a directory that was removed in the box each name was removed for itself; not so where the directory was renamed. The log of origins tells. */
static bool was_changed(struct overlay *ov, const char *path, struct returns *l)
{
	if (!l->origins && origins_load(ov->layers[ov->top].fd, &l->origins, NULL) < 0)
		return false;
	return origins_find(l->origins, path);
}

/* The host's object at the path, and what is below it. named: the layer has an entry of its own for it. */
static int add_host(struct overlay *ov, const char *path, bool named, unsigned depth, struct returns *l)
{
	_cleanup_close_ int fd = -1;
	_cleanup_strv_ char **names = NULL;
	struct link_entry e;
	struct stat st;
	int r = pair_open_host(ov, path, &fd, &st);

	if (r < 0 || !st.st_mode || depth > DEPTH_MAX)
		return r;
	if (!S_ISDIR(st.st_mode))
		return links_get(ov, st.st_dev, st.st_ino, &e) && (e.copied || e.touched)
			       ? add(l, path, named || was_changed(ov, path, l)) : 0;
	if (pair_names(fd, &names) < 0)   /* not for us to see, so nothing in it was touched */
		return 0;
	for (char **n = names; r == 0 && *n; n++) {
		_cleanup_free_ char *child = NULL;

		r = asprintf(&child, "%s/%s", path[1] ? path : "", *n) < 0 ? -ENOMEM : add_host(ov, child, false, depth + 1, l);
	}
	return r;
}

/* The layer's object, and what is below it. */
static int add_layer(struct overlay *ov, int dirfd, const char *name, const char *host, unsigned depth, struct returns *l)
{
	_cleanup_close_ int fd = sys_openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
	_cleanup_strv_ char **names = NULL;
	_cleanup_force_ struct force f = { .fd = -1 };
	struct stat st;
	char v[8];
	int r = fd < 0 ? fd : sys_fstat(fd, &st);

	if (r < 0 || depth > DEPTH_MAX)
		return r == -ENOENT ? 0 : r;
	if (!S_ISDIR(st.st_mode) || fd_is_opaque(fd))
		return add_host(ov, host, true, depth, l);
	if (fd_getxattr(fd, XATTR_REDIRECT, v, 0) >= 0)   /* that comes back under the name it had before */
		return add_host(ov, host, false, depth, l);
	r = force_begin(fd, &f);
	if (r == 0)
		r = pair_names(fd, &names);
	for (char **n = names; r == 0 && n && *n; n++) {
		_cleanup_free_ char *child = NULL;

		r = asprintf(&child, "%s/%s", host[1] ? host : "", *n) < 0 ? -ENOMEM : add_layer(ov, fd, *n, child, depth + 1, l);
	}
	return r;
}

int returns_find(struct overlay *ov, int dirfd, const char *name, const char *host, struct returns *ret)
{
	_cleanup_cred_ int own = cred_own_begin();

	*ret = (struct returns){ 0 };
	return ov->nlinks && host ? add_layer(ov, dirfd, name, host, 0, ret) : 0;
}

/* The copy, which other names in the layer have, is a file of its own from here on. */
static int detach(int fd, const struct stat *st)
{
	struct record rec;
	int r = S_ISREG(st->st_mode) ? record_read(fd, &rec) : -ENODATA;

	if (r < 0)
		return r == -ENODATA ? 0 : r;
	rec.dev = rec.ino = 0;
	strcpy(rec.path, "/");
	return record_write(fd, &rec);
}

static int give_back(struct overlay *ov, const struct returned *back)
{
	_cleanup_pair_ struct pair p = PAIR_INIT;
	char name[LINK_NAME_MAX];
	struct link_entry e;
	int links = ov->layers[ov->top].links_fd, r = pair_open_host(ov, back->path, &p.host_fd, &p.host);

	if (r < 0 || !p.host.st_mode || !links_get(ov, p.host.st_dev, p.host.st_ino, &e))
		return r;
	if (back->named && e.touched)
		e.touched--;
	links_name(name, &e);
	if (e.copied && e.in_top)
		p.box_fd = sys_openat(links, name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
	if (p.box_fd >= 0) {
		struct object o = { .where = OBJECT_LAYER, .fd = p.box_fd, .meta_fd = -1 };
		struct stat st;

		r = sys_fstat(p.box_fd, &st);
		if (r == 0)
			r = object_fix_stat(ov, &o);
		p.box = o.st;
		if (r == 0 && st.st_nlink > 1) {
			r = (p.box.st_mode & S_IFMT) != (p.host.st_mode & S_IFMT) || pair_meta_differs(&p) ? 1 : pair_content_differs(0, &p);
			if (r == 0)   /* it shows what the host does: it may stay one file with the rest */
				return links_set(ov, &e);
			if (r > 0)
				r = detach(p.box_fd, &st);
		}
		if (r == 0)
			r = sys_unlinkat(links, name, 0);
		if (r < 0)
			return r;
		e.copied = e.in_top = false;
		e.copy_ino = 0;
	}
	return links_set(ov, &e);
}

int returns_give_back(struct overlay *ov, const struct returns *l)
{
	_cleanup_cred_ int own = cred_own_begin();
	int r = 0;

	for (size_t i = 0; r == 0 && i < l->count; i++)
		r = give_back(ov, &l->v[i]);
	return r;
}
