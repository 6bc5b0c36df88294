/* overlay.h - the view of a box: layers over the live host, as a file system.
 *
 * Calling sequence:
 *     overlay_new(box)  ->  overlay_lookup, overlay_open, overlay_mkdir, ... from any number of threads  ->  overlay_free
 *
 * Every operation takes a struct caller (for whom) and a struct at (where: a start directory in the view and a path as the caller gave
 * it). They return 0 or a positive result, or -errno: the errno that the caller of the file system is to get. Relative paths start at
 * at.dir, absolute ones at the root of the view. Symlinks and ".." are followed in the view.
 *
 * Rights: host objects are opened by the thread as it is (see base/cred.h), so the kernel judges; what happens in the layer only is judged
 * here, by the metadata that the view shows, before anything is changed.
 *
 * Threads: what makes new objects sets the umask of the calling thread, and leaves it so. Threads that work for callers with different masks
 * must have a file-system context each (unshare(2) with CLONE_FS).
 *
 * Locks: read-only operations hold the table of touched directories for the decision only. Changes hold the box lock and the table for
 * writing. Copy-up of data is done without either; threads that want the same object wait for the first.
 */
#ifndef COWBOX_OVERLAY_OVERLAY_H
#define COWBOX_OVERLAY_OVERLAY_H

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>
#include "base/fd.h"
#include "base/path.h"
#include "overlay/box.h"

struct overlay;

/* Borrows box. What a crash left in the top layer's work/ is removed, unless the box runs. */
int overlay_new(struct box *box, struct overlay **ret, struct err *err);
void overlay_free(struct overlay *ov);
void overlay_freep(struct overlay **ov);
struct box *overlay_box(struct overlay *ov);
/* Up to how many bytes the original of a file that the box changes is kept (8 MiB to begin with): for merging, and for telling whether the host has
 * really changed it. Of larger ones a hash is. Before the first operation. */
#define OVERLAY_BASE_LIMIT (8u << 20)
void overlay_set_base_limit(struct overlay *ov, uint64_t bytes);

/* The errno of an operation that ended since its caller is gone: one that no lookup on the host gives (ESRCH is procfs's). */
#define CALLER_GONE EOWNERDEAD

/* For whom an operation is done. */
struct caller {
	mode_t umask;         /* umask: applied to the mode of what is created (where the directory has no default ACL) */
	pid_t pid;            /* pid: thread group, for the origin's "who", and what /proc/self means; 0: ourselves */
	pid_t tid;            /* tid: what /proc/thread-self means */
	const char *comm;     /* comm: for the origin; may be NULL */
	/* magic_link: the walk met a magic link of procfs (/proc/PID/{fd/N,cwd,root,exe}, map_files) at the host path given. Writes
	 * the canonical view path of what it leads to and returns 0, or -errno; -ENXIO: it leads to something without a path
	 * (a pipe, a socket, a deleted file), which lookup then opens through the host link itself, and asks once more, as a number of a
	 * process may have changed hands. NULL: such links are -ELOOP. */
	int (*magic_link)(const struct caller *c, struct hpath link, char *ret_view, size_t size);
	/* A path is about to be looked up, which may take for ever where a server of the host does not answer, and changes nothing; it has been: -CALLER_GONE
	 * when the caller is gone, and the operation ends there. NULL: nobody wants to know. */
	void (*look_begin)(const struct caller *c);
	int (*look_end)(const struct caller *c);
	/* This thread is about to wait for another's copy, or to copy for long itself; it has done so: -CALLER_GONE when the caller is gone, and the
	 * operation ends there; and while it copies: the caller is gone. All NULL: nobody wants to know, and nobody goes. */
	void (*wait_begin)(const struct caller *c);
	int (*wait_end)(const struct caller *c);
	bool (*gone)(const struct caller *c);
	void *ctx;            /* ctx: for the functions */
};

/* Where: path as given, starting at dir when it is relative. */
struct at {
	struct vpath dir;
	const char *path;
};
#define AT_VIEW(p) ((struct at){ .dir = { "/" }, .path = (p) })

enum object_where {
	OBJECT_HOST,     /* the host's own, no layer has it */
	OBJECT_LAYER,    /* in a layer only, or a copied-up file: what the host has there is hidden */
	OBJECT_MERGED,   /* a directory in a layer and below: fd is the lowest one (the host's where it has it) */
	OBJECT_ANON,     /* reached by a magic link or an fd, without a path in the view: pipe, socket, deleted file */
};

