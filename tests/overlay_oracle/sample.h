/* sample.h - random directory trees, the same one for the same seed. */
#ifndef ORACLE_SAMPLE_H
#define ORACLE_SAMPLE_H

#include "rng.h"

enum sample_flags {
	SAMPLE_OWNERS = 1,        /* objects of several users (root only) */
	SAMPLE_UNREADABLE = 2,    /* modes that keep even the owner from reading */
	SAMPLE_HARD_LINKS = 4,
	SAMPLE_ACLS = 8,
};
/* Fills the directory root (exists, is empty). Absolute symlinks into the tree begin with root. All times are old. 0 or -errno. */
int sample_build(const char *root, struct rng *r, unsigned flags);
/* Removes a tree, unreadable directories too. */
int sample_remove(const char *path);

/* A name from a small set, so that names meet: plain, with a space, not UTF-8, of 255 bytes (and, too_long, of 256). buf: 300 bytes. */
const char *sample_name(struct rng *r, char *buf);
/* A POSIX ACL as the kernel stores it, for system.posix_acl_access or _default; returns its size. buf: 64 bytes. */
size_t sample_acl(struct rng *r, unsigned char *buf);

#endif
