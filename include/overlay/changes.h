/* changes.h - what a box changed: its layers compared with the host as it is now.
 *
 * The list is in the order of view paths, a directory before what is in it. What lies below an added directory is listed too.
 * A directory that only mirrors the host (nothing of its own changed) is not listed.
 */
#ifndef COWBOX_OVERLAY_CHANGES_H
#define COWBOX_OVERLAY_CHANGES_H

#include <stdint.h>
#include <sys/stat.h>
#include "base/err.h"
#include "overlay/overlay.h"
#include "overlay/origins.h"

enum change_kind {
	CHANGE_ADDED = 'A', CHANGE_MODIFIED = 'M', CHANGE_DELETED = 'D', CHANGE_RENAMED = 'R', CHANGE_TYPE = 'T', CHANGE_META = 'm',
};

struct change {
	enum change_kind kind;
	char *path;             /* path: in the view; of a renamed object the new one */
	char *from;             /* from: where a renamed object was (then a regular file may be modified as well), else NULL */
	struct stat box;        /* box: the layer's object, true owner; all zero for a deletion */
	struct stat host;       /* host: what the host has there now (at `from` for a rename); st_mode 0: nothing */
	const struct origin *origin; /* origin: borrowed from the list; NULL: below a directory the box made, or damaged origins */
	bool host_changed;      /* host_changed: the host's object is no longer the origin (identity; commit compares further) */
	bool times;             /* times: of a change of metadata: the modification time is part of it */
	bool capabilities;      /* capabilities: a program of the box's that has them (root alone can put them on the host's) */
	bool content;           /* content: a renamed or type-same file whose bytes differ (false: metadata only) */
};

struct changes {
	struct change *list;
	size_t count;
	struct origins *origins[BOX_LAYERS_MAX];
};

enum changes_flags { CHANGES_NO_CONTENT = 1 };   /* believe size and mtime; do not compare bytes */
int changes_collect(struct overlay *ov, unsigned flags, struct changes *ret, struct err *err);
void changes_release(struct changes *c);

/* Whose the object at a canonical path of the view is, also where the modes of directories on the way shut their owner out. PLACE_HOST: if it is there. -errno. */
enum overlay_place { PLACE_NONE, PLACE_HOST, PLACE_MERGED, PLACE_LAYER, PLACE_LAYER_DIR };
int overlay_place(struct overlay *ov, struct vpath path);
/* Opens the box's object of a change for reading: O_RDONLY for a regular file or directory, O_PATH for the rest. */
int changes_open(struct overlay *ov, const struct change *ch, int *ret_fd);
/* Where the host had the file that the box's regular file of a change is a copy of (a host path from before any commit). -ENODATA: the box
 * made the file itself. */
int changes_copied_from(struct overlay *ov, const struct change *ch, char *ret, size_t size);
/* Takes what the layer has at a path (and what lies below a directory) out of it: the view shows the host's again there, and nothing changes
 * elsewhere. A rename is two names: the old one is taken out too, by a call of its own. */
int overlay_forget(struct overlay *ov, struct vpath path);
/* The same, and leaves the directories above it, which may be of no more use then: for many paths in one directory. overlay_prune looks after those. */
int overlay_forget_only(struct overlay *ov, struct vpath path);
void overlay_prune(struct overlay *ov, struct vpath dir);
/* After changes left the box: takes out of it the other names of host's files with several names that were made names of the copy with them, and are no change
 * themselves; and what is left, and is a copy of what shows under its own name again, is from now on a file of its own. left: the changes as they are now, contents compared, when some were discarded; or NULL, after a commit: they are collected, if need be. */
int overlay_forget_idle(struct overlay *ov, const struct changes *left);
/* For a directory (added, renamed, its metadata changed) that the host now has at this path as the view shows it, while changes below it are
 * left in the box: the layer's directory becomes a plain mirror of the host's. */
int overlay_settle(struct overlay *ov, struct vpath path);
/* A directory that the box made in the place of one that the host has hides all that the host has in it. After this each hidden name is a removal of
 * its own in the layer, which can be taken out, or committed, apart from the others; so for all directories down to path. The view stays as it
 * is, but that names show which the host has got since. Nothing to do is no error. */
int overlay_expose(struct overlay *ov, struct vpath path);
/* Where the view shows the host's object at the path, though it stands under another name in the box: takes the old name away again. */
int overlay_cover(struct overlay *ov, struct vpath path);
/* What the layer has at a path, when it can become the host's by a rename, with all that is below: nothing in it is for the layer alone but what
 * overlay_strip takes away, each object has one name, and nobody has a file of it open for writing. Release with plain_release. */
struct plain {
	int dir;                 /* dir: the layer's directory, O_PATH */
	char name[NAME_MAX + 1]; /* name: the object's in it */
	char path[PATH_MAX];     /* path: the object's, as the host names it */
	struct stat st;
	size_t objects;          /* objects: how many there are, itself counted */
};
/* -ENOTSUP: it has to be copied. Only while no run is in the box. */
int overlay_plain(struct overlay *ov, struct vpath path, struct plain *ret);
void plain_release(struct plain *p);
/* They are no longer in the layer. */
void overlay_moved_out(struct overlay *ov, const struct vpath *paths, size_t n);
/* Such things are in it again, wherever they were. */
void overlay_moved_back(struct overlay *ov);
/* Takes from a directory or file that came out of a layer what was for the layer. fd may be O_PATH. */
int overlay_strip(int fd, bool directory);
/* What the host has at the path now, after a commit put it there or took it away, becomes the origin of what the box has there. */
int overlay_reorigin(struct overlay *ov, struct vpath path);

#endif