/* One object of the view, found. Release with object_release. */
struct object {
	enum object_where where;
	int fd;               /* fd: O_PATH to the real object, the one whose st_dev and st_ino are shown */
	int meta_fd;          /* meta_fd: of a merged directory the mirror that has the metadata; else -1 */
	struct stat st;       /* st: as the view shows it (st_nlink 1 for merged directories, true owner) */
	bool is_top;          /* is_top: the object (or mirror) is in the top layer, may be changed in place */
	bool in_layer;        /* in_layer: the kernel has said that fd is in the top layer */
	char view[PATH_MAX];  /* view: canonical path in the view; "" for OBJECT_ANON */
	char real[PATH_MAX];  /* real: where fd is: an absolute host path (of the layer, for OBJECT_LAYER); "" for OBJECT_ANON */
};
void object_init(struct object *o);
void object_release(struct object *o);
#define _cleanup_object_ __attribute__((cleanup(object_release)))

enum lookup_flags {
	LOOKUP_NOFOLLOW = 1,     /* a symlink in the last place is the object */
	LOOKUP_DIRECTORY = 2,    /* -ENOTDIR unless a directory */
	LOOKUP_EMPTY_PATH = 4,   /* "" is at.dir itself (AT_EMPTY_PATH with AT_FDCWD) */
	/* openat2's, in the view: */
	LOOKUP_NO_SYMLINKS = 8, LOOKUP_NO_MAGICLINKS = 16, LOOKUP_BENEATH = 32, LOOKUP_IN_ROOT = 64, LOOKUP_NO_XDEV = 128,
};
int overlay_lookup(struct overlay *ov, const struct caller *c, struct at at, unsigned flags, struct object *ret);
/* What a call finds out that makes, removes or renames `at`, before it looks at the last name: 0 when the directory is there and may be
 * searched. */
int overlay_lookup_parent(struct overlay *ov, const struct caller *c, struct at at);
/* What keeps the caller from making something at `at`: -EEXIST, and who may not write to the directory -EACCES. */
int overlay_may_make(struct overlay *ov, const struct caller *c, struct at at);
/* The object that an open descriptor of a guest is (fd: our duplicate of it; borrowed). A host file that was copied up since it was opened
 * is the copy. A directory or file that the view no longer has is OBJECT_ANON with fd a duplicate. */
int overlay_lookup_fd(struct overlay *ov, const struct caller *c, int fd, struct object *ret);
/* As overlay_lookup_fd, and spares the duplicate of a duplicate: *fd is the caller's, or -1 when it became the object's. */
int overlay_lookup_fd_take(struct overlay *ov, const struct caller *c, int *fd, struct object *ret);
/* What fstat(2) on a guest's open descriptor shows (fd: our duplicate). As overlay_lookup_fd and its st, but in one system call
 * for what the box has not touched. Returns 1 when the kernel's own fstat shows the same, else 0. */
int overlay_fstat(struct overlay *ov, const struct caller *c, int fd, struct stat *ret);
/* Canonical view path for a path that the kernel told of a descriptor, cwd or mapping ("/home/u/x", ".../layers/1/tree/home/u/x").
 * -ENOENT when the view does not have that object (any more): then ret holds the path it would have. */
int overlay_view_path(struct overlay *ov, const char *real, char *ret, size_t size);
/* Where the view has, or would have, the name that the host has at a path: the directory that it is in may be renamed in the box. */
int overlay_view_of_name(struct overlay *ov, const char *host, char ret[static PATH_MAX]);
/* True when the path, in the view or on the host, is the store or below it. */
bool overlay_hides(struct overlay *ov, const char *path);
/* True when at or below the directory (a view path) and on the way to it no layer has anything: the host alone decides. */
bool overlay_untouched(struct overlay *ov, struct vpath dir);

/* ---- reading ---- */
int object_statx(struct overlay *ov, const struct object *o, unsigned flags, unsigned mask, struct statx *ret);
/* Access by the real (default) or effective (AT_EACCESS) ids, as faccessat2. */
int object_access(struct overlay *ov, const struct object *o, int mode, int flags);
int object_readlink(struct overlay *ov, const struct object *o, char *ret, size_t size);   /* bytes, not NUL-terminated */
/* -ENODATA for our own attributes; listing leaves them out. size 0 asks for the size, as getxattr(2). */
ssize_t object_getxattr(struct overlay *ov, const struct object *o, const char *name, void *buf, size_t size);
ssize_t object_listxattr(struct overlay *ov, const struct object *o, char *buf, size_t size);

