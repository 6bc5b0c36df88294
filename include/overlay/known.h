/* known.h - what boxes have seen of the host's objects, by their inodes: for what is now under another name than when a box first changed it. */
#ifndef COWBOX_OVERLAY_KNOWN_H
#define COWBOX_OVERLAY_KNOWN_H

#include <stddef.h>

#include "overlay/origins.h"

/* Of each inode in some logs of origins all records, also those that later ones of the same path have replaced. All zeroes is an empty one. */
struct known {
	struct known_record *v;
	size_t count, room;
	bool sorted;
};

/* Adds those of a layer's log. -errno: some are missing, which then are not known. */
int known_load(struct known *k, int layer_fd);
/* The last record of the inode that the host has at that path now, if the host had it there then, whatever path it had in the view. What the host has moved
 * there itself has none. host NULL: of any path, when it was another than the view's. Without comm. NULL: none. Borrowed, until more is added. */
const struct origin *known_find(struct known *k, const struct stat *st, const char *host);
/* There is a record of that inode, under whatever path. */
bool known_has(struct known *k, const struct stat *st);
void known_release(struct known *k);

#endif
