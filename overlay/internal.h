/* internal.h - what the files of the overlay share, and nobody else sees.
 *
 * table.c      the table of touched directories (dnode.h); table_walk.c: where a path lives, decided in memory by it
 * links.c      hard links, and whose identity a copy shows
 * object.c     objects of the view: opened, and what the view shows of them
 * lookup.c     walking a path in the view; lookup_link.c: symlinks on the way; lookup_leaf.c: the last component of a new name;
 *              lookup_back.c: from what the kernel tells of a descriptor back to the view
 * perm.c       what the caller may do, judged by what the view shows
 * layer.c      places in the top layer: whiteouts, origins, the locks; mirror.c: directories of the host in it; maker.c: one new name
 * copyup.c     bringing an object of the host into the top layer
 * open.c, names.c, rename.c, meta.c, readdir.c    the operations
 * changes.c    comparing the layers with the host (compare.h); forget.c: taking changes out, forget_links.c: and the names of files with
 *              several that come back by it; idle.c: what is left of copies then, recount.c: and how many of their names
 * known.c      the records of origins by inode
 */
#ifndef COWBOX_OVERLAY_INTERNAL_H
#define COWBOX_OVERLAY_INTERNAL_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include "base/copy.h"
#include "base/cred.h"
#include "base/dir.h"
#include "base/fd.h"
#include "base/inode_set.h"
#include "base/path.h"
#include "base/stat.h"
#include "base/strv.h"
#include "base/sys.h"
#include "overlay/box.h"
#include "overlay/origins.h"
#include "overlay/overlay.h"

#define XATTR_OVERLAY_PREFIX "user.overlay."
#define XATTR_OPAQUE "user.overlay.opaque"
#define XATTR_REDIRECT "user.overlay.redirect"
/* On a directory that the layer alone has, but below which is a renamed directory of the host: the table must know what is in it. */
#define XATTR_IMPURE "user.overlay.impure"
/* On copied-up regular files: "1 UID GID DEV INO PATH". PATH is where the original is on the host, DEV and INO its identity there, which the copy goes on
 * showing; UID and GID are its true owner where the layer's file could not have it. */
#define XATTR_RECORD "user.overlay.cowbox"

/* On directories whose times somebody set: "1 SEC NSEC", the modification time they were given. As long as the directory has it, it is a change of
 * the directory; when names come or go in it the time moves on, as it would on the host, and is none any more. */
#define XATTR_TIMES "user.overlay.times"

#define PART_HOST (-1)
#define RESOLVE_LAYER (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)
#define LINKS_MAX 40

/* ---- what an overlay remembers ---- */

/* One of the directories that together are a directory of the view. */
struct part {
	int layer;      /* layer: index into overlay.layers, or PART_HOST (whether the host has it is not remembered) */
	char *path;     /* path: absolute in that layer or on the host */
};

enum dnode_kind { DNODE_WHITEOUT, DNODE_OTHER, DNODE_DIR };

/* A name in a layer, in a directory that also is (or was) somewhere below. */
struct dnode {
	struct dnode *parent, *next;
	uint32_t hash;             /* hash: 31 bits of the name; buckets go by its high bits, so that they are in hash order */
	enum dnode_kind kind;
	int layer;                 /* layer: the topmost that has the name */
	uint64_t ino;
	unsigned char type;        /* type: DT_* */
	bool resolved, loaded;     /* resolved: parts are known; loaded: children are (directories only) */
	bool impure;               /* impure: of one part, and yet some directory below it has more */
	bool redirected;           /* redirected: a mirror of it carries a redirect */
	bool acl;                  /* acl: the topmost part has one that may say more than its mode */
	mode_t mode;               /* mode, uid, gid: of the topmost part, once resolved */
	uid_t uid;
	gid_t gid;
	int nparts;
	struct part *parts;        /* parts: top first */
	struct dnode **bucket;
	unsigned bucket_bits;
	size_t nchildren;
	char name[];
};

/* A directory with a single part in a layer: all below it is in that layer, where the kernel can walk. */
static inline bool dnode_pure(const struct dnode *d)
{
	return d->nparts == 1 && d->parts[0].layer != PART_HOST && !d->impure;
}

