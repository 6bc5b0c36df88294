/* lookup.c - walking a path in the view.
 *
 * A walk has two texts: `done`, canonical and known to be a directory, and `rest`, still as given. Each step takes from `rest` as much as
 * holds no "..", asks the table where that lives, and lets the kernel walk it in one call without following symlinks. When the kernel says
 * that there is a symlink on the way (ELOOP), the first one is found, its text is put in its place, and the step is done again.
 *
 * (L1) Nothing is ever followed by the kernel: no symlink, no magic link, below a layer nothing that leads out of it.
 * (L2) A walk ends: each symlink counts, LINKS_MAX at most, and the text is bounded.
 */
#include "overlay/internal.h"

#include <stdio.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#define WALK_MAX (2 * PATH_MAX)
#define LOOKUP_AGAIN 0x10000u   /* lookup_again's */

void object_init(struct object *o)
{
	o->fd = o->meta_fd = -1;
	o->where = OBJECT_ANON;
	o->is_top = o->in_layer = false;
	o->view[0] = o->real[0] = 0;
}

void object_release(struct object *o)
{
	fd_closep(&o->fd);
	fd_closep(&o->meta_fd);
}

struct walk {
	struct overlay *ov;
	const struct caller *c;
	unsigned flags;
	int links;
	bool is_dir;              /* is_dir: the last component must be one (a trailing slash) */
	char done[PATH_MAX];
	char base[PATH_MAX];      /* base: what RESOLVE_BENEATH and IN_ROOT are about */
	char rest[WALK_MAX];
	char cand[PATH_MAX];      /* cand: done and the step */
	struct spot spot;
};

/* ---- /proc ---- */

static bool is_number(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (s[i] < '0' || s[i] > '9')
			return false;
	return len > 0;
}

/* True for /proc/PID[/task/TID]/{cwd,root,exe,fd/N,map_files/X,ns/X}: links whose text is not where they lead. */
static bool is_magic(const char *path)
{
	static const char *const one[] = { "cwd", "root", "exe" }, *const dir[] = { "fd/", "map_files/", "ns/" };

	if (strncmp(path, "/proc/", 6))
		return false;
	path += 6;
	size_t len = strcspn(path, "/");
	if (!is_number(path, len) || !path[len])
		return false;
	path += len + 1;
	if (!strncmp(path, "task/", 5)) {
		len = strcspn(path + 5, "/");
		if (!is_number(path + 5, len) || !path[5 + len])
			return false;
		path += 5 + len + 1;
	}
	for (size_t i = 0; i < 3; i++)
		if (!strcmp(path, one[i]))
			return true;
	for (size_t i = 0; i < 3; i++)
		if (!strncmp(path, dir[i], strlen(dir[i])) && !strchr(path + strlen(dir[i]), '/'))
			return true;
	return false;
}

/* The text that /proc/self and /proc/thread-self have for this caller; 0 when the path is neither. */
static int proc_self(const struct caller *c, const char *path, char *ret, size_t size)
{
	if (!c || !c->pid || strncmp(path, "/proc/", 6))
		return 0;
	if (!strcmp(path + 6, "self"))
		return snprintf(ret, size, "%d", (int)c->pid);
	if (!strcmp(path + 6, "thread-self"))
		return snprintf(ret, size, "%d/task/%d", (int)c->pid, (int)c->tid);
	return 0;
}

/* ---- symlinks ---- */

/* The text of a link at a host or layer path; -EINVAL when it is no link. */
static int read_link(struct walk *w, const struct spot *s, const char *path, char *ret)
{
	if (s->kind == SPOT_HOST) {
		int n = proc_self(w->c, path, ret, PATH_MAX);
		return n ? n : sys_readlinkat(w->ov->root_fd, path_relative(path), ret, PATH_MAX);
	}
	_cleanup_close_ int fd = -1;
	int r = layer_open(w->ov, s->layer, path, O_PATH | O_NOFOLLOW, &fd);
	if (r < 0)
		return r;
	r = sys_readlinkat(fd, "", ret, PATH_MAX);
	return r == -ENOENT ? -EINVAL : r;   /* what an empty path gives for anything but a link */
}

