/* snapshot.h - a whole tree as text, one line an object, so that two trees are compared by comparing lines.
 *
 *     ./dir/name f 0644 0:0 size=5 nlink=1 t=1234567890.5 x{user.a=...} content=...
 *
 * Link targets that begin with the side's root show "@" there. A time after RECENT is written "now": what two runs one after the other did "now"
 * differs by nature; all times that the oracles set are before it.
 */
#ifndef ORACLE_SNAPSHOT_H
#define ORACLE_SNAPSHOT_H

#include "side.h"

#define RECENT 1600000000

enum snapshot_flags {
	SNAPSHOT_NLINK = 1,      /* link counts and link groups of non-directories */
	SNAPSHOT_TIMES = 2,      /* mtime, "now" for recent ones */
	SNAPSHOT_EXACT = 4,      /* recent times exactly, too */
	SNAPSHOT_IDENTITY = 8,   /* device, inode, ctime, and link count of directories: nothing may have happened at all */
};
/* The caller frees *ret. Objects that cannot be read are lines that say so; never fails for what is in the tree. */
int snapshot_take(struct side *s, unsigned flags, char **ret);
/* NULL when equal, else the lines that differ, at most max of them, for the caller to free. */
char *snapshot_diff(const char *a_label, const char *a, const char *b_label, const char *b, int max);

/* One object's line without its name, as in the snapshot. */
void snapshot_stat_line(FILE *f, const struct stat *st, unsigned flags);
/* A link's text with the root shown as "@". */
void snapshot_text(FILE *f, const struct side *s, const char *text, size_t size);
/* Content of a readable descriptor from its start: size and a hash. */
int snapshot_content(FILE *f, int fd);

#endif
