/* journal.h - what a commit does to the host, written down before it is done.
 *
 * The store keeps all commits, of all boxes, in the order in which they were made: a box that a commit has emptied is removed, and its commit can
 * still be taken back.
 *
 *     STORE/history/           mode 0700
 *         lock                 flock(LOCK_EX): held while a commit, an undo or a repair is at work
 *         open                 the number of the entry at work, in decimal; gone when that is finished, or taken back
 *         NUMBER/              one entry: a commit, or an undo
 *             journal          records (reclog.h), in the order of enum record; magic "cbxjrnl1"
 *             summary          one record: what `cowbox log` shows; written when the entry is closed, by a temporary and a rename
 *             o1, o2, ...      what the host had, and the commit took away: files, links, directories with all that is in them
 *             w1, w2, ...      what a file had that was written in place, or that got other metadata: content, extended attributes
 *             saved1, ...      of one that was taken back: what the host had, and something else is in the place of by now
 *
 * A step (struct step) is logged before it is made, and can be told from the host's names and inodes to have been made or not. So:
 *
 * (J1) Before the record of RECORD_APPLIED is on the disk nothing of the host's is lost: what was taken away stands under a temporary name in the
 *      same directory. Whoever finds such a journal takes the steps back, the last first (replay.c).
 * (J2) After it, whoever finds the journal finishes: what was taken away goes into the entry, what was committed leaves the box.
 * (J3) Temporary names have the entry's own tag in them; those that belong to nothing are removed from the directories that RECORD_DIR names.
 */
#ifndef COWBOX_COMMIT_JOURNAL_H
#define COWBOX_COMMIT_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include "base/err.h"
#include "base/fd.h"
#include "base/inode_set.h"
#include "base/reclog.h"
#include "host.h"

#define JOURNAL_TEMP_MAX 64

enum record {
	RECORD_HEAD = 1,  /* who, when, what for: the first */
	RECORD_ITEM,      /* one change of the box, committed or left */
	RECORD_DIR,       /* a directory of the host in which names will come and go, and its times */
	RECORD_STEP,      /* what is done next */
	RECORD_CANCEL,    /* the step before was taken back at once */
	RECORD_TIMES,     /* the times that a directory is to have at the end */
	RECORD_AFTER,     /* what the host has at a path when all is done */
	RECORD_TAKEN,     /* what an earlier step took away was taken on from there by a later one, and is not old */
	RECORD_APPLIED,   /* the host has all of it */
	RECORD_FORGOTTEN, /* what was committed has left the box */
	RECORD_BACK,      /* all steps from this one on were taken back, and whether all went back */
	RECORD_NAME,      /* a name that nothing was done to, of a file that got more */
	RECORD_COPY,      /* what was copied into the entry, path below that, of a file that has, or had, other names */
};

enum journal_kind { JOURNAL_COMMIT = 1, JOURNAL_UNDO };

enum step_kind {
	STEP_RENAME = 1, /* the name a becomes b, or the two are exchanged */
	STEP_META,       /* the object at a gets other metadata */
	STEP_WRITE,      /* the file at a gets other content and metadata, and stays the same file */
	STEP_COPY,       /* what is at a, a temporary name, is or becomes a copy of what another entry keeps, b ("NUMBER/oN") (undo) */
};

/* Which name of a rename stands, afterwards, for what the host had. */
enum step_old { OLD_NONE, OLD_A, OLD_B };

struct step {
	enum step_kind kind;
	char *a, *b;              /* a, b: host paths, of that moment; b: of a rename, else NULL (but see STEP_COPY) */
	struct stat at_a, at_b;   /* at_a, at_b: what was there before; st_mode 0: nothing */
	struct ident dir_a, dir_b; /* dir_a, dir_b: the directories that hold the names */
	bool exchange;
	bool given;               /* given: a is in the box's layer: a new object became the host's by this */
	enum step_old old;
	uint64_t item;            /* item: index of the RECORD_ITEM it is done for, or UINT64_MAX */
	unsigned kept;            /* kept: N of oN (with old) or wN; 0: nothing is kept */
};

bool step_moves_directory(const struct step *s);

/* A path of the host, and what was, or is to be, there. */
struct place {
	char *path;
	struct stat st;
};

struct places {
	struct place *list;
	size_t count, room;
};

struct journal_item {
	int kind;           /* kind: enum change_kind */
	bool done, part;    /* done: in the commit; part: with some of its content only */
	bool conflict;      /* conflict: what stays in the box is in conflict with the host still, as it was decided */
	bool same;          /* same: done, and the host had it already: no step is about it */
	char *path, *from;  /* path, from: in the view; from of what is not renamed: the host's path beside its own that the box's was given */
	uint32_t mode;
	uint64_t nlink;
};

/* What the host got of it, and where: beside its own a new file. */
int journal_item_kind(const struct journal_item *it);
const char *journal_item_place(const struct journal_item *it);

#define JOURNAL_KINDS 6 /* A M D R T m, in this order */
struct journal_head {
	enum journal_kind kind;
	uint64_t when_ns;
	uint64_t counts[JOURNAL_KINDS];
	uint64_t undoes;    /* undoes: of an undo: the number of the commit */
	char *box, *command; /* box, command: the box's name, and what was last run in it */
};

