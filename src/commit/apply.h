/* apply.h - what one run of commit_apply carries along. */
#ifndef COWBOX_COMMIT_APPLY_H
#define COWBOX_COMMIT_APPLY_H

#include <errno.h>

#include "base/inode_set.h"
#include "journal.h"
#include "plan.h"

/* A directory or file of the host that this commit has moved: paths given in the names from before are followed through these. */
struct move {
	char *from, *to;
	bool swap; /* swap: what was at `to` is at `from` now */
};

/* A host directory in which names came or went, and that is no change itself: it gets the times that the view shows. */
struct parent {
	char *view;
	struct ident dir;
	struct timespec mtime;
	bool set; /* set: mtime is known and right */
};

/* A name on the host for an inode. */
struct twin {
	uint64_t dev, ino; /* ino 0: an empty slot */
	char *path;        /* path: as it was when there were `since` moves */
	size_t since;
};

/* An open hash of them. All zeroes is an empty one. */
struct twins {
	struct twin *slot;
	size_t count, size;
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
	struct ident what;
	bool awaited; /* awaited: it is no rubbish, item is its own rename, which is to come */
};

/* What is done with the steps that were put off (later.c): in the first round a step is logged, and act.c then says -EINPROGRESS; in the second it is
 * made. */
enum making { MAKING_NONE, MAKING_LOGGED, MAKING_DONE };

/* The directories in which an item changes names. */
struct item_doors {
	int dir[2];
	struct door door[2];
	size_t count;
};

