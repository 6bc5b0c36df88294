/* commit_ui.h - what the files of cowbox commit share.
 *
 *     commit.c           the verb: its options, and what comes after what
 *     commit_paths.c     PATHs and patterns
 *     commit_choose.c    one question a change
 *     commit_groups.c    a box of many changes: a summary first, and one question a directory
 *     commit_hunks.c     one file, hunk by hunk
 *     commit_conflict.c  what becomes of what both sides changed
 *     commit_sides.c     the texts of both sides, compared and merged where they can do no harm
 *     commit_edit.c      texts in files for an editor or a merge tool
 *     commit_tell.c      what would be done, and what was done: for people and for programs
 *
 * All that is asked ends in items of the plan being chosen (commit_item.chosen) or decided (commit_resolve). Nothing here writes to the host.
 */
#ifndef COWBOX_CMD_COMMIT_UI_H
#define COWBOX_CMD_COMMIT_UI_H

#include "cmd.h"
#include "commit/merge.h"

/* How the questions ended. */
enum asked {
	ASKED_ALL,         /* to the last */
	ASKED_QUIT,        /* no more of them: what was answered counts */
	ASKED_INTERRUPTED, /* nothing is to be committed */
};

/* The questions of one commit. */
enum on_conflict { ON_CONFLICT_ASK, ON_CONFLICT_SKIP, ON_CONFLICT_BOX, ON_CONFLICT_HOST, ON_CONFLICT_MERGE, ON_CONFLICT_BOTH };

struct asking {
	struct session *s;
	struct commit_plan *plan;
	const bool *wanted; /* wanted: the items to ask about; NULL: all */
	bool hunks;         /* hunks: modified files hunk by hunk, without asking for the whole first */
	bool all;           /* all: the answer to all that follows is yes */
	bool quit;          /* quit: nothing more is asked, but what was answered y without a question of its own is taken */
	enum on_conflict on_conflict; /* on_conflict: what will become of conflicts */
	size_t taken;       /* taken: items chosen, or decided */
	size_t headings;    /* headings: how many were shown */
};

static inline const char *item_name(const struct commit_item *it, char ret[static 4 * PATH_MAX])
{
	return path_printable(it->change->path, ret, 4 * PATH_MAX);
}

/* ---- commit_paths.c ---- */

/* Chooses what is at or below the paths, args as they were typed: one that names no change and has *, ? or [ is a pattern for the changes' paths, in which
 * "**" stands for any number of directories. Tells of those without a change; CMD_LEFT when there are any. */
int choose_paths(const struct session *s, struct commit_plan *plan, const struct paths *paths, const char *const *args);
/* The pattern, absolute, matches the path or a directory above it. */
bool glob_match(const char *pattern, const char *path);

/* ---- commit_choose.c ---- */

/* Asks about the items from i to before end; a directory that is taken in parts comes along by commit_settle. */
enum asked choose_range(struct asking *a, size_t i, size_t end);
/* Takes all from i to before end; what ties other names to them, or lends rights, is asked for by itself. */
enum asked choose_take(struct asking *a, size_t i, size_t end, const char *dir);

/* ---- commit_groups.c ---- */

#define GROUPS_FROM 200 /* changes, from which on a summary comes first */
enum asked choose_by_groups(struct asking *a, size_t i, size_t end);

/* ---- commit_hunks.c ---- */

/* It could be taken in parts: a new or modified text. */
bool hunks_possible(struct commit_plan *plan, size_t i);
/* Asks about the hunks of item i, and chooses it, or what was taken of it. -errno: it has no hunks, which was told. */
int choose_hunks(struct asking *a, size_t i, enum asked *ret);

/* ---- commit_conflict.c ---- */

const char *on_conflict_name(enum on_conflict how);
/* -EINVAL: it is none of them. */
int on_conflict_parse(const char *text, enum on_conflict *ret);
/* Decides the chosen conflicts so; what cannot be is left, with the reason in the item. */
enum asked decide_conflicts(struct asking *a, enum on_conflict how);
/* Whether there are conflicts among the chosen that are not decided. */
bool has_conflicts(const struct commit_plan *plan);

/* ---- commit_sides.c ---- */

/* What an item's file is in the box, on the host, and was when the box first changed it. */
struct sides {
	struct merge_side base, box, host;
	bool has_base, has_host;
};
/* -EOPNOTSUPP, -EMEDIUMTYPE, -EFBIG: they are not all texts. */
int sides_read(struct commit_plan *plan, size_t i, struct sides *ret, struct err *err);
void sides_release(struct sides *s);
#define _cleanup_sides_ __attribute__((cleanup(sides_release)))
/* As merge_text; 1 only where the original is known. -ETIME: it takes too long. */
int sides_merge(const struct sides *s, const char *box, struct merged *ret, struct err *err);
/* The lines that differ, as hunks of unified diff; to be freed. -ETIME. */
int sides_diff(const struct merge_side *old, const struct merge_side *new, char **ret, size_t *ret_size, struct err *err);
/* 0 when hunks_new can compare the two in a decent time; -ETIME. */
int sides_can_diff(const struct merge_side *old, const struct merge_side *new, struct err *err);

/* Comparing lines can be made to take hours by who writes them. Runs fn in a child that gets so many seconds of processor time, and gives back
 * what it returned, and what it wrote to out (to be freed); -ETIME when it came to no end. */
typedef int (*guarded)(void *ctx, FILE *out);
int guard_run(guarded fn, void *ctx, unsigned seconds, char **ret, size_t *ret_size);

/* ---- commit_edit.c ---- */

/* A private directory for files that other programs work on. */
struct scratch {
	char path[PATH_MAX]; /* path: "" as long as there is none */
};
void scratch_remove(struct scratch *s);
/* The same for the one that there is, in a handler of a signal by which we end. */
void scratch_end(void);
#define _cleanup_scratch_ __attribute__((cleanup(scratch_remove)))
/* Writes DIR/NAME, in the directory dir of the scratch ("" for its root); ret: its path. Overwrites. */
int scratch_write(struct scratch *s, const char *dir, const char *name, const void *data, size_t size, char ret[static PATH_MAX],
                  struct err *err);
int scratch_read(const char *path, char **ret, size_t *ret_size, struct err *err);
/* Runs $VISUAL, else $EDITOR, else vi, on the file. 0; -ECANCELED: it failed; -EINTR: we are to end. */
int edit_file(const char *path, struct err *err);

/* The user's merge tool, as git knows it. */
struct merge_tool {
	bool looked;
	char name[64], *command, *path; /* command: for sh; NULL: there is none */
};
bool merge_tool_find(struct merge_tool *t);
void merge_tool_release(struct merge_tool *t);
/* Runs it on the four files: results as edit_file. */
int merge_tool_run(const struct merge_tool *t, const char *base, const char *local, const char *remote, const char *merged,
                   struct err *err);

/* ---- commit_tell.c ---- */

/* What would be done. */
int tell_plan(const struct session *s, const struct commit_plan *plan, enum form form);
/* What was done: the status to exit with. */
int tell_result(const struct session *s, const struct commit_plan *plan, const struct commit_result *res, enum form form);
/* The result of a commit of nothing, for programs. */
void tell_nothing(const struct session *s, enum form form, bool dry);

#endif