struct journal {
	int history_fd, lock_fd; /* lock_fd: -1 when it is only looked at */
	int dir_fd, fd;          /* dir_fd: the entry; fd: its journal, for appending */
	unsigned number;
	uint64_t tag;            /* tag: of its temporary names */
	unsigned serial, kept;   /* serial, kept: the last numbers given */
	bool applied, forgotten;
	size_t back;             /* back: the steps from this one on were taken back; SIZE_MAX: none was */
	bool unsynced;           /* unsynced: the entry has files that are not on the disk yet */
	bool troubled;           /* troubled: not all that they took away could be put back */
	struct journal_head head;
	struct journal_item *items;
	size_t nitems, items_room;
	struct step *steps;
	size_t nsteps, steps_room;
	size_t *moves;           /* moves: indices of the steps that rename directories, ascending */
	size_t nmoves, moves_room;
	struct inode_set olds;   /* olds: what they have taken away */
	struct inode_set filled; /* filled: what STEP_COPY is about */
	struct places dirs, times, after, names, copies;
	struct pack pack;
	struct reclog_held held; /* held: records that are still to be written */
};

/* ---- the history ---- */

/* The store's history/; create: made when it is missing. -ENOENT. */
int history_dir(const char *store_path, bool create, int *ret_fd);
/* Waits for who is at work. wait: false: -EWOULDBLOCK instead. */
int history_lock(int history_fd, bool wait, int *ret_fd);
/* Number of the entry at work; 0: none. */
int history_open_entry(int history_fd, unsigned *ret_number);
/* Numbers of all entries, ascending; free(3). */
int history_numbers(int history_fd, unsigned **ret, size_t *ret_count);

/* ---- one entry ---- */

void journal_init(struct journal *j);
/* Makes a new entry, and takes the history's lock, where lock_fd is not that already. tag: of temporary names; 0: one that nobody has. */
int journal_begin(struct journal *j, const char *store_path, const struct journal_head *head, uint64_t tag);
/* Reads an entry for taking it back or finishing it (lock_fd becomes the journal's), or for looking (-1). */
int journal_load(struct journal *j, int history_fd, int lock_fd, unsigned number);
void journal_release(struct journal *j);
#define _cleanup_journal_ _cleanup_(journal_release)

int journal_add_item(struct journal *j, const struct journal_item *it);
int journal_add_dir(struct journal *j, const char *path, const struct stat *st);
int journal_add_times(struct journal *j, const char *path, const struct stat *st);
int journal_add_after(struct journal *j, const char *path, const struct stat *st);
int journal_add_name(struct journal *j, const char *path, const struct stat *st);
int journal_add_copy(struct journal *j, const char *path, const struct stat *st);
/* a, b are copied. */
int journal_add_step(struct journal *j, const struct step *s);
/* The same, and it is on the disk. */
int journal_log(struct journal *j, const struct step *s);
/* Anew, after steps were altered in memory. */
int journal_index_moves(struct journal *j);
int journal_cancel_step(struct journal *j);
/* What was taken away, and stands under that temporary name, goes on from there: it will not be there to be kept. Nothing to do is no error. */
int journal_take_on(struct journal *j, const char *path, const struct stat *st);
/* What was added is on the disk. */
int journal_sync(struct journal *j);
/* The commit point (J1, J2). */
int journal_set_applied(struct journal *j);
/* The step, and all after it, were taken back: their paths mean nothing any more. Whoever takes back the rest goes on from there. */
int journal_set_back(struct journal *j, size_t step, bool troubled);
/* The box is done with (commit_recover need not see to that). */
int journal_add_forgotten(struct journal *j);
/* The entry is finished: the summary is written, and it is no longer the one at work. */
int journal_close(struct journal *j);
/* The same for one that was taken back: it is removed, with all that it kept. */
int journal_drop(struct journal *j);

/* ---- names ---- */

/* A temporary name of this entry's. */
void journal_temp_name(struct journal *j, char ret[static JOURNAL_TEMP_MAX]);
/* The one that host_exchange takes for its spare name. */
void journal_spare_name(const struct journal *j, char ret[static JOURNAL_TEMP_MAX]);
bool journal_is_temp(const struct journal *j, const char *name);
/* Of an absolute path: its last name is one. */
bool journal_is_temp_path(const struct journal *j, const char *path);
/* A number for what is to be kept, and its name in the entry. */
unsigned journal_new_kept(struct journal *j);
enum { JOURNAL_KEPT_MAX = 16 };
void journal_kept_name(unsigned kept, bool object, char ret[static JOURNAL_KEPT_MAX]);
/* The object that gets another name by the step, a rename, had no other before its temporary one. */
bool journal_is_new(const struct journal *j, const struct step *s);
/* The step has brought a directory that the commit made, and did not only park under the temporary name. */
bool journal_made(const struct journal *j, const struct step *s);
/* Keeps a file's extended attributes, and with content what is in it. *ret_kept: 0 when it has none, and content was not asked for. */
int journal_keep(struct journal *j, int fd, const struct stat *st, bool content, unsigned *ret_kept);

/* ---- summaries ---- */

/* The head as both a journal and a summary have it. What ret had before is freed. */
void journal_pack_head(struct pack *p, const struct journal_head *h);
void journal_unpack_head(struct unpack *u, struct journal_head *ret);

struct journal_summary {
	struct journal_head head;
	unsigned number;
	uint64_t bytes;      /* bytes: what the entry holds */
	uint64_t undone_by;  /* undone_by: number of the entry that took it back, or 0; its own: it failed, and what is left of it is in the entry */
};
void summary_release(struct journal_summary *s);
int summary_read(int history_fd, unsigned number, struct journal_summary *ret);
int summary_write(int history_fd, const struct journal_summary *s);

#endif
