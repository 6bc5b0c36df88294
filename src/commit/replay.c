/* replay.c - taking steps back.
 *
 * (R1) Whether a step was made, or taken back already, is read off the host: a rename that was made has its object at b. That goes for the last step
 *      alone that was not taken back by the journal: of what comes after it the paths lead elsewhere. So taking back can itself be killed and begun again.
 *      Steps about names of files that do not touch each other can be looked at again as a group. That a group was taken back is written down when it is
 *      on the disk, where that is another than the journal's: else the record could outlive what it tells of.
 * (R2) The steps are taken back the last first: all paths then mean what they meant when they were logged.
 * (R3) Nothing that is not known is overwritten or removed. Where somebody else has put something at a name since, that stays, and what belongs
 *      there goes into the entry and is named.
 */
#include "host_spot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "apply.h"
#include "base/copy.h"
#include "base/dir.h"
#include "base/inode_set.h"
#include "base/path.h"
#include "base/stat.h"
#include "base/sys.h"
#include "base/tree.h"
#include "tree_copy.h"

/* The object of a step, or, for an undo, a copy of it: of a directory other things may have changed meanwhile. Under a temporary name nobody has put one. */
static bool is_it(const struct replay *r, const struct host_spot *at, const struct stat *was)
{
	if (host_spot_is_same(&at->st, was))
		return true;
	if (!r->alike || !was->st_mode || journal_is_temp(r->j, at->name))
		return false;
	return S_ISDIR(was->st_mode) ? S_ISDIR(at->st.st_mode) : replay_is_alike(&at->st, was);
}

/* ---- directories that the commit made ---- */

/* An object under such a name. */
static uint64_t spare_key(const char *name, uint64_t dev)
{
	return XXH3_64bits(name, strlen(name)) ^ dev;
}

static int spare_add(struct inode_set *spare, const char *path, const struct stat *st)
{
	return inode_set_add(spare, spare_key(strrchr(path, '/') + 1, st->st_dev), st->st_ino);
}

