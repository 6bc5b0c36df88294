/* compare.h - one name in the box and on the host: what the list of changes, and taking changes out, share. Private to them. */
#ifndef COWBOX_OVERLAY_COMPARE_H
#define COWBOX_OVERLAY_COMPARE_H

#include "internal.h"

/* One name, on both sides. */
struct pair {
	int box_fd;            /* box_fd: O_PATH of the layer's object */
	int host_fd;           /* host_fd: O_PATH of the host's, -1 for none */
	struct stat box, host; /* host.st_mode 0: nothing */
};
void pair_release(struct pair *p);
#define _cleanup_pair_ __attribute__((cleanup(pair_release)))
#define PAIR_INIT { .box_fd = -1, .host_fd = -1 }

/* The host's object at a path (NULL: none), O_PATH. 0 with *ret_fd -1 and st all zero when nothing is there, or it is not for the view. */
int pair_open_host(struct overlay *ov, const char *path, int *ret_fd, struct stat *st);
/* The host path of what the box has at a view path stands in place of: below directories that are renamed in the box the host's are elsewhere. 1, or
 * 0: the directory that it is in is the box's alone. The lock is held for writing. */
int pair_host_path(struct overlay *ov, const char *view, char ret[static PATH_MAX]);
/* Opens what an O_PATH descriptor names for reading. */
int pair_reopen(int path_fd);
/* Whether two objects of one type have other content: 1 or 0, or -errno. flags: CHANGES_*. */
int pair_content_differs(unsigned flags, const struct pair *p);
bool pair_meta_differs(const struct pair *p);
/* The modification time; of a directory only when somebody set it: it moves with the names in it, too, and that is no change of its own. */
bool pair_time_differs(const struct pair *p);

/* True when there is no name in the directory; one that cannot be read is not empty. */
bool pair_is_empty(int path_fd);
/* The names in a directory on either side (any descriptor of it), sorted; strv_free. */
int pair_names(int path_fd, char ***ret);

#endif
