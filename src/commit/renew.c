/* renew.c - records of what the host had, after steps were taken back: names that came and went have moved the time of change; and, after a commit, of
 * files that it wrote to by one of their names, where another is still in the box.
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

/* An inode that steps were about. */
struct touched {
	const struct stat *before; /* before: the first of them */
	size_t order;
	struct stat now; /* now: st_mode 0: it has not been found */
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
	bool written; /* written: the objects may have other content than at first, by this commit */
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

static int renew(void *ctx, const struct origin *o)
{
	struct renewal *rn = ctx;
	const struct touched *t = o->kind == ORIGIN_ABSENT || o->kind == ORIGIN_DIRECTORY ? NULL : find(rn, o->dev, o->ino);
	struct origin renewed = *o;
	struct stat like;
	int r;

	if (!t || !t->now.st_mode || o->ctime_ns < time_ns(&t->before->st_ctim) || o->ctime_ns >= time_ns(&t->now.st_ctim))
		return 0;
	like = *t->before;
	like.st_ctim =
		(struct timespec){ .tv_sec = (time_t)(o->ctime_ns / 1000000000u), .tv_nsec = (long)(o->ctime_ns % 1000000000u) };
	if (!origin_same(o, &like))
		return 0;
	origin_from_stat(&renewed, &t->now);
	/* What was kept is of before. */
	if (rn->written)
		renewed.base_id = renewed.hash = renewed.hashed = 0;
	r = open_log(rn);
	if (r == 0)
		r = origins_append(rn->log, &renewed);
	if (r == 0)
		origins_renew(rn->origins[rn->layer], o->path, &t->now);
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

int renew_written(const struct box *box, struct origins *const origins[], const struct journal *j, struct host *h)
{
	struct renewal rn = { .box = box, .j = j, .host = h, .origins = origins, .written = true };
	int r = collect(&rn), all;

	for (size_t i = 0; i < j->after.count && r == 0; i++) {
		const struct place *p = &j->after.list[i];
		struct touched *t = p->st.st_nlink > 1 ? find(&rn, p->st.st_dev, p->st.st_ino) : NULL;
		struct stat now;

		if (!t || t->now.st_mode || host_stat(h, p->path, &now) < 0)
			continue;
		/* What somebody has done to it since is theirs. */
		if (swap_still_is(&now, &p->st))
			t->now = now;
	}
	if (r < 0)
		rn.count = 0;
	all = renew_all(&rn);
	return r < 0 ? r : all;
}
