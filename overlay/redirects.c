/* redirects.c - where renamed directories are now. */
#include "overlay/dnode.h"

static bool is_name(const char *s, size_t len)
{
	return len > 0 && len <= NAME_MAX && !(s[0] == '.' && (len == 1 || (len == 2 && s[1] == '.')));
}

int redirect_target(const char *mark, size_t n, const char *path, char ret[static PATH_MAX])
{
	size_t at = 0;

	if (n == 0 || n >= PATH_MAX || memchr(mark, '\0', n))
		return -EIO;
	if (mark[0] != '/') {
		char name[NAME_MAX + 1];
		const char *own = path_split(path, ret, PATH_MAX);

		if (!own || !*own || memchr(mark, '/', n) || !is_name(mark, n))
			return -EIO;
		memcpy(name, mark, n);
		name[n] = 0;
		return path_join(ret, PATH_MAX, ret, name) < 0 ? -EIO : 0;
	}
	while (at < n) {   /* a slash and a name, again and again: so "/" is none */
		const char *name = mark + at + 1, *slash = memchr(name, '/', n - at - 1);
		size_t len = slash ? (size_t)(slash - name) : n - at - 1;

		if (!is_name(name, len))
			return -EIO;
		at += 1 + len;
	}
	memcpy(ret, mark, n);
	ret[n] = 0;
	return 0;
}

void redirects_free(struct overlay *ov)
{
	for (size_t i = 0; i < ov->nredirects; i++) {
		free(ov->redirects[i].real);
		free(ov->redirects[i].view);
	}
	free(ov->redirects);
	ov->redirects = NULL;
	ov->nredirects = 0;
	ov->redirects_valid = false;
}

static int redirects_add(struct overlay *ov, const struct part *p, const char *view)
{
	struct redirect *v = reallocarray(ov->redirects, ov->nredirects + 1, sizeof *v);

	if (!v)
		return -ENOMEM;
	ov->redirects = v;
	v += ov->nredirects;
	v->layer = p->layer;
	v->real = strdup(p->path);
	v->view = strdup(view);
	if (!v->real || !v->view) {
		free(v->real);
		free(v->view);
		return -ENOMEM;
	}
	ov->nredirects++;
	return 0;
}

/* What one directory, of several parts or above such, tells of itself; and reads its names. */
static int redirects_scan_one(struct overlay *ov, struct dnode *d, const char *view)
{
	int r = 0;

	for (int i = 1; r == 0 && d->redirected && i < d->nparts; i++)
		r = redirects_add(ov, &d->parts[i], view);
	return r < 0 ? r : dnode_load(ov, d);
}

/* The next subdirectory after n, of those that a path can name. */
static struct dnode *next_dir(const struct dnode *d, struct dnode *n, size_t len)
{
	do
		n = dnode_next(d, n);
	while (n && (n->kind != DNODE_DIR || len + strlen(n->name) + 2 > PATH_MAX));
	return n;
}

/* A loop, for the tree is as deep as a guest made it. */
static int redirects_scan(struct overlay *ov)
{
	char view[PATH_MAX] = "";
	struct dnode *d = ov->root, *n;
	size_t len = 0;

	for (;;) {
		int r = dnode_resolve(ov, d);
		bool pure = r == 0 && dnode_pure(d);

		if (r == 0 && !pure)
			r = redirects_scan_one(ov, d, view);
		if (r < 0)
			return r;
		n = pure ? NULL : next_dir(d, NULL, len);
		for (; !n && d != ov->root; d = d->parent) {
			len -= strlen(d->name) + 1;
			n = next_dir(d->parent, d, len);
		}
		if (!n)
			return 0;
		view[len] = '/';
		strcpy(view + len + 1, n->name);
		len += 1 + strlen(n->name);
		d = n;
	}
}

int redirects_update(struct overlay *ov)
{
	int r;

	if (ov->redirects_valid)
		return 0;
	redirects_free(ov);
	r = ov->has_redirects ? redirects_scan(ov) : 0;
	if (r == 0)
		ov->redirects_valid = true;
	return r;
}

bool redirects_take(const struct overlay *ov, const char *host_path)
{
	for (size_t i = 0; host_path && i < ov->nredirects; i++)
		if (ov->redirects[i].layer == PART_HOST && !strcmp(ov->redirects[i].real, host_path))
			return true;
	return false;
}

int redirects_view(const struct overlay *ov, int layer, const char *real, char *ret, size_t size)
{
	const struct redirect *best = NULL;
	const char *rest, *best_rest = real;

	for (size_t i = 0; i < ov->nredirects; i++)
		if (ov->redirects[i].layer == layer && path_below(real, ov->redirects[i].real, &rest) &&
		    (!best || strlen(rest) < strlen(best_rest))) {
			best = &ov->redirects[i];
			best_rest = rest;
		}
	return snprintf(ret, size, "%s%s", best ? best->view : "", best ? best_rest : real) >= (int)size ? -ENAMETOOLONG : 0;
}

int redirects_view_of_name(const struct overlay *ov, const char *host, char ret[static PATH_MAX])
{
	char dir[PATH_MAX], view[PATH_MAX];
	const char *name = path_split(host, dir, sizeof dir);
	int r = name ? redirects_view(ov, PART_HOST, dir, view, sizeof view) : -ENAMETOOLONG;

	if (r >= 0)
		r = path_join(ret, PATH_MAX, view, name);
	return r < 0 ? r : 0;
}
