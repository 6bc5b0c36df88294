/* apply.c - carries a settled plan out.
 *
 * Passes: renames; what is made or changed, from the top down; deletions, from the bottom up, and directories that were in the way;
 * metadata of directories, from the bottom up. Then the commit point, and after it what was taken away goes into the history, directories get their
 * times, and what was done is taken out of the box (forget.c).
 *
 * (A1), of one item: apply_item.c.
 * (A2) All or nothing: where one item fails, all steps are taken back (replay.c). Where it failed since the host had changed in the meantime, all is
 *      judged once more, and done without it.
 * (A3), of the box: forget.c.
 */
#include "apply.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

#include "base/dir.h"
#include "base/fd.h"
#include "base/stat.h"
#include "base/sys.h"
#include "replay.h"

void apply_stopped(struct apply *a, const char *what, int r)
{
	if (!a->result->trouble[0])
		snprintf(a->result->trouble, sizeof a->result->trouble, "%s: %s", what, strerror(-r));
}

/* ---- passes ---- */

struct pass {
	commit_progress progress;
	void *ctx;
	size_t seen, total;
	bool give_nothing; /* give_nothing: it was tried, and the file system would not */
};

/* One step of a pass; non-zero ends the commit. */
static int step(struct apply *a, struct pass *pass, size_t i)
{
	struct commit_item *it = item(a, i);

	if (!it->chosen)
		return 0;
	if (pass->progress && pass->progress(pass->ctx, it, pass->seen, pass->total) > 0) {
		snprintf(a->result->trouble, sizeof a->result->trouble, "interrupted");
		return 1;
	}
	pass->seen++;
	return apply_item(a, i) < 0;
}

static bool apply_present_all(struct apply *a, struct pass *pass)
{
	for (size_t k = 0; k < a->p->nrenames; k++)
		if (step(a, pass, a->p->renames[k]))
			return false;
	for (size_t i = 0; i < a->p->p.count; i++)
		if (item(a, i)->change->kind != CHANGE_RENAMED && item(a, i)->change->kind != CHANGE_DELETED && step(a, pass, i))
			return false;
	return true;
}

static bool apply_all(struct apply *a, struct pass *pass)
{
	if (!apply_present_all(a, pass) || later_make(a) < 0)
		return false;
	for (size_t i = a->p->p.count; i > 0; i--)
		if (item(a, i - 1)->change->kind == CHANGE_DELETED && step(a, pass, i - 1))
			return false;
	return later_make(a) == 0;
}

/* Where it is by now; false: a rename has taken it, so it was not in the way but on its way. */
static bool doomed_where(const struct apply *a, const struct doomed *d, char ret[static PATH_MAX])
{
	const char *rest;

	if (strlen(d->host) >= PATH_MAX)
		return false;
	strcpy(ret, d->host);
	for (size_t k = d->since; k < a->nmoves; k++) {
		const struct move *m = &a->moves[k];

		if (strcmp(ret, m->from) == 0)
			return false;
		if (path_below(ret, m->from, &rest) && path_join(ret, PATH_MAX, m->to, rest) < 0)
			return false;
	}
	return true;
}

/* Directories that were in the way have in them what the box knew. Those that a rename was to take are taken. */
static bool check_doomed(struct apply *a)
{
	for (size_t k = 0; k < a->ndoomed; k++) {
		const struct doomed *d = &a->doomed[k];
		char now[PATH_MAX];
		struct stat seen;
		int r;

		if (!doomed_where(a, d, now))
			continue;
		r = host_stat(&a->p->host, now, &seen);
		if (r == 0 && seen.st_mode && (d->awaited || !ident_is(&d->what, &seen)))
			r = swap_refuse(a, d->item);
		else if (r == 0 && seen.st_mode)
			r = remove_check(a, d->item, now, d->was, &seen);
		if (r < 0) {
			apply_settle(a, d->item, r);
			return false;
		}
	}
	return true;
}

