/* apply.c - carries a settled plan out.
 *
 * Passes: renames; what is made or changed, from the top down; deletions, from the bottom up, and directories that were in the way;
 * metadata of directories, from the bottom up, then the times of directories that only had names added or taken. Then what was done is taken out of the
 * box (forget.c).
 *
 * (A1), of one item: apply_item.c.
 * (A2) A failure of one item leaves the others to be tried, unless it would meet them too (a full disk): then the commit stops.
 * (A3), of the box: forget.c.
 */
#include "apply.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "base/fd.h"
#include "base/stat.h"
#include "base/sys.h"

/* ---- passes ---- */

struct pass {
	commit_progress progress;
	void *ctx;
	size_t seen, total;
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
	apply_item(a, i);
	return a->result->trouble[0] != 0;
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

static void apply_all(struct apply *a, struct pass *pass)
{
	bool whole = apply_present_all(a, pass);

	twins_drop_spared(a);
	for (size_t i = a->p->p.count; whole && i > 0; i--)
		if (item(a, i - 1)->change->kind == CHANGE_DELETED && step(a, pass, i - 1))
			return;
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

/* It gets a name that no commit takes for a leftover of its own. */
static void keep_doomed(struct apply *a, char now[static PATH_MAX])
{
	char dir[PATH_MAX], kept[48];
	const char *name;
	int fd;

	place_kept_name(a, kept);
	if (host_parent(&a->p->host, now, &fd, &name) < 0 || sys_renameat2(fd, name, fd, kept, RENAME_NOREPLACE) < 0)
		return;
	path_split(now, dir, sizeof dir);
	(void)path_join(now, PATH_MAX, dir, kept);
	host_moved(&a->p->host);
}

/* Directories that were in the way. What cannot be removed stays aside under its temporary name, and is named. */
static void remove_doomed(struct apply *a)
{
	for (size_t k = 0; k < a->ndoomed; k++) {
		const struct doomed *d = &a->doomed[k];
		struct commit_item *it = item(a, d->item);
		char now[PATH_MAX];
		struct stat seen;
		int r;

		if (!doomed_where(a, d, now))
			continue;
		r = host_stat(&a->p->host, now, &seen);
		if (r == 0 && seen.st_mode && (d->awaited || !ident_is(&d->what, &seen)))
			r = -EBUSY;
		else if (r == 0 && seen.st_mode)
			r = remove_object(a, d->item, now, d->was, &seen);
		if (r == 0)
			continue;
		keep_doomed(a, now);
		it->outcome = COMMIT_FAILED;
		it->code = r;
		if (d->awaited)
			why(it, it->verdict, "it was to be renamed, and could not: it is at %.110s", now);
		else
			why(it, it->verdict, "what was there before could not be removed (%s): it is at %.90s", strerror(-r), now);
	}
}

static void finish_directories(struct apply *a)
{
	char path[PATH_MAX];

	for (size_t i = a->p->p.count; i > 0; i--) {
		struct commit_item *it = item(a, i - 1);
		int r;

		if (it->outcome != COMMIT_DONE || it->verdict != COMMIT_APPLY || !S_ISDIR(it->change->box.st_mode))
			continue;
		r = apply_where(a, i - 1, path);
		if (r == 0)
			r = place_metadata(
				a, i - 1, path,
				&(struct stat){ .st_mode = S_IFDIR, .st_dev = a->held[i - 1].dev, .st_ino = a->held[i - 1].ino });
		if (r < 0)
			apply_settle(a, i - 1, r);
	}
	for (size_t k = a->nparents; k > 0; k--) {
		const struct parent *p = &a->parents[k - 1];
		const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, p->mtime };
		_cleanup_close_ int fd = -1;
		struct stat st;

		/* Not ours, or not there any more: it keeps the time of the commit. */
		if (!p->set || apply_where_view(a, p->view, path) < 0)
			continue;
		if (host_open(&a->p->host, path, O_PATH | O_DIRECTORY, &fd) == 0 && sys_fstat(fd, &st) == 0 &&
		    ident_is(&p->dir, &st) && !time_same(&st.st_mtim, &p->mtime))
			sys_utimensat(fd, "", times, AT_EMPTY_PATH);
	}
}

/* ---- the whole ---- */

static void count(struct apply *a)
{
	for (size_t i = 0; i < a->p->p.count; i++) {
		const struct commit_item *it = item(a, i);

		if (!it->chosen)
			continue;
		a->result->done += it->outcome == COMMIT_DONE;
		a->result->left += it->outcome == COMMIT_LEFT;
		a->result->failed += it->outcome == COMMIT_FAILED;
		a->result->untried += it->outcome == COMMIT_UNTRIED;
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
	inode_set_release(&a->swept);
	free(a->busy);
	free(a->held);
	twins_free(a);
}

int commit_apply(struct commit_plan *plan, commit_progress progress, void *ctx, struct commit_result *ret, struct err *err)
{
	struct apply a = { .p = plan_of(plan), .result = ret };
	struct pass pass = { .progress = progress, .ctx = ctx };
	struct sigaction ignore = { .sa_handler = SIG_IGN }, limit;
	mode_t mask;

	memset(ret, 0, sizeof *ret);
	a.busy = calloc(plan->count + 1, sizeof *a.busy);
	a.held = calloc(plan->count + 1, sizeof *a.held);
	if (!a.busy || !a.held) {
		apply_release(&a);
		return err_sys(err, -ENOMEM, "commit");
	}
	for (size_t i = 0; i < plan->count; i++)
		pass.total += plan->items[i].chosen;
	if (twins_begin(&a) < 0) {
		apply_release(&a);
		return err_sys(err, -ENOMEM, "commit");
	}
	/* A limit on the size of files is a failure like others, and not the end. */
	sigaction(SIGXFSZ, &ignore, &limit);
	mask = umask(0);
	apply_all(&a, &pass);
	remove_doomed(&a);
	finish_directories(&a);
	apply_forget_done(&a);
	umask(mask);
	sigaction(SIGXFSZ, &limit, NULL);
	count(&a);
	apply_release(&a);
	return 0;
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
