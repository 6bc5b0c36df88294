/* changes.c - what a box changed: the layers compared with the host as it is now. */
#include "overlay/changes.h"
#include "overlay/internal.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/xattr.h>
#include <unistd.h>

#define DEPTH_MAX (PATH_MAX / 2)

struct collector {
	struct overlay *ov;
	unsigned flags;
	struct changes *out;
	size_t cap;
	char view[PATH_MAX];   /* view: of the directory being visited; names are appended and cut off again */
};

/* One name, on both sides. */
struct pair {
	int box_fd;            /* box_fd: O_PATH of the layer's object */
	int host_fd;           /* host_fd: O_PATH of the host's, -1 for none */
	struct stat box, host; /* host.st_mode 0: nothing */
};

static void pair_release(struct pair *p)
{
	fd_closep(&p->box_fd);
	fd_closep(&p->host_fd);
}
#define _cleanup_pair_ __attribute__((cleanup(pair_release)))

static int host_open(struct overlay *ov, const char *path, int *ret_fd, struct stat *st)
{
	int fd, r;

	*ret_fd = -1;
	memset(st, 0, sizeof *st);
	if (!path || overlay_hides(ov, path))
		return 0;
	fd = sys_openat2(ov->root_fd, path_relative(path), O_PATH | O_NOFOLLOW | O_CLOEXEC, 0, RESOLVE_NO_SYMLINKS);
	if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP)
		return 0;
	if (fd < 0)
		return fd;
	r = sys_fstat(fd, st);
	*ret_fd = fd;
	return r;
}

static int reopen_read(int path_fd)
{
	return sys_openat(AT_FDCWD, FD_PATH(path_fd), O_RDONLY | O_CLOEXEC | O_NOCTTY, 0);
}

/* Whether two objects of one type have other content: 1 or 0, or -errno. */
static int content_differs(struct collector *c, const struct pair *p)
{
	if (S_ISREG(p->box.st_mode)) {
		if (p->box.st_size != p->host.st_size)
			return 1;
		bool same_time = p->box.st_mtim.tv_sec == p->host.st_mtim.tv_sec && p->box.st_mtim.tv_nsec == p->host.st_mtim.tv_nsec;
		if (c->flags & CHANGES_NO_CONTENT)
			return !same_time;
		_cleanup_close_ int a = reopen_read(p->box_fd), b = reopen_read(p->host_fd);
		if (a < 0 || b < 0)
			return !same_time;   /* unreadable: believe what stat says */
		int r = copy_content_equal(a, b);
		return r < 0 ? r : !r;
	}
	if (S_ISLNK(p->box.st_mode)) {
		char a[PATH_MAX], b[PATH_MAX];
		int r = sys_readlinkat(p->box_fd, "", a, sizeof a);
		if (r >= 0)
			r = sys_readlinkat(p->host_fd, "", b, sizeof b);
		return r < 0 ? r : strcmp(a, b) != 0;
	}
	if (S_ISCHR(p->box.st_mode) || S_ISBLK(p->box.st_mode))
		return p->box.st_rdev != p->host.st_rdev;
	return 0;
}

static bool meta_differs(const struct pair *p)
{
	const struct stat *a = &p->box, *b = &p->host;

	if (a->st_uid != b->st_uid || a->st_gid != b->st_gid)
		return true;
	if (!S_ISLNK(a->st_mode) && (a->st_mode & 07777) != (b->st_mode & 07777))
		return true;
	if (!S_ISDIR(a->st_mode) && (a->st_mtim.tv_sec != b->st_mtim.tv_sec || a->st_mtim.tv_nsec != b->st_mtim.tv_nsec))
		return true;
	if (S_ISREG(a->st_mode) || S_ISDIR(a->st_mode))
		return copy_xattrs_equal(p->box_fd, p->host_fd) == 0;
	return false;
}

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
	*ch = (struct change){ .kind = kind, .box = p->box, .host = p->host, .content = content };
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

/* The name that a copied-up regular file had on the host, when the view no longer has it there: it was renamed. */
static bool renamed_from(struct collector *c, const struct pair *p, const char *host_path, struct record *rec)
{
	_cleanup_spot_ struct spot s;

	spot_init(&s);
	if (!S_ISREG(p->box.st_mode) || record_read(p->box_fd, rec) < 0 || !rec->path[1] || (host_path && !strcmp(rec->path, host_path)))
		return false;
	/* The text comes from a layer: it must at least be a canonical path. */
	if (strstr(rec->path, "/../") || strstr(rec->path, "//") || strstr(rec->path, "/./"))
		return false;
	if (table_walk_locked(c->ov, rec->path, &s) < 0 || (s.kind != SPOT_WHITEOUT && s.kind != SPOT_HIDDEN))
		return false;
	for (size_t i = 0; i < c->out->count; i++)
		if (c->out->list[i].from && !strcmp(c->out->list[i].from, rec->path))
			return false;
	return true;
}