/* Finds the first symlink in the spot's path behind its first `known` bytes. Returns the length of the path up to and with
 * the link, its text in target; -ENOENT when none is there (any more). */
static int find_link(struct walk *w, const struct spot *s, size_t known, char *target)
{
	char path[PATH_MAX];
	size_t len = strlen(s->path), at = known;
	_cleanup_cred_ int own = cred_own_begin();   /* the kernel has come to it already */

	(void)own;
	memcpy(path, s->path, len + 1);
	while (at < len) {
		at++;
		at += strcspn(path + at, "/");
		char keep = path[at];
		path[at] = 0;
		int r = read_link(w, s, path, target);
		path[at] = keep;
		if (r >= 0)
			return (int)at;
		if (r != -EINVAL)
			return r;
	}
	return -ENOENT;
}

/* Replaces the first `upto` bytes of cand, a symlink with this text, and goes on from there. after: what follows cand in the walk. */
static int put_link(struct walk *w, size_t upto, const char *target, const char *after)
{
	char text[WALK_MAX];

	if (w->flags & LOOKUP_NO_SYMLINKS)
		return -ELOOP;
	if (++w->links > LINKS_MAX)
		return -ELOOP;
	if (!*target)
		return -ENOENT;
	if (*target == '/' && (w->flags & LOOKUP_BENEATH))
		return -EXDEV;
	int n = snprintf(text, sizeof text, "%s%s%s%s", target, w->cand + upto, *after && *after != '/' ? "/" : "", after);
	if (n >= (int)sizeof text)
		return -ENAMETOOLONG;
	if (*target == '/') {
		strcpy(w->done, (w->flags & LOOKUP_IN_ROOT) ? w->base : "/");
	} else {
		w->cand[upto] = 0;
		path_split(w->cand, w->done, sizeof w->done);
	}
	memcpy(w->rest, text, (size_t)n + 1);
	return 0;
}

enum step { STEP_AGAIN = 1, STEP_DONE = 2 };

/* A magic link of procfs: the front knows where it leads. */
static int step_magic(struct walk *w, size_t upto, const char *after, struct object *o)
{
	char target[PATH_MAX], link[PATH_MAX];
	int r;

	if (w->flags & (LOOKUP_NO_MAGICLINKS | LOOKUP_NO_SYMLINKS))
		return -ELOOP;
	memcpy(link, w->cand, upto);
	link[upto] = 0;
	if (!w->c || !w->c->magic_link)
		return -ELOOP;
	r = w->c->magic_link(w->c, (struct hpath){ link }, target, sizeof target);
	if (r == 0) {
		if ((r = put_link(w, upto, target, after)) < 0)
			return r;
		return STEP_AGAIN;
	}
	if (r != -ENXIO)
		return r;
	if (w->cand[upto] || *after || w->is_dir)
		return -ENOTDIR;
	r = sys_openat(w->ov->root_fd, path_relative(link), O_PATH | O_CLOEXEC, 0);
	if (r < 0)
		return r;
	o->fd = r;
	o->where = OBJECT_ANON;
	o->view[0] = o->real[0] = 0;
	r = sys_fstat(o->fd, &o->st);
	return r < 0 ? r : STEP_DONE;
}

