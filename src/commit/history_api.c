/* history_api.c - the history as include/commit/history.h shows it: listed, pruned, taken back. */
#include "commit/history.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/fd.h"
#include "base/strv.h"
#include "base/sys.h"
#include "base/tree.h"
#include "journal.h"
#include "undo.h"
#include "overlay/changes.h"

_Static_assert(HISTORY_KINDS == JOURNAL_KINDS, "the same kinds of change");

/* Takes the summary's texts. */
static struct history_entry entry_of(struct journal_summary *s)
{
	struct history_entry e = { .number = s->number, .undo = s->head.kind == JOURNAL_UNDO, .undoes = (unsigned)s->head.undoes,
		                   .failed = s->undone_by == s->number,
		                   .undone_by = s->undone_by == s->number ? 0 : (unsigned)s->undone_by, .when_ns = s->head.when_ns, .bytes = s->bytes,
		                   .box = TAKE_PTR(s->head.box), .command = TAKE_PTR(s->head.command) };

	memcpy(e.counts, s->head.counts, sizeof e.counts);
	return e;
}

static void entry_release(struct history_entry *e)
{
	free(e->box);
	free(e->command);
}

void history_free(struct history_entry *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		entry_release(&list[i]);
	free(list);
}

static int list_entries(int history, struct history_entry **ret, size_t *ret_count)
{
	_cleanup_free_ unsigned *numbers = NULL;
	struct history_entry *list;
	size_t n = 0, count = 0;
	int r = history_numbers(history, &numbers, &n);

	if (r < 0)
		return r;
	list = calloc(n + 1, sizeof *list);
	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct journal_summary s = { 0 };

		/* One that is at work, or was given up half-way, has none. */
		if (summary_read(history, numbers[i], &s) == 0)
			list[count++] = entry_of(&s);
	}
	*ret = list;
	*ret_count = count;
	return 0;
}

int history_list(struct store *store, struct history_entry **ret, size_t *ret_count, struct err *err)
{
	_cleanup_close_ int history = -1;
	int r = history_dir(store->path, false, &history);

	if (r == -ENOENT) {
		*ret = NULL;
		*ret_count = 0;
		return 0;
	}
	if (r == 0)
		r = list_entries(history, ret, ret_count);
	return r < 0 ? err_sys(err, r, "%s/history", store->path) : 0;
}

/* ---- what one is about ---- */

void history_paths_free(struct history_path *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(list[i].path);
		free(list[i].from);
	}
	free(list);
}

/* What the host had already is no change. */
static bool item_counts(const struct journal_item *it)
{
	return it->done && !it->same;
}

/* Of each item the mode; of what the box had no more the mode of what was taken away. */
static mode_t *item_modes(const struct journal *j)
{
	mode_t *modes = calloc(j->nitems + 1, sizeof *modes);

	for (size_t i = 0; modes && i < j->nitems; i++)
		modes[i] = j->items[i].mode;
	for (size_t k = 0; modes && k < j->nsteps; k++) {
		const struct step *s = &j->steps[k];

		if (s->kind == STEP_RENAME && s->item < j->nitems && !modes[s->item] && !journal_is_temp_path(j, s->a))
			modes[s->item] = s->at_a.st_mode;
	}
	return modes;
}

/* Borrowed of the item. */
static struct history_path path_of(const struct journal_item *it, mode_t mode)
{
	return (struct history_path){ .letter = (char)journal_item_kind(it), .directory = S_ISDIR(mode), .path = (char *)journal_item_place(it),
		                      .from = it->kind == CHANGE_RENAMED ? it->from : NULL };
}

static int take_paths(struct journal *j, struct history_path **ret, size_t *ret_count)
{
	struct history_path *list = calloc(j->nitems + 1, sizeof *list);
	_cleanup_free_ mode_t *modes = item_modes(j);
	size_t n = 0;

	if (!list || !modes) {
		free(list);
		return -ENOMEM;
	}
	for (size_t i = 0; i < j->nitems; i++) {
		if (!item_counts(&j->items[i]))
			continue;
		list[n++] = path_of(&j->items[i], modes[i]);
		if (list[n - 1].path != j->items[i].path)
			free(j->items[i].path);
		/* They are the list's now. */
		j->items[i].path = j->items[i].from = NULL;
	}
	*ret = list;
	*ret_count = n;
	return 0;
}

