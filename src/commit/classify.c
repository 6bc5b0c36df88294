/* classify.c - judges each change by three states: the origin, the box, the host now.
 *
 * Identity is (device, inode, size, mtime, ctime). Where it differs, content and metadata are compared before a conflict is called: with
 * what the box has (then the host already is as wanted), and with the kept original (then only its identity changed).
 */
#include "plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/copy.h"
#include "base/descent.h"
#include "base/fd.h"
#include "base/stat.h"
#include "base/sys.h"

static bool same_owner_and_mode(const struct stat *a, mode_t mode, uid_t uid, gid_t gid)
{
	return a->st_uid == uid && a->st_gid == gid && (S_ISLNK(a->st_mode) || (a->st_mode & 07777) == (mode & 07777));
}

/* 1 when the host's file still has the bytes of the kept original. */
static int same_as_base(struct plan *p, const struct origin *o, const char *path)
{
	_cleanup_close_ int base = origin_open_base(p->base_fd, o), fd = -1;
	int r;

	if (base < 0)
		return 0;
	r = host_open(&p->host, path, O_RDONLY, &fd);
	return r < 0 ? r : copy_content_equal(base, fd);
}

static int symlink_is(struct plan *p, const char *path, const char *target)
{
	char text[PATH_MAX];
	const char *name;
	int dir, r;

	r = host_parent(&p->host, path, &dir, &name);
	if (r == 0)
		r = sys_readlinkat(dir, name, text, sizeof text);
	if (r < 0)
		return r;
	return target && strcmp(text, target) == 0;
}

static int regular_same_as_origin(struct plan *p, const struct origin *o, const char *path, const struct stat *now)
{
	if (!same_owner_and_mode(now, o->mode, o->uid, o->gid) || (uint64_t)now->st_size != o->size)
		return 0;
	/* A name was added or removed elsewhere, by another part of this commit perhaps: that moves the change time alone. */
	if (now->st_dev == o->dev && now->st_ino == o->ino && time_ns(&now->st_mtim) == o->mtime_ns && now->st_nlink != o->nlink)
		return 1;
	return same_as_base(p, o, path);
}

/* Written to by the host in the very moment that it was copied: the kernel sets the time before the data arrive, and its clock is coarse, so that a
 * later write may have left the same stamps. Then the content decides, if it was kept. */
static bool stamps_may_lie(const struct origin *o)
{
	enum { MOMENT_NS = 50000000 };

	return o->kind == ORIGIN_REGULAR && o->base_id && o->when_ns < o->mtime_ns + MOMENT_NS;
}

int classify_same_as_origin(struct plan *p, const struct origin *o, const char *path, const struct stat *now)
{
	bool there = now->st_mode != 0;

	if (o->kind == ORIGIN_ABSENT || !there)
		return o->kind == ORIGIN_ABSENT && !there;
	if (origin_same(o, now))
		return stamps_may_lie(o) ? same_as_base(p, o, path) : 1;
	switch (o->kind) {
	case ORIGIN_REGULAR:
		return S_ISREG(now->st_mode) ? regular_same_as_origin(p, o, path, now) : 0;
	case ORIGIN_DIRECTORY:
		return S_ISDIR(now->st_mode) && same_owner_and_mode(now, o->mode, o->uid, o->gid);
	case ORIGIN_SYMLINK:
		return S_ISLNK(now->st_mode) && same_owner_and_mode(now, o->mode, o->uid, o->gid) ? symlink_is(p, path, o->target)
		                                                                                  : 0;
	case ORIGIN_OTHER:
		return (now->st_mode & S_IFMT) == (o->mode & S_IFMT) && same_owner_and_mode(now, o->mode, o->uid, o->gid);
	case ORIGIN_ABSENT:
		break;
	}
	return 0;
}

int classify_same_as_box(struct plan *p, const struct change *ch, const char *path, const struct stat *now)
{
	_cleanup_close_ int box = -1, fd = -1;
	char text[PATH_MAX];
	int r;

	if ((now->st_mode & S_IFMT) != (ch->box.st_mode & S_IFMT) ||
	    !same_owner_and_mode(now, ch->box.st_mode, ch->box.st_uid, ch->box.st_gid))
		return 0;
	if (S_ISREG(now->st_mode) && now->st_size != ch->box.st_size)
		return 0;
	if ((S_ISCHR(now->st_mode) || S_ISBLK(now->st_mode)) && now->st_rdev != ch->box.st_rdev)
		return 0;
	r = changes_open(p->p.ov, ch, &box);
	if (r < 0)
		return r;
	if (S_ISLNK(now->st_mode)) {
		r = sys_readlinkat(box, "", text, sizeof text);
		r = r < 0 ? r : symlink_is(p, path, text);
		if (r != 1)
			return r;
	}
	r = host_open(&p->host, path, S_ISREG(now->st_mode) ? O_RDONLY : O_PATH, &fd);
	if (r < 0)
		return r;
	if (S_ISREG(now->st_mode)) {
		r = copy_content_equal(box, fd);
		if (r != 1)
			return r;
	}
	return copy_xattrs_equal(box, fd);
}

