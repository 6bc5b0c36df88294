/* rename.c - renaming in the view.
 *
 * (R1) What is renamed is in the top layer first: a non-directory is copied up, a directory gets a mirror that says by a redirect where on the
 *      host (or in a lower layer) the rest of it is. So no rename is ever refused for crossing layers.
 * (R2) A directory that lands where the host may have one is opaque or redirected: it never merges with what it covers.
 * (R3) At the new name there is at each instant the old object or the new one; at the old name the object, or a whiteout if something
 *      below would show.
 */
#include "overlay/internal.h"

#include <linux/fs.h>
#include <sys/sysmacros.h>
#include <stdio.h>
#include <unistd.h>

#define RENAME_TRIES 100

struct renaming {
	struct overlay *ov;
	const struct caller *c;
	unsigned flags;
	struct leaf old, new;
	struct object odir, ndir, o, n;
	bool exists;                 /* exists: the new name is taken, n is it */
};

static int check_target(struct renaming *x)
{
	bool is_dir = S_ISDIR(x->o.st.st_mode);
	int r;

	if (!x->exists) {
		if (x->flags & RENAME_EXCHANGE)
			return -ENOENT;
		return perm_object(x->ov, &x->ndir, W_OK | X_OK);
	}
	if (x->flags & RENAME_NOREPLACE)
		return -EEXIST;
	r = perm_remove(x->ov, &x->ndir, &x->n);
	if (r < 0 || (x->flags & RENAME_EXCHANGE))
		return r;
	if (is_dir && !S_ISDIR(x->n.st.st_mode))
		return -ENOTDIR;
	if (!is_dir && S_ISDIR(x->n.st.st_mode))
		return -EISDIR;
	return 0;
}

static bool same_object(const struct renaming *x)
{
	return x->exists && x->o.st.st_ino == x->n.st.st_ino && x->o.st.st_dev == x->n.st.st_dev;
}

/* All that the kernel checks, in its order. 1: nothing is to be done. */
static int check(struct renaming *x)
{
	bool is_dir = S_ISDIR(x->o.st.st_mode), exchange = x->flags & RENAME_EXCHANGE;
	int r;

	if ((x->flags & RENAME_NOREPLACE) && x->exists)
		return -EEXIST;
	if (exchange && !x->exists)
		return -ENOENT;
	if (!is_dir && x->old.slash)
		return -ENOTDIR;
	if (!is_dir && !exchange && x->new.slash)
		return -ENOTDIR;
	if (exchange && x->new.slash && !S_ISDIR(x->n.st.st_mode))
		return -ENOTDIR;
	if (strcmp(x->old.view, x->new.view) && path_below(x->new.view, x->old.view, NULL))
		return is_dir ? -EINVAL : -ENOTDIR;
	if (strcmp(x->old.view, x->new.view) && path_below(x->old.view, x->new.view, NULL))
		return exchange ? -EINVAL : -ENOTEMPTY;
	if (same_object(x))
		return 1;
	r = perm_remove(x->ov, &x->odir, &x->o);
	if (r == 0)
		r = check_target(x);
	if (r == 0)
		r = perm_writable_fs(&x->odir);
	if (r == 0)
		r = perm_writable_fs(&x->ndir);
	if (r == 0)
		r = perm_flags(&x->odir, STATX_ATTR_APPEND);
	if (r == 0 && x->exists)
		r = perm_flags(&x->ndir, STATX_ATTR_APPEND);
	if (r == 0 && overlay_hides(x->ov, x->new.view))
		r = -EACCES;
	if (r == 0 && strcmp(x->old.dir, x->new.dir)) {   /* ".." changes */
		if (is_dir)
			r = perm_object(x->ov, &x->o, W_OK);
		if (r == 0 && exchange && S_ISDIR(x->n.st.st_mode))
			r = perm_object(x->ov, &x->n, W_OK);
	}
	if (r == 0)
		r = names_busy(x->ov, &x->o);
	if (r == 0 && x->exists)
		r = names_busy(x->ov, &x->n);
	return r;
}

static void release(struct renaming *x)
{
	object_release(&x->odir);
	object_release(&x->ndir);
	object_release(&x->o);
	object_release(&x->n);
}

typedef int lookup_fn(struct renaming *x, const char *view, struct object *ret);

