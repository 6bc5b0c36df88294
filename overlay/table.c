/* table.c - the table of touched directories.
 *
 * A tree of the names that the layers have in directories which also exist further down. It answers, in memory, where a path of the view
 * lives. Everything below a directory that only one layer has ("pure") is left to the kernel, as is everything below a name the tree
 * does not have.
 *
 * (T1) The layers on disk are the truth: any part of the tree may be dropped and is read again when it is next needed.
 * (T2) The tree is of the box's generation `seen`; each change of names made by another process moves the generation, and the next
 *      table_begin drops the tree.
 * (T3) Whether the host has an object is never remembered here.
 * (T4) A directory's buckets go by the high bits of a 31-bit hash, so walking them in order is walking the hashes in order: a listing
 *      finds its place again by the hash alone, whatever came and went in between.
 */
#include "overlay/internal.h"

#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

#define BUCKET_BITS_MIN 3
#define BUCKET_BITS_MAX 22

uint32_t dnode_hash(const char *name, size_t len)
{
	uint64_t h = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)name[i]) * 0x100000001b3ull;
	h ^= h >> 29;
	h *= 0xbf58476d1ce4e5b9ull;
	h = (h >> 33) & 0x7fffffff;
	return h ? (uint32_t)h : 1;
}

static struct dnode **bucket_of(const struct dnode *d, uint32_t hash)
{
	return &d->bucket[hash >> (31 - d->bucket_bits)];
}

struct dnode *dnode_find(const struct dnode *d, const char *name, size_t len)
{
	if (!d->bucket)
		return NULL;
	uint32_t hash = dnode_hash(name, len);

	for (struct dnode *n = *bucket_of(d, hash); n; n = n->next)
		if (n->hash == hash && !strncmp(n->name, name, len) && !n->name[len])
			return n;
	return NULL;
}

static void parts_free(struct part *parts, int n)
{
	for (int i = 0; i < n; i++)
		free(parts[i].path);
	free(parts);
}

static void dnode_free(struct dnode *d);

static void dnode_unload(struct dnode *d)
{
	if (d->bucket) {
		for (size_t i = 0; i < (size_t)1 << d->bucket_bits; i++)
			for (struct dnode *n = d->bucket[i], *next; n; n = next) {
				next = n->next;
				dnode_free(n);
			}
		free(d->bucket);
		d->bucket = NULL;
	}
	d->nchildren = 0;
	d->loaded = false;
}

/* The depth of the tree is bounded: a path of the view has at most PATH_MAX / 2 components. */
static void dnode_free(struct dnode *d)
{
	if (!d)
		return;
	dnode_unload(d);
	parts_free(d->parts, d->nparts);
	free(d);
}

static int dnode_grow(struct dnode *d)
{
	unsigned bits = d->bucket ? d->bucket_bits + 2 : BUCKET_BITS_MIN;

	if (bits > BUCKET_BITS_MAX)
		return 0;
	struct dnode **bucket = calloc((size_t)1 << bits, sizeof *bucket);
	if (!bucket)
		return d->bucket ? 0 : -ENOMEM;
	struct dnode **old = d->bucket;
	unsigned old_bits = d->bucket_bits;

	d->bucket = bucket;
	d->bucket_bits = bits;
	for (size_t i = 0; old && i < (size_t)1 << old_bits; i++)
		for (struct dnode *n = old[i], *next; n; n = next) {
			struct dnode **b = bucket_of(d, n->hash);
			next = n->next;
			n->next = *b;
			*b = n;
		}
	free(old);
	return 0;
}

static int dnode_add(struct dnode *d, const char *name, enum dnode_kind kind, int layer, unsigned char type, uint64_t ino)
{
	size_t len = strlen(name);
	struct dnode *n;
	int r;

	if (!d->bucket || d->nchildren > ((size_t)2 << d->bucket_bits)) {
		r = dnode_grow(d);
		if (r < 0)
			return r;
	}
	n = calloc(1, sizeof *n + len + 1);
	if (!n)
		return -ENOMEM;
	memcpy(n->name, name, len + 1);
	n->hash = dnode_hash(name, len);
	n->parent = d;
	n->kind = kind;
	n->layer = layer;
	n->type = type;
	n->ino = ino;
	n->next = *bucket_of(d, n->hash);
	*bucket_of(d, n->hash) = n;
	d->nchildren++;
	return 0;
}

