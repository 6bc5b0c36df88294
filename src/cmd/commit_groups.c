/* commit_groups.c - a box of many changes: first how many there are in which directories, then one question a directory.
 *
 * Items are in the order of their paths, so all below a directory are a run of them, and a group is such a run. The largest group is taken apart into
 * the directories in it as long as all fit on a screen. What lies in a directory itself, beside the others, is a group too: the loose ones of a run.
 */
#include "commit_ui.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINES_MAX 20
#define WHOLE_MAX 10 /* changes that are no longer taken apart */

struct group {
	size_t from, to; /* from, to: the run */
	char *dir;       /* dir: the directory that all of it is below of */
	bool loose;      /* loose: only what is in dir itself */
	size_t count;
	size_t kinds[6]; /* kinds: the count, in the order of kind_letters */
};

struct groups {
	struct group *list;
	size_t n;
};

static const char kind_letters[] = "DTMRAm";

static const struct key_help help[] = {
	{ 'y', "commit all of this directory" },
	{ 'n', "leave all of it in the box" },
	{ 'e', "go into it, and ask for each" },
	{ 'a', "commit this and all that follows" },
	{ 'v', "view the diff" },
	{ 'q', "stop asking, and commit what was answered y (Ctrl-D too)" },
	{ '?', "this help" },
	{ KEY_INTERRUPT, "commit nothing" },
	{ 0 },
};

static void groups_release(struct groups *g)
{
	for (size_t i = 0; i < g->n; i++)
		free(g->list[i].dir);
	free(g->list);
	*g = (struct groups){ 0 };
}
#define _cleanup_groups_ _cleanup_(groups_release)

static const char *path_of(const struct asking *a, size_t i)
{
	return a->plan->items[i].change->path;
}

/* One past the last item at or below the same child of the directory as item i is. dir_len: without the slash. */
static size_t child_end(const struct asking *a, size_t i, size_t to, size_t dir_len)
{
	const char *path = path_of(a, i), *slash = strchr(path + dir_len + 1, '/');
	size_t n = slash ? (size_t)(slash - path) : strlen(path);

	while (++i < to && strncmp(path_of(a, i), path, n) == 0 && (path_of(a, i)[n] == '/' || !path_of(a, i)[n]))
		;
	return i;
}

/* The length of the directory that all of the run is below of; one that is in the run itself is the common one too. */
static size_t common_dir(const struct asking *a, size_t from, size_t to)
{
	const char *x = path_of(a, from), *y = path_of(a, to - 1);
	size_t n = 0, dir = 0;

	for (; x[n] && x[n] == y[n]; n++)
		if (x[n] == '/')
			dir = n;
	return from + 1 < to && !x[n] && y[n] == '/' ? n : dir;
}

static void count_one(const struct asking *a, struct group *g, size_t i)
{
	const char *kind = strchr(kind_letters, (char)a->plan->items[i].change->kind);

	if (a->wanted && !a->wanted[i])
		return;
	g->count++;
	if (kind)
		g->kinds[kind - kind_letters]++;
}

static void count_run(const struct asking *a, struct group *g, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		count_one(a, g, i);
}

static int groups_add(struct groups *all, struct group g, const char *dir, size_t dir_len)
{
	struct group *list;

	if (!g.count)
		return 0;
	list = reallocarray(all->list, all->n + 1, sizeof *list);
	g.dir = list ? strndup(dir, dir_len) : NULL;
	if (list)
		all->list = list;
	if (!g.dir)
		return -ENOMEM;
	all->list[all->n++] = g;
	return 0;
}

/* The run as one group. */
static int add_run(const struct asking *a, struct groups *all, size_t from, size_t to)
{
	struct group g = { .from = from, .to = to };

	count_run(a, &g, from, to);
	return groups_add(all, g, path_of(a, from), common_dir(a, from, to));
}

static struct group count_loose(const struct asking *a, const struct group *g)
{
	struct group loose = { .from = g->from, .to = g->to, .loose = true };
	size_t dir_len = strlen(g->dir);

	for (size_t i = g->from, end; i < g->to; i = end) {
		/* The directory's own change, if it has one, is loose too. */
		end = path_of(a, i)[dir_len] ? child_end(a, i, g->to, dir_len) : i + 1;
		if (end == i + 1)
			count_one(a, &loose, i);
	}
	return loose;
}

