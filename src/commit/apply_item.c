/* apply_item.c - carries out one item of a plan.
 *
 * (A1) An item is looked at again right before it is touched: where the host is no longer as it was judged, it is left.
 * (A4) Who owns a directory of the host may exchange what is in it at any moment, and root commits for them. So a name is no more than a place to
 *      look: what gets metadata or content is opened first, and compared with what (A1) saw; and what a new name is made in is the directory that
 *      was judged, or that this commit has put there.
 */
#include "apply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/stat.h"
#include "base/sys.h"

/* ---- looking again (A1) ---- */

/* True when the host's object is the one that was judged, or has been changed by this commit only. */
static bool as_judged(struct apply *a, const struct stat *judged, const struct stat *now)
{
	if (!now->st_mode || !judged->st_mode)
		return !now->st_mode && !judged->st_mode;
	if (S_ISDIR(now->st_mode))
		return now->st_dev == judged->st_dev && now->st_ino == judged->st_ino;
	return now->st_dev == judged->st_dev && now->st_ino == judged->st_ino && (stat_same(now, judged) || apply_touched(a, now));
}

/* True when this commit has moved away what was at the path, or put something there by a swap. */
static bool moved_here(const struct apply *a, const char *path)
{
	for (size_t k = 0; k < a->nmoves; k++)
		if (path_below(path, a->moves[k].from, NULL) || path_below(path, a->moves[k].to, NULL))
			return true;
	return false;
}

/* What is at the path must be what was judged; where this commit has moved things, what it has put there, or nothing. */
static int look_again(struct apply *a, size_t i, const char *path, const struct stat *judged, struct stat *ret_now)
{
	int r = host_stat(&a->p->host, path, ret_now);

	if (r < 0)
		return r;
	if (as_judged(a, judged, ret_now))
		return 0;
	if (a->nmoves && (!ret_now->st_mode || apply_touched(a, ret_now)) && moved_here(a, path))
		return 0;
	return swap_refuse(a, i);
}

/* ---- one item ---- */

/* A directory above the item was to be renamed with what is in it, and could not: then the item is not put in its old place either, since all that
 * was judged held for the new one. */
static bool carrier_failed(struct apply *a, size_t i)
{
	for (size_t k = a->p->above[i]; k != NO_ITEM; k = a->p->above[k])
		if (item_is_dir_rename(item(a, k)) && item(a, k)->code < 0)
			return true;
	return false;
}

/* Directories above the item that come with it. */
static int ensure_parents(struct apply *a, const char *view)
{
	size_t k = plan_above(a->p, view);

	if (k == NO_ITEM || !item_planned(item(a, k)) || item(a, k)->outcome != COMMIT_UNTRIED || a->busy[k])
		return 0;
	return item_makes_dir(item(a, k)) || item_is_dir_rename(item(a, k)) ? apply_item(a, k)
	                                                                    : ensure_parents(a, item(a, k)->change->path);
}

/* The directory that holds the item's place is the one that was judged, or what this commit has made or moved there since (A4). */
static void pin_parent(struct apply *a, size_t i, const char *path)
{
	char dir[PATH_MAX];
	size_t k = path_split(item(a, i)->change->path, dir, sizeof dir) ? plan_find(a->p, dir) : NO_ITEM;

	host_pin(&a->p->host, path, k != NO_ITEM && a->held[k].ino ? a->held[k] : a->p->dirs[i]);
}

/* The box has made, taken or moved a name in a directory that it made writable, and, perhaps, not so again: for the time of the item it is writable
 * here too. What has its name already is written in place there. */
static int unlock(struct apply *a, int dir)
{
	struct item_doors *d = a->doors;

	if (d->count == sizeof d->door / sizeof d->door[0])
		return 0;
	d->dir[d->count] = fcntl(dir, F_DUPFD_CLOEXEC, 3);
	if (d->dir[d->count] < 0)
		return -errno;
	door_open(&d->door[d->count], d->dir[d->count]);
	d->count++;
	return 0;
}

static void lock_again(struct item_doors *d)
{
	for (; d->count > 0; d->count--) {
		door_close(&d->door[d->count - 1]);
		fd_closep(&d->dir[d->count - 1]);
	}
}

/* names: some come or go there. seen: what is there, and leaves; NULL: what is there is pinned. */
static int enter_parent(struct apply *a, const char *view, const char *host, bool names, const struct stat *seen)
{
	char view_dir[PATH_MAX];
	struct stat dir, st;
	const char *name;
	int fd, r = host_parent(&a->p->host, host, &fd, &name);

	if (r == 0)
		r = sys_fstat(fd, &dir);
	if (r < 0)
		return r;
	if (names)
		r = unlock(a, fd);
	if (r < 0)
		return r;
	if (seen && seen->st_mode && (sys_fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !swap_still_is(&st, seen)))
		return -ESTALE;
	return path_split(view, view_dir, sizeof view_dir) ? apply_enter(a, view_dir, &dir) : -ENAMETOOLONG;
}