static void dnode_take_out(struct dnode *n)
{
	for (struct dnode **p = bucket_of(n->parent, n->hash); *p; p = &(*p)->next)
		if (*p == n) {
			*p = n->next;
			n->parent->nchildren--;
			dnode_free(n);
			return;
		}
}

/* ---- parts ---- */

struct part_list {
	struct part *v;
	int n;
};

static int part_list_add(struct part_list *l, int layer, const char *path)
{
	struct part *v = reallocarray(l->v, (size_t)l->n + 1, sizeof *v);

	if (!v)
		return -ENOMEM;
	l->v = v;
	v[l->n].layer = layer;
	v[l->n].path = strdup(path);
	if (!v[l->n].path)
		return -ENOMEM;
	l->n++;
	return 0;
}

struct part_marks {
	bool redirect, impure, acl;
	struct stat st;
};

/* Only root's processes meet mirrors that another owns. */
static bool has_acl(int fd)
{
	return cred_process_is_root() && fd_getxattr(fd, "system.posix_acl_access", NULL, 0) > 0;
}

static int child_parts(struct overlay *ov, const struct part *in, int nin, const char *name, struct part_list *out,
		       struct part_marks *ret_marks, int depth);

/* The parts of an absolute path in the stack of what lies below a layer. */
static int stack_parts(struct overlay *ov, int below, const char *path, struct part_list *out, int depth)
{
	struct part_list cur = { 0 };
	char name[NAME_MAX + 1];
	int r = 0;

	for (int i = below - 1; r == 0 && i >= 0; i--)
		r = part_list_add(&cur, i, "/");
	if (r == 0)
		r = part_list_add(&cur, PART_HOST, "/");
	while (r == 0 && *(path += strspn(path, "/"))) {
		struct part_list next = { 0 };
		size_t len = strcspn(path, "/");

		if (len > NAME_MAX || (len == 1 && path[0] == '.') || (len == 2 && path[0] == '.' && path[1] == '.')) {
			r = -EIO;
			break;
		}
		memcpy(name, path, len);
		name[len] = 0;
		path += len;
		r = child_parts(ov, cur.v, cur.n, name, &next, NULL, depth + 1);
		parts_free(cur.v, cur.n);
		cur = next;
	}
	for (int i = 0; r == 0 && i < cur.n; i++)
		r = part_list_add(out, cur.v[i].layer, cur.v[i].path);
	parts_free(cur.v, cur.n);
	return r;
}

/* What `name` is made of in the directory made of the parts `in`. Only directories give parts. */
static int child_parts(struct overlay *ov, const struct part *in, int nin, const char *name, struct part_list *out,
		       struct part_marks *ret_marks, int depth)
{
	char path[PATH_MAX], redirect[PATH_MAX];

	if (depth > BOX_LAYERS_MAX)
		return -EIO;
	for (int i = 0; i < nin; i++) {
		int r = path_join(path, sizeof path, in[i].path, name);
		if (r < 0)
			return r;
		if (in[i].layer == PART_HOST)
			return part_list_add(out, PART_HOST, path);

		_cleanup_close_ int fd = -1;
		struct stat st;
		r = layer_open_own(ov, in[i].layer, path, O_PATH | O_NOFOLLOW, &fd);
		if (r == -ENOENT)
			continue;
		if (r < 0)
			return r;
		r = sys_fstat(fd, &st);
		if (r < 0)
			return r;
		if (!S_ISDIR(st.st_mode))
			return 0;
		/* An ordinary user cannot read the attributes of what he may not read, be it his own. */
		_cleanup_force_ struct force force = { .fd = -1 };
		if (!(st.st_mode & S_IRUSR)) {
			r = force_begin(fd, &force);
			if (r < 0)
				return r;
		}
		r = part_list_add(out, in[i].layer, path);
		if (r < 0)
			return r;
		if (ret_marks && out->n == 1) {
			ret_marks->impure = fd_is_impure(fd);
			ret_marks->acl = has_acl(fd);
			ret_marks->st = st;
		}
		if (fd_is_opaque(fd))
			return 0;
		ssize_t n = fd_getxattr(fd, XATTR_REDIRECT, redirect, sizeof redirect - 1);
		if (n <= 0)
			continue;
		redirect[n] = 0;
		if (ret_marks && out->n == 1)
			ret_marks->redirect = true;
		if (redirect[0] != '/') {   /* a new name in the same directory */
			char dir[PATH_MAX];
			if (strchr(redirect, '/') || path_split(path, dir, sizeof dir) == NULL ||
			    path_join(path, sizeof path, dir, redirect) < 0)
				return -EIO;
			strcpy(redirect, path);
		}
		return stack_parts(ov, in[i].layer, redirect, out, depth + 1);
	}
	return 0;
}

