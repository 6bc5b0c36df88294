/* names.c - making and removing names: mkdir, mknod, symlink, link, unlink, rmdir, and binding of sockets. */
#include "overlay/internal.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

/* The leaf of what is to be made. A trailing slash is right for directories only. */
static int leaf_to_make(struct overlay *ov, const struct caller *c, struct at at, bool is_dir, struct leaf *ret)
{
	enum leaf_last last;
	int r = lookup_leaf(ov, c, at, ret, &last);

	if (r < 0)
		return r;
	if (last != LEAF_NORMAL)
		return -EEXIST;
	if (ret->too_long)
		return -ENAMETOOLONG;
	if (ret->slash && !is_dir) {
		_cleanup_object_ struct object o;
		return lookup_canonical(ov, c, ret->view, &o) == 0 ? -EEXIST : -ENOENT;
	}
	return 0;
}

int overlay_may_make(struct overlay *ov, const struct caller *c, struct at at)
{
	_cleanup_object_ struct object there;
	struct leaf leaf;
	int r = leaf_to_make(ov, c, at, false, &leaf);

	object_init(&there);
	if (r < 0)
		return r;
	r = lookup_canonical(ov, c, leaf.view, &there);
	if (r != -ENOENT)
		return r < 0 ? r : -EEXIST;
	return leaf_access(ov, c, &leaf, W_OK | X_OK);
}

static int make_begin(struct maker *m, struct overlay *ov, const struct caller *c, struct at at, bool is_dir, struct leaf *leaf)
{
	int r = leaf_to_make(ov, c, at, is_dir, leaf);

	return r < 0 ? r : maker_begin(m, ov, c, leaf);
}

/* What is to be made, other than a link or a socket. */
struct node {
	mode_t mode;
	dev_t dev;
	const char *target;
};

static int node_make(int dirfd, const char *name, const struct node *n)
{
	if (S_ISDIR(n->mode))
		return sys_mkdirat(dirfd, name, n->mode & 01777);
	if (S_ISLNK(n->mode))
		return sys_symlinkat(n->target, dirfd, name);
	return sys_mknodat(dirfd, name, n->mode, n->dev);
}

static int make(struct overlay *ov, const struct caller *c, struct at at, const struct node *n)
{
	_cleanup_maker_ struct maker m = MAKER_INIT;
	_cleanup_close_ int dirfd = -1;
	struct leaf leaf;
	int r = leaf_to_make(ov, c, at, S_ISDIR(n->mode), &leaf);

	if (r < 0)
		return r;
	if (pure_begin(ov, &leaf, &dirfd) == 1) {
		caller_umask(c);
		r = node_make(dirfd, leaf.name, n);
		pure_end(ov);
		return r;
	}
	r = maker_begin(&m, ov, c, &leaf);
	if (r == 0)
		r = node_make(m.fd, m.name, n);
	return r < 0 ? r : maker_end(&m, S_ISDIR(n->mode));
}

int overlay_mkdir(struct overlay *ov, const struct caller *c, struct at at, mode_t mode)
{
	return make(ov, c, at, &(struct node){ .mode = S_IFDIR | (mode & 07777) });
}

int overlay_mknod(struct overlay *ov, const struct caller *c, struct at at, mode_t mode, dev_t dev)
{
	if (S_ISCHR(mode) && dev == 0)   /* that is what a whiteout is */
		return -EPERM;
	if (S_ISDIR(mode))
		return -EPERM;
	if ((mode & S_IFMT) == 0)
		mode |= S_IFREG;
	return make(ov, c, at, &(struct node){ .mode = mode, .dev = dev });
}

int overlay_symlink(struct overlay *ov, const struct caller *c, const char *target, struct at at)
{
	if (!*target)
		return -ENOENT;
	return make(ov, c, at, &(struct node){ .mode = S_IFLNK, .target = target });
}

