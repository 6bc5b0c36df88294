/* box.c - one box in the store: opened, locked, removed.
 *
 * (I1) box.json is the only place that says which layers a box has. A directory in layers/ that it does not name is stray, and left alone.
 * (I2) Nothing that box.json says is used before it was checked: layers are numbers, opened beneath the box through no link.
 */
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <time.h>
#include "overlay/internal.h"
#include "overlay/store.h"
#include "base/tree.h"

#define LOCK_SIZE 4096
#define FILE_FLAGS (O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
#define BUSY_TRIES 3

struct box *box_alloc(void)
{
	struct box *b = malloc(sizeof *b);

	if (b)
		*b = (struct box){ .fd = -1, .lock_fd = -1 };
	return b;
}

void box_free(struct box *b)
{
	if (!b)
		return;
	if (b->generation)
		munmap((void *)b->generation, LOCK_SIZE);
	fd_closep(&b->lock_fd);
	fd_closep(&b->fd);
	free(b->command);
	free(b->profile);
	free(b);
}

void box_freep(struct box **b)
{
	box_free(*b);
	*b = NULL;
}

int box_set_paths(struct box *b, struct store *s, const char *name)
{
	int r;

	strcpy(b->name, name);
	strcpy(b->store_path, s->path);
	r = path_join(b->path, sizeof b->path, s->path, "boxes");
	if (r > 0)
		r = path_join(b->path, sizeof b->path, b->path, name);
	return r < 0 ? r : 0;
}

int box_open_file(int dirfd, const char *name, uint64_t flags)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	fd = sys_openat2(dirfd, name, flags | FILE_FLAGS, 0600, RESOLVE_LAYER);
	if (fd < 0)
		return fd;
	r = sys_fstat(fd, &st);
	if (r < 0)
		return r;
	/* One that has another name too is somebody else's: it would be written to. */
	return S_ISREG(st.st_mode) && st.st_nlink <= 1 ? TAKE_FD(fd) : -EBADMSG;
}

int box_damaged(struct err *err, const char *name, const char *fmt, ...)
{
	char what[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	return err_set(err, -EBADMSG, "the box %s is damaged: %s (repair it, or remove it with: cowbox discard -f -b %s)", name, what, name);
}

/* ---- the lock file ---- */

/* A lock file that is too short to map is made whole again, under the lock, so that nobody sees it shrink or the counter go back. */
static int lock_repair(int fd)
{
	struct stat st;
	int r = sys_flock(fd, LOCK_EX);

	if (r < 0)
		return r;
	r = sys_fstat(fd, &st);
	if (r == 0 && st.st_size < (off_t)sizeof(uint64_t))
		r = sys_ftruncate(fd, LOCK_SIZE);
	(void)sys_flock(fd, LOCK_UN);
	return r;
}

int box_open_lock(struct box *b)
{
	struct stat st;
	void *p;
	int r;

	b->lock_fd = box_open_file(b->fd, "lock", O_RDWR | O_CREAT);
	if (b->lock_fd < 0)
		return b->lock_fd;
	r = sys_fstat(b->lock_fd, &st);
	if (r == 0 && st.st_size < (off_t)sizeof(uint64_t))
		r = lock_repair(b->lock_fd);
	if (r < 0)
		return r;
	p = mmap(NULL, LOCK_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, b->lock_fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	b->generation = p;
	return 0;
}

int box_lock(struct box *b)
{
	return sys_flock(b->lock_fd, LOCK_EX);
}

void box_unlock(struct box *b)
{
	/* Unlocking cannot be refused; a fault that a test injects must not leave the box locked. */
	if (sys_flock(b->lock_fd, LOCK_UN) < 0)
		(void)flock(b->lock_fd, LOCK_UN);
}

/* ---- opening ---- */

int box_open_in(const struct box *b, const char *path, int flags)
{
	return sys_openat2(b->fd, path, (uint64_t)(flags | O_NOFOLLOW | O_CLOEXEC | (flags & O_PATH ? 0 : O_NONBLOCK)), flags & O_CREAT ? 0600 : 0, RESOLVE_LAYER);
}

static int open_dir(struct box *b, const char *path)
{
	return box_open_in(b, path, O_PATH | O_DIRECTORY);
}

static int check_layer(struct box *b, int number, struct err *err)
{
	static const char *const parts[] = { "tree", "work", "links" };

	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		_cleanup_close_ int fd = -1;
		char path[64];

		snprintf(path, sizeof path, "layers/%d/%s", number, parts[i]);
		fd = open_dir(b, path);
		/* The tree is the box; an empty work or links may have been left out by whoever copied it. */
		if (fd == -ENOENT && i > 0 && sys_mkdirat(b->fd, path, 0700) == 0)
			fd = open_dir(b, path);
		if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP || fd == -EXDEV)
			return box_damaged(err, b->name, "%s is not a directory", path);
		if (fd < 0)
			return err_sys(err, fd, "cannot open %s/%s", b->path, path);
	}
	return 0;
}

static int open_box_dir(struct box *b, struct store *s, struct err *err)
{
	b->fd = sys_openat2(s->boxes_fd, b->name, O_RDONLY | BOX_DIR_FLAGS, 0, RESOLVE_LAYER);
	if (b->fd == -ENOENT)
		return err_set(err, -ENOENT, "there is no box %s (cowbox list shows them)", b->name);
	if (b->fd == -ENOTDIR || b->fd == -ELOOP)
		return err_set(err, -EBADMSG, "%s is not a box but a stray file: move it away", b->path);
	if (b->fd < 0)
		return err_sys(err, b->fd, "cannot open the box %s", b->path);
	return 0;
}

