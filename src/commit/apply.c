/* apply.c - carries a settled plan out.
 *
 * Passes: renames; what is made or changed, from the top down; deletions, from the bottom up, and directories that were in the way;
 * metadata of directories, from the bottom up, then the times of directories that only had names added or taken. Then what was done is taken out of the
 * box.
 *
 * (A1) An item is looked at again right before it is touched: where the host is no longer as it was judged, it is left.
 * (A2) A failure of one item leaves the others to be tried, unless it would meet them too (a full disk): then the commit stops.
 * (A3) Nothing is taken out of the box before it is on the host. What lies below a directory that the box made stays in the layer as long as the
 *      layer's directory hides the host's.
 */
#include "apply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sys.h"

static struct commit_item *item(struct apply *a, size_t i)
{
	return &a->p->p.items[i];
}

static bool stops_everything(int r)
{
	return r == -ENOSPC || r == -EDQUOT || r == -EIO || r == -EMFILE || r == -ENFILE || r == -ENOMEM;
}

static int apply_item(struct apply *a, size_t i);

/* ---- looking again (A1) ---- */

/* True when the host's object is the one that was judged, or has been changed by this commit only. */
static bool as_judged(struct apply *a, const struct stat *judged, const struct stat *now)
{
	if (!now->st_mode || !judged->st_mode)
		return !now->st_mode && !judged->st_mode;
	if (S_ISDIR(now->st_mode))
		return now->st_dev == judged->st_dev && now->st_ino == judged->st_ino;
	return stat_same(now, judged) || apply_touched(a, now);
}

/* True when this commit has moved away what was at the path, or put something there by a swap. */
static bool moved_here(const struct apply *a, const char *path)
{
	for (size_t k = 0; k < a->nmoves; k++)
		if (path_below(path, a->moves[k].from, NULL) || path_below(path, a->moves[k].to, NULL))
			return true;
	return false;
}

static int look_again(struct apply *a, size_t i, const char *path)
{
	struct stat now;
	int r = host_stat(&a->p->host, path, &now);

	if (r < 0)
		return r;
	if (as_judged(a, &a->p->now[i], &now) || (a->nmoves && moved_here(a, path)))
		return 0;
	why(item(a, i), COMMIT_CONFLICT, "the host's was changed just now");
	return -ESTALE;
}

/* ---- one item ---- */

/* Directories above the item that come with it. */
static int ensure_parents(struct apply *a, const char *view)
{
	size_t k = plan_above(a->p, view);

	if (k == NO_ITEM || !item_planned(item(a, k)) || item(a, k)->outcome != COMMIT_UNTRIED || a->busy[k])
		return 0;
	return item_makes_dir(item(a, k)) || item_is_dir_rename(item(a, k)) ? apply_item(a, k)
	                                                                    : ensure_parents(a, item(a, k)->change->path);
}

static int enter_parent(struct apply *a, const char *view, const char *host)
{
	char view_dir[PATH_MAX], host_dir[PATH_MAX];

	if (!path_split(view, view_dir, sizeof view_dir) || !path_split(host, host_dir, sizeof host_dir))
		return -ENAMETOOLONG;
	return apply_enter(a, view_dir, host_dir);
}

/* True when a rename that is still to come takes what is at the host path. */
static bool awaits_rename(struct apply *a, const char *path)
{
	char now[PATH_MAX];

	for (size_t k = 0; k < a->p->nrenames; k++) {
		const struct commit_item *it = item(a, a->p->renames[k]);

		if (it->outcome == COMMIT_UNTRIED && item_planned(it) && apply_forward(a, it->change->from, now) == 0 &&
		    strcmp(now, path) == 0)
			return true;
	}
	return false;
}

static int make_directory(struct apply *a, size_t i, const char *path)
{
	struct stat now;
	int r = host_stat(&a->p->host, path, &now);

	if (r < 0)
		return r;
	/* Its entries are changes of their own. */
	if (S_ISDIR(now.st_mode) && !awaits_rename(a, path))
		return 0;
	r = enter_parent(a, item(a, i)->change->path, path);
	return r < 0 ? r : place_object(a, i, path);
}

