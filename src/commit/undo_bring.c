/* undo_bring.c - what a commit took away comes out of its entry, to the temporary names that it had then. */
#include "undo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/sys.h"
#include "tree_copy.h"

static struct stat *old_stat(struct step *s)
{
	return s->old == OLD_A ? &s->at_b : &s->at_a;
}

static int old_path(const struct undo *u, size_t k, char ret[static PATH_MAX])
{
	const struct step *s = &u->n.steps[k];

	return replay_forward(&u->n, k, s->old == OLD_A ? s->a : s->b, ret);
}

/* ---- objects that are others now ---- */

struct sight {
	dev_t dev;
	ino_t ino;
	struct stat *st;
};

static int by_object(const void *x, const void *y)
{
	const struct sight *a = x, *b = y;

	if (a->dev != b->dev)
		return a->dev < b->dev ? -1 : 1;
	return a->ino < b->ino ? -1 : a->ino > b->ino;
}

static int index_objects(struct undo *u)
{
	if (u->sights)
		return 0;
	u->sights = calloc(2 * u->n.nsteps + 1, sizeof *u->sights);
	u->taken = calloc(u->n.nsteps + 1, sizeof *u->taken);
	if (!u->sights || !u->taken)
		return -ENOMEM;
	u->nsights = 0;
	for (size_t k = 0; k < u->n.nsteps; k++) {
		struct stat *of[] = { &u->n.steps[k].at_a, &u->n.steps[k].at_b };

		for (size_t i = 0; i < 2; i++)
			if (of[i]->st_mode)
				u->sights[u->nsights++] = (struct sight){ of[i]->st_dev, of[i]->st_ino, of[i] };
		u->taken[k] = ident_of(old_stat(&u->n.steps[k]));
	}
	qsort(u->sights, u->nsights, sizeof *u->sights, by_object);
	return 0;
}

/* What came back is another object than the one that step k took away: for all steps that are about it. */
static int stands_for(struct undo *u, size_t k, const struct stat *now)
{
	const struct stat *was = old_stat(&u->n.steps[k]);
	struct sight key;
	size_t lo = 0, hi;
	int r;

	if (was->st_ino == now->st_ino && was->st_dev == now->st_dev)
		return 0;
	r = index_objects(u);
	if (r < 0)
		return r;
	/* A second try brings yet another. */
	key = (struct sight){ u->taken[k].dev, u->taken[k].ino, NULL };
	for (hi = u->nsights; lo < hi;) {
		size_t mid = lo + (hi - lo) / 2;

		if (by_object(&u->sights[mid], &key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < u->nsights && by_object(&u->sights[lo], &key) == 0; lo++) {
		u->sights[lo].st->st_dev = now->st_dev;
		u->sights[lo].st->st_ino = now->st_ino;
	}
	return 0;
}

/* ---- what comes back ---- */

/* A path at which the host has that very object now, of those that it had when the commit was done. */
static const char *other_name(struct undo *u, const struct stat *was)
{
	const char *path;
	struct stat now;

	for (size_t i = 0; (path = replay_next_name(&u->n, was, &i));)
		if (host_stat(&u->host, path, &now) == 0 && (now.st_mode & S_IFMT) == (was->st_mode & S_IFMT) &&
		    now.st_ino == was->st_ino && now.st_dev == was->st_dev)
			return path;
	return NULL;
}

/* One more name of a file that the host still has. */
static int link_other(struct undo *u, size_t k, int dir, const char *name)
{
	const struct stat *was = old_stat(&u->n.steps[k]);
	const char *other = other_name(u, was), *from_name;
	struct stat st;
	int from, r;

	if (!other)
		return -ENOENT;
	r = host_parent(&u->host, other, &from, &from_name);
	if (r == 0)
		r = sys_linkat(from, from_name, dir, name, 0);
	if (r == 0)
		r = sys_fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW);
	/* What is under a temporary name is swept. */
	return r < 0 ? r : st.st_ino == was->st_ino && st.st_dev == was->st_dev ? 0 : -ESTALE;
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

/* By a copy. It is written down, so that it can be told from what others have made of it, should the undo be taken back: of a directory before it is
 * filled, since what is half of one is to be removed then. */
static int copy_out(struct undo *u, const char *kept, mode_t mode, const char *to, int dir, const char *name)
{
	char from[48];
	struct tree_place place = { .dir = dir, .name = name, .root = u->host.root_fd, .path = path_relative(to) };
	struct step s = { .kind = STEP_COPY, .a = (char *)to, .b = from, .item = UINT64_MAX };
	_cleanup_close_ int made = -1;
	int r = host_ident(&u->host, dir, &s.dir_a);

	snprintf(from, sizeof from, "%u/%s", u->n.number, kept);
	if (r == 0 && S_ISDIR(mode))
		r = sys_mkdirat(dir, name, 0700);
	else if (r == 0)
		r = tree_copy_to(u->n.dir_fd, kept, &place, &u->links);
	if (r == 0)
		r = made = sys_openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
	if (r >= 0)
		r = sys_fstat(made, &s.at_a);
	if (r < 0)
		return r;
	if (!S_ISDIR(mode))
		return journal_add_step(&u->u, &s);
	/* Somebody who may write to dir can have put another there. */
	if (!S_ISDIR(s.at_a.st_mode) || s.at_a.st_uid != geteuid() || (s.at_a.st_mode & 077))
		return -ESTALE;
	r = journal_log(&u->u, &s);
	place.dir = made;
	place.name = NULL;
	return r < 0 ? r : tree_copy_to(u->n.dir_fd, kept, &place, &u->links);
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
	if (sys_fstatat(u->n.dir_fd, kept, &st, AT_SYMLINK_NOFOLLOW) == -ENOENT) {
		r = round == ROUND_LOGGED ? -ENOENT : link_other(u, k, own, name);
		host_moved(&u->host);
		return r;
	}
	r = move_out(u, round, kept, path, own, name);
	if (round == ROUND_LOGGED)
		return r;
	if (r == -EXDEV || r == -EACCES || r == -EPERM)
		r = copy_out(u, kept, st.st_mode, path, own, name);
	if (r == 0)
		r = sys_fstatat(own, name, &st, AT_SYMLINK_NOFOLLOW);
	if (r == 0)
		r = stands_for(u, k, &st);
	host_moved(&u->host);
	return r;
}

int undo_go_on(struct undo *u)
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
		const char *other = other_name(u, &p->st);
		struct stat copy;

		if (other && sys_fstatat(u->n.dir_fd, p->path, &copy, AT_SYMLINK_NOFOLLOW) == 0)
			r = tree_links_add(&u->links, &copy, path_relative(other), &p->st);
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

int undo_bring_back(struct undo *u)
{
	int x = expect_links(u);

	if (x == 0)
		x = log_all(u);
	if (x < 0)
		return x;
	/* The last first: what stands in a directory that was taken away later comes after that. */
	for (size_t k = u->n.nsteps; k > 0; k--) {
		const struct step *s = &u->n.steps[k - 1];
		int r;

		if (s->old == OLD_NONE || u->skip[k - 1])
			continue;
		r = undo_go_on(u);
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
