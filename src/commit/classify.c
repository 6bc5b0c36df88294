/* classify.c - judges each change by three states: the origin, the box, the host now.
 *
 * Identity is (device, inode, size, mtime, ctime). Where it differs, content and metadata are compared before a conflict is called (since.c): with
 * what the box has (then the host already is as wanted), and with the kept original (then only its identity changed). What becomes of the
 * three states the table says (cases.def).
 */
#include "since.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/copy.h"
#include "base/descent.h"
#include "base/fd.h"
#include "base/stat.h"
#include "base/sys.h"

int classify_same_as_origin(struct plan *p, const struct origin *o, const char *path, const struct stat *now)
{
	struct since since;
	int r = since_record(p, o, path, now, &since);

	return r < 0 ? r : since_unchanged(&since);
}

int classify_same_as_box(struct plan *p, const struct change *ch, const char *path, const struct stat *now)
{
	_cleanup_close_ int box = -1, fd = -1;
	int r;

	if ((now->st_mode & S_IFMT) != (ch->box.st_mode & S_IFMT) || now->st_uid != ch->box.st_uid ||
	    now->st_gid != ch->box.st_gid || (!S_ISLNK(now->st_mode) && ((now->st_mode ^ ch->box.st_mode) & 07777)))
		return 0;
	r = changes_open(p->p.ov, ch, &box);
	if (r == 0)
		r = since_content_equal(p, box, &ch->box, path, now);
	if (r != 1)
		return r;
	r = host_open(&p->host, path, O_PATH, &fd);
	return r < 0 ? r : copy_xattrs_equal(box, fd);
}

/* 1 when the host's object, no directory, is as it was when it was noted last, under whatever name. */
static int as_noted(struct plan *p, const struct origin *o, const char *path, const struct stat *now)
{
	struct since since;
	int r;

	if ((!origin_same(o, now) && !origin_same_fewer_names(o, now)) || !since_is_proof(o))
		return 0;
	r = since_record(p, o, path, now, &since);
	return r < 0 ? r : since_unchanged(&since);
}

/* While the commit is at work, what it looked at before may stand aside. */
static const struct origin *noted_at(struct plan *p, const char *path, const struct stat *now, bool at_work)
{
	const struct origin *o = plan_seen_at(p, now, path);

	return o || !at_work ? o : plan_seen_at(p, now, NULL);
}

/* 1 when what the box saw is what is there: the name of that time is not known, or has been another's since, but the box has changed this inode, and the
 * host not since it was noted, or not since there is the box. record: of the name, which tells of something else; or NULL. */
static int seen_elsewhere(struct plan *p, const struct origin *record, const char *path, const struct stat *now, bool at_work)
{
	const struct origin *o = noted_at(p, path, now, at_work);

	if (!o || host_older(overlay_box(p->p.ov), now))
		return o != NULL;
	if (S_ISDIR(now->st_mode) || (record && same_inode(record, now)))
		return 0;
	return as_noted(p, o, path, now);
}

/* ---- whole trees ---- */

/* As a file alone that is removed. */
static int same_in_tree(struct plan *p, const struct origin *o, const char *path, const struct stat *now)
{
	struct since since;
	unsigned host;
	int r = since_record(p, o, path, now, &since);

	if (r < 0 || !since_unchanged(&since))
		return r;
	r = since_taken(p, &since, path, now, &host);
	return r < 0 ? r : host != HOST_META;
}

/* What the host had there: by the name in the view or, where that came with a directory that was renamed later, by the host's own. */
static const struct origin *origin_of_entry(const struct plan *p, const char *was)
{
	const struct origin *o = plan_origin(p, was), *own = NULL;
	char host[PATH_MAX];

	if ((!o || o->kind == ORIGIN_ABSENT) && p->nrenames && plan_host_path(p, was, host) == 0)
		own = plan_origin(p, host);
	return own ? own : o;
}

/* Noted under another name: then it must be as it was noted, or not have changed since the box took the directory away from this place. While the commit is
 * at work, which takes things out of directories, their time of change tells nothing: it was looked at before. */
