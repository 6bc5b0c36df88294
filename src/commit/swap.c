/* swap.c - taking names from the host's objects.
 *
 * (S1) A name is taken only from what was judged. The host's programs do not wait for us: what stands at the name is compared right before, and
 *      where the file system can exchange names, what came out of it is compared once more, and put back when it is another.
 * (S2) What belongs to the host is never removed here: it gets a temporary name, which the journal tells of, and goes from there into the history.
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
	/* A new name that we gave it has moved the time. */
	if (!swap_still_is(&now, seen) || (!S_ISDIR(now.st_mode) && !time_same(&now.st_ctim, &seen->st_ctim) && !apply_touched(a, &now)))
		return swap_refuse(a, i);
	return 0;
}

/* What came out of a name is not what was judged, and goes back. Where somebody has written to ours for the moment that it was there, or the names
 * cannot be exchanged again, the step stays in the journal, and taking that back sees to it (S2). */
static int swap_back(struct apply *a, size_t i, const struct host_name *ours, const struct host_name *name)
{
	const struct stat *box = &item(a, i)->change->box;
	struct stat st;

	if (S_ISREG(box->st_mode) && sys_fstatat(name->dir, name->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && !stat_same_content(&st, box))
		return swap_refuse(a, i);
	(void)act_exchange_back(a, ours, name);
	return swap_refuse(a, i);
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
		r = act_rename(a, i, &(struct host_name){ dir, name, path }, &(struct host_name){ dir, temp, path }, judged, NULL, RENAME_NOREPLACE,
		               OLD_B);
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

/* Where nothing is; for file systems that know no flags nothing was seen just now. */
static int rename_first(struct apply *a, size_t i, const struct host_name *from, const struct host_name *to, const struct stat *there, enum step_old old)
{
	static const struct stat nothing;
	int r = act_rename(a, i, from, to, there, NULL, RENAME_NOREPLACE, old);

	if (r != -EINVAL)
		return r;
	r = a->making == MAKING_NONE ? journal_cancel_step(a->j) : 0;
	if (r == 0)
		r = swap_check(a, i, to->dir, to->name, &nothing);
	return r < 0 ? r : act_rename(a, i, from, to, there, NULL, 0, old);
}

/* The host's file has come out of its name. One that others are to become names of is found where it is now. */
static int keep_spare(struct apply *a, const struct host_name *temp, const struct stat *old)
{
	char spare[PATH_MAX], parent[PATH_MAX];

	if (!twins_are_wanted(a, old))
		return 0;
	if (!path_split(temp->path, parent, sizeof parent) || path_join(spare, sizeof spare, parent, temp->name) < 0)
		return -ENAMETOOLONG;
	return twins_spare(a, old, spare);
}

int swap_put(struct apply *a, size_t i, int dir, const char *temp, const struct stat *ours, const char *name, const char *path,
             const struct stat *judged)
{
	bool dirs = S_ISDIR(judged->st_mode) || S_ISDIR(item(a, i)->change->box.st_mode);
	const struct host_name from = { dir, temp, path }, to = { dir, name, path };
	struct stat out, now = *judged;
	const struct stat *seen = &now;
	int r = later_put(a, i, temp, ours, path, judged);

	if (r != 0)
		return r < 0 ? r : 0;
	if (!seen->st_mode) {
		r = rename_first(a, i, &from, &to, ours, OLD_NONE);
		return r == -EEXIST ? swap_refuse(a, i) : r;
	}
	if (r == 0)
		r = twins_settle(a, i, path, &now);
	if (r == 0)
		r = swap_check(a, i, dir, name, seen);
	/* The change time of its other names moves. */
	if (r == 0 && !S_ISDIR(seen->st_mode) && seen->st_nlink > 1)
		r = apply_touch(a, seen);
	if (r == 0 && dirs)
		r = doomed_reserve(a);
	if (r == 0)
		r = act_rename(a, i, &from, &to, ours, seen, RENAME_EXCHANGE, OLD_A);
	if (r < 0)
		return r == -ENOENT ? swap_refuse(a, i) : r;
	r = sys_fstatat(dir, temp, &out, AT_SYMLINK_NOFOLLOW);
	if (r < 0 || !swap_still_is(&out, seen))
		return swap_back(a, i, &from, &to);
	return dirs ? swap_aside(a, i, path, temp, &out, true) : keep_spare(a, &from, &out);
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

static int move_first(struct apply *a, size_t i, const struct host_name *from, const struct host_name *to, const struct stat *there)
{
	int r = rename_first(a, i, from, to, there, OLD_NONE);

	if (r < 0)
		return r == -EEXIST || r == -ENOENT ? swap_refuse(a, i) : r;
	/* Not what was judged: it goes back when all steps are taken back, unless the old name is taken again. */
	return is_at(to->dir, to->name, there) ? 0 : swap_refuse(a, i);
}

static int move_exchange(struct apply *a, size_t i, const struct host_name *from, const struct host_name *to, const struct stat *there,
                         const struct stat *in_way)
{
	int r = act_rename(a, i, from, to, there, in_way, RENAME_EXCHANGE, OLD_NONE);

	if (r < 0)
		return r == -ENOENT ? swap_refuse(a, i) : r;
	if (is_at(to->dir, to->name, there) && is_at(from->dir, from->name, in_way))
		return 0;
	(void)act_exchange_back(a, from, to);
	return swap_refuse(a, i);
}

/* A file in the way is exchanged with what replaces it, and then taken from its new name. */
static int move_over(struct apply *a, size_t i, const struct host_name *from, const struct host_name *to, const struct stat *there,
                     const struct stat *in_way)
{
	char temp[JOURNAL_TEMP_MAX];
	struct host_name aside = { from->dir, temp, from->path };
	int r = move_exchange(a, i, from, to, there, in_way);

	if (r < 0)
		return r;
	journal_temp_name(a->j, temp);
	r = rename_first(a, i, from, &aside, in_way, OLD_B);
	return r < 0 ? r : keep_spare(a, &aside, in_way);
}

int swap_move(struct apply *a, size_t i, const char *src, const struct stat *there, const char *dst, const struct stat *judged,
              bool replace)
{
	_cleanup_close_ int from = -1;
	struct ends e = { .from = -1 };
	struct host_name ends[2];
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
	ends[0] = (struct host_name){ e.from, e.from_name, src };
	ends[1] = (struct host_name){ e.to, e.to_name, dst };
	r = !in_way->st_mode ? move_first(a, i, &ends[0], &ends[1], there)
	    : replace        ? move_over(a, i, &ends[0], &ends[1], there, in_way)
	                     : move_exchange(a, i, &ends[0], &ends[1], there, in_way);
	return r < 0 ? r : apply_note_move(a, src, dst, in_way->st_mode && !replace);
}

/* ---- a name is removed ---- */

/* It is taken from the name, and looked at again there. */
static int take(struct apply *a, size_t i, const struct host_name *at, const struct stat *seen, struct host_name *temp)
{
	struct stat out;
	int r;

	r = rename_first(a, i, at, temp, seen, OLD_B);
	if (r < 0)
		return r == -ENOENT ? swap_refuse(a, i) : r;
	r = sys_fstatat(temp->dir, temp->name, &out, AT_SYMLINK_NOFOLLOW);
	if (r == 0 && swap_still_is(&out, seen))
		return 0;
	/* Not what was judged: it goes back when all steps are taken back. */
	return swap_refuse(a, i);
}

int swap_remove(struct apply *a, size_t i, const char *path, const struct stat *judged, char ret_temp[static JOURNAL_TEMP_MAX])
{
	int r;

	journal_temp_name(a->j, ret_temp);
	r = later_take(a, i, path, ret_temp, judged);
	if (r != 0)
		return r < 0 ? r : 0;
	return swap_take(a, i, path, judged, ret_temp);
}

int swap_take(struct apply *a, size_t i, const char *path, const struct stat *judged, char temp_name[static JOURNAL_TEMP_MAX])
{
	struct stat now = *judged;
	const struct stat *seen = &now;
	struct host_name at = { .path = path }, temp = { .name = temp_name, .path = path };
	int r = twins_settle(a, i, path, &now);

	if (r == 0)
		r = host_parent(&a->p->host, path, &at.dir, &at.name);
	if (r == 0)
		r = swap_check(a, i, at.dir, at.name, seen);
	/* The change time of its other names moves. */
	if (r == 0 && !S_ISDIR(seen->st_mode) && seen->st_nlink > 1)
		r = apply_touch(a, seen);
	if (r < 0)
		return r;
	temp.dir = at.dir;
	return take(a, i, &at, seen, &temp);
}
