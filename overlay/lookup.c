/* lookup.c - walking a path in the view.
 *
 * A walk has two texts: `done`, canonical and known to be a directory, and `rest`, still as given. Each step takes from `rest` as much as
 * holds no "..", asks the table where that lives, and lets the kernel walk it in one call without following symlinks. When the kernel says
 * that there is a symlink on the way (ELOOP), the first one is found, its text is put in its place, and the step is done again.
 *
 * (L1) Nothing is ever followed by the kernel: no symlink, below a layer nothing that leads out of it, and of magic links only the last in a path,
 *      once the front has said where it leads and that the caller may go there (step_magic).
 * (L2) A walk ends: each symlink counts, LINKS_MAX at most, and the text is bounded.
 */
#include "overlay/lookup.h"

#include <sys/sysmacros.h>

/* ---- one step ---- */

static int finish(struct walk *w, struct object *o)
{
	strcpy(o->view, w->cand);
	if (w->spot.kind != SPOT_DIR) {
		o->where = w->spot.kind == SPOT_HOST ? OBJECT_HOST : OBJECT_LAYER;
		o->is_top = w->spot.kind != SPOT_HOST && w->spot.layer == w->ov->top;
		if (w->spot.kind == SPOT_HOST)
			strcpy(o->real, w->spot.path);
		else if (path_join(o->real, sizeof o->real, w->ov->layers[w->spot.layer].path, path_relative(w->spot.path)) < 0)
			o->real[0] = 0;   /* too long to say: it can be reached by fd only */
	}
	/* step_open has asked for all but merged directories already. */
	if (w->spot.kind != SPOT_DIR)
		return object_show_stat(w->ov, o);
	int r = object_fix_stat(w->ov, o);
	/* The host may have got another directory there since the origin was taken, by a commit for one; nobody lists it before it was found here. */
	return r == 0 && o->where == OBJECT_MERGED ? table_note_touched(w->ov, &o->st) : r;
}

/* The directory that has the whiteout by which w->cand is missing: below it nothing is there either, and there may be thousands of names. */
static int whiteout_dir(struct walk *w, char ret[static PATH_MAX])
{
	_cleanup_spot_ struct spot s;
	int r;

	spot_init(&s);
	strcpy(ret, w->cand);
	do {
		path_split(ret, ret, PATH_MAX);
		r = table_walk(w->ov, ret, &s);
	} while (r == 0 && (s.kind == SPOT_WHITEOUT || s.kind == SPOT_HIDDEN) && ret[1]);
	return r;
}

/* Nothing is there, in memory; but who may not search the directory is not told so. */
static int may_search(struct walk *w)
{
	char dir[PATH_MAX];
	_cleanup_object_ struct object o;
	int r;

	object_init(&o);
	if (cred_is_root() || (w->flags & (LOOKUP_AGAIN | LOOKUP_MISSING)))
		return -ENOENT;
	r = whiteout_dir(w, dir);
	if (r == 0)
		r = lookup_full(w->ov, w->c, AT_VIEW(dir), LOOKUP_NOFOLLOW | LOOKUP_MISSING, &o, NULL);
	if (r == 0)
		r = perm_object(w->ov, &o, X_OK);
	return r < 0 ? r : -ENOENT;
}

/* The caller's own /proc/PID/fd and fdinfo, and those of its threads, it may always search, be it dumpable or not. */
static bool own_fds(const struct caller *c, const char *path)
{
	int pid;

	path = proc_below(path, &pid);
	if (!path || !c || !c->pid || pid != c->pid)
		return false;
	return !strncmp(path, "fd/", 3) || !strncmp(path, "fdinfo/", 7);
}

static int open_walked(struct walk *w, struct object *o)
{
	return w->spot.kind == SPOT_DIR ? spot_open_parts(w->ov, &w->spot, o) : spot_open(w->ov, &w->spot, false, &o->fd);
}

/* Opens what the spot names. Who has the object already gets to it whatever the directories on the way say: past those of the layer by giving
 * them search permission for a moment, with the lock, so that nobody else sets their modes meanwhile. */
static int open_spot(struct walk *w, struct object *o)
{
	int r = open_walked(w, o);

	if (r != -EACCES || !(w->flags & LOOKUP_AGAIN) || cred_process_is_root())
		return r;
	object_release(o);
	r = change_begin(w->ov);
	if (r < 0)
		return r;
	w->spot.own = true;
	r = open_walked(w, o);
	w->spot.own = false;
	change_end(w->ov, false);
	return r;
}