static int known_elsewhere(struct plan *p, const char *path, const struct stat *now, const struct tree_check *check, bool touched)
{
	const struct origin *o = noted_at(p, path, now, check->touched);

	if (!o)
		return 0;
	if (S_ISDIR(now->st_mode))
		return check->touched || time_ns(&now->st_ctim) <= (o->when_ns > check->seen_ns ? o->when_ns : check->seen_ns);
	return touched || time_ns(&now->st_ctim) <= check->seen_ns ? 1 : as_noted(p, o, path, now);
}

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
	o = origin_of_entry(p, was);
	touched = check->touched && check->touched(check->ctx, ret_now);
	if (!o || o->kind == ORIGIN_ABSENT)
		return known_elsewhere(p, host, ret_now, check, touched);
	if (touched)
		return 1;
	r = same_in_tree(p, o, host, ret_now);
	return r == 0 ? seen_elsewhere(p, o, host, ret_now, check->touched) : r;
}

static int tree_enter(struct plan *p, const char *host, struct descent *d)
{
	int r = host_enter(&p->host, host, d);

	return r == -ENOENT ? 0 : r;
}

/* was: then the path of what is not known. */
static int tree_known(struct plan *p, char host[static PATH_MAX], char was[static PATH_MAX], struct tree_check *check)
{
	_cleanup_descent_ struct descent d = { .path = { host, was } };
	struct stat st;
	int r = tree_enter(p, host, &d);

	while (r >= 0 && d.depth) {
		r = descent_step(&d);
		if (r <= 0 || (check->leaves && check->leaves(check->ctx, host)))
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
	const struct origin *o = origin_of_entry(p, was);
	char path[PATH_MAX];

	if (strlen(host) >= PATH_MAX || strlen(was) >= PATH_MAX)
		return -ENAMETOOLONG;
	check->seen_ns = o ? o->when_ns : 0;
	strcpy(path, host);
	strcpy(ret_path, was);
	return tree_known(p, path, ret_path, check);
}

/* When judging, renames out of the tree are taken as done: commit_settle sees to it that they are. */
static bool leaves_by_rename(void *ctx, const char *host)
{
	return plan_rename_from(ctx, host) != NO_ITEM;
}

bool classify_tree_hidden(struct plan *p, const char *host, const char *was)
{
	struct tree_check check = { .leaves = leaves_by_rename, .ctx = p, .find_hidden = true };
	char unknown[PATH_MAX];

	return classify_tree_known(p, host, was, &check, unknown) == 0 && check.hidden;
}

/* The host has a directory that the change removes: all in it must be known. 0, and detail names what is not. */
static int removed_tree_known(struct plan *p, const char *path, const char *was, char detail[static COMMIT_WHY_MAX])
{
	struct tree_check check = { .leaves = leaves_by_rename, .ctx = p };
	char unknown[PATH_MAX];
	int r = classify_tree_known(p, path, was, &check, unknown);

	if (r == 0)
		path_printable(unknown, detail, COMMIT_WHY_MAX);
	return r;
}

/* ---- the parts of a judgement ---- */

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

/* says: may have one %s for the detail. */
static void say(struct commit_item *it, const char *says, const char *detail) __attribute__((format(printf, 2, 0)));
static void say(struct commit_item *it, const char *says, const char *detail)
{
	snprintf(it->why, sizeof it->why, says, detail);
}

/* The row decides. */
static int decide(struct commit_item *it, const struct judgement *j, const char *detail)
{
	const struct case_row *row = case_find(j->was, j->box, j->host);

	it->row = row->number;
	it->verdict = case_commit_verdict(row->verdict);
	it->mergeable = row->verdict == CASE_MERGE;
	it->keep = row->verdict == CASE_APPLY || it->mergeable ? j->keep : 0;
	say(it, row->says, detail);
	return 0;
}

static unsigned was_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case 0:
		return WAS_NONE;
	case S_IFREG:
		return WAS_FILE;
	case S_IFDIR:
		return WAS_DIR;
	case S_IFLNK:
		return WAS_LINK;
	}
	return WAS_SPECIAL;
}

