/* changes.c - what a box changed: the layers compared with the host as it is now. */
#include "overlay/changes.h"
#include "overlay/compare.h"

#include <stdio.h>
#include <sys/random.h>
#include <sys/xattr.h>
#include <xxhash.h>

#include "base/array.h"

#define DEPTH_MAX (PATH_MAX / 2)
#define DEPTH_OPEN 64   /* DEPTH_OPEN: levels of which descriptors are kept */

/* The walks are loops, for a guest makes trees as deep as it likes: a level is a directory whose names are being visited. Levels are on the heap, one
 * stack of them for the directories of several parts, and one for what is below a directory that a layer alone has. */
struct level {
	struct dnode *d;       /* d, nodes: of a directory of several parts; its names, sorted */
	struct dnode **nodes;
	char **names;          /* names, path: of a directory that a layer alone has; where it is in the layer */
	char *path;
	char *over;            /* over: the directory of the host that the box's is in place of, NULL for none */
	size_t next, count;    /* next: the index of the name to be visited */
	size_t len;            /* len: of the directory's path in the view */
	int fd;                /* fd: of names; -1 when it is too deep to be kept open */
	struct force force;    /* force: to look into what the user made unreadable */
};
struct levels {
	struct level *v;
	size_t depth, size;
	size_t above;          /* above: how many levels there are above the first */
	int layer;             /* layer: that of all path */
};
#define LEVEL_INIT ((struct level){ .fd = -1, .force = { .fd = -1 } })

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

static bool has_capabilities(const struct pair *p)
{
	return S_ISREG(p->box.st_mode) && cred_process_is_root() && getxattr(FD_PATH(p->box_fd), "security.capability", NULL, 0) >= 0;
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
			       .times = kind == CHANGE_META && pair_time_differs(p), .capabilities = has_capabilities(p) };
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
	if (redirects_view_of_name(c->ov, rec->path, view) < 0 || table_walk_locked(c->ov, view, &s) < 0 || (s.kind != SPOT_WHITEOUT && s.kind != SPOT_HIDDEN))
		return false;
	return source_take(c, rec->path) == 0;
}

/* 1 when the box's object is what the host had there then, to the time and the attributes: it was opened for writing and not written to, or given the
 * mode that it had. Then it is the host that changed it since. 0: it is not, or that cannot be told. */
static int is_untouched(struct collector *c, const struct pair *p, const char *host_path, const struct origin *o)
{
	const struct stat *b = &p->box;
	bool dir = S_ISDIR(b->st_mode), there = (p->host.st_mode & S_IFMT) == (b->st_mode & S_IFMT);
	_cleanup_close_ int base = -1, fd = -1;
	char target[PATH_MAX];
	int r;

	/* A commit has noted it, of what it left in the box: that is a change, whatever the host does then. */
	if (!dir && o->by_commit)
		return 0;
	/* Below a renamed directory, or with several names, it may be at its place by other changes. */
	if (!host_path || strcmp(host_path, c->view) != 0 || (!dir && (o->nlink != 1 || b->st_nlink != 1)))
		return 0;
	if ((o->mode & S_IFMT) != (b->st_mode & S_IFMT) || o->uid != b->st_uid || o->gid != b->st_gid)
		return 0;
	if (S_ISLNK(b->st_mode)) {
		r = sys_readlinkat(p->box_fd, "", target, sizeof target);
		if (r < 0 || !o->target || strcmp(target, o->target) != 0)
			return r < 0 ? r : 0;
		return there && copy_xattrs_equal(p->box_fd, p->host_fd) == 1;
	}
	if ((o->mode ^ b->st_mode) & 07777)
		return 0;
	if (dir)
		return there && !times_marked(p->box_fd, b) && copy_xattrs_equal(p->box_fd, p->host_fd) == 1;
	if (!S_ISREG(b->st_mode) || (uint64_t)b->st_size != o->size || time_ns(&b->st_mtim) != o->mtime_ns)
		return 0;
	base = origin_open_base(c->ov->base_fd, o);
	fd = base < 0 ? base : pair_reopen(p->box_fd);
	if (fd < 0)
		return 0;
	r = copy_content_equal(fd, base);
	return r == 1 ? copy_xattrs_equal(p->box_fd, base) == 1 : r;
}