static int visit_object(struct collector *c, struct pair *p, const char *host_path)
{
	struct record rec;
	int r;

	if (p->host.st_mode == 0 && renamed_from(c, p, host_path, &rec)) {
		_cleanup_pair_ struct pair old = { .box_fd = fcntl(p->box_fd, F_DUPFD_CLOEXEC, 3), .host_fd = -1, .box = p->box };
		r = host_open(c->ov, rec.path, &old.host_fd, &old.host);
		if (r < 0)
			return r;
		if (S_ISREG(old.host.st_mode)) {
			r = content_differs(c, &old);
			return r < 0 ? r : add(c, CHANGE_RENAMED, &old, rec.path, rec.path, r);
		}
	}
	if (p->host.st_mode == 0)
		return add(c, CHANGE_ADDED, p, NULL, c->view, true);
	if ((p->host.st_mode & S_IFMT) != (p->box.st_mode & S_IFMT))
		return add(c, CHANGE_TYPE, p, NULL, c->view, true);
	r = S_ISDIR(p->box.st_mode) ? 0 : content_differs(c, p);
	if (r < 0)
		return r;
	if (r)
		return add(c, CHANGE_MODIFIED, p, NULL, c->view, true);
	return meta_differs(p) ? add(c, CHANGE_META, p, NULL, c->view, false) : 0;
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

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names in a directory (any descriptor of it), sorted; strv_free. */
static int dir_names(int path_fd, char ***ret)
{
	_cleanup_closedir_ DIR *dir = NULL;
	_cleanup_force_ struct force f = { .fd = -1 };
	_cleanup_strv_ char **v = NULL;
	size_t n = 0, cap = 0;
	int fd = sys_openat(path_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);

	if (fd == -EACCES && force_begin(path_fd, &f) == 0)
		fd = sys_openat(path_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	dir = dir_take(fd);
	if (!dir)
		return -ENOMEM;
	for (struct dirent *e; (e = readdir(dir));) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (n + 2 > cap) {
			cap = cap ? cap * 2 : 64;
			char **grown = reallocarray(v, cap, sizeof *grown);
			if (!grown)
				return -ENOMEM;
			v = grown;
		}
		v[n] = strdup(e->d_name);
		v[n + 1] = NULL;
		if (!v[n++])
			return -ENOMEM;
	}
	if (n)
		qsort(v, n, sizeof *v, by_name);
	*ret = TAKE_PTR(v);
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
	int r = dir_names(host_fd, &names);

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

static int box_stat(struct overlay *ov, int fd, struct stat *st)
{
	struct object o = { .where = OBJECT_LAYER, .fd = fd, .meta_fd = -1 };
	int r = object_fix_stat(ov, &o);

	*st = o.st;
	return r;
}

/* True when the box shows the host's directory at this path under another name: what it has here instead is new. */
static bool moved_away(struct collector *c, const char *host_path)
{
	for (size_t i = 0; host_path && i < c->ov->nredirects; i++)
		if (c->ov->redirects[i].layer == PART_HOST && !strcmp(c->ov->redirects[i].real, host_path))
			return true;
	return false;
}

/* A directory that the layer alone has, and all below it. host_path: what it stands in place of, NULL for nothing. */
static int visit_pure(struct collector *c, int layer, const char *path, const char *host_path, unsigned depth)
{
	_cleanup_pair_ struct pair p = { .box_fd = -1, .host_fd = -1 };
	_cleanup_strv_ char **names = NULL;
	_cleanup_force_ struct force f = { .fd = -1 };
	size_t len = strlen(c->view);
	int r;

	if (depth > DEPTH_MAX)
		return -ENAMETOOLONG;
	if (moved_away(c, host_path))
		host_path = NULL;
	r = layer_open(c->ov, layer, path, O_PATH | O_DIRECTORY, &p.box_fd);
	if (r == 0)
		r = box_stat(c->ov, p.box_fd, &p.box);
	if (r == 0)
		r = host_open(c->ov, host_path, &p.host_fd, &p.host);
	if (r == 0)
		r = visit_object(c, &p, host_path);
	if (r == 0)
		r = force_begin(p.box_fd, &f);   /* to look into what the user made unreadable */
	if (r == 0)
		r = dir_names(p.box_fd, &names);
	bool over = S_ISDIR(p.host.st_mode);
	if (r == 0 && over)
		r = visit_replaced(c, p.box_fd, p.host_fd, len);
	for (char **n = names; r == 0 && n && *n; n++) {
		_cleanup_pair_ struct pair q = { .box_fd = -1, .host_fd = -1 };
		_cleanup_free_ char *child = NULL, *hchild = NULL;

		if (asprintf(&child, "%s/%s", path, *n) < 0 || (over && asprintf(&hchild, "%s/%s", host_path, *n) < 0))
			return -ENOMEM;
		r = push(c, len, *n);
		if (r < 0)
			break;
		q.box_fd = sys_openat(p.box_fd, *n, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
		r = q.box_fd < 0 ? q.box_fd : box_stat(c->ov, q.box_fd, &q.box);
		if (r == 0 && S_ISDIR(q.box.st_mode)) {
			r = visit_pure(c, layer, child, hchild, depth + 1);
		} else if (r == 0 && !stat_is_whiteout(&q.box)) {
			r = host_open(c->ov, hchild, &q.host_fd, &q.host);
			if (r == 0)
				r = visit_object(c, &q, hchild);
		}
		c->view[len] = 0;
	}
	return r;
}

static int visit_dir(struct collector *c, struct dnode *d, unsigned depth);

/* A directory of several parts below the root. */
static int visit_merged(struct collector *c, struct dnode *d, unsigned depth)
{
	_cleanup_object_ struct object o;
	_cleanup_pair_ struct pair p = { .box_fd = -1, .host_fd = -1 };
	const struct part *low = &d->parts[d->nparts - 1];
	const char *host_path = low->layer == PART_HOST ? low->path : NULL;
	int r = lookup_canonical_locked(c->ov, c->view, &o);

	if (r < 0)
		return r;
	p.box_fd = fcntl(o.meta_fd >= 0 ? o.meta_fd : o.fd, F_DUPFD_CLOEXEC, 3);
	p.box = o.st;
	r = host_open(c->ov, host_path, &p.host_fd, &p.host);
	if (r == 0 && d->redirected && host_path)
		r = add(c, CHANGE_RENAMED, &p, host_path, host_path, false);
	else if (r == 0)
		r = visit_object(c, &p, host_path);
	return r < 0 ? r : visit_dir(c, d, depth);
}

static int visit_child(struct collector *c, struct dnode *d, struct dnode *n, unsigned depth)
{
	const struct part *low = &d->parts[d->nparts - 1], *part = NULL;
	char path[PATH_MAX], host_path[PATH_MAX];
	const char *host = NULL;
	int r;

	for (int i = 0; i < d->nparts; i++)
		if (d->parts[i].layer == n->layer)
			part = &d->parts[i];
	if (!part)
		return -EIO;
	r = path_join(path, sizeof path, part->path, n->name);
	if (r >= 0 && low->layer == PART_HOST) {
		r = path_join(host_path, sizeof host_path, low->path, n->name);
		host = host_path;
	}
	if (r < 0)
		return r;
	_cleanup_pair_ struct pair p = { .box_fd = -1, .host_fd = -1 };
	if (n->kind == DNODE_DIR) {
		r = dnode_resolve(c->ov, n);
		if (r < 0)
			return r;
		if (dnode_pure(n)) {
			_cleanup_free_ char *lp = strdup(path), *hp = host ? strdup(host) : NULL;
			return lp ? visit_pure(c, n->layer, lp, hp, depth + 1) : -ENOMEM;
		}
		return visit_merged(c, n, depth + 1);
	}
	if (n->kind != DNODE_WHITEOUT && moved_away(c, host))
		host = NULL;
	r = host_open(c->ov, host, &p.host_fd, &p.host);
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

static int visit_dir(struct collector *c, struct dnode *d, unsigned depth)
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
			r = visit_child(c, d, v[i], depth);
		c->view[len] = 0;
	}
	return r;
}

static int by_from(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A removal that is one half of a rename is told by the other half. */
static int drop_renamed(struct changes *out)
{
	_cleanup_free_ const char **from = NULL;
	size_t n = 0, kept = 0;

	for (size_t i = 0; i < out->count; i++)
		n += out->list[i].from != NULL;
	if (!n)
		return 0;
	from = calloc(n, sizeof *from);
	if (!from)
		return -ENOMEM;
	n = 0;
	for (size_t i = 0; i < out->count; i++)
		if (out->list[i].from)
			from[n++] = out->list[i].from;
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
	for (int i = 0; r == 0 && i < ov->nlayers; i++)
		r = origins_load(ov->layers[i].fd, &ret->origins[i], err);
	if (r < 0)
		return err_wrap(err, "box %s", ov->box->name);
	r = table_begin(ov, true);
	if (r == 0) {
		r = redirects_update(ov);
		if (r == 0)
			r = visit_dir(&c, ov->root, 0);
		table_end(ov);
	}
	if (r == 0)
		r = drop_renamed(ret);
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

int changes_open(struct overlay *ov, const struct change *ch, int *ret_fd)
{
	_cleanup_object_ struct object o;
	_cleanup_force_ struct force f = { .fd = -1 };
	int r = lookup_canonical(ov, NULL, ch->path, &o);

	if (r < 0)
		return r;
	int fd = o.meta_fd >= 0 ? o.meta_fd : o.fd;
	if (!S_ISREG(o.st.st_mode) && !S_ISDIR(o.st.st_mode)) {
		*ret_fd = TAKE_FD(o.fd);
		return 0;
	}
	r = reopen_read(fd);
	if (r == -EACCES && o.where != OBJECT_HOST) {   /* ours, but made unreadable: its mode is put back at once */
		struct stat st;
		if (sys_fstat(fd, &st) == 0 && sys_chmod_fd(fd, (st.st_mode & 07777) | 0400) == 0) {
			r = reopen_read(fd);
			sys_chmod_fd(fd, st.st_mode & 07777);
		}
	}
	if (r < 0)
		return r;
	*ret_fd = r;
	return 0;
}

/* ---- taking changes out ---- */

/* True when the mirror says nothing that the host does not say. */
static bool mirror_is_idle(struct overlay *ov, int dirfd, const char *name, const char *host_path)
{
	_cleanup_pair_ struct pair p = { .box_fd = -1, .host_fd = -1 };
	_cleanup_strv_ char **names = NULL;
	char v[8];

	p.box_fd = sys_openat(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	if (p.box_fd < 0 || sys_fstat(p.box_fd, &p.box) < 0 || fd_is_opaque(p.box_fd) ||
	    fd_getxattr(p.box_fd, XATTR_REDIRECT, v, 0) >= 0)
		return false;
	if (dir_names(p.box_fd, &names) < 0 || (names && *names))
		return false;
	if (host_open(ov, host_path, &p.host_fd, &p.host) < 0 || !S_ISDIR(p.host.st_mode))
		return false;
	if (!cred_process_is_root() && p.host.st_uid != p.box.st_uid) {
		p.box.st_uid = p.host.st_uid;
		p.box.st_gid = p.host.st_gid;
	}
	return !meta_differs(&p);
}

/* Removes mirrors that have become idle, from dir upwards. */
static void prune(struct overlay *ov, const char *from)
{
	char dir[PATH_MAX], up[PATH_MAX];

	strcpy(dir, from);
	while (strcmp(dir, "/")) {
		_cleanup_spot_ struct spot s;
		_cleanup_close_ int fd = -1;
		_cleanup_force_ struct force f = { .fd = -1 };
		struct stat st;
		const char *name = path_split(dir, up, sizeof up);

		spot_init(&s);
		if (!name || table_walk_locked(ov, dir, &s) < 0 || s.kind != SPOT_DIR || s.parts[0].layer != ov->top || !spot_host(&s))
			return;
		if (layer_open_parent(ov, ov->top, s.parts[0].path, &fd, &name) < 0 || !mirror_is_idle(ov, fd, name, spot_host(&s)->path))
			return;
		if (sys_fstat(fd, &st) < 0 || force_begin(fd, &f) < 0 || sys_unlinkat(fd, name, AT_REMOVEDIR) < 0)
			return;
		fd_set_times(fd, &st);
		table_remove(ov, dir);
		strcpy(dir, up);
	}
}

/* Where a renamed object of the layer was: the redirect of a directory, the record of a file. "" for none. */
static void moved_from(struct overlay *ov, const char *view, char *ret)
{
	_cleanup_object_ struct object o;
	struct record rec;

	ret[0] = 0;
	object_init(&o);
	if (lookup_canonical_locked(ov, view, &o) < 0 || o.where == OBJECT_HOST)
		return;
	if (S_ISDIR(o.st.st_mode)) {
		ssize_t n = fd_getxattr(o.meta_fd >= 0 ? o.meta_fd : o.fd, XATTR_REDIRECT, ret, PATH_MAX - 1);
		ret[n > 0 && ret[0] == '/' ? n : 0] = 0;
	} else if (S_ISREG(o.st.st_mode) && record_read(o.fd, &rec) == 0 && strcmp(rec.path, view)) {
		strcpy(ret, rec.path);
	}
}

/* Takes a whiteout of the top layer away, if that is what is there. */
static void uncover(struct overlay *ov, const char *view)
{
	_cleanup_spot_ struct spot s;
	_cleanup_close_ int fd = -1;
	_cleanup_force_ struct force f = { .fd = -1 };
	char dir[PATH_MAX];
	const char *name = path_split(view, dir, sizeof dir);
	struct stat st;

	spot_init(&s);
	if (!name || table_walk_locked(ov, view, &s) < 0 || s.kind != SPOT_WHITEOUT || s.layer != ov->top)
		return;
	if (table_walk_locked(ov, dir, &s) < 0 || s.kind != SPOT_DIR || s.parts[0].layer != ov->top ||
	    layer_open(ov, ov->top, s.parts[0].path, O_PATH | O_DIRECTORY, &fd) < 0)
		return;
	if (sys_fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !stat_is_whiteout(&st) || force_begin(fd, &f) < 0 ||
	    sys_unlinkat(fd, name, 0) < 0)
		return;
	table_remove(ov, view);
	force_endp(&f);
	prune(ov, dir);
}

int overlay_forget(struct overlay *ov, struct vpath path)
{
	char from[PATH_MAX] = "";
	_cleanup_spot_ struct spot s;
	_cleanup_close_ int fd = -1;
	_cleanup_force_ struct force f = { .fd = -1 };
	char dir[PATH_MAX];
	const char *name;
	int r;

	spot_init(&s);
	if (!path_split(path.s, dir, sizeof dir))
		return -ENAMETOOLONG;
	r = change_begin(ov);
	if (r < 0)
		return r;
	r = table_walk_locked(ov, dir, &s);
	if (r == 0 && s.kind != SPOT_LAYER && s.kind != SPOT_DIR)
		r = -ENOENT;
	const char *where = s.kind == SPOT_DIR ? s.parts[0].path : s.path;
	if (r == 0 && s.layer != ov->top)
		r = -ENOENT;
	if (r == 0)
		r = layer_open(ov, ov->top, where, O_PATH | O_DIRECTORY, &fd);
	name = strrchr(path.s, '/') + 1;
	if (r == 0)
		moved_from(ov, path.s, from);
	if (r == 0)
		r = force_begin(fd, &f);
	if (r == 0)
		r = layer_remove_tree(fd, name);
	if (r == 0) {
		table_remove(ov, path.s);
		ov->redirects_valid = false;
		force_endp(&f);
		prune(ov, dir);
		if (from[0])
			uncover(ov, from);
	}
	change_end(ov, true);
	return r;
}

int overlay_settle(struct overlay *ov, struct vpath path)
{
	_cleanup_spot_ struct spot s;
	_cleanup_close_ int fd = -1, host = -1;
	_cleanup_force_ struct force f = { .fd = -1 };
	struct stat st;
	int r;

	spot_init(&s);
	r = change_begin(ov);
	if (r < 0)
		return r;
	r = table_walk_locked(ov, path.s, &s);
	if (r == 0 && s.kind != SPOT_LAYER && s.kind != SPOT_DIR)
		r = -ENOENT;
	if (r == 0 && s.layer != ov->top)
		r = -ENOENT;
	if (r == 0)
		r = layer_open(ov, ov->top, s.kind == SPOT_DIR ? s.parts[0].path : s.path, O_PATH | O_DIRECTORY, &fd);
	if (r == 0)
		r = host_open(ov, path.s, &host, &st);
	if (r == 0 && !S_ISDIR(st.st_mode))
		r = -ENOENT;
	if (r == 0)
		r = force_begin(fd, &f);
	if (r == 0) {
		removexattr(FD_PATH(fd), XATTR_OPAQUE);
		removexattr(FD_PATH(fd), XATTR_REDIRECT);
		force_endp(&f);
		r = copy_metadata(host, fd, &st, COPY_ALL, NULL);
		table_drop(ov);
		prune(ov, path.s);
	}
	change_end(ov, true);
	return r;
}
