/* replay.c - taking steps back, and finishing them.
 *
 * (R1) Whether a step was made, or taken back already, is read off the host: a rename that was made has its object at b. That goes for the last step
 *      alone that was not taken back by the journal: of what comes after it the paths lead elsewhere. So taking back can itself be killed and begun again.
 * (R2) The steps are taken back the last first: all paths then mean what they meant when they were logged.
 * (R3) Nothing that is not known is overwritten or removed. Where somebody else has put something at a name since, that stays, and what belongs
 *      there goes into the entry and is named.
 */
#include "replay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apply.h"
#include "base/copy.h"
#include "base/dir.h"
#include "base/inode_set.h"
#include "base/path.h"
#include "base/stat.h"
#include "base/sys.h"
#include "base/tree.h"
#include "tree_copy.h"

static void trouble(struct replay *r, const char *path, const char *what)
{
	char text[2 * PATH_MAX], shown[PATH_MAX];

	r->troubles++;
	if (!r->tell)
		return;
	path_printable(path, shown, sizeof shown);
	snprintf(text, sizeof text, "%s: %s", shown, what);
	r->tell(r->ctx, text);
}

/* ---- names ---- */

struct spot {
	int dir; /* dir: of our own */
	const char *name;
	struct stat st; /* st: what is there; st_mode 0: nothing */
	struct door door; /* door: of dir, open as long as we are here */
};
#define SPOT_NONE ((struct spot){ .dir = -1, .door = DOOR_NONE })

static void spot_release(struct spot *s)
{
	door_close(&s->door);
	fd_closep(&s->dir);
}
#define _cleanup_spot_ _cleanup_(spot_release)

/* What is at the path, in the directory that it was in. -ESTALE: that is another by now. */
static int spot_find(struct replay *r, const char *path, struct ident dir, struct spot *ret)
{
	int fd, e;

	/* A directory may be a copy, too. */
	if (!r->alike)
		host_pin(r->host, path, dir);
	e = host_parent(r->host, path, &fd, &ret->name);
	host_unpin(r->host);
	if (e == 0) {
		ret->dir = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		e = ret->dir < 0 ? -errno : 0;
	}
	if (e == 0) {
		door_open(&ret->door, ret->dir);
		e = sys_fstatat(ret->dir, ret->name, &ret->st, AT_SYMLINK_NOFOLLOW);
	}
	if (e == -ENOENT && ret->dir >= 0) {
		memset(&ret->st, 0, sizeof ret->st);
		e = 0;
	}
	return e;
}

static bool is_same(const struct stat *now, const struct stat *was)
{
	return now->st_mode && was->st_mode && now->st_ino == was->st_ino && now->st_dev == was->st_dev &&
	       (now->st_mode & S_IFMT) == (was->st_mode & S_IFMT);
}

bool replay_is_alike(const struct stat *now, const struct stat *was)
{
	if (!now->st_mode || now->st_mode != was->st_mode || now->st_uid != was->st_uid || now->st_gid != was->st_gid)
		return false;
	return !S_ISREG(now->st_mode) || stat_same_content(now, was);
}

/* The object of a step, or, for an undo, a copy of it. */
static bool is_it(const struct replay *r, const struct stat *now, const struct stat *was)
{
	return is_same(now, was) || (r->alike && was->st_mode && replay_is_alike(now, was));
}

/* ---- directories that the commit made ---- */

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
		    (spare && inode_set_has(spare, st.st_dev, st.st_ino)))
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
	}
	return x == -ENOTEMPTY || x == -EEXIST ? 0 : x;
}

/* What still stands under a temporary name, for it could not be put back. */
static int collect_olds(const struct journal *j, struct inode_set *ret)
{
	int x = 0;

	for (size_t i = 0; i < j->nsteps && x == 0; i++) {
		const struct step *s = &j->steps[i];

		if (s->kind == STEP_RENAME && journal_is_temp_path(j, s->b))
			x = inode_set_add(ret, s->at_a.st_dev, s->at_a.st_ino);
		if (x == 0 && s->kind == STEP_RENAME && s->exchange && journal_is_temp_path(j, s->a))
			x = inode_set_add(ret, s->at_b.st_dev, s->at_b.st_ino);
	}
	return x;
}