/* The name of that time is not known, or has been another's since, but the box has changed this inode, and the host not since there is the box:
 * what the box saw is what is there. */
static bool older_than_box(struct plan *p, const struct stat *now)
{
	return host_older(overlay_box(p->p.ov), now) && plan_knows_inode(p, now);
}

/* ---- whole trees ---- */

int classify_entry_known(struct plan *p, const char *host, const char *was, struct tree_check *check, struct stat *ret_now)
{
	const struct origin *o;
	bool touched;
	size_t k;
	int r;

	r = host_stat(&p->host, host, ret_now);
	if (r < 0)
		return r;
	if (!ret_now->st_mode)
		return 1;
	check->hidden = check->find_hidden && twins_hidden(p, host, ret_now);
	if (check->hidden)
		return 0;
	k = plan_rename_from(p, was);
	if (k != NO_ITEM && p->p.items[k].outcome != COMMIT_DONE)
		return 0;
	o = plan_origin(p, was);
	touched = check->touched && check->touched(check->ctx, ret_now);
	/* Noted under another name: then it must not have changed since the box took the directory away from this place. */
	if (!o || o->kind == ORIGIN_ABSENT)
		return time_ns(touched ? &ret_now->st_mtim : &ret_now->st_ctim) <= check->seen_ns && plan_knows_inode(p, ret_now);
	if (touched)
		return 1;
	r = classify_same_as_origin(p, o, host, ret_now);
	return r == 0 ? older_than_box(p, ret_now) : r;
}

static int tree_enter(struct plan *p, const char *host, struct descent *d)
{
	char **names;
	int r = host_list(&p->host, host, &names);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return descent_enter(d, names);
}

/* was: then the path of what is not known. */
static int tree_known(struct plan *p, char host[static PATH_MAX], char was[static PATH_MAX], struct tree_check *check)
{
	_cleanup_descent_ struct descent d = { .path = { host, was } };
	struct stat st;
	int r = tree_enter(p, host, &d);

	while (r >= 0 && d.depth) {
		r = descent_step(&d);
		if (r <= 0 || (check->leaves && check->leaves(check->ctx, was)))
			continue;
		r = classify_entry_known(p, host, was, check, &st);
		if (r != 1)
			return r;
		if (S_ISDIR(st.st_mode))
			r = tree_enter(p, host, &d);
	}
	return r < 0 ? r : 1;
}

int classify_tree_known(struct plan *p, const char *host, const char *was, struct tree_check *check, char ret_path[static PATH_MAX])
{
	const struct origin *o = plan_origin(p, was);
	char path[PATH_MAX];

	if (strlen(host) >= PATH_MAX || strlen(was) >= PATH_MAX)
		return -ENAMETOOLONG;
	check->seen_ns = o ? o->when_ns : 0;
	strcpy(path, host);
	strcpy(ret_path, was);
	return tree_known(p, path, ret_path, check);
}

/* When judging, renames out of the tree are taken as done: commit_settle sees to it that they are. */
static bool leaves_by_rename(void *ctx, const char *was)
{
	return plan_rename_from(ctx, was) != NO_ITEM;
}

bool classify_tree_hidden(struct plan *p, const char *host, const char *was)
{
	struct tree_check check = { .leaves = leaves_by_rename, .ctx = p, .find_hidden = true };
	char unknown[PATH_MAX];

	return classify_tree_known(p, host, was, &check, unknown) == 0 && check.hidden;
}

/* The host has a directory that the change removes: all in it must be known. */
static int classify_removed_tree(struct plan *p, struct commit_item *it, const char *path, const char *was)
{
	struct tree_check check = { .leaves = leaves_by_rename, .ctx = p };
	char unknown[PATH_MAX], text[COMMIT_WHY_MAX];
	int r = classify_tree_known(p, path, was, &check, unknown);

	if (r < 0)
		return r;
	if (r == 1)
		return 0;
	return why(it, COMMIT_CONFLICT, "the host has changed or got %.100s since", path_printable(unknown, text, sizeof text));
}

