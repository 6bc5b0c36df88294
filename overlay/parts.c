/* parts.c - what a directory of the view is made of, read from the layers: by its marks, and name by name. */
#include "overlay/dnode.h"

#include <dirent.h>

void parts_free(struct part *parts, int n)
{
	for (int i = 0; i < n; i++)
		free(parts[i].path);
	free(parts);
}

int part_list_add(struct part_list *l, int layer, const char *path)
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
bool fd_has_acl(int fd)
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

		if (len > NAME_MAX) {
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
	char path[PATH_MAX], redirect[PATH_MAX], target[PATH_MAX];

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
			ret_marks->acl = fd_has_acl(fd);
			ret_marks->st = st;
		}
		if (fd_is_opaque(fd))
			return 0;
		ssize_t n = fd_getxattr(fd, XATTR_REDIRECT, redirect, sizeof redirect - 1);
		if (n <= 0)
			continue;
		if (ret_marks)   /* of whichever layer: the mirrors above it need not say it again */
			ret_marks->redirect = true;
		r = redirect_target(redirect, (size_t)n, path, target);
		return r < 0 ? r : stack_parts(ov, in[i].layer, target, out, depth + 1);
	}
	return 0;
}

int dnode_resolve(struct overlay *ov, struct dnode *d)
{
	struct part_list l = { 0 };
	struct part_marks marks = { 0 };
	int r;

	if (d->resolved)
		return 0;
	_cleanup_cred_ int own = cred_own_begin();   /* the marks of a directory do not depend on who may read it */
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
	for (struct dirent *e; (e = dir_next(dir));) {
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