/* Opens cand. STEP_AGAIN: a symlink was put in its place. after: what follows cand in the walk, "" for nothing. */
static int step_open(struct walk *w, bool follow, bool dir, const char *after, struct object *o)
{
	int r;

	if (overlay_hides(w->ov, w->cand))
		return -ENOENT;
	r = (w->flags & LOOKUP_AGAIN) ? table_walk(w->ov, w->cand, &w->spot) : table_walk_search(w->ov, w->cand, &w->spot);
	if (r < 0)
		return r;
	switch (w->spot.kind) {
	case SPOT_WHITEOUT:
	case SPOT_HIDDEN:
		return may_search(w);
	case SPOT_THROUGH:
		r = walk_link(w, true, after, o);
		return r == -EINVAL ? -ENOTDIR : r;
	case SPOT_DIR:
		r = open_spot(w, o);
		return r < 0 ? r : STEP_DONE;
	case SPOT_HOST:
	case SPOT_LAYER:
	case SPOT_OTHER:
		break;
	}
	r = open_spot(w, o);
	if (r == -EACCES && w->spot.kind == SPOT_HOST && own_fds(w->c, w->spot.path)) {
		_cleanup_cred_ int own = cred_own_begin();
		r = spot_open(w->ov, &w->spot, false, &o->fd);
	}
	if (r == -ELOOP)
		return walk_link(w, follow, after, o);
	if (r < 0)
		return r;
	r = sys_fstat(o->fd, &o->st);
	if (r < 0)
		return r;
	if (S_ISLNK(o->st.st_mode) && (follow || *after))
		return walk_link(w, true, after, o);
	if (w->spot.kind != SPOT_HOST && stat_is_whiteout(&o->st))
		return -ENOENT;
	if (dir && !S_ISDIR(o->st.st_mode))
		return -ENOTDIR;
	return STEP_DONE;
}

/* ---- the walk ---- */

/* How a segment ended. */
enum tail { TAIL_NONE, TAIL_SLASH, TAIL_DOT };

/* Takes the next part of rest: ret_seg gets what is before the first "..", cleaned of "." and "//", or as much of it as leaves done a path. Returns
 * what follows. */
static const char *next_segment(const char *done, const char *rest, char *ret_seg, enum tail *ret_tail, int *ret_err)
{
	size_t n = 0, before = strlen(done);

	if (before == 1)
		before = 0;
	*ret_tail = TAIL_NONE;
	*ret_err = 0;
	for (;;) {
		size_t slashes = strspn(rest, "/");
		const char *at = rest + slashes;
		size_t len = strcspn(at, "/");

		if (slashes && !len && *ret_tail == TAIL_NONE)
			*ret_tail = TAIL_SLASH;
		if (!len || (len == 2 && at[0] == '.' && at[1] == '.')) {
			ret_seg[n] = 0;
			return at;
		}
		if (len > NAME_MAX) {   /* what comes before it decides first */
			*ret_err = -ENAMETOOLONG;
			ret_seg[n] = 0;
			return at;
		}
		bool dot = len == 1 && at[0] == '.';
		if (!dot && before + n + len + 2 > PATH_MAX) {   /* a link in what fits may make it shorter */
			*ret_err = n ? 0 : -ENAMETOOLONG;
			ret_seg[n] = 0;
			return at;
		}
		rest = at + len;
		*ret_tail = dot ? TAIL_DOT : TAIL_NONE;
		if (dot)
			continue;
		ret_seg[n++] = '/';
		memcpy(ret_seg + n, at, len);
		n += len;
	}
}

static int walk_start(struct walk *w, struct overlay *ov, const struct caller *c, struct at at, unsigned flags)
{
	w->ov = ov;
	w->c = c;
	w->flags = flags;
	w->links = 0;
	w->is_dir = w->at_link = w->done_known = w->slash_seen = w->whole = false;
	spot_init(&w->spot);
	size_t len = strlen(at.path);
	if (!len && !(flags & LOOKUP_EMPTY_PATH))
		return -ENOENT;
	if (len >= PATH_MAX)
		return -ENAMETOOLONG;
	if (at.path[0] == '/' && (flags & LOOKUP_BENEATH))
		return -EXDEV;
	const char *dir = at.path[0] == '/' && !(flags & LOOKUP_IN_ROOT) ? "/" : at.dir.s;
	if (strlen(dir) >= PATH_MAX)
		return -ENAMETOOLONG;
	strcpy(w->done, dir);
	strcpy(w->base, dir);
	memcpy(w->rest, at.path, len + 1);
	return 0;
}

