/* swap.c - taking names from the host's objects.
 *
 * (S1) A name is taken only from what was judged. The host's programs do not wait for us: what stands at the name is compared right before, and
 *      where the file system can exchange names, what came out of it is compared once more, and put back when it is another.
 * (S2) What belongs to the host and cannot be put back is kept under a name of its own, and named; it is never removed.
 */
#include "apply.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/stat.h"
#include "base/sys.h"

bool swap_still_is(const struct stat *now, const struct stat *seen)
{
	if (now->st_dev != seen->st_dev || now->st_ino != seen->st_ino || (now->st_mode & S_IFMT) != (seen->st_mode & S_IFMT))
		return false;
	return S_ISDIR(now->st_mode) || (now->st_mode == seen->st_mode && now->st_uid == seen->st_uid &&
	                                 now->st_gid == seen->st_gid && stat_same_content(now, seen));
}

int swap_refuse(struct apply *a, size_t i)
{
	why(item(a, i), COMMIT_CONFLICT, "the host's was changed just now");
	return -ESTALE;
}

int swap_check(struct apply *a, size_t i, int dir, const char *name, const struct stat *seen)
{
	struct stat now;
	int r = sys_fstatat(dir, name, &now, AT_SYMLINK_NOFOLLOW);

	if (r == -ENOENT)
		return seen->st_mode ? swap_refuse(a, i) : 0;
	if (r < 0)
		return r;
	if (!swap_still_is(&now, seen) || (!S_ISDIR(now.st_mode) && !time_same(&now.st_ctim, &seen->st_ctim)))
		return swap_refuse(a, i);
	return 0;
}

/* ---- what cannot be put back (S2) ---- */

static int keep(struct apply *a, size_t i, int dir, const char *temp, const char *path)
{
	char name[48], where[PATH_MAX];

	place_kept_name(a, name);
	if (sys_renameat2(dir, temp, dir, name, RENAME_NOREPLACE) < 0)
		strcpy(name, temp);
	path_split(path, where, sizeof where);
	why(item(a, i), item(a, i)->verdict, "the host's was changed just now, and what it wrote is at %.60s/%s", where, name);
	a->said = true;
	return -EBUSY;
}

/* The exchange is undone: the host's object has its name again. */
static int swap_back(struct apply *a, size_t i, int dir, const char *temp, const char *name, const char *path)
{
	const struct stat *box = &item(a, i)->change->box;
	struct stat ours;
	int r = sys_renameat2(dir, temp, dir, name, RENAME_EXCHANGE);

	/* Somebody may have written to our file for the moment that it was there. */
	if (r == 0 && S_ISREG(box->st_mode))
		r = sys_fstatat(dir, temp, &ours, AT_SYMLINK_NOFOLLOW);
	if (r == 0 && S_ISREG(box->st_mode) && !stat_same_content(&ours, box))
		r = -ESTALE;
	return r < 0 ? keep(a, i, dir, temp, path) : swap_refuse(a, i);
}

/* ---- directories in the way ---- */

static int doomed_reserve(struct apply *a)
{
	struct doomed *all = realloc(a->doomed, (a->ndoomed + 1) * sizeof *all);

	if (!all)
		return -ENOMEM;
	a->doomed = all;
	a->doomed[a->ndoomed] = (struct doomed){ 0 };
	return 0;
}

int swap_aside(struct apply *a, size_t i, const char *path, const char *temp, const struct stat *judged, bool moved)
{
	char aside[PATH_MAX], parent[PATH_MAX];
	struct doomed d = { .item = i, .what = ident_of(judged) };
	const char *name;
	int dir, r = doomed_reserve(a);

	if (r < 0)
		return r;
	if (!path_split(path, parent, sizeof parent) || path_join(aside, sizeof aside, parent, temp) < 0)
		return -ENAMETOOLONG;
	d.host = strdup(aside);
	d.was = strdup(item(a, i)->change->path);
	r = d.host && d.was ? host_parent(&a->p->host, path, &dir, &name) : -ENOMEM;
	if (r == 0 && !moved)
		r = sys_renameat2(dir, name, dir, temp, RENAME_NOREPLACE);
	if (r < 0) {
		free(d.host);
		free(d.was);
		return r;
	}
	d.since = a->nmoves + 1;
	a->doomed[a->ndoomed++] = d;
	return apply_note_move(a, path, aside, false);
}