struct statfs;
int object_statfs(struct overlay *ov, const struct object *o, struct statfs *ret);

/* Opens as openat2(2) would. The result is for handing to the caller. */
enum opened_how {
	OPENED_FD,       /* ret->fd is it (O_CLOEXEC on our side) */
	OPENED_SPECIAL,  /* a FIFO, a device, a file of tracefs, or an O_PATH open: the caller must open it itself. ret->object is it */
};
struct opened {
	enum opened_how how;
	int fd;
	bool is_layers;         /* is_layers: fd is surely a file or directory of a layer, and none of the kernel's own */
	struct object object;   /* object: filled for OPENED_SPECIAL only */
};
void opened_init(struct opened *o);
void opened_release(struct opened *o);
#define _cleanup_opened_ __attribute__((cleanup(opened_release)))
/* flags: O_*; lookup: more LOOKUP_* (those of openat2). O_TMPFILE is made in the layer's directory. */
int overlay_open(struct overlay *ov, const struct caller *c, struct at at, uint64_t flags, mode_t mode, unsigned lookup,
		 struct opened *ret);
/* Opens the object itself anew with other flags (what opening /proc/self/fd/N means). */
int object_open(struct overlay *ov, const struct caller *c, struct object *o, uint64_t flags, struct opened *ret);

/* getdents64 on a guest's directory (fd: our duplicate, sharing its position). Fills buf with struct linux_dirent64; returns the
 * bytes, 0 at the end. The position lives in the descriptor's file offset: below READDIR_UPPER it is the lowest directory's own cookie,
 * from there on it counts through the names that only the layers have. */
/* True where the kernel's own getdents64 gives the same: a directory of the host that no layer touches. */
bool overlay_getdents_is_host(struct overlay *ov, int fd);
ssize_t overlay_getdents(struct overlay *ov, const struct caller *c, int fd, void *buf, size_t size);

/* ---- changing names ---- */
int overlay_mkdir(struct overlay *ov, const struct caller *c, struct at at, mode_t mode);
int overlay_mknod(struct overlay *ov, const struct caller *c, struct at at, mode_t mode, dev_t dev);
int overlay_symlink(struct overlay *ov, const struct caller *c, const char *target, struct at at);
/* flags: AT_SYMLINK_FOLLOW. */
int overlay_link(struct overlay *ov, const struct caller *c, struct at old, struct at at, int flags);
/* linkat(fd, "", ..., AT_EMPTY_PATH) and linkat of /proc/self/fd/N: gives a name to an open file (O_TMPFILE among them). */
int overlay_link_fd(struct overlay *ov, const struct caller *c, int fd, struct at at);
int overlay_unlink(struct overlay *ov, const struct caller *c, struct at at, int flags);   /* AT_REMOVEDIR */
int overlay_rename(struct overlay *ov, const struct caller *c, struct at old, struct at at, unsigned flags);
/* Binds an AF_UNIX socket (our duplicate of the guest's) to a name in the view. */
int overlay_bind(struct overlay *ov, const struct caller *c, struct at at, int sock);

/* ---- changing metadata; the object may be copied up, and is then the copy; its st is that of before the change ---- */
int object_chmod(struct overlay *ov, const struct caller *c, struct object *o, mode_t mode);
int object_chown(struct overlay *ov, const struct caller *c, struct object *o, uid_t uid, gid_t gid);
int object_utimens(struct overlay *ov, const struct caller *c, struct object *o, const struct timespec ts[2]);  /* NULL: now */
int object_truncate(struct overlay *ov, const struct caller *c, struct object *o, off_t size);
int object_setxattr(struct overlay *ov, const struct caller *c, struct object *o, const char *name, const void *value, size_t size,
		    int flags);
int object_removexattr(struct overlay *ov, const struct caller *c, struct object *o, const char *name);
/* Brings the object into the top layer (data too), and reopens o->fd there. */
int object_copy_up(struct overlay *ov, const struct caller *c, struct object *o);
/* Brings the directory into the top layer, and opens what is there of it, for reading; flags: more of open's. Returns the descriptor, or -errno;
 * -EACCES where the mirror may not be read: o->meta_fd is open then all the same. */
int object_open_mirror(struct overlay *ov, const struct caller *c, struct object *o, int flags);

#define _cleanup_overlay_ __attribute__((cleanup(overlay_freep)))

#endif