/* Takes a group apart: what is loose, and the directories in it. */
static int split(const struct asking *a, const struct group *g, struct groups *ret)
{
	size_t dir_len = strlen(g->dir);
	int r = groups_add(ret, count_loose(a, g), g->dir, dir_len);

	for (size_t i = g->from, end; i < g->to && r == 0; i = end) {
		end = path_of(a, i)[dir_len] ? child_end(a, i, g->to, dir_len) : i + 1;
		if (end > i + 1)
			r = add_run(a, ret, i, end);
	}
	return r;
}

static size_t largest(const struct groups *all, const bool *fixed)
{
	size_t best = all->n;

	for (size_t i = 0; i < all->n; i++)
		if (!fixed[i] && !all->list[i].loose && all->list[i].count > WHOLE_MAX &&
		    (best == all->n || all->list[i].count > all->list[best].count))
			best = i;
	return best;
}

/* Puts the parts in the place of group i. There is room for LINES_MAX. */
static int replace(struct groups *all, bool *fixed, size_t i, struct groups *parts)
{
	size_t n = all->n - 1 + parts->n;
	struct group *list = reallocarray(all->list, n + 1, sizeof *list);

	if (!list)
		return -ENOMEM;
	all->list = list;
	free(list[i].dir);
	memmove(&list[i + parts->n], &list[i + 1], (all->n - i - 1) * sizeof *list);
	memmove(&fixed[i + parts->n], &fixed[i + 1], (all->n - i - 1) * sizeof *fixed);
	memcpy(&list[i], parts->list, parts->n * sizeof *list);
	memset(&fixed[i], 0, parts->n * sizeof *fixed);
	all->n = n;
	parts->n = 0;
	return 0;
}

/* The groups of a run, not more than fit; but the first is taken apart in any case, when it can be. */
static int groups_make(const struct asking *a, size_t from, size_t to, struct groups *ret)
{
	bool fixed[2 * LINES_MAX] = { false };
	int r = add_run(a, ret, from, to);

	for (bool first = true; r == 0; first = false) {
		_cleanup_groups_ struct groups parts = { 0 };
		size_t i = largest(ret, fixed);

		if (i == ret->n)
			break;
		r = split(a, &ret->list[i], &parts);
		if (r == 0 && first && parts.n > LINES_MAX) {
			groups_release(ret);
			*ret = parts;
			parts = (struct groups){ 0 };
			break;
		}
		if (r == 0 && (parts.n < 2 || ret->n - 1 + parts.n > LINES_MAX))
			fixed[i] = true;
		else if (r == 0)
			r = replace(ret, fixed, i, &parts);
	}
	return r;
}

/* "3 D, 12 A  /srv/www/" */
static void group_text(const struct group *g, char *ret, size_t size)
{
	char dir[4 * PATH_MAX];
	size_t at = 0;

	ret[0] = '\0';
	for (size_t k = 0; kind_letters[k] && at < size; k++)
		if (g->kinds[k])
			at += (size_t)snprintf(ret + at, size - at, "%s%zu %c", at ? ", " : "", g->kinds[k], kind_letters[k]);
	if (at < size)
		snprintf(ret + at, size - at, "%s%s/%s", at ? "  " : "", path_printable(g->dir, dir, sizeof dir),
		         !g->loose ? "" : g->count == 1 ? " (a single change)" : " (single changes)");
}

static void print_groups(const struct groups *all)
{
	size_t rest = 0, sum = 0;

	for (size_t i = 0; i < all->n; i++)
		sum += all->list[i].count;
	fprintf(stderr, "%zu change%s:\n", sum, sum == 1 ? "" : "s");
	for (size_t i = 0; i < all->n; i++) {
		char text[4 * PATH_MAX + 128];

		if (i >= LINES_MAX) {
			rest += all->list[i].count;
			continue;
		}
		group_text(&all->list[i], text, sizeof text);
		fprintf(stderr, "  %s\n", text);
	}
	if (rest)
		fprintf(stderr, "  and %zu more in %zu other directories\n", rest, all->n - LINES_MAX);
}

/* ---- asking ---- */

