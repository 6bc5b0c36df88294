/* descent.h - walking a tree of directories in a loop, however deep it is: the names still to be visited are on the heap, level by level.
 *
 *	_cleanup_descent_ struct descent d = { .path = { path } };
 *	r = ... descent_enter(&d, names of path);
 *	while (r >= 0 && d.depth) {
 *		r = descent_step(&d);
 *		if (r > 0) ... path is of a name now; a directory is entered by descent_enter
 *		else if (r == 0) ... path is of a directory again, all below which was visited; levels[depth] was its level
 *	}
 */
#ifndef COWBOX_BASE_DESCENT_H
#define COWBOX_BASE_DESCENT_H

#include <stddef.h>
#include <sys/types.h>

struct descent_level {
	char **names;
	size_t next;    /* next: index of the name to be visited */
	size_t len[2];  /* len: of the directory's paths */
	mode_t mode;    /* mode: the caller's, 0 to begin with */
};

struct descent {
	char *path[2];  /* path: where we are, and (or NULL) that by another name; borrowed buffers of PATH_MAX */
	struct descent_level *levels;
	size_t depth, size;
};

/* Enters the directory that the paths are of; names (a strv, owned from here on, also on failure) are what to visit in it. 0 or -ENOMEM. */
int descent_enter(struct descent *d, char **names);
/* The same, with the names of the directory at path below top: no symlink is followed, nor is top left. 0, -ENOMEM, or why it cannot be read. */
int descent_enter_at(struct descent *d, int top, const char *path);
/* To the next name (1), or out of the directory that has none left (0). -ENAMETOOLONG: one that no path can name; it is passed over by the next step. */
int descent_step(struct descent *d);
void descent_release(struct descent *d);
#define _cleanup_descent_ __attribute__((cleanup(descent_release)))

#endif