struct link_entry {
	uint64_t dev, ino;      /* dev, ino: on the host */
	uint64_t copy_ino;      /* copy_ino: of the copy, 0 while there is none */
	bool copied, in_top;    /* copied: links/ has the copy; in_top: that of the top layer */
	uint32_t nlink;         /* nlink: names on the host when first touched */
	uint32_t touched;       /* touched: how many of those are the copy's now, or removed */
	uint32_t counted;       /* counted: the same, while they are counted anew; has: how many names the host has now, if any was counted */
	uint32_t has;
};
struct link_table {
	struct link_entry *v;
	size_t count, size;
	size_t *slot[2];
};

struct redirect {
	int layer;      /* layer: of the part, or PART_HOST */
	char *real;     /* real: the part's path */
	char *view;
};

struct overlay_layer {
	int fd;         /* fd: layers/N */
	int tree_fd, work_fd, links_fd;
	int origins_fd; /* origins_fd: for appending (the top layer), else -1 */
	char path[PATH_MAX];   /* path: of its tree, canonical on the host */
	size_t path_len;
	dev_t dev;
};

struct copyup_flight {
	struct copyup_flight *next;
	const char *view;
};

struct overlay {
	struct box *box;
	int root_fd;                    /* root_fd: the host's "/", O_PATH */
	int base_fd;                    /* base_fd: the box's base/ */
	uint64_t base_limit;            /* base_limit: bytes of the largest file that is kept there by copying */
	struct overlay_layer *layers;
	int nlayers, top;
	pthread_rwlock_t lock;          /* lock: the table and all below it */
	uint64_t seen;                  /* seen: the box's generation that the table is of */
	struct dnode *root;
	struct inode_set touched;       /* touched: host objects that the box has an origin of */
	off_t origins_at[BOX_LAYERS_MAX]; /* origins_at: how far the origins have been read into touched */
	pthread_mutex_t links_mutex;
	struct link_table links;        /* links: host inodes with several names that the box touched (links.c) */
	_Atomic size_t nlinks;
	_Atomic bool fix_owner;         /* fix_owner: some copied-up file has another true owner */
	_Atomic bool has_redirects, redirects_valid;
	struct redirect *redirects;
	size_t nredirects;
	atomic_uint_fast64_t serial;    /* serial: for names of temporaries */
	pthread_mutex_t flight_mutex;
	pthread_cond_t flight_cond;
	struct copyup_flight *flights;
	char hidden_parent[PATH_MAX];   /* hidden_parent: directory that holds the store; its listing leaves out hidden_name */
	const char *hidden_name;
	uint64_t hidden_parent_dev, hidden_parent_ino;
};

/* ---- table_walk.c ---- */

/* Where a canonical path of the view lives. */
enum spot_kind {
	SPOT_HOST,      /* no layer has it: path is on the host, if it is there at all */
	SPOT_LAYER,     /* below a pure directory of a layer, or that directory itself: path is in the layer, if it is there at all */
	SPOT_OTHER,     /* the layer has a non-directory there */
	SPOT_WHITEOUT,  /* removed, the last component */
	SPOT_DIR,       /* a directory of several parts */
	SPOT_HIDDEN,    /* removed further up: nothing there */
	SPOT_THROUGH,   /* the layer has a non-directory on the way: the first `through` bytes of the view path are its name */
};
struct spot {
	enum spot_kind kind;
	int layer;
	size_t through;         /* through: length of the view path up to a layer's non-directory, or (SPOT_HOST) of the part the table knows */
	size_t host_through;    /* host_through: as through, in path, for SPOT_HOST */
	char path[PATH_MAX];
	struct part *parts;     /* parts: for SPOT_DIR, owned, top first */
	int nparts;
	bool own;               /* own: it is opened with our rights, also below mirrors that lack our search bit (layer_open_own) */
};
void spot_init(struct spot *s);
void spot_release(struct spot *s);
#define _cleanup_spot_ __attribute__((cleanup(spot_release)))
const struct part *spot_host(const struct spot *s);       /* the host part of a SPOT_DIR, or NULL */

/* The decision. Takes the lock itself. */
int table_walk(struct overlay *ov, const char *view, struct spot *ret);
/* As table_walk; -EACCES where the caller may not search a directory of several parts on the way. */
int table_walk_search(struct overlay *ov, const char *view, struct spot *ret);
/* As table_walk, the caller holds the lock for reading; -EAGAIN where something would have to be read first. */
int table_walk_reading(struct overlay *ov, const char *view, struct spot *ret);
/* As table_walk, the caller holds the lock for writing. */
int table_walk_locked(struct overlay *ov, const char *view, struct spot *ret);