int history_paths(struct store *store, unsigned number, struct history_path **ret, size_t *ret_count, struct err *err)
{
	_cleanup_close_ int history = -1;
	_cleanup_journal_ struct journal j;
	int r = history_dir(store->path, false, &history);

	journal_init(&j);
	if (r == 0)
		r = journal_load(&j, history, -1, number);
	if (r == 0)
		r = take_paths(&j, ret, ret_count);
	if (r == -ENOENT)
		return err_set(err, r, "there is no entry %u in the history: see cowbox log", number);
	return r < 0 ? err_sys(err, r, "%s/history/%u cannot be read", store->path, number) : 0;
}

/* ---- giving up ---- */

static int give_up(int history, unsigned number)
{
	char name[16], summary[32];

	snprintf(name, sizeof name, "%u", number);
	snprintf(summary, sizeof summary, "%u/summary", number);
	/* First what makes it an entry: half of one is none. */
	(void)sys_unlinkat(history, summary, 0);
	return tree_remove(history, name);
}

int history_prune(struct store *store, const struct history_limits *limits)
{
	_cleanup_close_ int history = -1, lock = -1;
	struct history_entry *list = NULL;
	uint64_t now = (uint64_t)time(NULL), all = 0;
	size_t n = 0, newest;
	int removed = 0, r = history_dir(store->path, false, &history);

	if (r == 0)
		r = history_lock(history, false, &lock);
	if (r == 0)
		r = list_entries(history, &list, &n);
	if (r < 0)
		return r == -ENOENT ? 0 : r == -EWOULDBLOCK ? -EBUSY : r;
	for (size_t i = 0; i < n; i++)
		all += list[i].bytes;
	newest = n;
	while (newest > 0 && (list[newest - 1].undo || list[newest - 1].failed))
		newest--;
	for (size_t i = 0; i < n; i++) {
		bool old = limits->age_s && list[i].when_ns / 1000000000u + limits->age_s < now;
		bool much = limits->bytes && all > limits->bytes;

		if ((!old && !much) || i + 1 >= newest || (list[i].failed && !limits->failed))
			continue;
		if (give_up(history, list[i].number) == 0) {
			all -= list[i].bytes;
			removed++;
		}
	}
	history_free(list, n);
	return removed;
}

/* ---- undo ---- */

void undo_blame(struct undo *u, const char *path)
{
	snprintf(u->blame, sizeof u->blame, "%s", path);
}

/* The commit that is meant, among the entries. */
static const struct history_entry *find_commit(const struct history_entry *list, size_t n, unsigned number, struct err *err)
{
	for (size_t i = n; i > 0; i--) {
		const struct history_entry *e = &list[i - 1];

		if (number ? e->number != number : e->undo || e->failed || e->undone_by)
			continue;
		if (e->failed) {
			err_set(err, -ENOENT, "%u failed, and was taken back then: see cowbox log %u", number, number);
			return NULL;
		}
		if (e->undo || e->undone_by) {
			err_set(err, -ENOENT, e->undo ? "%u is an undo, which cannot be taken back" : "commit %u was taken back before", number);
			return NULL;
		}
		return e;
	}
	if (number)
		err_set(err, -ENOENT, n && number < list[0].number ? "commit %u was given up: see cowbox log" : "there is no commit %u: see cowbox log", number);
	else
		err_set(err, -ENOENT, n ? "all commits were taken back, or given up: see cowbox log" : "there is no commit to take back");
	return NULL;
}

static void tell_changes(const struct undo *u)
{
	const struct undo_wish *w = u->wish;

	for (size_t i = 0; w->change && i < u->n.nitems; i++) {
		const struct history_path p = path_of(&u->n.items[i], u->n.items[i].mode);

		if (item_counts(&u->n.items[i]) && !u->left[i])
			w->change(w->ctx, &p);
	}
}