/* A directory that we made is not there any more, or has something in it that is not ours. */
static int remove_made(struct replay *r, const struct spot *at)
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

static int log_rename(struct journal *into, const struct step *s, const struct spot *from, const struct spot *to)
{
	int x;
	struct step back = { .kind = STEP_RENAME, .a = s->b, .b = s->a, .at_a = from->st, .at_b = to->st, .dir_a = s->dir_b, .dir_b = s->dir_a,
		             .exchange = s->exchange, .item = s->item };

	if (!into)
		return 0;
	x = journal_take_on(into, s->b, &from->st);
	if (x == 0 && s->exchange)
		x = journal_take_on(into, s->a, &to->st);
	/* What the commit had brought is what the undo takes away: it stands under its temporary name then. */
	if (journal_is_temp_path(into, s->a)) {
		back.old = OLD_B;
		back.kept = journal_new_kept(into);
	}
	return x < 0 ? x : journal_log(into, &back);
}

/* An exchange by way of a spare name was left half-way (host_exchange), on the way there or back. */
static int complete_exchange(struct replay *r, const struct step *s, struct spot *a)
{
	char spare[JOURNAL_TEMP_MAX];
	struct stat st;
	int x;

	journal_spare_name(r->j, spare);
	x = sys_fstatat(a->dir, spare, &st, AT_SYMLINK_NOFOLLOW);
	if (x == -ENOENT || (x == 0 && !is_same(&st, &s->at_b) && !is_same(&st, &s->at_a)))
		return 0;
	if (x == 0)
		x = host_move(a->dir, spare, a->dir, a->name);
	if (x == 0)
		a->st = st;
	return x;
}

/* The names are as they were before the step. What was to be put there may not have got its temporary name yet, or lost it again. */
static bool was_not_made(const struct replay *r, const struct step *s, const struct spot *a, const struct spot *b)
{
	if (is_same(&a->st, &s->at_a))
		return true;
	/* An empty one that we had made is removed, and not renamed. */
	if (!s->exchange && !s->given && s->old == OLD_NONE && S_ISDIR(s->at_a.st_mode) && journal_made(r->j, s))
		return true;
	return journal_is_temp(r->j, a->name) && !a->st.st_mode && (s->at_b.st_mode ? is_same(&b->st, &s->at_b) : !b->st.st_mode);
}