/* ---- table.c, with dnode.c and parts.c below it (dnode.h) ---- */
int table_init(struct overlay *ov);
void table_free(struct overlay *ov);
/* Forgets all that is remembered; the caller holds the lock for writing. */
int table_read_marks(struct overlay *ov);
void table_drop(struct overlay *ov);
/* Takes the lock for reading (write: for writing) with the table up to date. */
int table_begin(struct overlay *ov, bool write);
void table_end(struct overlay *ov);
/* Tells the other processes that what they remember may be wrong; the caller holds the lock for writing, and knows better itself. */
void table_changed(struct overlay *ov);
/* Drops what other processes have made stale; the caller holds the lock for writing. */
int table_refresh(struct overlay *ov);
/* A directory of the host that is part of one of the view, whoever put it there: its listing is no longer the host's alone. Not with the lock held. */
int table_note_touched(struct overlay *ov, const struct stat *st);
/* The metadata of a directory of the top layer (fd) has changed. */
int table_meta(struct overlay *ov, const char *view, int fd);
/* The loaded node of a directory of several parts, NULL when the view has no such; the caller holds the lock for writing. */
struct dnode *table_dir(struct overlay *ov, const char *view);
/* Puts a name into a loaded directory (replacing what was there), or takes it out. Does nothing when the directory is not loaded. */
int table_put(struct overlay *ov, const char *view, enum dnode_kind kind, unsigned char type, uint64_t ino);
void table_remove(struct overlay *ov, const char *view);
struct dnode *dnode_find(const struct dnode *d, const char *name, size_t len);
uint32_t dnode_hash(const char *name, size_t len);
int dnode_load(struct overlay *ov, struct dnode *d);
/* The children one after another, n NULL for the first, in the order of their buckets; NULL after the last. */
struct dnode *dnode_next(const struct dnode *d, const struct dnode *n);
int dnode_resolve(struct overlay *ov, struct dnode *d);

/* ---- redirects.c ---- */
/* The path, in what lies below, that a redirect of n bytes on the directory at path names: absolute, or a new name in the same directory, as the
 * kernel's overlayfs has them (ovl_check_redirect in fs/overlayfs/namei.c). -EIO: it is none, such as one that names the root or goes by "..". */
int redirect_target(const char *mark, size_t n, const char *path, char ret[static PATH_MAX]);
int redirects_update(struct overlay *ov);   /* lock held for writing */
/* Where the view shows what a part's path names, through renamed directories. -ENAMETOOLONG. They are up to date. */
int redirects_view(const struct overlay *ov, int layer, const char *real, char *ret, size_t size);
/* overlay_view_of_name, when they are. */
int redirects_view_of_name(const struct overlay *ov, const char *host, char ret[static PATH_MAX]);
/* True when the box shows the host's directory of this path (NULL: false) under another name: what it has here instead is new. They are up to date. */
bool redirects_take(const struct overlay *ov, const char *host_path);

/* ---- links.c: locks for itself, as lookups ask without the table's lock ---- */
#define LINK_NAME_MAX 64
int links_load(struct overlay *ov, int layer);
void links_clear(struct overlay *ov);
/* Counts anew (recount.c): of each name that is touched, and then what there is to be counted. -errno: what could not be written stays as it was. */
void links_recount_begin(struct overlay *ov);
void links_recount_name(struct overlay *ov, const struct stat *host);
int links_recount_end(struct overlay *ov);
/* No name of the host's is touched in the top layer any more. empty: nor has it anything else. */
int links_reset(struct overlay *ov, bool empty);
/* What is known of a host object; false, and ret made anew, when nothing. */
bool links_get(struct overlay *ov, uint64_t dev, uint64_t ino, struct link_entry *ret);
bool links_get_copy(struct overlay *ov, uint64_t ino, struct link_entry *ret);
int links_set(struct overlay *ov, const struct link_entry *e);   /* on disk too */
/* A regular file without other names was copied up: remembers, on disk too, whose inode number the copy shows. */
int links_note_copy(struct overlay *ov, uint64_t dev, uint64_t ino, uint64_t copy_ino);
/* Puts st_dev and st_ino of an object in the top layer (fd: any descriptor of it) to those of the host's that it is the copy of. */
void links_identity(struct overlay *ov, int fd, struct stat *st);
void links_name(char ret[static LINK_NAME_MAX], const struct link_entry *e);
/* A name of a host object that may have others is removed from the view; change_begin is held. */
int links_gone(struct overlay *ov, const struct object *o);
/* Puts st_nlink right for the view, of a copy or of the host's object. */
void links_count(struct overlay *ov, bool copy, struct stat *st);

