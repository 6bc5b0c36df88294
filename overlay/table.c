/* table.c - the table of touched directories.
 *
 * A tree of the names that the layers have in directories which also exist further down. It answers, in memory, where a path of the view
 * lives (table_walk.c). Everything below a directory that only one layer has ("pure") is left to the kernel, as is everything below a name
 * the tree does not have.
 *
 * (T1) The layers on disk are the truth: any part of the tree may be dropped and is read again when it is next needed.
 * (T2) The tree is of the box's generation `seen`; each change of names made by another process moves the generation, and the next
 *      table_begin drops the tree.
 * (T3) Whether the host has an object is never remembered here.
 */
#include "overlay/dnode.h"

#include <dirent.h>

static int root_make(struct overlay *ov)
{
	struct part_list l = { 0 };
	struct stat st;
	int r = sys_fstat(ov->layers[ov->top].tree_fd, &st);

	ov->root = calloc(1, sizeof *ov->root + 1);
	if (!ov->root)
		return -ENOMEM;
	if (r == 0)
		dnode_set_meta(ov->root, &st, fd_has_acl(ov->layers[ov->top].tree_fd));
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

int table_read_marks(struct overlay *ov)
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

int table_note_touched(struct overlay *ov, const struct stat *st)
{
	int r = table_begin(ov, false);

	if (r < 0)
		return r;
	bool known = inode_set_has(&ov->touched, st->st_dev, st->st_ino);
	table_end(ov);
	if (known)
		return 0;
	r = table_begin(ov, true);
	if (r < 0)
		return r;
	r = inode_set_add(&ov->touched, st->st_dev, st->st_ino);
	table_end(ov);
	return r;
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

void table_drop(struct overlay *ov)
{
	dnode_unload(ov->root);
	ov->redirects_valid = false;
}

void table_free(struct overlay *ov)
{
	redirects_free(ov);
	dnode_free(ov->root);
	inode_set_release(&ov->touched);
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
	bool acl = fd_has_acl(fd);
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

/* With a renamed directory its redirect goes. */
static void take_out(struct overlay *ov, struct dnode *n)
{
	if (n->redirected)
		ov->redirects_valid = false;
	dnode_take_out(n);
}

int table_put(struct overlay *ov, const char *view, enum dnode_kind kind, unsigned char type, uint64_t ino)
{
	const char *name;
	struct dnode *d = parent_node(ov, view, &name), *n;

	if (!d)
		return 0;
	n = dnode_find(d, name, strlen(name));
	if (n)
		take_out(ov, n);
	return dnode_add(d, name, kind, ov->top, type, ino);
}

void table_remove(struct overlay *ov, const char *view)
{
	const char *name;
	struct dnode *d = parent_node(ov, view, &name), *n = d ? dnode_find(d, name, strlen(name)) : NULL;

	if (n)
		take_out(ov, n);
}