/* What the box did where the host has the very thing that it had. */
static unsigned done_by_box(const struct change *ch, const struct stat *now, mode_t was)
{
	const struct stat *b = &ch->box;

	if (ch->kind == CHANGE_RENAMED)
		return ch->content ? BOX_REWRITTEN : BOX_MOVED;
	if (!b->st_mode)
		return BOX_DELETED;
	if (S_ISDIR(b->st_mode) && !S_ISDIR(was))
		return BOX_MKDIR;
	if (!was || (was & S_IFMT) != (b->st_mode & S_IFMT))
		return was ? BOX_OTHER : BOX_MADE;
	if (S_ISDIR(was) || ch->kind == CHANGE_META)
		return BOX_META;
	return now->st_uid != b->st_uid || now->st_gid != b->st_gid || ((now->st_mode ^ b->st_mode) & 07777) ? BOX_BOTH
	                                                                                                     : BOX_CONTENT;
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
 * what is recorded under the others may be about something else; where nothing is there, what was noted of another path surely is. The one that the
 * host's object still is, or else the first; where nothing is there, the latest. */
static int since_by_any_name(struct plan *p, const struct change *ch, const char *path, const struct stat *now, struct since *ret)
{
	const struct origin *const all[] = { ch->kind == CHANGE_RENAMED ? NULL : ch->origin, plan_origin(p, ch->path),
		                             plan_origin(p, path) };
	bool same = false;

	*ret = (struct since){ .appeared = now->st_mode != 0 };
	for (size_t k = 0; k < sizeof all / sizeof all[0] && (!same || !now->st_mode); k++) {
		const struct origin *best = ret->origin;
		struct since since;
		int r;

		if (!all[k] || all[k] == best || (best && !now->st_mode && all[k]->when_ns <= best->when_ns))
			continue;
		if (!now->st_mode && ((all[k]->moved && !origin_was_at(all[k], path)) || is_elsewhere(p, all[k], path)))
			continue;
		r = since_record(p, all[k], path, now, &since);
		if (r < 0)
			return r;
		same = since_unchanged(&since);
		if (same || !best || !now->st_mode)
			*ret = since;
	}
	if (!ret->origin && !now->st_mode)
		ret->same = true;
	if (now->st_mode && !since_unchanged(ret)) {
		int r = seen_elsewhere(p, ret->origin, path, now, false);

		if (r < 0)
			return r;
		if (r)
			*ret = (struct since){ .same = true };
	}
	return 0;
}

/* The host has something that is not, or not known to be, what the box saw. */
static int judge_changed(struct plan *p, const struct change *ch, const struct since *s, const char *path, const struct stat *now,
                         struct judgement *j)
{
	int r;

	if (!now->st_mode)
		j->host = HOST_REMOVED;
	if (!now->st_mode)
		return 0;
	if (j->was == WAS_NONE || s->type) {
		r = since_both_made(p, ch, path, now, &j->host);
		if (s->type && j->host != HOST_THERE)
			j->host = HOST_TYPE;
		if (!s->origin && j->host != HOST_THERE && record_lost(p, ch->path))
			j->host = HOST_NO_RECORD;
		return r;
	}
	if (j->box & (BOX_DELETED | BOX_OTHER | BOX_MKDIR))
		return since_taken(p, s, path, now, &j->host);
	return S_ISDIR(now->st_mode) ? since_directory(p, ch, s, path, now, j) : since_parts(p, ch, s, path, now, j);
}

/* A file that the box gave this name, and nothing else of: where the host has it no more under the old one, it stands in the list as new. */
static bool source_is_gone(struct plan *p, const struct change *ch)
{
	struct caller caller = { .umask = 022 };
	const struct origin *o;
	_cleanup_object_ struct object old;
	char from[PATH_MAX];
	struct stat st;

	object_init(&old);
	/* The view shows a copy by the inode that it is a copy of. */
	if (!S_ISREG(ch->box.st_mode) || !plan_knows_inode(p, &ch->box) ||
	    changes_copied_from(p->p.ov, ch, from, sizeof from) < 0 || strcmp(from, ch->path) == 0)
		return false;
	o = plan_origin(p, from);
	return o && o->kind == ORIGIN_REGULAR && o->ino == ch->box.st_ino && o->dev == ch->box.st_dev &&
	       host_stat(&p->host, from, &st) == 0 && !st.st_mode &&
	       overlay_lookup(p->p.ov, &caller, AT_VIEW(from), LOOKUP_NOFOLLOW, &old) == -ENOENT;
}

/* The directory of the box above for which the host has none, but something else, a symlink perhaps, or nothing: nothing is below that. Or NO_ITEM. */
static size_t new_directory_above(const struct plan *p, size_t i)
{
	for (size_t k = p->above[i]; k != NO_ITEM; k = p->above[k])
		if (item_makes_dir(&p->p.items[k]) && !S_ISDIR(p->now[k].st_mode))
			return k;
	return NO_ITEM;
}

/* And the host's was no directory before. Records of what is below are of one that the box moved there, and away again. */
static bool never_had(const struct plan *p, size_t i)
{
	size_t k = new_directory_above(p, i);

	return k != NO_ITEM && p->p.items[k].verdict == COMMIT_APPLY;
}

/* Everything but renames. */
static int judge_plain(struct plan *p, size_t i, const char *path, struct judgement *j, char detail[static COMMIT_WHY_MAX])
{
	const struct change *ch = p->p.items[i].change;
	const struct stat *now = &p->now[i];
	struct since s;
	mode_t was;
	int r = 0;

	*j = (struct judgement){ .was = was_of(now->st_mode), .box = done_by_box(ch, now, now->st_mode), .host = HOST_REMOVED };
	if (ch->kind == CHANGE_DELETED && !now->st_mode)
		return 0;
	/* Something that this box moves elsewhere is not in the way. */
	j->host = HOST_LEAVES;
	if (plan_rename_from(p, path) != NO_ITEM && ch->kind != CHANGE_META)
		return 0;
	if (!now->st_mode && never_had(p, i))
		s = (struct since){ .same = true };
	else
		r = since_by_any_name(p, ch, path, now, &s);
	if (r < 0)
		return r;
	j->host = HOST_SAME;
	if (!s.same) {
		was = s.origin && s.origin->kind != ORIGIN_ABSENT ? s.origin->mode : 0;
		j->was = was_of(was);
		j->box = done_by_box(ch, now, was);
		r = judge_changed(p, ch, &s, path, now, j);
	}
	if (s.same && j->was == WAS_NONE && source_is_gone(p, ch))
		*j = (struct judgement){ .was = WAS_FILE, .box = BOX_MOVED, .host = HOST_REMOVED };
	if (r == 0 && (j->host & (HOST_SAME | HOST_TOUCHED)) && S_ISDIR(now->st_mode) && !S_ISDIR(ch->box.st_mode)) {
		r = removed_tree_known(p, path, ch->path, detail);
		if (r == 0)
			j->host = HOST_ENTRIES;
	}
	return r < 0 ? r : 0;
}

/* ---- renames ---- */

/* The host's symlink on the way to it will be elsewhere by then, or is replaced. */
static bool nothing_there(const struct plan *p, size_t i, const char *path)
{
	return new_directory_above(p, i) != NO_ITEM || plan_carrier(p, path, p->p.items[i].change->path) != NO_ITEM;
}

/* The place a renamed object goes to. Leaves *ret_host alone when it may. */
static int judge_destination(struct plan *p, size_t i, const char *path, unsigned *ret_host, char detail[static COMMIT_WHY_MAX])
{
	const struct change *ch = p->p.items[i].change;
	struct stat *now = &p->in_way[i];
	unsigned host = HOST_SAME;
	struct since s;
	int r = host_stat(&p->host, path, now);

	if (r == -ELOOP && nothing_there(p, i, path)) {
		memset(now, 0, sizeof *now);
		return 0;
	}
	if (r < 0 || !now->st_mode || plan_rename_from(p, path) != NO_ITEM || plan_carrier(p, path, ch->path) != NO_ITEM)
		return r;
	r = since_by_any_name(p, ch, path, now, &s);
	if (r == 0 && since_unchanged(&s))
		r = since_taken(p, &s, path, now, &host);
	if (r < 0)
		return r;
	if (!since_unchanged(&s) || host == HOST_META)
		*ret_host = !s.origin && record_lost(p, ch->path) ? HOST_NO_RECORD
		            : s.type                              ? HOST_TAKEN_TYPE
		            : s.appeared                          ? HOST_TAKEN
		                                                  : HOST_TAKEN_CHANGED;
	else if (S_ISDIR(now->st_mode) && (r = removed_tree_known(p, path, ch->path, detail)) == 0)
		*ret_host = HOST_ENTRIES;
	return r < 0 ? r : 0;
}

/* The host has nothing under the old name: it may have given a directory the same new one. What else the box did to it must be there too. */
static unsigned where_to(struct plan *p, const struct change *ch, const struct origin *o, const char *path)
{
	const struct stat *b = &ch->box;
	struct stat st;

	if (!o && record_lost(p, ch->from))
		return HOST_NO_RECORD;
	if (!o || !S_ISDIR(b->st_mode) || host_stat(&p->host, path, &st) < 0 || st.st_ino != o->ino || st.st_dev != o->dev)
		return HOST_REMOVED;
	return st.st_mode == b->st_mode && st.st_uid == b->st_uid && st.st_gid == b->st_gid ? HOST_MOVED : HOST_REMOVED;
}

static int judge_source(struct plan *p, size_t i, struct judgement *j)
{
	const struct change *ch = p->p.items[i].change;
	const struct stat *now = &p->now[i];
	const struct origin *o = plan_origin(p, ch->from);
	struct since s = { .same = !ch->host_changed };
	int r = 0;

	if (!o)
		o = ch->origin;
	if (o)
		r = since_record(p, o, ch->from, now, &s);
	if (r < 0)
		return r;
	if (!since_unchanged(&s)) {
		r = seen_elsewhere(p, o, ch->from, now, false);
		if (r < 0)
			return r;
		if (r)
			s = (struct since){ .same = true };
	}
	j->host = s.same ? HOST_SAME : s.type ? HOST_TYPE : s.appeared ? HOST_TAKEN : HOST_UNKNOWN;
	if (s.type || s.appeared || !s.origin || s.same)
		return 0;
	return S_ISDIR(now->st_mode) ? since_directory(p, ch, &s, ch->from, now, j) : since_parts(p, ch, &s, ch->from, now, j);
}

static int judge_rename(struct plan *p, size_t i, const char *path, struct judgement *j, char detail[static COMMIT_WHY_MAX])
{
	const struct change *ch = p->p.items[i].change;
	const struct origin *o = plan_origin(p, ch->from);
	int r;

	*j = (struct judgement){ .was = was_of(ch->box.st_mode), .box = done_by_box(ch, &p->now[i], p->now[i].st_mode) };
	if (!p->now[i].st_mode) {
		j->host = where_to(p, ch, o ? o : ch->origin, path);
		return 0;
	}
	r = judge_source(p, i, j);
	if (r < 0 || case_find(j->was, j->box, j->host)->verdict != CASE_APPLY)
		return r;
	return judge_destination(p, i, path, &j->host, detail);
}

/* ---- one item ---- */

/* -errno when it cannot be compared. */
static int judge(struct plan *p, size_t i, struct judgement *j, char detail[static COMMIT_WHY_MAX])
{
	const struct change *ch = p->p.items[i].change;
	char path[PATH_MAX];
	int r;

	*j = (struct judgement){ .was = WAS_NONE, .box = BOX_DEVICE, .host = HOST_SAME };
	if ((S_ISCHR(ch->box.st_mode) || S_ISBLK(ch->box.st_mode)) && geteuid() != 0 && ch->kind != CHANGE_META)
		return 0;
	r = plan_host_path(p, ch->path, path);
	p->dirs[i] = (struct ident){ 0 };
	if (r == 0)
		r = host_parent_ident(&p->host, path, &p->dirs[i]);
	if (r == 0 || !error_is_hard(r))
		r = host_stat(&p->host, ch->kind == CHANGE_RENAMED ? ch->from : path, &p->now[i]);
	if (r == -ELOOP && ch->kind != CHANGE_RENAMED && nothing_there(p, i, path)) {
		memset(&p->now[i], 0, sizeof p->now[i]);
		r = 0;
	}
	*j = (struct judgement){ .was = was_of(p->now[i].st_mode), .box = done_by_box(ch, &p->now[i], p->now[i].st_mode) };
	j->host = HOST_LINK_ABOVE;
	if (r < 0)
		return r == -ELOOP ? 0 : r;
	if (ch->kind == CHANGE_RENAMED)
		return judge_rename(p, i, path, j, detail);
	if (S_ISSOCK(ch->box.st_mode) && ch->kind == CHANGE_ADDED && !p->now[i].st_mode) {
		*j = (struct judgement){ .was = WAS_NONE, .box = BOX_SOCKET, .host = HOST_SAME };
		return 0;
	}
	/* What the host has there will be elsewhere by then. */
	if (plan_carrier(p, path, ch->path) != NO_ITEM) {
		memset(&p->now[i], 0, sizeof p->now[i]);
		j->host = HOST_CARRIED;
		return 0;
	}
	return judge_plain(p, i, path, j, detail);
}

int classify_item(struct plan *p, size_t i)
{
	char detail[COMMIT_WHY_MAX] = "";
	struct judgement j;
	int r = judge(p, i, &j, detail);

	if (r < 0)
		j = (struct judgement){ .was = WAS_NONE, .box = BOX_META, .host = HOST_UNREADABLE };
	decide(&p->p.items[i], &j, r < 0 ? strerror(-r) : detail);
	return r;
}
