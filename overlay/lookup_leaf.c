/* lookup_leaf.c - the last component of what is to be made, removed or renamed. */
#include "overlay/internal.h"

#include <linux/magic.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

/* Not in linux/magic.h (fs/ceph and fs/orangefs of the kernel). */
#define CEPH_MAGIC 0x00c36400
#define ORANGEFS_MAGIC 0x20030528

static bool is_remote(const struct object *dir)
{
	struct statfs fs;

	if (dir->where == OBJECT_LAYER || major(dir->st.st_dev) != 0 || fstatfs(dir->fd, &fs) < 0)   /* none of these has a device */
		return false;
	switch ((uint32_t)fs.f_type) {
	case AFS_FS_MAGIC:
	case AFS_SUPER_MAGIC:
	case AUTOFS_SUPER_MAGIC:
	case CEPH_MAGIC:
	case CIFS_SUPER_MAGIC:
	case CODA_SUPER_MAGIC:
	case FUSE_SUPER_MAGIC:
	case NFS_SUPER_MAGIC:
	case ORANGEFS_MAGIC:
	case SMB2_SUPER_MAGIC:
	case SMB_SUPER_MAGIC:
	case V9FS_MAGIC:
		return true;
	}
	return false;
}

int leaf_await(struct overlay *ov, const struct caller *c, const struct leaf *leaf)
{
	_cleanup_object_ struct object o;

	object_init(&o);
	return leaf->remote && lookup_canonical(ov, c, leaf->view, &o) == -CALLER_GONE ? -CALLER_GONE : 0;
}

int lookup_leaf(struct overlay *ov, const struct caller *c, struct at at, struct leaf *ret, enum leaf_last *ret_last)
{
	return lookup_leaf_by(ov, c, at, 0, ret, ret_last);
}

int lookup_leaf_by(struct overlay *ov, const struct caller *c, struct at at, unsigned rules, struct leaf *ret, enum leaf_last *ret_last)
{
	char text[PATH_MAX];
	_cleanup_object_ struct object dir;
	size_t len = strlen(at.path), end = len;
	int r;

	object_init(&dir);
	if (!len)
		return -ENOENT;
	if (len >= PATH_MAX)
		return -ENAMETOOLONG;
	*ret_last = LEAF_NORMAL;
	while (end && at.path[end - 1] == '/')
		end--;
	ret->slash = end < len;
	if (!end) {
		*ret_last = LEAF_ROOT;
		return 0;
	}
	size_t start = end;
	while (start && at.path[start - 1] != '/')
		start--;
	const char *name = at.path + start;
	size_t nlen = end - start;
	memcpy(text, at.path, start);
	text[start] = 0;
	r = overlay_lookup(ov, c, (struct at){ at.dir, text }, LOOKUP_DIRECTORY | LOOKUP_EMPTY_PATH | rules, &dir);
	if (r < 0)
		return r;
	if (nlen == 1 && name[0] == '.')
		*ret_last = LEAF_DOT;
	else if (nlen == 2 && name[0] == '.' && name[1] == '.')
		*ret_last = LEAF_DOTDOT;
	if (dir.where == OBJECT_ANON && *ret_last == LEAF_DOT) {   /* a directory that is gone: callers refuse "." anyway */
		ret->dir[0] = ret->view[0] = 0;
		ret->name = ret->view;
		return 0;
	}
	if (dir.where == OBJECT_ANON)
		return -ENOENT;
	strcpy(ret->dir, dir.view);
	ret->remote = is_remote(&dir);
	ret->too_long = nlen > NAME_MAX;
	/* The kernel asks for the right to search before it looks at the name at all. Where it will be asked with a good name anyway,
	 * that is told then. */
	if ((ret->too_long || ret->slash || *ret_last != LEAF_NORMAL) && !cred_is_root()) {
		r = perm_object(ov, &dir, X_OK);
		if (r < 0)
			return r;
	}
	if (ret->too_long) {
		strcpy(ret->view, ret->dir);
		ret->name = "";
		return 0;
	}
	char last[NAME_MAX + 1];
	memcpy(last, name, nlen);
	last[nlen] = 0;
	r = path_join(ret->view, sizeof ret->view, ret->dir, last);
	if (r < 0)
		return r;
	ret->name = ret->view + strlen(ret->view) - nlen;
	return 0;
}

int overlay_lookup_parent(struct overlay *ov, const struct caller *c, struct at at)
{
	enum leaf_last last;
	struct leaf leaf;
	int r = lookup_leaf(ov, c, at, &leaf, &last);

	return r == 0 && last == LEAF_NORMAL ? leaf_access(ov, c, &leaf, X_OK) : r;
}

int leaf_access(struct overlay *ov, const struct caller *c, const struct leaf *leaf, int mode)
{
	_cleanup_object_ struct object dir;
	int r;

	object_init(&dir);
	if (mode == X_OK && cred_is_root())
		return 0;
	r = lookup_canonical(ov, c, leaf->dir, &dir);
	return r < 0 ? r : perm_object(ov, &dir, mode);
}
