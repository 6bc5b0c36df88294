/* tree_copy.h - an object with all that is below it, copied as a whole. No symlink is followed. */
#ifndef COWBOX_COMMIT_TREE_COPY_H
#define COWBOX_COMMIT_TREE_COPY_H

/* Copies what is called name in from to the same as to_name in to, where nothing is of that name: content, holes, metadata, links within it. What
 * of the metadata cannot be set is told in *ret_lost (enum copy_lost). After a failure what is there already stays: tree_remove (base/tree.h). */
int tree_copy(int from, const char *name, int to, const char *to_name, unsigned *ret_lost);

#endif