int box_open(struct store *s, const char *name, struct box **ret, struct err *err)
{
	_cleanup_box_ struct box *b = NULL;
	int r = box_name_check(name, err);

	if (r < 0)
		return r;
	b = box_alloc();
	r = b ? box_set_paths(b, s, name) : -ENOMEM;
	if (r < 0)
		return err_sys(err, r, "cannot open the box %s", name);
	r = open_box_dir(b, s, err);
	if (r == 0)
		r = box_read_json(b, err);
	for (int i = 0; r == 0 && i < b->nlayers; i++)
		r = check_layer(b, b->layer[i], err);
	if (r < 0)
		return r;
	r = box_open_lock(b);
	if (r == -EBADMSG || r == -ELOOP || r == -EISDIR)
		return box_damaged(err, b->name, "its lock is not a regular file");
	if (r < 0)
		return err_sys(err, r, "cannot open %s/lock", b->path);
	*ret = TAKE_PTR(b);
	return 0;
}

/* ---- the running lock ---- */

/* The box may have been removed, or removed and made again, after it was opened. */
static bool box_in_place(struct box *b)
{
	char path[BOX_NAME_MAX + 4];
	struct stat mine, there;

	snprintf(path, sizeof path, "../%s", b->name);
	return sys_fstat(b->fd, &mine) == 0 && sys_fstatat(b->fd, path, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	       mine.st_dev == there.st_dev && mine.st_ino == there.st_ino;
}

static int hold_running(struct box *b, int how, struct err *err)
{
	_cleanup_close_ int fd = -1;
	int r;

	fd = box_open_file(b->fd, "running", O_RDWR | O_CREAT);
	if (fd < 0)
		return err_sys(err, fd, "cannot open %s/running", b->path);
	/* Exclusive holders are those who ask and those who remove, who are done in a moment, and commits. */
	r = sys_flock(fd, how);
	if (r == -EWOULDBLOCK)
		return err_set(err, -EBUSY, "the box %s is in use by another cowbox", b->name);
	if (r < 0)
		return err_sys(err, r, "cannot lock %s/running", b->path);
	if (!box_in_place(b))
		return err_set(err, -ENOENT, "the box %s was removed meanwhile", b->name);
	return TAKE_FD(fd);
}

int box_hold_running(struct box *b, struct err *err)
{
	return hold_running(b, LOCK_SH, err);
}

int box_try_hold_running(struct box *b, struct err *err)
{
	return hold_running(b, LOCK_SH | LOCK_NB, err);
}

/* 0: ret_fd holds the lock exclusively. Positive: somebody runs. Others who ask hold it for a moment too, so it is tried again. */
static int running_exclude(int dirfd, int *ret_fd)
{
	_cleanup_close_ int fd = -1;
	int r;

	fd = box_open_file(dirfd, "running", O_RDWR);
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fd;
	for (int i = 1;; i++) {
		r = sys_flock(fd, LOCK_EX | LOCK_NB);
		if (r != -EWOULDBLOCK || i == BUSY_TRIES)
			break;
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	if (r == -EWOULDBLOCK)
		return 1;
	if (r == 0)
		*ret_fd = TAKE_FD(fd);
	return r;
}

int box_is_running(struct box *b)
{
	_cleanup_close_ int fd = -1;

	return running_exclude(b->fd, &fd);
}

/* ---- removing, counting ---- */

static int busy(const char *name, struct err *err)
{
	return err_set(err, -EBUSY, "the box %s is in use by a cowbox run: end that first", name);
}

int box_remove(struct store *s, struct box *b, struct err *err)
{
	_cleanup_close_ int fd = -1;
	int r = running_exclude(b->fd, &fd);

	if (r > 0)
		return busy(b->name, err);
	if (r < 0)
		return err_sys(err, r, "cannot lock %s/running", b->path);
	if (!box_in_place(b))
		return err_set(err, -ENOENT, "the box %s was removed meanwhile", b->name);
	return store_remove_aside(s, b->name, &fd, err);
}

int box_remove_damaged(struct store *s, const char *name, struct err *err)
{
	_cleanup_close_ int dir = -1, fd = -1;
	int r = box_name_check(name, err);

	if (r < 0)
		return r;
	dir = sys_openat2(s->boxes_fd, name, O_PATH | BOX_DIR_FLAGS, 0, RESOLVE_LAYER);
	if (dir == -ENOENT)
		return err_set(err, -ENOENT, "there is no box %s (cowbox list shows them)", name);
	/* Without a lock file that can be asked nobody can hold it. */
	if (dir >= 0 && running_exclude(dir, &fd) > 0)
		return busy(name, err);
	return store_remove_aside(s, name, &fd, err);
}

int box_usage(struct box *b, uint64_t *ret_bytes, uint64_t *ret_objects)
{
	uint64_t bytes = 0, objects = 0, other = 0;

	for (int i = 0; i < b->nlayers; i++) {
		static const char *const parts[] = { "tree", "work", "links" };

		for (size_t k = 0; k < sizeof parts / sizeof parts[0]; k++) {
			char path[64];
			int r;

			snprintf(path, sizeof path, "layers/%d/%s", b->layer[i], parts[k]);
			r = tree_usage(b->fd, path, &bytes, k == 0 ? &objects : &other);
			if (r < 0 && r != -ENOENT)
				return r;
		}
	}
	*ret_bytes = bytes;
	*ret_objects = objects;
	return 0;
}