static int apply_present(struct apply *a, size_t i)
{
	const struct change *ch = item(a, i)->change;
	char path[PATH_MAX];
	int r = apply_where(a, i, path);

	if (r == 0)
		r = look_again(a, i, path);
	if (r < 0)
		return r;
	if (S_ISDIR(ch->box.st_mode))
		return ch->kind == CHANGE_META ? 0 : make_directory(a, i, path);
	r = enter_parent(a, ch->path, path);
	if (r < 0)
		return r;
	/* The same bytes in a file of its own: it must not share the host's inode with that file's other names. */
	if (ch->kind == CHANGE_META &&
	    !(S_ISREG(ch->box.st_mode) && a->p->now[i].st_nlink > 1 && !twins_is_copy_of(a, i, &a->p->now[i])))
		return place_metadata(a, i, path);
	return place_object(a, i, path);
}

/* What was at the destination of a rename is at its source now: it goes aside unless another rename wants it. */
static int clear_source(struct apply *a, size_t i, const char *src)
{
	char dir[PATH_MAX], aside[PATH_MAX], temp[48];
	struct doomed d = { .item = i }, *all;
	const char *name;
	int fd, r;

	if (awaits_rename(a, src))
		return 0;
	place_temp_name(a, temp);
	if (!path_split(src, dir, sizeof dir) || path_join(aside, sizeof aside, dir, temp) < 0)
		return -ENAMETOOLONG;
	r = host_parent(&a->p->host, src, &fd, &name);
	if (r == 0)
		r = sys_renameat2(fd, name, fd, temp, RENAME_NOREPLACE);
	if (r == 0)
		r = apply_note_move(a, src, aside, false);
	if (r < 0)
		return r;
	all = realloc(a->doomed, (a->ndoomed + 1) * sizeof *all);
	if (!all)
		return -ENOMEM;
	a->doomed = all;
	d.host = strdup(aside);
	d.was = strdup(item(a, i)->change->path);
	d.since = a->nmoves;
	if (!d.host || !d.was)
		return -ENOMEM;
	a->doomed[a->ndoomed++] = d;
	return 0;
}

static int move_on_host(struct apply *a, const char *src, const char *dst, unsigned flags)
{
	_cleanup_close_ int from = -1;
	const char *src_name, *dst_name;
	int fd, to, r;

	r = host_parent(&a->p->host, src, &fd, &src_name);
	if (r < 0)
		return r;
	from = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (from < 0)
		return -errno;
	r = host_parent(&a->p->host, dst, &to, &dst_name);
	if (r == 0)
		r = sys_renameat2(from, src_name, to, dst_name, flags);
	if (r == -EINVAL && flags == RENAME_NOREPLACE)
		r = sys_renameat2(from, src_name, to, dst_name, 0);
	return r < 0 ? r : apply_note_move(a, src, dst, flags == RENAME_EXCHANGE);
}

static int rename_object(struct apply *a, size_t i, const char *src, const struct stat *there, const char *dst,
                         const struct stat *in_way)
{
	int r;

	r = apply_touch(a, there);
	if (r == 0 && in_way->st_mode)
		r = apply_touch(a, in_way);
	if (r < 0)
		return r;
	if (!in_way->st_mode)
		return move_on_host(a, src, dst, RENAME_NOREPLACE);
	if (!S_ISDIR(in_way->st_mode) && !S_ISDIR(there->st_mode) && !awaits_rename(a, dst))
		return move_on_host(a, src, dst, 0);
	r = move_on_host(a, src, dst, RENAME_EXCHANGE);
	return r < 0 ? r : clear_source(a, i, src);
}

/* A renamed file gets its new content under the new name before the old name goes. */
static int finish_renamed_file(struct apply *a, size_t i, const char *dst)
{
	_cleanup_close_ int box = -1;
	const struct change *ch = item(a, i)->change;
	struct stat layer;
	int r;

	if (S_ISREG(ch->box.st_mode) && changes_open(a->p->p.ov, ch, &box) == 0 && sys_fstat(box, &layer) == 0 &&
	    layer.st_nlink > 1) {
		r = twins_add(a, &layer, dst);
		if (r < 0)
			return r;
		return place_in_inode(a, i, dst);
	}
	return ch->content ? place_object(a, i, dst) : place_metadata(a, i, dst);
}