/* The start directory comes from the caller, and may be anything. */
static int check_start(struct walk *w)
{
	_cleanup_object_ struct object o;
	int r;

	object_init(&o);
	if (w->done_known || !w->done[1])
		return 0;
	r = lookup_full(w->ov, w->c, AT_VIEW(w->done), LOOKUP_NOFOLLOW | LOOKUP_DIRECTORY | (w->flags & LOOKUP_AGAIN), &o, NULL);
	if (r == 0 && !cred_is_root() && !(w->flags & LOOKUP_AGAIN))
		r = perm_object(w->ov, &o, X_OK);
	w->done_known = true;
	return r;
}

/* One "..": to the parent of done, within what openat2's flags allow. */
static int step_up(struct walk *w)
{
	char dir[PATH_MAX];
	int r = check_start(w);

	if (r < 0)
		return r;
	if ((w->flags & (LOOKUP_BENEATH | LOOKUP_IN_ROOT)) && !strcmp(w->done, w->base))
		return (w->flags & LOOKUP_BENEATH) ? -EXDEV : 0;
	path_split(w->done, dir, sizeof dir);
	strcpy(w->done, dir);
	return 0;
}

static void set_cand(struct walk *w, const char *seg)
{
	size_t a = strlen(w->done), b = strlen(seg);

	if (a == 1)
		a = 0;
	memcpy(w->cand, w->done, a);
	memcpy(w->cand + a, seg, b + 1);
	if (!w->cand[0])
		strcpy(w->cand, "/");
}

/* "." and ".." are looked for in a directory as any name is: who may not search it does not get to them. */
static int may_leave(struct walk *w, struct object *o)
{
	if (cred_is_root() || (w->flags & LOOKUP_AGAIN))
		return 0;
	if (w->spot.kind == SPOT_DIR) {
		int r = object_fix_stat(w->ov, o);
		return r < 0 ? r : perm_object(w->ov, o, X_OK);
	}
	return (o->st.st_mode & 0111) == 0111 ? 0 : perm_fd(o->fd, X_OK);
}

/* A name that is to be made and has a slash behind it, in the path or in the text of a link, is -EISDIR whatever is there, once its directory is
 * found. 0: it has none. By openat2's rules only where the start is theirs too; behind a link the walk decides. */
static int create_slash(struct walk *w)
{
	const unsigned rules = w->flags & (LOOKUP_NO_SYMLINKS | LOOKUP_NO_MAGICLINKS | LOOKUP_BENEATH | LOOKUP_IN_ROOT | LOOKUP_NO_XDEV);
	const char *rest = w->rest + strspn(w->rest, "/");
	size_t len = strlen(rest);
	enum leaf_last last;
	struct leaf leaf;
	int r;

	if (w->slash_seen || !(w->flags & LOOKUP_CREATE) || (rules && strcmp(w->done, w->base)) || !len || rest[len - 1] != '/')
		return 0;
	w->slash_seen = true;
	if (len >= PATH_MAX)
		return -ENAMETOOLONG;
	r = lookup_leaf_by(w->ov, w->c, (struct at){ { w->done }, rest }, rules, &leaf, &last);
	return r < 0 ? r : last == LEAF_NORMAL ? -EISDIR : 0;
}

