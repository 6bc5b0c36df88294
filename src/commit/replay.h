/* replay.h - what becomes of a journal: its steps are taken back, or what they took away goes into the history. */
#ifndef COWBOX_COMMIT_REPLAY_H
#define COWBOX_COMMIT_REPLAY_H

#include "host.h"
#include "journal.h"

/* A line for people: something of the host's is in the way. Owned by nobody. */
typedef void (*replay_tell)(void *ctx, const char *text);

/* Steps that do not touch each other are all logged first, and then made (later.c does so for a commit). */
enum replay_round { ROUND_BOTH, ROUND_LOGGED, ROUND_DONE };

struct replay {
	struct journal *j;
	struct host *host;
	replay_tell tell; /* tell: may be NULL */
	void *ctx;
	enum replay_round round; /* round: of replay_step_back with a journal: what it does of the two */
	bool alike;       /* alike: an object may be a copy of the one that was logged (undo) */
	/* met: of replay_step_back with a journal: what the step is about, in at_a or (b) at_b, is another object; may be NULL */
	int (*met)(void *ctx, const struct step *s, bool b, const struct stat *now);
	size_t troubles;  /* troubles: what could not be put back, since somebody else has been there; told */
	struct ident mounted; /* mounted: the directory that was asked last for its mount, and that; its and the entry's */
	uint64_t mount, entry_mount;
	uint64_t entry_dev;
};

/* A path that is not among the names yet (by its hash, which errs on the safe side), and is then. */
bool path_take(struct inode_set *names, const char *path);

/* Where the host path of step k is before step end. */
int replay_forward_to(const struct journal *j, size_t k, size_t end, const char *path, char ret[static PATH_MAX]);
/* Takes all steps back, from any point at which they were left, and removes the temporary names. What cannot be put back stays in the entry, and is
 * counted in troubles. -errno (a disk error): call it again later. */
int replay_back(struct replay *r);
/* Before the commit point: what cannot be moved into the entry later, for it is another file system, is copied now. */
int replay_prepare(struct replay *r);
/* All that the steps have done is on the disk. */
int replay_sync(struct replay *r);
/* After it: what was taken away goes into the entry; directories get their times. Can be called again. */
int replay_finish(struct replay *r);
/* A directory that is to have such a mode at the end (RECORD_AFTER) that its owner, who is not root, cannot reach what is in it: he can until
 * replay_finish, or replay_back. */
int replay_unlock(struct replay *r, const char *path, const struct stat *st);
/* Where the host path of step k is after all later steps. */
int replay_forward(const struct journal *j, size_t k, const char *path, char ret[static PATH_MAX]);

/* Another name that a file which was taken away has on the host when all is done, or NULL: then the entry need not keep it. */
const char *replay_other_name(const struct journal *j, const struct stat *st);
/* All of them, one after another; *i is 0 to begin with. */
const struct place *replay_next_name(const struct journal *j, const struct stat *st, size_t *i);

/* An object that has all of what another had, as far as stat(2) tells, but for its number: a copy of it. */
bool replay_is_alike(const struct stat *now, const struct stat *was);

/* Takes from what was given, and from the directories below it, what was for the layer (give.c). */
int give_strip(struct host *h, const char *top, mode_t mode);

/* ---- one step, with its log entry first ---- */

/* What replay_back does for one step. into: the journal of an undo, in which each thing done is logged first, or NULL. 1: something else is there:
 * told, left as it is. */
int replay_step_back(struct replay *r, const struct step *s, struct journal *into);

#endif
