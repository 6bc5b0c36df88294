/* host_spot.c - where the names of a journal's steps are by now, and what is told of them. */
#include "host_spot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "apply.h"
#include "base/fd.h"
#include "base/inode_set.h"
#include "base/path.h"
#include "base/stat.h"
#include "base/sys.h"

void replay_trouble(struct replay *r, const char *path, const char *what)
{
	char text[2 * PATH_MAX], shown[PATH_MAX];

	r->troubles++;
	if (!r->tell)
		return;
	path_printable(path, shown, sizeof shown);
	snprintf(text, sizeof text, "%s: %s", shown, what);
	r->tell(r->ctx, text);
}

const char *replay_shown(const struct journal *j, const struct step *s)
{
	const char *temp;

	if (!journal_is_temp_path(j, s->a))
		return s->kind != STEP_RENAME || journal_is_temp_path(j, s->b) || !s->at_b.st_mode ? s->a : s->b;
	if (s->kind == STEP_RENAME && !journal_is_temp_path(j, s->b))
		return s->b;
	/* Another step gave it a name, or took that. */
	temp = strrchr(s->a, '/');
	for (size_t k = 0; k < j->nsteps; k++) {
		const struct step *o = &j->steps[k];

		if (o->kind != STEP_RENAME)
			continue;
		if (strcmp(strrchr(o->a, '/'), temp) == 0 && !journal_is_temp_path(j, o->b))
			return o->b;
		if (strcmp(strrchr(o->b, '/'), temp) == 0 && !journal_is_temp_path(j, o->a))
			return o->a;
	}
	return s->a;
}

/* ---- names ---- */

void host_spot_release(struct host_spot *s)
{
	door_close(&s->door);
	fd_closep(&s->dir);
}

int host_spot_find(struct replay *r, const char *path, struct ident dir, struct host_spot *ret)
{
	int fd, e;

	/* A directory may be a copy, too. */
	if (!r->alike)
		host_pin(r->host, path, dir);
	e = host_parent(r->host, path, &fd, &ret->name);
	host_unpin(r->host);
	if (e == 0)
		e = host_ident(r->host, fd, &ret->in);
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

bool host_spot_is_same(const struct stat *now, const struct stat *was)
{
	return now->st_mode && was->st_mode && now->st_ino == was->st_ino && now->st_dev == was->st_dev &&
	       (now->st_mode & S_IFMT) == (was->st_mode & S_IFMT);
}

bool replay_is_alike(const struct stat *now, const struct stat *was)
{
	if (!now->st_mode || now->st_mode != was->st_mode || now->st_rdev != was->st_rdev || now->st_uid != was->st_uid ||
	    now->st_gid != was->st_gid)
		return false;
	return !S_ISREG(now->st_mode) || stat_same_content(now, was);
}

bool path_take(struct inode_set *names, const char *path)
{
	XXH128_hash_t h = XXH3_128bits(path, strlen(path));

	return !inode_set_has(names, h.high64, h.low64 | 1) && inode_set_add(names, h.high64, h.low64 | 1) == 0;
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

int replay_forward_to(const struct journal *j, size_t k, size_t end, const char *path, char ret[static PATH_MAX])
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
	return replay_forward_to(j, k, j->nsteps, path, ret);
}

/* ---- modes and times ---- */

int replay_give_mode(struct replay *r, const char *path, const struct stat *want, mode_t mode)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	int x = host_open(r->host, path, O_PATH | O_DIRECTORY, &fd);

	if (x == 0)
		x = sys_fstat(fd, &st);
	if (x == 0 && host_spot_is_same(&st, want) && st.st_uid == geteuid() && (st.st_mode & 07777) != (mode & 07777))
		x = sys_chmod_fd(fd, mode & 07777);
	return error_is_hard(x) ? x : 0;
}

int replay_set_times(struct replay *r, const struct place *p, bool atime)
{
	const struct timespec times[2] = { atime ? p->st.st_atim : (struct timespec){ .tv_nsec = UTIME_OMIT }, p->st.st_mtim };
	_cleanup_close_ int fd = -1;
	struct stat st;
	int x = host_open(r->host, p->path, O_PATH | O_DIRECTORY, &fd);

	if (x == 0)
		x = sys_fstat(fd, &st);
	if (x == 0 && host_spot_is_same(&st, &p->st))
		x = sys_utimensat(fd, "", times, AT_EMPTY_PATH);
	/* Somebody was killed with its door open. */
	if (x == 0 && host_spot_is_same(&st, &p->st) && st.st_mode != p->st.st_mode && st.st_mode == (p->st.st_mode | S_IRWXU) &&
	    st.st_uid == geteuid())
		x = sys_chmod_fd(fd, p->st.st_mode & 07777);
	/* One that is not ours keeps the time of the commit. */
	return error_is_hard(x) ? x : 0;
}

/* ---- the disk ---- */

static int sync_one(struct replay *r, uint64_t dev, const char *dir, struct inode_set *synced)
{
	if (!dev || inode_set_has(synced, dev, 1))
		return 0;
	return inode_set_add(synced, dev, 1) < 0 ? -ENOMEM : host_sync(r->host, dir);
}

static int sync_parent(struct replay *r, struct ident dir, const char *path, struct inode_set *synced)
{
	char parent[PATH_MAX];

	return path_split(path, parent, sizeof parent) ? sync_one(r, dir.dev, parent, synced) : 0;
}

int replay_sync_step(struct replay *r, const struct step *s, struct inode_set *synced)
{
	int x = sync_parent(r, s->dir_a, s->a, synced);

	if (x == 0 && s->b)
		x = sync_parent(r, s->dir_b, s->b, synced);
	/* The root of a mount is of another than its name is. */
	if (x == 0 && s->kind == STEP_META && S_ISDIR(s->at_a.st_mode))
		x = sync_one(r, s->at_a.st_dev, s->a, synced);
	return x;
}

/* Each file system that steps were made on, or those that had something taken away; nothing else is told that it is safe before. */
int replay_sync_steps(struct replay *r, bool olds)
{
	struct inode_set synced = { 0 };
	int x = 0;

	for (size_t k = 0; k < r->j->nsteps && x == 0; k++) {
		const struct step *s = &r->j->steps[k];

		if (olds && s->old == OLD_NONE)
			continue;
		x = replay_sync_step(r, s, &synced);
	}
	inode_set_release(&synced);
	return x;
}

int replay_sync(struct replay *r)
{
	return replay_sync_steps(r, false);
}
