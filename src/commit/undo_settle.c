/* undo_settle.c - what becomes of what the host has changed since a commit: it is left with all that belongs to it, or taken back all the same. */
#include "plan.h"
#include "undo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/path.h"
#include "base/stat.h"

/* ---- what is left because of that ---- */

static int by_place(const void *a, const void *b)
{
	return path_cmp(*(char *const *)a, *(char *const *)b);
}

/* The path, or something below it, is in the list. */
static bool is_listed(char *const *list, size_t n, const char *path)
{
	size_t lo = 0, hi = path ? n : 0;

	/* What is below a path comes directly after it. */
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (path_cmp(list[mid], path) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return path && lo < n && path_below(list[lo], path, NULL);
}

bool undo_in_conflict(const struct undo *u, const char *path)
{
	return is_listed(u->conflicts, u->nconflicts, path);
}

static void leave_item(struct undo *u, uint64_t item)
{
	if (item < u->n.nitems)
		u->left[item] = true;
}

/* Every step about a path in the list, or about a directory with one in it, and all others of the same change. */
static void fill_skip(struct undo *u, char *const *list, size_t n)
{
	char a[PATH_MAX], b[PATH_MAX];

	for (size_t k = 0; k < u->n.nsteps; k++) {
		const struct step *s = &u->n.steps[k];

		if ((replay_forward(&u->n, k, s->a, a) == 0 && is_listed(list, n, a)) ||
		    (s->b && replay_forward(&u->n, k, s->b, b) == 0 && is_listed(list, n, b))) {
			u->skip[k] = true;
			leave_item(u, s->item);
		}
	}
	/* What came with a directory above it has no step of its own. */
	for (size_t i = 0; i < u->n.nitems; i++)
		if (u->n.items[i].done && is_listed(list, n, journal_item_place(&u->n.items[i])))
			u->left[i] = true;
	for (size_t k = 0; k < u->n.nsteps; k++)
		u->skip[k] |= u->n.steps[k].item < u->n.nitems && u->left[u->n.steps[k].item];
}

static int add_path(char ***list, size_t *n, const char *path)
{
	int r = strv_add(list, n, path);

	if (r == 0)
		qsort(*list, *n, sizeof **list, by_place);
	return r;
}

bool undo_leave(struct undo *u, size_t k, int error)
{
	const struct step *s = &u->n.steps[k];
	const char *names[] = { s->a, s->b }, *shown = journal_is_temp_path(&u->n, s->a) && s->b ? s->b : s->a;
	char path[PATH_MAX], text[128];

	if (u->skip[k])
		return false;
	for (size_t i = 0; i < 2; i++)
		if (names[i] && replay_forward(&u->n, k, names[i], path) == 0 && add_path(&u->lost, &u->nlost, path) < 0)
			return false;
	fill_skip(u, u->lost, u->nlost);
	u->skip[k] = true;
	snprintf(text, sizeof text, "what the host has become does not allow to take it back: %s", strerror(-error));
	if (u->wish->conflict == UNDO_SKIP && u->wish->conflicting)
		u->wish->conflicting(u->wish->ctx, shown, text);
	else
		undo_note(u, shown, text);
	return true;
}

/* ---- or is taken back all the same ---- */

/* Steps by the path that they are about, as it is after all others; puts: renames, by what they bring there. */
struct about {
	uint64_t path; /* path: its hash */
	size_t step;
};

struct abouts {
	struct about *list;
	size_t count;
};

struct index {
	struct abouts puts, others;
};

static int by_path_and_step(const void *x, const void *y)
{
	const struct about *a = x, *b = y;

	if (a->path != b->path)
		return a->path < b->path ? -1 : 1;
	return a->step < b->step ? -1 : a->step > b->step;
}

static void about_add(struct abouts *v, const char *path, size_t step)
{
	v->list[v->count++] = (struct about){ XXH3_64bits(path, strlen(path)), step };
}

static int index_steps(const struct undo *u, struct index *ret)
{
	char path[PATH_MAX];

	ret->puts.list = calloc(u->n.nsteps + 1, sizeof *ret->puts.list);
	ret->others.list = calloc(u->n.nsteps + 1, sizeof *ret->others.list);
	if (!ret->puts.list || !ret->others.list)
		return -ENOMEM;
	for (size_t k = 0; k < u->n.nsteps; k++) {
		const struct step *s = &u->n.steps[k];

		if (replay_forward(&u->n, k, s->kind == STEP_RENAME ? s->b : s->a, path) == 0)
			about_add(s->kind == STEP_RENAME ? &ret->puts : &ret->others, path, k);
	}
	qsort(ret->puts.list, ret->puts.count, sizeof *ret->puts.list, by_path_and_step);
	qsort(ret->others.list, ret->others.count, sizeof *ret->others.list, by_path_and_step);
	return 0;
}

/* The steps about a path are from the first of these on; to *ret_end. */
static size_t find_abouts(const struct abouts *v, const char *path, size_t *ret_end)
{
	const uint64_t hash = XXH3_64bits(path, strlen(path));
	size_t lo = 0, hi = v->count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (v->list[mid].path < hash)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (*ret_end = lo; *ret_end < v->count && v->list[*ret_end].path == hash; (*ret_end)++)
		;
	return lo;
}

/* Hashes may be alike. */
static bool is_about(const struct undo *u, size_t k, const char *path)
{
	const struct step *s = &u->n.steps[k];
	char now[PATH_MAX];

	return replay_forward(&u->n, k, s->kind == STEP_RENAME ? s->b : s->a, now) == 0 && strcmp(now, path) == 0;
}

/* The last step that put something at the path, or n.nsteps. */
static size_t last_put(const struct undo *u, const struct index *x, const char *path)
{
	size_t end, first = find_abouts(&x->puts, path, &end);

	while (end > first)
		if (is_about(u, x->puts.list[--end].step, path))
			return x->puts.list[end].step;
	return u->n.nsteps;
}

void undo_note(const struct undo *u, const char *path, const char *text)
{
	char line[5 * PATH_MAX], shown[4 * PATH_MAX];

	if (!u->wish->note || u->wish->dry)
		return;
	snprintf(line, sizeof line, "%s: %s", path_printable(path, shown, sizeof shown), text);
	u->wish->note(u->wish->ctx, line);
}

/* What was done to the object that is gone need not be, and cannot be, taken back. */
static void accept_gone(struct undo *u, const struct index *x, const char *path)
{
	bool lost = false;
	size_t end, first = find_abouts(&x->others, path, &end);

	for (size_t i = first; i < end; i++) {
		size_t k = x->others.list[i].step;

		if (!is_about(u, k, path))
			continue;
		u->skip[k] = lost = true;
		leave_item(u, u->n.steps[k].item);
	}
	if (lost)
		undo_note(u, path, "it was removed since, and is not brought back");
}

/* What was written into it since goes, however long it has become. */
static void accept_written(struct undo *u, const struct index *x, const char *path, const struct stat *now)
{
	size_t end, first = find_abouts(&x->others, path, &end);

	for (size_t i = first; i < end; i++) {
		struct step *s = &u->n.steps[x->others.list[i].step];

		if (s->kind == STEP_WRITE && s->at_b.st_size < now->st_size && is_about(u, x->others.list[i].step, path))
			s->at_b.st_size = now->st_size;
	}
}

/* What is there now stands for what the commit put there. */
static void accept(struct undo *u, const struct index *x, const char *path)
{
	size_t k = last_put(u, x, path);
	struct step *s = &u->n.steps[k];
	struct stat now;
	char *temp;

	if (host_stat(&u->host, path, &now) < 0)
		memset(&now, 0, sizeof now);
	if (S_ISREG(now.st_mode))
		accept_written(u, x, path, &now);
	if (k == u->n.nsteps || (!now.st_mode && !s->exchange && !journal_is_temp_path(&u->n, s->a))) {
		if (!now.st_mode)
			accept_gone(u, x, path);
		if (k == u->n.nsteps)
			return;
		/* A name of the host's, that went elsewhere. */
		u->skip[k] = true;
		leave_item(u, s->item);
		return;
	}
	if (now.st_mode) {
		if (!s->exchange && !journal_is_temp_path(&u->n, s->a))
			undo_note(u, path, "it gets its old name with what is in it now");
		s->at_a = now;
	} else if (s->exchange) {
		/* Nothing is to be exchanged: as if the commit had only taken the old one away. */
		temp = s->a;
		s->a = s->b;
		s->b = temp;
		s->at_a = s->at_b;
		memset(&s->at_b, 0, sizeof s->at_b);
		s->exchange = false;
		s->old = s->old == OLD_A ? OLD_B : OLD_NONE;
	} else {
		u->skip[k] = true;
	}
}

static int accept_all(struct undo *u)
{
	struct index x = { 0 };
	int r = index_steps(u, &x);

	for (size_t i = 0; i < u->nlost; i++)
		undo_note(u, u->lost[i], "it cannot be brought back, since the host has removed what that would take");
	for (size_t i = 0; i < u->nconflicts && r == 0; i++)
		if (!is_listed(u->lost, u->nlost, u->conflicts[i]))
			accept(u, &x, u->conflicts[i]);
	free(x.puts.list);
	free(x.others.list);
	if (r < 0)
		return r;
	fill_skip(u, u->lost, u->nlost);
	return journal_index_moves(&u->n);
}

int undo_settle(struct undo *u)
{
	if (u->nconflicts)
		qsort(u->conflicts, u->nconflicts, sizeof *u->conflicts, by_place);
	if (u->nlost)
		qsort(u->lost, u->nlost, sizeof *u->lost, by_place);
	if (u->wish->conflict == UNDO_SKIP)
		fill_skip(u, u->conflicts, u->nconflicts);
	return u->wish->conflict == UNDO_REPLACE ? accept_all(u) : 0;
}
