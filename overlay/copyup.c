/* copyup.c - bringing an object into the top layer.
 *
 * (C1) A reader sees the host's object or the whole copy: the copy is made in work/ and renamed.
 * (C2) The data of one object is copied once at a time: threads that want the same one wait for the first, and look again.
 * (C3) No lock is held while data is copied. Before the copy gets its name, the object must still be the one that was copied, with the
 *      times it had; else it is copied again.
 * (C4) All names of a host file are one file after copy-up too: the copy of a file with several names gets a name in links/, by the host's
 *      identity, and lookup gives the other names to it when they are first met.
 */
#include "overlay/internal.h"

#include <stdio.h>
#include <unistd.h>

#define COPY_TRIES 64
#define COPY_WAITS 4096       /* for others, who may be killed while they copy */
#define COPY_TRIES_STRICT 3   /* then a file that somebody on the host keeps writing to is taken as it was read */
#define COPY_LONG (1 << 20)   /* bytes; others do not wait for a longer copy */

int record_read(int fd, struct record *ret)
{
	char buf[PATH_MAX + 64];
	ssize_t n = fd_getxattr(fd, XATTR_RECORD, buf, sizeof buf - 1);
	int at = 0;

	if (n < 0)
		return (int)n;
	buf[n] = 0;
	unsigned long long dev, ino;
	if (sscanf(buf, "1 %u %u %llu %llu %n", &ret->uid, &ret->gid, &dev, &ino, &at) < 4 || !at || buf[at] != '/')
		return -ENODATA;
	ret->dev = dev;
	ret->ino = ino;
	if (strlen(buf + at) >= sizeof ret->path)
		return -ENODATA;
	strcpy(ret->path, buf + at);
	return 0;
}

int record_read_own(int fd, struct record *ret)
{
	_cleanup_force_ struct force f = { .fd = -1 };
	int r = record_read(fd, ret);

	if (r != -EACCES)
		return r;
	r = force_begin(fd, &f);
	return r < 0 ? r : record_read(fd, ret);
}

int record_write(int fd, const struct record *r)
{
	char buf[PATH_MAX + 64];
	unsigned long long dev = r->dev, ino = r->ino;
	int n = snprintf(buf, sizeof buf, "1 %u %u %llu %llu %s", r->uid, r->gid, dev, ino, r->path);
	_cleanup_force_ struct force f = { .fd = -1 };
	int e;

	if (n >= (int)sizeof buf)
		return -ENAMETOOLONG;
	e = force_begin(fd, &f);
	if (e < 0)
		return e;
	e = sys_setxattr(FD_PATH(fd), XATTR_RECORD, buf, (size_t)n, 0);
	/* Some file systems hold only a little in attributes; the path is then left out, and a rename shows as removed and added. */
	if (e == -ENOSPC || e == -E2BIG || e == -ERANGE) {
		n = snprintf(buf, sizeof buf, "1 %u %u %llu %llu /", r->uid, r->gid, dev, ino);
		e = sys_setxattr(FD_PATH(fd), XATTR_RECORD, buf, (size_t)n, 0);
	}
	return e;
}

/* ---- one at a time ---- */

static bool in_flight(const struct overlay *ov, const char *view)
{
	const struct copyup_flight *p = ov->flights;

	while (p && strcmp(p->view, view))
		p = p->next;
	return p;
}

static void wait_begin(const struct caller *c)
{
	if (c->wait_begin)
		c->wait_begin(c);
}

static int wait_end(const struct caller *c)
{
	return c->wait_end ? c->wait_end(c) : 0;
}

/* 1 when this thread is the one to do it; 0 after another has done it; -CALLER_GONE. */
static int flight_enter(struct overlay *ov, const struct caller *c, struct copyup_flight *f, const char *view)
{
	int r = 1;

	pthread_mutex_lock(&ov->flight_mutex);
	if (in_flight(ov, view)) {
		wait_begin(c);
		while (in_flight(ov, view))
			pthread_cond_wait(&ov->flight_cond, &ov->flight_mutex);
		r = wait_end(c);
	} else {
		f->view = view;
		f->next = ov->flights;
		ov->flights = f;
	}
	pthread_mutex_unlock(&ov->flight_mutex);
	return r;
}