static int apply_rename(struct apply *a, size_t i)
{
	const struct change *ch = item(a, i)->change;
	char src[PATH_MAX], dst[PATH_MAX];
	struct stat there, in_way;
	int r;

	r = apply_forward(a, ch->from, src);
	if (r == 0)
		r = apply_where(a, i, dst);
	if (r == 0)
		r = host_stat(&a->p->host, src, &there);
	if (r == 0)
		r = host_stat(&a->p->host, dst, &in_way);
	if (r == 0)
		r = look_again(a, i, src);
	if (r == 0)
		r = enter_parent(a, ch->from, src);
	if (r == 0)
		r = enter_parent(a, ch->path, dst);
	if (r < 0)
		return r;
	if (strcmp(src, dst) != 0) {
		/* Another name of the same file took it along: then this one is one more name. */
		if (!there.st_mode && S_ISREG(ch->box.st_mode))
			return place_object(a, i, dst);
		r = rename_object(a, i, src, &there, dst, &in_way);
	}
	return r < 0 || S_ISDIR(ch->box.st_mode) ? r : finish_renamed_file(a, i, dst);
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
	r = look_again(a, i, path);
	if (r == 0)
		r = enter_parent(a, ch->path, path);
	return r < 0 ? r : remove_object(a, i, path, ch->path);
}

static void settle_outcome(struct apply *a, size_t i, int r)
{
	struct commit_item *it = item(a, i);

	if (r == 0) {
		it->outcome = COMMIT_DONE;
		a->result->changed = true;
		return;
	}
	it->outcome = r == -ESTALE && it->verdict == COMMIT_CONFLICT ? COMMIT_LEFT : COMMIT_FAILED;
	it->code = r;
	if (it->outcome == COMMIT_FAILED)
		why(it, it->verdict, r == -ELOOP ? "a directory on the way to it is a symlink on the host now" : "%s",
		    strerror(-r));
	if (stops_everything(r) && !a->result->trouble[0])
		snprintf(a->result->trouble, sizeof a->result->trouble, "%s", strerror(-r));
}

static int apply_item(struct apply *a, size_t i)
{
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
	if (r == 0)
		r = it->change->kind == CHANGE_RENAMED   ? apply_rename(a, i)
		    : it->change->kind == CHANGE_DELETED ? apply_deletion(a, i)
		                                         : apply_present(a, i);
	a->busy[i] = false;
	settle_outcome(a, i, r);
	return r;
}

/* ---- passes ---- */

struct pass {
	commit_progress progress;
	void *ctx;
	size_t seen, total;
};

/* One step of a pass; non-zero ends the commit. */
static int step(struct apply *a, struct pass *pass, size_t i)
{
	struct commit_item *it = item(a, i);

	if (!it->chosen)
		return 0;
	if (pass->progress && pass->progress(pass->ctx, it, pass->seen, pass->total) > 0) {
		snprintf(a->result->trouble, sizeof a->result->trouble, "interrupted");
		return 1;
	}
	pass->seen++;
	apply_item(a, i);
	return a->result->trouble[0] != 0;
}

static void apply_all(struct apply *a, struct pass *pass)
{
	for (size_t k = 0; k < a->p->nrenames; k++)
		if (step(a, pass, a->p->renames[k]))
			return;
	for (size_t i = 0; i < a->p->p.count; i++)
		if (item(a, i)->change->kind != CHANGE_RENAMED && item(a, i)->change->kind != CHANGE_DELETED && step(a, pass, i))
			return;
	for (size_t i = a->p->p.count; i > 0; i--)
		if (item(a, i - 1)->change->kind == CHANGE_DELETED && step(a, pass, i - 1))
			return;
}

/* Where it is by now; false: a rename has taken it, so it was not in the way but on its way. */
static bool doomed_where(const struct apply *a, const struct doomed *d, char ret[static PATH_MAX])
{
	const char *rest;

	if (strlen(d->host) >= PATH_MAX)
		return false;
	strcpy(ret, d->host);
	for (size_t k = d->since; k < a->nmoves; k++) {
		const struct move *m = &a->moves[k];

		if (strcmp(ret, m->from) == 0)
			return false;
		if (path_below(ret, m->from, &rest) && path_join(ret, PATH_MAX, m->to, rest) < 0)
			return false;
	}
	return true;
}