/* Removes temporary names of the entry's in a directory. */
static int sweep(struct replay *r, int dirfd, const struct inode_set *spare)
{
	_cleanup_closedir_ DIR *dir = NULL;
	_cleanup_door_ struct door door = DOOR_NONE;
	struct dirent *e;
	struct stat st;
	int x;

	door_open(&door, dirfd);
	x = dir_open(dirfd, &dir);
	while (x == 0 && (e = dir_next(dir))) {
		if (!journal_is_temp(r->j, e->d_name) || sys_fstatat(dirfd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    (spare && inode_set_has(spare, spare_key(e->d_name, st.st_dev), st.st_ino)))
			continue;
		if (!S_ISDIR(st.st_mode)) {
			x = sys_unlinkat(dirfd, e->d_name, 0);
			continue;
		}
		/* One that we made, and that has nothing in it but such names. */
		_cleanup_close_ int in = sys_openat(dirfd, e->d_name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);

		x = in < 0 ? in : sweep(r, in, spare);
		if (x == 0)
			x = sys_unlinkat(dirfd, e->d_name, AT_REMOVEDIR);
		/* It has something else in it; the others go. */
		x = x == -ENOTEMPTY || x == -EEXIST ? 0 : x;
	}
	return x;
}

/* What still stands under a temporary name, for it could not be put back. */
static int collect_olds(const struct journal *j, struct inode_set *ret)
{
	int x = 0;

	for (size_t i = 0; i < j->nsteps && x == 0; i++) {
		const struct step *s = &j->steps[i];

		if (s->kind == STEP_RENAME && journal_is_temp_path(j, s->b))
			x = spare_add(ret, s->b, &s->at_a);
		if (x == 0 && s->kind == STEP_RENAME && s->exchange && journal_is_temp_path(j, s->a))
			x = spare_add(ret, s->a, &s->at_b);
		if (x == 0 && s->kind == STEP_COPY)
			x = spare_add(ret, s->a, &s->at_a);
	}
	return x;
}

/* A directory that we made is not there any more, or has something in it that is not ours. */
static int remove_made(struct replay *r, const struct host_spot *at)
{
	_cleanup_close_ int in = sys_openat(at->dir, at->name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	struct inode_set spare = { 0 };
	int x = in < 0 ? in : 0;

	if (x == 0 && r->troubles)
		x = collect_olds(r->j, &spare);
	if (x == 0)
		x = sweep(r, in, &spare);
	inode_set_release(&spare);
	return x < 0 ? x : sys_unlinkat(at->dir, at->name, AT_REMOVEDIR);
}

/* ---- a rename taken back ---- */

static int log_rename(struct replay *r, struct journal *into, const struct step *s, const struct host_spot *from,
                      const struct host_spot *to)
{
	int x;
	struct step back = { .kind = STEP_RENAME,
		             .a = s->b,
		             .b = s->a,
		             .at_a = from->st,
		             .at_b = to->st,
		             .dir_a = from->in,
		             .dir_b = to->in,
		             .exchange = s->exchange,
		             .item = s->item };

	if (!into || r->round == ROUND_DONE)
		return 0;
	x = journal_take_on(into, s->b, &from->st);
	if (x == 0 && s->exchange)
		x = journal_take_on(into, s->a, &to->st);
	/* What the commit had brought is what the undo takes away: it stands under its temporary name then. */
	if (journal_is_temp_path(into, s->a)) {
		back.old = OLD_B;
		back.kept = journal_new_kept(into);
	}
	if (x < 0)
		return x;
	return r->round == ROUND_LOGGED ? journal_add_step(into, &back) : journal_log(into, &back);
}

/* An exchange by way of a spare name was left half-way (host_exchange), on the way there or back. */
static int complete_exchange(struct replay *r, const struct step *s, struct host_spot *a)
{
	char spare[JOURNAL_TEMP_MAX];
	struct stat st;
	int x;

	journal_spare_name(r->j, spare);
	x = sys_fstatat(a->dir, spare, &st, AT_SYMLINK_NOFOLLOW);
	if (x == -ENOENT || (x == 0 && !host_spot_is_same(&st, &s->at_b) && !host_spot_is_same(&st, &s->at_a)))
		return 0;
	if (x == 0)
		x = host_move(a->dir, spare, a->dir, a->name);
	if (x == 0)
		a->st = st;
	return x;
}

/* One that was begun, and left before the names changed: its spare name would be in the way of the next. */
static int drop_spare(struct replay *r, const struct host_spot *a, const struct host_spot *b)
{
	const int dirs[] = { a->dir, b->dir };
	char spare[JOURNAL_TEMP_MAX];
	struct stat st;
	int x = 0;

	journal_spare_name(r->j, spare);
	for (size_t i = 0; i < 2 && x == 0; i++)
		if (sys_fstatat(dirs[i], spare, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    (host_spot_is_same(&st, &a->st) || host_spot_is_same(&st, &b->st)))
			x = sys_unlinkat(dirs[i], spare, 0);
	return x;
}

/* The names are as they were before the step. What was to be put there may not have got its temporary name yet, or lost it again. */
static bool was_not_made(const struct replay *r, const struct step *s, const struct host_spot *a, const struct host_spot *b)
{
	if (host_spot_is_same(&a->st, &s->at_a))
		return true;
	/* An empty one that we had made is removed, and not renamed. */
	if (!s->exchange && !s->given && s->old == OLD_NONE && S_ISDIR(s->at_a.st_mode) && journal_made(r->j, s))
		return true;
	return journal_is_temp(r->j, a->name) && !a->st.st_mode &&
	       (s->at_b.st_mode ? host_spot_is_same(&b->st, &s->at_b) : !b->st.st_mode);
}

static int back_rename(struct replay *r, const struct step *s, struct journal *into)
{
	_cleanup_host_spot_ struct host_spot a = HOST_SPOT_NONE, b = HOST_SPOT_NONE;
	char spare[JOURNAL_TEMP_MAX];
	bool arrived;
	int x = host_spot_find(r, s->b, s->dir_b, &b);

	if (x == 0)
		x = host_spot_find(r, s->a, s->dir_a, &a);
	if (x < 0)
		return x;
	/* Of an undo's step it is the other name that is a temporary. */
	if (s->exchange && (!a.st.st_mode || !b.st.st_mode))
		x = complete_exchange(r, s, a.st.st_mode ? &b : &a);
	else if (s->exchange && !into)
		x = drop_spare(r, &a, &b);
	if (x < 0)
		return x;
	/* It has not moved, whatever a copy was made under its new name. */
	if (!into && !s->exchange && host_spot_is_same(&a.st, &s->at_a) && !host_spot_is_same(&b.st, &s->at_a))
		return 0;
	arrived = is_it(r, &b, &s->at_a);
	if (!arrived)
		return !into && was_not_made(r, s, &a, &b) ? 0 : -ESTALE;
	if (s->exchange && !is_it(r, &a, &s->at_b))
		return a.st.st_mode && !into ? -EEXIST : -ESTALE;
	if (!s->exchange && a.st.st_mode)
		return host_spot_is_same(&a.st, &b.st) ? 0 : -EEXIST;
	if (into && r->met) {
		x = r->met(r->ctx, s, false, &b.st);
		if (x == 0 && s->exchange)
			x = r->met(r->ctx, s, true, &a.st);
		if (x < 0)
			return x;
	}
	x = log_rename(r, into, s, &b, &a);
	if (x < 0 || r->round == ROUND_LOGGED)
		return x;
	if (!into && journal_made(r->j, s)) {
		x = remove_made(r, &b);
		host_moved(r->host);
		return x;
	}
	if (!into && s->given && S_ISDIR(s->at_a.st_mode))
		x = replay_tell_others(r, s);
	if (x < 0)
		return x;
	journal_spare_name(r->j, spare);
	x = s->exchange ? host_exchange(a.dir, a.name, b.dir, b.name, spare) : host_move(b.dir, b.name, a.dir, a.name);
	host_moved(r->host);
	return x;
}

/* ---- what was done to an object ---- */

static int open_object(struct replay *r, const struct step *s, int *ret_fd, struct stat *ret)
{
	_cleanup_close_ int fd = -1;
	int x;

	if (!r->alike)
		host_pin(r->host, s->a, s->dir_a);
	x = host_open(r->host, s->a, O_PATH, &fd);
	host_unpin(r->host);
	if (x == 0)
		x = sys_fstat(fd, ret);
	if (x == 0 && !host_spot_is_same(ret, &s->at_a) && !(r->alike && (ret->st_mode & S_IFMT) == (s->at_a.st_mode & S_IFMT)))
		x = -ESTALE;
	if (x == 0)
		*ret_fd = TAKE_FD(fd);
	return x;
}

/* What the entry keeps of it; without: nothing, which the journal itself has as well. */
static int open_kept(const struct journal *j, unsigned kept, int *ret_fd)
{
	char name[JOURNAL_KEPT_MAX] = "journal";
	int fd;

	if (kept)
		journal_kept_name(kept, false, name);
	fd = sys_openat(j->dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 0;
}

static int log_object(struct replay *r, struct journal *into, const struct step *s, int fd, const struct stat *now)
{
	struct step back = { .kind = s->kind, .a = s->a, .at_a = *now, .at_b = { .st_size = s->at_a.st_size }, .item = s->item };
	int x;

	if (!into)
		return 0;
	x = host_parent_ident(r->host, s->a, &back.dir_a);
	if (x == 0)
		x = journal_keep(into, fd, now, s->kind == STEP_WRITE, &back.kept);
	return x < 0 ? x : journal_log(into, &back);
}

static int back_meta(struct replay *r, const struct step *s, struct journal *into)
{
	_cleanup_close_ int fd = -1, kept = -1;
	struct stat now;
	int x = open_object(r, s, &fd, &now);

	if (x == 0)
		x = open_kept(r->j, s->kept, &kept);
	if (x == 0)
		x = log_object(r, into, s, fd, &now);
	return x < 0 ? x : copy_metadata(kept, fd, &s->at_a, COPY_ALL, NULL);
}

static int back_write(struct replay *r, const struct step *s, struct journal *into)
{
	_cleanup_close_ int path = -1, fd = -1, kept = -1;
	off_t longest = s->at_a.st_size > s->at_b.st_size ? s->at_a.st_size : s->at_b.st_size;
	struct stat now;
	int x = open_object(r, s, &path, &now);

	if (x == 0)
		x = open_kept(r->j, s->kept, &kept);
	/* Its mode is another as long as it is written to. */
	if (x == 0 && into && now.st_uid == geteuid() && (now.st_mode & 0600) != 0600) {
		struct step mode = *s;

		mode.kind = STEP_META;
		x = log_object(r, into, &mode, path, &now);
	}
	if (x == 0)
		x = fd = inplace_reopen(path, &now);
	if (x < 0)
		return x;
	x = log_object(r, into, s, fd, &now);
	if (x == 0 && now.st_size > longest)
		x = -ESTALE;
	if (x == 0 && copy_content_equal(kept, fd) != 1)
		x = inplace_rewrite(kept, fd, s->at_a.st_size, now.st_size, longest);
	if (x == 0)
		x = copy_metadata(kept, fd, &s->at_a, COPY_ALL, NULL);
	return x < 0 ? x : sys_fsync(fd);
}

/* ---- a copy of what the entry of a commit keeps still ---- */

/* It got a name of its own: so the copy was made to the end, and others can have been at it. */
static bool was_named(const struct journal *j, const struct step *copy)
{
	for (const struct step *s = copy + 1; s < j->steps + j->nsteps; s++)
		if (s->kind == STEP_RENAME && (strcmp(s->a, copy->a) == 0 || (s->exchange && strcmp(s->b, copy->a) == 0)))
			return true;
	return false;
}

/* Something of somebody else's is under a temporary name: it goes into the entry, or, where that cannot be, stays there. */
static int save_others(struct replay *r, const struct step *s, const struct host_spot *at, const char *what)
{
	char name[JOURNAL_KEPT_MAX], text[256];
	int x = replay_save(r, s, at, name);

	if (error_is_hard(x))
		return x;
	if (x == 0)
		snprintf(text, sizeof text, "%s, which is in history/%u/%s", what, r->j->number, name);
	else
		snprintf(text, sizeof text, "%s, which stays beside it as %.64s: %s", what, at->name, strerror(-x));
	replay_trouble(r, replay_shown(r->j, s), text);
	return 0;
}

static int back_copy(struct replay *r, const struct step *s)
{
	_cleanup_host_spot_ struct host_spot at = HOST_SPOT_NONE;
	int x = host_spot_find(r, s->a, s->dir_a, &at);

	if (x < 0 || !host_spot_is_same(&at.st, &s->at_a) || !journal_is_temp(r->j, at.name))
		return x;
	x = was_named(r->j, s) ? tree_uncopy(r->j->history_fd, s->b, at.dir, at.name) : tree_remove(at.dir, at.name);
	return x == 0 || error_is_hard(x) ? x : save_others(r, s, &at, "somebody else has changed it");
}

/* ---- one step back ---- */

static const char *why_not(int x)
{
	switch (x) {
	case -EEXIST:
		return "something else is there by now, which was left";
	case -ESTALE:
	case -ENOENT:
	case -ENOTDIR:
	case -ELOOP:
		return "it was changed by somebody else, and was left as it is";
	case -ENOTEMPTY:
		return "a directory that the commit made has got something else in it, and was left";
	}
	return strerror(-x);
}

/* What the host had, and cannot get back. */
static int save_old(struct replay *r, const struct step *s, char ret_name[static JOURNAL_KEPT_MAX])
{
	const char *path = s->old == OLD_A ? s->a : s->b;
	_cleanup_host_spot_ struct host_spot at = HOST_SPOT_NONE;
	int x = host_spot_find(r, path, s->old == OLD_A ? s->dir_a : s->dir_b, &at);

	if (x < 0)
		return x;
	return journal_is_temp(r->j, at.name) ? replay_save(r, s, &at, ret_name) : -ENOENT;
}

int replay_step_back(struct replay *r, const struct step *s, struct journal *into)
{
	char text[128], name[JOURNAL_KEPT_MAX];
	int x = s->kind == STEP_RENAME  ? back_rename(r, s, into)
	        : s->kind == STEP_META  ? back_meta(r, s, into)
	        : s->kind == STEP_WRITE ? back_write(r, s, into)
	        : s->kind == STEP_COPY  ? back_copy(r, s)
	                                : -EBADMSG;

	if (x == 0 || error_is_hard(x))
		return x;
	if (into)
		return x;
	snprintf(text, sizeof text, "%s", why_not(x));
	if (s->old != OLD_NONE && save_old(r, s, name) == 0)
		snprintf(text, sizeof text, "%s; what was there before is in history/%u/%s", why_not(x), r->j->number, name);
	replay_trouble(r, replay_shown(r->j, s), text);
	return 1;
}

/* ---- directories whose mode keeps their owner out ---- */

/* Those that the commit has made are to go, with what is in them. from: steps from there on were taken back. */
static int unlock_made(struct replay *r, size_t from)
{
	struct inode_set hosts = { 0 };
	char path[PATH_MAX];
	int x = 0;

	for (size_t k = 0; geteuid() != 0 && k < from && x == 0; k++) {
		const struct step *s = &r->j->steps[k];

		if (s->kind != STEP_RENAME)
			continue;
		/* One that had another name before is the host's, and only had to wait. */
		if (S_ISDIR(s->at_a.st_mode) && journal_is_temp_path(r->j, s->a) && !journal_is_temp_path(r->j, s->b) &&
		    !inode_set_has(&hosts, s->at_a.st_dev, s->at_a.st_ino) && replay_forward_to(r->j, k, from, s->b, path) == 0)
			x = replay_give_mode(r, path, &s->at_a, 0700);
		if (x == 0 && S_ISDIR(s->at_a.st_mode))
			x = inode_set_add(&hosts, s->at_a.st_dev, s->at_a.st_ino);
		if (x == 0 && S_ISDIR(s->at_b.st_mode))
			x = inode_set_add(&hosts, s->at_b.st_dev, s->at_b.st_ino);
	}
	inode_set_release(&hosts);
	return x;
}

/* ---- all of them back ---- */

/* Copies that were made for the history before the commit point, whole or not: what is taken back goes nowhere. */
static int drop_prepared(struct replay *r)
{
	struct journal *j = r->j;
	char name[JOURNAL_KEPT_MAX];
	int x = 0;

	for (size_t k = 0; k < j->nsteps && x == 0; k++) {
		if (j->steps[k].old == OLD_NONE)
			continue;
		journal_kept_name(j->steps[k].kept, true, name);
		x = tree_remove(j->dir_fd, name);
	}
	return x;
}

/* Steps from first on, to before end, were taken back together. */
struct group {
	size_t first, end;
	struct inode_set names; /* names: that they are about */
};

#define GROUP_MAX 512

/* Step k, the next one down, can be of the group. */
static bool group_takes(struct group *g, const struct step *s)
{
	if (step_moves_directory(s) || g->end - g->first >= GROUP_MAX)
		return false;
	return path_take(&g->names, s->a) && (!s->b || path_take(&g->names, s->b));
}

/* A file system that the journal is not on can be behind it. */
static int group_sync(struct replay *r, const struct group *g)
{
	struct inode_set synced = { 0 };
	struct stat st;
	int x = sys_fstat(r->j->dir_fd, &st);

	if (x == 0)
		x = inode_set_add(&synced, st.st_dev, 1);
	for (size_t k = g->first; k < g->end && x == 0; k++)
		x = replay_sync_step(r, &r->j->steps[k], &synced);
	inode_set_release(&synced);
	return x;
}

static int group_end(struct replay *r, struct group *g)
{
	int x = g->end > g->first ? group_sync(r, g) : 0;

	/* On a disk that is full the host gets back what it had all the same. */
	if (x == 0 && g->end > g->first)
		(void)journal_set_back(r->j, g->first, r->troubles > 0);
	g->end = g->first;
	inode_set_release(&g->names);
	return x;
}

/* A step before this one has put something into it, which is to be taken out first. */
static bool was_filled_before(const struct journal *j, const struct step *s)
{
	for (const struct step *o = j->steps; o < s; o++)
		if (o->kind == STEP_RENAME && (path_below(o->b, s->a, NULL) || path_below(o->a, s->a, NULL)) &&
		    strcmp(o->b, s->a) != 0 && strcmp(o->a, s->a) != 0)
			return true;
	return false;
}

/* A directory that the commit made in the place of something else is under its temporary name again: somebody may have put something into it. */
static int drop_made(struct replay *r, const struct step *s)
{
	_cleanup_host_spot_ struct host_spot at = HOST_SPOT_NONE;
	int x;

	if (s->kind != STEP_RENAME || !s->exchange || !S_ISDIR(s->at_a.st_mode) || !journal_is_temp_path(r->j, s->a) ||
	    !journal_is_new(r->j, s) || was_filled_before(r->j, s) || host_spot_find(r, s->a, s->dir_a, &at) < 0 ||
	    !host_spot_is_same(&at.st, &s->at_a))
		return 0;
	x = remove_made(r, &at);
	return x == 0 || error_is_hard(x) ? x : save_others(r, s, &at, "somebody else has put something into it");
}

static int steps_back(struct replay *r, size_t from)
{
	struct group g = { .first = from, .end = from };
	int x = 0;

	while (g.first > 0 && x >= 0) {
		const struct step *s = &r->j->steps[g.first - 1];
		bool alone = !group_takes(&g, s);

		if (alone)
			x = group_end(r, &g);
		/* It may begin the next. */
		if (alone && !step_moves_directory(s))
			alone = !group_takes(&g, s);
		if (x >= 0)
			x = replay_step_back(r, s, NULL);
		if (x >= 0)
			x = drop_made(r, s);
		if (x < 0)
			break;
		g.first--;
		if (alone)
			x = group_end(r, &g);
	}
	if (x >= 0)
		x = group_end(r, &g);
	inode_set_release(&g.names);
	return x < 0 ? x : 0;
}

static int sweep_all(struct replay *r)
{
	struct inode_set spare = { 0 };
	int x = r->troubles ? collect_olds(r->j, &spare) : 0;

	for (size_t i = 0; i < r->j->dirs.count && x == 0; i++) {
		const struct place *p = &r->j->dirs.list[i];
		_cleanup_close_ int fd = -1;
		struct stat st;

		x = host_open(r->host, p->path, O_PATH | O_DIRECTORY, &fd);
		if (x == 0)
			x = sys_fstat(fd, &st);
		if (x == 0 && host_spot_is_same(&st, &p->st))
			x = sweep(r, fd, &spare);
		x = x < 0 && !error_is_hard(x) ? 0 : x;
	}
	inode_set_release(&spare);
	return x;
}

int replay_back(struct replay *r)
{
	size_t from = r->j->back < r->j->nsteps ? r->j->back : r->j->nsteps;
	int x = 0;

	r->troubles += r->j->troubled;
	x = drop_prepared(r);
	if (x == 0)
		x = unlock_made(r, from);
	if (x == 0)
		x = steps_back(r, from);
	if (x == 0)
		x = sweep_all(r);
	for (size_t i = 0; i < r->j->dirs.count && x == 0; i++)
		x = replay_set_times(r, &r->j->dirs.list[i], true);
	return x < 0 ? x : replay_sync(r);
}