/* fs.protected_hardlinks: what is not one's own must be a plain file that one can read and write. */
static int may_link(struct overlay *ov, const struct object *o)
{
	mode_t mode = o->st.st_mode;

	if (perm_is_owner(o))
		return 0;
	if (!S_ISREG(mode) || (mode & S_ISUID) || (mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
		return -EPERM;
	return perm_object(ov, o, R_OK | W_OK) < 0 ? -EPERM : 0;
}

/* The mount that a name is on, were it the host's: that of the nearest directory above it that the host has. 0: unknown. */
static uint64_t mount_of(struct overlay *ov, const char *view)
{
	char dir[PATH_MAX];
	struct statx sx;
	_cleanup_cred_ int own = cred_own_begin();

	if (!path_split(view, dir, sizeof dir))
		return 0;
	while (sys_statx(ov->root_fd, path_relative(dir), AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_MNT_ID, &sx) < 0 ||
	       !S_ISDIR(sx.stx_mode)) {
		if (!dir[1])
			return 0;
		path_split(dir, dir, sizeof dir);
	}
	return sx.stx_mask & STATX_MNT_ID ? sx.stx_mnt_id : 0;
}

bool names_across_mounts(struct overlay *ov, const char *a, const char *b)
{
	const char *a_end = strrchr(a, '/'), *b_end = strrchr(b, '/');

	if (a_end && b_end && a_end - a == b_end - b && !memcmp(a, b, (size_t)(a_end - a)))
		return false;   /* one directory, mostly */
	return mount_of(ov, a) != mount_of(ov, b);
}

static int link_object(struct overlay *ov, const struct caller *c, struct object *o, struct at at)
{
	_cleanup_maker_ struct maker m = MAKER_INIT;
	struct leaf leaf;
	int r;

	r = leaf_to_make(ov, c, at, false, &leaf);
	if (r == 0)
		r = leaf_access(ov, c, &leaf, X_OK);
	if (r < 0)
		return r;
	/* What cannot be made must not have been copied up: look first. */
	_cleanup_object_ struct object there;
	r = lookup_canonical(ov, c, leaf.view, &there);
	if (r == 0 || r == -CALLER_GONE)
		return r == 0 ? -EEXIST : r;
	if (names_across_mounts(ov, o->view, leaf.view))
		return -EXDEV;
	r = may_link(ov, o);
	if (r < 0)
		return r;
	if (S_ISDIR(o->st.st_mode)) {
		r = leaf_access(ov, c, &leaf, W_OK | X_OK);
		return r < 0 ? r : -EPERM;
	}
	r = copyup_object(ov, c, o, 0);
	if (r == 0)
		r = maker_begin(&m, ov, c, &leaf);
	if (r < 0)
		return r;
	_cleanup_cred_ int own = cred_own_begin();
	/* By its name: linking by descriptor alone needs a capability. */
	_cleanup_spot_ struct spot s;
	_cleanup_close_ int dirfd = -1;
	const char *name;
	spot_init(&s);
	r = table_walk_locked(ov, o->view, &s);
	if (r == 0 && s.kind != SPOT_LAYER && s.kind != SPOT_OTHER)
		r = -ENOENT;
	if (r == 0)
		r = layer_open_parent(ov, s.layer, s.path, &dirfd, &name);
	if (r == 0)
		r = sys_linkat(dirfd, name, m.fd, m.name, 0);
	return r < 0 ? r : maker_end(&m, false);
}

int overlay_link(struct overlay *ov, const struct caller *c, struct at old, struct at at, int flags)
{
	_cleanup_object_ struct object o;
	int r = overlay_lookup(ov, c, old, (flags & AT_SYMLINK_FOLLOW) ? 0 : LOOKUP_NOFOLLOW, &o);

	if (r < 0)
		return r;
	if (o.where == OBJECT_ANON)
		return overlay_link_fd(ov, c, o.fd, at);
	return link_object(ov, c, &o, at);
}

int overlay_link_fd(struct overlay *ov, const struct caller *c, int fd, struct at at)
{
	_cleanup_maker_ struct maker m = MAKER_INIT;
	_cleanup_object_ struct object o;
	struct leaf leaf;
	int r = overlay_lookup_fd(ov, c, fd, &o);

	if (r < 0)
		return r;
	if (o.where != OBJECT_ANON)
		return link_object(ov, c, &o, at);
	if (!fd_in_layer(ov, o.fd))   /* a pipe, a memfd, a deleted file of the host */
		return o.st.st_nlink ? -EXDEV : -ENOENT;
	r = make_begin(&m, ov, c, at, false, &leaf);
	if (r == 0)
		r = sys_linkat(AT_FDCWD, FD_PATH(o.fd), m.fd, m.name, AT_SYMLINK_FOLLOW);
	return r < 0 ? r : maker_end(&m, false);
}

int overlay_bind(struct overlay *ov, const struct caller *c, struct at at, int sock)
{
	_cleanup_maker_ struct maker m = MAKER_INIT;
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct leaf leaf;
	int r = make_begin(&m, ov, c, at, false, &leaf);

	if (r == -EEXIST)
		return -EADDRINUSE;
	if (r < 0)
		return r;
	/* The address holds 107 bytes, a name 255: a long one is made short, and renamed. */
	char tmp[32];
	const char *name = m.name;
	if (strlen(name) > 60) {
		layer_temp_name(ov, tmp);
		name = tmp;
	}
	snprintf(sun.sun_path, sizeof sun.sun_path, "/proc/self/fd/%d/%s", m.fd, name);
	r = bind(sock, (struct sockaddr *)&sun, sizeof sun) < 0 ? -errno : 0;
	if (r == 0 && name != m.name)
		r = sys_renameat2(m.fd, name, m.fd, m.name, 0);
	return r < 0 ? r : maker_end(&m, false);
}

/* ---- removing ---- */

/* True (1) when a host or layer directory has no entries; whiteouts of a layer do not count. */
static int dir_is_empty(int path_fd, bool layer)
{
	_cleanup_closedir_ DIR *dir = NULL;
	_cleanup_force_ struct force force = { .fd = -1 };
	int r = layer ? force_dir_open(path_fd, &force, &dir) : dir_open(path_fd, &dir);

	if (r < 0)
		return r;
	for (struct dirent *e; (e = dir_next(dir));) {
		struct stat st;
		if (!layer || sys_fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !stat_is_whiteout(&st))
			return 0;
	}
	return 1;
}

/* As dir_is_empty, of a directory of the view. change_begin is held. */
static int view_is_empty(struct overlay *ov, const struct object *o)
{
	_cleanup_cred_ int own = cred_own_begin();
	_cleanup_closedir_ DIR *dir = NULL;

	struct dnode *d = o->where == OBJECT_HOST ? NULL : table_dir(ov, o->view);
	if (!d)
		return dir_is_empty(o->fd, o->where != OBJECT_HOST);
	for (size_t i = 0; d->bucket && i < (size_t)1 << d->bucket_bits; i++)
		for (struct dnode *n = d->bucket[i]; n; n = n->next)
			if (n->kind != DNODE_WHITEOUT)
				return 0;
	int r = dir_open(o->fd, &dir);
	if (r < 0)
		return r;
	for (struct dirent *e; (e = dir_next(dir));)
		if (!dnode_find(d, e->d_name, strlen(e->d_name)))
			return 0;
	return 1;
}

int names_check_empty(struct overlay *ov, const struct object *o)
{
	int r = view_is_empty(ov, o);

	return r < 0 ? r : r == 0 ? -ENOTEMPTY : 0;
}

static bool is_mount_root(int fd)
{
	struct statx sx;

	return sys_statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &sx) == 0 && (sx.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

int names_busy(const struct overlay *ov, const struct object *o)
{
	/* The store would move with the directory that it is in, and be seen under the new name. */
	if (S_ISDIR(o->st.st_mode) && path_below(ov->box->store_path, o->view, NULL))
		return -EBUSY;
	if (perm_flags(o, STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND) < 0)
		return -EPERM;
	return o->where != OBJECT_LAYER && is_mount_root(o->fd) ? -EBUSY : 0;
}

int names_origin(struct overlay *ov, const struct caller *c, const struct object *o, bool replaced)
{
	char target[PATH_MAX] = "";

	if (S_ISLNK(o->st.st_mode) && sys_readlinkat(o->fd, "", target, sizeof target) < 0)
		target[0] = 0;
	struct kept kept = replaced ? layer_keep(ov, o->fd, &o->st, NULL) : (struct kept){ 0 };
	int r = layer_note_object(ov, c, o, *target ? target : NULL, &kept);
	return r < 0 ? r : links_gone(ov, o);
}

/* Takes a directory that is empty in the view, and has whiteouts in the layer at most, out of (dirfd, name): in its place is a whiteout
 * when `cover`. */
static int remove_dir(struct overlay *ov, int dirfd, const char *name, bool cover)
{
	_cleanup_cred_ int own = cred_own_begin();
	int work = ov->layers[ov->top].work_fd, r;
	char tmp[32];

	if (!cover) {
		r = sys_unlinkat(dirfd, name, AT_REMOVEDIR);
		if (r != -ENOTEMPTY && r != -EEXIST)
			return r;
	}
	layer_temp_name(ov, tmp);
	if (cover) {
		r = sys_mknodat(work, tmp, S_IFCHR, makedev(0, 0));
		if (r < 0)
			return r;
	}
	_cleanup_close_ int victim = sys_openat(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	struct force f = { .fd = -1 };
	r = victim < 0 ? victim : force_begin(victim, &f);   /* to move a directory needs write permission on it */
	force_keep(&f);
	if (r == 0)
		r = sys_renameat2(dirfd, name, work, tmp, cover ? RENAME_EXCHANGE : RENAME_NOREPLACE);
	if (r < 0) {
		if (cover)
			sys_unlinkat(work, tmp, 0);
		return r;
	}
	layer_remove_tree(work, tmp);
	return 0;
}

static int remove_found(struct overlay *ov, const struct caller *c, const struct object *o, const struct spot *s)
{
	_cleanup_close_ int top = -1;
	_cleanup_force_ struct force force = { .fd = -1 };
	char dir[PATH_MAX];
	struct stat host;
	bool is_dir = S_ISDIR(o->st.st_mode);
	const char *name = path_split(o->view, dir, sizeof dir);
	int r = layer_mirror(ov, c, dir, &top, NULL), cover = 0;

	if (r < 0)
		return r;
	bool pure = s->kind == SPOT_LAYER && s->layer == ov->top && table_dir(ov, dir) == NULL;
	if (!pure)
		cover = layer_lower_exists(ov, o->view, &host);
	if (cover < 0)
		return cover;
	if (pure)   /* the kernel judges: it is as on the host */
		return is_dir ? remove_dir(ov, top, name, false) : sys_unlinkat(top, name, 0);
	bool in_top = o->is_top;
	if (!in_top)
		r = names_origin(ov, c, o, false);
	_cleanup_cred_ int own = cred_own_begin();
	if (r == 0)
		r = force_begin(top, &force);
	if (r < 0)
		return r;
	if (is_dir && in_top)
		r = remove_dir(ov, top, name, cover);
	else if (cover)
		r = layer_whiteout(ov, top, name);
	else
		r = sys_unlinkat(top, name, 0);
	if (r < 0)
		return r;
	if (cover)
		return table_put(ov, o->view, DNODE_WHITEOUT, DT_CHR, 0);
	table_remove(ov, o->view);
	return 0;
}

int overlay_unlink(struct overlay *ov, const struct caller *c, struct at at, int flags)
{
	_cleanup_object_ struct object dir, o;
	_cleanup_spot_ struct spot s;
	bool want_dir = flags & AT_REMOVEDIR;
	enum leaf_last last;
	struct leaf leaf;
	int r;

	object_init(&dir);
	object_init(&o);
	spot_init(&s);
	r = lookup_leaf(ov, c, at, &leaf, &last);
	if (r < 0)
		return r;
	if (last != LEAF_NORMAL)
		return !want_dir ? -EISDIR : last == LEAF_DOT ? -EINVAL : last == LEAF_ROOT ? -EBUSY : -ENOTEMPTY;
	if (leaf.too_long)
		return -ENAMETOOLONG;
	_cleanup_close_ int dirfd = -1;
	if ((want_dir || !leaf.slash) && pure_begin(ov, &leaf, &dirfd) == 1) {
		r = sys_unlinkat(dirfd, leaf.name, flags);
		pure_end(ov);
		if (r != -ENOTEMPTY && r != -EEXIST)   /* there may be whiteouts in a directory that is empty to the view */
			return r;
	}
	r = leaf_await(ov, c, &leaf);
	if (r == 0)
		r = change_begin(ov);
	if (r < 0)
		return r;
	r = lookup_canonical_locked(ov, leaf.dir, &dir);
	if (r == 0)
		r = perm_object(ov, &dir, X_OK);
	if (r == 0)
		r = lookup_canonical_locked(ov, leaf.view, &o);
	if (r == 0 && leaf.slash && !want_dir)
		r = S_ISDIR(o.st.st_mode) ? -EISDIR : -ENOTDIR;
	if (r == 0)
		r = perm_remove(ov, &dir, &o);
	if (r == 0 && S_ISDIR(o.st.st_mode) != want_dir)
		r = want_dir ? -ENOTDIR : -EISDIR;
	if (r == 0)
		r = perm_writable_fs(&dir);
	if (r == 0)
		r = perm_flags(&dir, STATX_ATTR_APPEND);
	if (r == 0)
		r = names_busy(ov, &o);
	if (r == 0 && want_dir)
		r = names_check_empty(ov, &o);
	if (r == 0)
		r = table_walk_locked(ov, leaf.view, &s);
	if (r == 0)
		r = remove_found(ov, c, &o, &s);
	change_end(ov, true);
	return r;
}