static void dnode_set_meta(struct dnode *d, const struct stat *st, bool acl)
{
	d->mode = st->st_mode;
	d->uid = st->st_uid;
	d->gid = st->st_gid;
	d->acl = acl;
}

int dnode_resolve(struct overlay *ov, struct dnode *d)
{
	struct part_list l = { 0 };
	struct part_marks marks = { 0 };
	int r;

	if (d->resolved)
		return 0;
	_cleanup_cred_ int own = cred_own_begin();   /* the marks of a directory do not depend on who may read it */
	(void)own;
	r = dnode_resolve(ov, d->parent);
	if (r < 0)
		return r;
	r = child_parts(ov, d->parent->parts, d->parent->nparts, d->name, &l, &marks, 0);
	if (r == 0 && l.n == 0)
		r = -EIO;   /* the directory that the listing told of is gone: somebody edits the layer by hand */
	if (r < 0) {
		parts_free(l.v, l.n);
		return r;
	}
	parts_free(d->parts, d->nparts);
	d->parts = l.v;
	d->nparts = l.n;
	d->redirected = marks.redirect;
	d->impure = marks.impure;
	dnode_set_meta(d, &marks.st, marks.acl);
	d->resolved = true;
	return 0;
}

static int load_name(struct overlay *ov, struct dnode *d, int layer, int dirfd, const struct dirent *e)
{
	enum dnode_kind kind = DNODE_OTHER;
	unsigned char type = e->d_type;
	struct stat st;

	(void)ov;
	if (dnode_find(d, e->d_name, strlen(e->d_name)))
		return 0;
	if (type == DT_UNKNOWN || type == DT_CHR) {
		int r = sys_fstatat(dirfd, e->d_name, &st, AT_SYMLINK_NOFOLLOW);
		if (r < 0)
			return r == -ENOENT ? 0 : r;
		type = (unsigned char)IFTODT(st.st_mode);
		if (stat_is_whiteout(&st))
			kind = DNODE_WHITEOUT;
	}
	if (type == DT_DIR)
		kind = DNODE_DIR;
	return dnode_add(d, e->d_name, kind, layer, type, e->d_ino);
}

static int load_layer(struct overlay *ov, struct dnode *d, const struct part *p)
{
	_cleanup_closedir_ DIR *dir = NULL;
	_cleanup_cred_ int own = cred_own_begin();
	_cleanup_force_ struct force force = { .fd = -1 };
	int fd, r;

	(void)own;
	r = layer_open(ov, p->layer, p->path, O_RDONLY | O_DIRECTORY, &fd);
	if (r == -EACCES) {
		_cleanup_close_ int path_fd = -1;
		r = layer_open_own(ov, p->layer, p->path, O_PATH | O_DIRECTORY, &path_fd);
		if (r == 0)
			r = force_begin(path_fd, &force);
		if (r == 0)
			r = fd = sys_openat(path_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	}
	if (r < 0)
		return r;
	dir = dir_take(fd);
	if (!dir)
		return -ENOMEM;
	for (struct dirent *e; (e = readdir(dir));) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		r = load_name(ov, d, p->layer, fd, e);
		if (r == -EACCES && !force.armed && force_begin(fd, &force) == 0)   /* it may be read, and not searched */
			r = load_name(ov, d, p->layer, fd, e);
		if (r < 0)
			return r;
	}
	return 0;
}

