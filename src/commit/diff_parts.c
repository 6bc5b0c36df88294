/* diff_parts.c - the changes of a box as pairs of a file on the host and one in the box.
 *
 * (P1) A name of the host is the `from` of one part that is not `twice`, a name of the box the `path` of one part.
 * (P2) A part is told as a renaming only when nothing else stands in the way: its new name is free on the host or renamed away itself, and its old
 *      name is not taken in the box, or by a file that is itself told as renamed. All others are told as a deletion and a creation, which
 *      meet in a modification where the name is the same.
 */
#include "diff_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/descent.h"
#include "base/path.h"

struct collector {
	struct host *host;
	const struct change **moved; /* moved: renamed directories, an outer one before an inner */
	size_t nmoved;
	const struct change **by_path, **by_from; /* by_path, by_from: all changes, and the renamed ones, sorted so */
	size_t nby_path, nby_from;
	struct parts *parts;
	size_t room;
};

/* ---- looking up changes ---- */

static int cmp_path(const void *a, const void *b)
{
	return strcmp((*(const struct change *const *)a)->path, (*(const struct change *const *)b)->path);
}

static int cmp_from(const void *a, const void *b)
{
	return strcmp((*(const struct change *const *)a)->from, (*(const struct change *const *)b)->from);
}

static int collector_init(struct collector *c, const struct changes *changes)
{
	c->moved = calloc(changes->count + 1, sizeof *c->moved);
	c->by_path = calloc(changes->count + 1, sizeof *c->by_path);
	c->by_from = calloc(changes->count + 1, sizeof *c->by_from);
	if (!c->moved || !c->by_path || !c->by_from)
		return -ENOMEM;
	for (size_t i = 0; i < changes->count; i++) {
		const struct change *ch = &changes->list[i];

		c->by_path[c->nby_path++] = ch;
		if (ch->from)
			c->by_from[c->nby_from++] = ch;
		if (ch->kind == CHANGE_RENAMED && S_ISDIR(ch->box.st_mode))
			c->moved[c->nmoved++] = ch;
	}
	qsort(c->by_path, c->nby_path, sizeof *c->by_path, cmp_path);
	qsort(c->by_from, c->nby_from, sizeof *c->by_from, cmp_from);
	return 0;
}

static void collector_release(struct collector *c)
{
	free(c->moved);
	free(c->by_path);
	free(c->by_from);
}

/* The change of what is at a path of the view; NULL for none. */
static const struct change *change_at(const struct collector *c, const char *path)
{
	struct change key = { .path = (char *)path }, *k = &key;
	const struct change **found = bsearch(&k, c->by_path, c->nby_path, sizeof *c->by_path, cmp_path);

	return found ? *found : NULL;
}

/* True for an object of the host that the box has elsewhere now, by a change of its own. */
static bool moved_away(const struct collector *c, const char *host)
{
	struct change key = { .from = (char *)host }, *k = &key;

	return bsearch(&k, c->by_from, c->nby_from, sizeof *c->by_from, cmp_from) != NULL;
}

/* Where the host has what the change is about: below a renamed directory that is elsewhere. */
static int host_side(const struct collector *c, const struct change *ch, char ret[static PATH_MAX])
{
	const char *rest;

	if (ch->from)
		return path_join(ret, PATH_MAX, ch->from, "");
	for (size_t k = c->nmoved; k > 0; k--)
		if (path_below(ch->path, c->moved[k - 1]->path, &rest))
			return path_join(ret, PATH_MAX, c->moved[k - 1]->from, rest);
	return path_join(ret, PATH_MAX, ch->path, "");
}

/* ---- collecting ---- */

static int add(struct collector *c, const struct part *part, const char *from, const char *path)
{
	struct parts *p = c->parts;
	struct part *new;

	if (p->count == c->room) {
		struct part *all = reallocarray(p->list, c->room ? 2 * c->room : 16, sizeof *all);

		if (!all)
			return -ENOMEM;
		p->list = all;
		c->room = c->room ? 2 * c->room : 16;
	}
	new = &p->list[p->count];
	*new = *part;
	new->from = from ? strdup(from) : NULL;
	new->path = path ? strdup(path) : NULL;
	if ((from && !new->from) || (path && !new->path)) {
		free(new->from);
		free(new->path);
		return -ENOMEM;
	}
	p->count++;
	return 0;
}

static int deleted_visit(struct collector *c, const struct change *ch, const char *path, bool itself, struct descent *d)
{
	struct stat st;
	int r;

	if (moved_away(c, path))
		return 0;
	r = host_stat(c->host, path, &st);
	if (r < 0 || !st.st_mode)
		return r;
	if (!S_ISDIR(st.st_mode))
		return itself ? add(c, &(struct part){ .ch = ch, .mode = st.st_mode, .alone = true }, path, NULL) : 0;
	r = host_enter(c->host, path, d);
	if (r == 0)
		d->levels[d->depth - 1].mode = st.st_mode;
	return r;
}