/* Directories that were in the way. What cannot be removed stays aside under its temporary name, and is named. */
static void remove_doomed(struct apply *a)
{
	for (size_t k = 0; k < a->ndoomed; k++) {
		const struct doomed *d = &a->doomed[k];
		struct commit_item *it = item(a, d->item);
		char now[PATH_MAX];
		int r;

		if (!doomed_where(a, d, now))
			continue;
		r = remove_object(a, d->item, now, d->was);
		if (r == 0)
			continue;
		it->outcome = COMMIT_FAILED;
		it->code = r;
		why(it, it->verdict, "what was there before could not be removed (%s): it is at %.90s", strerror(-r), now);
	}
}

static void finish_directories(struct apply *a)
{
	char path[PATH_MAX];

	for (size_t i = a->p->p.count; i > 0; i--) {
		struct commit_item *it = item(a, i - 1);
		int r;

		if (it->outcome != COMMIT_DONE || it->verdict != COMMIT_APPLY || !S_ISDIR(it->change->box.st_mode))
			continue;
		r = apply_where(a, i - 1, path);
		if (r == 0)
			r = place_metadata(a, i - 1, path);
		if (r < 0)
			settle_outcome(a, i - 1, r);
	}
	for (size_t k = a->nparents; k > 0; k--) {
		const struct parent *p = &a->parents[k - 1];
		const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, p->mtime };
		const char *name;
		struct stat st;
		bool old;
		int dir;

		/* Not ours, or not there any more: it keeps the time of the commit. */
		if (!p->set || plan_host_path(a->p, p->view, path, &old) < 0 || (old && apply_forward(a, path, path) < 0))
			continue;
		if (host_stat(&a->p->host, path, &st) < 0 ||
		    (st.st_mtim.tv_sec == p->mtime.tv_sec && st.st_mtim.tv_nsec == p->mtime.tv_nsec))
			continue;
		if (host_parent(&a->p->host, path, &dir, &name) == 0)
			sys_utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW);
	}
}

/* ---- out of the box (A3) ---- */

static bool item_done(const struct commit_item *it)
{
	return it->outcome == COMMIT_DONE;
}

static bool renames_done(const struct plan *p, size_t i, void *ctx)
{
	(void)ctx;
	return item_done(&p->p.items[i]);
}

static int forget(struct apply *a, const char *path)
{
	int r = overlay_forget(a->p->p.ov, (struct vpath){ path });

	if (r < 0 && r != -ENOENT)
		a->result->unforgotten++;
	return r;
}

/* The whiteout at the old place of a rename: gone with it unless something else of the box is there. */
static void forget_sources(struct apply *a, size_t begin, size_t end)
{
	for (size_t i = begin; i < end; i++)
		if (item(a, i)->change->kind == CHANGE_RENAMED && plan_find(a->p, item(a, i)->change->from) == NO_ITEM)
			forget(a, item(a, i)->change->from);
}

static bool all_done(struct apply *a, size_t begin, size_t end)
{
	while (begin < end && item_done(item(a, begin)))
		begin++;
	return begin == end;
}

/* A directory that is on the host now while changes below it are left becomes a plain mirror, so that what is done below it can be forgotten.
 * Not where a removal is left: the layer has no mark of it but that the directory hides the host's. */
static bool settle_directory(struct apply *a, const char *view, size_t begin, size_t end)
{
	for (size_t k = begin; k < end; k++)
		if (!item_done(item(a, k)) && item(a, k)->change->kind == CHANGE_DELETED)
			return false;
	return overlay_settle(a->p->p.ov, (struct vpath){ view }) == 0;
}

/* The topmost of the directories from view upwards that hide what the host has there; false: none does. */
static bool hiding_directory(struct apply *a, const char *view, char ret[static PATH_MAX])
{
	struct caller caller = { .umask = 022 };
	char dir[PATH_MAX];
	bool found = false;

	strcpy(dir, view);
	while (dir[1]) {
		_cleanup_object_ struct object o;

		object_init(&o);
		if (overlay_lookup(a->p->p.ov, &caller, AT_VIEW(dir), LOOKUP_NOFOLLOW, &o) < 0 || o.where != OBJECT_LAYER ||
		    !S_ISDIR(o.st.st_mode))
			break;
		strcpy(ret, dir);
		found = true;
		path_split(dir, dir, sizeof dir);
	}
	return found;
}

