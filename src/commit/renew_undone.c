/* renew_undone.c - records of what the host had, after a commit was taken back: what the commit had made of the host is no longer what the box is to be
 * compared with, where something of the change is in the box still (a part was committed, or it was kept).
 *
 * The log has the record of before too. That counts again where it tells what the host has now: what was in conflict with the box before the commit is
 * not on record, and is in conflict again.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply.h"
#include "base/fd.h"
#include "base/stat.h"
#include "base/sys.h"
#include "overlay/origins.h"
#include "undo.h"

/* A name that the commit was about. */
struct name {
	const char *path;
	bool looked, holds;      /* looked: now and target are there; holds: the last record tells what the host has */
	struct stat now;
	char *target;            /* target: of a symlink */
	bool found;              /* found: an earlier record does; the rest of it, strings owned */
	struct origin earlier;
};

struct names {
	struct host *host;
	struct name *all;
	size_t count;
};

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct name *)a)->path, ((const struct name *)b)->path);
}

static void drop_earlier(struct name *n)
{
	free((char *)n->earlier.target);
	free((char *)n->earlier.comm);
	n->earlier = (struct origin){ 0 };
	n->found = false;
}

static int look(struct names *all, struct name *n)
{
	char text[PATH_MAX];
	const char *name;
	int dir, r = host_stat(all->host, n->path, &n->now);

	if (r == 0 && S_ISLNK(n->now.st_mode)) {
		r = host_parent(all->host, n->path, &dir, &name);
		if (r == 0)
			r = sys_readlinkat(dir, name, text, sizeof text);
		if (r >= 0 && !(n->target = strdup(text)))
			r = -ENOMEM;
	}
	n->looked = true;
	return r < 0 ? r : 0;
}

/* All that was on record, but for what a rename, or a copy, changes. */
static bool tells(const struct origin *o, const struct name *n)
{
	struct origin now = { 0 };

	origin_from_stat(&now, n->now.st_mode ? &n->now : NULL);
	if (o->kind != now.kind || o->kind == ORIGIN_ABSENT)
		return o->kind == now.kind;
	if (o->mode != now.mode || o->uid != now.uid || o->gid != now.gid)
		return false;
	if (o->kind == ORIGIN_SYMLINK)
		return o->target && n->target && strcmp(o->target, n->target) == 0;
	return o->kind != ORIGIN_REGULAR || (o->size == now.size && o->mtime_ns == now.mtime_ns);
}

static int hear(void *ctx, const struct origin *o)
{
	struct names *all = ctx;
	const struct name key = { .path = o->path };
	struct name *n = bsearch(&key, all->all, all->count, sizeof *all->all, by_path);
	int r = n && !n->looked ? look(all, n) : 0;

	/* What cannot be looked at stays as it is. */
	if (!n || r < 0)
		return error_is_hard(r) ? r : 0;
	n->holds = tells(o, n) && (o->kind == ORIGIN_ABSENT || origin_same(o, &n->now));
	if (!tells(o, n))
		return 0;
	drop_earlier(n);
	n->earlier = *o;
	n->earlier.path = n->path;
	n->earlier.target = o->target ? strdup(o->target) : NULL;
	n->earlier.comm = o->comm ? strdup(o->comm) : NULL;
	n->found = (!o->target || n->earlier.target) && (!o->comm || n->earlier.comm);
	return n->found ? 0 : -ENOMEM;
}

static int renew_layer(struct names *all, int layer_fd)
{
	_cleanup_close_ int log = -1;
	int r = origins_history(layer_fd, hear, all);

	for (size_t i = 0; i < all->count; i++) {
		struct name *n = &all->all[i];

		if (r == 0 && n->found && !n->holds) {
			origin_from_stat(&n->earlier, n->now.st_mode ? &n->now : NULL);
			r = log < 0 ? origins_open(layer_fd, &log) : 0;
			if (r == 0)
				r = origins_append(log, &n->earlier);
		}
		drop_earlier(n);
		n->holds = false;
	}
	return r;
}

int renew_undone(struct store *store, const struct journal *n, struct host *h)
{
	_cleanup_box_ struct box *box = NULL;
	struct names all = { .host = h };
	int r = box_open(store, n->head.box, &box, NULL);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	/* Another that got the name of one that is gone. */
	if (box->born_ns > n->head.when_ns)
		return 0;
	all.all = calloc(2 * n->nitems + 1, sizeof *all.all);
	r = all.all ? 0 : -ENOMEM;

	for (size_t i = 0; i < n->nitems && r == 0; i++) {
		const struct journal_item *it = &n->items[i];

		if (!it->done)
			continue;
		all.all[all.count++].path = it->path;
		if (it->from)
			all.all[all.count++].path = it->from;
	}
	if (r == 0)
		qsort(all.all, all.count, sizeof *all.all, by_path);
	for (int i = 0; i < box->nlayers && r == 0 && all.count; i++) {
		_cleanup_close_ int layer = -1;
		char path[32];

		snprintf(path, sizeof path, "layers/%d", box->layer[i]);
		r = layer = box_open_in(box, path, O_RDONLY | O_DIRECTORY);
		if (layer >= 0)
			r = renew_layer(&all, layer);
	}
	for (size_t i = 0; i < all.count; i++)
		free(all.all[i].target);
	free(all.all);
	return r;
}