struct apply {
	struct plan *p;
	struct journal *j; /* j: all that is done to the host is written there first (act.c) */
	struct commit_result *result;
	struct move *moves;
	size_t nmoves;
	struct parent *parents;
	size_t nparents;
	struct twins twins;  /* twins: where files of the layer with several names are on the host, by their inodes in the layer */
	struct twins spared; /* spared: see twins_spare, by inodes of the host */
	struct special *specials; /* specials: see twins_original; read when the first is asked for */
	size_t nspecials;
	bool specials_read;
	struct inode_set touched; /* touched: host inodes this commit has changed */
	struct inode_set made;    /* made: those it has made; their numbers may be those of files that it has removed */
	struct inode_set settled; /* settled: see twins_settle */
	struct inode_set wanted;  /* wanted: those that are to get a new name by some item */
	struct inode_set chosen;  /* chosen: those that some item which is to be applied is about */
	struct doomed *doomed;
	size_t ndoomed;
	struct ident *held; /* held: the host's directory that a directory's item is about, once it is there */
	struct later *later; /* later: steps that are put off */
	size_t nlater;
	enum making making;
	bool *given; /* given: items that came to the host by a rename (give.c) */
	bool *acted;             /* acted: something was done to what the host has for the item */
	struct inode_set layers; /* layers: directories of the layer that gave something */
	struct ident way[2];     /* way: two directories that a file could be renamed from the one of into the other */
	int broken;              /* broken: what was put off could not be made: all is taken back */
	int text_fd;             /* text_fd: the content of the item at work, of RESOLVE_TEXT */
	int left_fd;             /* left_fd: the one that gave last, or -1, and which it is, and the times that it is to get back (give_leave) */
	struct ident left;
	struct timespec left_times[2];
	struct item_doors *doors; /* doors: of the item being applied */
	bool give_nothing, give_failed; /* give_nothing: all is copied; give_failed: what was put off could not be given */
	bool *busy; /* busy: items being applied, higher up on our stack */
	int stuck;  /* stuck: -errno of what was to leave the box, and is to be tried again */
	bool said;  /* said: the item's `why` already tells what the failure is */
	char entered[PATH_MAX]; /* entered: the directory that the journal was told of last; then that in which something was forgotten last */
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
/* A step that is no item's, but the commit's own, has failed. */
void apply_stopped(struct apply *a, const char *what, int r);

/* ---- forget.c ---- */

/* A done item of which the box's is to be a conflict as before. */
bool apply_stays_in_conflict(const struct commit_item *it);
/* Takes what was done out of the box. -errno when that is to be tried again: it can be, by another process too, which has the list of items alone. */
int apply_forget_done(struct apply *a);

/* ---- place.c: one object onto the host ---- */

/* Follows a path from before this commit to where it is now. */
int apply_forward(const struct apply *a, const char *path, char ret[static PATH_MAX]);
/* The same for a path from when there were `since` moves. */
int apply_forward_since(const struct apply *a, size_t since, const char *path, char ret[static PATH_MAX]);
int apply_note_move(struct apply *a, const char *from, const char *to, bool swap);
bool apply_touched(const struct apply *a, const struct stat *st);
int apply_touch(struct apply *a, const struct stat *st);
/* Where a path of the view lies on the host at this moment, while some renames above it are done and others not. */
int apply_where_view(const struct apply *a, const char *view, char ret[static PATH_MAX]);
/* Where the item belongs on the host at this moment. */
int apply_where(const struct apply *a, size_t i, char ret[static PATH_MAX]);
/* A directory of the host is about to change. view: as the view names it. */
int apply_enter(struct apply *a, const char *view, const struct stat *dir);
/* The new object of item i is put at the host path. seen: what was found there when it was judged again. Does not look at the verdict. */
int place_object(struct apply *a, size_t i, const char *path, const struct stat *seen);
/* Gives the host object at path, which is what was seen, the metadata of the item's. */
int place_metadata(struct apply *a, size_t i, const char *path, const struct stat *seen);
/* Gives the existing host file the item's content and metadata, keeping the inode. */
int place_in_inode(struct apply *a, size_t i, const char *path, const struct stat *seen);
/* What the item's file is to have: of the box's, which is open, or what was given instead; and how much. */
/* Bits of enum copy_flags: what of the metadata stays as the host has it. */
unsigned place_kept_bits(const struct apply *a, size_t i);
int place_content(const struct apply *a, size_t i, int box);
off_t place_size(const struct apply *a, size_t i);
/* ---- act.c: the host is changed by these alone, and each writes its step into the journal first ---- */

/* A name on the host. */
struct host_name {
	int dir;          /* dir: borrowed */
	const char *name;
	const char *path; /* path: of the name, or, for a temporary, of another name in the same directory */
};
/* Renames, for item i. at_from, at_to: what is there; at_to NULL: nothing. flags: of renameat2(2). old: which name then stands for what the host had. */
int act_rename(struct apply *a, size_t i, const struct host_name *from, const struct host_name *to, const struct stat *at_from,
               const struct stat *at_to, unsigned flags, enum step_old old);
/* Renames what the layer has to the host, where nothing is. */
int act_give(struct apply *a, size_t i, const struct host_name *from, const struct host_name *to, const struct stat *st);
/* The last act_rename, an exchange, is undone at once. */
int act_exchange_back(struct apply *a, const struct host_name *from, const struct host_name *to);
/* The object, which is open (O_PATH too), is about to get other metadata. */
int act_meta(struct apply *a, size_t i, const char *path, int fd);
/* The file, which is open and was st, is about to get other content of that size, and other metadata. */
int act_write(struct apply *a, size_t i, const char *path, int fd, const struct stat *st, off_t size);

/* ---- swap.c: names of the host's objects. All leave a conflict, and return -ESTALE, when it is not what was seen. ---- */

/* "The host's was changed just now". Returns -ESTALE. */
int swap_refuse(struct apply *a, size_t i);
/* The same object with the same content, the change time aside: renaming moves that. What is in a directory is no matter here. */
bool swap_still_is(const struct stat *now, const struct stat *seen);
/* What stands at the name now is what was seen (st_mode 0: nothing), and nobody has done anything to it. */
int swap_check(struct apply *a, size_t i, int dir, const char *name, const struct stat *seen);
/* The temporary in the same directory, which is ours, gets the name, which is the host path. A directory in the way goes to a->doomed. Where it fails, what is
 * still called temp is ours. */
int swap_put(struct apply *a, size_t i, int dir, const char *temp, const struct stat *ours, const char *name, const char *path,
             const struct stat *judged);
/* Notes what was judged at the path, and is called temp in the same directory (moved) or is to be, as in the way of item i. */
int swap_aside(struct apply *a, size_t i, const char *path, const char *temp, const struct stat *judged, bool moved);
/* Notes that what rename i is to take has a temporary name, the host path, until then. */
int swap_park(struct apply *a, size_t i, const char *path);
/* Renames there from src to dst; what was judged in the way (st_mode 0: nothing) is replaced, or else exchanged with it. */
int swap_move(struct apply *a, size_t i, const char *src, const struct stat *there, const char *dst, const struct stat *judged,
              bool replace);
/* Takes what was judged from its name; what it is called now, in the same directory, is in ret_temp. */
int swap_remove(struct apply *a, size_t i, const char *path, const struct stat *judged, char ret_temp[static JOURNAL_TEMP_MAX]);
/* The same, to a name of the caller's. */
int swap_take(struct apply *a, size_t i, const char *path, const struct stat *judged, char temp[static JOURNAL_TEMP_MAX]);

/* ---- later.c ---- */

/* Put off, where that can be: 1. What they return later_make returns later: -ECANCELED, and the item that failed is settled. */
int later_put(struct apply *a, size_t i, const char *temp, const struct stat *ours, const char *path, const struct stat *seen);
int later_give(struct apply *a, size_t i, const struct plain *p, const char *temp, const char *path);
int later_take(struct apply *a, size_t i, const char *path, const char *temp, const struct stat *seen);
int later_meta(struct apply *a, size_t i, const char *path, const struct stat *seen);
/* Makes all that was put off. */
int later_make(struct apply *a);
void later_free(struct apply *a);

/* ---- give.c ---- */

/* A new file or directory of the box, with all that is in it, becomes the host's at the path, where nothing is. 1: it is there, and all items below are
 * done; 0: it has to be copied. */
int give_object(struct apply *a, size_t i, const char *path);
/* The box's file becomes a temporary in the directory that holds the path. 1: it is, or will be before anything else happens, and what it is is in
 * *ret; 0: it has to be copied. */
int give_file(struct apply *a, size_t i, const char *temp, const char *path, struct stat *ret);
/* The rename itself. temp: the name it gets; NULL: the path's own. 0: it cannot be renamed there. */
int give_move(struct apply *a, size_t i, const struct plain *p, const char *temp, const char *path);
/* The layer's directories have the times again that they had. */
void give_leave(struct apply *a);

/* ---- inplace.c ---- */

/* The host's file, which is what was seen, gets that content, the metadata that want tells, and the attributes of box. */
int inplace_write(struct apply *a, size_t i, int box, int content, const struct stat *want, const char *path, const struct stat *seen);
/* Opens such a file (fd: O_PATH; st: of it) to read and write, also one of ours that is kept from that by its mode. A descriptor. */
int inplace_reopen(int fd, const struct stat *st);
/* dst, which has old bytes, becomes the size bytes of src. -ESTALE: it is longer than that, so somebody else writes to it. */
int inplace_rewrite(int src, int dst, off_t size, off_t old, off_t longest);

/* ---- twins.c: files of several names ---- */

/* Learns which host files are to get new names, before anything is changed. -ENOMEM. */
int twins_begin(struct apply *a);
/* Where this commit has put the layer's file on the host, and that file. -ENOENT: nowhere yet; -ESTALE: something else is there now. */
int twins_find(const struct apply *a, const struct stat *layer, char ret[static PATH_MAX], struct stat *ret_host);
int twins_add(struct apply *a, const struct stat *layer, const char *path);
void twins_free(struct apply *a);
/* True when the item's file in the layer is the copy of this very inode of the host. The box knows it by the inode, not by a name: what
 * a name leads to changes in the course of a commit. */
bool twins_is_copy_of(const struct apply *a, size_t i, const struct stat *host);
/* True when a name of this host file, which the commit is about to take, should be spared: another item is to become one more name of it, and
 * may know no other. */
bool twins_are_wanted(const struct apply *a, const struct stat *host);
/* True when one of the changes to be applied is about this host file: then it may be written to by whatever name. */
bool twins_may_write(const struct apply *a, const struct stat *host);
/* Such a file is at path now, under a temporary name. */
int twins_spare(struct apply *a, const struct stat *host, const char *path);
/* True when some copy in the box may have lost all its names (twins_settle). */
bool twins_have_nameless(const struct plan *p);
/* A host file with several names was changed in the box, and the names by which that was done are gone: no change tells of it, but the view
 * shows it under the others. It is written before this name, the last that the commit has to do with perhaps, is taken. *seen becomes what is
 * there then. */
int twins_settle(struct apply *a, size_t i, const char *path, struct stat *seen);
/* The host's name of the file that the item's is a copy of, when the item is to become one more name of it, and that file as
 * it was judged. -ENOENT: none. */
int twins_original(struct apply *a, size_t i, char ret[static PATH_MAX], struct stat *st);

/* ---- remove.c ---- */

/* Removes one object of the host, or a tree after looking at all of it. was: as in classify_tree_known. seen: what was found there when it
 * was judged again. */
int remove_object(struct apply *a, size_t i, const char *host, const char *was, const struct stat *seen);
/* What stands aside, and is to go, is what the box knew, and all that is in it; -ESTALE, and a conflict, when it is not. */
int remove_check(struct apply *a, size_t i, const char *host, const char *was, const struct stat *seen);

/* ---- renew.c ---- */

/* A commit is done: files of which it wrote to, or took away, one of the names are no conflict under another that is left in the box. */
int renew_done(struct plan *p, const struct journal *j);
/* Steps were taken back: what has the host's objects as they were, but for the time of change, is told of the new one, so that they are no conflict
 * the next time. origins: of the box's layers; the files and the lists in memory. -errno: it can be tried again. */
int renew_origins(const struct box *box, struct origins *const origins[], const struct journal *j, struct host *h);

#endif
