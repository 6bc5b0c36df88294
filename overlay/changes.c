/* changes.c - what a box changed: the layers compared with the host as it is now. */
#include "overlay/changes.h"
#include "overlay/compare.h"

#include <stdio.h>
#include <sys/random.h>
#include <xxhash.h>

#define DEPTH_MAX (PATH_MAX / 2)
#define DEPTH_OPEN 64   /* DEPTH_OPEN: levels of which a descriptor is kept */

struct collector {
	struct overlay *ov;
	unsigned flags;
	struct changes *out;
	size_t cap;
	struct inode_set sources;  /* sources: see source_take */
	uint64_t seed;
	char view[PATH_MAX];   /* view: of the directory being visited; names are appended and cut off again */
};

static const struct origin *origin_of(struct collector *c, const char *path)
{
	for (int i = 0; i < c->ov->nlayers; i++) {   /* the oldest layer met it first */
		const struct origin *o = c->out->origins[i] ? origins_find(c->out->origins[i], path) : NULL;
		if (o)
			return o;
	}
	return NULL;
}

static int add(struct collector *c, enum change_kind kind, const struct pair *p, const char *from, const char *host_view, bool content)
{
	if (c->out->count == c->cap) {
		size_t cap = c->cap ? c->cap * 2 : 256;
		struct change *list = reallocarray(c->out->list, cap, sizeof *list);
		if (!list)
			return -ENOMEM;
		c->out->list = list;
		c->cap = cap;
	}
	struct change *ch = &c->out->list[c->out->count];
	*ch = (struct change){ .kind = kind, .box = p->box, .host = p->host, .content = content,
			       .times = kind == CHANGE_META && pair_time_differs(p) };
	ch->path = strdup(c->view);
	ch->from = from ? strdup(from) : NULL;
	if (!ch->path || (from && !ch->from)) {
		free(ch->path);
		free(ch->from);
		return -ENOMEM;
	}
	ch->origin = origin_of(c, host_view);
	if (ch->origin)
		ch->host_changed = !origin_same(ch->origin, p->host.st_mode ? &p->host : NULL);
	c->out->count++;
	return 0;
}

/* Where the view has, or would have, the name that the host has at a path: the directory that it is in may be renamed in the box. */
static int view_of_name(const struct overlay *ov, const char *host, char ret[static PATH_MAX])
{
	char dir[PATH_MAX], view[PATH_MAX];
	const char *name = path_split(host, dir, sizeof dir);
	int r = name ? redirects_view(ov, PART_HOST, dir, view, sizeof view) : -ENAMETOOLONG;

	return r < 0 ? r : path_join(ret, PATH_MAX, view, name);
}

/* The names that renames were found to come from, by a hash that nobody can make collide. */
static int source_take(struct collector *c, const char *path)
{
	XXH128_hash_t h = XXH3_128bits_withSeed(path, strlen(path), c->seed);

	if (inode_set_has(&c->sources, h.high64, h.low64 | 1))
		return -EEXIST;
	return inode_set_add(&c->sources, h.high64, h.low64 | 1);
}

/* The name that a copied-up regular file had on the host, when the view no longer has it there: it was renamed. */
static bool renamed_from(struct collector *c, const struct pair *p, const char *host_path, struct record *rec)
{
	_cleanup_spot_ struct spot s;
	char view[PATH_MAX];

	spot_init(&s);
	if (!S_ISREG(p->box.st_mode) || record_read(p->box_fd, rec) < 0 || !rec->path[1] || (host_path && !strcmp(rec->path, host_path)))
		return false;
	/* The text comes from a layer: it must at least be a canonical path. */
	if (strstr(rec->path, "/../") || strstr(rec->path, "//") || strstr(rec->path, "/./"))
		return false;
	if (view_of_name(c->ov, rec->path, view) < 0 || table_walk_locked(c->ov, view, &s) < 0 || (s.kind != SPOT_WHITEOUT && s.kind != SPOT_HIDDEN))
		return false;
	return source_take(c, rec->path) == 0;
}

