/* history.h - the commits of a store, of all its boxes: listed, taken back, and given up when they are old.
 *
 * Each commit leaves an entry with what it took from the host. An undo is an entry itself: it has what the commit had brought. Where the entry is on the
 * file system of what was taken, that was moved and takes no time; else it was copied. A file of several names that the box did not know all keeps
 * one more name in the entry, and its number of links shows that until the entry is given up.
 */
#ifndef COWBOX_COMMIT_HISTORY_H
#define COWBOX_COMMIT_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "overlay/box.h"

#define HISTORY_KINDS 6
struct history_entry {
	unsigned number;             /* number: counts up, never used twice as long as later ones are there */
	bool undo;                   /* undo: it took back the commit that `undoes` names */
	bool failed;                 /* failed: it was taken back itself, but for what the host had changed by then, which the entry holds */
	unsigned undoes, undone_by;  /* undone_by: the undo that took this one back, 0 for none */
	uint64_t when_ns;            /* when_ns: since the epoch */
	uint64_t counts[HISTORY_KINDS]; /* counts: of changes, in the order of HISTORY_LETTERS */
	uint64_t bytes;              /* bytes: on the disk, of what the entry holds */
	char *box, *command;         /* box, command: the box's name, and what it was made for */
};
#define HISTORY_LETTERS "AMDRTm"

/* All entries, the oldest first; history_free. No history is an empty one. What is at work is left out. */
int history_list(struct store *store, struct history_entry **ret, size_t *ret_count, struct err *err);
void history_free(struct history_entry *list, size_t count);

/* One change of a commit; of an undo, one that it took back. */
struct history_path {
	char letter;       /* letter: of HISTORY_LETTERS */
	bool directory;
	char *path, *from; /* from: of what was renamed, the old path; else NULL */
};
/* What the entry is about, in the order of the paths; history_paths_free. -ENOENT: there is no such entry. */
int history_paths(struct store *store, unsigned number, struct history_path **ret, size_t *ret_count, struct err *err);
void history_paths_free(struct history_path *list, size_t count);

/* What the entry holds: name is below STORE/history/NUMBER, path is what the host had there; of a file that was written in place, the content of before. */
struct history_held {
	char name[16], *path;
	bool directory;
};
int history_held(struct store *store, unsigned number, struct history_held **ret, size_t *ret_count, struct err *err);
void history_held_free(struct history_held *list, size_t count);

/* Gives up entries that are older, and then the oldest as long as all hold more; the last commit stays in any case. 0: no limit. Returns how many;
 * -EBUSY: another process is at work on the history, and nothing was done. */
struct history_limits {
	uint64_t age_s, bytes;
	bool failed; /* failed: also those that have the only copy of what the host had (history_entry.failed) */
};
int history_prune(struct store *store, const struct history_limits *limits);

/* ---- undo ---- */

enum undo_conflict {
	UNDO_REFUSE,  /* a path that has changed since: nothing is done */
	UNDO_SKIP,    /* it is left as it is, the rest is taken back */
	UNDO_REPLACE, /* it is taken back like the rest; what is there now goes into the undo's entry */
};

struct undo_wish {
	unsigned number;             /* number: which commit; 0: the last that was not taken back */
	enum undo_conflict conflict;
	bool dry;                    /* dry: only tell */
	/* All may be NULL. */
	void (*change)(void *ctx, const struct history_path *change);          /* change: one that would be, or is, taken back */
	void (*conflicting)(void *ctx, const char *path, const char *what);    /* conflicting: the host has changed the path since, and how */
	void (*note)(void *ctx, const char *text);                             /* note: a line for people, of what could not be as it should */
	int (*progress)(void *ctx, size_t done, size_t total);                 /* progress: of the steps; a positive return stops the undo */
	void *ctx;
};
struct undo_result {
	struct history_entry commit; /* commit: what is taken back; its texts are the caller's to free */
	unsigned number;             /* number: of the undo's own entry */
	size_t conflicts;            /* conflicts: paths */
	size_t done, skipped;        /* done, skipped: changes of the commit */
	bool unfinished;             /* unfinished: a disk error: the next cowbox finishes */
	bool holds;                  /* holds: the undo's entry holds something that the host had */
	bool left;                   /* left: it failed, and something could not be put back as it was: noted */
};
/* Takes a commit back: content, modes, owners, times, attributes, links, directories are as they were before. All or nothing, as a commit. 0 when it is
 * done (or, dry, could be); -ENOENT: there is no such commit, or none to take back; -EBUSY: conflicts, and nothing was changed; -EINTR: stopped by
 * progress, and nothing was changed; else an error, and nothing was changed unless unfinished. */
int history_undo(struct store *store, const struct undo_wish *wish, struct undo_result *ret, struct err *err);

#endif
