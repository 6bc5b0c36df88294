/* host.h - the host's side of a commit: names on the host, reached without following a symlink.
 *
 * Every access names a parent directory, opened from "/" by openat2 with RESOLVE_NO_SYMLINKS, and one component in it.
 */
#ifndef COWBOX_COMMIT_HOST_H
#define COWBOX_COMMIT_HOST_H

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>
#include "base/strv.h"

struct host {
	int root_fd;        /* root_fd: "/", O_PATH */
	int dir_fd;         /* dir_fd: the parent used last, or -1 */
	char dir[PATH_MAX]; /* dir: its path */
};

int host_init(struct host *h);
void host_release(struct host *h);
/* Forgets the parent used last: after a directory has been moved. */
void host_moved(struct host *h);
/* The parent of an absolute canonical path (borrowed until the next call), and the last component (borrowed from path). */
int host_parent(struct host *h, const char *path, int *ret_fd, const char **ret_name);
/* Opens the object itself, never what a symlink leads to. A regular file is never waited for. */
int host_open(struct host *h, const char *path, int flags, int *ret_fd);
/* 0 and all zero when nothing is there (also when a parent is missing). -ELOOP: a parent is a symlink now. */
int host_stat(struct host *h, const char *path, struct stat *ret);
/* The names in a directory, sorted, NULL-terminated; free with strv_free. */
int host_list(struct host *h, const char *path, char ***ret);

struct box;
/* True when the host's object last changed before the box was made: whatever the box saw of it, it saw as it is now. */
bool host_older(const struct box *box, const struct stat *st);

#endif
