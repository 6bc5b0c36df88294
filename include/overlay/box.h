/* box.h - the store on disk, and one box in it.
 *
 *     $COWBOX_HOME, else $XDG_STATE_HOME/cowbox, else ~/.local/state/cowbox      the store (mode 0700)
 *         boxes/NAME/
 *             box.json          version 1; written through a temporary and rename
 *             lock              flock(2): LOCK_EX for the time of one change to a layer; its first 8 bytes, mapped shared, are a
 *                               generation counter that each change of the set of names in a layer increments
 *             running           flock(2): LOCK_SH held by each `run` as long as it lives (LOCK_EX|LOCK_NB tells "busy")
 *             layers/N/tree/    the layer, in the format of the kernel's overlayfs with -o userxattr
 *             layers/N/work/    temporaries, on the same file system; whatever is in it when nobody runs is garbage
 *             layers/N/links/   one name for each layer inode that stands for a host file with several names: "MAJOR:MINOR:INO"
 *             layers/N/origins  see origins.h
 *             base/             kept originals, see origins.h
 *         history/              the commits of all boxes (src/commit/journal.h)
 *         last                  the name of the box used last
 *
 * Calling sequence: store_open -> box_create or box_open -> overlay_new (overlay.h) ... overlay_free -> box_free -> store_free.
 */
#ifndef COWBOX_OVERLAY_BOX_H
#define COWBOX_OVERLAY_BOX_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <limits.h>
#include "base/err.h"
#include "base/path.h"
#include "base/strv.h"

#define BOX_VERSION 1
#define BOX_NAME_MAX 64
#define BOX_LAYERS_MAX 64

struct store {
	int fd;               /* fd: the store directory, O_PATH|O_DIRECTORY */
	int boxes_fd;         /* boxes_fd: its boxes/, O_RDONLY|O_DIRECTORY */
	char path[PATH_MAX];  /* path: its canonical host path (symlinks resolved) */
};

/* Finds the store (see above); create: makes it when it is missing (mode 0700), else a missing store is -ENOENT.
 * With create, checks that it lies on a file system with user xattrs and where a whiteout can be made, and says so in err when not;
 * without, nothing is written, so that what a full disk holds can be looked at and discarded. */
int store_open(bool create, struct store **ret, struct err *err);
/* Where the environment says that it is, or is to be made. */
int store_locate(char ret[static PATH_MAX], struct err *err);
void store_free(struct store *s);
void store_freep(struct store **s);
/* Names of all boxes, sorted, in a NULL-terminated array owned by the caller (strv_free). */
int store_list(struct store *s, char ***ret_names, struct err *err);
/* The box used last; -ENOENT when there is none. */
int store_last(struct store *s, char ret_name[static BOX_NAME_MAX + 1], struct err *err);
int store_set_last(struct store *s, const char *name, struct err *err);
/* 1..BOX_NAME_MAX bytes of A-Z a-z 0-9 . _ - , not starting with '.' or '-'. err says which rule a bad name breaks. */
int box_name_check(const char *name, struct err *err);
/* A fresh name for a box nobody named, from the time and the command: "tar-1123-2015", "-2" appended when taken. */
int store_fresh_name(struct store *s, const char *command, char ret_name[static BOX_NAME_MAX + 1], struct err *err);

struct box {
	char name[BOX_NAME_MAX + 1];
	int fd;                     /* fd: boxes/NAME, O_RDONLY|O_DIRECTORY */
	int lock_fd;                /* lock_fd: boxes/NAME/lock, O_RDWR */
	_Atomic uint64_t *generation; /* generation: the first 8 bytes of lock, mapped shared */
	int nlayers;                /* nlayers: 1 or more; the last one is the top, the only one written to */
	int layer[BOX_LAYERS_MAX];  /* layer: the N of layers/N, bottom first */
	char path[PATH_MAX];        /* path: canonical host path of boxes/NAME */
	char store_path[PATH_MAX];  /* store_path: canonical host path of the store, which the view hides */
	int64_t created;            /* created: seconds since the epoch */
	uint64_t born_ns;           /* born_ns: the same by the clock that stamps files, finer: what changed before is older than the box */
	char *command;              /* command: what the box was made for, as one printable line */
	char *profile;              /* profile: name of the profile, "" for none */
};

/* Makes a box with one empty layer. -EEXIST when the name is taken. command: for box.json. */
int box_create(struct store *s, const char *name, const char *command, struct box **ret, struct err *err);
/* Opens a box. -ENOENT: no such box. -EBADMSG: box.json is damaged or of an unknown version (err names the version);
 * a missing layer directory is -EBADMSG too. Stray files in the box are left alone. */
int box_open(struct store *s, const char *name, struct box **ret, struct err *err);
void box_free(struct box *b);
/* What is in the box's directory: path is relative to it, and no link on the way or at its end is followed (-ELOOP). O_CREAT makes it with mode 0600.
 * Nobody is waited for, as at a FIFO. A descriptor, or -errno. */
int box_open_in(const struct box *b, const char *path, int flags);
void box_freep(struct box **b);
/* The running lock: shared for a run, for as long as the returned fd is open. */
int box_hold_running(struct box *b, struct err *err);
/* As box_hold_running, but -EBUSY at once while a commit or a removal works on the box. */
int box_try_hold_running(struct box *b, struct err *err);
/* Positive when some `run` holds the box now. */
int box_is_running(struct box *b);
/* Removes the box and all it holds, also directories the user has made unreadable, never following a symlink nor leaving the box.
 * -EBUSY while it runs. The box is renamed aside first, so that a half-removed box is never seen; the next store_open with create
 * finishes what a crash left. */
int box_remove(struct store *s, struct box *b, struct err *err);
/* The same for a box that box_open refuses (-EBADMSG). */
int box_remove_damaged(struct store *s, const char *name, struct err *err);
/* Bytes allocated and number of objects below the layers (for `list`). */
int box_usage(struct box *b, uint64_t *ret_bytes, uint64_t *ret_objects);

/* The lock for one change; held across exactly one operation. flock(2) belongs to the open file, which all threads of a process share:
 * it keeps other processes out, and the caller keeps its own threads apart. */
int box_lock(struct box *b);
void box_unlock(struct box *b);

#define _cleanup_store_ __attribute__((cleanup(store_freep)))
#define _cleanup_box_ __attribute__((cleanup(box_freep)))

#endif
