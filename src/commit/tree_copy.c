/* tree_copy.c - walks without recursion, and with no descriptor held on the way down: every object is reached anew from the top by its path below it
 * (RESOLVE_BENEATH, no symlinks), so that depth costs neither stack nor descriptors. */
#include "tree_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/copy.h"
#include "base/descent.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/stat.h"
#include "base/sys.h"

#define BELOW (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)

/* The directory that holds what is at path below top, and its name there. */
static int parent_of(int top, const char *path, int *ret_fd, const char **ret_name)
{
	char dir[PATH_MAX];
	int r;

	*ret_name = path_split(path, dir, sizeof dir);
	if (!*ret_name)
		return -ENAMETOOLONG;
	r = sys_openat2(top, dir, O_PATH | O_DIRECTORY | O_CLOEXEC, 0, BELOW);
	if (r < 0)
		return r;
	*ret_fd = r;
	return 0;
}

/* ---- copying ---- */

void tree_links_release(struct tree_links *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->seen[i].path);
	free(l->seen);
	*l = (struct tree_links){ 0 };
}

struct copying {
	int from, to;
	char src[PATH_MAX], dst[PATH_MAX];
	struct tree_links *links;
	int root; /* root: that the paths of links are below; and what of them is not in dst, or NULL: they are alike */
	const char *above;
	size_t cut; /* cut: so much of dst is in above */
	const struct tree_place *place;
	unsigned lost;
};

static const struct tree_seen *seen_find(const struct tree_links *l, const struct stat *st)
{
	/* The latest first: names of one file are often close to each other. */
	for (size_t i = l->count; i > 0; i--)
		if (l->seen[i - 1].st.st_ino == st->st_ino && l->seen[i - 1].st.st_dev == st->st_dev)
			return &l->seen[i - 1];
	return NULL;
}

int tree_links_add(struct tree_links *l, const struct stat *st, const char *path, const struct stat *copy)
{
	if (array_room(&l->seen, l->count, &l->room, sizeof *l->seen) < 0)
		return -ENOMEM;
	l->seen[l->count] = (struct tree_seen){ .st = *st, .path = strdup(path), .dev = copy->st_dev, .ino = copy->st_ino };
	return l->seen[l->count++].path ? 0 : -ENOMEM;
}

/* -ESTALE: another has come to that name. */
static int link_seen(struct copying *c, const struct tree_seen *s, int dir, const char *name)
{
	_cleanup_close_ int from = -1;
	const char *old;
	struct stat st;
	int r = parent_of(c->root, s->path, &from, &old);

	if (r == 0)
		r = sys_linkat(from, old, dir, name, 0);
	if (r == 0)
		r = sys_fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW);
	if (r < 0 || (st.st_ino == s->ino && st.st_dev == s->dev))
		return r;
	r = sys_unlinkat(dir, name, 0);
	return r < 0 ? r : -ESTALE;
}

/* What was copied last is to be linked with by its like. */
static int note_seen(struct copying *c, const struct stat *st, int dir, const char *name)
{
	char path[PATH_MAX];
	struct stat copy;
	int r = sys_fstatat(dir, name, &copy, AT_SYMLINK_NOFOLLOW);

	if (r == 0 && c->above)
		r = path_join(path, sizeof path, c->above, c->dst + c->cut);
	return r < 0 ? r : tree_links_add(c->links, st, c->above ? path : c->dst, &copy);
}

static int copy_regular(struct copying *c, int src, const struct stat *st, int dir, const char *name)
{
	_cleanup_close_ int in = sys_reopen(src, O_RDONLY | O_NOCTTY | O_CLOEXEC, 0), out = -1;
	int r = in;

	if (r >= 0)
		r = out = sys_openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (r >= 0)
		r = copy_data(in, out, st->st_size);
	return r < 0 ? r : copy_metadata(in, out, st, COPY_ALL, &c->lost);
}

