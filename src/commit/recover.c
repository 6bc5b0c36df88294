/* recover.c - what a cowbox that was killed has left: before its commit point it is taken back, after it finished. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply.h"
#include "base/fd.h"
#include "replay.h"
#include "undo.h"

/* The box is not there any more, or cannot be read: then there is nothing to be done to it, and *ret stays. */
static int open_box(struct store *store, const char *name, struct box **ret_box, struct overlay **ret)
{
	int r = *name ? box_open(store, name, ret_box, NULL) : -ENOENT;

	if (r == 0)
		r = overlay_new(*ret_box, ret, NULL);
	return error_is_hard(r) ? r : 0;
}

/* ---- taken back ---- */

static int renew_box(struct store *store, const struct journal *j, struct host *host)
{
	struct origins *origins[BOX_LAYERS_MAX] = { 0 };
	_cleanup_box_ struct box *box = NULL;
	int r = box_open(store, j->head.box, &box, NULL);

	/* A box that is gone, or damaged, has no use for it. */
	if (r < 0)
		return error_is_hard(r) ? r : 0;
	for (int i = 0; i < box->nlayers && !error_is_hard(r); i++) {
		_cleanup_close_ int layer = -1;
		char path[32];

		snprintf(path, sizeof path, "layers/%d", box->layer[i]);
		r = layer = box_open_in(box, path, O_RDONLY | O_DIRECTORY);
		if (layer >= 0)
			r = origins_load(layer, &origins[i], NULL);
	}
	if (!error_is_hard(r))
		r = renew_origins(box, origins, j, host);
	for (int i = 0; i < box->nlayers; i++)
		origins_free(origins[i]);
	return r;
}

static int take_back(struct store *store, struct replay *rp)
{
	int r = replay_back(rp);

	if (r < 0)
		return r;
	if (rp->j->head.kind == JOURNAL_COMMIT)
		r = renew_box(store, rp->j, rp->host);
	if (r < 0)
		return r;
	return rp->troubles ? journal_close(rp->j) : journal_drop(rp->j);
}

/* ---- finished ---- */

static int changes_of(const struct journal *j, struct changes *ret)
{
	ret->list = calloc(j->nitems + 1, sizeof *ret->list);
	if (!ret->list)
		return -ENOMEM;
	for (size_t i = 0; i < j->nitems; i++) {
		const struct journal_item *it = &j->items[i];
		struct change *ch = &ret->list[ret->count++];

		ch->kind = (enum change_kind)it->kind;
		ch->box.st_mode = it->mode;
		ch->box.st_nlink = it->nlink;
		ch->path = strdup(it->path);
		ch->from = it->from && it->kind == CHANGE_RENAMED ? strdup(it->from) : NULL;
		if (!ch->path || (it->kind == CHANGE_RENAMED && !ch->from))
			return -ENOMEM;
	}
	return 0;
}

/* What was committed leaves the box. */
static int forget_items(struct store *store, const struct journal *j)
{
	_cleanup_box_ struct box *box = NULL;
	_cleanup_overlay_ struct overlay *ov = NULL;
	struct changes changes = { 0 };
	struct commit_result result = { 0 };
	struct plan *p = NULL;
	int r = open_box(store, j->head.box, &box, &ov);

	if (r == 0 && ov)
		r = changes_of(j, &changes);

	if (r == 0 && ov)
		r = plan_from_changes(ov, &changes, &p);
	changes_release(&changes);
	if (p) {
		struct apply a = { .p = p, .result = &result, .left_fd = -1 };

		for (size_t i = 0; i < p->p.count; i++) {
			p->p.items[i].part = j->items[i].part;
			p->p.items[i].resolved = j->items[i].conflict ? RESOLVE_HOST : RESOLVE_NONE;
			p->p.items[i].outcome = j->items[i].done ? COMMIT_DONE : COMMIT_UNTRIED;
		}
		r = apply_forget_done(&a);
		commit_plan_free(&p->p);
	}
	return r;
}

/* An undo: what is left of the commit in the box is compared again with what the host had before. */
static int renew_undone_box(struct store *store, const struct journal *u, struct host *host)
{
	_cleanup_journal_ struct journal n;
	int r;

	journal_init(&n);
	r = journal_load(&n, u->history_fd, -1, (unsigned)u->head.undoes);
	if (r == 0)
		r = renew_undone(store, &n, host);
	/* Without it there is a conflict, at worst. */
	return error_is_hard(r) ? r : 0;
}

static int finish(struct store *store, struct replay *rp)
{
	int r = replay_finish(rp);

	if (r == 0 && rp->j->head.kind == JOURNAL_COMMIT && !rp->j->forgotten)
		r = forget_items(store, rp->j);
	if (r == 0 && rp->j->head.kind == JOURNAL_UNDO)
		r = renew_undone_box(store, rp->j, rp->host);
	if (r == 0 && rp->j->head.kind == JOURNAL_UNDO)
		r = undo_mark(rp->j->history_fd, rp->j);
	if (r == 0)
		r = journal_add_forgotten(rp->j);
	return r < 0 ? r : journal_close(rp->j);
}

/* ---- */

static int recover(struct store *store, struct journal *j, void (*tell)(void *ctx, const char *text), void *ctx, struct err *err)
{
	struct replay rp = { .j = j, .tell = tell, .ctx = ctx };
	const char *what = j->head.kind == JOURNAL_UNDO ? "undo" : "commit";
	bool applied = j->applied;
	struct host host;
	int r = host_init(&host);

	if (r < 0)
		return err_sys(err, r, "cannot open /");
	rp.host = &host;
	r = applied ? finish(store, &rp) : take_back(store, &rp);
	host_release(&host);
	if (r < 0)
		return err_sys(err, r, "%s %u was interrupted, and could not be %s: repair what is named here, and run any cowbox command", what,
		               j->number, applied ? "finished" : "taken back");
	err_set(err, 0, "%s %u was interrupted: it was %s%s", what, j->number, applied ? "finished" : "taken back",
	        applied ? "" : rp.troubles ? ", but for what is named above" : ", the host is as it was before");
	return 1;
}

int commit_recover(struct store *store, void (*tell)(void *ctx, const char *text), void *ctx, struct err *err)
{
	_cleanup_close_ int history = -1, lock = -1;
	_cleanup_journal_ struct journal j;
	unsigned number;
	int r = history_dir(store->path, false, &history);

	journal_init(&j);
	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = history_open_entry(history, &number);
	if (r == 0 && !number)
		return 0;
	if (r == 0)
		r = history_lock(history, false, &lock);
	/* Its owner is at work. */
	if (r == -EWOULDBLOCK)
		return 0;
	if (r == 0)
		r = history_open_entry(history, &number);
	if (r < 0)
		return err_sys(err, r, "%s/history/open cannot be read (rename %s/history to go on without it)", store->path, store->path);
	if (!number)
		return 0;
	r = journal_load(&j, history, TAKE_FD(lock), number);
	/* Nothing is done before the entry is the open one. */
	if (r < 0)
		return err_sys(err, r, "%s/history/%u cannot be read, so what an interrupted commit has done is not known (what it took from the host is in there; "
		               "rename %s/history to go on without it)", store->path, number, store->path);
	return recover(store, &j, tell, ctx, err);
}