static bool finish_directories(struct apply *a)
{
	char path[PATH_MAX];

	for (size_t i = a->p->p.count; i > 0; i--) {
		struct commit_item *it = item(a, i - 1);
		int r;

		if (it->outcome != COMMIT_DONE || it->verdict != COMMIT_APPLY || !S_ISDIR(it->change->box.st_mode) || a->given[i - 1])
			continue;
		r = apply_where(a, i - 1, path);
		if (r == 0)
			r = place_metadata(
				a, i - 1, path,
				&(struct stat){ .st_mode = S_IFDIR, .st_dev = a->held[i - 1].dev, .st_ino = a->held[i - 1].ino });
		if (r < 0) {
			apply_settle(a, i - 1, r);
			return false;
		}
	}
	return later_make(a) == 0;
}

/* ---- what the journal is told before and after ---- */

/* A directory in which names will come and go. */
static int note_dir(struct apply *a, const char *path, struct inode_set *seen)
{
	_cleanup_close_ int fd = -1;
	char dir[PATH_MAX];
	struct stat st;
	int r;

	if (!path_split(path, dir, sizeof dir))
		return -ENAMETOOLONG;
	if (strcmp(dir, a->entered) == 0)
		return 0;
	r = host_open(&a->p->host, dir, O_PATH | O_DIRECTORY, &fd);
	if (r == 0)
		r = sys_fstat(fd, &st);
	/* One that is not there comes with the box. */
	if (r < 0)
		return error_is_hard(r) ? r : 0;
	strcpy(a->entered, dir);
	if (inode_set_has(seen, st.st_dev, st.st_ino))
		return 0;
	return inode_set_add(seen, st.st_dev, st.st_ino) < 0 ? -ENOMEM : journal_add_dir(a->j, dir, &st);
}

static int note_dirs(struct apply *a)
{
	struct inode_set seen = { 0 };
	char path[PATH_MAX];
	int r = 0;

	for (size_t i = 0; i < a->p->p.count && r == 0; i++) {
		const struct commit_item *it = item(a, i);

		if (!item_planned(it) || it->verdict != COMMIT_APPLY)
			continue;
		r = plan_host_path(a->p, it->change->path, path);
		if (r == 0)
			r = note_dir(a, path, &seen);
		if (r == 0 && it->change->kind == CHANGE_RENAMED)
			r = note_dir(a, it->change->from, &seen);
	}
	inode_set_release(&seen);
	return r;
}

static int note_items(struct apply *a)
{
	int r = 0;

	for (size_t i = 0; i < a->p->p.count && r == 0; i++) {
		const struct change *ch = item(a, i)->change;
		struct journal_item it = { .kind = ch->kind, .done = item_planned(item(a, i)), .part = item(a, i)->part || item(a, i)->stays, .path = ch->path,
			                   .from = item(a, i)->beside ? item(a, i)->beside : ch->from, .same = item(a, i)->verdict == COMMIT_SAME, .conflict = apply_stays_in_conflict(item(a, i)),
			                   .mode = ch->box.st_mode, .nlink = ch->box.st_nlink };

		r = journal_add_item(a->j, &it);
	}
	return r;
}

static size_t kind_index(enum change_kind kind)
{
	static const char order[] = "AMDRTm";

	return (size_t)(strchr(order, (char)kind) - order);
}

static int begin(struct apply *a)
{
	const struct box *box = overlay_box(a->p->p.ov);
	struct journal_head head = { .kind = JOURNAL_COMMIT, .box = (char *)box->name, .command = box->command };
	struct timespec now;
	int r;

	clock_gettime(CLOCK_REALTIME, &now);
	head.when_ns = time_ns(&now);
	for (size_t i = 0; i < a->p->p.count; i++)
		if (item_planned(item(a, i)) && item(a, i)->verdict == COMMIT_APPLY)
			head.counts[kind_index(item(a, i)->beside ? CHANGE_ADDED : item(a, i)->change->kind)]++;
	r = journal_begin(a->j, box->store_path, &head, 0);
	if (r == 0)
		r = note_items(a);
	if (r == 0)
		r = note_dirs(a);
	return r < 0 ? r : journal_sync(a->j);
}

