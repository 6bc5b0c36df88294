/* diff_parts.h - which files a patch is about: the changes of a box as pairs of a file on the host and one in the box.
 *
 * What a patch says holds for the files as they were before any of it is applied, and it says one thing of a name (git's format). So
 * changes that cross (a name given up and taken by another, a renamed directory whose files went elsewhere) are sorted out here.
 */
#ifndef COWBOX_COMMIT_DIFF_PARTS_H
#define COWBOX_COMMIT_DIFF_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include "host.h"
#include "overlay/changes.h"

struct part {
	const struct change *ch; /* ch: what the box has at path, and what is to be said; NULL: the host's, unchanged */
	char *from;              /* from: where the host has it, NULL: nowhere */
	char *path;              /* path: where the box has it, NULL: nowhere */
	mode_t mode;             /* mode: of the host's object, 0 for none */
	bool alone;              /* alone: the change stands for itself; else it is part of another, of a directory */
	bool renamed;            /* renamed: can be told as a renaming */
	bool made;               /* made: something else is at `from` in the box */
	bool there;              /* there: the host has something else at `path` */
	bool twice;              /* twice: of `from` another part tells already */
	int code;                /* code: why it cannot be told, -errno */
};

struct parts {
	struct part *list;
	size_t count;
};

/* In the order of the changes; wanted: of which changes. -ENOMEM. */
int parts_collect(struct host *host, const struct changes *changes, bool (*wanted)(void *ctx, const struct change *ch), void *ctx,
                  struct parts *ret);
void parts_release(struct parts *p);

#endif
