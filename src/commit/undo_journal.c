/* undo_journal.c - what an undo's own journal is told before its steps, and after them. */
#include "undo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/fd.h"
#include "base/stat.h"

/* Where a directory is now that was at the path before step k. */
static int note_dir(struct undo *u, size_t k, const char *was)
{
	char path[PATH_MAX];
	struct stat st;
	int r = replay_forward(&u->n, k, was, path);

	if (r == 0)
		r = undo_stat(u, path, &st);
	if (r == 0 && S_ISDIR(st.st_mode))
		r = journal_add_dir(&u->u, path, &st);
	return r;
}

/* The directories in which names will come and go: those of the commit, and what it has made or moved. */
static int note_dirs(struct undo *u)
{
	int r = 0;

	for (size_t i = 0; i < u->n.dirs.count && r == 0; i++)
		r = note_dir(u, (size_t)-1, u->n.dirs.list[i].path);
	for (size_t k = 0; k < u->n.nsteps && r == 0; k++)
		if (u->n.steps[k].kind == STEP_RENAME && S_ISDIR(u->n.steps[k].at_a.st_mode))
			r = note_dir(u, k, u->n.steps[k].b);
	return r;
}

/* A name that a file has, perhaps, when all is done. several: how many names it had. */
static int note_name(struct undo *u, size_t k, const char *was, nlink_t several)
{
	char path[PATH_MAX];
	struct stat st;
	int r;

	if (several < 2 || journal_is_temp_path(&u->n, was))
		return 0;
	r = replay_forward(&u->u, k, was, path);
	if (r == 0)
		r = undo_stat(u, path, &st);
	if (r == 0 && st.st_nlink > 1 && !S_ISDIR(st.st_mode))
		r = journal_add_after(&u->u, path, &st);
	return r;
}

int undo_note_after(struct undo *u)
{
	int r = 0;

	for (size_t i = 0; i < u->n.after.count && r == 0; i++)
		r = note_name(u, (size_t)-1, u->n.after.list[i].path, u->n.after.list[i].st.st_nlink);
	for (size_t i = 0; i < u->n.names.count && r == 0; i++)
		r = note_name(u, (size_t)-1, u->n.names.list[i].path, u->n.names.list[i].st.st_nlink);
	for (size_t k = 0; k < u->u.nsteps && r == 0; k++)
		if (u->u.steps[k].kind == STEP_RENAME)
			r = note_name(u, k, u->u.steps[k].b, u->u.steps[k].at_a.st_nlink);
	return r;
}

/* By the path: it may be a copy, which can have got the number of another. */
static bool has_time_of_commit(const struct undo *u, const char *path, const struct stat *now)
{
	for (size_t i = 0; i < u->n.times.count; i++)
		if (strcmp(u->n.times.list[i].path, path) == 0)
			return time_same(&u->n.times.list[i].st.st_mtim, &now->st_mtim);
	return true;
}

int undo_note_times(struct undo *u)
{
	int r = 0;

	for (size_t i = 0; i < u->n.dirs.count && r == 0; i++) {
		const struct place *was = &u->n.dirs.list[i];
		struct stat st;

		if (!u->same_time[i])
			continue;
		r = undo_stat(u, was->path, &st);
		if (r < 0 || !S_ISDIR(st.st_mode))
			continue;
		st.st_mtim = was->st.st_mtim;
		r = journal_add_times(&u->u, was->path, &st);
	}
	return r;
}

static int remember_times(struct undo *u)
{
	u->same_time = calloc(u->n.dirs.count + 1, sizeof *u->same_time);
	if (!u->same_time)
		return -ENOMEM;
	for (size_t i = 0; i < u->n.dirs.count; i++) {
		char path[PATH_MAX];
		struct stat st;
		int r = replay_forward(&u->n, (size_t)-1, u->n.dirs.list[i].path, path);

		if (r == 0)
			r = undo_stat(u, path, &st);
		if (r < 0)
			return r;
		/* One that the commit took away nobody else can have been at. */
		u->same_time[i] = !st.st_mode || has_time_of_commit(u, path, &st);
	}
	return 0;
}

/* Those of the commit: the steps say by number which they are for. */
static int note_items(struct undo *u)
{
	int r = 0;

	for (size_t i = 0; i < u->n.nitems && r == 0; i++) {
		struct journal_item it = u->n.items[i];

		it.done = it.done && !u->left[i];
		r = journal_add_item(&u->u, &it);
	}
	return r;
}

/* What is left is not counted. */
static void count_items(const struct undo *u, struct journal_head *head)
{
	static const char letters[] = HISTORY_LETTERS;

	for (size_t i = 0; i < u->n.nitems; i++) {
		const struct journal_item *it = &u->n.items[i];
		const char *letter = it->done && !it->same && u->left[i] ? strchr(letters, journal_item_kind(it)) : NULL;

		if (letter && *letter && head->counts[letter - letters])
			head->counts[letter - letters]--;
	}
}

int undo_begin(struct undo *u)
{
	struct journal_head head = u->n.head;
	struct timespec now;
	int r = remember_times(u);

	clock_gettime(CLOCK_REALTIME, &now);
	head.kind = JOURNAL_UNDO;
	head.when_ns = time_ns(&now);
	head.undoes = u->n.number;
	count_items(u, &head);
	u->u.lock_fd = TAKE_FD(u->lock_fd);
	if (r == 0)
		r = journal_begin(&u->u, u->store->path, &head, u->n.tag);
	/* Its own temporary names are none of the commit's. */
	u->u.serial = 1u << 30;
	if (r == 0)
		r = note_items(u);
	if (r == 0)
		r = note_dirs(u);
	return r < 0 ? r : journal_sync(&u->u);
}