static int find_free(struct renaming *x, const char *view, struct object *ret)
{
	return lookup_canonical(x->ov, x->c, view, ret);
}

static int find_locked(struct renaming *x, const char *view, struct object *ret)
{
	return lookup_canonical_locked(x->ov, view, ret);
}

static int find_all(struct renaming *x, lookup_fn *find)
{
	int r;

	release(x);
	r = find(x, x->old.dir, &x->odir);
	if (r == 0)
		r = find(x, x->new.dir, &x->ndir);
	if (r == 0 && !cred_is_root())   /* before it is known whether the names are there */
		r = perm_object(x->ov, &x->odir, X_OK);
	if (r == 0 && !cred_is_root())
		r = perm_object(x->ov, &x->ndir, X_OK);
	if (r == 0)
		r = find(x, x->old.view, &x->o);
	if (r < 0)
		return r;
	r = find(x, x->new.view, &x->n);
	x->exists = r == 0;
	return r == -ENOENT ? 0 : r;
}

/* The object's mirror, with what tells where the rest of the directory is. to: the directory it will be in. */
static int prepare_dir(struct renaming *x, const char *view, const char *to)
{
	struct overlay *ov = x->ov;
	_cleanup_spot_ struct spot s;
	_cleanup_close_ int fd = -1;
	_cleanup_force_ struct force force = { .fd = -1 };
	char value[4], mark[] = "redirects";
	int r;

	spot_init(&s);
	r = layer_mirror(ov, x->c, view, &fd, NULL);
	if (r == 0)
		r = table_walk_locked(ov, view, &s);
	if (r < 0)
		return r;
	_cleanup_cred_ int own = cred_own_begin();
	r = force_begin(fd, &force);
	if (r < 0)
		return r;
	if (s.kind == SPOT_LAYER || (s.kind == SPOT_DIR && s.nparts == 1))
		r = fd_is_opaque(fd) ? 0 : fd_set_opaque(fd);
	if (s.kind == SPOT_LAYER || r < 0)
		return r;
	if (s.kind != SPOT_DIR)
		return -EIO;
	r = layer_mark_impure(ov, to);
	if (r < 0 || s.nparts == 1)
		return r;
	if (fd_getxattr(fd, XATTR_REDIRECT, value, 0) > 0)
		return 0;
	r = sys_mknodat(ov->layers[ov->top].links_fd, mark, S_IFREG | 0600, 0);
	if (r < 0 && r != -EEXIST)
		return r;
	ov->has_redirects = true;
	return sys_setxattr(FD_PATH(fd), XATTR_REDIRECT, s.parts[1].path, strlen(s.parts[1].path), 0);
}

/* The origin of the new name, where the top layer has nothing yet. */
static int note_new(struct renaming *x)
{
	_cleanup_spot_ struct spot s;
	int r;

	spot_init(&s);
	r = table_walk_locked(x->ov, x->new.view, &s);
	if (r < 0)
		return r;
	if (s.kind == SPOT_LAYER || s.kind == SPOT_OTHER || s.kind == SPOT_DIR)
		return 0;
	if (s.kind == SPOT_WHITEOUT && s.layer == x->ov->top)
		return 0;
	return x->exists ? names_origin(x->ov, x->c, &x->n, true) : layer_note_absent(x->ov, x->c, x->new.view);
}

static int drop_dir(struct overlay *ov, int dirfd, const char *name)
{
	char tmp[32];
	int work = ov->layers[ov->top].work_fd, r;

	layer_temp_name(ov, tmp);
	r = sys_renameat2(dirfd, name, work, tmp, RENAME_NOREPLACE);
	return r < 0 ? r : (layer_remove_tree(work, tmp), 0);
}

/* After an exchange the old name has what was at the new one: a whiteout, or a directory that is empty in the view. */
static int clear_old(struct renaming *x, int ofd, bool was_dir, bool cover)
{
	struct overlay *ov = x->ov;
	int work = ov->layers[ov->top].work_fd, r;
	char tmp[32];

	if (!was_dir)
		return cover ? 0 : sys_unlinkat(ofd, x->old.name, 0);
	if (!cover)
		return drop_dir(ov, ofd, x->old.name);
	layer_temp_name(ov, tmp);
	r = sys_mknodat(work, tmp, S_IFCHR, makedev(0, 0));
	if (r == 0)
		r = sys_renameat2(work, tmp, ofd, x->old.name, RENAME_EXCHANGE);
	return r < 0 ? r : (layer_remove_tree(work, tmp), 0);
}

