/* object.c - objects of the view: opened where a spot says that they live, and what the view shows of them. */
#include "overlay/internal.h"

void object_init(struct object *o)
{
	o->fd = o->meta_fd = -1;
	o->where = OBJECT_ANON;
	o->is_top = o->in_layer = false;
	o->view[0] = o->real[0] = 0;
}

void object_release(struct object *o)
{
	fd_closep(&o->fd);
	fd_closep(&o->meta_fd);
}

/* The host refused. On the way through the directories that the table knows, and to a name in the last of them, what the view shows
 * decides, though, and that was asked before. */
static int open_below_known(struct overlay *ov, const struct spot *s, uint64_t flags)
{
	_cleanup_close_ int known = -1;
	size_t len = s->host_through + (s->path[s->host_through] == '/');
	char path[PATH_MAX];

	len += strcspn(s->path + len, "/");
	memcpy(path, s->path, len);
	path[len] = 0;
	{
		_cleanup_cred_ int own = cred_own_begin();
		known = sys_openat2(ov->root_fd, path_relative(path), s->path[len] ? O_PATH | O_CLOEXEC : flags, 0, RESOLVE_NO_SYMLINKS);
	}
	if (known < 0 || !s->path[len])
		return TAKE_FD(known);
	return sys_openat2(known, path_relative(s->path + len), flags, 0, RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH);
}

int spot_open(struct overlay *ov, const struct spot *s, bool dir, int *ret_fd)
{
	uint64_t flags = O_PATH | O_NOFOLLOW | O_CLOEXEC | (dir ? O_DIRECTORY : 0);

	if (s->kind == SPOT_HOST) {
		int fd = sys_openat2(ov->root_fd, path_relative(s->path), flags, 0, RESOLVE_NO_SYMLINKS);
		if (fd == -EACCES && cred_process_is_root() && !cred_is_root())
			fd = open_below_known(ov, s, flags);
		if (fd < 0)
			return fd;
		*ret_fd = fd;
		return 0;
	}
	return (s->own ? layer_open_own : layer_open)(ov, s->layer, s->path, flags, ret_fd);
}

int spot_open_parts(struct overlay *ov, const struct spot *s, struct object *o)
{
	int r = -ENOENT;

	for (int i = s->nparts - 1; i >= 0 && o->fd < 0; i--) {
		struct spot part;
		spot_init(&part);
		part.kind = s->parts[i].layer == PART_HOST ? SPOT_HOST : SPOT_OTHER;
		part.layer = s->parts[i].layer;
		part.host_through = strlen(s->parts[i].path);
		part.own = s->own;
		if (strlen(s->parts[i].path) >= sizeof part.path)
			return -ENAMETOOLONG;
		strcpy(part.path, s->parts[i].path);
		r = spot_open(ov, &part, true, &o->fd);
		if (r < 0 && (i == 0 || (r != -ENOENT && r != -ENOTDIR && r != -ELOOP)))
			return r;
		if (r == 0) {
			o->where = i == 0 ? OBJECT_LAYER : OBJECT_MERGED;
			if (part.layer == PART_HOST)
				strcpy(o->real, part.path);
			else
				path_join(o->real, sizeof o->real, ov->layers[part.layer].path, path_relative(part.path));
		}
	}
	if (o->where == OBJECT_MERGED)
		r = (s->own ? layer_open_own : layer_open)(ov, s->parts[0].layer, s->parts[0].path, O_PATH | O_DIRECTORY, &o->meta_fd);
	o->is_top = s->parts[0].layer == ov->top;
	return r;
}

int object_show_stat(struct overlay *ov, struct object *o)
{
	struct stat meta;
	int r;

	if (o->where == OBJECT_MERGED) {
		r = sys_fstat(o->meta_fd, &meta);
		if (r < 0)
			return r;
		struct stat low = o->st;
		struct record rec;
		o->st = meta;
		o->st.st_dev = low.st_dev;
		o->st.st_ino = low.st_ino;
		o->st.st_nlink = 1;
		/* Who is not root cannot give directories away: then the owner is still the host's. */
		if (!cred_process_is_root() && low.st_uid != meta.st_uid) {
			o->st.st_uid = low.st_uid;
			o->st.st_gid = low.st_gid;
		} else if (!cred_process_is_root() && low.st_gid != meta.st_gid && record_read(o->meta_fd, &rec) == 0) {
			o->st.st_gid = rec.gid;
		}
		return 0;
	}
	if (ov->nlinks && !S_ISDIR(o->st.st_mode) && o->st.st_nlink > 1 && o->where != OBJECT_ANON)
		links_count(ov, o->where == OBJECT_LAYER, &o->st);
	if (o->where == OBJECT_LAYER)
		links_identity(ov, o->fd, &o->st);
	if (o->where == OBJECT_LAYER && S_ISREG(o->st.st_mode) && ov->fix_owner && !cred_process_is_root()) {
		struct record rec;
		if (record_read(o->fd, &rec) == 0) {
			o->st.st_uid = rec.uid;
			o->st.st_gid = rec.gid;
		}
	}
	return 0;
}

int object_fix_stat(struct overlay *ov, struct object *o)
{
	int r = sys_fstat(o->fd, &o->st);

	return r < 0 ? r : object_show_stat(ov, o);
}
