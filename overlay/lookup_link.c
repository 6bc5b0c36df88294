/* lookup_link.c - symlinks on the way of a lookup: found, read, put into the walk; magic links of procfs. */
#include "overlay/lookup.h"

#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/vfs.h>

/* ---- /proc ---- */

static bool is_number(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (s[i] < '0' || s[i] > '9')
			return false;
	return len > 0;
}

const char *proc_below(const char *path, int *ret_pid)
{
	if (strncmp(path, "/proc/", 6))
		return NULL;
	path += 6;
	size_t len = strcspn(path, "/");
	if (!is_number(path, len) || !path[len])
		return NULL;
	*ret_pid = atoi(path);
	path += len + 1;
	if (strncmp(path, "task/", 5))
		return path;
	len = strcspn(path + 5, "/");
	return is_number(path + 5, len) && path[5 + len] ? path + 5 + len + 1 : NULL;
}

/* True for /proc/PID[/task/TID]/{cwd,root,exe,fd/N,map_files/X,ns/X}: links whose text is not where they lead. */
static bool is_magic(const char *path)
{
	static const char *const one[] = { "cwd", "root", "exe" }, *const dir[] = { "fd/", "map_files/", "ns/" };

	int pid;

	path = proc_below(path, &pid);
	if (!path)
		return false;
	for (size_t i = 0; i < 3; i++)
		if (!strcmp(path, one[i]))
			return true;
	for (size_t i = 0; i < 3; i++)
		if (!strncmp(path, dir[i], strlen(dir[i])) && !strchr(path + strlen(dir[i]), '/'))
			return true;
	return false;
}

/* The same in a procfs mounted at another place, or in a bind mount of a part of one. */
static bool is_magic_elsewhere(const struct walk *w, const char *path)
{
	static const char *const names[] = { "cwd", "root", "exe" }, *const dirs[] = { "fd", "map_files", "ns" };
	const char *name = strrchr(path, '/'), *dir = name;
	bool named = false;
	struct statfs fs;

	if (!name || name == path)
		return false;
	while (dir > path && dir[-1] != '/')
		dir--;
	for (size_t i = 0; i < 3; i++)
		named |= !strcmp(name + 1, names[i]) || ((size_t)(name - dir) == strlen(dirs[i]) && !strncmp(dir, dirs[i], strlen(dirs[i])));
	if (!named)
		return false;
	_cleanup_close_ int fd = sys_openat(w->ov->root_fd, path_relative(path), O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
	return fd >= 0 && fstatfs(fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
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
	if (n >= (int)sizeof text)   /* the kernel keeps each text apart, and ends by their number: what grows so is a loop */
		return -ELOOP;
	if (*target == '/') {
		strcpy(w->done, (w->flags & LOOKUP_IN_ROOT) ? w->base : "/");
	} else {
		w->cand[upto] = 0;
		path_split(w->cand, w->done, sizeof w->done);
	}
	w->done_known = true;
	w->slash_seen = false;
	memcpy(w->rest, text, (size_t)n + 1);
	return 0;
}

/* The object that a magic link leads to, for a caller who may not be able to walk there: the kernel does not walk, and what has been opened is judged
 * by its own mode alone. 1, or 0 when it is not (or is not surely) what the view has at target: then the text is walked. */
static int open_magic(struct walk *w, const char *link, const char *target, struct object *o)
{
	_cleanup_object_ struct object found;
	_cleanup_close_ int fd = -1;
	char again[PATH_MAX];

	object_init(&found);
	{
		_cleanup_cred_ int own = cred_own_begin();   /* whether the caller may go by it, magic_link has said */
		fd = sys_openat(w->ov->root_fd, path_relative(link), O_PATH | O_CLOEXEC, 0);
	}
	if (fd < 0 || w->c->magic_link(w->c, (struct hpath){ link }, again, sizeof again) != 0 || strcmp(again, target))
		return 0;
	if (overlay_lookup_fd_take(w->ov, w->c, &fd, &found) < 0 || found.where == OBJECT_ANON || strcmp(found.view, target))
		return 0;
	*o = found;
	object_init(&found);
	return 1;
}

/* Whether what the link leads to, and nothing behind it, is meant. */
static bool ends_at_link(const struct walk *w, size_t upto, const char *after)
{
	return !w->cand[upto] && (!*after || !strcmp(after, "/")) && !(w->flags & (LOOKUP_BENEATH | LOOKUP_IN_ROOT));
}

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
	if (r == 0 && !cred_is_root() && ends_at_link(w, upto, after) && open_magic(w, link, target, o)) {
		w->whole = true;
		if (++w->links > LINKS_MAX)
			return -ELOOP;
		return w->is_dir && !S_ISDIR(o->st.st_mode) ? -ENOTDIR : STEP_DONE;
	}
	if (r == 0) {
		if ((r = put_link(w, upto, target, after)) < 0)
			return r;
		return STEP_AGAIN;
	}
	if (r != -ENXIO)
		return r;
	bool below = w->cand[upto] || (*after && strcmp(after, "/") && strcmp(after, "/.")), slash = *after || w->is_dir;
	r = sys_openat(w->ov->root_fd, path_relative(link), O_PATH | O_CLOEXEC, 0);
	if (r < 0)
		return r;
	o->fd = r;
	r = w->c->magic_link(w->c, (struct hpath){ link }, target, sizeof target);
	if (r != -ENXIO)
		return r < 0 ? r : -EACCES;
	o->where = OBJECT_ANON;
	o->view[0] = o->real[0] = 0;
	r = sys_fstat(o->fd, &o->st);
	if (r < 0)
		return r;
	if (S_ISDIR(o->st.st_mode))
		o->st.st_nlink = 0;   /* it is gone, also when the host still has it, and nothing is in it */
	else if (below || slash)
		return -ENOTDIR;
	return below ? -ENOENT : STEP_DONE;
}

int walk_link(struct walk *w, bool follow, const char *after, struct object *o)
{
	char target[PATH_MAX];
	const struct spot *s = &w->spot;
	size_t known = s->kind == SPOT_HOST || s->kind == SPOT_LAYER ? s->host_through : strlen(s->path) - 1;
	int at;

	if (o->fd >= 0) {   /* it was opened: the path is the link's own, and no other is on the way */
		at = s->kind == SPOT_HOST ? proc_self(w->c, s->path, target, sizeof target) : 0;
		if (at == 0)
			at = sys_readlinkat(o->fd, "", target, sizeof target);
		object_release(o);
		if (at >= 0)
			at = (int)strlen(s->path);
	} else if (s->kind == SPOT_HOST || s->kind == SPOT_LAYER) {
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
	if (!w->cand[upto] && !*after && !follow) {
		w->at_link = true;
		return -ELOOP;
	}
	if (s->kind == SPOT_HOST) {
		char link[PATH_MAX];
		memcpy(link, w->cand, upto);
		link[upto] = 0;
		if (is_magic(link))
			return step_magic(w, upto, after, o);
		if (is_magic_elsewhere(w, link))   /* whose processes that procfs tells of is not known */
			return -EACCES;
	}
	int r = put_link(w, upto, target, after);
	return r < 0 ? r : STEP_AGAIN;
}
