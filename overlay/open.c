/* open.c - opening objects of the view, and making regular files.
 *
 * What an object is, is known before it is opened: never is a FIFO, a device, a file of tracefs or a link of unknown nature opened here. Those are
 * OPENED_SPECIAL, for the front.
 */
#include "overlay/internal.h"

#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#define CREATE_TRIES 16

void opened_init(struct opened *o)
{
	o->how = OPENED_FD;
	o->fd = -1;
	o->is_layers = false;
	object_init(&o->object);
}

void opened_release(struct opened *o)
{
	fd_closep(&o->fd);
	object_release(&o->object);
}

static bool wants_write(uint64_t flags)
{
	return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);
}

static int access_mode(uint64_t flags)
{
	int mode = 0;

	if ((flags & O_ACCMODE) != O_WRONLY)
		mode |= R_OK;
	if ((flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC))
		mode |= W_OK;
	return mode;
}

static int give_special(struct object *o, struct opened *ret)
{
	ret->how = OPENED_SPECIAL;
	ret->object = *o;
	object_init(o);
	return 0;
}

/* Opens what o->fd is, with the caller's flags. */
static int reopen(struct overlay *ov, struct object *o, uint64_t flags, struct opened *ret)
{
	uint64_t f = (flags & ~(uint64_t)(O_CREAT | O_EXCL | O_NOFOLLOW)) | O_CLOEXEC;
	_cleanup_force_ struct force force = { .fd = -1 };
	int fd = sys_reopen(o->fd, (int)f, 0);

	/* The copy of a file that another owns may lack our bits; the rights were judged by perm_object. */
	if (fd == -EACCES && o->where == OBJECT_LAYER && o->st.st_uid != cred_fsuid() && !cred_process_is_root() &&
	    force_begin(o->fd, &force) == 0 && perm_object(ov, o, access_mode(flags)) == 0)
		fd = sys_reopen(o->fd, (int)f, 0);
	if (fd < 0)
		return fd;
	ret->how = OPENED_FD;
	ret->fd = fd;
	ret->is_layers = o->where == OBJECT_LAYER;
	return 0;
}

/* A file of tracefs: opening some of them, and closing them again, is already a change. */
static bool is_on_tracefs(const struct object *o)
{
	struct statfs fs;

	return o->where != OBJECT_LAYER && major(o->st.st_dev) == 0 && fstatfs(o->fd, &fs) == 0 && fs.f_type == TRACEFS_MAGIC;
}

int object_open(struct overlay *ov, const struct caller *c, struct object *o, uint64_t flags, struct opened *ret)
{
	int r;

	if ((flags & O_PATH) && !((flags & O_DIRECTORY) && !S_ISDIR(o->st.st_mode)))
		return give_special(o, ret);
	if (S_ISLNK(o->st.st_mode) && (flags & O_PATH))
		return -ENOTDIR;
	if (S_ISLNK(o->st.st_mode))
		return (flags & O_DIRECTORY) ? -ENOTDIR : -ELOOP;
	if ((flags & O_DIRECTORY) && !S_ISDIR(o->st.st_mode))
		return -ENOTDIR;
	if (S_ISDIR(o->st.st_mode)) {
		if (wants_write(flags) || (flags & O_CREAT))
			return -EISDIR;
		r = perm_object(ov, o, R_OK);
		if (r < 0)
			return r;
		r = reopen(ov, o, flags, ret);
		if (r != -EACCES || o->where != OBJECT_MERGED)
			return r;
		_cleanup_cred_ int own = cred_own_begin();   /* the mirror's mode is what counts */
		return reopen(ov, o, flags, ret);
	}
	if (S_ISSOCK(o->st.st_mode)) {
		r = perm_object(ov, o, access_mode(flags));
		return r < 0 ? r : -ENXIO;
	}
	if (!S_ISREG(o->st.st_mode) || is_on_tracefs(o))
		return give_special(o, ret);
	/* Where the metadata shown is the file's own, the kernel judges as it opens. */
	if (!wants_write(flags) || (o->is_top && o->where == OBJECT_LAYER && !ov->fix_owner))
		return reopen(ov, o, flags, ret);
	r = perm_object(ov, o, access_mode(flags));
	if (r == 0 && (flags & O_NOATIME) && !perm_is_owner(o))
		r = -EPERM;
	if (r < 0)
		return r;
	if (o->where == OBJECT_ANON)   /* a deleted file of the host: nothing to copy up to; of the layer, or nowhere: as it is */
		return fd_in_layer(ov, o->fd) || fd_is_nowhere(o->fd) ? reopen(ov, o, flags, ret) : -EACCES;
	/* With O_DIRECT the open may fail yet, and the content must then be there. */
	r = copyup_object(ov, c, o, (flags & (O_TRUNC | O_DIRECT)) == O_TRUNC ? COPYUP_NO_DATA : 0);
	return r < 0 ? r : reopen(ov, o, flags, ret);
}

static int create_flags(uint64_t flags)
{
	return (int)((flags & ~(uint64_t)(O_TRUNC | O_DIRECTORY)) | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC);
}

/* Makes a regular file in a directory that the top layer alone has; -EAGAIN where it has not. -EEXIST: something is there. */
static int create_pure(struct overlay *ov, const struct caller *c, const struct leaf *leaf, uint64_t flags, mode_t mode, struct opened *ret)
{
	_cleanup_close_ int dirfd = -1;
	int fd;

	if (pure_begin(ov, leaf, &dirfd) != 1)
		return -EAGAIN;
	caller_umask(c);
	fd = sys_openat(dirfd, leaf->name, create_flags(flags), mode & 07777);
	pure_end(ov);
	if (fd < 0)
		return fd;
	ret->fd = fd;
	ret->is_layers = true;
	return 0;
}

