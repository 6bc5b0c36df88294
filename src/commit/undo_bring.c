/* undo_bring.c - what a commit took away comes out of its entry, to the temporary names that it had then. */
#include "undo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/stat.h"
#include "base/sys.h"
#include "tree_copy.h"

static int old_path(const struct undo *u, size_t k, char ret[static PATH_MAX])
{
	const struct step *s = &u->n.steps[k];

	return replay_forward(&u->n, k, s->old == OLD_A ? s->a : s->b, ret);
}

/* ---- objects that are others now ---- */

/* What step k is about, in its at_a or (b) at_b, and which object it was when the commit was done. */
struct sight {
	struct ident id;
	size_t step;
	bool b;
};

static int by_object(const void *x, const void *y)
{
	const struct sight *a = x, *b = y;

	if (a->id.dev != b->id.dev)
		return a->id.dev < b->id.dev ? -1 : 1;
	if (a->id.ino != b->id.ino)
		return a->id.ino < b->id.ino ? -1 : 1;
	return a->step < b->step ? -1 : a->step > b->step;
}

static struct stat *side(struct undo *u, size_t k, bool b)
{
	return b ? &u->n.steps[k].at_b : &u->n.steps[k].at_a;
}

/* Before any is pointed at another object. */
static int index_objects(struct undo *u)
{
	if (u->sights)
		return 0;
	u->sights = calloc(2 * u->n.nsteps + 1, sizeof *u->sights);
	u->was = calloc(2 * u->n.nsteps + 1, sizeof *u->was);
	if (!u->sights || !u->was)
		return -ENOMEM;
	for (size_t k = 0; k < 2 * u->n.nsteps; k++) {
		u->was[k] = ident_of(side(u, k / 2, k % 2));
		if (side(u, k / 2, k % 2)->st_mode)
			u->sights[u->nsights++] = (struct sight){ u->was[k], k / 2, k % 2 };
	}
	qsort(u->sights, u->nsights, sizeof *u->sights, by_object);
	return 0;
}

/* The sights of an object before step k, from the first of them to *ret_end. */
static size_t sights_before(const struct undo *u, const struct ident *id, size_t k, size_t *ret_end)
{
	const struct sight first = { .id = *id }, end = { .id = *id, .step = k };
	const struct sight *const keys[] = { &first, &end };
	size_t found[2];

	for (size_t i = 0; i < 2; i++) {
		size_t lo = 0, hi = u->nsights;

		while (lo < hi) {
			size_t mid = lo + (hi - lo) / 2;

			if (by_object(&u->sights[mid], keys[i]) < 0)
				lo = mid + 1;
			else
				hi = mid;
		}
		found[i] = lo;
	}
	*ret_end = found[1];
	return found[0];
}

/* Its name before the step, and after it. */
static const char *name_before(const struct step *s, bool b)
{
	return b ? s->b : s->a;
}

static const char *name_after(const struct step *s, bool b)
{
	return s->kind != STEP_RENAME || b ? s->a : s->b;
}

int undo_stands_for(struct undo *u, size_t k, bool b, const struct stat *now)
{
	struct stat *was = side(u, k, b);
	char path[PATH_MAX], then[PATH_MAX];
	struct ident id;
	size_t first, end;
	int r;

	if (was->st_ino == now->st_ino && was->st_dev == now->st_dev)
		return 0;
	r = index_objects(u);
	if (r < 0)
		return r;
	id = u->was[2 * k + b];
	was->st_dev = now->st_dev;
	was->st_ino = now->st_ino;
	strcpy(path, name_before(&u->n.steps[k], b));
	/* The steps before that were about it, by the names that it had: a file of several names can have become several. */
	first = sights_before(u, &id, k, &end);
	while (end > first) {
		const struct sight *s = &u->sights[--end];
		const struct step *step = &u->n.steps[s->step];

		if (replay_forward_to(&u->n, s->step, k, name_after(step, s->b), then) < 0 || strcmp(then, path) != 0)
			continue;
		side(u, s->step, s->b)->st_dev = now->st_dev;
		side(u, s->step, s->b)->st_ino = now->st_ino;
		strcpy(path, name_before(step, s->b));
		k = s->step;
	}
	return 0;
}

/* ---- what comes back ---- */