/* Walks to the end; -ENOENT leaves the canonical path that was missing in w->cand (when ret_missing says so). */
static int walk_run(struct walk *w, struct object *o, bool *ret_missing)
{
	char seg[PATH_MAX], after[WALK_MAX];
	enum tail end;
	int r, err;

	*ret_missing = false;
	for (;;) {
		if ((r = create_slash(w)) < 0)
			return r;
		const char *more = next_segment(w->done, w->rest, seg, &end, &err);
		bool last = !*more, slash = end != TAIL_NONE;

		memmove(after, more, strlen(more) + 1);
		if (!last && !seg[0] && !err) {   /* ".." comes first */
			if ((r = step_up(w)) < 0)
				return r;
			memmove(w->rest, after + 2, strlen(after + 2) + 1);
			continue;
		}
		set_cand(w, seg);
		bool dir = !last || slash || (last && (w->flags & LOOKUP_DIRECTORY));
		bool follow = !last || slash || !(w->flags & LOOKUP_NOFOLLOW);
		w->is_dir = dir;
		if (last && slash)   /* behind a link's text as it is here */
			strcpy(after, end == TAIL_DOT ? "/." : "/");
		r = step_open(w, follow, dir, after, o);
		if (r == -ENOENT && last && !err)
			*ret_missing = !slash;
		if (r == -ELOOP && w->at_link && (w->flags & LOOKUP_DIRECTORY))
			return -ENOTDIR;
		if (r < 0)
			return r;
		if (r == STEP_AGAIN) {
			object_release(o);
			continue;
		}
		if (o->where != OBJECT_ANON && (!last || end == TAIL_DOT) && (r = may_leave(w, o)) < 0)
			return r;
		if (last)
			return 0;
		if (o->where == OBJECT_ANON)
			return -ENOTDIR;
		if (err)
			return err;
		strcpy(w->done, w->cand);
		w->done_known = true;
		object_release(o);
		memcpy(w->rest, after, strlen(after) + 1);
	}
}

static int look_up(struct overlay *ov, const struct caller *c, struct at at, unsigned flags, struct object *ret, char *missing)
{
	struct walk w;
	bool is_missing;
	int r;

	object_init(ret);
	ret->where = OBJECT_HOST;
	if (missing)
		missing[0] = 0;
	r = walk_start(&w, ov, c, at, flags);
	if (r < 0)
		return r;
	for (int tries = 0;; tries++) {
		r = walk_run(&w, ret, &is_missing);
		if (r < 0)
			break;
		if (ret->where == OBJECT_ANON || w.whole)
			break;
		r = finish(&w, ret);
		if (r == 0 && ret->where == OBJECT_HOST && ov->nlinks && !S_ISDIR(ret->st.st_mode)) {
			struct link_entry e;
			if (links_get(ov, ret->st.st_dev, ret->st.st_ino, &e) && e.copied && e.in_top && tries < 8) {
				r = copyup_link_in(ov, c, ret->view, &ret->st);
				object_release(ret);
				if (r == 0) {   /* now it is the layer's */
					strcpy(w.done, "/");
					strcpy(w.rest, w.cand);
					continue;
				}
			}
		}
		break;
	}
	spot_release(&w.spot);
	if (r < 0) {
		object_release(ret);
		if (missing)
			strcpy(missing, is_missing && r == -ENOENT ? w.cand : "");
	}
	return r;
}

int lookup_full(struct overlay *ov, const struct caller *c, struct at at, unsigned flags, struct object *ret, char *missing)
{
	int r, e;

	if (c && c->look_begin)
		c->look_begin(c);
	r = look_up(ov, c, at, flags, ret, missing);
	e = c && c->look_end ? c->look_end(c) : 0;
	if (e < 0)
		object_release(ret);
	return e < 0 ? e : r;
}

/* RESOLVE_NO_XDEV: what was found is on the mount that the walk began on. What only a layer has stands for the mount it covers. */
static int check_mount(struct overlay *ov, const struct caller *c, struct at at, const struct object *o)
{
	_cleanup_object_ struct object start;
	struct statx a, b;
	int r;

	object_init(&start);
	if (o->where != OBJECT_HOST && o->where != OBJECT_MERGED)
		return 0;
	r = lookup_full(ov, c, AT_VIEW(at.path[0] == '/' ? "/" : at.dir.s), LOOKUP_DIRECTORY, &start, NULL);
	if (r < 0 || (start.where != OBJECT_HOST && start.where != OBJECT_MERGED))
		return r;
	r = sys_statx(start.fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &a);
	if (r == 0)
		r = sys_statx(o->fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &b);
	return r < 0 ? r : a.stx_mnt_id != b.stx_mnt_id ? -EXDEV : 0;
}

