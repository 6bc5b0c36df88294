/* layer.c - the top layer: places in it, its attributes, locks, origins, whiteouts.
 *
 * (W1) Whatever appears in a tree appears whole: it is made in work/ and renamed, or made in place where nothing of the host can shine
 *      through while it is made (mirror.c, maker.c).
 * (W2) The origin of a name is in the log before the name is in the tree.
 */
#include "overlay/internal.h"
#include "base/tree.h"

#include <linux/magic.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#ifndef PIDFS_MAGIC
#define PIDFS_MAGIC 0x50494446 /* Linux 6.9 */
#endif
#ifndef SECRETMEM_MAGIC
#define SECRETMEM_MAGIC 0x5345434d
#endif

int layer_open(struct overlay *ov, int layer, const char *path, uint64_t flags, int *ret_fd)
{
	int fd = sys_openat2(ov->layers[layer].tree_fd, path_relative(path), flags | O_CLOEXEC, 0, RESOLVE_LAYER);

	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 0;
}

/* One name in a directory that may lack our search bit. */
static int open_forced(int dirfd, const char *name, uint64_t flags)
{
	_cleanup_force_ struct force force = { .fd = -1 };
	int fd = sys_openat2(dirfd, name, flags | O_CLOEXEC, 0, RESOLVE_LAYER), r;

	if (fd != -EACCES)
		return fd;
	r = force_begin(dirfd, &force);
	return r < 0 ? r : sys_openat2(dirfd, name, flags | O_CLOEXEC, 0, RESOLVE_LAYER);
}

int layer_open_own(struct overlay *ov, int layer, const char *path, uint64_t flags, int *ret_fd)
{
	_cleanup_cred_ int own = cred_own_begin();
	_cleanup_close_ int dir = -1;
	char name[NAME_MAX + 1];
	int r = layer_open(ov, layer, path, flags, ret_fd);

	if (r != -EACCES || cred_process_is_root())
		return r;
	for (path = path_relative(path); *path; path += strspn(path, "/")) {
		size_t len = strcspn(path, "/");

		if (len > NAME_MAX)
			return -ENAMETOOLONG;
		memcpy(name, path, len);
		name[len] = 0;
		path += len;
		int fd = open_forced(dir < 0 ? ov->layers[layer].tree_fd : dir, name,
				     *path ? O_PATH | O_DIRECTORY | O_NOFOLLOW : flags);
		if (fd < 0)
			return fd;
		fd_closep(&dir);
		dir = fd;
	}
	*ret_fd = TAKE_FD(dir);
	return *ret_fd < 0 ? -EACCES : 0;
}

int layer_open_parent(struct overlay *ov, int layer, const char *path, int *ret_fd, const char **ret_name)
{
	char dir[PATH_MAX];

	*ret_name = path_split(path, dir, sizeof dir);
	return *ret_name ? layer_open(ov, layer, dir, O_PATH | O_DIRECTORY, ret_fd) : -ENAMETOOLONG;
}

ssize_t fd_getxattr(int fd, const char *name, void *buf, size_t size)
{
	ssize_t n = getxattr(FD_PATH(fd), name, buf, size);

	return n < 0 ? -errno : n;
}

bool fd_is_opaque(int fd)
{
	char v;

	return fd_getxattr(fd, XATTR_OPAQUE, &v, 1) == 1 && v == 'y';
}

bool fd_is_impure(int fd)
{
	char v;

	return fd_getxattr(fd, XATTR_IMPURE, &v, 1) == 1 && v == 'y';
}

int fd_set_opaque(int fd)
{
	return sys_setxattr(FD_PATH(fd), XATTR_OPAQUE, "y", 1, 0);
}