int swap_park(struct apply *a, size_t i, const char *path)
{
	struct doomed d = { .item = i, .since = a->nmoves, .awaited = true };
	int r = doomed_reserve(a);

	if (r < 0)
		return r;
	d.host = strdup(path);
	d.was = strdup(item(a, i)->change->from);
	if (!d.host || !d.was) {
		free(d.host);
		free(d.was);
		return -ENOMEM;
	}
	a->doomed[a->ndoomed++] = d;
	return 0;
}

/* ---- the finished temporary gets its name ---- */

static int put_first(struct apply *a, size_t i, int dir, const char *temp, const char *name)
{
	int r = sys_renameat2(dir, temp, dir, name, RENAME_NOREPLACE);

	/* Some file systems know no flags. */
	if (r == -EINVAL) {
		static const struct stat nothing;

		r = swap_check(a, i, dir, name, &nothing);
		return r < 0 ? r : sys_renameat2(dir, temp, dir, name, 0);
	}
	return r == -EEXIST ? swap_refuse(a, i) : r;
}

/* The host's file has come out of its name, and has no other of our making. */
static int drop_old(struct apply *a, int dir, const char *temp, const char *path, const struct stat *old)
{
	char spare[PATH_MAX], parent[PATH_MAX];

	if (!twins_are_wanted(a, old))
		return sys_unlinkat(dir, temp, 0);
	if (!path_split(path, parent, sizeof parent) || path_join(spare, sizeof spare, parent, temp) < 0)
		return -ENAMETOOLONG;
	return twins_spare(a, old, spare);
}

int swap_put(struct apply *a, size_t i, int dir, const char *temp, const char *name, const char *path, const struct stat *judged)
{
	bool dirs = S_ISDIR(judged->st_mode) || S_ISDIR(item(a, i)->change->box.st_mode);
	struct stat out, now = *judged;
	const struct stat *seen = &now;
	int r;

	if (!seen->st_mode)
		return put_first(a, i, dir, temp, name);
	r = twins_settle(a, i, path, &now);
	if (r == 0)
		r = swap_check(a, i, dir, name, seen);
	/* One name less: the change time of its others moves. */
	if (r == 0 && !S_ISDIR(seen->st_mode) && seen->st_nlink > 1)
		r = apply_touch(a, seen);
	if (r == 0 && dirs)
		r = doomed_reserve(a);
	if (r < 0)
		return r;
	r = sys_renameat2(dir, temp, dir, name, RENAME_EXCHANGE);
	if (r == -EINVAL && !dirs)
		return sys_renameat2(dir, temp, dir, name, 0);
	if (r < 0)
		return r == -ENOENT ? swap_refuse(a, i) : r;
	r = sys_fstatat(dir, temp, &out, AT_SYMLINK_NOFOLLOW);
	if (r < 0 || !swap_still_is(&out, seen))
		return swap_back(a, i, dir, temp, name, path);
	return dirs ? swap_aside(a, i, path, temp, &out, true) : drop_old(a, dir, temp, path, &out);
}

/* ---- a name on the host gets another place ---- */

struct ends {
	int from, to; /* from: of our own */
	const char *from_name, *to_name;
};

static int find_ends(struct apply *a, const char *src, const char *dst, struct ends *e)
{
	int fd, r = host_parent(&a->p->host, src, &fd, &e->from_name);

	if (r < 0)
		return r;
	e->from = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (e->from < 0)
		return -errno;
	return host_parent(&a->p->host, dst, &e->to, &e->to_name);
}

static bool is_at(int dir, const char *name, const struct stat *seen)
{
	struct stat now;

	return sys_fstatat(dir, name, &now, AT_SYMLINK_NOFOLLOW) == 0 && swap_still_is(&now, seen);
}

static int move_first(struct apply *a, size_t i, const struct ends *e, const struct stat *there)
{
	int r = sys_renameat2(e->from, e->from_name, e->to, e->to_name, RENAME_NOREPLACE);

	if (r == -EINVAL) {
		static const struct stat nothing;

		r = swap_check(a, i, e->to, e->to_name, &nothing);
		return r < 0 ? r : sys_renameat2(e->from, e->from_name, e->to, e->to_name, 0);
	}
	if (r < 0)
		return r == -EEXIST || r == -ENOENT ? swap_refuse(a, i) : r;
	if (is_at(e->to, e->to_name, there))
		return 0;
	/* Not what was judged: it goes back, unless the old name is taken again. */
	r = sys_renameat2(e->to, e->to_name, e->from, e->from_name, RENAME_NOREPLACE);
	return r < 0 ? r : swap_refuse(a, i);
}