/* ---- one item ---- */

/* Everything in a directory that the host has too is on record, unless the log was damaged, or the host got the directory since, by a commit for
 * one; what is in one that the box made needs none. */
static bool record_lost(const struct plan *p, const char *path)
{
	const struct origin *o = NULL;
	char dir[PATH_MAX], up[PATH_MAX];

	if (plan_origin(p, path) || !path_split(path, dir, sizeof dir))
		return false;
	while (!(o = plan_origin(p, dir)) && dir[1]) {
		path_split(dir, up, sizeof up);
		strcpy(dir, up);
	}
	return !o || o->kind == ORIGIN_DIRECTORY;
}

static const char *what_happened(const struct plan *p, const char *path, const struct origin *o, const struct stat *now)
{
	if (!o && record_lost(p, path))
		return "the box has no record of what the host had there";
	if (!now->st_mode)
		return "the host's was removed since";
	if (!o || o->kind == ORIGIN_ABSENT)
		return "the host has got one of that name since";
	if ((now->st_mode & S_IFMT) != (o->mode & S_IFMT))
		return "the host's is of another type since";
	return "the host's was changed since";
}

/* The record is of something that the host still has, elsewhere: the box had moved it to this name then. */
static bool is_elsewhere(struct plan *p, const struct origin *o, const char *path)
{
	struct stat st;

	if (o->kind == ORIGIN_ABSENT)
		return false;
	/* Of a file with several names, another may be what is still there. */
	if (p->judged_all && (o->kind == ORIGIN_DIRECTORY || o->nlink < 2) && inode_set_has(&p->judged, o->dev, o->ino))
		return true;
	return strcmp(o->path, path) != 0 && host_stat(&p->host, o->path, &st) == 0 && st.st_dev == o->dev && st.st_ino == o->ino;
}

/* Directories above may have been renamed before or after the box first changed the object: its record is under the name of that time, and
 * what is recorded under the others may be about something else. The one that the host's object still is, or else the first; where nothing
 * is there, the latest. */
static int origin_by_any_name(struct plan *p, const struct change *ch, const char *path, const struct stat *now,
                              const struct origin **ret)
{
	const struct origin *const all[] = { ch->kind == CHANGE_RENAMED ? NULL : ch->origin, plan_origin(p, ch->path),
		                             plan_origin(p, path) };
	int same = 0;

	*ret = NULL;
	for (size_t k = 0; k < sizeof all / sizeof all[0] && (same == 0 || !now->st_mode); k++) {
		if (!all[k] || (*ret && !now->st_mode && all[k]->when_ns <= (*ret)->when_ns))
			continue;
		if (!now->st_mode && is_elsewhere(p, all[k], path))
			continue;
		same = classify_same_as_origin(p, all[k], path, now);
		if (same < 0)
			return same;
		if (same || !*ret || !now->st_mode)
			*ret = all[k];
	}
	return same;
}

/* What is in a directory is no matter for its own metadata, but somebody may have changed those too. */
static bool directory_changed(const struct change *ch, const struct origin *o, const struct stat *now)
{
	return ch->kind == CHANGE_META && S_ISDIR(now->st_mode) && o && o->ino == now->st_ino && o->dev == now->st_dev &&
	       !same_owner_and_mode(now, o->mode, o->uid, o->gid);
}

/* Everything but renames. */
static int classify_plain(struct plan *p, size_t i, const char *path)
{
	struct commit_item *it = &p->p.items[i];
	const struct change *ch = it->change;
	const struct origin *o;
	const struct stat *now = &p->now[i];
	int r;

	if (ch->kind == CHANGE_DELETED && !now->st_mode)
		return why(it, COMMIT_SAME, "the host has it no more");
	/* Something that this box moves elsewhere is not in the way. */
	if (plan_rename_from(p, path) != NO_ITEM && ch->kind != CHANGE_META)
		return 0;
	r = origin_by_any_name(p, ch, path, now, &o);
	if (r == 0)
		r = now->st_mode ? older_than_box(p, now) : !o;
	if (r == 1 && directory_changed(ch, o, now))
		r = 0;
	if (r < 0)
		return r;
	if (r == 0) {
		r = ch->kind != CHANGE_DELETED && now->st_mode ? classify_same_as_box(p, ch, path, now) : 0;
		if (r == 1)
			return why(it, COMMIT_SAME, "the host has the same already");
		return why(it, COMMIT_CONFLICT, "%s%s", what_happened(p, ch->path, o, now),
		           S_ISDIR(ch->box.st_mode) && !now->st_mode ? ": mkdir it there to commit what is in it" : "");
	}
	if (S_ISDIR(now->st_mode) && !S_ISDIR(ch->box.st_mode))
		return classify_removed_tree(p, it, path, ch->path);
	return 0;
}

