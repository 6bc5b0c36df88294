/* tree.c - walking directory trees that somebody else made.
 *
 *                 .-- next name: enter --.
 *                 v                      |
 *     walk_tree -> walk_enter (list) -> walk_step -> no name left: walk_leave -> the parent's next name
 *
 * (I1) One directory is open, the current one. For each directory above it the walk keeps its identity and the names of the
 *      subdirectories still to be entered, on the heap.
 * (I2) Down goes by one component, beneath, through no link and into no mount. Up goes by ".." and only when what is found there is the
 *      directory we came from: a directory that was moved meanwhile ends the walk (-ESTALE).
 */
#include "base/tree.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/fd.h"
#include "base/sys.h"

#define WALK_FLAGS (O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define WALK_RESOLVE (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV)
#define BUFFER_SIZE 32768
#define REVISITS_MAX 16
#define USAGE_TRIES 3

struct level {
	dev_t dev;
	ino_t ino;
	char *names;            /* names: of subdirectories, each NUL-terminated */
	size_t len, size;
	size_t at, next;        /* at: the one that was entered; next: the one after it */
	int revisits;           /* revisits: how often the one at `at` was entered again */
};

struct walk;

/* What is done on the way. Each returns 0 or more, or -errno, which ends the walk. */
struct visitor {
	/* Opens a directory; a negative result other than -ENOMEM leaves it out. */
	int (*open)(struct walk *w, int dirfd, const char *name);
	/* Positive: a directory to enter. */
	int (*entry)(struct walk *w, const char *name, unsigned char type);
	/* All below is done, and the parent is current again. Positive: enter it once more. */
	int (*leave)(struct walk *w, const char *name);
};

struct walk {
	const struct visitor *v;
	int fd;                 /* fd: the current directory */
	struct level *levels;
	size_t depth, levels_size;
	int first_error;        /* first_error: the first that did not end the walk */
	uint64_t bytes, objects;
	char *buf;              /* buf: BUFFER_SIZE bytes for listing */
};

static void walk_note(struct walk *w, int error)
{
	if (w->first_error == 0)
		w->first_error = error;
}

static int level_add_name(struct level *l, const char *name)
{
	size_t n = strlen(name) + 1;

	if (l->len + n > l->size) {
		size_t size = l->size ? 2 * l->size : 512;
		char *p = realloc(l->names, size);

		if (!p)
			return -ENOMEM;
		l->names = p;
		l->size = size;
	}
	memcpy(l->names + l->len, name, n);
	l->len += n;
	return 0;
}

static int list_buffer(struct walk *w, ssize_t n)
{
	struct level *l = &w->levels[w->depth - 1];

	for (ssize_t at = 0; at < n;) {
		const struct dirent64 *d = (const struct dirent64 *)(w->buf + at);
		int r;

		at += d->d_reclen;
		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
			continue;
		r = w->v->entry(w, d->d_name, d->d_type);
		if (r > 0)
			r = level_add_name(l, d->d_name);
		if (r < 0)
			return r;
	}
	return 0;
}

static int list_current(struct walk *w)
{
	for (;;) {
		ssize_t n = sys_getdents64(w->fd, w->buf, BUFFER_SIZE);
		int r;

		if (n < 0 && n != -ENOENT)
			walk_note(w, (int)n);
		if (n <= 0)
			return 0;
		r = list_buffer(w, n);
		if (r < 0)
			return r;
	}
}

/* Makes fd (owned from here on) the current directory, and lists it. */
static int walk_enter(struct walk *w, int fd)
{
	_cleanup_close_ int owned = fd;
	struct level *l;
	struct stat st;
	int r;

	r = sys_fstat(fd, &st);
	if (r < 0)
		return r;
	r = array_room(&w->levels, w->depth, &w->levels_size, sizeof *w->levels);
	if (r < 0)
		return r;
	l = &w->levels[w->depth++];
	*l = (struct level){ .dev = st.st_dev, .ino = st.st_ino };
	fd_closep(&w->fd);
	w->fd = TAKE_FD(owned);
	return list_current(w);
}

/* Goes back to the parent. */
static int walk_leave(struct walk *w)
{
	_cleanup_close_ int up = -1;
	struct level *l, *parent;
	struct stat st;
	int r;

	l = &w->levels[w->depth - 1];
	parent = l - 1;
	up = sys_openat(w->fd, "..", O_PATH | WALK_FLAGS, 0);
	if (up < 0)
		return up == -ENOENT ? -ESTALE : up;
	r = sys_fstat(up, &st);
	if (r < 0)
		return r;
	if (st.st_dev != parent->dev || st.st_ino != parent->ino)
		return -ESTALE;
	free(l->names);
	w->depth--;
	fd_closep(&w->fd);
	w->fd = TAKE_FD(up);
	r = w->v->leave(w, parent->names + parent->at);
	if (r > 0 && parent->revisits++ < REVISITS_MAX)
		parent->next = parent->at;
	return r < 0 ? r : 0;
}

/* Enters the next subdirectory, or goes up. */
static int walk_step(struct walk *w)
{
	struct level *l = &w->levels[w->depth - 1];
	const char *name;
	int fd;

	if (l->next >= l->len)
		return walk_leave(w);
	if (l->next != l->at)
		l->revisits = 0;
	l->at = l->next;
	name = l->names + l->at;
	l->next += strlen(name) + 1;
	fd = w->v->open(w, w->fd, name);
	if (fd == -ENOMEM)
		return fd;
	if (fd < 0) {
		if (fd != -ENOENT)
			walk_note(w, fd);
		return 0;
	}
	return walk_enter(w, fd);
}