int dnode_load(struct overlay *ov, struct dnode *d)
{
	int r;

	if (d->loaded)
		return 0;
	r = dnode_resolve(ov, d);
	for (int i = 0; r == 0 && i < d->nparts; i++)
		if (d->parts[i].layer != PART_HOST)
			r = load_layer(ov, d, &d->parts[i]);
	if (r < 0) {
		dnode_unload(d);
		return r;
	}
	d->loaded = true;
	return 0;
}

/* ---- sets of inodes ---- */

static size_t inode_slot(const struct inode_set *s, uint64_t dev, uint64_t ino)
{
	uint64_t h = (ino ^ (dev << 40) ^ dev) * 0x9e3779b97f4a7c15ull;
	size_t i = (size_t)(h >> 32) & (s->size - 1);

	while (s->slot[i].ino && (s->slot[i].ino != ino || s->slot[i].dev != dev))
		i = (i + 1) & (s->size - 1);
	return i;
}

bool inode_set_has(const struct inode_set *s, uint64_t dev, uint64_t ino)
{
	return s->size && s->slot[inode_slot(s, dev, ino)].ino;
}

int inode_set_add(struct inode_set *s, uint64_t dev, uint64_t ino)
{
	if (!ino)
		return 0;
	if (s->used * 2 >= s->size) {
		struct inode_set n = { .size = s->size ? s->size * 2 : 256 };
		n.slot = calloc(n.size, sizeof *n.slot);
		if (!n.slot)
			return -ENOMEM;
		for (size_t i = 0; i < s->size; i++)
			if (s->slot[i].ino)
				n.slot[inode_slot(&n, s->slot[i].dev, s->slot[i].ino)] = s->slot[i];
		n.used = s->used;
		free(s->slot);
		*s = n;
	}
	size_t i = inode_slot(s, dev, ino);
	if (!s->slot[i].ino) {
		s->slot[i].dev = dev;
		s->slot[i].ino = ino;
		s->used++;
	}
	return 0;
}

/* ---- the table ---- */

static int root_make(struct overlay *ov)
{
	struct part_list l = { 0 };
	struct stat st;
	int r = sys_fstat(ov->layers[ov->top].tree_fd, &st);

	ov->root = calloc(1, sizeof *ov->root + 1);
	if (!ov->root)
		return -ENOMEM;
	if (r == 0)
		dnode_set_meta(ov->root, &st, has_acl(ov->layers[ov->top].tree_fd));
	for (int i = ov->top; r == 0 && i >= 0; i--)
		r = part_list_add(&l, i, "/");
	if (r == 0)
		r = part_list_add(&l, PART_HOST, "/");
	ov->root->kind = DNODE_DIR;
	ov->root->layer = ov->top;
	ov->root->type = DT_DIR;
	ov->root->resolved = true;
	ov->root->parts = l.v;
	ov->root->nparts = l.n;
	return r;
}

static int table_read_marks(struct overlay *ov)
{
	links_clear(ov);
	for (int i = ov->top; i >= 0; i--) {
		int r = links_load(ov, i);
		if (r < 0)
			return r;
	}
	return 0;
}

static int touched_add(void *ctx, uint64_t dev, uint64_t ino)
{
	return inode_set_add(ctx, dev, ino);
}

/* Reads the identities that the origins tell of into `touched`. */
static int table_read_touched(struct overlay *ov)
{
	for (int i = 0; i < ov->nlayers; i++) {
		int r = origins_identities(ov->layers[i].fd, &ov->origins_at[i],
					   touched_add, &ov->touched);
		if (r < 0)
			return r;
	}
	return 0;
}

int table_init(struct overlay *ov)
{
	int r = root_make(ov);

	if (r == 0)
		r = table_read_marks(ov);
	if (r == 0)
		r = table_read_touched(ov);
	ov->seen = atomic_load(ov->box->generation);
	return r;
}

