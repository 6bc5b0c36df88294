/* maker.c - making one new name in the top layer: rights, mirrors, origin; in place, or staged in work/ where a whiteout is in its way. */
#include "overlay/internal.h"

#include <dirent.h>
#include <unistd.h>

void caller_umask(const struct caller *c)
{
	umask(c ? c->umask : 022);
}

/* A directory in work/ from which new objects inherit what they would from the real one: its group and default ACL. */
static int stage_make(struct maker *m, const struct object *dir)
{
	char acl[4096];
	int work = m->ov->layers[m->ov->top].work_fd, r;
	_cleanup_cred_ int own = cred_own_begin();

	layer_temp_name(m->ov, m->stage_dir);
	r = sys_mkdirat(work, m->stage_dir, 0777);
	if (r < 0) {
		m->stage_dir[0] = 0;
		return r;
	}
	m->stage_fd = sys_openat(work, m->stage_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	if (m->stage_fd < 0)
		return m->stage_fd;
	r = sys_chmod_fd(m->stage_fd, 0777);
	if (r == 0 && (dir->st.st_mode & S_ISGID)) {
		sys_fchownat(m->stage_fd, "", (uid_t)-1, dir->st.st_gid, AT_EMPTY_PATH);
		r = sys_chmod_fd(m->stage_fd, 0777 | S_ISGID);
	}
	ssize_t n = fd_getxattr(dir->meta_fd >= 0 ? dir->meta_fd : dir->fd, "system.posix_acl_default", acl, sizeof acl);
	if (r == 0 && n > 0)
		r = sys_fsetxattr(m->stage_fd, "system.posix_acl_default", acl, (size_t)n, 0);
	return r;
}

/* What is at the leaf now; rights to make something there. Who may write and search the directory is asked once; only where that is not so, the
 * order in which the kernel would find out matters. */
static int maker_check(struct maker *m, struct spot *s, struct object *dir)
{
	struct overlay *ov = m->ov;
	_cleanup_object_ struct object there;
	int r, right;

	object_init(&there);
	r = lookup_canonical_locked(ov, m->leaf->dir, dir);
	if (r < 0)
		return r;
	if (!S_ISDIR(dir->st.st_mode))
		return -ENOTDIR;
	right = perm_object(ov, dir, W_OK | X_OK);
	r = right < 0 ? perm_object(ov, dir, X_OK) : 0;
	if (r < 0)
		return r;
	r = lookup_canonical_locked(ov, m->leaf->view, &there);
	if (r == 0)
		return -EEXIST;
	if (r != -ENOENT)
		return r;
	if (overlay_hides(ov, m->leaf->view))
		return -EACCES;
	if (right == 0 && dir->where == OBJECT_MERGED)   /* the mirror can be written to, be the host's mounted as it may */
		right = perm_writable_fs(dir);
	if (right < 0)
		return right;
	return table_walk_locked(ov, m->leaf->view, s);
}

int maker_begin(struct maker *m, struct overlay *ov, const struct caller *c, const struct leaf *leaf)
{
	_cleanup_spot_ struct spot s;
	_cleanup_object_ struct object dir;
	int r;

	spot_init(&s);
	object_init(&dir);
	*m = (struct maker){ .ov = ov, .c = c, .leaf = leaf, .top_fd = -1, .stage_fd = -1, .force = { .fd = -1 } };
	r = leaf_await(ov, c, leaf);
	if (r == 0)
		r = change_begin(ov);
	if (r < 0)
		return r;
	m->began = true;
	r = maker_check(m, &s, &dir);
	if (r < 0)
		return r;
	if (dir.where == OBJECT_MERGED && dir.is_top)
		m->top_fd = fcntl(dir.meta_fd, F_DUPFD_CLOEXEC, 3);
	r = m->top_fd >= 0 ? 0 : layer_mirror(ov, c, leaf->dir, &m->top_fd, NULL);
	if (r < 0)
		return r;
	m->pure = s.kind == SPOT_LAYER;
	m->fd = m->top_fd;
	m->name = leaf->name;
	if (m->pure) {
		caller_umask(c);
		return 0;
	}
	if (s.kind != SPOT_WHITEOUT || s.layer != ov->top) {
		r = layer_note_absent(ov, c, leaf->view);
		if (r == 0)
			r = force_begin(m->top_fd, &m->force);
		caller_umask(c);
		return r;
	}
	r = force_begin(m->top_fd, &m->force);
	if (r < 0)
		return r;
	r = stage_make(m, &dir);
	if (r < 0)
		return r;
	m->fd = m->stage_fd;
	layer_temp_name(ov, m->stage_name);
	m->name = m->stage_name;
	caller_umask(c);
	return 0;
}

int maker_end(struct maker *m, bool is_dir)
{
	struct overlay *ov = m->ov;
	_cleanup_force_ struct force f = { .fd = -1 };   /* to mark a directory, and to move it */
	struct stat st;
	int r = sys_fstatat(m->fd, m->name, &st, AT_SYMLINK_NOFOLLOW);

	if (r == 0 && is_dir && !m->pure) {
		_cleanup_cred_ int own = cred_own_begin();
		_cleanup_close_ int fd = sys_openat(m->fd, m->name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
		r = fd < 0 ? fd : force_begin(fd, &f);
		if (r == 0)
			r = fd_set_opaque(fd);
	}
	if (r == 0 && m->stage_fd >= 0) {
		_cleanup_cred_ int own = cred_own_begin();
		r = sys_renameat2(m->stage_fd, m->name, m->top_fd, m->leaf->name, is_dir ? RENAME_EXCHANGE : 0);
		if (r == 0 && is_dir)
			sys_unlinkat(m->stage_fd, m->name, 0);   /* the whiteout */
	}
	if (r < 0) {
		sys_unlinkat(m->fd, m->name, is_dir ? AT_REMOVEDIR : 0);
		return r;
	}
	if (!m->pure)
		r = table_put(ov, m->leaf->view, is_dir ? DNODE_DIR : DNODE_OTHER, (unsigned char)IFTODT(st.st_mode), st.st_ino);
	force_endp(&m->force);
	if (m->stage_dir[0]) {
		_cleanup_cred_ int own = cred_own_begin();
		sys_unlinkat(ov->layers[ov->top].work_fd, m->stage_dir, AT_REMOVEDIR);
		m->stage_dir[0] = 0;
	}
	change_end(ov, !m->pure);
	m->began = false;
	return r;
}

void maker_abortp(struct maker *m)
{
	force_endp(&m->force);
	fd_closep(&m->top_fd);
	fd_closep(&m->stage_fd);
	if (m->stage_dir[0]) {
		_cleanup_cred_ int own = cred_own_begin();
		sys_unlinkat(m->ov->layers[m->ov->top].work_fd, m->stage_dir, AT_REMOVEDIR);
	}
	if (m->began)
		change_end(m->ov, true);   /* mirrors may have been made */
	m->began = false;
}