/* The kernel met a symlink on its way along the spot's path. */
static int step_link(struct walk *w, bool follow, const char *after, struct object *o)
{
	char target[PATH_MAX];
	const struct spot *s = &w->spot;
	size_t known = s->kind == SPOT_HOST || s->kind == SPOT_LAYER ? s->host_through : strlen(s->path) - 1;
	int at;

	if (s->kind == SPOT_HOST || s->kind == SPOT_LAYER) {
		at = find_link(w, s, known, target);
	} else {   /* a layer's object itself */
		at = read_link(w, s, s->path, target);
		if (at >= 0)
			at = (int)strlen(s->path);
	}
	if (at < 0)
		return at;
	/* The tails of both texts are the same. */
	size_t upto = s->kind == SPOT_THROUGH ? s->through : strlen(w->cand) - (strlen(s->path) - (size_t)at);
	if (!w->cand[upto] && !*after && !follow)
		return -ELOOP;
	if (s->kind == SPOT_HOST) {
		char link[PATH_MAX];
		memcpy(link, w->cand, upto);
		link[upto] = 0;
		if (is_magic(link))
			return step_magic(w, upto, after, o);
	}
	int r = put_link(w, upto, target, after);
	return r < 0 ? r : STEP_AGAIN;
}

/* ---- opening what a spot names ---- */

/* The host refused. On the way through the directories that the table knows, and to a name in the last of them, what the view shows
 * decides, though, and that was asked before. */
static int open_below_known(struct overlay *ov, const struct spot *s, uint64_t flags)
{
	_cleanup_close_ int known = -1;
	size_t len = s->host_through + (s->path[s->host_through] == '/');
	char path[PATH_MAX];

	len += strcspn(s->path + len, "/");
	memcpy(path, s->path, len);
	path[len] = 0;
	{
		_cleanup_cred_ int own = cred_own_begin();
		(void)own;
		known = sys_openat2(ov->root_fd, path_relative(path), s->path[len] ? O_PATH | O_CLOEXEC : flags, 0, RESOLVE_NO_SYMLINKS);
	}
	if (known < 0 || !s->path[len])
		return TAKE_FD(known);
	return sys_openat2(known, path_relative(s->path + len), flags, 0, RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH);
}

static int open_spot(struct overlay *ov, const struct spot *s, bool dir, int *ret_fd)
{
	uint64_t flags = O_PATH | O_NOFOLLOW | O_CLOEXEC | (dir ? O_DIRECTORY : 0);

	if (s->kind == SPOT_HOST) {
		int fd = sys_openat2(ov->root_fd, path_relative(s->path), flags, 0, RESOLVE_NO_SYMLINKS);
		if (fd == -EACCES && cred_process_is_root() && !cred_is_root())
			fd = open_below_known(ov, s, flags);
		if (fd < 0)
			return fd;
		*ret_fd = fd;
		return 0;
	}
	return layer_open(ov, s->layer, s->path, flags, ret_fd);
}

/* The lowest directory of the parts that exists, and the topmost for its metadata. */
static int open_parts(struct overlay *ov, const struct spot *s, struct object *o)
{
	int r = -ENOENT;

	for (int i = s->nparts - 1; i >= 0 && o->fd < 0; i--) {
		struct spot part;
		spot_init(&part);
		part.kind = s->parts[i].layer == PART_HOST ? SPOT_HOST : SPOT_OTHER;
		part.layer = s->parts[i].layer;
		part.host_through = strlen(s->parts[i].path);
		if (strlen(s->parts[i].path) >= sizeof part.path)
			return -ENAMETOOLONG;
		strcpy(part.path, s->parts[i].path);
		r = open_spot(ov, &part, true, &o->fd);
		if (r < 0 && (i == 0 || (r != -ENOENT && r != -ENOTDIR && r != -ELOOP)))
			return r;
		if (r == 0) {
			o->where = i == 0 ? OBJECT_LAYER : OBJECT_MERGED;
			if (part.layer == PART_HOST)
				strcpy(o->real, part.path);
			else
				path_join(o->real, sizeof o->real, ov->layers[part.layer].path, path_relative(part.path));
		}
	}
	if (o->where == OBJECT_MERGED)
		r = layer_open(ov, s->parts[0].layer, s->parts[0].path, O_PATH | O_DIRECTORY, &o->meta_fd);
	o->is_top = s->parts[0].layer == ov->top;
	return r;
}