/* Item i is below such a directory, which is no change itself that is done. Returns the item to go on with. */
static size_t forget_hidden(struct apply *a, size_t i, const char *dir)
{
	size_t end = i, own = plan_find(a->p, dir);

	while (end < a->p->p.count && path_below(item(a, end)->change->path, dir, NULL))
		end++;
	if (own != NO_ITEM && !item_done(item(a, own)))
		return end;
	if (all_done(a, i, end)) {
		forget(a, dir);
		forget_sources(a, i, end);
		return end;
	}
	return settle_directory(a, dir, i, end) ? i : end;
}

static size_t forget_item(struct apply *a, size_t i)
{
	struct commit_item *it = item(a, i);
	size_t end = plan_end(a->p, i);
	bool all = all_done(a, i, end);

	/* Below a deleted directory there may be things that moved elsewhere, whose layer still finds them here. */
	if (all && it->change->kind == CHANGE_DELETED)
		all = plan_renames_below(a->p, it->change->path, renames_done, NULL);
	if (all) {
		forget(a, it->change->path);
		forget_sources(a, i, end);
		return end;
	}
	if (!item_makes_dir(it) && !item_is_dir_rename(it))
		return i + 1;
	if (!item_done(it) || !settle_directory(a, it->change->path, i + 1, end))
		return end;
	if (item_is_dir_rename(it))
		forget_sources(a, i, i + 1);
	return i + 1;
}

static void forget_done(struct apply *a)
{
	char dir[PATH_MAX], hiding[PATH_MAX], plain[PATH_MAX] = "", settled[PATH_MAX] = "";
	size_t i = 0;

	while (i < a->p->p.count) {
		size_t next;

		path_split(item(a, i)->change->path, dir, sizeof dir);
		/* plain: the directory that was found last to hide nothing. */
		if (strcmp(dir, plain) == 0 || !hiding_directory(a, dir, hiding)) {
			strcpy(plain, dir);
			i = forget_item(a, i);
			continue;
		}
		next = forget_hidden(a, i, hiding);
		/* It was made a mirror: look again, but not for ever. */
		if (next == i && strcmp(hiding, settled) == 0)
			next = i + 1;
		strcpy(settled, hiding);
		i = next;
	}
}

/* ---- the whole ---- */

static void count(struct apply *a)
{
	for (size_t i = 0; i < a->p->p.count; i++) {
		const struct commit_item *it = item(a, i);

		if (!it->chosen)
			continue;
		a->result->done += it->outcome == COMMIT_DONE;
		a->result->left += it->outcome == COMMIT_LEFT;
		a->result->failed += it->outcome == COMMIT_FAILED;
		a->result->untried += it->outcome == COMMIT_UNTRIED;
	}
}

static void apply_release(struct apply *a)
{
	for (size_t k = 0; k < a->nmoves; k++) {
		free(a->moves[k].from);
		free(a->moves[k].to);
	}
	for (size_t k = 0; k < a->nparents; k++)
		free(a->parents[k].view);
	for (size_t k = 0; k < a->ndoomed; k++) {
		free(a->doomed[k].host);
		free(a->doomed[k].was);
	}
	free(a->moves);
	free(a->parents);
	free(a->doomed);
	free(a->touched);
	free(a->busy);
	twins_free(a);
}

int commit_apply(struct commit_plan *plan, commit_progress progress, void *ctx, struct commit_result *ret, struct err *err)
{
	struct apply a = { .p = plan_of(plan), .result = ret };
	struct pass pass = { .progress = progress, .ctx = ctx };
	mode_t mask;

	memset(ret, 0, sizeof *ret);
	a.busy = calloc(plan->count + 1, sizeof *a.busy);
	if (!a.busy)
		return err_sys(err, -ENOMEM, "commit");
	for (size_t i = 0; i < plan->count; i++)
		pass.total += plan->items[i].chosen;
	mask = umask(0);
	apply_all(&a, &pass);
	remove_doomed(&a);
	finish_directories(&a);
	forget_done(&a);
	umask(mask);
	count(&a);
	apply_release(&a);
	return 0;
}

int commit_hold(struct box *b, struct err *err)
{
	_cleanup_close_ int fd = sys_openat(b->fd, "running", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return err_sys(err, fd, "box %s: cannot open its lock", b->name);
	r = sys_flock(fd, LOCK_EX | LOCK_NB);
	if (r == -EWOULDBLOCK)
		return err_set(err, -EBUSY, "box %s is running: wait until the commands in it have ended", b->name);
	if (r < 0)
		return err_sys(err, r, "box %s: cannot lock it", b->name);
	return TAKE_FD(fd);
}