static void redirects_free(struct overlay *ov)
{
	for (size_t i = 0; i < ov->nredirects; i++) {
		free(ov->redirects[i].real);
		free(ov->redirects[i].view);
	}
	free(ov->redirects);
	ov->redirects = NULL;
	ov->nredirects = 0;
	ov->redirects_valid = false;
}

void table_drop(struct overlay *ov)
{
	dnode_unload(ov->root);
	ov->redirects_valid = false;
}

void table_free(struct overlay *ov)
{
	redirects_free(ov);
	dnode_free(ov->root);
	free(ov->touched.slot);
	links_clear(ov);
}

int table_refresh(struct overlay *ov)
{
	uint64_t now = atomic_load(ov->box->generation);

	if (now == ov->seen)
		return 0;
	table_drop(ov);
	int r = table_read_marks(ov);
	if (r == 0)
		r = table_read_touched(ov);
	if (r == 0)
		ov->seen = now;
	return r;
}

int table_begin(struct overlay *ov, bool write)
{
	if (!write) {
		pthread_rwlock_rdlock(&ov->lock);
		if (ov->seen == atomic_load_explicit(ov->box->generation, memory_order_acquire))
			return 0;
		pthread_rwlock_unlock(&ov->lock);
	}
	pthread_rwlock_wrlock(&ov->lock);
	int r = table_refresh(ov);
	if (r < 0)
		pthread_rwlock_unlock(&ov->lock);
	return r;
}

void table_changed(struct overlay *ov)
{
	uint64_t was = atomic_fetch_add(ov->box->generation, 1);

	if (ov->seen == was)
		ov->seen = was + 1;
}

void table_end(struct overlay *ov)
{
	pthread_rwlock_unlock(&ov->lock);
}

void spot_init(struct spot *s)
{
	s->parts = NULL;
	s->nparts = 0;
}

void spot_release(struct spot *s)
{
	parts_free(s->parts, s->nparts);
	spot_init(s);
}

const struct part *spot_host(const struct spot *s)
{
	return s->nparts && s->parts[s->nparts - 1].layer == PART_HOST ? &s->parts[s->nparts - 1] : NULL;
}

/* Joins what is left of a view path to a part's path. */
static int spot_rest(struct spot *s, const struct part *p, const char *rest)
{
	size_t a = strlen(p->path), b = strlen(rest);

	if (a == 1)
		a = 0;   /* "/" */
	if (a + b + 1 > sizeof s->path)
		return -ENAMETOOLONG;
	memcpy(s->path, p->path, a);
	memcpy(s->path + a, rest, b + 1);
	if (!s->path[0])
		strcpy(s->path, "/");
	s->layer = p->layer;
	s->host_through = a;
	return 0;
}

static int spot_dir(struct spot *s, const struct dnode *d)
{
	struct part_list l = { 0 };

	s->kind = SPOT_DIR;
	for (int i = 0; i < d->nparts; i++) {
		int r = part_list_add(&l, d->parts[i].layer, d->parts[i].path);
		if (r < 0) {
			parts_free(l.v, l.n);
			return r;
		}
	}
	s->parts = l.v;
	s->nparts = l.n;
	s->layer = d->parts[0].layer;
	return 0;
}

/* What a non-directory node means for the rest of the path. */
static int spot_node(struct spot *s, const struct dnode *d, const struct dnode *n, const char *view, const char *rest)
{
	bool last = !*rest;

	s->through = (size_t)(rest - view);
	if (n->kind == DNODE_WHITEOUT) {
		s->kind = last ? SPOT_WHITEOUT : SPOT_HIDDEN;
		s->layer = n->layer;
		return 0;
	}
	for (int i = 0; i < d->nparts; i++)
		if (d->parts[i].layer == n->layer) {
			s->kind = last ? SPOT_OTHER : SPOT_THROUGH;
			s->layer = n->layer;
			return path_join(s->path, sizeof s->path, d->parts[i].path, n->name) < 0 ? -ENAMETOOLONG : 0;
		}
	return -EIO;
}

