/* commit_choose.c - one question a change, or a new directory with all that is in it: deletions first, under a heading for each directory. */
#include "commit_ui.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What one question is about. */
struct unit {
	size_t i, end;  /* i, end: the item, and one past the last that is in it */
	size_t dir_len; /* dir_len: of the directory at the start of its path */
	bool deletion;
};

static const struct key_help help[] = {
	{ 'y', "commit this" },
	{ 'n', "leave it in the box" },
	{ 'e', "ask for each thing in this directory" },
	{ 'd', "commit this and what follows under this heading" },
	{ 'a', "commit this and all that follows" },
	{ 'p', "choose hunk by hunk" },
	{ 'v', "view the diff" },
	{ 'q', "stop asking, and commit what was answered y (Ctrl-D too)" },
	{ '?', "this help" },
	{ KEY_INTERRUPT, "commit nothing" },
	{ 0 },
};

/* ---- the list ---- */

/* One past the last item of the new directory at i and what is in it, if all of that is wanted; i + 1 for anything else. */
static size_t tree_end(const struct asking *a, size_t i, size_t limit)
{
	const struct change *dir = a->plan->items[i].change;
	size_t end = i + 1;

	if (dir->kind != CHANGE_ADDED || !S_ISDIR(dir->box.st_mode))
		return end;
	while (end < limit && path_below(a->plan->items[end].change->path, dir->path, NULL)) {
		if (a->wanted && !a->wanted[end])
			return i + 1;
		end++;
	}
	return end;
}

/* As names are sorted, but that a slash comes before all that a name can hold. */
static int dir_cmp(const char *x, size_t x_len, const char *y, size_t y_len)
{
	for (size_t k = 0; k < x_len && k < y_len; k++)
		if (x[k] != y[k])
			return (x[k] == '/' ? 1 : 1 + (unsigned char)x[k]) - (y[k] == '/' ? 1 : 1 + (unsigned char)y[k]);
	return x_len < y_len ? -1 : x_len > y_len;
}

static const char *unit_path(const struct asking *a, const struct unit *u)
{
	return a->plan->items[u->i].change->path;
}

static bool same_heading(const struct asking *a, const struct unit *x, const struct unit *y)
{
	return x->deletion == y->deletion && x->dir_len == y->dir_len && memcmp(unit_path(a, x), unit_path(a, y), x->dir_len) == 0;
}

static int unit_cmp(const void *x, const void *y, void *ctx)
{
	const struct unit *u = x, *v = y;
	int c;

	if (u->deletion != v->deletion)
		return u->deletion ? -1 : 1;
	c = dir_cmp(unit_path(ctx, u), u->dir_len, unit_path(ctx, v), v->dir_len);
	return c ? c : u->i < v->i ? -1 : 1;
}

static struct unit *list_units(struct asking *a, size_t from, size_t to, size_t *ret_count)
{
	struct unit *list = calloc(to - from + 1, sizeof *list);
	size_t n = 0;

	for (size_t i = from, end; list && i < to; i = end) {
		const struct change *ch = a->plan->items[i].change;

		end = tree_end(a, i, to);
		if (a->wanted && !a->wanted[i])
			end = i + 1;
		else
			list[n++] =
				(struct unit){ i, end, (size_t)(strrchr(ch->path, '/') - ch->path), ch->kind == CHANGE_DELETED };
	}
	if (n > 1)
		qsort_r(list, n, sizeof *list, unit_cmp, a);
	*ret_count = n;
	return list;
}

/* ---- one question ---- */

static void print_heading(struct asking *a, const struct unit *u)
{
	char dir[PATH_MAX], text[4 * PATH_MAX];

	snprintf(dir, sizeof dir, "%.*s/", (int)u->dir_len, unit_path(a, u));
	a->headings++;
	fprintf(stderr, "%s %s\n", u->deletion ? "Deleted in" : "In", path_printable(dir, text, sizeof text));
}