/* ---- object.c ---- */

/* Opens (O_PATH) what a spot that is no SPOT_DIR names; dir: only a directory. */
int spot_open(struct overlay *ov, const struct spot *s, bool dir, int *ret_fd);
/* Opens what a SPOT_DIR names: the lowest directory of the parts that exists, and the topmost for its metadata. */
int spot_open_parts(struct overlay *ov, const struct spot *s, struct object *o);
/* Makes of what fstat says of o->fd, in o->st, what the view shows. */
int object_show_stat(struct overlay *ov, struct object *o);
/* fstat, and object_show_stat. */
int object_fix_stat(struct overlay *ov, struct object *o);
static inline bool stat_is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

/* ---- lookup.c, with lookup_link.c below it (lookup.h) ---- */
#define LOOKUP_AGAIN 0x10000u    /* lookup_again's */
#define LOOKUP_MISSING 0x40000u  /* who asks what may be told of a name that is missing: not to be asked again */
#define LOOKUP_CREATE 0x20000u   /* what is missing will be made, and be no directory: -EISDIR for a name with a slash behind it */
/* Opens a canonical view path without following anything. ret: as overlay_lookup. */
int lookup_canonical(struct overlay *ov, const struct caller *c, const char *view, struct object *ret);
/* As lookup_canonical, of an object that the caller has already: whether the directories on the way may be searched does not matter. */
int lookup_again(struct overlay *ov, const struct caller *c, const char *view, struct object *ret);
/* As lookup_canonical with the lock held for writing. */
int lookup_canonical_locked(struct overlay *ov, const char *view, struct object *ret);
/* overlay_lookup, which on -ENOENT leaves in missing (PATH_MAX bytes, may be NULL) the canonical path that was not there. */
int lookup_full(struct overlay *ov, const struct caller *c, struct at at, unsigned flags, struct object *ret, char *missing);
/* The canonical path (ret: PATH_MAX bytes) where the text tells it, provided that there is no symlink on the way; -EAGAIN where it does not. */
int lookup_text(struct overlay *ov, struct at at, char *ret);
/* For reading an untouched host file in two system calls: an fd, or -EAGAIN when the long way must be taken. */
int lookup_open_host(struct overlay *ov, const struct caller *c, struct at at, uint64_t oflags, bool nofollow);

/* ---- lookup_leaf.c ---- */

/* The last component of a path that is to be made, removed or renamed. */
struct leaf {
	char dir[PATH_MAX];     /* dir: canonical view path of the directory, which exists */
	char view[PATH_MAX];    /* view: dir and name */
	const char *name;       /* name: points into view */
	bool slash;             /* slash: there was a trailing slash */
	bool too_long;          /* too_long: the name; the caller says so when it is its turn */
	bool remote;            /* remote: another machine or program answers for the directory, if it does; see leaf_await */
};
enum leaf_last { LEAF_NORMAL, LEAF_DOT, LEAF_DOTDOT, LEAF_ROOT };
/* Resolves all but the last component. ret_last tells of ".", ".." and "/" in the last place. */
int lookup_leaf(struct overlay *ov, const struct caller *c, struct at at, struct leaf *ret, enum leaf_last *ret_last);
/* The same by rules of openat2. */
int lookup_leaf_by(struct overlay *ov, const struct caller *c, struct at at, unsigned rules, struct leaf *ret, enum leaf_last *ret_last);
/* Looks for a remote name without the lock, which the caller is about to take: who waits for a server that does not answer must not hold up all others.
 * 0, whatever it found; -CALLER_GONE. */
int leaf_await(struct overlay *ov, const struct caller *c, const struct leaf *leaf);
/* What the caller may do in the leaf's directory. X_OK alone, to search it, is what the kernel finds out before it looks at the name. */
int leaf_access(struct overlay *ov, const struct caller *c, const struct leaf *leaf, int mode);