/* Makes of what fstat says of o->fd, in o->st, what the view shows. */
static int fix_stat(struct overlay *ov, struct object *o)
{
	struct stat meta;
	int r;

	if (o->where == OBJECT_MERGED) {
		r = sys_fstat(o->meta_fd, &meta);
		if (r < 0)
			return r;
		struct stat low = o->st;
		o->st = meta;
		o->st.st_dev = low.st_dev;
		o->st.st_ino = low.st_ino;
		o->st.st_nlink = 1;
		/* Who is not root cannot give directories away: then the owner is still the host's. */
		if (!cred_process_is_root() && low.st_uid != meta.st_uid) {
			o->st.st_uid = low.st_uid;
			o->st.st_gid = low.st_gid;
		}
		return 0;
	}
	if (ov->nlinks && !S_ISDIR(o->st.st_mode) && o->st.st_nlink > 1 && o->where != OBJECT_ANON)
		links_count(ov, o->where == OBJECT_LAYER, &o->st);
	if (o->where == OBJECT_LAYER)
		links_identity(ov, o->fd, &o->st);
	if (o->where == OBJECT_LAYER && S_ISREG(o->st.st_mode) && ov->fix_owner && !cred_process_is_root()) {
		struct record rec;
		if (record_read(o->fd, &rec) == 0) {
			o->st.st_uid = rec.uid;
			o->st.st_gid = rec.gid;
		}
	}
	return 0;
}

int object_fix_stat(struct overlay *ov, struct object *o)
{
	int r = sys_fstat(o->fd, &o->st);

	return r < 0 ? r : fix_stat(ov, o);
}

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
	return w->spot.kind == SPOT_DIR ? object_fix_stat(w->ov, o) : fix_stat(w->ov, o);
}

/* Nothing is there, in memory; but who may not search the directory is not told so. */
static int may_search(struct walk *w)
{
	char dir[PATH_MAX];
	_cleanup_object_ struct object o;
	int r;

	object_init(&o);
	if (cred_is_root() || (w->flags & LOOKUP_AGAIN) || !path_split(w->cand, dir, sizeof dir))
		return -ENOENT;
	r = lookup_canonical(w->ov, w->c, dir, &o);
	if (r == 0)
		r = perm_object(w->ov, &o, X_OK);
	return r < 0 ? r : -ENOENT;
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
		r = step_link(w, true, after, o);
		return r == -EINVAL ? -ENOTDIR : r;
	case SPOT_DIR:
		r = open_parts(w->ov, &w->spot, o);
		return r < 0 ? r : STEP_DONE;
	case SPOT_HOST:
	case SPOT_LAYER:
	case SPOT_OTHER:
		break;
	}
	r = open_spot(w->ov, &w->spot, false, &o->fd);
	if (r == -ELOOP)
		return step_link(w, follow, after, o);
	if (r < 0)
		return r;
	r = sys_fstat(o->fd, &o->st);
	if (r < 0)
		return r;
	if (S_ISLNK(o->st.st_mode) && (follow || *after)) {
		object_release(o);
		return step_link(w, true, after, o);
	}
	if (w->spot.kind != SPOT_HOST && stat_is_whiteout(&o->st))
		return -ENOENT;
	if (dir && !S_ISDIR(o->st.st_mode))
		return -ENOTDIR;
	return STEP_DONE;
}

/* ---- the walk ---- */

/* How a segment ended. */
enum tail { TAIL_NONE, TAIL_SLASH, TAIL_DOT };

