/* commit.h - applying what a box changed to the host.
 *
 * Calling sequence:
 *     commit_plan_new(ov)        every change of the box, each with a verdict
 *     commit_choose(...)         which of them are wanted (none at first)
 *     commit_settle()            what the choice means: parents that come along, changes that must wait for others
 *     commit_apply()             does it; each item then has an outcome
 *     commit_plan_free()
 *
 * Nothing is written before commit_apply. The plan is for one commit: make a new one for the next.
 *
 * Order of applying: renames first, then what was made or changed, a directory before what is in it, then deletions from the bottom up,
 * then the metadata of directories from the bottom up. Each file arrives through a temporary in the directory where it belongs and one
 * rename, so that a name which exists before and after is never missing in between. A directory in the way of something else is exchanged
 * with it and removed at the end.
 *
 * One file stays one file: a host file with several names that the box changed through one of them is written in place, since a rename
 * would leave its other names, which nobody can list, with the old content. So is a file whose owner could not be given to a new one, or
 * whose directory takes no new names from this user. These writes are not atomic to who reads meanwhile.
 *
 * The host's programs do not wait for a commit. A name is taken only from what was judged, which is compared right before and, where the
 * file system can exchange names, after; what is another by then is left, or put back.
 *
 * All or nothing: each step is in a journal in the store's history before it is made, and what the host loses goes there (src/commit/journal.h). A
 * commit that fails, or is killed at any point, is taken back as a whole; after its commit point it is finished. commit_undo takes it back later.
 */
#ifndef COWBOX_COMMIT_COMMIT_H
#define COWBOX_COMMIT_COMMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include "base/err.h"
#include "overlay/changes.h"
#include "overlay/overlay.h"

enum commit_verdict {
	COMMIT_APPLY,    /* can be applied */
	COMMIT_SAME,     /* the host already has it: it only leaves the box */
	COMMIT_CONFLICT, /* the host changed since the origin was taken: left, unless it is mergeable and somebody merges it */
	COMMIT_REFUSE,   /* cannot be committed at all (a device, by who is not root): left */
	COMMIT_WAIT,     /* depends on another change that is left: left */
};

enum commit_outcome {
	COMMIT_UNTRIED, /* not chosen, or the commit stopped before it */
	COMMIT_DONE,
	COMMIT_LEFT,   /* verdict said no, or the host changed under our hands */
	COMMIT_FAILED, /* tried and failed: code and why say how */
};

/* How what is in conflict was decided (commit_resolve). */
enum commit_resolution {
	RESOLVE_NONE, /* not: it is left */
	RESOLVE_BOX,  /* the host gets the box's, whatever it has now */
	RESOLVE_HOST, /* the host keeps what it has; the box's change is dropped */
	RESOLVE_TEXT, /* the host's file gets a given content: a merge of the two, or some hunks of the change */
	RESOLVE_BOTH, /* the host keeps what it has, and gets the box's beside it */
};

/* What of the host's object stays as the host has it, since the host alone changed it. */
enum commit_keep {
	COMMIT_KEEP_CONTENT = 1, /* COMMIT_KEEP_CONTENT: then the box's change is one of metadata, or of the name, whatever change->kind says */
	COMMIT_KEEP_MODE = 2,
	COMMIT_KEEP_OWNER = 4,   /* COMMIT_KEEP_OWNER: user and group */
	COMMIT_KEEP_TIMES = 8,
	COMMIT_KEEP_XATTRS = 16,
};

/* What lends the rights of another to whoever starts the file. */
enum commit_mark { COMMIT_SETUID = 1, COMMIT_SETGID = 2, COMMIT_CAPABILITIES = 4 };

#define COMMIT_WHY_MAX 160
struct commit_item {
	const struct change *change; /* change: borrowed from the plan's list */
	bool chosen;                 /* chosen: asked for, or a new directory needed by what was */
	char *one_with;              /* one_with: another name of the same file, of another change or the host's; NULL: none is known */
	unsigned marks;              /* marks: bits of enum commit_mark, of the box's file */
	enum commit_verdict verdict;
	unsigned row;             /* row: of docs/MERGE-CASES.md by which it was judged; 0: not judged */
	unsigned keep;            /* keep: bits of enum commit_keep; of what is applied, and of what is mergeable */
	/* mergeable: a conflict of the contents of regular files, of at most 8 MiB, on which a merge can be tried: three-way from the kept original,
	 * or, where both have made the file, without one */
	bool mergeable;
	enum commit_outcome outcome;
	int code;                 /* code: -errno of a failure */
	unsigned lost;            /* lost: bits of enum copy_lost: what of the metadata could not be kept */
	enum commit_resolution resolved;
	char *text;               /* text, text_size: of RESOLVE_TEXT: the content; the plan's */
	size_t text_size;
	bool part;                /* part: that is some of the box's change only: the rest stays in the box */
	bool stays;               /* stays: all of it does (keep) */
	char *beside;             /* beside: of RESOLVE_BOTH: the host path that the box's gets */
	bool in_place;            /* in_place: was written into the existing file (see above) */
	char why[COMMIT_WHY_MAX]; /* why: for all but plain success, one phrase */
};