struct awaited {
	struct apply *a;
	const char *path;
	size_t found;
};

static bool awaits(const struct plan *p, size_t i, void *ctx)
{
	const struct commit_item *it = &p->p.items[i];
	struct awaited *w = ctx;
	char now[PATH_MAX];

	if (it->outcome == COMMIT_UNTRIED && item_planned(it) && apply_forward(w->a, it->change->from, now) == 0 &&
	    strcmp(now, w->path) == 0)
		w->found = i;
	return w->found == NO_ITEM;
}

/* The rename still to come that takes what is at the host path, which is st, or NO_ITEM. */
static size_t awaited_by(struct apply *a, const char *path, const struct stat *st)
{
	struct awaited w = { .a = a, .path = path, .found = NO_ITEM };

	if (st->st_mode)
		plan_renames_of(a->p, st, awaits, &w);
	return w.found;
}

static int make_directory(struct apply *a, size_t i, const char *path, const struct stat *now)
{
	int r;

	/* Its entries are changes of their own. */
	if (S_ISDIR(now->st_mode) && awaited_by(a, path, now) == NO_ITEM) {
		a->held[i] = ident_of(now);
		return 0;
	}
	r = enter_parent(a, item(a, i)->change->path, path, true, NULL);
	if (r == 0 && !now->st_mode) {
		r = give_object(a, i, path);
		if (r == 1)
			return 0;
	}
	return r < 0 ? r : place_object(a, i, path, now);
}

/* Another name of it was put on the host as a new object: the name where that had been was wanted by something else. */
static bool has_new_twin(struct apply *a, size_t i, const struct stat *now)
{
	_cleanup_close_ int box = -1;
	char twin[PATH_MAX];
	struct stat layer, known;

	return changes_open(a->p->p.ov, item(a, i)->change, &box) == 0 && sys_fstat(box, &layer) == 0 && layer.st_nlink > 1 &&
	       twins_find(a, &layer, twin, &known) == 0 && (known.st_dev != now->st_dev || known.st_ino != now->st_ino);
}

/* The same bytes in a file of its own must not share the host's inode with that file's other names, nor the same text in a symlink; and one that is one
 * with another name's is to be that one. */
static bool is_another_object(struct apply *a, size_t i, const struct stat *now)
{
	const struct stat *box = &item(a, i)->change->box;

	if (S_ISREG(box->st_mode))
		return now->st_nlink > 1 && !twins_is_copy_of(a, i, now);
	if (box->st_nlink > 1 && has_new_twin(a, i, now))
		return true;
	return (box->st_nlink > 1 || now->st_nlink > 1) && (box->st_dev != now->st_dev || box->st_ino != now->st_ino);
}