static int back_rename(struct replay *r, const struct step *s, struct journal *into)
{
	_cleanup_spot_ struct spot a = SPOT_NONE, b = SPOT_NONE;
	char spare[JOURNAL_TEMP_MAX];
	bool arrived;
	int x = spot_find(r, s->b, s->dir_b, &b);

	if (x == 0)
		x = spot_find(r, s->a, s->dir_a, &a);
	if (x < 0)
		return x;
	if (s->exchange && !a.st.st_mode)
		x = complete_exchange(r, s, &a);
	if (x < 0)
		return x;
	arrived = is_it(r, &b.st, &s->at_a) || (!s->exchange && b.st.st_mode && journal_is_temp(r->j, b.name));
	if (!arrived)
		return !into && was_not_made(r, s, &a, &b) ? 0 : -ESTALE;
	if (s->exchange && !a.st.st_mode)
		return -ESTALE;
	if (!s->exchange && a.st.st_mode)
		return is_same(&a.st, &b.st) ? 0 : -EEXIST;
	x = log_rename(into, s, &b, &a);
	if (x < 0)
		return x;
	if (!into && journal_made(r->j, s)) {
		x = remove_made(r, &b);
		host_moved(r->host);
		return x;
	}
	journal_spare_name(r->j, spare);
	x = s->exchange ? host_exchange(a.dir, a.name, b.dir, b.name, spare)
	                : host_move(b.dir, b.name, a.dir, a.name);
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
	if (x == 0 && !is_same(ret, &s->at_a) && !(r->alike && (ret->st_mode & S_IFMT) == (s->at_a.st_mode & S_IFMT)))
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

static int log_object(struct journal *into, const struct step *s, int fd, const struct stat *now)
{
	struct step back = { .kind = s->kind, .a = s->a, .at_a = *now, .at_b = { .st_size = s->at_a.st_size }, .dir_a = s->dir_a, .item = s->item };
	int x;

	if (!into)
		return 0;
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
		x = log_object(into, s, fd, &now);
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
		x = log_object(into, &mode, path, &now);
	}
	if (x == 0)
		x = fd = inplace_reopen(path, &now);
	if (x < 0)
		return x;
	x = log_object(into, s, fd, &now);
	if (x == 0 && now.st_size > longest)
		x = -ESTALE;
	if (x == 0 && copy_content_equal(kept, fd) != 1)
		x = inplace_rewrite(kept, fd, s->at_a.st_size, now.st_size, longest);
	if (x == 0)
		x = copy_metadata(kept, fd, &s->at_a, COPY_ALL, NULL);
	return x < 0 ? x : sys_fsync(fd);
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

/* What the host had, and cannot get back, goes from its temporary name into the entry (R3). */
static int save_old(struct replay *r, const struct step *s)
{
	const char *path = s->old == OLD_A ? s->a : s->b;
	_cleanup_spot_ struct spot at = SPOT_NONE;
	char name[JOURNAL_KEPT_MAX];
	int x = spot_find(r, path, s->old == OLD_A ? s->dir_a : s->dir_b, &at);

	if (x < 0 || !at.st.st_mode || !journal_is_temp(r->j, at.name))
		return x;
	journal_kept_name(s->kept, true, name);
	x = host_move(at.dir, at.name, r->j->dir_fd, name);
	if (x < 0 && !error_is_hard(x)) {
		x = tree_copy(at.dir, at.name, r->j->dir_fd, name, NULL, NULL);
		if (x == 0)
			x = tree_remove(at.dir, at.name);
	}
	return x;
}

int replay_step_back(struct replay *r, const struct step *s, struct journal *into)
{
	char text[128], name[JOURNAL_KEPT_MAX];
	int x = s->kind == STEP_RENAME  ? back_rename(r, s, into)
	        : s->kind == STEP_META  ? back_meta(r, s, into)
	        : s->kind == STEP_WRITE ? back_write(r, s, into)
	                                : -EBADMSG;

	if (x == 0 || error_is_hard(x))
		return x;
	if (into)
		return x;
	if (s->old != OLD_NONE) {
		journal_kept_name(s->kept, true, name);
		if (save_old(r, s) == 0) {
			snprintf(text, sizeof text, "%s; what was there before is in history/%u/%s", why_not(x), r->j->number, name);
			trouble(r, s->old == OLD_A ? s->b : s->a, text);
			return 1;
		}
	}
	trouble(r, s->kind == STEP_RENAME && s->at_b.st_mode ? s->b : s->a, why_not(x));
	return 1;
}

/* ---- paths of then and now ---- */

/* Of the steps that rename directories, by its place among them, the first from step k on. */
static size_t first_move(const struct journal *j, size_t k)
{
	size_t low = 0, high = j->nmoves;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (j->moves[mid] < k)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Where the host path of step k is before step end. */
static int forward_to(const struct journal *j, size_t k, size_t end, const char *path, char ret[static PATH_MAX])
{
	const char *rest;
	int x = 0;

	if (strlen(path) >= PATH_MAX)
		return -ENAMETOOLONG;
	memmove(ret, path, strlen(path) + 1);
	/* Only what directories carry along; of itself, what a step takes away is touched by no other. */
	for (size_t m = first_move(j, k + 1); m < j->nmoves && j->moves[m] < end && x >= 0; m++) {
		const struct step *s = &j->steps[j->moves[m]];

		if (path_below(ret, s->a, &rest))
			x = path_join(ret, PATH_MAX, s->b, rest);
		else if (s->exchange && path_below(ret, s->b, &rest))
			x = path_join(ret, PATH_MAX, s->a, rest);
	}
	return x < 0 ? x : 0;
}

int replay_forward(const struct journal *j, size_t k, const char *path, char ret[static PATH_MAX])
{
	return forward_to(j, k, j->nsteps, path, ret);
}

/* ---- directories whose mode keeps their owner out ---- */

static int give_mode(struct replay *r, const char *path, const struct stat *want, mode_t mode)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	int x = host_open(r->host, path, O_PATH | O_DIRECTORY, &fd);

	if (x == 0)
		x = sys_fstat(fd, &st);
	if (x == 0 && is_same(&st, want) && st.st_uid == geteuid() && (st.st_mode & 07777) != (mode & 07777))
		x = sys_chmod_fd(fd, mode & 07777);
	return error_is_hard(x) ? x : 0;
}

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
		    !inode_set_has(&hosts, s->at_a.st_dev, s->at_a.st_ino) && forward_to(r->j, k, from, s->b, path) == 0)
			x = give_mode(r, path, &s->at_a, 0700);
		if (x == 0 && S_ISDIR(s->at_a.st_mode))
			x = inode_set_add(&hosts, s->at_a.st_dev, s->at_a.st_ino);
		if (x == 0 && S_ISDIR(s->at_b.st_mode))
			x = inode_set_add(&hosts, s->at_b.st_dev, s->at_b.st_ino);
	}
	inode_set_release(&hosts);
	return x;
}

