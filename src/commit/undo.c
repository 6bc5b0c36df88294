/* undo.c - takes back a commit that was finished.
 *
 * An undo is a commit of its own, with a journal of its own (U), made of the steps of the commit's (N): what N took away comes out of its entry to the
 * temporary names that it had then; then N's steps are taken back, the last first, each written into U before. What N had brought stands under the
 * temporary names then, and goes into U's entry. So an undo that fails or is killed is taken back or finished like any commit. Both journals have the
 * same tag, and with it the same temporary names.
 */
#include "undo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "apply.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/stat.h"
#include "base/sys.h"
#include "base/tree.h"
#include "tree_copy.h"

/* ---- what N took away, back under its temporary name ---- */

static const struct stat *old_stat(const struct step *s)
{
	return s->old == OLD_A ? &s->at_b : &s->at_a;
}

static int old_path(const struct undo *u, size_t k, char ret[static PATH_MAX])
{
	const struct step *s = &u->n.steps[k];

	return replay_forward(&u->n, k, s->old == OLD_A ? s->a : s->b, ret);
}

/* One more name of a file that the host still has. */
static int link_other(struct undo *u, size_t k, int dir, const char *name)
{
	const char *other = replay_other_name(&u->n, old_stat(&u->n.steps[k])), *other_name;
	int from, r;

	if (!other)
		return -ENOENT;
	r = host_parent(&u->host, other, &from, &other_name);
	return r < 0 ? r : sys_linkat(from, other_name, dir, name, 0);
}

/* Out of the entry by a rename, which is written down first; -EXDEV: that needs a copy. */
static int move_out(struct undo *u, enum replay_round round, const char *kept, const char *to, int dir, const char *name)
{
	char from[PATH_MAX];
	struct step s = { .kind = STEP_RENAME, .a = from, .b = (char *)to, .item = UINT64_MAX };
	int r = sys_fstatat(u->n.dir_fd, kept, &s.at_a, AT_SYMLINK_NOFOLLOW);

	if (round == ROUND_DONE)
		return r < 0 ? r : host_move(u->n.dir_fd, kept, dir, name);
	if (r == 0)
		r = host_ident(&u->host, u->n.dir_fd, &s.dir_a);
	if (r == 0)
		r = host_ident(&u->host, dir, &s.dir_b);
	if (r < 0)
		return r;
	if (!host_same_mount(u->n.dir_fd, dir))
		return -EXDEV;
	if (snprintf(from, sizeof from, "%s/history/%u/%s", u->store->path, u->n.number, kept) >= (int)sizeof from)
		return -ENAMETOOLONG;
	if (round == ROUND_LOGGED)
		return journal_add_step(&u->u, &s);
	r = journal_log(&u->u, &s);
	return r < 0 ? r : host_move(u->n.dir_fd, kept, dir, name);
}

/* By a copy: of a directory it is written down what is to be removed again, should the undo be taken back. */
static int copy_out(struct undo *u, const char *kept, mode_t mode, const char *to, int dir, const char *name)
{
	struct step s = { .kind = STEP_COPY, .a = (char *)to, .item = UINT64_MAX };
	int r;

	if (!S_ISDIR(mode))
		return tree_copy(u->n.dir_fd, kept, u->host.root_fd, path_relative(to), &u->links, NULL);
	r = sys_mkdirat(dir, name, 0700);
	if (r == 0)
		r = sys_fstatat(dir, name, &s.at_a, AT_SYMLINK_NOFOLLOW);
	if (r == 0)
		r = host_ident(&u->host, dir, &s.dir_a);
	if (r == 0)
		r = journal_log(&u->u, &s);
	return r < 0 ? r : tree_fill(u->n.dir_fd, kept, u->host.root_fd, path_relative(to), &u->links, NULL);
}

