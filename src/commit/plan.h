/* plan.h - what the files of the commit room share: the plan behind struct commit_plan, and where its paths lie on the host. */
#ifndef COWBOX_COMMIT_PLAN_H
#define COWBOX_COMMIT_PLAN_H

#include "base/inode_set.h"
#include "commit/commit.h"
#include "host.h"
#include "overlay/known.h"

#define NO_ITEM ((size_t)-1)

struct plan {
	struct commit_plan p; /* p: first, so that a pointer to one is a pointer to the other */
	struct host host;
	int base_fd;      /* base_fd: the box's kept originals, or -1 */
	struct stat *now; /* now: an item's object on the host when it was judged (of a renamed one: at its old place) */
	struct stat *in_way; /* in_way: of a renamed one: what the host had at its new place then */
	struct ident *dirs; /* dirs: of the host's directory that an item is to be in; ino 0: it comes with the box */
	size_t *above;    /* above: the nearest item above each, or NO_ITEM */
	size_t *renames;  /* renames: items that are renames, in the order of their old places */
	size_t *taken; /* taken: the same in the order of the inodes that they rename */
	size_t nrenames;
	struct known known; /* known: see plan_seen_at */
	bool known_loaded;
	struct inode_set judged; /* judged: every host inode that some item is about, when judged_all */
	bool judged_all;
	unsigned char *ends; /* ends: bits of enum end: which of an item's names are at or below a path that was chosen */
	bool all;            /* all: "/" was chosen, and with it what no change is about */
};

enum end {
	END_VIEW = 1, /* its name in the view */
	END_OLD = 2,  /* of a renamed one: the name it had */
	END_HOST = 4, /* where the host has it as long as a directory above it is not renamed there */
	END_ONE = 8,  /* its one_with */
	END_LINK = 16, /* no end: what the host has at one_with, where nothing is changed, is to get one more name */
};

static inline struct plan *plan_of(struct commit_plan *p)
{
	return (struct plan *)p;
}

/* Order of paths in which a directory comes directly before all that is below it. */
int path_cmp(const char *a, const char *b);
/* The item of a view path, or NO_ITEM. */
size_t plan_find(const struct plan *p, const char *path);
/* The nearest item above the path, or NO_ITEM. */
size_t plan_above(const struct plan *p, const char *path);
/* One past the last item at or below item i. */
size_t plan_end(const struct plan *p, size_t i);
/* The rename whose old place is this one, or NO_ITEM. */
size_t plan_rename_from(const struct plan *p, const char *from);
/* Calls fn for each rename of this host inode, until it returns false. */
void plan_renames_of(const struct plan *p, const struct stat *st, bool (*fn)(const struct plan *p, size_t i, void *ctx), void *ctx);
/* The rename that carries the host object at path away, because a directory above it moves; NO_ITEM: none, or the one that brings it where view is
 * (then it is view's own object). */
size_t plan_carrier(const struct plan *p, const char *path, const char *view);
/* Calls fn for each rename whose old place is at or below the directory, until it returns false; tells whether it ran through. */
bool plan_renames_below(const struct plan *p, const char *dir, bool (*fn)(const struct plan *p, size_t i, void *ctx), void *ctx);
bool item_is_dir_rename(const struct commit_item *it);
/* True for a directory that is not on the host and comes with the item: made, or in the place of something else. */
bool item_makes_dir(const struct commit_item *it);
/* Chosen, and nothing known speaks against it. */
bool item_planned(const struct commit_item *it);
/* The nearest renamed directory above the path, or NO_ITEM. */
size_t plan_renamed_above(const struct plan *p, const char *path);
/* Where a path of the view lies on the host before anything is committed. Its own rename, if it is one, is not looked at. */
int plan_host_path(const struct plan *p, const char *view, char ret[static PATH_MAX]);
/* What the host had at a path (in the view's names of the time) when the box first changed it; NULL: no record. */
const struct origin *plan_origin(const struct plan *p, const char *path);

/* True when some record is of this inode, under whatever path it was changed. */
bool plan_knows_inode(struct plan *p, const struct stat *st);
/* The last record of the inode that the host has at that path, as known_find. */
const struct origin *plan_seen_at(struct plan *p, const struct stat *st, const char *host);

/* A plan of these changes (taken over), with nothing judged: for what was committed already. commit_plan_free(&p->p). */
int plan_from_changes(struct overlay *ov, struct changes *changes, struct plan **ret);
/* ---- resolve.c ---- */

/* After item i was judged anew: what the user had decided, if the host has what it had then (was). */
void resolve_again(struct plan *p, size_t i, const struct stat *was);

/* ---- plan.c ---- */

/* Judges all items anew, after the host has changed, and settles the choice anew. */
int plan_judge_again(struct plan *p);

/* Sets verdict and reason; returns 0. */
int why(struct commit_item *it, enum commit_verdict verdict, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* ---- twins.c ---- */

/* The host's file at path, a name of it that is to go, was written to in the box by names that are gone there: its others would get that
 * (twins_settle). */
bool twins_hidden(struct plan *p, const char *path, const struct stat *host);

/* ---- classify.c ---- */

/* Judges one item by the table of cases.h; fills p->now[i]. -errno: it cannot be looked at, and is a conflict. */
int classify_item(struct plan *p, size_t i);
/* 1 when the host's object at path is still what the origin says. */
int classify_same_as_origin(struct plan *p, const struct origin *o, const char *path, const struct stat *now);
/* 1 when the host's object at path has all that the box's has, times aside. */
int classify_same_as_box(struct plan *p, const struct change *ch, const char *path, const struct stat *now);

/* Looks whether all below a host directory is known to the box (so that removing it loses nothing that the box has not seen). host: where it
 * is now; was: where it was when the box saw it. 1: yes; 0: no, and ret_path holds the first that is not, as `was` names it. touched: tells of objects this commit
 * itself has changed; may be NULL. */
struct tree_check {
	bool (*touched)(void *ctx, const struct stat *st);
	bool (*leaves)(void *ctx, const char *host); /* leaves: something that will have been moved away by then */
	void *ctx;
	bool find_hidden; /* find_hidden: what twins_hidden tells of counts as not known */
	bool hidden;      /* hidden: and was found */
	uint64_t seen_ns; /* seen_ns: filled by classify_tree_known: when the box first changed the directory itself */
};
int classify_tree_known(struct plan *p, const char *host, const char *was, struct tree_check *check,
                        char ret_path[static PATH_MAX]);
/* True when such a tree of the host, which the change removes, has something that twins_hidden tells of. */
bool classify_tree_hidden(struct plan *p, const char *host, const char *was);
/* One object of such a tree, and nothing below it; check->seen_ns as that call has left it. ret_now: what is there; st_mode 0: nothing. */
int classify_entry_known(struct plan *p, const char *host, const char *was, struct tree_check *check, struct stat *ret_now);

#endif