static int visit_object(struct collector *c, struct pair *p, const char *host_path)
{
	const struct origin *o = origin_of(c, c->view);
	struct record rec;
	/* The identity of a directory does not tell of its mode. */
	bool may = o && (S_ISDIR(p->box.st_mode) || !origin_same(o, p->host.st_mode ? &p->host : NULL));
	int r = may ? is_untouched(c, p, host_path, o) : 0;

	if (r != 0)
		return r < 0 ? r : 0;
	/* What the host has got there since does not make it two changes: both names are one decision. */
	if ((p->host.st_mode == 0 || (o && o->kind == ORIGIN_ABSENT)) && renamed_from(c, p, host_path, &rec)) {
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

/* ---- levels ---- */

/* Takes all that is in *l. */
static int level_enter(struct levels *s, struct level *l)
{
	if (array_room(&s->v, s->depth, &s->size, sizeof *s->v) < 0)
		return -ENOMEM;
	s->v[s->depth++] = *l;
	*l = LEVEL_INIT;
	return 0;
}

static struct level *level_top(const struct levels *s)
{
	return &s->v[s->depth - 1];
}

static bool is_deep(const struct levels *s)
{
	return s->above + s->depth > DEPTH_OPEN + 1;
}

static void level_release(struct level *l)
{
	force_endp(&l->force);
	fd_closep(&l->fd);
	strv_free(l->names);
	free(l->nodes);
	free(l->path);
	free(l->over);
}
#define _cleanup_level_ __attribute__((cleanup(level_release)))

/* A tree may be deeper than there are descriptors. */
static void level_park(const struct levels *s, struct level *l)
{
	if (!is_deep(s))
		return;
	fd_closep(&l->fd);
	force_park(&l->force);
}

static void level_leave(struct overlay *ov, struct levels *s)
{
	struct level *l = level_top(s);
	int layer = l->d ? l->d->parts[0].layer : s->layer, fd = -1;

	if (force_parked(&l->force)) {
		(void)layer_open(ov, layer, l->d ? l->d->parts[0].path : l->path, O_PATH | O_DIRECTORY, &fd);
		force_unpark(&l->force, fd);
	}
	level_release(l);
	s->depth--;
}

static void levels_release(struct overlay *ov, struct levels *s)
{
	while (s->depth)
		level_leave(ov, s);
	free(s->v);
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

/* The box has taken away what the host has in its directory: unless that has come since, where the box found none. A record of the name in the view may be
 * of what was there before a directory above it was renamed. */
static bool hides(struct collector *c, const char *host_path, const struct stat *host)
{
	const struct origin *o = origin_of(c, c->view), *own = host_path ? origin_of(c, host_path) : NULL;

	return S_ISDIR(host->st_mode) && (!o || o->kind == ORIGIN_DIRECTORY || (own && own->kind == ORIGIN_DIRECTORY));
}

static int box_stat(struct overlay *ov, int fd, struct stat *st)
{
	struct object o = { .where = OBJECT_LAYER, .fd = fd, .meta_fd = -1 };
	int r = object_fix_stat(ov, &o);

	*st = o.st;
	return r;
}

/* ---- directories that a layer alone has ---- */

/* One of them: it, and what it hides of the host's; then its level. p: of the box's side. path: in the layer. host_path: what it stands in place of,
 * NULL for nothing. Takes both. */
static int enter_pure(struct collector *c, struct levels *s, struct pair *p, char *path, char *host_path)
{
	_cleanup_level_ struct level l = LEVEL_INIT;
	int r;

	l.path = path;
	l.over = host_path;
	l.len = strlen(c->view);
	if (s->above + s->depth > DEPTH_MAX)
		return -ENAMETOOLONG;
	if (redirects_take(c->ov, host_path))
		host_path = NULL;
	r = pair_open_host(c->ov, host_path, &p->host_fd, &p->host);
	if (r == 0)
		r = visit_object(c, p, host_path);
	if (r == 0)
		r = force_begin(p->box_fd, &l.force);
	if (r == 0)
		r = pair_names(p->box_fd, &l.names);
	if (r == 0 && hides(c, host_path, &p->host))
		r = visit_replaced(c, p->box_fd, p->host_fd, l.len);
	if (r < 0)
		return r;
	if (!S_ISDIR(p->host.st_mode)) {
		free(l.over);
		l.over = NULL;
	}
	l.fd = TAKE_FD(p->box_fd);
	return level_enter(s, &l);
}

static char *child_path(const char *dir, const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", dir, name) < 0 ? NULL : path;
}

/* The next name of the level. */
static int visit_pure_child(struct collector *c, struct levels *s, struct level *l, const char *name)
{
	_cleanup_pair_ struct pair p = PAIR_INIT;
	_cleanup_free_ char *path = NULL, *host_path = l->over ? child_path(l->over, name) : NULL;
	int r = l->over && !host_path ? -ENOMEM : 0;

	if (r == 0 && l->fd < 0)
		r = layer_open(c->ov, s->layer, l->path, O_PATH | O_DIRECTORY, &l->fd);
	if (r < 0)
		return r;
	p.box_fd = sys_openat(l->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
	r = p.box_fd < 0 ? p.box_fd : box_stat(c->ov, p.box_fd, &p.box);
	if (r < 0 || stat_is_whiteout(&p.box))
		return r;
	if (S_ISDIR(p.box.st_mode)) {
		path = child_path(l->path, name);
		level_park(s, l);
		return path ? enter_pure(c, s, &p, TAKE_PTR(path), TAKE_PTR(host_path)) : -ENOMEM;
	}
	r = pair_open_host(c->ov, host_path, &p.host_fd, &p.host);
	return r < 0 ? r : visit_object(c, &p, host_path);
}

/* A directory that the layer alone has, and all below it. host_path: what it stands in place of, NULL for nothing. */
static int visit_pure(struct collector *c, int layer, const char *path, const char *host_path, size_t above)
{
	_cleanup_pair_ struct pair p = PAIR_INIT;
	struct levels s = { .layer = layer, .above = above };
	char *own = strdup(path), *own_host = host_path ? strdup(host_path) : NULL;
	int r = own && (own_host || !host_path) ? layer_open(c->ov, layer, path, O_PATH | O_DIRECTORY, &p.box_fd) : -ENOMEM;

	if (r == 0)
		r = box_stat(c->ov, p.box_fd, &p.box);
	if (r == 0)
		r = enter_pure(c, &s, &p, TAKE_PTR(own), TAKE_PTR(own_host));
	free(own);
	free(own_host);
	pair_release(&p);
	while (r == 0 && s.depth) {
		struct level *l = level_top(&s);
		const char *name = l->names[l->next++];

		c->view[l->len] = 0;
		if (!name) {
			level_leave(c->ov, &s);
			continue;
		}
		r = push(c, l->len, name);
		if (r == 0)
			r = visit_pure_child(c, &s, l, name);
	}
	levels_release(c->ov, &s);
	return r;
}

/* ---- directories of several parts ---- */

static int by_node_name(const void *a, const void *b)
{
	return strcmp((*(struct dnode *const *)a)->name, (*(struct dnode *const *)b)->name);
}

/* Enters the directory at c->view, with l's force, and l's over where the box made it. */
static int enter_dir(struct collector *c, struct levels *s, struct level *l, struct dnode *d)
{
	int r = s->depth > DEPTH_MAX ? -ENAMETOOLONG : dnode_load(c->ov, d);

	if (r < 0)
		return r;
	l->d = d;
	l->len = strlen(c->view);
	l->nodes = calloc(d->nchildren + 1, sizeof *l->nodes);
	if (!l->nodes)
		return -ENOMEM;
	for (struct dnode *n = NULL; (n = dnode_next(d, n));)
		l->nodes[l->count++] = n;
	qsort(l->nodes, l->count, sizeof *l->nodes, by_node_name);
	return level_enter(s, l);
}

/* The box's side of the directory at c->view. */
static int open_merged(struct collector *c, struct pair *p)
{
	_cleanup_object_ struct object o;
	int r = lookup_canonical_locked(c->ov, c->view, &o);

	if (r < 0)
		return r;
	p->box_fd = fcntl(o.meta_fd >= 0 ? o.meta_fd : o.fd, F_DUPFD_CLOEXEC, 3);
	p->box = o.st;
	return 0;
}

/* A directory below the root that has several parts, or that the box made, with such directories below it: it, and what it hides; then its level.
 * over: what the box made it in place of on the host, or NULL. */
static int enter_merged(struct collector *c, struct levels *s, struct dnode *d, const char *over)
{
	_cleanup_pair_ struct pair p = PAIR_INIT;
	_cleanup_level_ struct level l = LEVEL_INIT;
	const struct part *low = &d->parts[d->nparts - 1];
	const char *host_path = low->layer == PART_HOST ? low->path : NULL, *place = over;
	size_t len = strlen(c->view);
	int r = open_merged(c, &p);

	if (r < 0)
		return r;
	if (host_path)
		over = NULL;
	else
		host_path = over = redirects_take(c->ov, over) ? NULL : over;
	r = pair_open_host(c->ov, host_path, &p.host_fd, &p.host);
	/* Not moved away and back. That it has its old name tells nothing, where a directory above it has another's. */
	if (r == 0 && d->redirected && host_path && (!place || strcmp(host_path, place) != 0))
		r = add(c, CHANGE_RENAMED, &p, host_path, host_path, false);
	else if (r == 0)
		r = visit_object(c, &p, host_path);
	if (r == 0)
		r = force_begin(p.box_fd, &l.force);
	if (r < 0 || !over || !hides(c, host_path, &p.host))
		return r < 0 ? r : enter_dir(c, s, &l, d);
	r = visit_replaced(c, p.box_fd, p.host_fd, len);
	if (r == 0) {
		l.over = strdup(over);
		r = l.over ? enter_dir(c, s, &l, d) : -ENOMEM;
	}
	return r;
}

/* A name of the level of d, which stands in place of `over`. */
static int visit_child(struct collector *c, struct levels *s, const struct dnode *d, struct dnode *n, const char *over)
{
	const struct part *low = &d->parts[d->nparts - 1], *part = NULL;
	_cleanup_pair_ struct pair p = PAIR_INIT;
	char path[PATH_MAX], host_path[PATH_MAX];
	const char *host = NULL;
	int r;

	for (int i = 0; i < d->nparts; i++)
		if (d->parts[i].layer == n->layer)
			part = &d->parts[i];
	if (!part)
		return -EIO;
	r = path_join(path, sizeof path, part->path, n->name);
	if (r >= 0 && (low->layer == PART_HOST || over)) {
		r = path_join(host_path, sizeof host_path, low->layer == PART_HOST ? low->path : over, n->name);
		host = host_path;
	}
	if (r < 0)
		return r;
	if (n->kind == DNODE_DIR) {
		r = dnode_resolve(c->ov, n);
		if (r < 0)
			return r;
		return dnode_pure(n) ? visit_pure(c, n->layer, path, host, s->depth) : enter_merged(c, s, n, host);
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

static int visit_all(struct collector *c)
{
	_cleanup_level_ struct level root = LEVEL_INIT;
	struct levels s = { 0 };
	int r = enter_dir(c, &s, &root, c->ov->root);

	while (r == 0 && s.depth) {
		struct level *l = level_top(&s);

		c->view[l->len] = 0;
		if (l->next == l->count) {
			level_leave(c->ov, &s);
			continue;
		}
		level_park(&s, l);
		struct dnode *n = l->nodes[l->next++];
		r = push(c, l->len, n->name);
		if (r == 0)
			r = visit_child(c, &s, l->d, n, l->over);
	}
	levels_release(c->ov, &s);
	return r;
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
		if (out->list[i].from && redirects_view_of_name(ov, out->list[i].from, view) >= 0) {
			from[n] = strdup(view);
			if (!from[n++])
				return -ENOMEM;
		}
	qsort(from, n, sizeof *from, strv_cmp);
	for (size_t i = 0; i < out->count; i++) {
		struct change *ch = &out->list[i];
		if (ch->kind == CHANGE_DELETED && bsearch(&ch->path, from, n, sizeof *from, strv_cmp)) {
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
			r = visit_all(&c);
		table_end(ov);
	}
	if (r == 0)
		r = drop_renamed(ov, ret);
	inode_set_release(&c.sources);
	if (r < 0) {
		char text[sizeof err->msg];
		err_sys(err, r, "box %s: %s cannot be compared with the host", ov->box->name, path_printable(c.view, text, sizeof text));
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

int overlay_place(struct overlay *ov, struct vpath path)
{
	_cleanup_close_ int fd = -1;
	_cleanup_spot_ struct spot s;
	struct stat st;
	int r;

	spot_init(&s);
	r = table_walk(ov, path.s, &s);
	if (r < 0)
		return r;
	switch (s.kind) {
	case SPOT_HOST:
		return PLACE_HOST;
	case SPOT_OTHER:
		return PLACE_LAYER;
	case SPOT_DIR:
		return spot_host(&s) ? PLACE_MERGED : PLACE_LAYER_DIR;
	case SPOT_LAYER:
		r = layer_open_own(ov, s.layer, s.path, O_PATH | O_NOFOLLOW, &fd);
		if (r == 0)
			r = sys_fstat(fd, &st);
		if (r < 0)
			return r == -ENOENT || r == -ENOTDIR ? PLACE_NONE : r;
		return S_ISDIR(st.st_mode) ? PLACE_LAYER_DIR : stat_is_whiteout(&st) ? PLACE_NONE : PLACE_LAYER;
	case SPOT_WHITEOUT:
	case SPOT_HIDDEN:
	case SPOT_THROUGH:
		return PLACE_NONE;
	}
	return -EIO;
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