static int copy_special(struct copying *c, int src, const struct stat *st, int dir, const char *name)
{
	_cleanup_close_ int out = -1;
	char target[PATH_MAX];
	int r;

	if (S_ISLNK(st->st_mode)) {
		r = sys_readlinkat(src, "", target, sizeof target);
		if (r >= 0)
			r = sys_symlinkat(target, dir, name);
	} else if (S_ISDIR(st->st_mode)) {
		/* Its metadata come when all in it is there. */
		return sys_mkdirat(dir, name, 0700);
	} else {
		r = sys_mknodat(dir, name, (st->st_mode & S_IFMT) | 0600, st->st_rdev);
	}
	if (r >= 0)
		r = out = sys_openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
	return r < 0 ? r : copy_metadata(src, out, st, COPY_ALL, &c->lost);
}

/* What is at the two paths. 1: a directory, which is empty so far. */
static int copy_one(struct copying *c)
{
	_cleanup_close_ int src_dir = -1, dst_dir = -1, src = -1;
	const char *name, *to_name;
	const struct tree_seen *seen;
	struct stat st;
	int r = parent_of(c->from, c->src, &src_dir, &name);

	if (r == 0)
		r = parent_of(c->to, c->dst, &dst_dir, &to_name);
	if (r == 0)
		r = src = sys_openat(src_dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
	if (r >= 0)
		r = sys_fstat(src, &st);
	if (r < 0)
		return r;
	seen = S_ISDIR(st.st_mode) ? NULL : seen_find(c->links, &st);
	if (seen) {
		r = link_seen(c, seen, dst_dir, to_name);
		/* One that was given up, or replaced, or is of another file system. */
		if (r != -ENOENT && r != -EXDEV && r != -ESTALE)
			return r;
	}
	r = S_ISREG(st.st_mode) ? copy_regular(c, src, &st, dst_dir, to_name) : copy_special(c, src, &st, dst_dir, to_name);
	if (r == 0 && !S_ISDIR(st.st_mode) && st.st_nlink > 1)
		r = note_seen(c, &st, dst_dir, to_name);
	return r < 0 ? r : S_ISDIR(st.st_mode);
}

/* All in the directory at the paths is there. */
static int finish_directory(struct copying *c)
{
	_cleanup_close_ int src = sys_openat2(c->from, c->src, O_PATH | O_DIRECTORY | O_CLOEXEC, 0, BELOW), dst = -1;
	struct stat st;
	int r = src;

	if (r >= 0)
		r = dst = sys_openat2(c->to, c->dst, O_PATH | O_DIRECTORY | O_CLOEXEC, 0, BELOW);
	if (r >= 0)
		r = sys_fstat(src, &st);
	return r < 0 ? r : copy_metadata(src, dst, &st, COPY_ALL, &c->lost);
}

static int copy_walk(struct copying *c, bool made)
{
	_cleanup_descent_ struct descent d = { .path = { c->src, c->dst } };
	int r = made ? 1 : copy_one(c);

	if (r == 1)
		r = descent_enter_at(&d, c->from, c->src);
	while (r >= 0 && d.depth) {
		r = descent_step(&d);
		if (r == 0) {
			r = finish_directory(c);
			continue;
		}
		if (r > 0 && c->place->leave_out && c->place->leave_out(c->place->ctx, strrchr(c->src, '/') + 1))
			continue;
		if (r > 0)
			r = copy_one(c);
		if (r == 1)
			r = descent_enter_at(&d, c->from, c->src);
	}
	return r < 0 ? r : 0;
}

static int copy_tree(int from, const char *name, const struct tree_place *to, struct tree_links *links, unsigned *ret_lost)
{
	struct tree_links own = { 0 };
	_cleanup_free_ struct copying *c = calloc(1, sizeof *c);
	const char *to_name = to->name ? to->name : "./";
	int r;

	if (!c)
		return -ENOMEM;
	if (strlen(name) >= PATH_MAX || strlen(to_name) >= PATH_MAX)
		return -ENAMETOOLONG;
	c->from = from;
	c->to = to->dir;
	c->root = to->root;
	c->above = to->path;
	c->place = to;
	c->cut = strlen(to_name);
	c->links = links ? links : &own;
	strcpy(c->src, name);
	strcpy(c->dst, to_name);
	r = copy_walk(c, !to->name);
	tree_links_release(&own);
	if (r == 0 && ret_lost)
		*ret_lost |= c->lost;
	return r;
}

int tree_copy(int from, const char *name, int to, const char *to_name, struct tree_links *links, unsigned *ret_lost)
{
	return copy_tree(from, name, &(struct tree_place){ .dir = to, .name = to_name, .root = to }, links, ret_lost);
}

int tree_copy_to(int from, const char *name, const struct tree_place *to, struct tree_links *links)
{
	return copy_tree(from, name, to, links, NULL);
}

/* ---- and away again ---- */

/* Nobody has been at the one since it was copied from the other, as far as stat(2) tells. */
static bool is_untouched(const struct stat *copy, const struct stat *original)
{
	if ((copy->st_mode & S_IFMT) != (original->st_mode & S_IFMT))
		return false;
	if (S_ISDIR(copy->st_mode))
		return true;
	return copy->st_mode == original->st_mode && copy->st_size == original->st_size && copy->st_rdev == original->st_rdev &&
	       time_same(&copy->st_mtim, &original->st_mtim);
}

/* 1: it is a directory, to be looked into first; 2: something that is to stay. */
static int uncopy_one(int from, const char *src, int to, const char *dst)
{
	_cleanup_close_ int dst_dir = -1, src_dir = -1;
	const char *name, *src_name;
	struct stat copy, original;
	int r = parent_of(to, dst, &dst_dir, &name);

	if (r == 0)
		r = sys_fstatat(dst_dir, name, &copy, AT_SYMLINK_NOFOLLOW);
	if (r < 0)
		return r;
	r = parent_of(from, src, &src_dir, &src_name);
	if (r == 0)
		r = sys_fstatat(src_dir, src_name, &original, AT_SYMLINK_NOFOLLOW);
	if (r == -ENOENT || r == -ENOTDIR || r == -ELOOP || (r == 0 && !is_untouched(&copy, &original)))
		return 2;
	if (r < 0)
		return r;
	return S_ISDIR(copy.st_mode) ? 1 : sys_unlinkat(dst_dir, name, 0);
}

static int uncopy_directory(int to, const char *dst)
{
	_cleanup_close_ int dir = -1;
	const char *name;
	int r = parent_of(to, dst, &dir, &name);

	return r < 0 ? r : sys_unlinkat(dir, name, AT_REMOVEDIR);
}

/* A directory of ours whose mode keeps us from taking something out of it. */
static int unlock(int to, const char *dst)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	if (geteuid() == 0)
		return 0;
	r = fd = sys_openat2(to, dst, O_PATH | O_DIRECTORY | O_CLOEXEC, 0, BELOW);
	if (r >= 0)
		r = sys_fstat(fd, &st);
	if (r < 0 || (st.st_mode & S_IRWXU) == S_IRWXU || st.st_uid != geteuid())
		return r < 0 ? r : 0;
	return sys_chmod_fd(fd, (st.st_mode & 07777) | S_IRWXU);
}