/* The move inside the layer. there: what stat says the top layer has at the new name, NULL for nothing. */
static int move(struct renaming *x, int ofd, int nfd, const struct stat *there, bool cover)
{
	bool is_dir = S_ISDIR(x->o.st.st_mode);
	int r;

	if (is_dir && there) {
		r = sys_renameat2(ofd, x->old.name, nfd, x->new.name, RENAME_EXCHANGE);
		return r < 0 ? r : clear_old(x, ofd, S_ISDIR(there->st_mode), cover);
	}
	r = sys_renameat2(ofd, x->old.name, nfd, x->new.name, cover ? RENAME_WHITEOUT : 0);
	if (r == -EINVAL && cover) {   /* a file system without RENAME_WHITEOUT */
		r = sys_renameat2(ofd, x->old.name, nfd, x->new.name, 0);
		if (r == 0)
			r = layer_whiteout(x->ov, ofd, x->old.name);
	}
	return r;
}

static int put(struct overlay *ov, const char *view, const struct stat *st)
{
	return table_put(ov, view, S_ISDIR(st->st_mode) ? DNODE_DIR : DNODE_OTHER, (unsigned char)IFTODT(st->st_mode), st->st_ino);
}

/* Our own non-root mirror of a directory may lack the bits that moving it, or out of it, needs. */
static int force_dir(int dirfd, const char *name, struct force *f)
{
	_cleanup_close_ int fd = sys_openat(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);

	return fd == -ENOTDIR || fd == -ENOENT ? 0 : fd < 0 ? fd : force_begin(fd, f);
}

static int apply(struct renaming *x)
{
	struct overlay *ov = x->ov;
	_cleanup_close_ int ofd = -1, nfd = -1;
	_cleanup_force_ struct force f1 = { .fd = -1 }, f2 = { .fd = -1 }, f3 = { .fd = -1 }, f4 = { .fd = -1 };
	bool exchange = x->flags & RENAME_EXCHANGE;
	struct stat there, moved, other;
	int r = 0, cover = 0;

	if (S_ISDIR(x->o.st.st_mode))
		r = prepare_dir(x, x->old.view, x->new.dir);
	if (r == 0 && exchange && S_ISDIR(x->n.st.st_mode))
		r = prepare_dir(x, x->new.view, x->old.dir);
	if (r == 0)
		r = layer_mirror(ov, x->c, x->old.dir, &ofd, NULL);
	if (r == 0)
		r = layer_mirror(ov, x->c, x->new.dir, &nfd, NULL);
	if (r == 0)
		r = note_new(x);
	if (r == 0 && !exchange)
		r = cover = layer_lower_exists(ov, x->old.view, NULL);
	if (r < 0)
		return r;
	_cleanup_cred_ int own = cred_own_begin();
	r = force_begin(ofd, &f1);
	if (r == 0)
		r = force_begin(nfd, &f2);
	if (r == 0)
		r = force_dir(ofd, x->old.name, &f3);
	if (r == 0)
		r = force_dir(nfd, x->new.name, &f4);
	if (r == 0)
		r = sys_fstatat(ofd, x->old.name, &moved, AT_SYMLINK_NOFOLLOW);
	if (r < 0)
		return r;
	r = sys_fstatat(nfd, x->new.name, &there, AT_SYMLINK_NOFOLLOW);
	bool taken = r == 0;
	if (r < 0 && r != -ENOENT)
		return r;
	ov->redirects_valid = false;
	if (exchange) {
		other = there;
		r = taken ? sys_renameat2(ofd, x->old.name, nfd, x->new.name, RENAME_EXCHANGE) : -ENOENT;
		if (r == 0)
			r = put(ov, x->old.view, &other);
	} else {
		r = move(x, ofd, nfd, taken ? &there : NULL, cover);
		if (r == 0 && cover)
			r = table_put(ov, x->old.view, DNODE_WHITEOUT, DT_CHR, 0);
		else if (r == 0)
			table_remove(ov, x->old.view);
	}
	return r < 0 ? r : put(ov, x->new.view, &moved);
}