nlink_t undo_names_left(const struct undo *u, const struct stat *was)
{
	nlink_t left = was->st_nlink;

	for (size_t k = 0; k < u->n.nsteps && left > 1; k++) {
		const struct step *s = &u->n.steps[k];
		const struct stat *old = s->old == OLD_A ? &s->at_b : &s->at_a;

		left -= s->old != OLD_NONE && old->st_ino == was->st_ino && old->st_dev == was->st_dev;
	}
	return left;
}

const char *undo_other_name(struct undo *u, const struct stat *was, struct stat *ret)
{
	const struct place *p;

	/* The file itself, or one that nobody has been at since it came in its place. */
	for (int alike = 0; alike < 2; alike++)
		for (size_t i = 0; (p = replay_next_name(&u->n, was, &i));)
			if (host_stat(&u->host, p->path, ret) == 0 && (ret->st_mode & S_IFMT) == (was->st_mode & S_IFMT) &&
			    (alike ? replay_is_alike(ret, &p->st) && ret->st_size == p->st.st_size &&
			                     time_same(&ret->st_mtim, &p->st.st_mtim) && ret->st_nlink >= undo_names_left(u, &p->st)
			           : ret->st_ino == was->st_ino && ret->st_dev == was->st_dev))
				return p->path;
	return NULL;
}

/* What step k took away, as it was. */
static struct stat taken_by(const struct undo *u, size_t k)
{
	const struct step *s = &u->n.steps[k];
	struct stat st = s->old == OLD_A ? s->at_b : s->at_a;

	if (u->was) {
		st.st_dev = u->was[2 * k + (s->old == OLD_A)].dev;
		st.st_ino = u->was[2 * k + (s->old == OLD_A)].ino;
	}
	return st;
}

/* One more name of a file that the host still has. */
static int link_other(struct undo *u, size_t k, int dir, const char *name)
{
	const struct stat was = taken_by(u, k);
	struct stat file, st;
	const char *other = undo_other_name(u, &was, &file), *from_name;
	int from, r;

	if (!other)
		return -ENOENT;
	r = host_parent(&u->host, other, &from, &from_name);
	if (r == 0)
		r = sys_linkat(from, from_name, dir, name, 0);
	if (r == 0)
		r = sys_fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW);
	/* What is under a temporary name is swept. */
	return r < 0 ? r : st.st_ino == file.st_ino && st.st_dev == file.st_dev ? 0 : -ESTALE;
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

/* As what we make in dir is: there are file systems on which all has one owner, or one mode. */
static bool is_ours(struct undo *u, int dir, const struct stat *made)
{
	_cleanup_close_ int fd = -1;
	char temp[JOURNAL_TEMP_MAX];
	struct stat st;
	int r;

	if (made->st_uid == geteuid() && !(made->st_mode & 077))
		return true;
	journal_temp_name(&u->u, temp);
	fd = sys_openat(dir, temp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	r = fd < 0 ? fd : sys_fstat(fd, &st);
	if (fd >= 0)
		(void)sys_unlinkat(dir, temp, 0);
	return r == 0 && made->st_uid == st.st_uid && !(made->st_mode & 077 & ~st.st_mode & 066);
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
	if (!S_ISDIR(s.at_a.st_mode) || !is_ours(u, dir, &s.at_a))
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
		if (round == ROUND_LOGGED)
			return -ENOENT;
		r = link_other(u, k, own, name);
	} else {
		r = move_out(u, round, kept, path, own, name);
		if (round == ROUND_LOGGED)
			return r;
		if (r == -EXDEV || r == -EACCES || r == -EPERM)
			r = copy_out(u, kept, st.st_mode, path, own, name);
	}
	if (r == 0)
		r = sys_fstatat(own, name, &st, AT_SYMLINK_NOFOLLOW);
	if (r == 0)
		r = undo_stands_for(u, k, u->n.steps[k].old == OLD_A, &st);
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
		struct stat copy, file;
		const char *other = undo_other_name(u, &p->st, &file);

		if (other && sys_fstatat(u->n.dir_fd, p->path, &copy, AT_SYMLINK_NOFOLLOW) == 0)
			r = tree_links_add(&u->links, &copy, path_relative(other), &file);
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