/* ---- perm.c ---- */
int perm_fd(int fd, int mode);
int perm_object(struct overlay *ov, const struct object *o, int mode);        /* R_OK|W_OK|X_OK by effective ids */
int perm_remove(struct overlay *ov, const struct object *dir, const struct object *victim);  /* write, search, sticky */
bool perm_is_owner(const struct object *o);
int perm_writable_fs(const struct object *o);   /* -EROFS on read-only mounts; -EACCES on procfs, sysfs and their like, which cannot be copied up */
/* -EPERM for a host's object with one of these STATX_ATTR_* (see chattr(1)), which not even root may change. */
int perm_flags(const struct object *o, uint64_t forbidden);
int perm_mirror_fs(const struct object *o);     /* the same for a directory on the way to what changes: read-only mounts are no matter */

/* ---- layer.c ---- */
int change_begin(struct overlay *ov);    /* box lock and table lock for writing */
void change_end(struct overlay *ov, bool names_changed);
int layer_open(struct overlay *ov, int layer, const char *path, uint64_t flags, int *ret_fd);
/* As layer_open, for what we must know whatever the caller may: with our own rights, and through directories that lack our search bit. */
int layer_open_own(struct overlay *ov, int layer, const char *path, uint64_t flags, int *ret_fd);
/* The layer's directory of a path, O_PATH; and the last component, borrowed from path. */
int layer_open_parent(struct overlay *ov, int layer, const char *path, int *ret_fd, const char **ret_name);
/* Whether something below the top layer has the name (so that removing it needs a whiteout). */
int layer_lower_exists(struct overlay *ov, const char *view, struct stat *ret_host);
/* What is kept of the content of a host's file: all of it (id), or what tells whether it is the same again. */
struct kept {
	uint64_t id;   /* id: of the file in base/, 0 for none */
	uint64_t hash;
	bool hashed;
};
int layer_note_origin(struct overlay *ov, const struct caller *c, const char *view, const struct stat *host, const char *target,
		      const struct kept *kept);
/* Of what the view shows of the host at o->view. */
int layer_note_object(struct overlay *ov, const struct caller *c, const struct object *o, const char *target, const struct kept *kept);
/* As layer_note_origin with nothing there, for a new name; but not where a directory hides something of the host's: that has its record. */
int layer_note_absent(struct overlay *ov, const struct caller *c, const char *view);
/* Keeps the content and the extended attributes of a regular file of the host (fd, O_PATH too) in base/: up to the limit, or of any size where the
 * file system shares it. Else the hash of its copy, where that is made anyway: what is called copied in work/, or NULL. What cannot be read is not
 * kept. */
struct kept layer_keep(struct overlay *ov, int fd, const struct stat *st, const char *copied);
int layer_whiteout(struct overlay *ov, int dirfd, const char *name);  /* puts one there, in place of a non-directory if there is one */
/* tree_remove (tree.h) with our own rights. */
int layer_remove_tree(int dirfd, const char *name);
void layer_temp_name(struct overlay *ov, char ret[static 32]);
/* As a non-root user our own mirror may lack the w or x bit: gives it for the time of a change. */
struct force {
	int fd;
	mode_t mode;
	ino_t ino;
	bool armed;    /* armed: there is something to put back; all zeroes does nothing */
};
int force_begin(int dirfd, struct force *f);
void force_endp(struct force *f);   /* puts the mode back */
/* Does without the descriptor until force_unpark, for walks that are deeper than there are descriptors. */
void force_park(struct force *f);
static inline bool force_parked(const struct force *f)
{
	return f->armed && f->fd < 0;
}
/* fd: of what is at the place of a parked one now, or negative; it is owned from here on. Of another directory nothing is put back. */
void force_unpark(struct force *f, int fd);
void force_keep(struct force *f);   /* leaves it as it is now */
#define _cleanup_force_ __attribute__((cleanup(force_endp)))
/* dir_open; a directory of ours that lacks our r bit has it until f ends. */
int force_dir_open(int dirfd, struct force *f, DIR **ret);
/* True when the open object is (or was, when deleted) in the top layer. The last look before metadata is changed through a descriptor: a
 * mistake further up must not reach the host. */
bool fd_in_layer(struct overlay *ov, int fd);
/* True for what no file system holds. */
bool fd_is_nowhere(int fd);
int fd_set_times(int fd, const struct stat *st);
/* Marks a directory of the layer (any descriptor) as having the times it has because somebody set them; tells whether it still has those. A
 * file system that has no room for the mark is no error: the times are then those of a directory in which names came and went. */