/* "old -> new", with directories where they are other than the heading's. */
static void print_names(FILE *out, const struct change *ch, size_t dir_len)
{
	char text[4 * PATH_MAX];
	const char *slash = S_ISDIR(ch->box.st_mode ? ch->box.st_mode : ch->host.st_mode) ? "/" : "";

	if (ch->from) {
		const char *name = strrchr(ch->from, '/');
		bool here =
			dir_len && (size_t)(name - ch->from) + 1 == dir_len && strncmp(name - dir_len + 1, ch->path, dir_len) == 0;

		fprintf(out, "%s -> ", path_printable(here ? name + 1 : ch->from, text, sizeof text));
	}
	fprintf(out, "%s%s", path_printable(ch->path + dir_len, text, sizeof text), slash);
}

/* What is asked about: to be freed, NULL without memory. dir_len: what of the path stands in the heading. */
static char *describe(const struct asking *a, size_t i, size_t end, size_t dir_len)
{
	const struct commit_item *it = &a->plan->items[i];
	bool colour = colour_wanted(COLOUR_AUTO, STDERR_FILENO);
	size_t size, n = end - i - 1;
	char *text = NULL;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	fprintf(out, "%s%s%c%s  ", dir_len ? "  " : "", colour ? kind_colour(it->change->kind) : "", (char)it->change->kind,
	        colour ? "\033[m" : "");
	print_names(out, it->change, dir_len);
	if (n)
		fprintf(out, ", a new directory with %zu thing%s in it", n, n == 1 ? "" : "s");
	print_about(out, it);
	if (it->why[0])
		fprintf(out, ": %s", it->why);
	if (it->verdict == COMMIT_CONFLICT && a->on_conflict == ON_CONFLICT_ASK)
		fputs(" (a conflict: after y it is asked what to do)", out);
	else if (it->verdict == COMMIT_CONFLICT)
		fprintf(out, " (a conflict: y is --on-conflict=%s)", on_conflict_name(a->on_conflict));
	fputs(n ? ": all of it?  " : "  ", out);
	fclose(out);
	return text;
}

/* "[y/n/q] " */
static void bracket(const char *keys, char ret[static 40])
{
	size_t at = 0;

	for (const char *k = keys; *k && at + 4 < 40; k++)
		at += (size_t)snprintf(ret + at, 40 - at, "%c%c", at ? '/' : '[', *k);
	snprintf(ret + at, 40 - at, "] ");
}

/* The keys get a line of their own where they do not fit behind the text. */
static int ask_keys(const char *text, const char *keys)
{
	_cleanup_free_ char *question = NULL;
	char list[40];
	int columns = term_columns(STDERR_FILENO);
	bool fits;

	bracket(keys, list);
	fits = columns == 0 || strlen(text) + strlen(list) < (size_t)columns;
	if (asprintf(&question, "%s%s%s", text, fits ? "" : "\n  ", list) < 0) {
		question = NULL;
		return TERM_INTERRUPTED;
	}
	return term_choice(question, keys, help);
}

/* parts: it can be taken hunk by hunk. A key, or TERM_END, TERM_INTERRUPTED. */
static int ask_about(const struct asking *a, size_t i, size_t end, size_t dir_len, bool parts)
{
	_cleanup_free_ char *text = describe(a, i, end, dir_len);
	bool tree = end > i + 1;
	char keys[16];

	snprintf(keys, sizeof keys, "yn%s%s%s%svq?", tree ? "e" : "", dir_len ? "d" : "", "a", parts ? "p" : "");
	for (;;) {
		struct err err = { 0 };
		int key = text ? ask_keys(text, keys) : TERM_INTERRUPTED;

		if (key != 'v')
			return key;
		if (diff_show_path(a->plan, a->plan->items[i].change->path, tree, &err) < 0)
			log_say("diff: %s", err.msg);
	}
}

/* ---- answers ---- */

/* Item k, in the directory, is what the host has elsewhere, or one file with it, or lends rights. */
static bool asks_for_itself(const struct asking *a, const char *dir, size_t k)
{
	const struct commit_item *it = &a->plan->items[k];
	const char *from = it->change->from;

	return it->marks || (from && !path_below(from, dir, NULL)) || (it->one_with && !path_below(it->one_with, dir, NULL));
}

static enum asked take_one(struct asking *a, size_t k, const char *dir)
{
	int key = 'y';

