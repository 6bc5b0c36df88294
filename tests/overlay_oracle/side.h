/* side.h - one file system under comparison: a plain directory, or the view of a box.
 *
 * Both sides take the same calls. Results are 0 or positive, or -errno. Descriptors are real ones on both sides, so what is done
 * through them (read, write) is shared code.
 */
#ifndef ORACLE_SIDE_H
#define ORACLE_SIDE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/types.h>
#include "overlay/overlay.h"

/* Where a call starts and the path it gives. */
struct where {
	const char *base;   /* base: directory below the side's root, without symlinks; "" is the root itself */
	const char *path;   /* path: as the caller wrote it, absolute ones already begin with the side's root */
	mode_t umask;
};

struct side;

struct side_ops {
	int (*open)(struct side *s, const struct where *w, uint64_t flags, mode_t mode);
	/* flags: LOOKUP_NOFOLLOW, LOOKUP_DIRECTORY, LOOKUP_EMPTY_PATH */
	int (*stat)(struct side *s, const struct where *w, unsigned flags, struct stat *ret);
	int (*mkdir)(struct side *s, const struct where *w, mode_t mode);
	int (*mknod)(struct side *s, const struct where *w, mode_t mode, dev_t dev);
	int (*symlink)(struct side *s, const char *target, const struct where *w);
	int (*link)(struct side *s, const struct where *old, const struct where *w, int flags);
	int (*link_fd)(struct side *s, int fd, const struct where *w);
	int (*unlink)(struct side *s, const struct where *w, int flags);
	int (*rename)(struct side *s, const struct where *old, const struct where *w, unsigned flags);
	int (*chmod)(struct side *s, const struct where *w, mode_t mode);
	int (*chown)(struct side *s, const struct where *w, bool follow, uid_t uid, gid_t gid);
	int (*utimens)(struct side *s, const struct where *w, bool follow, const struct timespec ts[2]);
	int (*truncate)(struct side *s, const struct where *w, off_t size);
	int (*setxattr)(struct side *s, const struct where *w, bool follow, const char *name, const void *value, size_t size,
			int flags);
	int (*removexattr)(struct side *s, const struct where *w, bool follow, const char *name);
	ssize_t (*getxattr)(struct side *s, const struct where *w, bool follow, const char *name, void *buf, size_t size);
	ssize_t (*listxattr)(struct side *s, const struct where *w, bool follow, char *buf, size_t size);
	int (*readlink)(struct side *s, const struct where *w, char *buf, size_t size);
	int (*access)(struct side *s, const struct where *w, int mode, int flags);
	ssize_t (*getdents)(struct side *s, int fd, void *buf, size_t size);
	/* Through an open descriptor. */
	int (*fd_stat)(struct side *s, int fd, struct stat *ret);
	int (*fd_chmod)(struct side *s, int fd, mode_t mode);
	int (*fd_utimens)(struct side *s, int fd, const struct timespec ts[2]);
};

#define SIDE_HELD 4

struct side {
	const struct side_ops *ops;
	const char *label;
	char root[PATH_MAX];    /* root: absolute path of the tree */
	char shown[PATH_MAX];   /* shown: text in symlinks that stands for the root ("@" in reports) */
	struct overlay *ov;     /* ov: NULL for a plain directory */
	bool refused;           /* refused: the start directory of the last call could not be opened, so that call was not made */
	int held[SIDE_HELD];    /* held: descriptors that live across operations; -1 when free */
};

void side_init_plain(struct side *s, const char *label, const char *root, const char *shown);
void side_init_view(struct side *s, const char *label, const char *root, struct overlay *ov);
void side_release(struct side *s);

struct side_dirent {
	char name[256];
	unsigned char type;
	uint64_t ino;
};

/* All entries of a directory, "." and ".." left out, sorted by name; the caller frees. fd stays open; buf_size: of each getdents. */
int side_list_fd(struct side *s, int fd, size_t buf_size, struct side_dirent **ret, size_t *ret_count);
int side_list(struct side *s, const char *path, struct side_dirent **ret, size_t *ret_count);

struct linux_dirent64 {
	uint64_t d_ino;
	int64_t d_off;
	unsigned short d_reclen;
	unsigned char d_type;
	char d_name[];
};

#endif
