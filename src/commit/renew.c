/* renew.c - records of what the host had, after steps were taken back: names that came and went have moved the time of change; and, after a commit, of
 * files of which it wrote to, or took away, one of the names, where another is still in the box.
 *
 * A record may be of a name that no step is about, of a file with several names. So all records of the inodes that were touched are renewed. Taking back
 * may have been interrupted, and records renewed before: those of any time of change from the commit's begin until now are.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply.h"
#include "base/fd.h"
#include "base/stat.h"
#include "base/sys.h"

/* An inode that steps were about. */
struct touched {
	const struct stat *before; /* before: the first of them */
	size_t order;
	struct stat now; /* now: st_mode 0: it has not been found */
	bool written;    /* written: it may have other content than at first, by this commit */
};

struct renewal {
	const struct box *box;
	const struct journal *j;
	struct host *host;
	struct origins *const *origins;
	struct touched *all;
	size_t count;
	size_t *dirs; /* dirs: steps that rename directories, in their order */
	size_t ndirs;
	bool done; /* done: nothing was taken back: what has not been found is looked for by the records */
	int layer; /* layer: the one that is gone through */
	int log;   /* log: opened when first needed; -1: not yet */
};

static int by_inode(const void *a, const void *b)
{
	const struct touched *x = a, *y = b;

	if (x->before->st_ino != y->before->st_ino)
		return x->before->st_ino < y->before->st_ino ? -1 : 1;
	if (x->before->st_dev != y->before->st_dev)
		return x->before->st_dev < y->before->st_dev ? -1 : 1;
	return 0;
}

static int by_inode_and_order(const void *a, const void *b)
{
	const struct touched *x = a, *y = b;
	int r = by_inode(a, b);

	return r ? r : x->order < y->order ? -1 : 1;
}

static struct touched *find(const struct renewal *rn, uint64_t dev, uint64_t ino)
{
	const struct stat st = { .st_dev = dev, .st_ino = ino };
	const struct touched key = { .before = &st };

	return bsearch(&key, rn->all, rn->count, sizeof *rn->all, by_inode);
}

static void add(struct renewal *rn, const struct stat *before)
{
	/* Of directories the device and the number count. */
	if (!before->st_mode || S_ISDIR(before->st_mode))
		return;
	rn->all[rn->count] = (struct touched){ .before = before, .order = rn->count };
	rn->count++;
}

/* What the steps were about, each inode once. */
static int collect(struct renewal *rn)
{
	const struct journal *j = rn->j;
	size_t n = 0;

	rn->all = calloc(2 * j->nsteps + 1, sizeof *rn->all);
	rn->dirs = calloc(j->nsteps + 1, sizeof *rn->dirs);
	if (!rn->all || !rn->dirs)
		return -ENOMEM;
	for (size_t k = 0; k < j->nsteps; k++) {
		const struct step *s = &j->steps[k];

		add(rn, &s->at_a);
		if (s->kind != STEP_RENAME)
			continue;
		add(rn, &s->at_b);
		if (S_ISDIR(s->at_a.st_mode) || S_ISDIR(s->at_b.st_mode))
			rn->dirs[rn->ndirs++] = k;
	}
	qsort(rn->all, rn->count, sizeof *rn->all, by_inode_and_order);
	for (size_t i = 0; i < rn->count; i++)
		if (i == 0 || by_inode(&rn->all[i], &rn->all[n - 1]) != 0)
			rn->all[n++] = rn->all[i];
	rn->count = n;
	return 0;
}

/* What a path of step k was called before the first. */
static int path_before(const struct renewal *rn, size_t k, const char *path, char ret[static PATH_MAX])
{
	const char *rest;
	int r = 0;

	if (strlen(path) >= PATH_MAX)
		return -ENAMETOOLONG;
	strcpy(ret, path);
	for (size_t i = rn->ndirs; i > 0 && r >= 0; i--) {
		const struct step *s = &rn->j->steps[rn->dirs[i - 1]];
		char was[PATH_MAX];

		if (rn->dirs[i - 1] >= k)
			continue;
		strcpy(was, ret);
		if (path_below(was, s->b, &rest))
			r = path_join(ret, PATH_MAX, s->a, rest);
		else if (s->exchange && path_below(was, s->a, &rest))
			r = path_join(ret, PATH_MAX, s->b, rest);
	}
	return r < 0 ? r : 0;
}

static int look(struct renewal *rn, size_t k, const char *path)
{
	char was[PATH_MAX];
	struct touched *t;
	struct stat now;
	int r = path ? path_before(rn, k, path, was) : -ENOENT;

	if (r == 0)
		r = host_stat(rn->host, was, &now);
	if (r < 0)
		return error_is_hard(r) ? r : 0;
	t = now.st_mode ? find(rn, now.st_dev, now.st_ino) : NULL;
	/* Where somebody has been at it since, the record no longer tells what the host has. */
	if (t && swap_still_is(&now, t->before))
		t->now = now;
	return 0;
}

static int open_log(struct renewal *rn)
{
	_cleanup_close_ int dir = -1;
	char path[32];
	int r = 0;

	if (rn->log >= 0)
		return 0;
	snprintf(path, sizeof path, "layers/%d", rn->box->layer[rn->layer]);
	r = dir = box_open_in(rn->box, path, O_RDONLY | O_DIRECTORY);
	return r < 0 ? r : origins_open(dir, &rn->log);
}