/* The item's, which is st, is one more name of a file of the host's that nothing else is done to. */
static int note_original(struct apply *a, size_t i, const struct stat *st)
{
	char from[PATH_MAX], path[PATH_MAX];
	struct stat there;

	if (changes_copied_from(a->p->p.ov, item(a, i)->change, from, sizeof from) < 0 || apply_forward(a, from, path) < 0 ||
	    host_stat(&a->p->host, path, &there) < 0 || there.st_ino != st->st_ino || there.st_dev != st->st_dev)
		return 0;
	return journal_add_name(a->j, path, &there);
}

/* What each path has when all is done: an undo compares. A directory comes before what is in it. */
static int note_after(struct apply *a, struct replay *rp)
{
	char path[PATH_MAX];
	struct stat st;
	int r = 0;

	for (size_t i = 0; i < a->p->p.count && r == 0; i++) {
		if (item(a, i)->outcome != COMMIT_DONE || item(a, i)->verdict != COMMIT_APPLY)
			continue;
		r = apply_where(a, i, path);
		if (r == 0)
			r = host_stat(&a->p->host, path, &st);
		if (r == 0)
			r = journal_add_after(a->j, path, &st);
		/* What was given may go back as it is. */
		if (r == 0 && !a->given[i])
			r = replay_unlock(rp, path, &st);
		if (r == 0 && st.st_nlink > 1 && !S_ISDIR(st.st_mode))
			r = note_original(a, i, &st);
	}
	return r;
}

/* The times that directories are to have at the end: what goes into the history goes out of them. */
static int note_times(struct apply *a)
{
	char path[PATH_MAX];
	struct stat st;
	int r = 0;

	for (size_t i = a->p->p.count; i > 0 && r == 0; i--) {
		const struct commit_item *it = item(a, i - 1);

		if (it->outcome != COMMIT_DONE || it->verdict != COMMIT_APPLY || !S_ISDIR(it->change->box.st_mode) || a->given[i - 1] ||
		    inode_set_has(&a->made, a->held[i - 1].dev, a->held[i - 1].ino))
			continue;
		r = apply_where(a, i - 1, path);
		if (r == 0)
			r = host_stat(&a->p->host, path, &st);
		if (r < 0 || !ident_is(&a->held[i - 1], &st))
			continue;
		st.st_mtim = it->change->box.st_mtim;
		r = journal_add_times(a->j, path, &st);
	}
	for (size_t k = a->nparents; k > 0 && r == 0; k--) {
		const struct parent *p = &a->parents[k - 1];

		/* Not ours, or not there any more: it keeps the time of the commit. */
		if (!p->set || apply_where_view(a, p->view, path) < 0)
			continue;
		r = host_stat(&a->p->host, path, &st);
		if (r < 0) {
			r = error_is_hard(r) ? r : 0;
			continue;
		}
		if (!ident_is(&p->dir, &st))
			continue;
		st.st_mtim = p->mtime;
		r = journal_add_times(a->j, path, &st);
	}
	return r;
}

/* ---- the whole ---- */

static void count(const struct commit_plan *plan, struct commit_result *ret)
{
	for (size_t i = 0; i < plan->count; i++) {
		const struct commit_item *it = &plan->items[i];

		if (!it->chosen)
			continue;
		ret->done += it->outcome == COMMIT_DONE;
		ret->left += it->outcome == COMMIT_LEFT;
		ret->failed += it->outcome == COMMIT_FAILED;
		ret->untried += it->outcome == COMMIT_UNTRIED;
	}
}

static void apply_release(struct apply *a)
{
	for (size_t k = 0; k < a->nmoves; k++) {
		free(a->moves[k].from);
		free(a->moves[k].to);
	}
	for (size_t k = 0; k < a->nparents; k++)
		free(a->parents[k].view);
	for (size_t k = 0; k < a->ndoomed; k++) {
		free(a->doomed[k].host);
		free(a->doomed[k].was);
	}
	free(a->moves);
	free(a->parents);
	free(a->doomed);
	inode_set_release(&a->touched);
	free(a->busy);
	free(a->given);
	free(a->acted);
	later_free(a);
	inode_set_release(&a->layers);
	free(a->held);
	twins_free(a);
}