static int bring_back(struct undo *u, size_t k, enum replay_round round)
{
	char path[PATH_MAX], kept[JOURNAL_KEPT_MAX];
	_cleanup_close_ int own = -1;
	_cleanup_door_ struct door door = DOOR_NONE;
	const char *name;
	struct stat st;
	int dir, r = old_path(u, k, path);

	if (r == 0)
		r = host_parent(&u->host, path, &dir, &name);
	if (r < 0)
		return r;
	own = fcntl(dir, F_DUPFD_CLOEXEC, 3);
	if (own < 0)
		return -errno;
	door_open(&door, own);
	journal_kept_name(u->n.steps[k].kept, true, kept);
	if (sys_fstatat(u->n.dir_fd, kept, &st, AT_SYMLINK_NOFOLLOW) == -ENOENT)
		return round == ROUND_LOGGED ? -ENOENT : link_other(u, k, own, name);
	r = move_out(u, round, kept, path, own, name);
	if (round == ROUND_LOGGED)
		return r;
	if (r == -EXDEV || r == -EACCES || r == -EPERM)
		r = copy_out(u, kept, st.st_mode, path, own, name);
	host_moved(&u->host);
	return r;
}

/* One more step of two rounds over them; -EINTR: no more are wanted. */
static int go_on(struct undo *u)
{
	const struct undo_wish *w = u->wish;

	return w->progress && w->progress(w->ctx, u->nseen++, 2 * u->n.nsteps) > 0 ? -EINTR : 0;
}

/* Copies in the entry of files that the host has under other names. */
static int expect_links(struct undo *u)
{
	int r = 0;

	for (size_t i = 0; i < u->n.copies.count && r == 0; i++) {
		const struct place *p = &u->n.copies.list[i];
		const char *other = replay_other_name(&u->n, &p->st);
		struct stat copy, now;

		if (other && sys_fstatat(u->n.dir_fd, p->path, &copy, AT_SYMLINK_NOFOLLOW) == 0 && host_stat(&u->host, other, &now) == 0 &&
		    now.st_ino == p->st.st_ino && now.st_dev == p->st.st_dev)
			r = tree_links_add(&u->links, &copy, other + 1);
	}
	return r;
}

/* Those whose place is there by now; the others are logged when they are brought. */
static int log_all(struct undo *u)
{
	int r;

	u->logged = calloc(u->n.nsteps + 1, sizeof *u->logged);
	if (!u->logged)
		return -ENOMEM;
	for (size_t k = u->n.nsteps; k > 0; k--) {
		if (u->n.steps[k - 1].old == OLD_NONE || u->skip[k - 1])
			continue;
		r = bring_back(u, k - 1, ROUND_LOGGED);
		if (error_is_hard(r))
			return r;
		u->logged[k - 1] = r == 0;
	}
	return journal_sync(&u->u);
}

/* The last first: what stands in a directory that was taken away later comes after that. */
static int bring_all_back(struct undo *u)
{
	int x = expect_links(u);

	if (x == 0)
		x = log_all(u);
	if (x < 0)
		return x;
	for (size_t k = u->n.nsteps; k > 0; k--) {
		const struct step *s = &u->n.steps[k - 1];
		int r;

		if (s->old == OLD_NONE || u->skip[k - 1])
			continue;
		r = go_on(u);
		if (r < 0)
			return r;
		r = bring_back(u, k - 1, u->logged[k - 1] ? ROUND_DONE : ROUND_BOTH);
		if (r < 0) {
			undo_blame(u, s->old == OLD_A ? s->b : s->a);
			u->failed = k - 1;
			return r;
		}
	}
	return 0;
}

int undo_stat(struct undo *u, const char *path, struct stat *ret)
{
	int r = host_stat(&u->host, path, ret);

	if (r < 0)
		memset(ret, 0, sizeof *ret);
	return error_is_hard(r) ? r : 0;
}

/* ---- the journal of the undo ---- */

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

/* What the host has under several names, of which the undo has taken some away: these need not be kept. */
static int note_after(struct undo *u)
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

static bool has_time_of_commit(const struct undo *u, const struct stat *now)
{
	for (size_t i = 0; i < u->n.times.count; i++) {
		const struct stat *st = &u->n.times.list[i].st;

		if (st->st_ino == now->st_ino && st->st_dev == now->st_dev)
			return time_same(&st->st_mtim, &now->st_mtim);
	}
	return true;
}