static void flight_leave(struct overlay *ov, struct copyup_flight *f)
{
	pthread_mutex_lock(&ov->flight_mutex);
	for (struct copyup_flight **p = &ov->flights; *p; p = &(*p)->next)
		if (*p == f) {
			*p = f->next;
			break;
		}
	pthread_cond_broadcast(&ov->flight_cond);
	pthread_mutex_unlock(&ov->flight_mutex);
}

/* ---- the pieces ---- */

static int set_mark(struct overlay *ov, const char *name)
{
	int r = sys_mknodat(ov->layers[ov->top].links_fd, name, S_IFREG | 0600, 0);

	return r == -EEXIST ? 0 : r;
}

static int copy_goes_on(void *ctx, off_t done)
{
	const struct caller *c = ctx;

	(void)done;
	return c->gone && c->gone(c) ? -CALLER_GONE : 0;
}

/* While others are served. */
static int copy_long(const struct caller *c, int src, int dst, off_t size)
{
	int r, e;

	wait_begin(c);
	r = copy_data_progress(src, dst, size, copy_goes_on, (void *)(uintptr_t)c);
	e = wait_end(c);
	return e ? e : r;
}

/* A whole copy of a regular file in work/, under the name tmp. */
static int copy_regular(struct overlay *ov, const struct caller *c, const struct object *o, unsigned flags, const char *tmp, unsigned *ret_lost)
{
	_cleanup_cred_ int own = cred_own_begin();
	_cleanup_close_ int src = -1, dst = -1;
	struct record rec = { .uid = o->st.st_uid, .gid = o->st.st_gid, .dev = o->st.st_dev, .ino = o->st.st_ino };
	int r = 0;

	if (!(flags & COPYUP_NO_DATA)) {
		src = sys_reopen(o->fd, O_RDONLY | O_CLOEXEC | O_NOCTTY, 0);
		if (src < 0)
			return src;
	}
	dst = sys_openat(ov->layers[ov->top].work_fd, tmp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (dst < 0)
		return dst;
	if (src >= 0)
		r = o->st.st_size > COPY_LONG ? copy_long(c, src, dst, o->st.st_size) : copy_data(src, dst, o->st.st_size);
	strcpy(rec.path, o->where == OBJECT_HOST ? o->real : o->view);
	if (r == 0)
		r = record_write(dst, &rec);
	if (r == 0)
		r = copy_metadata(o->fd, dst, &o->st, COPY_ALL, ret_lost);
	return r;
}

static int copy_special(struct overlay *ov, const struct object *o, const char *tmp, char *ret_target)
{
	_cleanup_cred_ int own = cred_own_begin();
	_cleanup_close_ int dst = -1;
	int work = ov->layers[ov->top].work_fd, r;

	ret_target[0] = 0;
	if (S_ISLNK(o->st.st_mode)) {
		r = sys_readlinkat(o->fd, "", ret_target, PATH_MAX);
		if (r >= 0)
			r = sys_symlinkat(ret_target, work, tmp);
	} else if (stat_is_whiteout(&o->st)) {   /* the host's, in the directories of some container perhaps: in a layer it would be a removal */
		r = -EPERM;
	} else {
		r = sys_mknodat(work, tmp, o->st.st_mode, o->st.st_rdev);
	}
	if (r < 0)
		return r;
	dst = sys_openat(work, tmp, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
	return dst < 0 ? dst : copy_metadata(o->fd, dst, &o->st, COPY_ALL, NULL);
}

/* Gives the finished copy its name. change_begin is held. */
static int place(struct overlay *ov, const struct caller *c, const struct object *o, const char *tmp, const char *target,
		 const struct kept *kept)
{
	_cleanup_close_ int dirfd = -1;
	_cleanup_force_ struct force force = { .fd = -1 };
	char dir[PATH_MAX], link[LINK_NAME_MAX];
	struct stat parent, st;
	struct link_entry entry;
	int work = ov->layers[ov->top].work_fd, r;
	const char *name = path_split(o->view, dir, sizeof dir);

	if (!name)
		return -ENAMETOOLONG;
	r = layer_mirror(ov, c, dir, &dirfd, NULL);
	if (r < 0)
		return r;
	_cleanup_cred_ int own = cred_own_begin();
	r = layer_note_object(ov, c, o, *target ? target : NULL, kept);
	if (r == 0)
		r = sys_fstat(dirfd, &parent);
	if (r == 0)
		r = force_begin(dirfd, &force);
	if (r == 0)
		r = sys_fstatat(work, tmp, &st, AT_SYMLINK_NOFOLLOW);
	bool known = links_get(ov, o->st.st_dev, o->st.st_ino, &entry) && (entry.copied || entry.touched);
	bool many = r == 0 && o->where == OBJECT_HOST && (o->st.st_nlink > 1 || known);
	if (many) {
		links_name(link, &entry);
		r = sys_linkat(work, tmp, ov->layers[ov->top].links_fd, link, 0);
	}
	if (r == 0)
		r = sys_renameat2(work, tmp, dirfd, name, RENAME_NOREPLACE);
	if (r < 0)
		return r;
	if (many) {
		if (!known)
			entry.nlink = (uint32_t)o->st.st_nlink;
		entry.touched++;
		entry.copied = entry.in_top = true;
		entry.copy_ino = st.st_ino;
		r = links_set(ov, &entry);
	} else if (S_ISREG(o->st.st_mode)) {
		r = links_note_copy(ov, o->st.st_dev, o->st.st_ino, st.st_ino);
	}
	fd_set_times(dirfd, &parent);
	if (r == 0)
		r = table_put(ov, o->view, DNODE_OTHER, (unsigned char)IFTODT(st.st_mode), st.st_ino);
	return r;
}

static int refresh(struct overlay *ov, const struct caller *c, struct object *o)
{
	char view[PATH_MAX];

	strcpy(view, o->view);
	object_release(o);
	return lookup_again(ov, c, view, o);
}

static int copyup_once(struct overlay *ov, const struct caller *c, struct object *o, unsigned flags, bool strict)
{
	char tmp[32], target[PATH_MAX] = "";
	_cleanup_object_ struct object now;
	unsigned lost = 0;
	struct kept kept = { 0 };
	int work = ov->layers[ov->top].work_fd, r;

	object_init(&now);
	own_umask();
	layer_temp_name(ov, tmp);
	r = S_ISREG(o->st.st_mode) ? copy_regular(ov, c, o, flags, tmp, &lost) : copy_special(ov, o, tmp, target);
	if (r == 0 && o->where == OBJECT_HOST) {
		bool whole = S_ISREG(o->st.st_mode) && o->st.st_size > COPY_LONG;   /* is read */
		if (whole)
			wait_begin(c);
		kept = layer_keep(ov, o->fd, &o->st, flags & COPYUP_NO_DATA ? NULL : tmp);
		if (whole)
			r = wait_end(c);
	}
	if (r == 0)
		r = change_begin(ov);
	if (r < 0) {
		_cleanup_cred_ int own = cred_own_begin();
		sys_unlinkat(work, tmp, 0);
		return r;
	}
	r = lookup_canonical_locked(ov, o->view, &now);
	if (r == 0 && (now.is_top || now.st.st_ino != o->st.st_ino || now.st.st_dev != o->st.st_dev ||
		       (strict && !stat_same(&now.st, &o->st))))
		r = -EAGAIN;
	if (r == 0 && (lost & COPY_LOST_OWNER) && S_ISREG(o->st.st_mode)) {
		r = set_mark(ov, "owners");
		ov->fix_owner = true;
	}
	if (r == 0)
		r = place(ov, c, o, tmp, target, &kept);
	if (r < 0) {
		_cleanup_cred_ int own = cred_own_begin();
		sys_unlinkat(work, tmp, 0);
	}
	change_end(ov, true);
	return r;
}

static int copyup_dir(struct overlay *ov, const struct caller *c, struct object *o)
{
	_cleanup_close_ int fd = -1;
	int r = change_begin(ov);

	if (r < 0)
		return r;
	r = layer_mirror(ov, c, o->view, &fd, NULL);
	change_end(ov, true);
	return r < 0 ? r : refresh(ov, c, o);
}

int copyup_object(struct overlay *ov, const struct caller *c, struct object *o, unsigned flags)
{
	int r = 0;

	for (int tries = 0, waits = 0; tries < COPY_TRIES && waits < COPY_WAITS;) {
		struct copyup_flight flight;
		char view[PATH_MAX];

		if (o->is_top)
			return 0;
		if (o->where == OBJECT_ANON)
			return -EPERM;
		r = perm_writable_fs(o);
		if (r == 0 && S_ISREG(o->st.st_mode))
			r = perm_flags(o, STATX_ATTR_APPEND);
		if (r < 0)
			return r;
		if (S_ISDIR(o->st.st_mode))
			return copyup_dir(ov, c, o);
		strcpy(view, o->view);
		r = flight_enter(ov, c, &flight, view);
		if (r > 0) {
			r = copyup_once(ov, c, o, flags, tries++ < COPY_TRIES_STRICT);
			flight_leave(ov, &flight);
		} else {
			waits++;
		}
		if (r < 0 && r != -EAGAIN && r != -EEXIST)
			return r;
		r = refresh(ov, c, o);
		if (r < 0)
			return r;
	}
	return o->is_top ? 0 : -EBUSY;
}

int object_copy_up(struct overlay *ov, const struct caller *c, struct object *o)
{
	return copyup_object(ov, c, o, 0);
}

int object_open_mirror(struct overlay *ov, const struct caller *c, struct object *o, int flags)
{
	int r = object_copy_up(ov, c, o), mirror = o->meta_fd >= 0 ? o->meta_fd : o->fd;
	struct stat st;

	if (r == 0)
		r = sys_fstat(mirror, &st);
	if (r == 0)
		r = table_note_touched(ov, &st);   /* who has the descriptor sees the view's object */
	if (r < 0)
		return r;
	_cleanup_cred_ int own = cred_own_begin();
	return sys_reopen(mirror, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags, 0);
}

int copyup_link_in(struct overlay *ov, const struct caller *c, const char *view, const struct stat *host)
{
	_cleanup_object_ struct object now;
	_cleanup_close_ int dirfd = -1;
	_cleanup_force_ struct force force = { .fd = -1 };
	char link[LINK_NAME_MAX], dir[PATH_MAX];
	struct link_entry entry;
	struct stat parent;
	int r;

	object_init(&now);
	if (!links_get(ov, host->st_dev, host->st_ino, &entry))
		return 0;
	links_name(link, &entry);
	const char *name = path_split(view, dir, sizeof dir);
	if (!name)
		return -ENAMETOOLONG;
	r = change_begin(ov);
	if (r < 0)
		return r;
	r = lookup_canonical_locked(ov, view, &now);
	if (r < 0 || now.is_top || now.st.st_ino != host->st_ino) {
		change_end(ov, false);
		return r;
	}
	r = layer_mirror(ov, c, dir, &dirfd, NULL);
	_cleanup_cred_ int own = cred_own_begin();
	if (r == 0) {
		struct kept kept = layer_keep(ov, now.fd, &now.st, NULL);

		r = layer_note_origin(ov, c, view, host, NULL, &kept);
	}
	if (r == 0)
		r = sys_fstat(dirfd, &parent);
	if (r == 0)
		r = force_begin(dirfd, &force);
	if (r == 0)
		r = sys_linkat(ov->layers[ov->top].links_fd, link, dirfd, name, 0);
	if (r == 0) {
		fd_set_times(dirfd, &parent);
		entry.touched++;
		r = links_set(ov, &entry);
	}
	if (r == 0)
		r = table_put(ov, view, DNODE_OTHER, (unsigned char)IFTODT(host->st_mode), entry.copy_ino);
	change_end(ov, true);
	return r;
}
