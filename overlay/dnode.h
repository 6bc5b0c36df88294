/* dnode.h - what the files of the table share: its nodes, and the parts that a directory is made of. Private to them.
 *
 * dnode.c       nodes in memory
 * parts.c       what a directory is made of, read from the layers
 * table.c       the tree as a whole: made, dropped when it is stale, changed
 * table_walk.c  the decision: where a path lives
 * redirects.c   where renamed directories are now
 */
#ifndef COWBOX_OVERLAY_DNODE_H
#define COWBOX_OVERLAY_DNODE_H

#include "internal.h"

int dnode_add(struct dnode *d, const char *name, enum dnode_kind kind, int layer, unsigned char type, uint64_t ino);
/* Takes a node out of its directory, and frees it. */
void dnode_take_out(struct dnode *n);
/* Forgets the children. */
void dnode_unload(struct dnode *d);
void dnode_free(struct dnode *d);
void dnode_set_meta(struct dnode *d, const struct stat *st, bool acl);

struct part_list {
	struct part *v;
	int n;
};
int part_list_add(struct part_list *l, int layer, const char *path);
void parts_free(struct part *parts, int n);
/* Whether a mirror has an ACL that may say more than its mode. */
bool fd_has_acl(int fd);

void redirects_free(struct overlay *ov);

#endif