static int apply_present(struct apply *a, size_t i)
{
	const struct change *ch = item(a, i)->change;
	char path[PATH_MAX];
	struct stat now;
	bool another;
	int r = apply_where(a, i, path);

	if (r < 0)
		return r;
	pin_parent(a, i, path);
	r = look_again(a, i, path, &a->p->now[i], &now);
	if (r < 0)
		return r;
	if (S_ISDIR(ch->box.st_mode) && ch->kind == CHANGE_META)
		a->held[i] = ident_of(&now);
	if (S_ISDIR(ch->box.st_mode))
		return ch->kind == CHANGE_META ? 0 : make_directory(a, i, path, &now);
	another = is_another_object(a, i, &now);
	r = enter_parent(a, ch->path, path, another || (ch->kind != CHANGE_MODIFIED && ch->kind != CHANGE_META), NULL);
	if (r < 0)
		return r;
	if ((ch->kind == CHANGE_META || (item(a, i)->keep & COMMIT_KEEP_CONTENT)) && !another)
		return place_metadata(a, i, path, &now);
	if (ch->kind == CHANGE_ADDED && S_ISREG(ch->box.st_mode) && ch->box.st_nlink < 2 && !now.st_mode) {
		r = give_object(a, i, path);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	return place_object(a, i, path, &now);
}

/* What was at the destination of a rename is at its source now: it goes aside unless another rename wants it. parked: the source is no name of
 * the host's, so it must not stay there. */
static int clear_source(struct apply *a, size_t i, const char *src, const struct stat *in_way, bool parked)
{
	size_t other = awaited_by(a, src, in_way);
	char temp[JOURNAL_TEMP_MAX];

	if (other != NO_ITEM)
		return parked ? swap_park(a, other, src) : 0;
	journal_temp_name(a->j, temp);
	return swap_aside(a, i, src, temp, in_way, false);
}

/* What is to take the place of a directory that it is in comes out of it first. */
static int come_out(struct apply *a, size_t i, char src[static PATH_MAX], struct stat *there, const char *dst)
{
	static const struct stat nothing;
	char dir[PATH_MAX], aside[PATH_MAX], temp[JOURNAL_TEMP_MAX];
	int r;

	journal_temp_name(a->j, temp);
	if (!path_split(dst, dir, sizeof dir) || path_join(aside, sizeof aside, dir, temp) < 0)
		return -ENAMETOOLONG;
	r = apply_touch(a, there);
	if (r == 0)
		r = swap_move(a, i, src, there, aside, &nothing, false);
	if (r == 0)
		r = host_stat(&a->p->host, aside, there);
	if (r == 0)
		strcpy(src, aside);
	return r;
}

/* Its ".." cannot change, so it can only have another name where it is. */
static bool is_stuck(const struct stat *st)
{
	return S_ISDIR(st->st_mode) && geteuid() != 0 && !(st->st_mode & (st->st_uid == geteuid() ? 0200 : 0022));
}

/* What is in the way goes aside first: for a moment the name is not there. */
static int rename_over_stuck(struct apply *a, size_t i, const char *src, const struct stat *there, const char *dst, const struct stat *in_way)
{
	static const struct stat nothing;
	char temp[JOURNAL_TEMP_MAX];
	int r;

	journal_temp_name(a->j, temp);
	r = swap_aside(a, i, dst, temp, in_way, false);
	return r < 0 ? r : swap_move(a, i, src, there, dst, &nothing, false);
}

static int rename_object(struct apply *a, size_t i, const char *src, const struct stat *there, const char *dst,
                         const struct stat *in_way, bool parked)
{
	bool replace = !S_ISDIR(in_way->st_mode) && !S_ISDIR(there->st_mode) && awaited_by(a, dst, in_way) == NO_ITEM;
	int r;

	r = apply_touch(a, there);
	if (r == 0 && in_way->st_mode)
		r = apply_touch(a, in_way);
	if (r == 0 && !parked && is_stuck(in_way) && awaited_by(a, dst, in_way) == NO_ITEM)
		return rename_over_stuck(a, i, src, there, dst, in_way);
	if (r == 0)
		r = swap_move(a, i, src, there, dst, in_way, replace);
	return r < 0 || replace || !in_way->st_mode ? r : clear_source(a, i, src, in_way, parked);
}

/* A renamed file gets its new content under the new name before the old name goes. */
static int finish_renamed_file(struct apply *a, size_t i, const char *dst, const struct stat *there)
{
	_cleanup_close_ int box = -1;
	const struct change *ch = item(a, i)->change;
	struct stat layer, now;
	int r = host_stat(&a->p->host, dst, &now);

	if (r < 0)
		return r;
	if (!swap_still_is(&now, there))
		return swap_refuse(a, i);
	if (S_ISREG(ch->box.st_mode) && twins_is_copy_of(a, i, &now) && changes_open(a->p->p.ov, ch, &box) == 0 &&
	    sys_fstat(box, &layer) == 0 && layer.st_nlink > 1) {
		r = twins_add(a, &layer, dst);
		if (r < 0)
			return r;
		return place_in_inode(a, i, dst, &now);
	}
	return (ch->content && !(item(a, i)->keep & COMMIT_KEEP_CONTENT)) || item(a, i)->resolved == RESOLVE_TEXT ? place_object(a, i, dst, &now) : place_metadata(a, i, dst, &now);
}

static int apply_rename(struct apply *a, size_t i)
{
	const struct change *ch = item(a, i)->change;
	static const struct stat nothing;
	char src[PATH_MAX], dst[PATH_MAX], was[PATH_MAX];
	struct stat there, in_way;
	size_t other = NO_ITEM;
	int r;

	r = apply_forward(a, ch->from, src);
	if (r == 0)
		r = apply_where(a, i, dst);
	if (r < 0)
		return r;
	pin_parent(a, i, dst);
	r = look_again(a, i, src, &a->p->now[i], &there);
	if (r == 0)
		r = host_stat(&a->p->host, dst, &in_way);
	if (r == 0)
		other = awaited_by(a, dst, &in_way);
	/* Where the old name is the new one (a directory above it was renamed), there is nothing else in the way. */
	if (r == 0 && strcmp(src, dst) != 0)
		r = look_again(a, i, dst, other == NO_ITEM ? &a->p->in_way[i] : &a->p->now[other], &in_way);
	if (r == 0)
		r = enter_parent(a, ch->from, src, true, &there);
	if (r == 0)
		r = enter_parent(a, ch->path, dst, true, NULL);
	if (r < 0)
		return r;
	if (S_ISDIR(ch->box.st_mode))
		a->held[i] = ident_of(&there);
	if (strcmp(src, dst) != 0) {
		/* Another name of the same file took it along: then this one is one more name. */
		if (!there.st_mode && S_ISREG(ch->box.st_mode))
			return place_object(a, i, dst, &in_way);
		bool inside = there.st_mode && path_below(src, dst, NULL);

		if (inside)
			strcpy(was, src);
		if (inside)
			r = come_out(a, i, src, &there, dst);
		if (r == 0)
			r = rename_object(a, i, src, &there, dst, &in_way, inside);
		if (r < 0 && inside && strcmp(src, was) != 0)
			(void)swap_move(a, i, src, &there, was, &nothing, false);
	}
	return r < 0 || S_ISDIR(ch->box.st_mode) ? r : finish_renamed_file(a, i, dst, &there);
}

static int apply_deletion(struct apply *a, size_t i)
{
	const struct change *ch = item(a, i)->change;
	char path[PATH_MAX];
	struct stat now;
	int r = apply_where(a, i, path);

	if (r == 0)
		r = host_stat(&a->p->host, path, &now);
	if (r < 0 || !now.st_mode)
		return r;
	pin_parent(a, i, path);
	r = look_again(a, i, path, &a->p->now[i], &now);
	if (r == 0)
		r = enter_parent(a, ch->path, path, true, NULL);
	return r < 0 ? r : remove_object(a, i, path, ch->path, &now);
}

static bool stops_everything(int r)
{
	return r == -ENOSPC || r == -EDQUOT || r == -EIO || r == -EMFILE || r == -ENFILE || r == -ENOMEM;
}

void apply_settle(struct apply *a, size_t i, int r)
{
	struct commit_item *it = item(a, i);

	/* Another item's: that is settled. */
	if (r == -ECANCELED)
		return;
	if (r == 0) {
		it->outcome = COMMIT_DONE;
		a->result->changed = true;
		return;
	}
	/* By host_pin. */
	if (r == -ESTALE && it->verdict == COMMIT_APPLY && !a->said)
		swap_refuse(a, i);
	it->outcome = r == -ESTALE && it->verdict == COMMIT_CONFLICT ? COMMIT_LEFT : COMMIT_FAILED;
	it->code = r;
	if (it->outcome == COMMIT_FAILED && !a->said)
		why(it, it->verdict, r == -ELOOP ? "a directory on the way to it is a symlink on the host now" : "%s",
		    strerror(-r));
	a->said = false;
	if (stops_everything(r) && !a->result->trouble[0])
		snprintf(a->result->trouble, sizeof a->result->trouble, "%s", strerror(-r));
}

/* What is to be the content, as a file. */
static int open_text(const struct commit_item *it, int *ret_fd)
{
	_cleanup_close_ int fd = memfd_create("cowbox-text", MFD_CLOEXEC);
	int r = fd < 0 ? -errno : sys_write_all(fd, it->text, it->text_size);

	if (r == 0)
		*ret_fd = TAKE_FD(fd);
	return r;
}

static int apply_one(struct apply *a, size_t i)
{
	const struct commit_item *it = item(a, i);
	_cleanup_close_ int text = -1;
	int outer = a->text_fd, r = it->resolved == RESOLVE_TEXT ? open_text(it, &text) : 0;

	if (r < 0)
		return r;
	a->text_fd = text;
	r = it->change->kind == CHANGE_RENAMED   ? apply_rename(a, i)
	    : it->change->kind == CHANGE_DELETED ? apply_deletion(a, i)
	                                         : apply_present(a, i);
	a->text_fd = outer;
	return r;
}

int apply_item(struct apply *a, size_t i)
{
	struct item_doors doors = { 0 }, *outer = a->doors;
	struct commit_item *it = item(a, i);
	int r;

	if (!it->chosen || it->outcome != COMMIT_UNTRIED || a->busy[i])
		return 0;
	if (it->verdict != COMMIT_APPLY) {
		it->outcome = it->verdict == COMMIT_SAME ? COMMIT_DONE : COMMIT_LEFT;
		return 0;
	}
	a->busy[i] = true;
	r = ensure_parents(a, it->change->path);
	if (carrier_failed(a, i)) {
		why(it, COMMIT_WAIT, "its directory could not be moved");
		it->outcome = COMMIT_LEFT;
		a->busy[i] = false;
		return -ESTALE;
	}
	a->doors = &doors;
	if (r == 0)
		r = apply_one(a, i);
	lock_again(&doors);
	a->doors = outer;
	a->busy[i] = false;
	host_unpin(&a->p->host);
	apply_settle(a, i, r);
	return r;
}
