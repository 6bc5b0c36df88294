/* host.h - the host's side of a commit: names on the host, reached without following a symlink.
 *
 * Every access names a parent directory, opened from "/" by openat2 with RESOLVE_NO_SYMLINKS, and one component in it. A name may lead to another
 * object at every call: what is to be changed is opened, compared with what was judged, and changed through that descriptor.
 */
#ifndef COWBOX_COMMIT_HOST_H
#define COWBOX_COMMIT_HOST_H

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include "base/strv.h"

/* What may be otherwise when it is tried again. Anything else is a matter of that one path. */
static inline bool error_is_hard(int r)
{
	return r == -EIO || r == -ENOSPC || r == -EDQUOT || r == -ENOMEM || r == -EMFILE || r == -ENFILE || r == -EROFS ||
	       r == -EFBIG;
}

/* Which object a name stood for, whatever the name leads to by now. */
struct ident {
	uint64_t dev, ino; /* ino 0: none is known */
};

static inline struct ident ident_of(const struct stat *st)
{
	return (struct ident){ .dev = st->st_dev, .ino = st->st_ino };
}

static inline bool ident_is(const struct ident *id, const struct stat *st)
{
	return id->ino && id->ino == st->st_ino && id->dev == st->st_dev;
}

static inline bool ident_same(const struct ident *a, const struct ident *b)
{
	return a->ino == b->ino && a->dev == b->dev;
}

struct host_dir {
	int fd; /* fd: O_PATH, or -1: none */
	struct ident id;
	char path[PATH_MAX];
};

struct host {
	int root_fd;             /* root_fd: "/", O_PATH */
	struct host_dir dirs[2]; /* dirs: the parents used last: of the layer and of the host in turn, where something moves between them */
	unsigned last;           /* last: the one used last */
	char pinned[PATH_MAX];   /* pinned: see host_pin, or "" */
	struct ident pin;
};

int host_init(struct host *h);
/* No parent is known, and none is pinned. root_fd is the host's from now on. */
void host_blank(struct host *h, int root_fd);
void host_release(struct host *h);
/* Forgets the parents used last: after a directory has been moved. */
void host_moved(struct host *h);
/* Until host_unpin the directory that holds the path is this one, or host_parent says -ESTALE: who owns a directory above it can put another in
 * its place at any time. */
void host_pin(struct host *h, const char *path, struct ident dir);
void host_unpin(struct host *h);
/* The parent of an absolute canonical path (borrowed until the next call), and the last component (borrowed from path). */
int host_parent(struct host *h, const char *path, int *ret_fd, const char **ret_name);
/* Which directory it is that host_parent gave, or that somebody else opened. */
int host_ident(const struct host *h, int fd, struct ident *ret);
int host_parent_ident(struct host *h, const char *path, struct ident *ret);
/* Opens the object itself, never what a symlink leads to. A regular file is never waited for. */
int host_open(struct host *h, const char *path, int flags, int *ret_fd);
/* 0 and all zero when nothing is there (also when a parent is missing). -ELOOP: a parent is a symlink now. */
int host_stat(struct host *h, const char *path, struct stat *ret);
/* A name gets another place, where nothing is: -EEXIST. Some file systems know no flags: then that is looked at right before. A directory of ours that
 * we may not write into, and that comes into another, is made writable for the moment. */
int host_move(int dir, const char *name, int new_dir, const char *new);
/* Exchanges two names. Where the file system cannot, and neither is a directory: by a link of that spare name, which stands in a's directory for what
 * b was, until a is. At no moment b is missing. -EINVAL: that is not possible either. */
int host_exchange(int dir_a, const char *a, int dir_b, const char *b, const char *spare);
/* The two are on one file system, and in one mount of it; parts of one mount can be different file systems still (btrfs). */
bool host_same_mount(int a, int b);
/* All that was written to the file system that has the directory is on the disk. */
int host_sync(struct host *h, const char *dir);
struct descent;
/* On a walk (base/descent.h), into the directory at the path. */
int host_enter(struct host *h, const char *path, struct descent *d);

struct box;
/* True when the host's object last changed before the box was made: whatever the box saw of it, it saw as it is now. */
bool host_older(const struct box *box, const struct stat *st);

/* A directory of ours in which we may not change names, for its mode: it may be written to as long as the door is open. Else nothing is done. Who
 * is killed before it is closed leaves u+rwx; replay_set_times sees to that. */
struct door {
	int fd;      /* fd: the directory, when its mode was changed; else -1 */
	mode_t mode; /* mode: that it had */
};
#define DOOR_NONE ((struct door){ .fd = -1 })
/* dir may be O_PATH, and must stay open. */
void door_open(struct door *d, int dir);
void door_close(struct door *d);
#define _cleanup_door_ _cleanup_(door_close)

#endif