/* The times that the directories had before the commit, unless somebody has been at them since. */
static int note_times(struct undo *u)
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
		u->same_time[i] = !st.st_mode || has_time_of_commit(u, &st);
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

static int begin(struct undo *u)
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

/* ---- the undo itself ---- */

/* Something has come where the commit took a name away: it goes aside, and into the undo's entry. */
static int make_way(struct undo *u, const char *path)
{
	char temp[JOURNAL_TEMP_MAX], dir[PATH_MAX], to[PATH_MAX];
	struct step aside = { .kind = STEP_RENAME, .a = (char *)path, .b = to, .old = OLD_B, .item = UINT64_MAX };
	_cleanup_door_ struct door door = DOOR_NONE;
	const char *name;
	struct stat st;
	int fd, r = host_parent(&u->host, path, &fd, &name);

	if (r == 0)
		door_open(&door, fd);
	if (r == 0)
		r = sys_fstatat(fd, name, &aside.at_a, AT_SYMLINK_NOFOLLOW);
	if (r == 0)
		r = sys_fstat(fd, &st);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	journal_temp_name(&u->u, temp);
	if (!path_split(path, dir, sizeof dir) || path_join(to, sizeof to, dir, temp) < 0)
		return -ENAMETOOLONG;
	aside.dir_a = aside.dir_b = ident_of(&st);
	aside.kept = journal_new_kept(&u->u);
	r = journal_log(&u->u, &aside);
	return r < 0 ? r : host_move(fd, name, fd, temp);
}

/* A tree that came to the host as a whole, and in which something has changed since: what has not goes, and the rest stays. */
static int take_apart(struct undo *u, const char *top)
{
	const char *gone = NULL;
	int r = 0;

	for (size_t i = 0; i < u->n.after.count && r == 0; i++) {
		const struct place *p = &u->n.after.list[i];

		if (!p->st.st_mode || !path_below(p->path, top, NULL) || undo_in_conflict(u, p->path) || (gone && path_below(p->path, gone, NULL)))
			continue;
		gone = p->path;
		r = make_way(u, gone);
	}
	return r;
}

static bool is_tree_left(const struct undo *u, size_t k)
{
	const struct step *s = &u->n.steps[k];

	return u->skip[k] && s->given && S_ISDIR(s->at_a.st_mode) && !journal_is_temp_path(&u->n, s->b);
}

/* About names of files alone. */
static bool is_simple(const struct step *s)
{
	return s->kind == STEP_RENAME && !S_ISDIR(s->at_a.st_mode) && !S_ISDIR(s->at_b.st_mode);
}

/* Nothing is to be done about it. */
static bool is_passed(const struct undo *u, size_t k)
{
	return u->skip[k] && !is_tree_left(u, k);
}

static int take_back_one(struct undo *u, struct replay *back, size_t k)
{
	const struct step *s = &u->n.steps[k];
	int r = 0;

	if (!u->skip[k])
		r = replay_step_back(back, s, &u->u);
	else if (is_tree_left(u, k))
		r = take_apart(u, s->b);
	if (r == -EEXIST && u->wish->conflict == UNDO_REPLACE && back->round == ROUND_BOTH) {
		r = make_way(u, s->a);
		if (r == 0)
			r = replay_step_back(back, s, &u->u);
	}
	if (r < 0) {
		undo_blame(u, s->b ? s->b : s->a);
		u->failed = k;
	}
	return r;
}

#define ROUND_MAX 512

/* Logs steps from before end on, downwards, as long as they do not touch each other; to where. What cannot be is for take_back_one to tell. */
static size_t log_round(struct undo *u, struct replay *back, size_t end)
{
	struct inode_set names = { 0 };
	size_t k = end;

	back->round = ROUND_LOGGED;
	for (; k > 0 && end - k < ROUND_MAX; k--) {
		const struct step *s = &u->n.steps[k - 1];

		if (!is_passed(u, k - 1) && (u->skip[k - 1] || !is_simple(s) || !path_take(&names, s->a) || !path_take(&names, s->b) ||
		                             replay_step_back(back, s, &u->u) != 0))
			break;
	}
	back->round = ROUND_BOTH;
	inode_set_release(&names);
	return k;
}

