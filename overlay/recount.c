/* recount.c - how many names of each of the host's files with several are touched, counted anew after changes were discarded.
 *
 * While guests are at work it is counted name by name (links.c). But what leaves the box is a directory at a time, whose names on the host may have been
 * touched under others: so then what is left tells. Not after a commit, which changes how many there are on the host, and may give the history one.
 */
#include "base/descent.h"
#include "overlay/forget_links.h"

#include <stdlib.h>

#include "overlay/changes.h"
#include "overlay/compare.h"

struct recount {
	struct overlay *ov;
	const char **from; /* from: where renamed files were, sorted: each is counted once, for its own change */
	size_t nfrom;
};

/* The name at the host's path, and of a directory all below, unless the box has it elsewhere. */
static int visit(struct recount *x, const char *path, struct descent *d)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	char **names;
	int r = pair_open_host(x->ov, path, &fd, &st);

	/* What is not for us to see was not touched either. */
	if (r == -EACCES)
		return 0;
	if (r < 0 || !st.st_mode || (d->depth && bsearch(&path, x->from, x->nfrom, sizeof *x->from, strv_cmp)))
		return r;
	if (!S_ISDIR(st.st_mode)) {
		links_recount_name(x->ov, &st);
		return 0;
	}
	if (d->depth && redirects_take(x->ov, path))
		return 0;
	return pair_names(fd, &names) < 0 ? 0 : descent_enter(d, names);
}

static int count_tree(struct recount *x, const char *host)
{
	char path[PATH_MAX];
	_cleanup_descent_ struct descent d = { .path = { path } };
	int r = path_join(path, sizeof path, host, "");

	if (r >= 0)
		r = visit(x, path, &d);
	while (r >= 0 && d.depth) {
		r = descent_step(&d);
		if (r > 0)
			r = visit(x, path, &d);
	}
	return r < 0 ? r : 0;
}

/* The host's directory that has the path is moved elsewhere in the box. */
static bool is_carried(const struct recount *x, const char *host)
{
	char up[PATH_MAX];
	bool taken = false;

	strcpy(up, host);
	while (!taken && up[1]) {
		path_split(up, up, sizeof up);
		taken = redirects_take(x->ov, up);
	}
	return taken;
}

/* What the change hides of the host's. Below a directory that is hidden each name is a change of its own, if it is one. */
static int count_change(struct recount *x, const struct change *ch)
{
	char host[PATH_MAX];
	int r;

	if (ch->kind == CHANGE_RENAMED) {
		r = S_ISDIR(ch->box.st_mode) ? 0 : count_tree(x, ch->from);
		if (r < 0)
			return r;
	}
	if (S_ISDIR(ch->box.st_mode) && ch->kind != CHANGE_TYPE && ch->kind != CHANGE_RENAMED)
		return 0;
	r = pair_host_path(x->ov, ch->path, host);
	if (r == 0)
		strcpy(host, ch->path);
	if (r < 0 || redirects_take(x->ov, host) || (r == 0 && is_carried(x, host)))
		return r < 0 ? r : 0;
	return count_tree(x, host);
}

int overlay_recount(struct overlay *ov, const struct changes *left, char *const *idle, size_t nidle)
{
	struct recount x = { .ov = ov, .from = calloc(left->count + 1, sizeof *x.from) };
	int r = x.from ? change_begin(ov) : -ENOMEM;

	if (r < 0) {
		free(x.from);
		return r;
	}
	for (size_t i = 0; i < left->count; i++)
		if (left->list[i].from && !S_ISDIR(left->list[i].box.st_mode))
			x.from[x.nfrom++] = left->list[i].from;
	qsort(x.from, x.nfrom, sizeof *x.from, strv_cmp);
	r = redirects_update(ov);
	links_recount_begin(ov);
	for (size_t i = 0; i < left->count && r == 0; i++)
		r = count_change(&x, &left->list[i]);
	for (size_t i = 0; i < nidle && r == 0; i++)
		r = count_tree(&x, idle[i]);
	if (r == 0)
		r = links_recount_end(ov);
	change_end(ov, true);
	free(x.from);
	return r;
}