/* Takes the next part of rest: ret_seg gets what is before the first "..", cleaned of "." and "//". Returns what follows. */
static const char *next_segment(const char *rest, char *ret_seg, enum tail *ret_tail, int *ret_err)
{
	size_t n = 0;

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
		rest = at + len;
		if (len == 1 && at[0] == '.') {
			*ret_tail = TAIL_DOT;
			continue;
		}
		*ret_tail = TAIL_NONE;
		if (n + len + 2 > PATH_MAX) {
			*ret_err = -ENAMETOOLONG;
			ret_seg[0] = 0;
			return at;
		}
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
	w->is_dir = false;
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

/* One "..": to the parent of done, within what openat2's flags allow. */
static int step_up(struct walk *w)
{
	char dir[PATH_MAX];

	if ((w->flags & (LOOKUP_BENEATH | LOOKUP_IN_ROOT)) && !strcmp(w->done, w->base))
		return (w->flags & LOOKUP_BENEATH) ? -EXDEV : 0;
	path_split(w->done, dir, sizeof dir);
	strcpy(w->done, dir);
	return 0;
}

static int set_cand(struct walk *w, const char *seg)
{
	size_t a = strlen(w->done), b = strlen(seg);

	if (a == 1)
		a = 0;
	if (a + b + 1 > sizeof w->cand)
		return -ENAMETOOLONG;
	memcpy(w->cand, w->done, a);
	memcpy(w->cand + a, seg, b + 1);
	if (!w->cand[0])
		strcpy(w->cand, "/");
	return 0;
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

/* Walks to the end; -ENOENT leaves the canonical path that was missing in w->cand (when ret_missing says so). */
static int walk_run(struct walk *w, struct object *o, bool *ret_missing)
{
	char seg[PATH_MAX], after[WALK_MAX];
	enum tail end;
	int r, err;

	*ret_missing = false;
	for (;;) {
		const char *more = next_segment(w->rest, seg, &end, &err);
		bool last = !*more, slash = end != TAIL_NONE;

		memmove(after, more, strlen(more) + 1);
		if (!last && !seg[0] && !err) {   /* ".." comes first */
			if ((r = step_up(w)) < 0)
				return r;
			memmove(w->rest, after + 2, strlen(after + 2) + 1);
			continue;
		}
		if ((r = set_cand(w, seg)) < 0)
			return r;
		bool dir = !last || slash || (last && (w->flags & LOOKUP_DIRECTORY));
		bool follow = !last || slash || !(w->flags & LOOKUP_NOFOLLOW);
		w->is_dir = dir;
		char tail[WALK_MAX];   /* what is to stand behind a link's text */
		tail[0] = last && slash ? '/' : 0;
		if (!tail[0])
			memcpy(tail, after, strlen(after) + 1);
		else
			tail[1] = 0;   /* a slash is only noted at the end, where nothing follows */
		r = step_open(w, follow, dir, tail, o);
		if (r == -ENOENT && last && !err)
			*ret_missing = !slash;
		if (r == -ELOOP && !follow && (w->flags & LOOKUP_DIRECTORY))
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
			return o->where == OBJECT_ANON && !w->cand[0] ? 0 : 1;
		if (o->where == OBJECT_ANON)
			return -ENOTDIR;
		if (err)
			return err;
		strcpy(w->done, w->cand);
		object_release(o);
		memcpy(w->rest, after, strlen(after) + 1);
	}
}

int lookup_full(struct overlay *ov, const struct caller *c, struct at at, unsigned flags, struct object *ret, char *missing)
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
		if (ret->where == OBJECT_ANON) {
			r = 0;
			break;
		}
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

	(void)own;
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
		r = open_parts(ov, &s, o);
	} else {
		r = open_spot(ov, &s, false, &o->fd);
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

/* ---- the last component of what is to be made or removed ---- */

int lookup_leaf(struct overlay *ov, const struct caller *c, struct at at, struct leaf *ret, enum leaf_last *ret_last)
{
	char text[PATH_MAX];
	_cleanup_object_ struct object dir;
	size_t len = strlen(at.path), end = len;
	int r;

	object_init(&dir);
	if (!len)
		return -ENOENT;
	if (len >= PATH_MAX)
		return -ENAMETOOLONG;
	*ret_last = LEAF_NORMAL;
	while (end && at.path[end - 1] == '/')
		end--;
	ret->slash = end < len;
	if (!end) {
		*ret_last = LEAF_ROOT;
		return 0;
	}
	size_t start = end;
	while (start && at.path[start - 1] != '/')
		start--;
	const char *name = at.path + start;
	size_t nlen = end - start;
	memcpy(text, at.path, start);
	text[start] = 0;
	r = overlay_lookup(ov, c, (struct at){ at.dir, text }, LOOKUP_DIRECTORY | LOOKUP_EMPTY_PATH, &dir);
	if (r < 0)
		return r;
	if (nlen == 1 && name[0] == '.')
		*ret_last = LEAF_DOT;
	else if (nlen == 2 && name[0] == '.' && name[1] == '.')
		*ret_last = LEAF_DOTDOT;
	if (dir.where == OBJECT_ANON)
		return -ENOTDIR;
	strcpy(ret->dir, dir.view);
	ret->too_long = nlen > NAME_MAX;
	/* The kernel asks for the right to search before it looks at the name at all. Where it will be asked with a good name anyway,
	 * that is told then. */
	if ((ret->too_long || ret->slash || *ret_last != LEAF_NORMAL) && !cred_is_root()) {
		r = perm_object(ov, &dir, X_OK);
		if (r < 0)
			return r;
	}
	if (ret->too_long) {
		strcpy(ret->view, ret->dir);
		ret->name = "";
		return 0;
	}
	char last[NAME_MAX + 1];
	memcpy(last, name, nlen);
	last[nlen] = 0;
	r = path_join(ret->view, sizeof ret->view, ret->dir, last);
	if (r < 0)
		return r;
	ret->name = ret->view + strlen(ret->view) - nlen;
	return 0;
}

/* ---- the short way ---- */

int lookup_open_host(struct overlay *ov, const struct caller *c, struct at at, uint64_t oflags, bool nofollow)
{
	struct walk w;
	char seg[PATH_MAX];
	struct stat st;
	enum tail end;
	int r, err;

	r = walk_start(&w, ov, c, at, 0);
	if (r < 0)
		return -EAGAIN;
	const char *more = next_segment(w.rest, seg, &end, &err);
	if (*more || end != TAIL_NONE || err || set_cand(&w, seg) < 0 || overlay_hides(ov, w.cand))
		return -EAGAIN;
	r = table_walk_search(ov, w.cand, &w.spot);
	bool host = r == 0 && w.spot.kind == SPOT_HOST;
	spot_release(&w.spot);
	if (!host || !strncmp(w.spot.path, "/proc/", 6) || !strncmp(w.spot.path, "/dev/", 5))
		return -EAGAIN;
	/* What it is must be known before it is opened: opening a FIFO may block, opening a device may do something. */
	r = sys_fstatat(ov->root_fd, path_relative(w.spot.path), &st, nofollow ? AT_SYMLINK_NOFOLLOW : 0);
	if (r < 0 || !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) || (st.st_nlink > 1 && S_ISREG(st.st_mode) && ov->nlinks))
		return -EAGAIN;
	r = sys_openat2(ov->root_fd, path_relative(w.spot.path), oflags | O_CLOEXEC, 0, RESOLVE_NO_SYMLINKS);
	return r == -ELOOP || r == -ENOENT ? -EAGAIN : r;
}

/* ---- from what the kernel says back to the view ---- */

bool overlay_hides(struct overlay *ov, const char *path)
{
	return path_below(path, ov->box->store_path, NULL);
}

bool overlay_untouched(struct overlay *ov, struct vpath dir)
{
	_cleanup_spot_ struct spot s;

	spot_init(&s);
	return table_walk(ov, dir.s, &s) == 0 && s.kind == SPOT_HOST && !overlay_hides(ov, dir.s) && !strcmp(s.path, dir.s);
}

/* The view path of what a part's path names, through renamed directories. */
static int view_of_part(struct overlay *ov, int layer, const char *real, char *ret, size_t size)
{
	const struct redirect *best = NULL;
	const char *rest, *best_rest = real;
	int r = 0;

	if (layer != ov->top && ov->has_redirects) {
		r = table_begin(ov, !ov->redirects_valid);
		if (r < 0)
			return r;
		if (!ov->redirects_valid) {
			table_end(ov);
			r = table_begin(ov, true);
			if (r < 0)
				return r;
			r = redirects_update(ov);
		}
		for (size_t i = 0; r == 0 && i < ov->nredirects; i++)
			if (ov->redirects[i].layer == layer && path_below(real, ov->redirects[i].real, &rest) &&
			    (!best || strlen(rest) < strlen(best_rest))) {
				best = &ov->redirects[i];
				best_rest = rest;
			}
		if (r == 0 && snprintf(ret, size, "%s%s", best ? best->view : "", best ? best_rest : real) >= (int)size)
			r = -ENAMETOOLONG;
		table_end(ov);
		return r;
	}
	if (strlen(real) >= size)
		return -ENAMETOOLONG;
	strcpy(ret, real);
	return 0;
}

/* Whether the view still shows at `view` what (layer, real) names. */
static int view_shows(struct overlay *ov, int layer, const char *real, const char *view)
{
	_cleanup_spot_ struct spot s;
	int r;

	spot_init(&s);
	r = table_walk(ov, view, &s);
	if (r < 0)
		return r;
	switch (s.kind) {
	case SPOT_WHITEOUT:
	case SPOT_HIDDEN:
	case SPOT_THROUGH:
		return -ENOENT;
	case SPOT_HOST:
	case SPOT_LAYER:
		return s.kind == (layer == PART_HOST ? SPOT_HOST : SPOT_LAYER) && !strcmp(s.path, real) ? 0 : -ENOENT;
	case SPOT_OTHER:
		return 0;   /* the object itself, or the host's that was copied up or replaced */
	case SPOT_DIR:
		for (int i = 0; i < s.nparts; i++)
			if (s.parts[i].layer == layer && !strcmp(s.parts[i].path, real))
				return 0;
		return -ENOENT;
	}
	return -ENOENT;
}

int overlay_view_path(struct overlay *ov, const char *real, char *ret, size_t size)
{
	static const char suffix[] = " (deleted)";
	char path[PATH_MAX];
	size_t len = strlen(real);
	int layer = PART_HOST, r;
	bool gone = false;

	if (len >= sizeof path || real[0] != '/')
		return -ENOENT;
	memcpy(path, real, len + 1);
	if (len > sizeof suffix && !strcmp(path + len - (sizeof suffix - 1), suffix)) {
		struct stat st;   /* or a name that ends so */
		if (sys_fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			path[len - (sizeof suffix - 1)] = 0;
			gone = true;
		}
	}
	const char *rest = path;
	for (int i = 0; i < ov->nlayers; i++)
		if (path_below(path, ov->layers[i].path, &rest)) {
			layer = i;
			if (!*rest)
				rest = "/";
			break;
		}
	if (layer == PART_HOST) {
		rest = path;
		if (overlay_hides(ov, path)) {
			if (size)
				ret[0] = 0;
			return -ENOENT;
		}
	}
	r = view_of_part(ov, layer, rest, ret, size);
	if (r < 0)
		return r;
	return gone ? -ENOENT : view_shows(ov, layer, rest, ret);
}

int overlay_fstat(struct overlay *ov, const struct caller *c, int fd, struct stat *ret)
{
	_cleanup_object_ struct object o;
	struct stat st;
	int r = sys_fstat(fd, &st);

	object_init(&o);
	if (r == 0)
		r = table_begin(ov, false);
	if (r < 0)
		return r;
	bool known = inode_set_has(&ov->touched, st.st_dev, st.st_ino), fix = ov->fix_owner || (ov->nlinks && st.st_nlink > 1);
	table_end(ov);
	if ((known && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))) || (fix && S_ISREG(st.st_mode)) || ov->nlayers > 1) {
		r = overlay_lookup_fd(ov, c, fd, &o);
		if (r < 0)
			return r;
		st = o.st;
	} else {
		links_identity(ov, fd, &st);
	}
	*ret = st;
	return 0;
}