bool fd_in_layer(struct overlay *ov, int fd)
{
	const char *tree = ov->layers[ov->top].path, *rest;
	size_t len = (size_t)(strrchr(tree, '/') - tree);
	char real[PATH_MAX];

	struct stat st, own;

	if (fd_real_path(fd, real, sizeof real) <= 0 || strncmp(real, tree, len) != 0)
		return false;
	/* below a mount that is no more the same text may lead elsewhere */
	if (sys_fstat(fd, &st) < 0 || sys_fstat(ov->layers[ov->top].tree_fd, &own) < 0 || st.st_dev != own.st_dev)
		return false;
	/* tree/; what is in links/ and in work/, through which directories go when they are removed; nothing else of the box's own. */
	rest = real + len;
	return path_below(rest, "/tree", NULL) || !strncmp(rest, "/links/", 7) || !strncmp(rest, "/work/", 6);
}

/* The device of the kernel's own tmpfs or hugetlbfs, which no path leads to: that of a memfd. Found once, unless there was no descriptor for it. */
static bool is_memory(const struct stat *st, unsigned flags, _Atomic dev_t *known)
{
	dev_t dev = atomic_load(known);

	if (!dev) {
		struct stat own;
		_cleanup_close_ int fd = memfd_create("", MFD_CLOEXEC | flags);
		if (fd < 0 || sys_fstat(fd, &own) < 0)
			return false;
		dev = own.st_dev;
		atomic_store(known, dev);
	}
	return st->st_dev == dev;
}

/* True for what no path leads to: pipes, sockets, memfds. Names tell nothing, since a file of the host may be called "/memfd:". */
bool fd_is_nowhere(int fd)
{
	static _Atomic dev_t tmpfs, hugetlbfs;
	struct statfs fs;
	struct stat st;

	if (fstatfs(fd, &fs) < 0 || sys_fstat(fd, &st) < 0)
		return false;
	switch ((uint32_t)fs.f_type) {
	case PIPEFS_MAGIC:
	case SOCKFS_MAGIC:
	case ANON_INODE_FS_MAGIC:
	case SECRETMEM_MAGIC:
	case PIDFS_MAGIC:
		return true;
	case TMPFS_MAGIC:
		return is_memory(&st, 0, &tmpfs);
	case HUGETLBFS_MAGIC:
		return is_memory(&st, MFD_HUGETLB, &hugetlbfs);
	}
	return false;
}

int fd_set_times(int fd, const struct stat *st)
{
	struct timespec ts[2] = { st->st_atim, st->st_mtim };

	return sys_utimensat(fd, "", ts, AT_EMPTY_PATH);
}