static int take_back_steps(struct undo *u)
{
	struct replay back = { .j = &u->n, .host = &u->host, .alike = true };
	size_t k = u->n.nsteps, logged = k;
	int r = 0;

	while (k > 0 && r == 0) {
		if (logged == k) {
			logged = log_round(u, &back, k);
			r = logged < k ? journal_sync(&u->u) : 0;
		}
		back.round = k > logged ? ROUND_DONE : ROUND_BOTH;
		if (r == 0)
			r = go_on(u);
		if (r == 0)
			r = take_back_one(u, &back, --k);
		if (k < logged)
			logged = k;
	}
	return r;
}

int undo_mark(int history_fd, const struct journal *u)
{
	struct journal_summary s;
	uint64_t objects = 0;
	char name[16];
	int r = summary_read(history_fd, (unsigned)u->head.undoes, &s);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	s.undone_by = u->number;
	snprintf(name, sizeof name, "%u", s.number);
	/* What it held has gone back. */
	s.bytes = 0;
	(void)tree_usage(history_fd, name, &s.bytes, &objects);
	r = summary_write(history_fd, &s);
	summary_release(&s);
	return r;
}

/* Without it what the box still has is told as a conflict, and merged with the wrong original; a box that is gone has nothing. */
static void renew_box(struct undo *u)
{
	char text[2 * PATH_MAX];
	int r = renew_undone(u->store, &u->n, &u->host);

	if (r == 0 || !u->wish->note)
		return;
	snprintf(text, sizeof text, "box %s still takes the host for what commit %u had made of it: %s", u->n.head.box, u->n.number, strerror(-r));
	u->wish->note(u->wish->ctx, text);
}

static int apply_once(struct undo *u, bool *ret_unfinished, bool *ret_left)
{
	struct replay rp = { .j = &u->u, .host = &u->host, .tell = u->wish->note, .ctx = u->wish->ctx };
	int r = begin(u);

	if (r == 0)
		r = bring_all_back(u);
	if (r == 0)
		r = take_back_steps(u);
	host_moved(&u->host);
	if (r == 0)
		r = note_times(u);
	if (r == 0)
		r = note_after(u);
	if (r == 0)
		r = replay_prepare(&rp);
	if (r == 0)
		r = replay_sync(&rp);
	if (r == 0)
		r = journal_set_applied(&u->u);
	if (r < 0) {
		int back = u->u.number ? replay_back(&rp) : 0;

		if (back == 0 && u->u.number)
			back = rp.troubles ? journal_close(&u->u) : journal_drop(&u->u);
		*ret_unfinished = back < 0;
		*ret_left = rp.troubles > 0;
		return r;
	}
	r = replay_finish(&rp);
	if (r == 0)
		renew_box(u);
	if (r == 0)
		r = undo_mark(u->u.history_fd, &u->u);
	if (r == 0)
		r = journal_close(&u->u);
	*ret_unfinished = r < 0;
	return 0;
}

/* As if it had not been tried. */
static void forget_try(struct undo *u)
{
	u->lock_fd = TAKE_FD(u->u.lock_fd);
	journal_release(&u->u);
	tree_links_release(&u->links);
	free(u->same_time);
	free(u->logged);
	u->same_time = u->logged = NULL;
	u->nseen = 0;
	host_moved(&u->host);
}

#define TRIES 32

int undo_apply(struct undo *u, bool *ret_unfinished)
{
	int r = -EAGAIN;

	for (int n = 0; n < TRIES; n++) {
		bool left = false;

		u->failed = SIZE_MAX;
		r = apply_once(u, ret_unfinished, &left);
		/* What the host has become is found out by trying, where it is more than undo_check foresees. */
		if (r == 0 || *ret_unfinished || left || u->failed == SIZE_MAX || u->wish->conflict == UNDO_REFUSE || error_is_hard(r) || r == -EINTR ||
		    !undo_leave(u, u->failed, r))
			break;
		forget_try(u);
	}
	return r;
}