/* Whether the mirror would let the caller search the directory, by what is remembered of it. The kernel judges where it walks the mirrors;
 * on its way through the host's directories it knows nothing of a mode that the box has changed. */
static bool may_search(struct overlay *ov, const struct dnode *d)
{
	const struct part *low = &d->parts[d->nparts - 1];
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (cred_is_root())
		return true;
	if (d->uid == cred_fsuid()) {
		if (d->mode & S_IXUSR)
			return true;
		/* An ordinary user's mirror of what belongs to another: then the mode is the host's still, and the kernel judges. */
		return !cred_process_is_root() && low->layer == PART_HOST &&
		       sys_fstatat(ov->root_fd, path_relative(low->path), &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_uid != d->uid;
	}
	if (!cred_process_is_root())
		return true;
	if (!d->acl)
		return d->mode & (cred_in_group(d->gid) ? S_IXGRP : S_IXOTH);
	return layer_open(ov, d->parts[0].layer, d->parts[0].path, O_PATH | O_DIRECTORY, &fd) == 0 && perm_fd(fd, X_OK) == 0;
}

enum walk_how { WALK_LOAD = 1, WALK_SEARCH = 2 };

/* With WALK_LOAD nodes may be loaded; else -EAGAIN where that would have to be. With WALK_SEARCH -EACCES as for table_walk_search. */
static int walk(struct overlay *ov, const char *view, unsigned how, struct spot *s)
{
	bool load = how & WALK_LOAD;
	struct dnode *d = ov->root;
	const char *rest = view;

	for (;;) {
		int r;

		if (!d->resolved) {
			if (!load)
				return -EAGAIN;
			r = dnode_resolve(ov, d);
			if (r < 0)
				return r;
		}
		s->through = (size_t)(rest - view);
		if (dnode_pure(d)) {
			s->kind = SPOT_LAYER;
			return spot_rest(s, &d->parts[0], rest);
		}
		rest += *rest == '/';
		if (!*rest)
			return spot_dir(s, d);
		if ((how & WALK_SEARCH) && !may_search(ov, d))
			return -EACCES;
		if (!d->loaded) {
			if (!load)
				return -EAGAIN;
			r = dnode_load(ov, d);
			if (r < 0)
				return r;
		}
		size_t len = strcspn(rest, "/");
		struct dnode *n = dnode_find(d, rest, len);
		if (!n) {
			const struct part *low = &d->parts[d->nparts - 1];
			if (low->layer != PART_HOST) {   /* no layer has it and the host does not count */
				s->kind = rest[len] ? SPOT_HIDDEN : SPOT_WHITEOUT;
				s->layer = PART_HOST;
				return 0;
			}
			s->kind = SPOT_HOST;
			return spot_rest(s, low, rest == view ? rest : rest - 1);
		}
		rest += len;
		if (n->kind != DNODE_DIR)
			return spot_node(s, d, n, view, rest);
		d = n;
	}
}

int table_walk_reading(struct overlay *ov, const char *view, struct spot *ret)
{
	spot_release(ret);
	return walk(ov, view, 0, ret);
}

int table_walk_locked(struct overlay *ov, const char *view, struct spot *ret)
{
	spot_release(ret);
	return walk(ov, view, WALK_LOAD, ret);
}

static int walk_locking(struct overlay *ov, const char *view, unsigned how, struct spot *ret)
{
	int r;

	spot_release(ret);
	r = table_begin(ov, false);
	if (r < 0)
		return r;
	r = walk(ov, view, how, ret);
	table_end(ov);
	if (r != -EAGAIN)
		return r;
	r = table_begin(ov, true);
	if (r < 0)
		return r;
	r = walk(ov, view, how | WALK_LOAD, ret);
	table_end(ov);
	return r;
}

int table_walk(struct overlay *ov, const char *view, struct spot *ret)
{
	return walk_locking(ov, view, 0, ret);
}

int table_walk_search(struct overlay *ov, const char *view, struct spot *ret)
{
	return walk_locking(ov, view, WALK_SEARCH, ret);
}

int table_meta(struct overlay *ov, const char *view, int fd)
{
	struct dnode *d = ov->root;
	struct stat st;
	int r = sys_fstat(fd, &st);

	if (r == 0)
		r = table_begin(ov, true);
	if (r < 0)
		return r;
	while (d && *(view += strspn(view, "/"))) {
		size_t len = strcspn(view, "/");
		d = dnode_find(d, view, len);
		view += len;
	}
	bool acl = has_acl(fd);
	if (!d || (d->resolved && (d->mode != st.st_mode || d->uid != st.st_uid || d->gid != st.st_gid || d->acl != acl))) {
		if (d)
			dnode_set_meta(d, &st, acl);
		table_changed(ov);
	}
	table_end(ov);
	return 0;
}

struct dnode *table_dir(struct overlay *ov, const char *view)
{
	struct dnode *d = ov->root;

	for (const char *p = view; d; ) {
		p += strspn(p, "/");
		if (dnode_resolve(ov, d) < 0 || dnode_pure(d) || dnode_load(ov, d) < 0)
			return NULL;
		if (!*p)
			return d;
		size_t len = strcspn(p, "/");
		d = dnode_find(d, p, len);
		if (d && d->kind != DNODE_DIR)
			return NULL;
		p += len;
	}
	return NULL;
}

static struct dnode *parent_node(struct overlay *ov, const char *view, const char **ret_name)
{
	char dir[PATH_MAX];

	*ret_name = path_split(view, dir, sizeof dir);
	return *ret_name ? table_dir(ov, dir) : NULL;
}

int table_put(struct overlay *ov, const char *view, enum dnode_kind kind, unsigned char type, uint64_t ino)
{
	const char *name;
	struct dnode *d = parent_node(ov, view, &name), *n;

	if (!d)
		return 0;
	n = dnode_find(d, name, strlen(name));
	if (n)
		dnode_take_out(n);
	return dnode_add(d, name, kind, ov->top, type, ino);
}

void table_remove(struct overlay *ov, const char *view)
{
	const char *name;
	struct dnode *d = parent_node(ov, view, &name), *n = d ? dnode_find(d, name, strlen(name)) : NULL;

	if (n)
		dnode_take_out(n);
}

/* ---- where renamed directories are now ---- */

static int redirects_add(struct overlay *ov, const struct part *p, const char *view)
{
	struct redirect *v = reallocarray(ov->redirects, ov->nredirects + 1, sizeof *v);

	if (!v)
		return -ENOMEM;
	ov->redirects = v;
	v += ov->nredirects;
	v->layer = p->layer;
	v->real = strdup(p->path);
	v->view = strdup(view);
	if (!v->real || !v->view) {
		free(v->real);
		free(v->view);
		return -ENOMEM;
	}
	ov->nredirects++;
	return 0;
}

static int redirects_scan(struct overlay *ov, struct dnode *d, char *view, size_t len)
{
	int r = dnode_resolve(ov, d);

	if (r < 0 || dnode_pure(d))
		return r;
	for (int i = 1; d->redirected && i < d->nparts; i++) {
		r = redirects_add(ov, &d->parts[i], view);
		if (r < 0)
			return r;
	}
	r = dnode_load(ov, d);
	for (size_t b = 0; r == 0 && d->bucket && b < (size_t)1 << d->bucket_bits; b++)
		for (struct dnode *n = d->bucket[b]; r == 0 && n; n = n->next) {
			size_t nlen = strlen(n->name);
			if (n->kind != DNODE_DIR || len + nlen + 2 > PATH_MAX)
				continue;
			view[len] = '/';
			memcpy(view + len + 1, n->name, nlen + 1);
			r = redirects_scan(ov, n, view, len + 1 + nlen);
			view[len] = 0;
		}
	return r;
}

int redirects_update(struct overlay *ov)
{
	char view[PATH_MAX] = "";
	int r;

	if (ov->redirects_valid)
		return 0;
	redirects_free(ov);
	r = ov->has_redirects ? redirects_scan(ov, ov->root, view, 0) : 0;
	if (r == 0)
		ov->redirects_valid = true;
	return r;
}