/* A host object that the view has no more under the name by which it was opened: it may have been copied up under another. */
static int lookup_copy(struct overlay *ov, struct object *o, const struct stat *host)
{
	_cleanup_cred_ int own = cred_own_begin();
	struct object copy = { .where = OBJECT_LAYER, .fd = -1, .meta_fd = -1 };
	char name[LINK_NAME_MAX];
	struct link_entry e;
	int r;

	(void)own;
	if (!links_get(ov, host->st_dev, host->st_ino, &e))
		return -ENOENT;
	if (!e.copied || !e.in_top) {
		links_count(ov, false, &o->st);
		return -ENOENT;
	}
	links_name(name, &e);
	copy.fd = sys_openat(ov->layers[ov->top].links_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
	if (copy.fd < 0)
		return copy.fd;
	r = object_fix_stat(ov, &copy);
	if (r < 0) {
		fd_closep(&copy.fd);
		return r;
	}
	fd_closep(&o->fd);
	o->fd = copy.fd;
	o->st = copy.st;
	return 0;
}

/* A regular file that is in the top layer under the name the kernel tells: there is nothing to look up. 1, or 0 when it is not one. */
static int own_file(struct overlay *ov, int fd, const struct stat *st, const char *real, struct object *ret)
{
	static const char suffix[] = " (deleted)";
	const char *rest;
	size_t len = strlen(real);

	if (!S_ISREG(st->st_mode) || !path_below(real, ov->layers[ov->top].path, &rest) || !*rest)
		return 0;
	if (len >= sizeof suffix && !strcmp(real + len - (sizeof suffix - 1), suffix))
		return 0;
	ret->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (ret->fd < 0)
		return -errno;
	ret->where = OBJECT_LAYER;
	ret->is_top = ret->in_layer = true;
	ret->st = *st;
	strcpy(ret->view, rest);
	strcpy(ret->real, real);
	int r = fix_stat(ov, ret);
	return r < 0 ? r : 1;
}

int overlay_lookup_fd(struct overlay *ov, const struct caller *c, int fd, struct object *ret)
{
	char real[PATH_MAX], view[PATH_MAX];
	_cleanup_object_ struct object found;
	struct stat st, shown;
	int r;

	object_init(ret);
	object_init(&found);
	r = sys_fstat(fd, &st);
	if (r < 0)
		return r;
	shown = st;
	links_identity(ov, fd, &shown);
	if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) || S_ISLNK(st.st_mode) || S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode) ||
	    S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) {
		r = fd_real_path(fd, real, sizeof real);
		if (r > 0) {
			r = own_file(ov, fd, &st, real, ret);
			if (r != 0)
				return r < 0 ? r : 0;
			r = 1;
		}
		if (r > 0 && real[0] == '/' && overlay_view_path(ov, real, view, sizeof view) == 0 &&
		    lookup_again(ov, c, view, &found) == 0) {
			/* A host file whose copy the view has shows the same identity. */
			bool same = found.st.st_ino == shown.st_ino && found.st.st_dev == shown.st_dev;
			if (same) {
				*ret = found;
				object_init(&found);
				return 0;
			}
		}
	}
	ret->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (ret->fd < 0)
		return -errno;
	ret->where = OBJECT_ANON;
	ret->st = shown;
	if (ov->nlinks && !S_ISDIR(st.st_mode) && lookup_copy(ov, ret, &st) == 0)
		return 0;
	if (ov->nlinks || ov->fix_owner) {   /* a deleted file of the layer still has its true owner */
		struct object layer = { .where = OBJECT_LAYER, .fd = fd, .meta_fd = -1 };
		if (S_ISREG(st.st_mode) && st.st_dev == ov->layers[ov->top].dev && object_fix_stat(ov, &layer) == 0 && st.st_nlink)
			ret->st = layer.st;
	}
	return 0;
}
