/* tree_copy.h - an object with all that is below it, copied as a whole. No symlink is followed. */
#ifndef COWBOX_COMMIT_TREE_COPY_H
#define COWBOX_COMMIT_TREE_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

/* A file of several names that was copied: which, and the copy: its path below to, and which it is. */
struct tree_seen {
	struct stat st;
	char *path;
	dev_t dev;
	ino_t ino;
};

/* Files of several names that were copied, so that the copies of several trees are linked as those were. All zeroes is none yet; one for one pair of
 * from and to directories: names in these may be relative paths. */
struct tree_links {
	struct tree_seen *seen;
	size_t count, room;
};
void tree_links_release(struct tree_links *l);
/* What is st is to be linked with the path, as if copy, which is there, had been copied from it. */
int tree_links_add(struct tree_links *l, const struct stat *st, const char *path, const struct stat *copy);

/* Copies what is called name in from to the same as to_name in to, where nothing is of that name: content, holes, metadata, links within it and, where
 * links is not NULL, with what was copied before. What of the metadata cannot be set is told in *ret_lost (enum copy_lost). After a failure what is
 * there already stays: tree_remove (base/tree.h). */
int tree_copy(int from, const char *name, int to, const char *to_name, struct tree_links *links, unsigned *ret_lost);

/* Where a copy goes. Names may lead elsewhere at any time, if others may write there; what is in dir is reached from there alone. */
struct tree_place {
	int dir;          /* dir: that is to hold it; of a directory that is there already, and empty: itself */
	const char *name; /* name: in it; NULL: it is there already */
	int root;         /* root: that the paths of links are below */
	const char *path; /* path: of the copy, below root */
	/* leave_out: names in it that are not copied, or NULL: none */
	bool (*leave_out)(const void *ctx, const char *name);
	const void *ctx;
};
/* The same to such a place. */
int tree_copy_to(int from, const char *name, const struct tree_place *to, struct tree_links *links);

/* Takes a copy away again that was made of (from, name): what is as it was, and the directories that are empty then. What has been changed in it, or come
 * to it, stays: 1. */
int tree_uncopy(int from, const char *name, int dir, const char *dir_name);

#endif