int overlay_lookup(struct overlay *ov, const struct caller *c, struct at at, unsigned flags, struct object *ret)
{
	int r = lookup_full(ov, c, at, flags, ret, NULL);

	if (r == 0 && (flags & LOOKUP_NO_XDEV)) {
		r = check_mount(ov, c, at, ret);
		if (r < 0)
			object_release(ret);
	}
	return r;
}

int lookup_canonical(struct overlay *ov, const struct caller *c, const char *view, struct object *ret)
{
	return lookup_full(ov, c, AT_VIEW(view), LOOKUP_NOFOLLOW, ret, NULL);
}

int lookup_again(struct overlay *ov, const struct caller *c, const char *view, struct object *ret)
{
	_cleanup_cred_ int own = cred_own_begin();

	return lookup_full(ov, c, AT_VIEW(view), LOOKUP_NOFOLLOW | LOOKUP_AGAIN, ret, NULL);
}

int lookup_canonical_locked(struct overlay *ov, const char *view, struct object *o)
{
	_cleanup_spot_ struct spot s;
	int r;

	spot_init(&s);
	object_init(o);
	if (overlay_hides(ov, view))
		return -ENOENT;
	r = table_walk_locked(ov, view, &s);
	if (r < 0)
		return r;
	if (s.kind == SPOT_WHITEOUT || s.kind == SPOT_HIDDEN)
		return -ENOENT;
	if (s.kind == SPOT_THROUGH)
		return -ENOTDIR;
	strcpy(o->view, view);
	if (s.kind == SPOT_DIR) {
		r = spot_open_parts(ov, &s, o);
	} else {
		r = spot_open(ov, &s, false, &o->fd);
		o->where = s.kind == SPOT_HOST ? OBJECT_HOST : OBJECT_LAYER;
		o->is_top = s.kind != SPOT_HOST && s.layer == ov->top;
		if (s.kind == SPOT_HOST)
			strcpy(o->real, s.path);
	}
	if (r == 0)
		r = object_fix_stat(ov, o);
	if (r == 0 && o->where == OBJECT_LAYER && stat_is_whiteout(&o->st))
		r = -ENOENT;
	if (r < 0)
		object_release(o);
	return r;
}

/* ---- the short way ---- */

/* Leaves in w->cand the path as the text alone tells it: if there is no symlink on the way, that is what is meant. */
static bool walk_text(struct walk *w, struct overlay *ov, const struct caller *c, struct at at)
{
	char seg[PATH_MAX];
	enum tail end;
	int err;

	if (walk_start(w, ov, c, at, 0) < 0)
		return false;
	const char *more = next_segment(w->done, w->rest, seg, &end, &err);
	if (*more || end != TAIL_NONE || err)
		return false;
	set_cand(w, seg);
	return !overlay_hides(ov, w->cand);
}

int lookup_text(struct overlay *ov, struct at at, char *ret)
{
	struct walk w;

	if (!walk_text(&w, ov, NULL, at))
		return -EAGAIN;
	strcpy(ret, w.cand);
	return 0;
}

int lookup_open_host(struct overlay *ov, const struct caller *c, struct at at, uint64_t oflags, bool nofollow)
{
	struct walk w;
	struct stat st;
	int r;

	if (!walk_text(&w, ov, c, at))
		return -EAGAIN;
	r = table_walk_search(ov, w.cand, &w.spot);
	bool host = r == 0 && w.spot.kind == SPOT_HOST;
	spot_release(&w.spot);
	if (!host || path_below(w.spot.path, "/proc", NULL) || path_in_dev(w.spot.path))
		return -EAGAIN;
	/* What it is must be known before it is opened: opening a FIFO may block, opening a device, or a file of tracefs, may do something. */
	r = sys_fstatat(ov->root_fd, path_relative(w.spot.path), &st, nofollow ? AT_SYMLINK_NOFOLLOW : 0);
	if (r < 0 || !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) || (st.st_nlink > 1 && S_ISREG(st.st_mode) && ov->nlinks))
		return -EAGAIN;
	if (S_ISREG(st.st_mode) && st.st_size == 0 && major(st.st_dev) == 0)   /* tracefs has no device, and its files no size */
		return -EAGAIN;
	r = sys_openat2(ov->root_fd, path_relative(w.spot.path), oflags | O_CLOEXEC, 0, RESOLVE_NO_SYMLINKS);
	return r == -ELOOP || r == -ENOENT ? -EAGAIN : r;
}
