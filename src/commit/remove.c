/* remove.c - taking objects off the host: only what the box knew, and all of a tree or nothing of it. */
#include "apply.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/descent.h"
#include "base/dir.h"
#include "base/sys.h"

struct removal {
	struct apply *a;
	size_t item;
	struct tree_check check;
	char host[PATH_MAX], was[PATH_MAX]; /* host, was: where we are; names are appended and cut off again */
};

static int refuse_unknown(struct removal *rm, const char *was)
{
	char text[COMMIT_WHY_MAX];

	why(item(rm->a, rm->item), COMMIT_CONFLICT, "the host has changed or got %.100s since",
	    path_printable(was, text, sizeof text));
	return -ESTALE;
}

static int remove_enter(struct removal *rm, struct descent *d)
{
	char **names;
	int r = host_list(&rm->a->p->host, rm->host, &names);

	return r < 0 ? r : descent_enter(d, names);
}

/* Looked at once more: the tree may be large, and what the host writes into it while we are at it is not ours to remove. */
static int remove_entry(struct removal *rm, struct descent *d)
{
	struct stat st;
	int r = classify_entry_known(rm->a->p, rm->host, rm->was, &rm->check, &st);

	if (r < 0)
		return r;
	if (r == 0)
		return refuse_unknown(rm, rm->was);
	if (!st.st_mode)
		return 0;
	return S_ISDIR(st.st_mode) ? remove_enter(rm, d) : swap_remove(rm->a, rm->item, rm->host, &st);
}

/* All that was in it is gone. */
static int remove_emptied(struct removal *rm)
{
	static const struct stat directory = { .st_mode = S_IFDIR };
	int r = swap_remove(rm->a, rm->item, rm->host, &directory);

	/* Something has appeared in it. */
	return r == -ENOTEMPTY || r == -EEXIST ? refuse_unknown(rm, rm->was) : r;
}

/* Everything below the directory, then itself. No descriptor is held on the way down, so depth costs none. */
static int remove_tree(struct removal *rm)
{
	_cleanup_descent_ struct descent d = { .path = { rm->host, rm->was } };
	int r = remove_enter(rm, &d);

	while (r >= 0 && d.depth) {
		r = descent_step(&d);
		if (r >= 0)
			r = r ? remove_entry(rm, &d) : remove_emptied(rm);
	}
	return r;
}

static bool tree_touched(void *ctx, const struct stat *st)
{
	return apply_touched(ctx, st);
}

int remove_object(struct apply *a, size_t i, const char *host, const char *was, const struct stat *seen)
{
	struct removal rm = { .a = a, .item = i, .check = { .touched = tree_touched, .ctx = a } };
	int r;

	if (!S_ISDIR(seen->st_mode))
		return swap_remove(a, i, host, seen);
	r = classify_tree_known(a->p, host, was, &rm.check, rm.was);
	if (r < 0)
		return r;
	if (r == 0)
		return refuse_unknown(&rm, rm.was);
	strcpy(rm.host, host);
	strcpy(rm.was, was);
	r = remove_tree(&rm);
	host_moved(&a->p->host);
	return r;
}

/* ---- what killed commits have left ---- */

/* A name by place_temp_name, of a process that is no more. */
static bool is_leftover_name(const char *name)
{
	char again[48];
	unsigned serial;
	long pid;

	if (sscanf(name, ".cowbox-%ld-%u.tmp", &pid, &serial) != 2 || pid <= 0 || pid > INT_MAX || pid == (long)getpid())
		return false;
	snprintf(again, sizeof again, ".cowbox-%ld-%u.tmp", pid, serial);
	return strcmp(name, again) == 0 && kill((pid_t)pid, 0) < 0 && errno == ESRCH;
}

/* Root gives away what it makes, to whom the directory belongs most often. */
static bool is_ours(const struct stat *st, const struct stat *dir)
{
	return st->st_uid == geteuid() || (geteuid() == 0 && st->st_uid == dir->st_uid);
}

void remove_leftovers(struct apply *a, const char *path)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct stat there, st;
	struct dirent *e;
	int fd;

	if (host_open(&a->p->host, path, O_RDONLY | O_DIRECTORY, &fd) < 0)
		return;
	dir = dir_take(fd);
	if (!dir || sys_fstat(dirfd(dir), &there) < 0 || inode_set_has(&a->swept, there.st_dev, there.st_ino) ||
	    inode_set_add(&a->swept, there.st_dev, there.st_ino) < 0)
		return;
	while ((e = dir_next(dir)))
		/* A directory that has something in it is the host's, which was on its way out. */
		if (is_leftover_name(e->d_name) && sys_fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    is_ours(&st, &there))
			sys_unlinkat(dirfd(dir), e->d_name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0);
}
