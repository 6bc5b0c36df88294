/* forget_links.c - host objects with several names, when some of those names come back into the view.
 *
 * What the box did to such an object it did to all its names, and lookup gives each of them to the copy (links.c). When a name is taken out of the
 * box, the view must show the host's there, so the name must not find the copy again: a copy that no name is left of is removed from
 * links/, and one that stays under other names, and differs, becomes a file of its own.
 */
#include "base/descent.h"
#include "overlay/compare.h"
#include "overlay/forget_links.h"

#include <unistd.h>

#define DEPTH_OPEN 64   /* DEPTH_OPEN: levels that may keep a descriptor */

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

static int host_visit(struct overlay *ov, const char *path, bool named, struct returns *l, struct descent *d)
{
	_cleanup_close_ int fd = -1;
	struct link_entry e;
	struct stat st;
	char **names;
	int r = pair_open_host(ov, path, &fd, &st);

	/* What is not for us to see was not touched either. */
	if (r < 0 || !st.st_mode)
		return r == -EACCES ? 0 : r;
	if (!S_ISDIR(st.st_mode))
		return links_get(ov, st.st_dev, st.st_ino, &e) && (e.copied || e.touched)
			       ? add(l, path, named || was_changed(ov, path, l)) : 0;
	return pair_names(fd, &names) < 0 ? 0 : descent_enter(d, names);
}

/* The host's object at the path, and what is below it. named: the layer has an entry of its own for it. */
static int add_host(struct overlay *ov, const char *host, bool named, struct returns *l)
{
	char path[PATH_MAX];
	_cleanup_descent_ struct descent d = { .path = { path } };
	int r = path_join(path, sizeof path, host, "");

	if (r >= 0)
		r = host_visit(ov, path, named, l, &d);
	while (r >= 0 && d.depth) {
		r = descent_step(&d);
		if (r > 0)
			r = host_visit(ov, path, false, l, &d);
	}
	return r;
}

/* The layer's objects: forces has what each level was forced open by. */
struct layer_walk {
	struct overlay *ov;
	int dirfd;
	struct descent d;
	struct force *forces;
	char path[PATH_MAX], host[PATH_MAX];   /* path: beneath dirfd; host: what it stands in place of */
};

static int walk_open(const struct layer_walk *w)
{
	return sys_openat2(w->dirfd, w->path, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0, RESOLVE_LAYER);
}

static int layer_enter(struct layer_walk *w, int fd)
{
	_cleanup_force_ struct force f = { .fd = -1 };
	struct force *forces = reallocarray(w->forces, w->d.depth + 1, sizeof *forces);
	char **names;
	int r;

	if (!forces)
		return -ENOMEM;
	w->forces = forces;
	r = force_begin(fd, &f);
	if (r == 0)
		r = pair_names(fd, &names);
	if (r == 0)
		r = descent_enter(&w->d, names);
	if (r < 0)
		return r;
	if (w->d.depth > DEPTH_OPEN)
		force_park(&f);
	forces[w->d.depth - 1] = f;
	f.armed = false;
	return 0;
}

static void layer_leave(struct layer_walk *w)
{
	struct force *f = &w->forces[w->d.depth];

	if (force_parked(f))
		force_unpark(f, walk_open(w));
	force_endp(f);
}

static int layer_visit(struct layer_walk *w, struct returns *l)
{
	_cleanup_close_ int fd = walk_open(w);
	struct stat st;
	char v[8];
	int r = fd < 0 ? fd : sys_fstat(fd, &st);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (!S_ISDIR(st.st_mode) || fd_is_opaque(fd))
		return add_host(w->ov, w->host, true, l);
	if (fd_getxattr(fd, XATTR_REDIRECT, v, 0) >= 0)   /* that comes back under the name it had before */
		return add_host(w->ov, w->host, false, l);
	return layer_enter(w, fd);
}

/* The layer's object, and what is below it. After a failure the directories are left, too. */
static int add_layer(struct layer_walk *w, struct returns *l)
{
	int r = layer_visit(w, l);

	while (w->d.depth) {
		struct descent_level *top = &w->d.levels[w->d.depth - 1];
		int step;

		while (r < 0 && top->names[top->next])
			top->next++;
		step = descent_step(&w->d);
		if (step == 0)
			layer_leave(w);
		else if (step < 0)
			r = step;
		else
			r = layer_visit(w, l);
	}
	return r;
}

int returns_find(struct overlay *ov, int dirfd, const char *name, const char *host, struct returns *ret)
{
	_cleanup_cred_ int own = cred_own_begin();

	*ret = (struct returns){ 0 };
	if (!ov->nlinks || !host)
		return 0;
	struct layer_walk w = { .ov = ov, .dirfd = dirfd, .d = { .path = { w.path, w.host } } };
	int r = path_join(w.path, sizeof w.path, name, "");
	if (r >= 0)
		r = path_join(w.host, sizeof w.host, host, "");
	if (r >= 0)
		r = add_layer(&w, ret);
	descent_release(&w.d);
	free(w.forces);
	return r;
}

int copy_detach(int fd, const struct stat *st)
{
	struct record rec;
	int r = S_ISREG(st->st_mode) ? record_read_own(fd, &rec) : -ENODATA;

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
				r = copy_detach(p.box_fd, &st);
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
