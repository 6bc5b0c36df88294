/* world.h - one experiment on disk:
 *
 *     DIR/host/   a random tree, never to be changed: the view is of this
 *     DIR/copy/   the same tree, made by the same steps: the kernel works on this
 *     DIR/home/   the store
 *
 * "host" and "copy" are equally long, so that sizes of absolute symlinks agree.
 */
#ifndef ORACLE_WORLD_H
#define ORACLE_WORLD_H

#include "overlay/box.h"
#include "overlay/overlay.h"
#include "rng.h"
#include "side.h"

struct world {
	char dir[PATH_MAX - 64];
	struct store *store;
	struct box *box;
	struct overlay *ov;
	struct side view;
	struct side plain;
	struct side host;       /* host: the host directory by plain calls, for the seal */
	char *seal;             /* seal: the host directory as it was, to the last inode number */
};

/* parent: where DIR is made (NULL: $TMPDIR or /tmp); build_tree: false leaves host/ and copy/ empty. Prints and exits(1) when it cannot. */
void world_make(struct world *w, const char *parent, uint64_t seed, unsigned sample_flags, bool build_tree);
/* Takes the seal now. */
void world_seal(struct world *w);
/* NULL when the host directory is as it was sealed; else what differs, to be freed. */
char *world_broken(struct world *w);
/* Closes the box; remove: deletes DIR. */
void world_release(struct world *w, bool remove);
/* Opens the box anew: what is on disk is all there is. */
void world_reopen(struct world *w);
/* Seals the top layer and puts an empty one on it, as a checkpoint would. No descriptors may be held. */
void world_add_layer(struct world *w);
/* A new box in the place of the first, of the host as it is now, which is sealed. */
void world_renew(struct world *w);

#endif
