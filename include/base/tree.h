/* tree.h - walking directory trees that somebody else made.
 *
 * A layer is hostile data, and so may be a directory of the host: it may be 10,000 directories deep, hold directories nobody can read, and change while it is walked. The
 * walk uses one descriptor and no recursion, whatever the depth; it never follows a symlink and never enters a mount.
 */
#ifndef COWBOX_BASE_TREE_H
#define COWBOX_BASE_TREE_H

#include <stdint.h>

/* Removes what (dirfd, name) is, and everything below it. Directories that lack u+rwx are given it first. What cannot be removed is
 * left, the rest is still removed: the first error is returned. 0 also when nothing is there. */
int tree_remove(int dirfd, const char *name);

/* Adds the allocated bytes and the number of objects below the directory (dirfd, name), itself left out of the number. A file with
 * several names counts once when all of them are walked. What the caller may not read is not counted. */
int tree_usage(int dirfd, const char *name, uint64_t *bytes, uint64_t *objects);

#endif
