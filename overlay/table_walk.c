/* table_walk.c - the decision: where a canonical path of the view lives, by the table alone. */
#include "overlay/dnode.h"

void spot_init(struct spot *s)
{
	s->parts = NULL;
	s->nparts = 0;
	s->own = false;
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