static int once(struct renaming *x)
{
	bool exchange = x->flags & RENAME_EXCHANGE;
	int r = find_all(x, find_free);

	/* Looked at one after the other, while others rename: this only tells what to copy up. What is so is decided below. */
	if (r == 0)
		r = check(x);
	int copied = 0;
	if (r == 0 && !S_ISDIR(x->o.st.st_mode))
		copied = copyup_object(x->ov, x->c, &x->o, 0);
	if (r == 0 && copied == 0 && exchange && !S_ISDIR(x->n.st.st_mode))
		copied = copyup_object(x->ov, x->c, &x->n, 0);
	if (copied == -ENOENT)   /* renamed under our hands */
		copied = 0;
	if (r == -CALLER_GONE || copied == -CALLER_GONE)   /* the caller is gone */
		return -CALLER_GONE;
	r = change_begin(x->ov);
	if (r < 0)
		return r;
	r = find_all(x, find_locked);
	if (r == 0)
		r = check(x);
	bool todo = r == 0;
	if (r == 0 && !exchange && x->exists && S_ISDIR(x->n.st.st_mode))
		r = names_check_empty(x->ov, &x->n);
	if (r == 0 && ((!S_ISDIR(x->o.st.st_mode) && !x->o.is_top) ||
		       (exchange && !S_ISDIR(x->n.st.st_mode) && !x->n.is_top)))
		r = copied < 0 ? copied : -EAGAIN;   /* it changed meanwhile */
	if (r == 0 && todo)
		r = apply(x);
	change_end(x->ov, true);
	return r > 0 ? 0 : r;
}

/* Both directories are the top layer's alone: the kernel does it all. */
static int inside_pure(struct renaming *x)
{
	_cleanup_close_ int ofd = -1, nfd = -1;
	int r = -EAGAIN;

	if (x->old.slash || x->new.slash || pure_begin(x->ov, &x->old, &ofd) != 1)
		return r;
	_cleanup_spot_ struct spot s;
	spot_init(&s);
	if (table_walk_reading(x->ov, x->new.dir, &s) == 0 && s.kind == SPOT_LAYER && s.layer == x->ov->top &&
	    layer_open(x->ov, s.layer, s.path, O_PATH | O_DIRECTORY, &nfd) == 0)
		r = sys_renameat2(ofd, x->old.name, nfd, x->new.name, x->flags);
	pure_end(x->ov);
	return r;
}

int overlay_rename(struct overlay *ov, const struct caller *c, struct at old, struct at at, unsigned flags)
{
	struct renaming x = { .ov = ov, .c = c, .flags = flags };
	enum leaf_last last_old, last_new;
	int r;

	object_init(&x.odir);
	object_init(&x.ndir);
	object_init(&x.o);
	object_init(&x.n);
	if (flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;   /* also RENAME_WHITEOUT: whiteouts are ours */
	if ((flags & RENAME_NOREPLACE) && (flags & RENAME_EXCHANGE))
		return -EINVAL;
	/* Both directories are walked to before either name is looked at. Of other names than normal ones lookup_leaf has asked. */
	r = lookup_leaf(ov, c, old, &x.old, &last_old);
	if (r == 0 && last_old == LEAF_NORMAL)
		r = leaf_access(ov, c, &x.old, X_OK);
	if (r == 0)
		r = lookup_leaf(ov, c, at, &x.new, &last_new);
	if (r == 0 && last_new == LEAF_NORMAL)
		r = leaf_access(ov, c, &x.new, X_OK);
	if (r < 0)
		return r;
	if (last_old != LEAF_NORMAL)
		return -EBUSY;
	if (last_new == LEAF_NORMAL && names_across_mounts(ov, x.old.view, x.new.view))
		return -EXDEV;
	if (last_new != LEAF_NORMAL)
		return (flags & RENAME_NOREPLACE) ? -EEXIST : -EBUSY;
	if (x.old.too_long)
		return -ENAMETOOLONG;
	if (x.new.too_long) {   /* that the old name is missing comes before that */
		r = lookup_canonical(ov, c, x.old.view, &x.o);
		release(&x);
		return r < 0 ? r : -ENAMETOOLONG;
	}
	r = inside_pure(&x);
	for (int tries = 0; r == -EAGAIN && tries < RENAME_TRIES; tries++) {
		r = once(&x);
		if (r != -EAGAIN)
			break;
	}
	release(&x);
	return r == -EAGAIN ? -EBUSY : r;
}
