/* forget_links.h - names of host objects that come back into the view when changes are taken out of a box. Private to forget.c. */
#ifndef COWBOX_OVERLAY_FORGET_LINKS_H
#define COWBOX_OVERLAY_FORGET_LINKS_H

#include "internal.h"

/* A host path where the view is to show the host's object again, one that has a copy or had a name removed. */
struct returned {
	char *path;
	bool named;   /* named: the layer has an entry for this very name, which counted as touched */
};
struct returns {
	struct returned *v;
	size_t count;
	struct origins *origins;   /* origins: of the top layer, loaded when needed */
};
#define _cleanup_returns_ __attribute__((cleanup(returns_release)))
void returns_release(struct returns *l);

/* What comes back when (dirfd, name) of the top layer goes; host: the path on the host that it stands for, NULL for none. change_begin is held. */
int returns_find(struct overlay *ov, int dirfd, const char *name, const char *host, struct returns *ret);
/* After it has gone. */
int returns_give_back(struct overlay *ov, const struct returns *l);
/* Counts the touched names of files with several. idle: host paths of names of copies that are no change themselves. */
struct changes;
int overlay_recount(struct overlay *ov, const struct changes *left, char *const *idle, size_t nidle);
/* The copy, which names in the layer have, is a file of its own from here on. */
int copy_detach(int fd, const struct stat *st);

#endif