/* What the box removed: a directory with all that the host has in it, but for what was moved out of it before. */
static int collect_deleted(struct collector *c, const struct change *ch, char path[static PATH_MAX], bool itself)
{
	_cleanup_descent_ struct descent d = { .path = { path } };
	int r = deleted_visit(c, ch, path, itself, &d);

	while (r >= 0 && d.depth) {
		r = descent_step(&d);
		if (r > 0)
			r = deleted_visit(c, NULL, path, true, &d);
		else if (r == 0 && (d.depth || itself))
			r = add(c, &(struct part){ .ch = d.depth ? NULL : ch, .mode = d.levels[d.depth].mode, .alone = true }, path, NULL);
	}
	return r;
}

static int moved_visit(struct collector *c, const char *from, const char *path, struct descent *d)
{
	const struct change *own = change_at(c, path);
	struct stat st = { 0 };
	int r = host_stat(c->host, from, &st);

	if (r < 0 || !st.st_mode || moved_away(c, from))
		return r;
	/* Still this directory, unless its own change says more than of metadata. */
	if (S_ISDIR(st.st_mode))
		return !own || own->kind == CHANGE_META || own->kind == CHANGE_MODIFIED ? host_enter(c->host, from, d) : 0;
	return own ? 0 : add(c, &(struct part){ .mode = st.st_mode }, from, path);
}

/* The files that a renamed directory took along unchanged. from: of the host, path: in the box. */
static int collect_moved(struct collector *c, char from[static PATH_MAX], char path[static PATH_MAX])
{
	_cleanup_descent_ struct descent d = { .path = { from, path } };
	int r = host_enter(c->host, from, &d);

	while (r >= 0 && d.depth) {
		r = descent_step(&d);
		if (r > 0)
			r = moved_visit(c, from, path, &d);
	}
	return r;
}

static int collect_change(struct collector *c, const struct change *ch)
{
	struct part part = { .ch = ch, .mode = ch->host.st_mode, .alone = true };
	char from[PATH_MAX], path[PATH_MAX];
	int r = host_side(c, ch, from);

	if (r >= 0)
		r = path_join(path, sizeof path, ch->path, "");
	if (r < 0)
		return r;
	if (ch->kind == CHANGE_DELETED)
		return collect_deleted(c, ch, from, true);
	/* What was in it goes first. */
	if (ch->kind == CHANGE_TYPE && S_ISDIR(ch->host.st_mode))
		r = collect_deleted(c, NULL, from, false);
	if (r >= 0)
		r = add(c, &part, ch->host.st_mode ? from : NULL, path);
	if (r == 0 && ch->kind == CHANGE_RENAMED && S_ISDIR(ch->box.st_mode))
		r = collect_moved(c, from, path);
	return r;
}

/* ---- sorting out (P1, P2) ---- */

struct crossing {
	struct part **by_path, **by_from; /* sorted; of equal ones, those that have both names first */
	size_t nby_path, nby_from;
};

static int cmp_part_path(const void *a, const void *b)
{
	return strcmp((*(const struct part *const *)a)->path, (*(const struct part *const *)b)->path);
}

static int cmp_part_from(const void *a, const void *b)
{
	const struct part *x = *(const struct part *const *)a, *y = *(const struct part *const *)b;
	int d = strcmp(x->from, y->from);

	if (d)
		return d;
	return x->path && !y->path ? -1 : !x->path && y->path ? 1 : x < y ? -1 : x > y;
}

static struct part *part_at(const struct crossing *x, const char *path)
{
	struct part key = { .path = (char *)path }, *k = &key;
	struct part **found = bsearch(&k, x->by_path, x->nby_path, sizeof *x->by_path, cmp_part_path);

	return found ? *found : NULL;
}

static int find_from(const void *key, const void *member)
{
	return strcmp(key, (*(const struct part *const *)member)->from);
}

/* The part that tells of a name of the host, and is no mere deletion. */
static struct part *part_from(const struct crossing *x, const char *from)
{
	struct part **found = bsearch(from, x->by_from, x->nby_from, sizeof *x->by_from, find_from);

	while (found && found > x->by_from && strcmp(found[-1]->from, from) == 0)
		found--;
	return found && (*found)->path ? *found : NULL;
}

static bool is_moved(const struct part *p)
{
	return p->from && p->path && strcmp(p->from, p->path) != 0;
}