struct commit_plan {
	struct overlay *ov; /* ov: borrowed */
	struct changes changes;
	struct commit_item *items; /* items: a directory directly before all that is below it */
	size_t count;
	bool keep;    /* keep: what is committed stays in the box too, but for renamed directories; set before commit_apply */
	char **notes; /* notes: lines for people, about what commit_apply came upon on the host */
	size_t nnotes;
};

/* Collects the changes and judges each against the host as it is now. */
int commit_plan_new(struct overlay *ov, struct commit_plan **ret, struct err *err);
void commit_plan_free(struct commit_plan *p);
void commit_plan_freep(struct commit_plan **p);
#define _cleanup_commit_plan_ __attribute__((cleanup(commit_plan_freep)))

/* Chooses the changes at or below a path (of renamed objects the old place counts too). Returns how many the path is a name of. What was chosen by one of
 * its names only (one end of a rename, one name of a file, a name in a renamed directory) is left by commit_settle: call this for all paths first. Where
 * `chosen` is set without it, all names count as known. */
size_t commit_choose(struct commit_plan *p, struct vpath path);
/* The same for all paths of which below() is true: what is at or below a set of paths. */
typedef bool (*commit_below)(void *ctx, const char *path);
size_t commit_choose_where(struct commit_plan *p, commit_below below, void *ctx);
/* Completes the choice: new directories come along with what is in them. No name is written, made or taken that was not chosen: what would need
 * that, and what waits for other changes, gets the verdict COMMIT_WAIT. */
void commit_settle(struct commit_plan *p);

/* Decides an item that is in conflict; of one that could be applied, RESOLVE_TEXT and RESOLVE_HOST too. Before commit_settle. text, size: of
 * RESOLVE_TEXT, copied. part: see the item. A directory that the box made or renamed takes what is below it along for RESOLVE_HOST. -EOPNOTSUPP: that
 * cannot be done here, and err tells why and what can. */
int commit_resolve(struct commit_plan *p, size_t i, enum commit_resolution how, const void *text, size_t size, bool part, struct err *err);
/* Opens what three-way merging needs of an item, for reading. Each is -1 where there is none: the original is kept of files up to a limit, and the
 * host may have lost its file. -EOPNOTSUPP: it is no regular file on both sides. The caller closes them. */
int commit_open_sides(struct commit_plan *p, size_t i, int *ret_base, int *ret_box, int *ret_host);

/* Called before each item is tried; may be NULL. A positive return stops the commit before that item. */
typedef int (*commit_progress)(void *ctx, const struct commit_item *item, size_t done, size_t total);

struct commit_result {
	size_t done, left, failed, untried; /* of the chosen items; where one failed, none is done */
	size_t unforgotten;                 /* unforgotten: committed, but could not be taken out of the layer */
	bool changed;                       /* changed: the host was written to */
	bool unfinished;                    /* unfinished: a disk error; the next cowbox finishes, or takes back (commit_recover) */
	char trouble[256];                  /* trouble: what stopped the commit, or "" */
};
/* Applies what is chosen and can be applied, all of it or nothing, and takes it out of the box. 0 when it ran to an end (look at the result for what
 * was left); -errno and err when it could not begin. What the host changed while it ran is left as a conflict. The box must not be running. */
int commit_apply(struct commit_plan *p, commit_progress progress, void *ctx, struct commit_result *ret, struct err *err);

/* Finishes, or takes back, what a cowbox that was killed has left of a commit or an undo; every command does this before it does anything else.
 * Returns 1 when there was something, and tells in err what became of it; 0: nothing, or another process is at work on it. */
int commit_recover(struct store *store, void (*tell)(void *ctx, const char *text), void *ctx, struct err *err);

/* Keeps runs out of the box as long as the returned fd is open; -EBUSY while one is in it. */
int commit_hold(struct box *b, struct err *err);

/* ---- diff ---- */

enum diff_flags {
	DIFF_COLOR = 1,
	DIFF_STAT = 2, /* DIFF_STAT: one line a file with its count of added and removed lines, and a total */
	DIFF_EXACT = 4, /* DIFF_EXACT: of the paths themselves, not of what is below them */
	/* DIFF_VISIBLE: for a terminal: control characters in contents, which could conceal others, as ^X. No patch where there are any */
	DIFF_VISIBLE = 8,
};
/* Writes how the box differs from the host as unified diff with paths a/... (the host) and b/... (the box), relative to "/": what `patch -p1 -d /`
 * and `git apply` read. What these have no words for (directories, devices, owners, binary content) stands in lines that begin with "# ".
 * paths: only at or below these; npaths 0: all. Returns the number of changes shown, -EPIPE when the reader has gone away. */
int diff_write(struct overlay *ov, const struct changes *changes, const struct vpath *paths, size_t npaths, unsigned flags,
               FILE *out, struct err *err);
/* A line to be said with a change, or NULL. */
typedef const char *(*diff_note)(void *ctx, const struct change *ch);
/* The same, with a note of the caller's ("# ...") before the changes that have one. */
int diff_write_noted(struct overlay *ov, const struct changes *changes, const struct vpath *paths, size_t npaths, unsigned flags,
                     diff_note note_of, void *ctx, FILE *out, struct err *err);
/* Lines of unified diff from elsewhere (hunks.h), as the functions above write theirs. flags: DIFF_COLOR, DIFF_VISIBLE. */
void diff_write_text(const char *text, size_t size, unsigned flags, FILE *out);

#endif