int times_mark(int fd)
{
	_cleanup_cred_ int own = cred_own_begin();
	_cleanup_force_ struct force f = { .fd = -1 };
	char text[64];
	struct stat st;
	int r = sys_fstat(fd, &st), n;

	if (r == 0)
		r = force_begin(fd, &f);
	if (r < 0)
		return r;
	n = snprintf(text, sizeof text, "1 %lld %ld", (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	r = sys_setxattr(FD_PATH(fd), XATTR_TIMES, text, (size_t)n, 0);
	return r == -ENOSPC || r == -EDQUOT || r == -E2BIG || r == -ERANGE ? 0 : r;
}

bool times_marked(int fd, const struct stat *st)
{
	_cleanup_force_ struct force f = { .fd = -1 };
	char text[64], end;
	ssize_t n = fd_getxattr(fd, XATTR_TIMES, text, sizeof text - 1);
	long long sec;
	long nsec;

	if (n == -EACCES && force_begin(fd, &f) == 0)   /* made unreadable by its owner, who we are */
		n = fd_getxattr(fd, XATTR_TIMES, text, sizeof text - 1);
	if (n <= 0)
		return false;
	text[n] = 0;
	return sscanf(text, "1 %lld %ld%c", &sec, &nsec, &end) == 2 && sec == st->st_mtim.tv_sec && nsec == st->st_mtim.tv_nsec;
}

void own_umask(void)
{
	umask(0);
}

/* ---- locks ---- */

/* The table's lock comes first: flock belongs to the open file, so it cannot keep our own threads apart. */
int change_begin(struct overlay *ov)
{
	int r = table_begin(ov, true);

	own_umask();
	if (r < 0)
		return r;
	r = box_lock(ov->box);
	if (r == 0) {
		r = table_refresh(ov);   /* what another process did while we waited */
		if (r < 0)
			box_unlock(ov->box);
	}
	if (r < 0)
		table_end(ov);
	return r;
}

void change_end(struct overlay *ov, bool names_changed)
{
	if (names_changed)
		table_changed(ov);
	box_unlock(ov->box);
	table_end(ov);
}

int force_begin(int dirfd, struct force *f)
{
	struct stat st;
	int r;

	*f = (struct force){ .fd = -1 };
	if (cred_process_is_root())
		return 0;
	r = sys_fstat(dirfd, &st);
	if (r < 0 || (st.st_mode & 0700) == 0700)
		return r;
	f->fd = fcntl(dirfd, F_DUPFD_CLOEXEC, 3);
	if (f->fd < 0)
		return -errno;
	f->mode = st.st_mode & 07777;
	f->ino = st.st_ino;
	r = sys_chmod_fd(dirfd, f->mode | 0700);
	f->armed = r == 0;
	if (r < 0)
		fd_closep(&f->fd);
	return r;
}

void force_keep(struct force *f)
{
	if (f->armed)
		fd_closep(&f->fd);
	f->armed = false;
}

void force_endp(struct force *f)
{
	if (!f->armed)
		return;
	sys_chmod_fd(f->fd, f->mode);
	fd_closep(&f->fd);
	f->armed = false;
}

void force_park(struct force *f)
{
	if (f->armed)
		fd_closep(&f->fd);
}

void force_unpark(struct force *f, int fd)
{
	struct stat st;

	f->fd = fd;
	f->armed = fd >= 0 && sys_fstat(fd, &st) == 0 && st.st_ino == f->ino;
	if (!f->armed)
		fd_closep(&f->fd);
}

int force_dir_open(int dirfd, struct force *f, DIR **ret)
{
	int r = dir_open(dirfd, ret);

	return r == -EACCES && force_begin(dirfd, f) == 0 ? dir_open(dirfd, ret) : r;
}

/* ---- below a pure directory ---- */

int pure_begin(struct overlay *ov, const struct leaf *leaf, int *ret_fd)
{
	_cleanup_spot_ struct spot s;
	int r;

	spot_init(&s);
	r = table_begin(ov, false);
	if (r < 0)
		return r;
	r = table_walk_reading(ov, leaf->dir, &s);
	if (r == 0 && s.kind == SPOT_LAYER && s.layer == ov->top)
		r = layer_open(ov, s.layer, s.path, O_PATH | O_DIRECTORY, ret_fd) == 0;
	else
		r = 0;
	if (!r)
		table_end(ov);
	return r;
}

void pure_end(struct overlay *ov)
{
	table_end(ov);
}

/* ---- origins ---- */

/* A new file in base/; its number. */
static int base_make(struct overlay *ov, uint64_t *ret_id)
{
	struct timespec now;
	uint64_t id;
	char name[24];
	int r = -EEXIST;

	clock_gettime(CLOCK_REALTIME, &now);
	id = time_ns(&now);
	for (int tries = 0; r == -EEXIST && tries < 64; tries++, id++) {
		snprintf(name, sizeof name, "%llu", (unsigned long long)id);
		r = sys_openat(ov->base_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	}
	*ret_id = id - 1;
	return r;
}

static int base_fill(struct overlay *ov, int src, int dst, const struct stat *st)
{
	/* Shared, it costs nothing, whatever the size. */
	int r = (uint64_t)st->st_size > ov->base_limit ? sys_ficlone(dst, src) : copy_data(src, dst, st->st_size);

	/* What is refused is missing from it, and counts as changed when it is compared. */
	return r < 0 ? r : copy_metadata(src, dst, st, COPY_XATTRS, NULL);
}

static int hash_copy(struct overlay *ov, const char *copied, struct kept *ret)
{
	_cleanup_close_ int fd = sys_openat(ov->layers[ov->top].work_fd, copied, O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0);
	int r = fd < 0 ? fd : copy_content_hash(fd, &ret->hash);

	ret->hashed = r == 0;
	return r;
}

struct kept layer_keep(struct overlay *ov, int fd, const struct stat *st, const char *copied)
{
	_cleanup_cred_ int own = cred_own_begin();
	_cleanup_close_ int src = -1, dst = -1;
	struct kept kept = { 0 };
	char name[24];

	if (!S_ISREG(st->st_mode) || ov->base_fd < 0)
		return kept;
	src = sys_reopen(fd, O_RDONLY | O_CLOEXEC | O_NOCTTY, 0);
	dst = src < 0 ? src : base_make(ov, &kept.id);
	if (dst >= 0 && base_fill(ov, src, dst, st) == 0)
		return kept;
	/* A full disk: the change itself will say so. */
	if (dst >= 0) {
		snprintf(name, sizeof name, "%llu", (unsigned long long)kept.id);
		sys_unlinkat(ov->base_fd, name, 0);
	}
	kept.id = 0;
	if (copied && (uint64_t)st->st_size > ov->base_limit)
		(void)hash_copy(ov, copied, &kept);
	return kept;
}

/* Where the host has it, if that is another path than in the view. */
static void note_place(struct overlay *ov, const char *view, struct origin *o)
{
	_cleanup_spot_ struct spot s;
	char dir[PATH_MAX], host[PATH_MAX];
	const char *name = path_split(view, dir, sizeof dir), *where = NULL;

	spot_init(&s);
	if (!ov->has_redirects || !name || table_walk_locked(ov, dir, &s) < 0)
		return;
	if (s.kind == SPOT_HOST)
		where = s.path;
	else if (s.kind == SPOT_DIR && spot_host(&s))
		where = spot_host(&s)->path;
	if (!where || strcmp(where, dir) == 0 || path_join(host, sizeof host, where, name) < 0)
		return;
	o->moved = true;
	o->host_sum = origin_path_sum(host);
}

int layer_note_origin(struct overlay *ov, const struct caller *c, const char *view, const struct stat *host, const char *target,
		      const struct kept *kept)
{
	_cleanup_cred_ int own = cred_own_begin();
	struct origin o = { .path = view, .comm = c && c->comm ? c->comm : "", .pid = c ? (uint32_t)c->pid : 0, .by_commit = !c };
	struct timespec now;
	int r;

	if (host) {
		origin_from_stat(&o, host);
		note_place(ov, view, &o);
	}
	if (kept) {
		o.base_id = kept->id;
		o.hash = kept->hash;
		o.hashed = kept->hashed;
	}
	o.target = target;
	clock_gettime(CLOCK_REALTIME, &now);
	o.when_ns = time_ns(&now);
	r = origins_append(ov->layers[ov->top].origins_fd, &o);
	if (r == 0 && host)
		r = inode_set_add(&ov->touched, host->st_dev, host->st_ino);
	return r;
}

int layer_note_object(struct overlay *ov, const struct caller *c, const struct object *o, const char *target, const struct kept *kept)
{
	struct stat st = o->st, own;

	/* How many names it has the view may show otherwise. */
	if (ov->nlinks && !S_ISDIR(st.st_mode) && sys_fstat(o->fd, &own) == 0)
		st.st_nlink = own.st_nlink;
	return layer_note_origin(ov, c, o->view, &st, target, kept);
}

int layer_note_absent(struct overlay *ov, const struct caller *c, const char *view)
{
	_cleanup_spot_ struct spot s;
	char dir[PATH_MAX];
	int r;

	spot_init(&s);
	r = path_split(view, dir, sizeof dir) ? table_walk_locked(ov, dir, &s) : -ENAMETOOLONG;
	if (r < 0)
		return r;
	if (!(s.kind == SPOT_HOST || (s.kind == SPOT_DIR && spot_host(&s)))) {
		_cleanup_cred_ int own = cred_own_begin();
		struct stat st;
		if (sys_fstatat(ov->root_fd, path_relative(view), &st, AT_SYMLINK_NOFOLLOW) != -ENOENT)
			return 0;
	}
	return layer_note_origin(ov, c, view, NULL, NULL, NULL);
}

/* The stat and, of a symlink, the text of what is below the top layer at a view path: for its origin. */
int layer_lower_exists(struct overlay *ov, const char *view, struct stat *ret_host)
{
	_cleanup_cred_ int own = cred_own_begin();
	char dir[PATH_MAX], path[PATH_MAX];
	_cleanup_spot_ struct spot s;
	struct stat st;
	int r;


	spot_init(&s);
	const char *name = path_split(view, dir, sizeof dir);
	if (!name)
		return -ENAMETOOLONG;
	r = table_walk_locked(ov, dir, &s);
	if (r < 0)
		return r;
	if (s.kind == SPOT_HOST) {   /* the directory itself is untouched */
		s.nparts = 0;
		if (path_join(path, sizeof path, s.path, name) < 0)
			return -ENAMETOOLONG;
		r = sys_fstatat(ov->root_fd, path_relative(path), &st, AT_SYMLINK_NOFOLLOW);
		if (r == 0 && ret_host)
			*ret_host = st;
		return r == 0 ? 1 : r == -ENOENT || r == -ENOTDIR ? 0 : r;
	}
	if (s.kind != SPOT_DIR)
		return 0;
	for (int i = 0; i < s.nparts; i++) {
		if (s.parts[i].layer == ov->top)
			continue;
		r = path_join(path, sizeof path, s.parts[i].path, name);
		if (r < 0)
			return r;
		if (s.parts[i].layer == PART_HOST) {
			if (overlay_hides(ov, path))
				return 0;
			r = sys_fstatat(ov->root_fd, path_relative(path), &st, AT_SYMLINK_NOFOLLOW);
		} else {
			_cleanup_close_ int fd = -1;
			r = layer_open(ov, s.parts[i].layer, path, O_PATH | O_NOFOLLOW, &fd);
			if (r == 0)
				r = sys_fstat(fd, &st);
			if (r == 0 && stat_is_whiteout(&st))
				return 0;
		}
		if (r == 0) {
			if (ret_host)
				*ret_host = st;
			return 1;
		}
		if (r != -ENOENT && r != -ENOTDIR)
			return r;
	}
	return 0;
}

/* ---- whiteouts and removal ---- */

void layer_temp_name(struct overlay *ov, char ret[static 32])
{
	snprintf(ret, 32, "%x.%llx", (unsigned)getpid(), (unsigned long long)atomic_fetch_add(&ov->serial, 1));
}

int layer_whiteout(struct overlay *ov, int dirfd, const char *name)
{
	_cleanup_cred_ int own = cred_own_begin();
	int r = sys_mknodat(dirfd, name, S_IFCHR, makedev(0, 0));

	if (r != -EEXIST)
		return r;
	char tmp[32];
	int work = ov->layers[ov->top].work_fd;

	layer_temp_name(ov, tmp);
	r = sys_mknodat(work, tmp, S_IFCHR, makedev(0, 0));
	if (r < 0)
		return r;
	r = sys_renameat2(work, tmp, dirfd, name, 0);
	if (r < 0)
		sys_unlinkat(work, tmp, 0);
	return r;
}

int layer_remove_tree(int dirfd, const char *name)
{
	_cleanup_cred_ int own = cred_own_begin();

	return tree_remove(dirfd, name);
}