/* True when it puts at its name what a patch can. */
static bool is_file(const struct part *p)
{
	mode_t mode = p->ch ? p->ch->box.st_mode : p->mode;

	return S_ISREG(mode) || S_ISLNK(mode);
}

static bool stands(const struct part *p)
{
	return p && p->renamed;
}

/* What is known of each part alone. */
static int look(struct host *host, const struct crossing *x, struct part *p)
{
	struct part *at = p->from ? part_at(x, p->from) : NULL;
	struct stat st;
	int r;

	p->made = at && at != p && is_file(at);
	p->renamed = is_moved(p) && S_ISREG(p->mode) && !p->twice;
	if (!p->path || (p->from && !is_moved(p)))
		return 0;
	r = host_stat(host, p->path, &st);
	if (r < 0 && r != -ELOOP)
		return r;
	p->there = r == 0 && (S_ISREG(st.st_mode) || S_ISLNK(st.st_mode));
	return 0;
}

static void settle(const struct parts *all, const struct crossing *x)
{
	for (bool again = true; again;) {
		again = false;
		for (size_t i = 0; i < all->count; i++) {
			struct part *p = &all->list[i];

			if (!p->renamed ||
			    ((!p->there || stands(part_from(x, p->path))) && (!p->made || stands(part_at(x, p->from)))))
				continue;
			p->renamed = false;
			again = true;
		}
	}
}

/* patch(1) renames as it reads: what makes way for another's new name comes before it. Of those that take each other's places any may be the first. */
static int put_in_order(struct parts *all, const struct crossing *x)
{
	struct part *list = calloc(all->count + 1, sizeof *list);
	struct part **chain = calloc(all->count + 1, sizeof *chain);
	bool *taken = calloc(all->count + 1, sizeof *taken);
	size_t n = 0;

	for (size_t i = 0; list && chain && taken && i < all->count; i++) {
		struct part *p = &all->list[i];
		size_t len = 0;

		while (p && !taken[p - all->list]) {
			taken[p - all->list] = true;
			chain[len++] = p;
			p = p->renamed ? part_from(x, p->path) : NULL;
			p = stands(p) ? p : NULL;
		}
		while (len)
			list[n++] = *chain[--len];
	}
	if (list && chain && taken && n)        /* without a part all->list is NULL */
		memcpy(all->list, list, n * sizeof *list);
	int r = list && chain && taken ? 0 : -ENOMEM;
	free(list);
	free(chain);
	free(taken);
	return r;
}

static int sort_out(struct host *host, struct parts *all)
{
	struct crossing x = { .by_path = calloc(all->count + 1, sizeof *x.by_path),
		              .by_from = calloc(all->count + 1, sizeof *x.by_from) };
	int r = x.by_path && x.by_from ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < all->count; i++) {
		if (all->list[i].path)
			x.by_path[x.nby_path++] = &all->list[i];
		if (all->list[i].from)
			x.by_from[x.nby_from++] = &all->list[i];
	}
	if (r == 0) {
		qsort(x.by_path, x.nby_path, sizeof *x.by_path, cmp_part_path);
		qsort(x.by_from, x.nby_from, sizeof *x.by_from, cmp_part_from);
	}
	for (size_t i = 1; r == 0 && i < x.nby_from; i++)
		x.by_from[i]->twice = strcmp(x.by_from[i]->from, x.by_from[i - 1]->from) == 0;
	for (size_t i = 0; r == 0 && i < all->count; i++)
		if (!all->list[i].code)
			all->list[i].code = look(host, &x, &all->list[i]);
	if (r == 0) {
		settle(all, &x);
		r = put_in_order(all, &x);
	}
	free(x.by_path);
	free(x.by_from);
	return r;
}

int parts_collect(struct host *host, const struct changes *changes, bool (*wanted)(void *ctx, const struct change *ch), void *ctx,
                  struct parts *ret)
{
	struct collector c = { .host = host, .parts = ret };
	int r = collector_init(&c, changes);

	*ret = (struct parts){ 0 };
	for (size_t i = 0; r >= 0 && i < changes->count; i++) {
		const struct change *ch = &changes->list[i];

		if (!wanted(ctx, ch))
			continue;
		r = collect_change(&c, ch);
		/* One that cannot be read must not hide the others. */
		if (r < 0 && r != -ENOMEM)
			r = add(&c, &(struct part){ .ch = ch, .alone = true, .code = r }, NULL, NULL);
	}
	collector_release(&c);
	return r < 0 ? r : sort_out(host, ret);
}

void parts_release(struct parts *p)
{
	for (size_t i = 0; i < p->count; i++) {
		free(p->list[i].from);
		free(p->list[i].path);
	}
	free(p->list);
	*p = (struct parts){ 0 };
}
