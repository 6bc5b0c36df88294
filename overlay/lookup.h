/* lookup.h - what the files of a lookup share: its state. Private to lookup.c and lookup_link.c. */
#ifndef COWBOX_OVERLAY_LOOKUP_H
#define COWBOX_OVERLAY_LOOKUP_H

#include "internal.h"

#define WALK_MAX (2 * PATH_MAX)

struct walk {
	struct overlay *ov;
	const struct caller *c;
	unsigned flags;
	int links;
	bool is_dir;              /* is_dir: the last component must be one (a trailing slash) */
	bool done_known;          /* done_known: done was come to by this walk, so that it is a directory which may be searched */
	bool slash_seen;          /* slash_seen: create_slash has looked at rest as it is */
	bool at_link;             /* at_link: the last component is a symlink that is not to be followed */
	bool whole;               /* whole: a magic link led to the object, and nothing of it is left to be told */
	char done[PATH_MAX];
	char base[PATH_MAX];      /* base: what RESOLVE_BENEATH and IN_ROOT are about */
	char rest[WALK_MAX];
	char cand[PATH_MAX];      /* cand: done and the step */
	struct spot spot;
};

/* What follows /proc/PID/ or /proc/PID/task/TID/ in a path, NULL for any other; *ret_pid: PID. */
const char *proc_below(const char *path, int *ret_pid);

/* What one step of a walk came to. */
enum step { STEP_AGAIN = 1, STEP_DONE = 2 };

/* The kernel met a symlink on its way along the spot's path: its text is put in its place (STEP_AGAIN), or o is what a magic link leads to.
 * after: what follows cand in the walk. */
int walk_link(struct walk *w, bool follow, const char *after, struct object *o);

#endif