/* The record is of what the first step found: names of it may have gone since. */
static bool is_of_before(const struct origin *o, const struct stat *before, const struct stat *now)
{
	struct stat like = *before;

	if (o->mode != before->st_mode || o->uid != before->st_uid || o->gid != before->st_gid)
		return false;
	if (origin_same_fewer_names(o, before))
		return true;
	like.st_ctim = time_of_ns(o->ctime_ns);
	return o->ctime_ns >= time_ns(&before->st_ctim) && o->ctime_ns < time_ns(&now->st_ctim) && origin_same(o, &like);
}

static int renew(void *ctx, const struct origin *o)
{
	struct renewal *rn = ctx;
	const struct touched *t = o->kind == ORIGIN_ABSENT || o->kind == ORIGIN_DIRECTORY ? NULL : find(rn, o->dev, o->ino);
	struct origin renewed = *o;
	struct stat now;
	int r;

	if (!t)
		return 0;
	now = t->now;
	/* One of its names is gone, and the history may have it: that is all that happened to it. */
	if (!now.st_mode && (!rn->done || host_stat(rn->host, o->path, &now) < 0 || !swap_still_is(&now, t->before)))
		return 0;
	if (!is_of_before(o, t->before, &now))
		return 0;
	origin_from_stat(&renewed, &now);
	/* What was kept is of before. */
	if (t->written)
		renewed.base_id = renewed.hash = renewed.hashed = 0;
	r = open_log(rn);
	if (r == 0)
		r = origins_append(rn->log, &renewed);
	if (r == 0)
		origins_renew(rn->origins[rn->layer], o->path, &now);
	/* Without it a change is told as a conflict, which is better than a commit that is never done with. */
	return error_is_hard(r) ? r : 0;
}

static int renew_all(struct renewal *rn)
{
	int r = 0;

	for (rn->layer = 0; rn->layer < rn->box->nlayers && r == 0; rn->layer++) {
		rn->log = -1;
		if (rn->count && rn->origins[rn->layer])
			r = origins_each(rn->origins[rn->layer], renew, rn);
		fd_closep(&rn->log);
	}
	free(rn->all);
	free(rn->dirs);
	return r;
}

int renew_origins(const struct box *box, struct origins *const origins[], const struct journal *j, struct host *h)
{
	struct renewal rn = { .box = box, .j = j, .host = h, .origins = origins };
	int r = collect(&rn), all;

	for (size_t k = 0; k < j->nsteps && r == 0; k++) {
		r = look(&rn, k, j->steps[k].a);
		if (r == 0)
			r = look(&rn, k, j->steps[k].b);
	}
	if (r < 0)
		rn.count = 0;
	all = renew_all(&rn);
	return r < 0 ? r : all;
}

/* What was taken away is in the entry by now, and may have other names still. */
static void look_at_kept(struct renewal *rn)
{
	for (size_t k = 0; k < rn->j->nsteps; k++) {
		const struct step *s = &rn->j->steps[k];
		const struct stat *was = s->old == OLD_A ? &s->at_b : &s->at_a;
		struct touched *t = s->old != OLD_NONE && was->st_nlink > 1 ? find(rn, was->st_dev, was->st_ino) : NULL;
		char name[JOURNAL_KEPT_MAX];
		struct stat now;

		if (!t || t->now.st_mode)
			continue;
		journal_kept_name(s->kept, true, name);
		if (sys_fstatat(rn->j->dir_fd, name, &now, AT_SYMLINK_NOFOLLOW) == 0 && swap_still_is(&now, t->before))
			t->now = now;
	}
}

/* What was judged is what the records are compared with: the first step may have been to give it one more name. */
static void look_at_judged(struct renewal *rn, const struct plan *p)
{
	for (size_t i = 0; i < p->p.count; i++) {
		const struct stat *st = &p->now[i];
		struct touched *t = st->st_mode && st->st_nlink > 1 ? find(rn, st->st_dev, st->st_ino) : NULL;

		if (t && swap_still_is(st, t->before) && time_ns(&st->st_ctim) < time_ns(&t->before->st_ctim))
			t->before = st;
	}
}

int renew_done(struct plan *p, const struct journal *j)
{
	struct renewal rn = { .box = overlay_box(p->p.ov), .j = j, .host = &p->host, .origins = p->p.changes.origins, .done = true };
	int r = collect(&rn), all;

	if (r == 0)
		look_at_judged(&rn, p);
	for (size_t i = 0; i < j->after.count && r == 0; i++) {
		const struct place *a = &j->after.list[i];
		struct touched *t = a->st.st_nlink > 1 ? find(&rn, a->st.st_dev, a->st.st_ino) : NULL;
		struct stat now;

		if (!t || t->now.st_mode || host_stat(&p->host, a->path, &now) < 0)
			continue;
		t->written = true;
		/* What somebody has done to it since is theirs. */
		if (swap_still_is(&now, &a->st))
			t->now = now;
	}
	if (r == 0)
		look_at_kept(&rn);
	if (r < 0)
		rn.count = 0;
	all = renew_all(&rn);
	return r < 0 ? r : all;
}
