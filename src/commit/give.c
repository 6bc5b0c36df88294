/* give.c - new files and trees of the box become the host's by a rename, with nothing copied, where both are on one file system.
 *
 * (G1) What is given is in the box or on the host at every moment, and never both: taking the step back puts it into the box again. So what a program of
 *      the host does to it before the commit point is done to the only one there is (cowbox.1 says so).
 * (G2) Until the commit point the directories of a given tree have the layer's marks on them, so that they are right again in the box if it comes to
 *      that; replay_finish takes them away.
 */
#include "apply.h"
#include "replay.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/descent.h"
#include "base/path.h"
#include "base/stat.h"
#include "base/sys.h"

/* New, all of it wanted as it is. */
static bool is_whole(const struct apply *a, const struct commit_item *it)
{
	return it->change->kind == CHANGE_ADDED && item_planned(it) && it->verdict == COMMIT_APPLY && it->outcome == COMMIT_UNTRIED &&
	       it->resolved == RESOLVE_NONE && !it->part && !it->one_with && !a->p->p.keep;
}

static bool tree_is_whole(struct apply *a, size_t begin, size_t end)
{
	for (size_t k = begin; k < end; k++)
		if (!is_whole(a, item(a, k)) || (k > begin && a->busy[k]))
			return false;
	return true;
}

/* ---- the directory that it comes out of ---- */

void give_leave(struct apply *a)
{
	if (a->left_fd >= 0)
		(void)sys_utimensat(a->left_fd, "", a->left_times, AT_EMPTY_PATH);
	fd_closep(&a->left_fd);
	a->left_fd = -1;
}

/* It gets its times back when the next one is come to, and when the step is taken back. */
static int note_layer(struct apply *a, const struct plain *p)
{
	char dir[PATH_MAX];
	struct ident id;
	struct stat st;
	int r = host_ident(&a->p->host, p->dir, &id);

	if (r < 0 || (a->left_fd >= 0 && ident_same(&a->left, &id)))
		return r;
	r = sys_fstat(p->dir, &st);
	if (r < 0)
		return r;
	give_leave(a);
	a->left = ident_of(&st);
	a->left_times[0] = st.st_atim;
	a->left_times[1] = st.st_mtim;
	a->left_fd = fcntl(p->dir, F_DUPFD_CLOEXEC, 3);
	if (a->left_fd < 0)
		return -errno;
	if (inode_set_has(&a->layers, st.st_dev, st.st_ino))
		return 0;
	r = inode_set_add(&a->layers, st.st_dev, st.st_ino);
	if (r == 0 && !path_split(p->path, dir, sizeof dir))
		r = -ENAMETOOLONG;
	return r < 0 ? r : journal_add_dir(a->j, dir, &st);
}

int give_move(struct apply *a, size_t i, const struct plain *p, const char *temp, const char *path)
{
	const struct host_name from = { p->dir, p->name, p->path };
	struct host_name to = { .path = path };
	struct stat there;
	int r = host_parent(&a->p->host, path, &to.dir, &to.name);

	if (r < 0)
		return r;
	/* That was found out before the step was put off. */
	if (!a->making && !host_same_mount(p->dir, to.dir))
		return 0;
	if (temp)
		to.name = temp;
	r = note_layer(a, p);
	if (r == 0)
		r = act_give(a, i, &from, &to, &p->st);
	/* Some file systems know no flags; the step is logged. */
	if (r == -EINVAL && sys_fstatat(to.dir, to.name, &there, AT_SYMLINK_NOFOLLOW) == -ENOENT)
		r = sys_renameat2(from.dir, from.name, to.dir, to.name, 0);
	/* The step stays in the journal, as one that was not made. */
	if (r == -EXDEV || r == -EINVAL || r == -EACCES || r == -EPERM)
		return 0;
	if (r < 0)
		return r == -EEXIST ? swap_refuse(a, i) : r;
	/* Of what was put off the overlay is told at once (later.c). */
	if (!a->making)
		overlay_moved_out(a->p->p.ov, &(struct vpath){ item(a, i)->change->path }, 1);
	return inode_set_add(&a->made, p->st.st_dev, p->st.st_ino) < 0 ? -ENOMEM : 1;
}

/* The layer's directory lets it go, and a directory its ".."; and the way back is open. */
static bool can_leave(struct apply *a, const struct plain *p)
{
	struct ident own, there;

	if (faccessat(p->dir, ".", W_OK | X_OK, AT_EACCESS) < 0 ||
	    (S_ISDIR(p->st.st_mode) && faccessat(p->dir, p->name, W_OK | X_OK, AT_EACCESS) < 0))
		return false;
	return host_parent_ident(&a->p->host, p->path, &there) == 0 && host_ident(&a->p->host, p->dir, &own) == 0 && ident_same(&own, &there);
}

/* What the layer's file is natively is what it is in the box: of who is not root, another's may be recorded only. */
static bool is_native(const struct stat *layer, const struct stat *box)
{
	return S_ISREG(layer->st_mode) && layer->st_mode == box->st_mode && layer->st_uid == box->st_uid && layer->st_gid == box->st_gid &&
	       stat_same_content(layer, box);
}

