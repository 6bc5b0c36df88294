/* undo.h - what an undo carries along. */
#ifndef COWBOX_COMMIT_UNDO_H
#define COWBOX_COMMIT_UNDO_H

#include "base/strv.h"
#include "commit/history.h"
#include "host.h"
#include "journal.h"
#include "replay.h"
#include "tree_copy.h"

struct undo {
	struct store *store;
	const struct undo_wish *wish;
	struct journal n, u; /* n: of the commit; u: of the undo */
	int lock_fd;
	struct host host;
	bool *skip;       /* skip: steps that are left, since the host has changed what they are about */
	bool *logged;     /* logged: steps whose old is to be moved out of the entry, as U's journal says already */
	bool *left;       /* left: items of n that are left by that */
	bool *same_time;  /* same_time: of n's directories: nobody has been at them since the commit */
	char **conflicts; /* conflicts: paths, and how many */
	size_t nconflicts;
	char **lost; /* lost: those of them that cannot be brought back, and how many */
	size_t nlost;
	struct tree_links links; /* links: between what was copied out of the entry */
	struct sight *sights; /* sights: what n's steps are about, by the objects; made when it is first asked for (undo_bring.c) */
	size_t nsights;
	struct ident *was; /* was: of each step two, which objects at_a and at_b were; made with the sights */
	size_t nseen;         /* nseen: steps begun, for the progress */
	char blame[PATH_MAX]; /* blame: the path at which it failed, or "" */
	size_t failed;        /* failed: the step of n at which it failed, or SIZE_MAX */
};

/* What the host has at a path; what cannot be looked at for any reason but one of the disk's counts as nothing. */
int undo_stat(struct undo *u, const char *path, struct stat *ret);
/* It has failed at this path. */
void undo_blame(struct undo *u, const char *path);
/* A line for people about a path; not when it is only looked at what would be done. */
void undo_note(const struct undo *u, const char *path, const char *text);

/* ---- undo_check.c ---- */

/* Finds what the host has changed since the commit, tells of it, and settles it. */
int undo_check(struct undo *u);

/* ---- undo_settle.c ---- */

/* As it is wished: what is in conflict, and all that belongs to it, is to be skipped, or is taken for what the commit left. */
int undo_settle(struct undo *u);
/* Step k could not be taken back, with such an error: it is left, and told, with all that is about the same names. False: there is nothing to leave. */
bool undo_leave(struct undo *u, size_t k, int error);

/* True when the path, or something below it, is in conflict. */
bool undo_in_conflict(const struct undo *u, const char *path);

/* ---- undo_journal.c ---- */

/* The undo's entry, with what it will be about. */
int undo_begin(struct undo *u);
/* What the host has under several names, of which the undo has taken some away: these need not be kept. */
int undo_note_after(struct undo *u);
/* The times that the directories had before the commit, unless somebody has been at them since. */
int undo_note_times(struct undo *u);

/* ---- undo_bring.c ---- */

int undo_bring_back(struct undo *u);
/* What step k is about, in its at_a or (b) at_b, is another object by now: so for the steps before that are about it. */
int undo_stands_for(struct undo *u, size_t k, bool b, const struct stat *now);
/* How many names a file has when what the commit took away of it is gone. */
nlink_t undo_names_left(const struct undo *u, const struct stat *was);
/* A path at which the host has a file that had several names, of those that it had when the commit was done, and what is there; NULL: none. */
const char *undo_other_name(struct undo *u, const struct stat *was, struct stat *ret);
/* One more step of two rounds over them; -EINTR: no more are wanted. */
int undo_go_on(struct undo *u);

/* ---- undo_split.c ---- */

/* After undo_apply: names files that came back as copies, and were one with names that are not known. -ENOMEM. */
int undo_tell_split(struct undo *u);

/* ---- renew_undone.c ---- */

/* The commit n was taken back: what is left of it in the box, if that is still there, is compared again with what the host had before. */
int renew_undone(struct store *store, const struct journal *n, struct host *h);

/* ---- undo.c ---- */

/* Takes all steps back that are not to be skipped; where it is wished, without those that cannot be (-EBUSY: that is all of them). ret: unfinished and
 * left, whatever is returned. */
int undo_apply(struct undo *u, struct undo_result *ret);
/* Nothing of what the commit did is to be taken back. */
bool undo_leaves_all(const struct undo *u);
/* The commit's entry is told that the undo took it back. */
int undo_mark(int history_fd, const struct journal *u);

#endif