/* The place a renamed object goes to. */
static int classify_destination(struct plan *p, struct commit_item *it, const char *path, struct stat *now)
{
	const struct origin *o;
	int r;

	r = host_stat(&p->host, path, now);
	if (r < 0 || !now->st_mode || plan_rename_from(p, path) != NO_ITEM || plan_carrier(p, path, it->change->path) != NO_ITEM)
		return r;
	r = origin_by_any_name(p, it->change, path, now, &o);
	if (r == 0)
		r = older_than_box(p, now);
	if (r < 0)
		return r;
	if (r == 0)
		return why(it, COMMIT_CONFLICT, "%s", what_happened(p, it->change->path, o, now));
	return S_ISDIR(now->st_mode) ? classify_removed_tree(p, it, path, it->change->path) : 0;
}

static int classify_rename(struct plan *p, size_t i, const char *path)
{
	struct commit_item *it = &p->p.items[i];
	const struct change *ch = it->change;
	const struct origin *o = plan_origin(p, ch->from);
	int r;

	if (!o)
		o = ch->origin;
	if (!p->now[i].st_mode)
		return why(it, COMMIT_CONFLICT, "%s", what_happened(p, ch->from, o, &p->now[i]));
	r = o ? classify_same_as_origin(p, o, ch->from, &p->now[i]) : !ch->host_changed;
	if (r == 0)
		r = older_than_box(p, &p->now[i]);
	if (r < 0)
		return r;
	if (r == 0)
		return why(it, COMMIT_CONFLICT, "%s", what_happened(p, ch->from, o, &p->now[i]));
	return classify_destination(p, it, path, &p->in_way[i]);
}

/* A directory of the box replaces something else of the host's, a symlink perhaps: nothing is below that. */
static bool below_new_directory(const struct plan *p, size_t i)
{
	for (size_t k = p->above[i]; k != NO_ITEM; k = p->above[k])
		if (item_makes_dir(&p->p.items[k]) && p->now[k].st_mode && !S_ISDIR(p->now[k].st_mode))
			return true;
	return false;
}

static struct ident parent_of(struct plan *p, const char *path)
{
	const char *name;
	struct stat st;
	int fd;

	if (host_parent(&p->host, path, &fd, &name) < 0 || sys_fstat(fd, &st) < 0)
		return (struct ident){ 0 };
	return ident_of(&st);
}

int classify_item(struct plan *p, size_t i)
{
	struct commit_item *it = &p->p.items[i];
	const struct change *ch = it->change;
	char path[PATH_MAX];
	int r;

	it->verdict = COMMIT_APPLY;
	if ((S_ISCHR(ch->box.st_mode) || S_ISBLK(ch->box.st_mode)) && geteuid() != 0 && ch->kind != CHANGE_META)
		return why(it, COMMIT_REFUSE, "only root can make devices");
	r = plan_host_path(p, ch->path, path);
	if (r == 0)
		p->dirs[i] = parent_of(p, path);
	if (r == 0)
		r = host_stat(&p->host, ch->kind == CHANGE_RENAMED ? ch->from : path, &p->now[i]);
	if (r == -ELOOP && below_new_directory(p, i)) {
		memset(&p->now[i], 0, sizeof p->now[i]);
		r = 0;
	}
	if (r == -ELOOP)
		return why(it, COMMIT_CONFLICT, "a directory on the way to it is a symlink on the host now");
	if (r < 0)
		return r;
	if (ch->kind == CHANGE_RENAMED)
		return classify_rename(p, i, path);
	/* What the host has there will be elsewhere by then. */
	if (plan_carrier(p, path, ch->path) != NO_ITEM) {
		memset(&p->now[i], 0, sizeof p->now[i]);
		return ch->kind == CHANGE_DELETED ? why(it, COMMIT_SAME, "it moves elsewhere with its directory") : 0;
	}
	return classify_plain(p, i, path);
}