static int enter_copy(struct descent *d, int to, const char *dst)
{
	int r = unlock(to, dst);

	return r < 0 ? r : descent_enter_at(d, to, dst);
}

int tree_uncopy(int from, const char *name, int dir, const char *dir_name)
{
	char src[PATH_MAX], dst[PATH_MAX];
	_cleanup_descent_ struct descent d = { .path = { dst, src } };
	bool left = false;
	int r;

	if (strlen(name) >= sizeof src || strlen(dir_name) >= sizeof dst)
		return -ENAMETOOLONG;
	strcpy(src, name);
	strcpy(dst, dir_name);
	r = uncopy_one(from, src, dir, dst);
	left |= r == 2;
	if (r == 1)
		r = enter_copy(&d, dir, dst);
	while (r >= 0 && d.depth) {
		r = descent_step(&d);
		if (r == 0) {
			r = uncopy_directory(dir, dst);
		} else if (r > 0) {
			r = uncopy_one(from, src, dir, dst);
			if (r == 1)
				r = enter_copy(&d, dir, dst);
			left |= r == 2;
		}
		if (r == -ENOTEMPTY || r == -EEXIST) {
			left = true;
			r = 0;
		}
		r = r == -ENOENT ? 0 : r;
	}
	return r < 0 ? r : left;
}