static int move_exchange(struct apply *a, size_t i, const struct ends *e, const struct stat *there, const struct stat *in_way)
{
	int r = sys_renameat2(e->from, e->from_name, e->to, e->to_name, RENAME_EXCHANGE);

	if (r < 0)
		return r == -ENOENT ? swap_refuse(a, i) : r;
	if (is_at(e->to, e->to_name, there) && is_at(e->from, e->from_name, in_way))
		return 0;
	r = sys_renameat2(e->from, e->from_name, e->to, e->to_name, RENAME_EXCHANGE);
	return r < 0 ? r : swap_refuse(a, i);
}

/* A file in the way is gone when it is exchanged with what replaces it, and its new name removed. */
static int move_over(struct apply *a, size_t i, const struct ends *e, const struct stat *there, const struct stat *in_way,
                     const char *src)
{
	char temp[48];
	int r = move_exchange(a, i, e, there, in_way);

	if (r == -EINVAL) {
		r = swap_check(a, i, e->to, e->to_name, in_way);
		return r < 0 ? r : sys_renameat2(e->from, e->from_name, e->to, e->to_name, 0);
	}
	if (r < 0 || !twins_are_wanted(a, in_way))
		return r < 0 ? r : sys_unlinkat(e->from, e->from_name, 0);
	place_temp_name(a, temp);
	r = sys_renameat2(e->from, e->from_name, e->from, temp, RENAME_NOREPLACE);
	return r < 0 ? r : drop_old(a, e->from, temp, src, in_way);
}

int swap_move(struct apply *a, size_t i, const char *src, const struct stat *there, const char *dst, const struct stat *judged,
              bool replace)
{
	_cleanup_close_ int from = -1;
	struct ends e = { .from = -1 };
	struct stat now = *judged;
	const struct stat *in_way = &now;
	int r = replace ? twins_settle(a, i, dst, &now) : 0;

	if (r == 0)
		r = find_ends(a, src, dst, &e);
	from = e.from;
	if (r == 0)
		r = swap_check(a, i, e.from, e.from_name, there);
	if (r == 0 && in_way->st_mode)
		r = swap_check(a, i, e.to, e.to_name, in_way);
	if (r < 0)
		return r;
	r = !in_way->st_mode ? move_first(a, i, &e, there)
	    : replace        ? move_over(a, i, &e, there, in_way, src)
	                     : move_exchange(a, i, &e, there, in_way);
	return r < 0 ? r : apply_note_move(a, src, dst, in_way->st_mode && !replace);
}

/* ---- a name is removed ---- */

int swap_remove(struct apply *a, size_t i, const char *path, const struct stat *judged)
{
	struct stat out, now = *judged;
	const struct stat *seen = &now;
	const char *name;
	char temp[48];
	int dir, r = twins_settle(a, i, path, &now);

	if (r == 0)
		r = host_parent(&a->p->host, path, &dir, &name);
	if (r < 0)
		return r;
	/* Only an empty one goes. */
	if (S_ISDIR(seen->st_mode))
		return sys_unlinkat(dir, name, AT_REMOVEDIR);
	r = swap_check(a, i, dir, name, seen);
	/* One name less: the change time of its others moves. */
	if (r == 0 && seen->st_nlink > 1)
		r = apply_touch(a, seen);
	if (r < 0)
		return r;
	place_temp_name(a, temp);
	/* Where that is not possible (a full disk, a file system that knows no flags), what was compared just now has to do. */
	r = sys_renameat2(dir, name, dir, temp, RENAME_NOREPLACE);
	if (r == -ENOENT)
		return swap_refuse(a, i);
	if (r < 0)
		return sys_unlinkat(dir, name, 0);
	r = sys_fstatat(dir, temp, &out, AT_SYMLINK_NOFOLLOW);
	if (r == 0 && swap_still_is(&out, seen))
		return sys_unlinkat(dir, temp, 0);
	r = sys_renameat2(dir, temp, dir, name, RENAME_NOREPLACE);
	return r < 0 ? keep(a, i, dir, temp, path) : swap_refuse(a, i);
}
