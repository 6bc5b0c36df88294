/* tree_copy.h - an object with all that is below it, copied as a whole. No symlink is followed. */
#ifndef COWBOX_COMMIT_TREE_COPY_H
#define COWBOX_COMMIT_TREE_COPY_H

#include <stddef.h>
#include <sys/stat.h>

/* A file of several names that was copied: which, and the copy's path below to. */
struct tree_seen {
	struct stat st;
	char *path;
};

/* Files of several names that were copied, so that the copies of several trees are linked as those were. All zeroes is none yet; one for one pair of
 * from and to directories: names in these may be relative paths. */
struct tree_links {
	struct tree_seen *seen;
	size_t count, room;
};
void tree_links_release(struct tree_links *l);
/* What is st is to be linked with the path, as if it had been copied there. */
int tree_links_add(struct tree_links *l, const struct stat *st, const char *path);

/* Copies what is called name in from to the same as to_name in to, where nothing is of that name: content, holes, metadata, links within it and, where links is not NULL, with what was copied
 * before. What of the metadata cannot be set is told in *ret_lost (enum copy_lost). After a failure what is there already stays: tree_remove (base/tree.h). */
int tree_copy(int from, const char *name, int to, const char *to_name, struct tree_links *links, unsigned *ret_lost);
/* The same for a directory, where an empty one of that name is there already. */
int tree_fill(int from, const char *name, int to, const char *to_name, struct tree_links *links, unsigned *ret_lost);

#endif