	if (!a->all && dir && asks_for_itself(a, dir, k))
		key = a->quit ? 'n' : ask_about(a, k, k + 1, 0, false);
	if (key == TERM_INTERRUPTED)
		return ASKED_INTERRUPTED;
	a->quit |= key < 0 || key == 'q';
	a->all |= key == 'a';
	if (key == 'y' || key == 'a') {
		a->plan->items[k].chosen = true;
		a->taken++;
	}
	return ASKED_ALL;
}

enum asked choose_take(struct asking *a, size_t i, size_t end, const char *dir)
{
	enum asked r = ASKED_ALL;

	for (size_t k = i; k < end && r == ASKED_ALL; k++)
		r = take_one(a, k, dir);
	return r;
}

/* Of a new directory what is in it was not all in the question; of one thing it was. */
static enum asked take_unit(struct asking *a, const struct unit *u, bool asked)
{
	char dir[PATH_MAX];

	if (asked) {
		enum asked r = choose_take(a, u->i, u->i + 1, NULL);

		return r == ASKED_ALL ? choose_take(a, u->i + 1, u->end, unit_path(a, u)) : r;
	}
	snprintf(dir, sizeof dir, "%.*s", u->dir_len ? (int)u->dir_len : 1, unit_path(a, u));
	return choose_take(a, u->i, u->end, dir);
}

/* What cannot be committed is no question: it is told at the end, and of conflicts it is asked what to do, unless that is decided. */
static bool is_no_question(const struct asking *a, const struct unit *u)
{
	enum commit_verdict v = a->plan->items[u->i].verdict;
	bool decided = a->on_conflict != ON_CONFLICT_ASK && a->on_conflict != ON_CONFLICT_SKIP;

	return u->end == u->i + 1 && (v == COMMIT_REFUSE || (v == COMMIT_CONFLICT && !decided));
}

/* rest: what follows under this heading is taken without asking. */
static enum asked ask_unit(struct asking *a, const struct unit *u, bool *rest)
{
	const struct commit_item *it = &a->plan->items[u->i];
	bool parts = u->end == u->i + 1 && hunks_possible(a->plan, u->i);
	/* What lends rights is asked for by itself. */
	int key = a->hunks && parts && it->change->kind == CHANGE_MODIFIED && !it->marks ? 'p' : 0;
	enum asked r;

	for (;;) {
		if (!key)
			key = ask_about(a, u->i, u->end, u->dir_len + 1, parts);
		switch (key) {
		case 'n':
			return ASKED_ALL;
		case 'e':
			return choose_range(a, u->i + 1, u->end);
		case 'p':
			if (choose_hunks(a, u->i, &r) == 0)
				return r;
			parts = false;
			key = 0;
			continue;
		case 'y':
		case 'd':
		case 'a':
			a->all = a->all || key == 'a';
			*rest = key == 'd';
			return take_unit(a, u, true);
		}
		return key == TERM_INTERRUPTED ? ASKED_INTERRUPTED : ASKED_QUIT;
	}
}

static enum asked choose_units(struct asking *a, const struct unit *list, size_t n)
{
	const struct unit *heading = NULL;
	enum asked r = ASKED_ALL;
	size_t headings = 0;
	bool rest = false;

	for (size_t k = 0; k < n && r == ASKED_ALL; k++) {
		const struct unit *u = &list[k];
		bool other = !heading || !same_heading(a, heading, u);

		rest = rest && !other;
		if (a->quit && !a->all && !rest)
			return ASKED_QUIT;
		if (is_no_question(a, u)) {
			a->plan->items[u->i].chosen = true;
			continue;
		}
		if (a->all || rest) {
			r = take_unit(a, u, false);
			continue;
		}
		/* Also where things in a directory came in between. */
		if (other || headings != a->headings)
			print_heading(a, u);
		heading = u;
		headings = a->headings;
		r = ask_unit(a, u, &rest);
	}
	return r == ASKED_ALL && a->quit ? ASKED_QUIT : r;
}

enum asked choose_range(struct asking *a, size_t i, size_t end)
{
	size_t n = 0;
	_cleanup_free_ struct unit *list = list_units(a, i, end, &n);

	return list ? choose_units(a, list, n) : ASKED_INTERRUPTED;
}