int give_object(struct apply *a, size_t i, const char *path)
{
	__attribute__((cleanup(plain_release))) struct plain p = { .dir = -1 };
	size_t end = plan_end(a->p, i);
	int r;

	if (a->give_nothing || !tree_is_whole(a, i, end) || overlay_plain(a->p->p.ov, (struct vpath){ item(a, i)->change->path }, &p) < 0 || p.objects != end - i)
		return 0;
	if (S_ISREG(p.st.st_mode) && !is_native(&p.st, &item(a, i)->change->box))
		return 0;
	r = can_leave(a, &p) ? give_move(a, i, &p, NULL, path) : 0;
	if (r <= 0)
		return r;
	for (size_t k = i; k < end; k++) {
		a->given[k] = true;
		/* Item i is settled by who asked. */
		if (k > i)
			apply_settle(a, k, 0);
	}
	a->held[i] = ident_of(&p.st);
	return 1;
}

/* A file can be renamed from the one directory into the other, and back. Neighbours come one after another, and it is not asked again for each. */
static int can_go(struct apply *a, const struct plain *p, const char *path)
{
	struct ident from, to;
	const char *name;
	int dir, r = host_parent_ident(&a->p->host, path, &to);

	if (r == 0)
		r = host_ident(&a->p->host, p->dir, &from);
	if (r < 0)
		return r;
	if (ident_same(&from, &a->way[0]) && ident_same(&to, &a->way[1]))
		return 1;
	if (!can_leave(a, p) || host_parent(&a->p->host, path, &dir, &name) < 0 || !host_same_mount(p->dir, dir))
		return 0;
	/* Where no names can be made there is another way, which is to be found out now and not when it is too late. */
	if (faccessat(dir, ".", W_OK | X_OK, AT_EACCESS) < 0)
		return 0;
	a->way[0] = from;
	a->way[1] = to;
	return 1;
}

int give_file(struct apply *a, size_t i, const char *temp, const char *path, struct stat *ret)
{
	__attribute__((cleanup(plain_release))) struct plain p = { .dir = -1 };
	const struct commit_item *it = item(a, i);
	int r;

	if (a->give_nothing || it->resolved == RESOLVE_TEXT || it->part || it->stays || it->keep || it->one_with || it->beside || it->change->box.st_nlink > 1)
		return 0;
	if (overlay_plain(a->p->p.ov, (struct vpath){ it->change->path }, &p) < 0 || !is_native(&p.st, &it->change->box))
		return 0;
	r = can_go(a, &p, path);
	if (r <= 0)
		return r;
	*ret = p.st;
	r = later_give(a, i, &p, temp, path);
	if (r == 0)
		r = give_move(a, i, &p, temp, path);
	a->given[i] = r == 1;
	return r;
}

/* ---- the marks (G2) ---- */

static int enter(struct host *h, const char *path, struct descent *d)
{
	_cleanup_close_ int fd = -1;
	int r = host_open(h, path, O_RDONLY | O_DIRECTORY, &fd);

	if (r < 0)
		return r;
	r = overlay_strip(fd, true);
	if (r == -EACCES || r == -EPERM)
		r = overlay_strip(fd, true);
	return r < 0 ? r : host_enter(h, path, d);
}

static int strip_file_once(struct host *h, const char *path)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r = host_open(h, path, O_PATH, &fd);

	if (r == 0)
		r = sys_fstat(fd, &st);
	if (r < 0)
		return r;
	return S_ISREG(st.st_mode) ? overlay_strip(fd, false) : -ENOENT;
}

/* What its mode keeps us from writing to has no mark (overlay_plain). What keeps us out once may not do so twice; what does stays marked, which is of no
 * harm. */
static int strip_file(struct host *h, const char *path)
{
	int r = strip_file_once(h, path);

	return r == -EACCES || r == -EPERM ? strip_file_once(h, path) : r;
}

int give_strip(struct host *h, const char *top, mode_t mode)
{
	char path[PATH_MAX];
	_cleanup_descent_ struct descent d = { .path = { path } };
	struct stat st;
	int r;

	if (strlen(top) >= sizeof path)
		return -ENAMETOOLONG;
	strcpy(path, top);
	if (S_ISREG(mode))
		r = strip_file(h, path);
	else
		r = enter(h, path, &d);
	while (r >= 0 && d.depth) {
		r = descent_step(&d);
		if (r > 0)
			r = host_stat(h, path, &st);
		else
			continue;
		if (r == 0 && S_ISDIR(st.st_mode))
			r = enter(h, path, &d);
		/* Somebody has taken it away, or keeps us out. */
		if (r == -ENOENT || r == -ENOTDIR || r == -EACCES || r == -EPERM)
			r = 0;
	}
	return r == -ENOENT || r == -ENOTDIR || r == -EACCES ? 0 : r < 0 ? r : 0;
}
