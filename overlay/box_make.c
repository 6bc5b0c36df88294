/* box_make.c - making a box: under a temporary name, and renamed into place when it is whole. */
#include <stdio.h>
#include <sys/file.h>
#include <time.h>
#include "overlay/internal.h"
#include "overlay/store.h"
#include "base/tree.h"

#define TEMP_TRIES 3

static int make_dir(int dirfd, const char *name, int *ret_fd)
{
	int r = sys_mkdirat(dirfd, name, 0700);

	if (r < 0 || !ret_fd)
		return r;
	r = sys_openat2(dirfd, name, O_RDONLY | BOX_DIR_FLAGS, 0, RESOLVE_LAYER);
	if (r < 0)
		return r;
	*ret_fd = r;
	return 0;
}

/* The layer's root is the mirror of the host's. */
static int mirror_root(int tree_fd)
{
	_cleanup_close_ int root = -1;
	struct stat st;
	int r;

	root = sys_openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	if (root < 0)
		return root;
	r = sys_fstat(root, &st);
	return r < 0 ? r : copy_metadata(root, tree_fd, &st, COPY_ALL, NULL);
}

static int make_layer(int layers_fd, int number)
{
	_cleanup_close_ int fd = -1, tree = -1;
	char name[16];
	int r;

	snprintf(name, sizeof name, "%d", number);
	r = make_dir(layers_fd, name, &fd);
	if (r == 0)
		r = make_dir(fd, "tree", &tree);
	if (r == 0)
		r = make_dir(fd, "work", NULL);
	if (r == 0)
		r = make_dir(fd, "links", NULL);
	return r < 0 ? r : mirror_root(tree);
}

/* Fills the directory b->fd. */
static int make_contents(struct box *b)
{
	_cleanup_close_ int layers = -1, running = -1;
	struct stat st;
	int r;

	r = make_dir(b->fd, "layers", &layers);
	if (r == 0)
		r = make_layer(layers, b->layer[0]);
	if (r == 0)
		r = make_dir(b->fd, "base", NULL);
	if (r < 0)
		return r;
	running = box_open_file(b->fd, "running", O_RDWR | O_CREAT);
	if (running < 0)
		return running;
	/* Whatever the host stamps earlier was there before the box. */
	r = sys_fstat(running, &st);
	if (r < 0)
		return r;
	b->born_ns = time_ns(&st.st_ctim);
	r = box_open_lock(b);
	return r < 0 ? r : box_write_json(b, b->fd);
}

/* Makes the directory under its temporary name, and locks it against the sweep of others. One that was swept in the moment between is
 * made anew. */
static int make_temp_dir(struct store *s, char name[static STORE_TEMP_MAX], int *ret_fd)
{
	for (int i = 0; i < TEMP_TRIES; i++) {
		_cleanup_close_ int fd = -1;
		struct stat st;
		int r;

		store_temp_name(name, "new");
		r = make_dir(s->boxes_fd, name, &fd);
		if (r == -ENOENT)
			continue;
		if (r == 0)
			r = store_make_private(fd);
		if (r == 0)
			r = sys_flock(fd, LOCK_EX);
		if (r == 0)
			r = sys_fstat(fd, &st);
		if (r < 0) {
			(void)tree_remove(s->boxes_fd, name);
			return r;
		}
		if (st.st_nlink == 0)
			continue;
		*ret_fd = TAKE_FD(fd);
		return 0;
	}
	return -EAGAIN;
}

/* Puts the finished box in its place. */
static int publish(struct store *s, const char *temp, const char *name)
{
	int r = sys_renameat2(s->boxes_fd, temp, s->boxes_fd, name, RENAME_NOREPLACE);

	/* A file system without the flag: two that make the same name in the same instant then meet a directory that is not empty. */
	if (r == -EINVAL)
		r = sys_renameat2(s->boxes_fd, temp, s->boxes_fd, name, 0);
	return r == -ENOTEMPTY || r == -ENOTDIR ? -EEXIST : r;
}

static int box_describe(struct box *b, struct store *s, const char *name, const char *command)
{
	char shown[BOX_COMMAND_MAX];
	int r = box_set_paths(b, s, name);

	if (r < 0)
		return r;
	b->command = strdup(path_printable(command ? command : "", shown, sizeof shown));
	b->profile = strdup("");
	b->created = time(NULL);
	b->nlayers = 1;
	b->layer[0] = 1;
	return b->command && b->profile ? 0 : -ENOMEM;
}

static int name_taken(const char *name, struct err *err)
{
	return err_set(err, -EEXIST, "there is a box %s already: take another name, or use it with -b %s", name, name);
}

int box_create(struct store *s, const char *name, const char *command, struct box **ret, struct err *err)
{
	_cleanup_box_ struct box *b = NULL;
	char temp[STORE_TEMP_MAX];
	struct stat st;
	int r = box_name_check(name, err);

	if (r < 0)
		return r;
	if (sys_fstatat(s->boxes_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return name_taken(name, err);
	b = box_alloc();
	r = b ? box_describe(b, s, name, command) : -ENOMEM;
	if (r == 0)
		r = make_temp_dir(s, temp, &b->fd);
	if (r < 0)
		return err_sys(err, r, "cannot make the box %s in %s", name, s->path);
	r = make_contents(b);
	if (r == 0)
		r = publish(s, temp, name);
	(void)sys_flock(b->fd, LOCK_UN);
	if (r == 0) {
		*ret = TAKE_PTR(b);
		return 0;
	}
	(void)tree_remove(s->boxes_fd, temp);
	if (r == -EEXIST)
		return name_taken(name, err);
	return err_sys(err, r, "cannot make the box %s in %s", name, s->path);
}