static int undo_failed(const struct undo *u, int r, struct err *err)
{
	char text[4 * PATH_MAX];

	path_printable(u->blame, text, sizeof text);
	/* There was a commit, and conflicts are found before. */
	if (r == -ENOENT || r == -EBUSY || r == -EEXIST || r == -ESTALE)
		return err_set(err, -ESTALE, "%s%sthe host was changed meanwhile", text, *text ? ": " : "");
	if (r == -EINTR)
		return err_set(err, r, "interrupted");
	return *text ? err_sys(err, r, "%s", text) : err_sys(err, r, "commit %u cannot be taken back", u->n.number);
}

/* Of its own the undo's journal could not tell of what is gone. */
static int fill_modes(struct journal *j)
{
	_cleanup_free_ mode_t *modes = item_modes(j);

	for (size_t i = 0; modes && i < j->nitems; i++)
		j->items[i].mode = modes[i];
	return modes ? 0 : -ENOMEM;
}

static void count_changes(const struct undo *u, struct undo_result *ret)
{
	ret->done = ret->skipped = 0;
	for (size_t i = 0; i < u->n.nitems; i++)
		if (item_counts(&u->n.items[i]))
			(*(u->left[i] ? &ret->skipped : &ret->done))++;
}

static int undo_entry(struct undo *u, struct undo_result *ret, struct err *err)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, limit;
	int r = fill_modes(&u->n);

	if (r == 0)
		r = undo_check(u);

	ret->conflicts = u->nconflicts;
	if (r < 0)
		return err_sys(err, r, "commit %u", u->n.number);
	count_changes(u, ret);
	if (u->wish->dry)
		tell_changes(u);
	if (u->nconflicts && u->wish->conflict == UNDO_REFUSE)
		return err_set(err, -EBUSY, "the host has changed since commit %u", u->n.number);
	/* With replace no more can be done about it, and older commits can be taken back then. */
	if (ret->skipped && !ret->done && u->wish->conflict != UNDO_REPLACE)
		return err_set(err, -EBUSY, "the host has changed all that commit %u did", u->n.number);
	if (u->wish->dry)
		return 0;
	/* A limit on the size of files is a failure like others, and not the end. */
	sigaction(SIGXFSZ, &ignore, &limit);
	r = undo_apply(u, ret);
	sigaction(SIGXFSZ, &limit, NULL);
	ret->number = u->u.number;
	ret->holds = u->u.kept > 0;
	count_changes(u, ret);
	if (r == -EBUSY && undo_leaves_all(u))
		return err_set(err, r, "the host has changed all that commit %u did", u->n.number);
	if (r < 0)
		return undo_failed(u, r, err);
	tell_changes(u);
	(void)undo_tell_split(u);
	return 0;
}

static void undo_release(struct undo *u)
{
	host_release(&u->host);
	journal_release(&u->n);
	journal_release(&u->u);
	strv_free(u->conflicts);
	strv_free(u->lost);
	tree_links_release(&u->links);
	free(u->skip);
	free(u->left);
	free(u->logged);
	free(u->sights);
	free(u->was);
	free(u->same_time);
	fd_closep(&u->lock_fd);
}

int history_undo(struct store *store, const struct undo_wish *wish, struct undo_result *ret, struct err *err)
{
	_cleanup_close_ int history = -1;
	struct undo u = { .store = store, .wish = wish, .lock_fd = -1 };
	struct history_entry *list = NULL;
	const struct history_entry *e;
	size_t n = 0;
	int r;

	memset(ret, 0, sizeof *ret);
	journal_init(&u.n);
	journal_init(&u.u);
	r = host_init(&u.host);
	if (r == 0)
		r = history_dir(store->path, false, &history);
	if (r == 0)
		r = history_lock(history, true, &u.lock_fd);
	if (r == 0)
		r = list_entries(history, &list, &n);
	if (r < 0 && r != -ENOENT)
		err_sys(err, r, "%s/history", store->path);
	e = r == 0 || r == -ENOENT ? find_commit(list, n, wish->number, err) : NULL;
	if (!e) {
		r = r < 0 ? r : -ENOENT;
	} else {
		r = journal_load(&u.n, history, -1, e->number);
		if (r < 0)
			err_sys(err, r, "%s/history/%u cannot be read", store->path, e->number);
		else
			r = undo_entry(&u, ret, err);
		ret->commit = *e;
		ret->commit.box = strdup(e->box);
		ret->commit.command = strdup(e->command);
	}
	history_free(list, n);
	undo_release(&u);
	return r;
}