int replay_unlock(struct replay *r, const char *path, const struct stat *st)
{
	return geteuid() == 0 || !S_ISDIR(st->st_mode) || (st->st_mode & 0300) == 0300 ? 0 : give_mode(r, path, st, st->st_mode | 0700);
}

/* All of them, while something in them is still to be taken out; or gives them their mode again. */
static int unlock_done(struct replay *r, bool unlock)
{
	size_t n = geteuid() == 0 ? 0 : r->j->after.count;
	int x = 0;

	for (size_t i = 0; i < n && x == 0; i++) {
		/* From the top down; and back from the bottom up. */
		const struct place *p = &r->j->after.list[unlock ? i : n - 1 - i];

		if (unlock)
			x = replay_unlock(r, p->path, &p->st);
		else if (S_ISDIR(p->st.st_mode) && (p->st.st_mode & 0300) != 0300)
			x = give_mode(r, p->path, &p->st, p->st.st_mode);
	}
	return x;
}

/* ---- all of them back ---- */

static int set_times(struct replay *r, const struct place *p, bool atime)
{
	const struct timespec times[2] = { atime ? p->st.st_atim : (struct timespec){ .tv_nsec = UTIME_OMIT }, p->st.st_mtim };
	_cleanup_close_ int fd = -1;
	struct stat st;
	int x = host_open(r->host, p->path, O_PATH | O_DIRECTORY, &fd);

	if (x == 0)
		x = sys_fstat(fd, &st);
	if (x == 0 && is_same(&st, &p->st))
		x = sys_utimensat(fd, "", times, AT_EMPTY_PATH);
	/* Somebody was killed with its door open. */
	if (x == 0 && is_same(&st, &p->st) && st.st_mode != p->st.st_mode && st.st_mode == (p->st.st_mode | S_IRWXU) && st.st_uid == geteuid())
		x = sys_chmod_fd(fd, p->st.st_mode & 07777);
	/* One that is not ours keeps the time of the commit. */
	return error_is_hard(x) ? x : 0;
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
		if (x == 0 && is_same(&st, &p->st))
			x = sweep(r, fd, &spare);
		x = x < 0 && !error_is_hard(x) ? 0 : x;
	}
	inode_set_release(&spare);
	return x;
}

static int sync_one(struct replay *r, struct ident dir, const char *path, struct inode_set *synced)
{
	char parent[PATH_MAX];

	if (!dir.dev || inode_set_has(synced, dir.dev, 1) || !path_split(path, parent, sizeof parent))
		return 0;
	return inode_set_add(synced, dir.dev, 1) < 0 ? -ENOMEM : host_sync(r->host, parent);
}

/* Each file system that steps were made on, or those that had something taken away; nothing else is told that it is safe before. */
static int sync_steps(struct replay *r, bool olds)
{
	struct inode_set synced = { 0 };
	int x = 0;

	for (size_t k = 0; k < r->j->nsteps && x == 0; k++) {
		const struct step *s = &r->j->steps[k];

		if (olds && s->old == OLD_NONE)
			continue;
		x = sync_one(r, s->dir_a, s->a, &synced);
		if (x == 0 && s->b)
			x = sync_one(r, s->dir_b, s->b, &synced);
	}
	inode_set_release(&synced);
	return x;
}

int replay_sync(struct replay *r)
{
	return sync_steps(r, false);
}