static int visit_object(struct collector *c, struct pair *p, const char *host_path)
{
	struct record rec;
	int r;

	if (p->host.st_mode == 0 && renamed_from(c, p, host_path, &rec)) {
		_cleanup_pair_ struct pair old = { .box_fd = fcntl(p->box_fd, F_DUPFD_CLOEXEC, 3), .host_fd = -1, .box = p->box };
		r = pair_open_host(c->ov, rec.path, &old.host_fd, &old.host);
		if (r < 0)
			return r;
		if (S_ISREG(old.host.st_mode)) {
			r = pair_content_differs(c->flags, &old);
			return r < 0 ? r : add(c, CHANGE_RENAMED, &old, rec.path, rec.path, r);
		}
	}
	if (p->host.st_mode == 0)
		return add(c, CHANGE_ADDED, p, NULL, c->view, true);
	if ((p->host.st_mode & S_IFMT) != (p->box.st_mode & S_IFMT))
		return add(c, CHANGE_TYPE, p, NULL, c->view, true);
	r = S_ISDIR(p->box.st_mode) ? 0 : pair_content_differs(c->flags, p);
	if (r < 0)
		return r;
	if (r)
		return add(c, CHANGE_MODIFIED, p, NULL, c->view, true);
	return pair_meta_differs(p) ? add(c, CHANGE_META, p, NULL, c->view, false) : 0;
}

static int push(struct collector *c, size_t len, const char *name)
{
	size_t n = strlen(name);

	if (len == 1)
		len = 0;
	if (len + n + 2 > sizeof c->view)
		return -ENAMETOOLONG;
	c->view[len] = '/';
	memcpy(c->view + len + 1, name, n + 1);
	return 0;
}

static int add_deleted(struct collector *c, int host_fd, const struct stat *host)
{
	struct pair p = { .box_fd = -1, .host_fd = host_fd, .host = *host };

	return add(c, CHANGE_DELETED, &p, NULL, c->view, true);
}

