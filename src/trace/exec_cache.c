#include "exec_cache.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/copy.h"
#include "base/cred.h"
#include "base/sys.h"

#define VIEW_XATTR "user.cowbox.view"

static uint64_t hash(uint64_t h, const void *data, size_t n)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 0x100000001b3ULL;
	return h;
}

static uint64_t hash_identity(uint64_t h, const struct stat *st)
{
	h = hash(h, &st->st_dev, sizeof st->st_dev);
	h = hash(h, &st->st_ino, sizeof st->st_ino);
	h = hash(h, &st->st_size, sizeof st->st_size);
	h = hash(h, &st->st_mtim, sizeof st->st_mtim);
	return hash(h, &st->st_ctim, sizeof st->st_ctim);
}

/* Fills a new file with the copy. */
static int cache_write(int dst, const struct object *o, int src, const struct program *p, const char *interp)
{
	int e = copy_data(src, dst, o->st.st_size);

	if (e == 0)
		e = program_set_interp(dst, p, o->st.st_size, interp);
	if (e == 0)
		e = sys_fsetxattr(dst, VIEW_XATTR, o->view, strlen(o->view), 0);
	/* Who may run it was decided on the original. */
	return e < 0 ? e : sys_fchmod(dst, 0755);
}

static int cache_make(int dir, const char *name, const struct object *o, int src, const struct program *p, const char *interp)
{
	static _Atomic unsigned serial;
	char temp[64];
	_cleanup_close_ int dst = -1;
	int e;

	snprintf(temp, sizeof temp, ".new-%d-%u", getpid(), serial++);
	dst = sys_openat(dir, temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0700);
	if (dst < 0)
		return dst;
	e = cache_write(dst, o, src, p, interp);
	/* Closed before it is run, or that would be ETXTBSY. */
	close(TAKE_FD(dst));
	if (e == 0)
		e = sys_renameat2(dir, temp, dir, name, 0);
	if (e < 0)
		sys_unlinkat(dir, temp, 0);
	return e;
}

static int open_subdir(int dir, const char *name)
{
	int e = sys_mkdirat(dir, name, 0755);

	if (e < 0 && e != -EEXIST)
		return e;
	return sys_openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
}

int exec_cache_get(struct overlay *ov, const struct object *o, int fd, const struct program *p, const struct object *interp,
		   char *ret, size_t size)
{
	struct box *box = overlay_box(ov);
	char parent[PATH_MAX], key[20];
	const char *name = path_split(o->view[0] ? o->view : "/program", parent, sizeof parent);
	_cleanup_close_ int execs = -1, dir = -1;
	_cleanup_cred_ int own = cred_own_begin();
	uint64_t h = 0xcbf29ce484222325ULL;
	struct stat st;
	int e;

	h = hash_identity(hash_identity(h, &o->st), &interp->st);
	h = hash(h, interp->real, strlen(interp->real));
	h = hash(h, o->view, strlen(o->view));
	snprintf(key, sizeof key, "%016llx", (unsigned long long)h);
	if (snprintf(ret, size, "%s/execs/%s/%s", box->path, key, name) >= (int)size)
		return -ENAMETOOLONG;
	execs = open_subdir(box->fd, "execs");
	if (execs < 0)
		return execs;
	dir = open_subdir(execs, key);
	if (dir < 0)
		return dir;
	e = sys_fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW);
	return e == -ENOENT ? cache_make(dir, name, o, fd, p, interp->real) : e;
}

int exec_cache_view(struct overlay *ov, const char *real, char *ret, size_t size)
{
	struct box *box = overlay_box(ov);
	const char *rest;
	_cleanup_cred_ int own = cred_own_begin();
	ssize_t n;

	if (!path_below(real, box->path, &rest) || strncmp(rest, "/execs/", 7) != 0)
		return -ENXIO;
	n = lgetxattr(real, VIEW_XATTR, ret, size - 1);
	if (n <= 0)
		return -ENOENT;
	ret[n] = '\0';
	return 0;
}
