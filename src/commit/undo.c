/* undo.c - takes back a commit that was finished.
 *
 * An undo is a commit of its own, with a journal of its own (U), made of the steps of the commit's (N): what N took away comes out of its entry to the
 * temporary names that it had then; then N's steps are taken back, the last first, each written into U before. What N had brought stands under the
 * temporary names then, and goes into U's entry. So an undo that fails or is killed is taken back or finished like any commit. Both journals have the
 * same tag, and with it the same temporary names.
 */
#include "undo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/sys.h"
#include "base/tree.h"

int undo_stat(struct undo *u, const char *path, struct stat *ret)
{
	int r = host_stat(&u->host, path, ret);

	if (r < 0)
		memset(ret, 0, sizeof *ret);
	return error_is_hard(r) ? r : 0;
}

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

		if (!p->st.st_mode || !path_below(p->path, top, NULL) || undo_in_conflict(u, p->path) ||
		    (gone && path_below(p->path, gone, NULL)))
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

		if (!is_passed(u, k - 1) &&
		    (u->skip[k - 1] || s->kind != STEP_RENAME || step_moves_directory(s) || !path_take(&names, s->a) ||
		     !path_take(&names, s->b) || replay_step_back(back, s, &u->u) != 0))
			break;
	}
	back->round = ROUND_BOTH;
	inode_set_release(&names);
	return k;
}

static int met(void *ctx, const struct step *s, bool b, const struct stat *now)
{
	struct undo *u = ctx;

	return undo_stands_for(u, (size_t)(s - u->n.steps), b, now);
}

static int take_back_steps(struct undo *u)
{
	struct replay back = { .j = &u->n, .host = &u->host, .alike = true, .met = met, .ctx = u };
	size_t k = u->n.nsteps, logged = k;
	int r = 0;

	while (k > 0 && r == 0) {
		if (logged == k) {
			logged = log_round(u, &back, k);
			r = logged < k ? journal_sync(&u->u) : 0;
		}
		back.round = k > logged ? ROUND_DONE : ROUND_BOTH;
		if (r == 0)
			r = undo_go_on(u);
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
	snprintf(text, sizeof text, "box %s still takes the host for what commit %u had made of it: %s", u->n.head.box, u->n.number,
	         strerror(-r));
	u->wish->note(u->wish->ctx, text);
}

static int apply_once(struct undo *u, struct undo_result *ret)
{
	struct replay rp = { .j = &u->u, .host = &u->host, .tell = u->wish->note, .ctx = u->wish->ctx };
	int r = undo_begin(u);

	if (r == 0)
		r = undo_bring_back(u);
	if (r == 0)
		r = take_back_steps(u);
	host_moved(&u->host);
	if (r == 0)
		r = undo_note_times(u);
	if (r == 0)
		r = undo_note_after(u);
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
		ret->unfinished = back < 0;
		ret->left = rp.troubles > 0;
		return r;
	}
	r = replay_finish(&rp);
	if (r == 0)
		renew_box(u);
	if (r == 0)
		r = undo_mark(u->u.history_fd, &u->u);
	if (r == 0)
		r = journal_close(&u->u);
	ret->unfinished = r < 0;
	return 0;
}

/* Something else is where the step looked; not that it was not allowed to. */
static bool is_hosts_doing(int r)
{
	return r == -ESTALE || r == -EEXIST || r == -ENOENT || r == -ENOTDIR || r == -ELOOP || r == -EISDIR || r == -ENOTEMPTY;
}

bool undo_leaves_all(const struct undo *u)
{
	for (size_t i = 0; i < u->n.nitems; i++)
		if (u->n.items[i].done && !u->n.items[i].same && !u->left[i])
			return false;
	return true;
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

int undo_apply(struct undo *u, struct undo_result *ret)
{
	int r = -EAGAIN;

	for (int n = 0; n < TRIES; n++) {
		u->failed = SIZE_MAX;
		r = apply_once(u, ret);
		/* What the host has become is found out by trying, where it is more than undo_check foresees. */
		if (r == 0 || ret->unfinished || ret->left || u->failed == SIZE_MAX || u->wish->conflict == UNDO_REFUSE ||
		    !is_hosts_doing(r) || !undo_leave(u, u->failed, r))
			break;
		forget_try(u);
		if (u->wish->conflict == UNDO_SKIP && undo_leaves_all(u))
			return -EBUSY;
	}
	return r;
}