static int walk_tree(struct walk *w, int fd)
{
	int r;

	w->buf = malloc(BUFFER_SIZE);
	if (!w->buf) {
		fd_closep(&fd);
		return -ENOMEM;
	}
	r = walk_enter(w, fd);
	while (r == 0 && (w->depth > 1 || w->levels[0].next < w->levels[0].len))
		r = walk_step(w);
	return r;
}

static void walk_release(struct walk *w)
{
	while (w->depth)
		free(w->levels[--w->depth].names);
	free(w->levels);
	free(w->buf);
	fd_closep(&w->fd);
}
#define _cleanup_walk_ _cleanup_(walk_release)

/* ---- removing ---- */

/* A directory may lack the owner's bits. The mode is changed through a descriptor, so of this very object. */
static int remove_open(struct walk *w, int dirfd, const char *name)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	(void)w;
	fd = sys_openat2(dirfd, name, O_PATH | WALK_FLAGS, 0, WALK_RESOLVE);
	if (fd < 0)
		return fd;
	r = sys_fstat(fd, &st);
	if (r < 0)
		return r;
	/* Not being permitted to is no failure yet: a superuser does not need the bits. */
	if ((st.st_mode & 0700) != 0700)
		(void)sys_chmod_fd(fd, (st.st_mode & 07777) | 0700);
	return sys_openat2(fd, ".", O_RDONLY | WALK_FLAGS, 0, WALK_RESOLVE);
}

static int remove_entry(struct walk *w, const char *name, unsigned char type)
{
	int r = type == DT_DIR ? -EISDIR : sys_unlinkat(w->fd, name, 0);

	if (r == -EISDIR) {
		r = sys_unlinkat(w->fd, name, AT_REMOVEDIR);
		if (r == -ENOTEMPTY || r == -EEXIST)
			return 1;
	}
	if (r < 0 && r != -ENOENT)
		walk_note(w, r);
	return 0;
}

/* Not empty any more, or a listing that skipped entries while others went: once more, unless something in there cannot be removed. */
static int remove_leave(struct walk *w, const char *name)
{
	int r = sys_unlinkat(w->fd, name, AT_REMOVEDIR);

	if (r == 0 || r == -ENOENT)
		return 0;
	if ((r == -ENOTEMPTY || r == -EEXIST) && w->first_error == 0 &&
	    w->levels[w->depth - 1].revisits < REVISITS_MAX)
		return 1;
	walk_note(w, r);
	return 0;
}

static int remove_once(int dirfd, const char *name)
{
	static const struct visitor v = { remove_open, remove_entry, remove_leave };
	_cleanup_walk_ struct walk w = { .v = &v, .fd = -1 };
	int fd, r;

	fd = remove_open(&w, dirfd, name);
	if (fd == -ENOTDIR || fd == -ELOOP)
		return sys_unlinkat(dirfd, name, 0);
	if (fd < 0)
		return fd;
	r = walk_tree(&w, fd);
	if (r < 0)
		return r;
	r = sys_unlinkat(dirfd, name, AT_REMOVEDIR);
	return w.first_error ? w.first_error : r;
}

int tree_remove(int dirfd, const char *name)
{
	int r = -ESTALE;

	for (int i = 0; i < REVISITS_MAX && (r == -ESTALE || r == -ENOTEMPTY || r == -EEXIST); i++)
		r = remove_once(dirfd, name);
	return r == -ENOENT ? 0 : r;
}

/* ---- counting ---- */

static int usage_open(struct walk *w, int dirfd, const char *name)
{
	_cleanup_close_ int fd = -1, up = -1;

	(void)w;
	fd = sys_openat2(dirfd, name, O_RDONLY | WALK_FLAGS, 0, WALK_RESOLVE);
	if (fd < 0)
		return fd;
	/* One that can be read but not searched has no way back up. */
	up = sys_openat(fd, "..", O_PATH | WALK_FLAGS, 0);
	if (up < 0)
		return up;
	return TAKE_FD(fd);
}

static int usage_entry(struct walk *w, const char *name, unsigned char type)
{
	struct stat st;

	(void)type;
	w->objects++;
	if (sys_fstatat(w->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (S_ISDIR(st.st_mode)) {
		w->bytes += (uint64_t)st.st_blocks * 512;
		return 1;
	}
	/* Each name of a file counts its share. */
	w->bytes += (uint64_t)st.st_blocks * 512 / (st.st_nlink ? st.st_nlink : 1);
	return 0;
}

static int usage_leave(struct walk *w, const char *name)
{
	(void)w;
	(void)name;
	return 0;
}

int tree_usage(int dirfd, const char *name, uint64_t *bytes, uint64_t *objects)
{
	static const struct visitor v = { usage_open, usage_entry, usage_leave };

	for (int i = 1;; i++) {
		_cleanup_walk_ struct walk w = { .v = &v, .fd = -1 };
		int r = usage_open(&w, dirfd, name);

		if (r >= 0)
			r = walk_tree(&w, r);
		if (r == -ESTALE && i < USAGE_TRIES)
			continue;
		/* Of a tree that will not hold still, or may not be read, what was seen. */
		if (r < 0 && r != -ESTALE && r != -EACCES)
			return r;
		*bytes += w.bytes;
		*objects += w.objects;
		return 0;
	}
}