int times_mark(int fd);
bool times_marked(int fd, const struct stat *st);
ssize_t fd_getxattr(int fd, const char *name, void *buf, size_t size);   /* on O_PATH descriptors too */
bool fd_is_opaque(int fd);
bool fd_is_impure(int fd);
int fd_set_opaque(int fd);

/* For what is made for ourselves: else the last caller's mask would take our own bits from it. */
void own_umask(void);

/* Where the directory of the leaf is the top layer's alone, the kernel can do all that a change of names asks, judge the rights among it: 1, with
 * an O_PATH descriptor of it and the table held for reading, so that it stays so, until pure_end. 0: the long way must be taken. */
int pure_begin(struct overlay *ov, const struct leaf *leaf, int *ret_fd);
void pure_end(struct overlay *ov);

/* ---- mirror.c ---- */
/* Makes sure that the directory (canonical view path) is in the top layer; returns an O_PATH fd of it there, and its path in the layer (ret_path
 * may be NULL). change_begin is held. */
/* Gives the directory dst of the layer the metadata of src; a group that may not be given is put on record. */
int mirror_metadata(int src, int dst, const struct stat *st);
int layer_mirror(struct overlay *ov, const struct caller *c, const char *view, int *ret_fd, char *ret_path);
/* A directory of several parts is about to move below `view`: marks the directories on the way that are the layer's alone. */
int layer_mark_impure(struct overlay *ov, const char *view);

/* ---- maker.c ---- */

/* Making one new name. */
struct maker {
	struct overlay *ov;
	const struct caller *c;
	const struct leaf *leaf;
	int top_fd;             /* top_fd: the directory in the top layer */
	int stage_fd;           /* stage_fd: where to make it instead when a whiteout is in its place, else -1 */
	int fd;                 /* fd: borrowed: one of the two */
	const char *name;       /* name: what to call it there */
	char stage_name[32];
	char stage_dir[32];     /* stage_dir: directory made in work for the inheritance of ACLs and groups, "" for none */
	bool pure;              /* pure: nothing below has the directory */
	bool began;
	struct force force;
};
#define MAKER_INIT { .top_fd = -1, .stage_fd = -1, .force = { .fd = -1 } }
/* Checks rights, that nothing is there (-EEXIST), makes mirrors, notes the origin. Holds the change until maker_end/abort. */
int maker_begin(struct maker *m, struct overlay *ov, const struct caller *c, const struct leaf *leaf);
/* The object was made: put it in its place. is_dir: a directory (is made opaque). */
int maker_end(struct maker *m, bool is_dir);
void maker_abortp(struct maker *m);
#define _cleanup_maker_ __attribute__((cleanup(maker_abortp)))
void caller_umask(const struct caller *c);

/* ---- names.c ---- */
int names_check_empty(struct overlay *ov, const struct object *o);   /* -ENOTEMPTY; change_begin is held */
int names_busy(const struct overlay *ov, const struct object *o);    /* -EBUSY for a mount point of the host, and what the store is in */
/* Notes the origin of an object that is to be removed, or replaced (then its content is kept). */
int names_origin(struct overlay *ov, const struct caller *c, const struct object *o, bool replaced);
/* Two names are on different mounts of the host: no link or rename goes from one to the other (EXDEV), and a commit could make none. */
bool names_across_mounts(struct overlay *ov, const char *a, const char *b);

/* ---- copyup.c ---- */
enum copyup_flags { COPYUP_NO_DATA = 1 };
/* Brings a non-directory of the host or of a lower layer, or a directory's mirror, into the top layer; refreshes o. */
int copyup_object(struct overlay *ov, const struct caller *c, struct object *o, unsigned flags);
/* A host file with several names whose inode was copied up under another: gives the name to the copy. */
int copyup_link_in(struct overlay *ov, const struct caller *c, const char *view, const struct stat *host);
struct record {
	uid_t uid;
	gid_t gid;
	uint64_t dev, ino;
	char path[PATH_MAX];
};
int record_read(int fd, struct record *ret);      /* -ENODATA when there is none */
int record_read_own(int fd, struct record *ret);  /* also of a file whose mode refuses its owner to read it: for a moment it does not */
int record_write(int fd, const struct record *r);

#endif