/* Calls fn for each item of the group, until it does not return ASKED_ALL. */
typedef enum asked (*each)(struct asking *a, size_t i, void *ctx);
static enum asked each_item(struct asking *a, const struct group *g, each fn, void *ctx)
{
	size_t dir_len = strlen(g->dir);
	enum asked r = ASKED_ALL;

	for (size_t i = g->from, end; i < g->to && r == ASKED_ALL; i = end) {
		end = g->loose && path_of(a, i)[dir_len] ? child_end(a, i, g->to, dir_len) : i + 1;
		if (end == i + 1 && (!a->wanted || a->wanted[i]))
			r = fn(a, i, ctx);
	}
	return r;
}

static enum asked take_item(struct asking *a, size_t i, void *ctx)
{
	const char *dir = ctx;

	return choose_take(a, i, i + 1, *dir ? dir : "/");
}

static enum asked want_item(struct asking *a, size_t i, void *ctx)
{
	(void)a;
	((bool *)ctx)[i] = true;
	return ASKED_ALL;
}

/* Asks for each thing that is loose. */
static enum asked choose_loose(struct asking *a, const struct group *g)
{
	_cleanup_free_ bool *wanted = calloc(a->plan->count, sizeof *wanted);
	const bool *before = a->wanted;
	enum asked r;

	if (!wanted)
		return ASKED_INTERRUPTED;
	each_item(a, g, want_item, wanted);
	a->wanted = wanted;
	r = choose_range(a, g->from, g->to);
	a->wanted = before;
	return r;
}

static enum asked go_into(struct asking *a, const struct group *g)
{
	if (g->loose)
		return choose_loose(a, g);
	return g->count > GROUPS_FROM ? choose_by_groups(a, g->from, g->to) : choose_range(a, g->from, g->to);
}

struct list {
	struct vpath *paths;
	size_t n;
};

static enum asked list_item(struct asking *a, size_t i, void *ctx)
{
	struct list *list = ctx;

	list->paths[list->n++] = (struct vpath){ a->plan->items[i].change->path };
	return ASKED_ALL;
}

static int show_loose(struct asking *a, const struct group *g, struct err *err)
{
	_cleanup_free_ struct vpath *paths = calloc(g->to - g->from + 1, sizeof *paths);
	struct list list = { .paths = paths };

	if (!paths)
		return err_sys(err, -ENOMEM, "diff");
	each_item(a, g, list_item, &list);
	return diff_show_paths(a->plan, list.paths, list.n, false, err);
}

static int ask_group(struct asking *a, const struct group *g)
{
	char text[4 * PATH_MAX + 128], question[4 * PATH_MAX + 192];

	group_text(g, text, sizeof text);
	snprintf(question, sizeof question, "%s: %s?  [y/n/e/a/v/q/?] ", text,
	         !g->loose       ? "all of it"
	         : g->count == 1 ? "this one"
	                         : "all of these");
	for (;;) {
		struct err err = { 0 };
		int key = term_choice(question, "yneavq?", help);
		int r;

		if (key != 'v')
			return key;
		r = g->loose ? show_loose(a, g, &err) : diff_show_path(a->plan, *g->dir ? g->dir : "/", true, &err);
		if (r < 0)
			log_say("diff: %s", err.msg);
	}
}

static enum asked choose_group(struct asking *a, const struct group *g)
{
	int key = a->all ? 'y' : ask_group(a, g);
	enum asked r;

	switch (key) {
	case 'n':
		return ASKED_ALL;
	case 'e':
		return go_into(a, g);
	case 'y':
	case 'a':
		a->all = a->all || key == 'a';
		r = each_item(a, g, take_item, g->dir);
		return r == ASKED_ALL && a->quit ? ASKED_QUIT : r;
	}
	return key == TERM_INTERRUPTED ? ASKED_INTERRUPTED : ASKED_QUIT;
}

enum asked choose_by_groups(struct asking *a, size_t i, size_t end)
{
	_cleanup_groups_ struct groups all = { 0 };
	enum asked r = ASKED_ALL;

	if (groups_make(a, i, end, &all) < 0)
		return ASKED_INTERRUPTED;
	print_groups(&all);
	/* Nothing to go by: all lie in one directory. */
	if (all.n == 1)
		return choose_range(a, i, end);
	for (size_t k = 0; k < all.n && r == ASKED_ALL; k++)
		r = choose_group(a, &all.list[k]);
	return r;
}