static void tell(void *ctx, const char *text)
{
	struct plan *p = ctx;

	(void)strv_add(&p->p.notes, &p->p.nnotes, text);
}

static bool all_done(struct apply *a)
{
	struct replay rp = { .j = a->j, .host = &a->p->host, .tell = tell, .ctx = a->p };
	int r = note_after(a, &rp);

	if (r == 0)
		r = note_times(a);
	if (r == 0)
		r = replay_prepare(&rp);
	if (r == 0)
		r = replay_sync(&rp);
	if (r == 0)
		r = journal_set_applied(a->j);
	if (r < 0)
		apply_stopped(a, "the journal", r);
	return r == 0;
}

/* What came back to its name has another time of change by that alone, and is still what was decided on (resolve_again). */
static void renew_judged(struct apply *a, size_t i)
{
	struct stat *was = &a->p->now[i], now;
	char path[PATH_MAX];
	int r = item(a, i)->change->kind == CHANGE_RENAMED ? path_join(path, sizeof path, item(a, i)->change->from, "")
	                                                   : plan_host_path(a->p, item(a, i)->change->path, path);

	if (r >= 0 && was->st_mode && host_stat(&a->p->host, path, &now) == 0 && swap_still_is(&now, was))
		was->st_ctim = now.st_ctim;
}

static void take_back(struct apply *a)
{
	struct replay rp = { .j = a->j, .host = &a->p->host, .tell = tell, .ctx = a->p };
	struct plan *p = a->p;
	int r = replay_back(&rp);

	host_moved(&p->host);
	overlay_moved_back(p->p.ov);
	if (r == 0)
		r = renew_origins(overlay_box(p->p.ov), p->p.changes.origins, a->j, &p->host);
	if (r == 0)
		r = rp.troubles ? journal_close(a->j) : journal_drop(a->j);
	a->result->unfinished = r < 0;
	for (size_t i = 0; i < p->p.count; i++) {
		p->p.items[i].in_place = false;
		if (p->p.items[i].outcome == COMMIT_DONE)
			p->p.items[i].outcome = COMMIT_UNTRIED;
		if (a->acted[i])
			renew_judged(a, i);
	}
}

static bool is_all_done(const struct commit_plan *plan)
{
	for (size_t i = 0; i < plan->count; i++)
		if (plan->items[i].outcome != COMMIT_DONE)
			return false;
	return true;
}

/* Where it went: a directory above it may have got another name. */
static void tell_beside(struct apply *a)
{
	char path[PATH_MAX], *now;

	for (size_t i = 0; i < a->p->p.count; i++) {
		if (!item(a, i)->beside || item(a, i)->outcome != COMMIT_DONE || apply_where(a, i, path) < 0 || !(now = strdup(path)))
			continue;
		free(item(a, i)->beside);
		item(a, i)->beside = now;
	}
}

static void finish(struct apply *a)
{
	struct replay rp = { .j = a->j, .host = &a->p->host, .tell = tell, .ctx = a->p };
	int r = replay_finish(&rp);

	host_moved(&a->p->host);
	/* First: what the box hides of the host's is known by the records. */
	if (r == 0 && !is_all_done(&a->p->p))
		r = renew_done(a->p, a->j);
	if (r == 0)
		r = apply_forget_done(a);
	if (r < 0 || journal_add_forgotten(a->j) < 0 || journal_close(a->j) < 0)
		a->result->unfinished = true;
	tell_beside(a);
}

/* A renamed directory shows the host's by its old name, which is gone: it has to leave the box, with all that is in it. */
static void keep_in_box(struct plan *p)
{
	for (size_t i = 0; p->p.keep && i < p->p.count; i++) {
		struct commit_item *it = &p->p.items[i];

		/* A decision for the host's is one against the box's. */
		it->stays = item_planned(it) && it->resolved != RESOLVE_HOST && !item_is_dir_rename(it) &&
		            plan_renamed_above(p, it->change->path) == NO_ITEM;
	}
}

static bool has_work(const struct commit_plan *plan)
{
	for (size_t i = 0; i < plan->count; i++)
		if (item_planned(&plan->items[i]) && plan->items[i].verdict == COMMIT_APPLY)
			return true;
	return false;
}