static int leaf_of(const char *view, struct leaf *ret)
{
	strcpy(ret->view, view);
	ret->remote = false;   /* it was looked for just now */
	ret->name = path_split(ret->view, ret->dir, sizeof ret->dir);
	return ret->name ? 0 : -ENAMETOOLONG;
}

/* Makes a regular file at a canonical path that is not there. -EEXIST: now it is. */
static int create(struct overlay *ov, const struct caller *c, const char *view, uint64_t flags, mode_t mode, struct opened *ret)
{
	_cleanup_maker_ struct maker m = MAKER_INIT;
	_cleanup_close_ int fd = -1;
	struct leaf leaf;
	int r = leaf_of(view, &leaf);

	if (r == 0)
		r = create_pure(ov, c, &leaf, flags, mode, ret);
	if (r != -EAGAIN)
		return r;
	r = maker_begin(&m, ov, c, &leaf);
	if (r < 0)
		return r;
	fd = sys_openat(m.fd, m.name, create_flags(flags), mode & 07777);
	if (fd < 0)
		return fd;
	r = maker_end(&m, false);
	if (r < 0)
		return r;
	ret->fd = TAKE_FD(fd);
	ret->is_layers = true;
	return 0;
}

/* A new file in the layer's own directory, as archives are full of: the kernel finds out what is there. -EAGAIN: it takes a walk. */
static int create_exclusive(struct overlay *ov, const struct caller *c, struct at at, uint64_t flags, mode_t mode, struct opened *ret)
{
	char view[PATH_MAX];
	struct leaf leaf;
	int r = lookup_text(ov, at, view);

	if (r == 0)
		r = leaf_of(view, &leaf);
	return r < 0 ? -EAGAIN : create_pure(ov, c, &leaf, flags, mode, ret);
}

static int open_tmpfile(struct overlay *ov, const struct caller *c, struct at at, uint64_t flags, mode_t mode, unsigned lookup,
			struct opened *ret)
{
	_cleanup_object_ struct object dir;
	_cleanup_close_ int fd = -1;
	_cleanup_force_ struct force force = { .fd = -1 };
	int r;

	object_init(&dir);
	if ((flags & O_ACCMODE) == O_RDONLY)
		return -EINVAL;
	r = overlay_lookup(ov, c, at, lookup | LOOKUP_DIRECTORY, &dir);
	if (r < 0)
		return r;
	r = perm_object(ov, &dir, W_OK | X_OK);
	if (r == 0)
		r = copyup_object(ov, c, &dir, 0);
	if (r < 0)
		return r;
	caller_umask(c);
	int top = dir.meta_fd >= 0 ? dir.meta_fd : dir.fd;
	r = force_begin(top, &force);
	if (r < 0)
		return r;
	fd = sys_reopen(top, (int)(flags & ~(uint64_t)(O_CREAT | O_NOFOLLOW)) | O_CLOEXEC, mode & 07777);
	if (fd < 0)
		return fd;
	ret->how = OPENED_FD;
	ret->fd = TAKE_FD(fd);
	return 0;
}

static int open_create(struct overlay *ov, const struct caller *c, struct at at, uint64_t flags, mode_t mode, unsigned lookup,
		       struct opened *ret)
{
	int r = -EAGAIN;

	if ((flags & O_EXCL) && !lookup)
		r = create_exclusive(ov, c, at, flags, mode, ret);
	if (r != -EAGAIN)
		return r;
	for (int tries = 0; tries < CREATE_TRIES; tries++) {
		_cleanup_object_ struct object o;
		char missing[PATH_MAX];

		object_init(&o);
		r = lookup_full(ov, c, at, lookup | LOOKUP_CREATE | ((flags & (O_NOFOLLOW | O_EXCL)) ? LOOKUP_NOFOLLOW : 0), &o, missing);
		if (r == 0 && (flags & O_EXCL))
			return -EEXIST;
		if (r == 0)
			return object_open(ov, c, &o, flags, ret);
		if (r != -ENOENT || !missing[0])
			return r;
		r = create(ov, c, missing, flags, mode, ret);
		if (r != -EEXIST || (flags & O_EXCL))
			return r;
	}
	return r;
}

int overlay_open(struct overlay *ov, const struct caller *c, struct at at, uint64_t flags, mode_t mode, unsigned lookup,
		 struct opened *ret)
{
	_cleanup_object_ struct object o;
	int r;

	object_init(&o);
	opened_init(ret);
	if ((flags & O_TMPFILE) == O_TMPFILE && !(flags & O_PATH))
		return open_tmpfile(ov, c, at, flags, mode, lookup, ret);
	if (flags & O_PATH)
		flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	if (flags & O_CREAT) {
		if (flags & O_DIRECTORY)
			return -EINVAL;
		return open_create(ov, c, at, flags, mode, lookup, ret);
	}
	if (!wants_write(flags) && !(flags & O_PATH) && !lookup) {
		r = lookup_open_host(ov, c, at, flags, flags & O_NOFOLLOW);
		if (r >= 0) {
			ret->fd = r;
			return 0;
		}
		if (r != -EAGAIN)
			return r;
	}
	if (flags & O_NOFOLLOW)
		lookup |= LOOKUP_NOFOLLOW;
	if ((flags & O_DIRECTORY) && !(flags & O_NOFOLLOW))
		lookup |= LOOKUP_DIRECTORY;
	r = overlay_lookup(ov, c, at, lookup, &o);
	return r < 0 ? r : object_open(ov, c, &o, flags, ret);
}