int replay_back(struct replay *r)
{
	size_t from = r->j->back < r->j->nsteps ? r->j->back : r->j->nsteps;
	int x = 0;

	r->troubles += r->j->troubled;
	x = unlock_made(r, from);
	if (x < 0)
		return x;
	for (size_t i = from; i > 0; i--) {
		x = replay_step_back(r, &r->j->steps[i - 1], NULL);
		if (x < 0)
			return x;
		/* On a disk that is full the host gets back what it had all the same. */
		(void)journal_set_back(r->j, i - 1, r->troubles > 0);
	}
	x = sweep_all(r);
	for (size_t i = 0; i < r->j->dirs.count && x == 0; i++)
		x = set_times(r, &r->j->dirs.list[i], true);
	return x < 0 ? x : replay_sync(r);
}

/* ---- finishing ---- */

/* Where what was given by step k is now: under a temporary name it does not stay. */
static int replay_given(const struct journal *j, size_t k, char ret[static PATH_MAX])
{
	const struct step *s = &j->steps[k];

	if (journal_is_temp_path(j, s->b))
		for (size_t i = k + 1; i < j->nsteps; i++)
			if (j->steps[i].kind == STEP_RENAME && strcmp(j->steps[i].a, s->b) == 0)
				return replay_forward(j, i, j->steps[i].b, ret);
	return replay_forward(j, k, s->b, ret);
}

struct old {
	struct spot at;
	struct ident dir; /* dir: that it is in */
	const struct stat *was;
	char name[JOURNAL_KEPT_MAX];
};

static void old_release(struct old *o)
{
	spot_release(&o->at);
}
#define _cleanup_old_ _cleanup_(old_release)

/* What step k took away, where it is now: st_mode 0: it is no longer there. */
static int old_find(struct replay *r, size_t k, struct old *ret)
{
	const struct step *s = &r->j->steps[k];
	char path[PATH_MAX];
	struct stat nothing = { 0 };
	int x = replay_forward(r->j, k, s->old == OLD_A ? s->a : s->b, path);

	ret->was = s->old == OLD_A ? &s->at_b : &s->at_a;
	journal_kept_name(s->kept, true, ret->name);
	ret->dir = s->old == OLD_A ? s->dir_a : s->dir_b;
	if (x == 0)
		x = spot_find(r, path, ret->dir, &ret->at);
	/* path is not ours to keep. */
	ret->at.name = strrchr(s->old == OLD_A ? s->a : s->b, '/') + 1;
	if (x == -ENOENT || x == -ENOTDIR || x == -ESTALE) {
		ret->at.st = nothing;
		x = 0;
	}
	return x;
}

static uint64_t mount_of(int fd)
{
	struct statx sx;

	return sys_statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &sx) == 0 && (sx.stx_mask & STATX_MNT_ID) ? sx.stx_mnt_id : 0;
}

static bool in_entrys_mount(struct replay *r, const struct old *o)
{
	struct stat entry;

	if (!r->entry_mount && sys_fstat(r->j->dir_fd, &entry) == 0) {
		r->entry_mount = mount_of(r->j->dir_fd);
		r->entry_dev = entry.st_dev;
	}
	/* Neighbours come one after another. */
	if (r->mounted.ino != o->dir.ino || r->mounted.dev != o->dir.dev) {
		r->mounted = o->dir;
		r->mount = mount_of(o->at.dir);
	}
	return r->mount && r->mount == r->entry_mount && r->entry_dev == o->was->st_dev;
}

/* A directory's ".." changes with its place, which who may not write into it may not do. */
static bool can_be_moved(struct replay *r, const struct old *o)
{
	/* Parts of one mount can be different file systems still (btrfs). */
	if (!in_entrys_mount(r, o))
		return false;
	return !S_ISDIR(o->was->st_mode) || geteuid() == 0 || o->was->st_uid == geteuid() || (o->was->st_mode & S_IWOTH);
}

/* The host still has it, and shows how many names it has: it is not kept, and an undo makes it one more. */
static bool has_other_name(const struct replay *r, const struct old *o)
{
	return o->at.st.st_nlink > 1 && replay_other_name(r->j, &o->at.st);
}

/* What the host still has may be written to later on, or was already: an undo is to link it, and not to bring the copy back. */
static int note_copies(struct replay *r, const struct tree_links *links)
{
	int x = 0;

	for (size_t i = 0; i < links->count && x == 0; i++)
		if (replay_other_name(r->j, &links->seen[i].st))
			x = journal_add_copy(r->j, links->seen[i].path, &links->seen[i].st);
	return x;
}

