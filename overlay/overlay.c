/* overlay.c - opening and closing the view of a box. */
#include "overlay/internal.h"
#include "base/tree.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>

#include <unistd.h>

static int open_sub(int dirfd, const char *name, int flags, mode_t make, int *ret)
{
	int fd = sys_openat2(dirfd, name, (uint64_t)flags | O_DIRECTORY | O_CLOEXEC, 0, RESOLVE_LAYER);

	if (fd == -ENOENT && make) {
		int r = sys_mkdirat(dirfd, name, make);
		if (r < 0 && r != -EEXIST)
			return r;
		fd = sys_openat2(dirfd, name, (uint64_t)flags | O_DIRECTORY | O_CLOEXEC, 0, RESOLVE_LAYER);
	}
	if (fd < 0)
		return fd;
	*ret = fd;
	return 0;
}

static int layer_init(struct overlay *ov, int i, struct err *err)
{
	struct overlay_layer *l = &ov->layers[i];
	char name[64];
	struct stat st;
	int r;

	l->fd = l->tree_fd = l->work_fd = l->links_fd = l->origins_fd = -1;
	snprintf(name, sizeof name, "layers/%d", ov->box->layer[i]);
	r = open_sub(ov->box->fd, name, O_RDONLY, 0, &l->fd);
	if (r == 0)
		r = open_sub(l->fd, "tree", O_RDONLY, 0, &l->tree_fd);
	if (r == 0)
		r = open_sub(l->fd, "work", O_RDONLY, 0700, &l->work_fd);
	if (r == 0)
		r = open_sub(l->fd, "links", O_RDONLY, 0700, &l->links_fd);
	if (r == 0)
		r = fd_real_path(l->tree_fd, l->path, sizeof l->path);
	if (r > 0)
		r = sys_fstat(l->tree_fd, &st);
	if (r == 0 && i == ov->top) {
		r = origins_open(l->fd, &l->origins_fd);
		if (r == -EBADMSG)
			return err_set(err, r, "box %s: %s/origins is not a log of origins that this version knows: look at what the box holds in "
				       "%s/%s/tree, then discard it (cowbox discard -f -b %s)", ov->box->name, name, ov->box->path, name,
				       ov->box->name);
		if (r < 0)
			return err_sys(err, r, "box %s: %s/origins cannot be opened", ov->box->name, name);
	}
	if (r < 0)
		return err_sys(err, r, "box %s: %s cannot be opened", ov->box->name, name);
	l->path_len = strlen(l->path);
	l->dev = st.st_dev;
	return 0;
}

/* True for what a process that has ended left in work/: names are made by layer_temp_name, of the process's number. */
static bool is_left_over(const char *name)
{
	unsigned pid;
	char dot;

	return sscanf(name, "%x%c", &pid, &dot) == 2 && dot == '.' && pid > 0 && pid <= INT_MAX && kill((pid_t)pid, 0) < 0 &&
	       errno == ESRCH;
}

/* Removes what a crash left in work/, when nobody runs in the box: mounts and commands hold no lock, but they are alive. */
static void sweep_work(struct overlay *ov)
{
	_cleanup_closedir_ DIR *dir = NULL;
	bool asked = false;
	int work = ov->layers[ov->top].work_fd;

	if (dir_open(work, &dir) < 0)
		return;
	for (struct dirent *e; (e = dir_next(dir));) {
		if (!asked && box_is_running(ov->box) != 0)
			return;
		asked = true;
		if (is_left_over(e->d_name))
			(void)tree_remove(work, e->d_name);
	}
}

static int hidden_init(struct overlay *ov)
{
	struct stat st;
	int r;

	ov->hidden_name = path_split(ov->box->store_path, ov->hidden_parent, sizeof ov->hidden_parent);
	if (!ov->hidden_name)
		return -ENAMETOOLONG;
	r = sys_fstatat(AT_FDCWD, ov->hidden_parent, &st, 0);
	if (r == 0) {
		ov->hidden_parent_dev = st.st_dev;
		ov->hidden_parent_ino = st.st_ino;
	}
	return r;
}

int overlay_new(struct box *box, struct overlay **ret, struct err *err)
{
	_cleanup_overlay_ struct overlay *ov = calloc(1, sizeof *ov);
	pthread_rwlockattr_t attr;
	int r;

	if (!ov)
		return err_sys(err, -ENOMEM, "box %s", box->name);
	ov->box = box;
	ov->root_fd = ov->base_fd = -1;
	ov->base_limit = OVERLAY_BASE_LIMIT;
	pthread_rwlockattr_init(&attr);
	/* Readers hold the lock for a moment and many at a time: without this a writer might never get it. */
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&ov->lock, &attr);
	pthread_rwlockattr_destroy(&attr);
	pthread_mutex_init(&ov->links_mutex, NULL);
	pthread_mutex_init(&ov->flight_mutex, NULL);
	pthread_cond_init(&ov->flight_cond, NULL);
	ov->layers = calloc((size_t)box->nlayers, sizeof *ov->layers);
	if (!ov->layers)
		return err_sys(err, -ENOMEM, "box %s", box->name);
	ov->nlayers = box->nlayers;
	ov->top = box->nlayers - 1;
	for (int i = 0; i < ov->nlayers; i++)
		ov->layers[i].fd = ov->layers[i].tree_fd = ov->layers[i].work_fd = ov->layers[i].links_fd = ov->layers[i].origins_fd = -1;
	ov->root_fd = sys_openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	if (ov->root_fd < 0)
		return err_sys(err, ov->root_fd, "/ cannot be opened");
	r = open_sub(box->fd, "base", O_RDONLY, 0700, &ov->base_fd);
	if (r < 0)
		return err_sys(err, r, "box %s: base/ cannot be opened", box->name);
	for (int i = 0; i < ov->nlayers; i++) {
		r = layer_init(ov, i, err);
		if (r < 0)
			return r;
	}
	r = hidden_init(ov);
	if (r == 0)
		r = table_init(ov);
	if (r < 0)
		return err_sys(err, r, "box %s: its layers cannot be read", box->name);
	sweep_work(ov);
	*ret = TAKE_PTR(ov);
	return 0;
}

void overlay_free(struct overlay *ov)
{
	if (!ov)
		return;
	table_free(ov);
	for (int i = 0; ov->layers && i < ov->nlayers; i++) {
		struct overlay_layer *l = &ov->layers[i];
		fd_closep(&l->fd);
		fd_closep(&l->tree_fd);
		fd_closep(&l->work_fd);
		fd_closep(&l->links_fd);
		fd_closep(&l->origins_fd);
	}
	free(ov->layers);
	fd_closep(&ov->root_fd);
	fd_closep(&ov->base_fd);
	pthread_rwlock_destroy(&ov->lock);
	pthread_mutex_destroy(&ov->links_mutex);
	pthread_mutex_destroy(&ov->flight_mutex);
	pthread_cond_destroy(&ov->flight_cond);
	free(ov);
}

void overlay_freep(struct overlay **ov)
{
	overlay_free(*ov);
	*ov = NULL;
}

void overlay_set_base_limit(struct overlay *ov, uint64_t bytes)
{
	ov->base_limit = bytes;
}

struct box *overlay_box(struct overlay *ov)
{
	return ov->box;
}