/* Names of a host directory that the layer's directory in its place does not have. */
static int visit_replaced(struct collector *c, int layer_fd, int host_fd, size_t len)
{
	_cleanup_strv_ char **names = NULL;
	int r = pair_names(host_fd, &names);

	if (r == -EACCES)
		return 0;
	for (char **p = names; r == 0 && p && *p; p++) {
		struct stat st, host;
		if (sys_fstatat(layer_fd, *p, &st, AT_SYMLINK_NOFOLLOW) == 0 && !stat_is_whiteout(&st))
			continue;
		if (sys_fstatat(host_fd, *p, &host, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		r = push(c, len, *p);
		if (r == 0)
			r = add_deleted(c, -1, &host);
		c->view[len] = 0;
	}
	return r;
}

/* What the walks below call in each directory of a tree that a guest made as deep as it liked: what needs buffers of paths is kept out of the frames
 * that stay on the stack meanwhile. */
#define OUT_OF_FRAME __attribute__((noinline))

static OUT_OF_FRAME int box_stat(struct overlay *ov, int fd, struct stat *st)
{
	struct object o = { .where = OBJECT_LAYER, .fd = fd, .meta_fd = -1 };
	int r = object_fix_stat(ov, &o);

	*st = o.st;
	return r;
}

/* A directory that the layer alone has, and all below it. host_path: what it stands in place of, NULL for nothing. */
static int visit_pure(struct collector *c, int layer, const char *path, const char *host_path, unsigned depth)
{
	_cleanup_pair_ struct pair p = PAIR_INIT;
	_cleanup_strv_ char **names = NULL;
	_cleanup_force_ struct force f = { .fd = -1 };
	size_t len = strlen(c->view);
	int r;

	if (depth > DEPTH_MAX)
		return -ENAMETOOLONG;
	if (redirects_take(c->ov, host_path))
		host_path = NULL;
	r = layer_open(c->ov, layer, path, O_PATH | O_DIRECTORY, &p.box_fd);
	if (r == 0)
		r = box_stat(c->ov, p.box_fd, &p.box);
	if (r == 0)
		r = pair_open_host(c->ov, host_path, &p.host_fd, &p.host);
	if (r == 0)
		r = visit_object(c, &p, host_path);
	if (r == 0)
		r = force_begin(p.box_fd, &f);   /* to look into what the user made unreadable */
	if (r == 0)
		r = pair_names(p.box_fd, &names);
	bool over = S_ISDIR(p.host.st_mode);
	if (r == 0 && over)
		r = visit_replaced(c, p.box_fd, p.host_fd, len);
	fd_closep(&p.host_fd);
	for (char **n = names; r == 0 && n && *n; n++) {
		_cleanup_pair_ struct pair q = PAIR_INIT;
		_cleanup_free_ char *child = NULL, *hchild = NULL;

		if (asprintf(&child, "%s/%s", path, *n) < 0 || (over && asprintf(&hchild, "%s/%s", host_path, *n) < 0))
			return -ENOMEM;
		r = push(c, len, *n);
		if (r < 0)
			break;
		q.box_fd = sys_openat(p.box_fd, *n, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
		r = q.box_fd < 0 ? q.box_fd : box_stat(c->ov, q.box_fd, &q.box);
		if (r == 0 && S_ISDIR(q.box.st_mode)) {
			/* A tree may be deeper than there are descriptors. */
			pair_release(&q);
			if (depth > DEPTH_OPEN)
				fd_closep(&p.box_fd);
			r = visit_pure(c, layer, child, hchild, depth + 1);
			if (r == 0 && p.box_fd < 0)
				r = layer_open(c->ov, layer, path, O_PATH | O_DIRECTORY, &p.box_fd);
		} else if (r == 0 && !stat_is_whiteout(&q.box)) {
			r = pair_open_host(c->ov, hchild, &q.host_fd, &q.host);
			if (r == 0)
				r = visit_object(c, &q, hchild);
		}
		c->view[len] = 0;
	}
	return r;
}

static int visit_dir(struct collector *c, struct dnode *d, const char *over, unsigned depth);

/* The box's side of the directory at c->view. */
static OUT_OF_FRAME int open_merged(struct collector *c, struct pair *p)
{
	_cleanup_object_ struct object o;
	int r = lookup_canonical_locked(c->ov, c->view, &o);

	if (r < 0)
		return r;
	p->box_fd = fcntl(o.meta_fd >= 0 ? o.meta_fd : o.fd, F_DUPFD_CLOEXEC, 3);
	p->box = o.st;
	return 0;
}

/* A directory below the root that has several parts, or that the box made, with such directories below it. over: then, what it stands in place of
 * on the host, or NULL. */
static int visit_merged(struct collector *c, struct dnode *d, const char *over, unsigned depth)
{
	_cleanup_pair_ struct pair p = PAIR_INIT;
	_cleanup_force_ struct force f = { .fd = -1 };
	const struct part *low = &d->parts[d->nparts - 1];
	const char *host_path = low->layer == PART_HOST ? low->path : NULL;
	size_t len = strlen(c->view);
	int r = open_merged(c, &p);

	if (r < 0)
		return r;
	if (host_path)
		over = NULL;
	else
		host_path = over = redirects_take(c->ov, over) ? NULL : over;
	r = pair_open_host(c->ov, host_path, &p.host_fd, &p.host);
	if (r == 0 && d->redirected && host_path && strcmp(host_path, c->view) != 0)   /* not moved away and back */
		r = add(c, CHANGE_RENAMED, &p, host_path, host_path, false);
	else if (r == 0)
		r = visit_object(c, &p, host_path);
	if (r == 0)
		r = force_begin(p.box_fd, &f);   /* to look into what the user made unreadable */
	if (r == 0 && over && S_ISDIR(p.host.st_mode))
		r = visit_replaced(c, p.box_fd, p.host_fd, len);
	over = over && S_ISDIR(p.host.st_mode) ? over : NULL;
	pair_release(&p);   /* a tree may be deeper than there are descriptors */
	return r < 0 ? r : visit_dir(c, d, over, depth);
}

static OUT_OF_FRAME int join(const char *dir, const char *name, char **ret)
{
	char path[PATH_MAX];
	int r = path_join(path, sizeof path, dir, name);

	if (r < 0)
		return r;
	*ret = strdup(path);
	return *ret ? 0 : -ENOMEM;
}

static int visit_child(struct collector *c, struct dnode *d, struct dnode *n, const char *over, unsigned depth)
{
	const struct part *low = &d->parts[d->nparts - 1], *part = NULL;
	_cleanup_free_ char *path = NULL, *host_path = NULL;
	const char *host = NULL;
	int r;

	for (int i = 0; i < d->nparts; i++)
		if (d->parts[i].layer == n->layer)
			part = &d->parts[i];
	if (!part)
		return -EIO;
	r = join(part->path, n->name, &path);
	if (r == 0 && (low->layer == PART_HOST || over))
		r = join(low->layer == PART_HOST ? low->path : over, n->name, &host_path);
	if (r < 0)
		return r;
	host = host_path;
	_cleanup_pair_ struct pair p = PAIR_INIT;
	if (n->kind == DNODE_DIR) {
		r = dnode_resolve(c->ov, n);
		if (r < 0)
			return r;
		if (dnode_pure(n))
			return visit_pure(c, n->layer, path, host, depth + 1);
		return visit_merged(c, n, host, depth + 1);
	}
	if (n->kind != DNODE_WHITEOUT && redirects_take(c->ov, host))
		host = NULL;
	r = pair_open_host(c->ov, host, &p.host_fd, &p.host);
	if (r < 0)
		return r;
	if (n->kind == DNODE_WHITEOUT)
		return p.host.st_mode ? add_deleted(c, p.host_fd, &p.host) : 0;
	r = layer_open(c->ov, n->layer, path, O_PATH | O_NOFOLLOW, &p.box_fd);
	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = box_stat(c->ov, p.box_fd, &p.box);
	return r < 0 ? r : visit_object(c, &p, host);
}

static int by_node_name(const void *a, const void *b)
{
	return strcmp((*(struct dnode *const *)a)->name, (*(struct dnode *const *)b)->name);
}

static int visit_dir(struct collector *c, struct dnode *d, const char *over, unsigned depth)
{
	_cleanup_free_ struct dnode **v = NULL;
	size_t n = 0, len = strlen(c->view);
	int r;

	if (depth > DEPTH_MAX)
		return -ENAMETOOLONG;
	r = dnode_load(c->ov, d);
	if (r < 0 || !d->nchildren)
		return r;
	v = calloc(d->nchildren, sizeof *v);
	if (!v)
		return -ENOMEM;
	for (size_t b = 0; b < (size_t)1 << d->bucket_bits; b++)
		for (struct dnode *p = d->bucket[b]; p; p = p->next)
			v[n++] = p;
	qsort(v, n, sizeof *v, by_node_name);
	for (size_t i = 0; r == 0 && i < n; i++) {
		r = push(c, len, v[i]->name);
		if (r == 0)
			r = visit_child(c, d, v[i], over, depth);
		c->view[len] = 0;
	}
	return r;
}

static int by_from(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A removal that is one half of a rename is told by the other half. */
static int drop_renamed(const struct overlay *ov, struct changes *out)
{
	_cleanup_strv_ char **from = NULL;
	char view[PATH_MAX];
	size_t n = 0, kept = 0;

	for (size_t i = 0; i < out->count; i++)
		n += out->list[i].from != NULL;
	if (!n)
		return 0;
	from = calloc(n + 1, sizeof *from);
	if (!from)
		return -ENOMEM;
	n = 0;
	for (size_t i = 0; i < out->count; i++)
		if (out->list[i].from && view_of_name(ov, out->list[i].from, view) >= 0) {
			from[n] = strdup(view);
			if (!from[n++])
				return -ENOMEM;
		}
	qsort(from, n, sizeof *from, by_from);
	for (size_t i = 0; i < out->count; i++) {
		struct change *ch = &out->list[i];
		if (ch->kind == CHANGE_DELETED && bsearch(&ch->path, from, n, sizeof *from, by_from)) {
			free(ch->path);
			continue;
		}
		out->list[kept++] = *ch;
	}
	out->count = kept;
	return 0;
}

int changes_collect(struct overlay *ov, unsigned flags, struct changes *ret, struct err *err)
{
	struct collector c = { .ov = ov, .flags = flags, .out = ret, .view = "/" };
	int r = 0;

	memset(ret, 0, sizeof *ret);
	(void)!getrandom(&c.seed, sizeof c.seed, GRND_NONBLOCK);
	for (int i = 0; r == 0 && i < ov->nlayers; i++)
		r = origins_load(ov->layers[i].fd, &ret->origins[i], err);
	if (r < 0)
		return err_wrap(err, "box %s", ov->box->name);
	r = table_begin(ov, true);
	if (r == 0) {
		r = redirects_update(ov);
		if (r == 0)
			r = visit_dir(&c, ov->root, NULL, 0);
		table_end(ov);
	}
	if (r == 0)
		r = drop_renamed(ov, ret);
	inode_set_release(&c.sources);
	if (r < 0) {
		err_sys(err, r, "box %s: %s cannot be compared with the host", ov->box->name, c.view);
		changes_release(ret);
	}
	return r;
}

void changes_release(struct changes *c)
{
	for (size_t i = 0; i < c->count; i++) {
		free(c->list[i].path);
		free(c->list[i].from);
	}
	free(c->list);
	for (int i = 0; i < BOX_LAYERS_MAX; i++)
		origins_freep(&c->origins[i]);
	memset(c, 0, sizeof *c);
}

/* The layer's object of a change, though its owner took the way to it away from themselves. */
static int open_shut_away(struct overlay *ov, const struct change *ch, struct object *o)
{
	_cleanup_spot_ struct spot s;
	int r;

	spot_init(&s);
	r = table_walk(ov, ch->path, &s);
	if (r < 0)
		return r;
	if (s.kind != SPOT_LAYER && s.kind != SPOT_OTHER && s.kind != SPOT_DIR)
		return -EACCES;
	if (s.kind == SPOT_DIR)
		r = layer_open_own(ov, s.parts[0].layer, s.parts[0].path, O_PATH | O_NOFOLLOW, &o->fd);
	else
		r = layer_open_own(ov, s.layer, s.path, O_PATH | O_NOFOLLOW, &o->fd);
	o->where = OBJECT_LAYER;
	return r < 0 ? r : object_fix_stat(ov, o);
}

int changes_open(struct overlay *ov, const struct change *ch, int *ret_fd)
{
	_cleanup_object_ struct object o;
	int r = lookup_canonical(ov, NULL, ch->path, &o);

	if (r == -EACCES)
		r = open_shut_away(ov, ch, &o);
	if (r < 0)
		return r;
	int fd = o.meta_fd >= 0 ? o.meta_fd : o.fd;
	if (!S_ISREG(o.st.st_mode) && !S_ISDIR(o.st.st_mode)) {
		*ret_fd = TAKE_FD(o.fd);
		return 0;
	}
	r = pair_reopen(fd);
	if (r == -EACCES && o.where != OBJECT_HOST) {   /* ours, but made unreadable: its mode is put back at once */
		struct stat st;
		if (sys_fstat(fd, &st) == 0 && sys_chmod_fd(fd, (st.st_mode & 07777) | 0400) == 0) {
			r = pair_reopen(fd);
			sys_chmod_fd(fd, st.st_mode & 07777);
		}
	}
	if (r < 0)
		return r;
	*ret_fd = r;
	return 0;
}