int replay_prepare(struct replay *r)
{
	struct tree_links links = { 0 };
	bool copied = false;
	int x = 0;

	for (size_t k = 0; k < r->j->nsteps && x == 0; k++) {
		_cleanup_old_ struct old o = { .at = SPOT_NONE };

		if (r->j->steps[k].old == OLD_NONE)
			continue;
		x = old_find(r, k, &o);
		if (x < 0 || !o.at.st.st_mode || has_other_name(r, &o) || can_be_moved(r, &o))
			continue;
		copied = true;
		x = tree_copy(o.at.dir, o.at.name, r->j->dir_fd, o.name, &links, NULL);
		if (x == -EACCES || x == -EPERM) {
			/* We may remove it, but not read it. */
			(void)tree_remove(r->j->dir_fd, o.name);
			trouble(r, r->j->steps[k].a, "it cannot be read, so undo cannot bring it back");
			r->troubles--;
			x = 0;
		}
	}
	if (x == 0)
		x = note_copies(r, &links);
	tree_links_release(&links);
	return x == 0 && copied ? sys_syncfs(r->j->dir_fd) : x;
}

/* -EEXIST: it is there now, or cannot be. */
static int copy_into_entry(struct replay *r, const struct old *o)
{
	char part[JOURNAL_KEPT_MAX + 8];
	struct stat st;
	int x;

	if (sys_fstatat(r->j->dir_fd, o->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return -EEXIST;
	snprintf(part, sizeof part, "%s.part", o->name);
	x = tree_remove(r->j->dir_fd, part);
	if (x == 0)
		x = tree_copy(o->at.dir, o->at.name, r->j->dir_fd, part, NULL, NULL);
	if (x == -EACCES || x == -EPERM) {
		(void)tree_remove(r->j->dir_fd, part);
		return -EEXIST;
	}
	if (x == 0)
		x = sys_renameat2(r->j->dir_fd, part, r->j->dir_fd, o->name, 0);
	/* What it was copied from is removed next. */
	if (x == 0)
		x = sys_syncfs(r->j->dir_fd);
	return x < 0 ? x : -EEXIST;
}

/* A path at which the host has the same file when all is done. */
const char *replay_other_name(const struct journal *j, const struct stat *st)
{
	if (S_ISDIR(st->st_mode))
		return NULL;
	for (size_t i = 0; i < j->after.count; i++)
		if (is_same(&j->after.list[i].st, st))
			return j->after.list[i].path;
	for (size_t i = 0; i < j->names.count; i++)
		if (is_same(&j->names.list[i].st, st))
			return j->names.list[i].path;
	return NULL;
}

/* One thing that was taken away, into the entry. */
static int finish_old(struct replay *r, size_t k)
{
	_cleanup_old_ struct old o = { .at = SPOT_NONE };
	int x = old_find(r, k, &o);

	if (x < 0 || !o.at.st.st_mode)
		return x;
	if (!is_same(&o.at.st, o.was)) {
		trouble(r, r->j->steps[k].a, "what was there before could not be kept");
		return 0;
	}
	if (has_other_name(r, &o))
		return sys_unlinkat(o.at.dir, o.at.name, 0);
	x = host_move(o.at.dir, o.at.name, r->j->dir_fd, o.name);
	if (x == -EXDEV || x == -EACCES || x == -EPERM)
		x = copy_into_entry(r, &o);
	/* It was copied, now or before, or could not be read. */
	return x == -EEXIST ? tree_remove(o.at.dir, o.at.name) : x;
}

int replay_finish(struct replay *r)
{
	int x = unlock_done(r, true);

	for (size_t k = 0; k < r->j->nsteps && x >= 0; k++)
		if (r->j->steps[k].old != OLD_NONE)
			x = finish_old(r, k);
	for (size_t k = 0; k < r->j->nsteps && x >= 0; k++) {
		char path[PATH_MAX];

		if (r->j->steps[k].given && replay_given(r->j, k, path) == 0)
			x = give_strip(r->host, path, r->j->steps[k].at_a.st_mode);
	}
	for (size_t i = 0; i < r->j->times.count && x >= 0; i++)
		x = set_times(r, &r->j->times.list[i], false);
	if (x >= 0)
		x = unlock_done(r, false);
	return x < 0 ? x : sync_steps(r, true);
}
