/* apply.h - what one run of commit_apply carries along. */
#ifndef COWBOX_COMMIT_APPLY_H
#define COWBOX_COMMIT_APPLY_H

#include "base/inode_set.h"
#include "plan.h"

/* A directory or file of the host that this commit has moved: paths given in the names from before are followed through these. */
struct move {
	char *from, *to;
	bool swap; /* swap: what was at `to` is at `from` now */
};

/* A host directory in which names came or went, and that is no change itself: it gets the times that the view shows. */
struct parent {
	char *view;
	struct timespec mtime;
	bool set; /* set: mtime is known and right */
};

/* Where a file of the layer with several names is on the host. */
struct twin {
	uint64_t dev, ino; /* dev, ino: in the layer; ino 0: an empty slot */
	char *path;        /* path: one of its names on the host */
};

/* A name in the layer of something that is no regular file and has several names. */
struct special {
	uint64_t dev, ino;
	char *view;
};

struct doomed {
	char *host;   /* host: where the directory that was in the way is now */
	char *was;    /* was: where the box saw it */
	size_t item;  /* item: that it made way for */
	size_t since; /* since: how many moves there were when it went aside */
};

struct apply {
	struct plan *p;
	struct commit_result *result;
	struct move *moves;
	size_t nmoves;
	struct parent *parents;
	size_t nparents;
	struct twin *twins;
	size_t ntwins, twins_size;
	struct special *specials; /* specials: see twins_original; read when the first is asked for */
	size_t nspecials;
	bool specials_read;
	struct inode_set touched; /* touched: host inodes this commit has changed */
	struct doomed *doomed;
	size_t ndoomed;
	bool *busy; /* busy: items being applied, higher up on our stack */
	unsigned serial;
};

static inline struct commit_item *item(struct apply *a, size_t i)
{
	return &a->p->p.items[i];
}

/* ---- apply_item.c ---- */

/* Carries the item out when it is chosen and was not tried yet, the directories above it first; its outcome is in the item. */
int apply_item(struct apply *a, size_t i);
/* Writes down how item i went. */
void apply_settle(struct apply *a, size_t i, int r);

/* ---- forget.c ---- */

/* Takes what was done out of the box. */
void apply_forget_done(struct apply *a);

/* ---- place.c: one object onto the host ---- */

/* Follows a path from before this commit to where it is now. */
int apply_forward(const struct apply *a, const char *path, char ret[static PATH_MAX]);
int apply_note_move(struct apply *a, const char *from, const char *to, bool swap);
bool apply_touched(const struct apply *a, const struct stat *st);
int apply_touch(struct apply *a, const struct stat *st);
/* Where the item belongs on the host at this moment. */
int apply_where(const struct apply *a, size_t i, char ret[static PATH_MAX]);
/* The directory that holds the host path is about to change. view: as the view names that directory. */
int apply_enter(struct apply *a, const char *view, const char *host);
/* What holds the new object of item i is put at the host path. Does not look at the verdict. */
int place_object(struct apply *a, size_t i, const char *path);
/* Gives the host object at path the metadata of the item's. */
int place_metadata(struct apply *a, size_t i, const char *path);
/* Gives the existing host file the item's content and metadata, keeping the inode. */
int place_in_inode(struct apply *a, size_t i, const char *path);
/* A name for a temporary in a directory. */
void place_temp_name(struct apply *a, char ret[static 48]);
/* A directory in the way at path goes aside, and the one called temp in the same directory takes its place. */
int place_exchange(struct apply *a, size_t i, const char *path, const char *temp);

/* ---- twins.c: files of several names ---- */

/* Where the layer's file already is on the host, borrowed; NULL: nowhere yet. */
const char *twins_find(const struct apply *a, const struct stat *layer);
int twins_add(struct apply *a, const struct stat *layer, const char *path);
void twins_free(struct apply *a);
/* True when the item's file in the layer is the copy of this very inode of the host. */
bool twins_is_copy_of(const struct apply *a, size_t i, const struct stat *host);
/* The host's name of the file that the item's is a copy of, when the item is to become one more name of it. -ENOENT: none. */
int twins_original(struct apply *a, size_t i, char ret[static PATH_MAX]);

/* ---- remove.c ---- */

/* Removes one object of the host, or a tree after looking at all of it. was: as in classify_tree_known. */
int remove_object(struct apply *a, size_t i, const char *host, const char *was);

#endif