/* One try. True: the host has all of it. */
static bool apply_once(struct apply *a, struct pass *pass)
{
	bool work = has_work(&a->p->p), done;
	int r = work ? begin(a) : 0;

	if (r < 0)
		apply_stopped(a, "the journal", r);
	done = r == 0 && apply_all(a, pass);
	give_leave(a);
	if (done && check_doomed(a) && finish_directories(a) && (!work || all_done(a))) {
		if (work)
			finish(a);
		else
			(void)apply_forget_done(a);
		return true;
	}
	if (a->j->number)
		take_back(a);
	return false;
}

/* An item was left since the host had changed it in the meantime: then the others can be done without it. */
static bool was_raced(const struct commit_plan *plan)
{
	for (size_t i = 0; i < plan->count; i++)
		if (plan->items[i].outcome == COMMIT_LEFT && plan->items[i].code == -ESTALE)
			return true;
	return false;
}

static int try(struct plan *p, struct pass *pass, struct commit_result *ret, bool *ret_again)
{
	_cleanup_journal_ struct journal j;
	struct apply a = { .p = p, .result = ret, .j = &j, .left_fd = -1, .give_nothing = pass->give_nothing };
	bool done;

	journal_init(&j);
	*ret_again = false;
	a.busy = calloc(p->p.count + 1, sizeof *a.busy);
	a.held = calloc(p->p.count + 1, sizeof *a.held);
	a.given = calloc(p->p.count + 1, sizeof *a.given);
	a.acted = calloc(p->p.count + 1, sizeof *a.acted);
	if (!a.busy || !a.held || !a.given || !a.acted || twins_begin(&a) < 0) {
		apply_release(&a);
		return -ENOMEM;
	}
	memset(ret, 0, sizeof *ret);
	done = apply_once(&a, pass);
	pass->give_nothing |= a.give_failed;
	*ret_again = !done && !ret->unfinished && !ret->trouble[0] && (a.give_failed || was_raced(&p->p));
	apply_release(&a);
	return 0;
}

#define TRIES 5

int commit_apply(struct commit_plan *plan, commit_progress progress, void *ctx, struct commit_result *ret, struct err *err)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, limit, lease;
	struct pass pass = { .progress = progress, .ctx = ctx };
	bool again = true;
	mode_t mask;
	int r = 0;

	for (size_t i = 0; i < plan->count; i++)
		pass.total += plan->items[i].chosen;
	/* A limit on the size of files is a failure like others, and not the end. */
	sigaction(SIGXFSZ, &ignore, &limit);
	/* Somebody opens what we have a lease of. */
	sigaction(SIGIO, &ignore, &lease);
	mask = umask(0);
	keep_in_box(plan_of(plan));
	/* The plan was made some time ago. */
	host_moved(&plan_of(plan)->host);
	for (int n = 0; n < TRIES && again && r == 0; n++) {
		if (n > 0)
			r = plan_judge_again(plan_of(plan));
		pass.seen = 0;
		if (r == 0)
			r = try(plan_of(plan), &pass, ret, &again);
	}
	umask(mask);
	sigaction(SIGXFSZ, &limit, NULL);
	sigaction(SIGIO, &lease, NULL);
	if (r == 0)
		count(plan, ret);
	if (r == 0 && again)
		snprintf(ret->trouble, sizeof ret->trouble, "the host keeps changing what is to be committed");
	return r < 0 ? err_sys(err, r, "commit") : 0;
}

int commit_hold(struct box *b, struct err *err)
{
	_cleanup_close_ int fd = box_open_in(b, "running", O_RDWR | O_CREAT);
	int r;

	if (fd < 0)
		return err_sys(err, fd, "box %s: cannot open its lock", b->name);
	r = sys_flock(fd, LOCK_EX | LOCK_NB);
	if (r == -EWOULDBLOCK)
		return err_set(err, -EBUSY, "box %s is running: wait until the commands in it have ended", b->name);
	if (r < 0)
		return err_sys(err, r, "box %s: cannot lock it", b->name);
	return TAKE_FD(fd);
}
