/* place.c - one object of the box onto the host.
 *
 * (P1) A name that exists on the host before and after is never missing in between: temporary, then one rename.
 * (P2) A temporary that did not become anything is removed when all steps are taken back.
 * (P3) A new file is nobody else's to read until it has its own mode.
 */
#include "apply.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/copy.h"
#include "base/cred.h"
#include "base/dir.h"
#include "base/fd.h"
#include "base/stat.h"
#include "base/sys.h"

/* ---- what this commit has moved and changed ---- */

int apply_forward(const struct apply *a, const char *path, char ret[static PATH_MAX])
{
	return apply_forward_since(a, 0, path, ret);
}

int apply_forward_since(const struct apply *a, size_t since, const char *path, char ret[static PATH_MAX])
{
	const char *rest;
	int r = 0;

	if (strlen(path) >= PATH_MAX)
		return -ENAMETOOLONG;
	memmove(ret, path, strlen(path) + 1);
	for (size_t k = since; k < a->nmoves && r >= 0; k++) {
		const struct move *m = &a->moves[k];

		if (path_below(ret, m->from, &rest))
			r = path_join(ret, PATH_MAX, m->to, rest);
		else if (m->swap && path_below(ret, m->to, &rest))
			r = path_join(ret, PATH_MAX, m->from, rest);
	}
	return r < 0 ? r : 0;
}

int apply_note_move(struct apply *a, const char *from, const char *to, bool swap)
{
	struct move m = { .from = strdup(from), .to = strdup(to), .swap = swap };
	struct move *all = realloc(a->moves, (a->nmoves + 1) * sizeof *all);

	if (all)
		a->moves = all;
	if (!all || !m.from || !m.to) {
		free(m.from);
		free(m.to);
		return -ENOMEM;
	}
	a->moves[a->nmoves++] = m;
	host_moved(&a->p->host);
	return 0;
}

bool apply_touched(const struct apply *a, const struct stat *st)
{
	return inode_set_has(&a->touched, st->st_dev, st->st_ino);
}

int apply_touch(struct apply *a, const struct stat *st)
{
	return inode_set_add(&a->touched, st->st_dev, st->st_ino);
}

int apply_where_view(const struct apply *a, const char *view, char ret[static PATH_MAX])
{
	const char *rest = "";
	size_t i = plan_renamed_above(a->p, view);
	int r;

	/* A renamed directory that has its new name by now is in its new parent, wherever that is. */
	while (i != NO_ITEM && a->p->p.items[i].outcome == COMMIT_DONE)
		i = plan_renamed_above(a->p, a->p->p.items[i].change->path);
	if (i == NO_ITEM) {
		r = path_join(ret, PATH_MAX, view, "");
		return r < 0 ? r : 0;
	}
	/* Names below one that is still to come follow from where that is: what has been put there since is not to be taken for what was there. */
	path_below(view, a->p->p.items[i].change->path, &rest);
	r = apply_forward(a, a->p->p.items[i].change->from, ret);
	if (r == 0)
		r = path_join(ret, PATH_MAX, ret, rest);
	return r < 0 ? r : 0;
}

int apply_where(const struct apply *a, size_t i, char ret[static PATH_MAX])
{
	const char *beside = a->p->p.items[i].beside;

	if (beside)
		return apply_forward(a, beside, ret);
	return apply_where_view(a, a->p->p.items[i].change->path, ret);
}

static bool later(struct timespec a, struct timespec b)
{
	return a.tv_sec > b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec >= b.tv_nsec);
}

/* The modification time a directory is to have when all is done: the view's, unless the host's is newer than what the box saw. */
static int parent_time(struct apply *a, const char *view, const struct stat *st, struct parent *parent)
{
	struct caller caller = { .umask = 022 };
	const struct origin *o = plan_origin(a->p, view);
	_cleanup_object_ struct object dir;
	int r;

	object_init(&dir);
	r = overlay_lookup(a->p->p.ov, &caller, AT_VIEW(view), LOOKUP_NOFOLLOW | LOOKUP_DIRECTORY, &dir);
	if (r < 0)
		return error_is_hard(r) ? r : 0;
	parent->dir = ident_of(st);
	parent->set = later(dir.st.st_mtim, st->st_mtim) ||
	              (o && o->mtime_ns == time_ns(&st->st_mtim));
	parent->mtime = dir.st.st_mtim;
	return 0;
}

int apply_enter(struct apply *a, const char *view, const struct stat *dir)
{
	struct parent parent = { 0 }, *all;
	size_t i = plan_find(a->p, view);
	int r;

	/* What the box did to the directory itself comes with its own item, or not at all. */
	if (i != NO_ITEM && (item_planned(&a->p->p.items[i]) || a->p->p.items[i].change->kind == CHANGE_META))
		return 0;
	/* From the end: neighbours come one after another. */
	for (size_t k = a->nparents; k > 0; k--)
		if (strcmp(a->parents[k - 1].view, view) == 0)
			return 0;
	all = realloc(a->parents, (a->nparents + 1) * sizeof *all);
	if (!all)
		return -ENOMEM;
	a->parents = all;
	r = parent_time(a, view, dir, &parent);
	if (r < 0)
		return r;
	parent.view = strdup(view);
	if (!parent.view)
		return -ENOMEM;
	a->parents[a->nparents++] = parent;
	return 0;
}

/* ---- making ---- */

/* The parent directory, as a descriptor of our own. */
static int own_parent(struct apply *a, const char *path, int *ret_fd, const char **ret_name)
{
	int fd, r = host_parent(&a->p->host, path, &fd, ret_name);

	if (r < 0)
		return r;
	r = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (r < 0)
		return -errno;
	*ret_fd = r;
	return 0;
}

/* Metadata of the item for what is open as dst; remembers what was lost. */
static int give_metadata(struct apply *a, size_t i, int box, int dst, unsigned what)
{
	struct commit_item *it = &a->p->p.items[i];
	struct stat st;
	int r = copy_metadata(box, dst, &it->change->box, what, &it->lost);

	if (r == 0)
		r = sys_fstat(dst, &st);
	return r < 0 ? r : apply_touch(a, &st);
}

int place_content(const struct apply *a, size_t i, int box)
{
	return a->p->p.items[i].resolved == RESOLVE_TEXT ? a->text_fd : box;
}

off_t place_size(const struct apply *a, size_t i)
{
	const struct commit_item *it = &a->p->p.items[i];

	return it->resolved == RESOLVE_TEXT ? (off_t)it->text_size : it->change->box.st_size;
}

unsigned place_kept_bits(const struct apply *a, size_t i)
{
	unsigned keep = a->p->p.items[i].keep;

	return (keep & COMMIT_KEEP_MODE ? COPY_MODE : 0) | (keep & COMMIT_KEEP_OWNER ? COPY_OWNER : 0) |
	       (keep & COMMIT_KEEP_TIMES ? COPY_TIMES : 0) | (keep & COMMIT_KEEP_XATTRS ? COPY_XATTRS : 0);
}

/* A text that neither the box nor the host had is new. */
static unsigned place_metadata_bits(const struct apply *a, size_t i)
{
	return a->p->p.items[i].resolved == RESOLVE_TEXT ? COPY_ALL & ~(unsigned)COPY_TIMES : COPY_ALL;
}

static int make_regular(struct apply *a, size_t i, int box, int dir, const char *temp)
{
	_cleanup_close_ int fd = sys_openat(dir, temp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct stat st;
	int r;

	if (fd < 0)
		return fd;
	r = sys_fstat(fd, &st);
	if (r == 0)
		r = inode_set_add(&a->made, st.st_dev, st.st_ino);
	if (r == 0)
		r = copy_data(place_content(a, i, box), fd, place_size(a, i));
	return r < 0 ? r : give_metadata(a, i, box, fd, place_metadata_bits(a, i));
}

/* There is no call that makes a directory and opens it. Who owns the one that it is in may have put another in its place, but not an empty one
 * that is worth anything. */
static int make_directory(struct apply *a, size_t i, int dir, const char *temp)
{
	_cleanup_closedir_ DIR *made = NULL;
	struct stat st;
	int r = sys_mkdirat(dir, temp, 0700);

	if (r == 0)
		r = sys_openat(dir, temp, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	if (r < 0)
		return r;
	made = dir_take(r);
	if (!made)
		return -ENOMEM;
	r = sys_fstat(dirfd(made), &st);
	if (r == 0 && dir_next(made))
		r = swap_refuse(a, i);
	if (r == 0)
		r = inode_set_add(&a->made, st.st_dev, st.st_ino);
	if (r == 0)
		a->held[i] = ident_of(&st);
	return r;
}

/* Nor for these. target: of a symlink. */
static bool is_as_made(int fd, const struct stat *want, const char *target)
{
	char text[PATH_MAX];
	struct stat st;

	if (sys_fstat(fd, &st) < 0 || (st.st_mode & S_IFMT) != (want->st_mode & S_IFMT) || st.st_nlink != 1)
		return false;
	if (S_ISLNK(st.st_mode))
		return sys_readlinkat(fd, "", text, sizeof text) >= 0 && strcmp(text, target) == 0;
	return !(S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) || st.st_rdev == want->st_rdev;
}

static int make_special(struct apply *a, size_t i, int box, int dir, const char *temp)
{
	const struct stat *st = &a->p->p.items[i].change->box;
	_cleanup_close_ int fd = -1;
	char target[PATH_MAX];
	int r;

	if (S_ISLNK(st->st_mode)) {
		r = sys_readlinkat(box, "", target, sizeof target);
		if (r >= 0)
			r = sys_symlinkat(target, dir, temp);
	} else if (S_ISDIR(st->st_mode)) {
		return make_directory(a, i, dir, temp); /* its metadata come last of all */
	} else {
		/* Of a socket too: its file is there after its program has ended, on the host as in the box. */
		r = sys_mknodat(dir, temp, (st->st_mode & S_IFMT) | 0600, st->st_rdev);
	}
	if (r < 0)
		return r;
	fd = sys_openat(dir, temp, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	return is_as_made(fd, st, target) ? give_metadata(a, i, box, fd, COPY_ALL) : swap_refuse(a, i);
}

/* Another name for what this commit has put on the host already, or what the host always had. known: its inode; another is not linked. */
static int make_link(struct apply *a, size_t i, const char *existing, const struct stat *known, int dir, const char *temp)
{
	const char *name;
	struct stat st;
	int from, r = host_parent(&a->p->host, existing, &from, &name);

	if (r == 0)
		r = sys_linkat(from, name, dir, temp, 0);
	if (r < 0)
		return r;
	r = sys_fstatat(dir, temp, &st, AT_SYMLINK_NOFOLLOW);
	if (r == 0 && (st.st_dev != known->st_dev || st.st_ino != known->st_ino))
		r = swap_refuse(a, i);
	if (r == 0)
		r = apply_touch(a, &st);
	if (r < 0)
		sys_unlinkat(dir, temp, 0);
	return r;
}

/* A name for something that is on the host under another one. known: what that is. */
static int place_link(struct apply *a, size_t i, const char *existing, const struct stat *known, const char *path,
                      const struct stat *seen)
{
	_cleanup_close_ int dir = -1;
	const char *name;
	char temp[JOURNAL_TEMP_MAX];
	struct stat ours;
	int r;

	/* It is one already. */
	if (seen->st_mode && known->st_dev == seen->st_dev && known->st_ino == seen->st_ino)
		return 0;
	r = own_parent(a, path, &dir, &name);
	if (r < 0)
		return r;
	journal_temp_name(a->j, temp);
	r = make_link(a, i, existing, known, dir, temp);
	if (r < 0)
		return r;
	r = sys_fstatat(dir, temp, &ours, AT_SYMLINK_NOFOLLOW);
	if (r == 0)
		r = swap_put(a, i, dir, temp, &ours, name, path, seen);
	return r;
}

/* The host alone has changed some of the metadata: the temporary gets them. */
static int keep_metadata(struct apply *a, size_t i, int dir, const char *name, const char *temp, const struct stat *seen)
{
	_cleanup_close_ int from = sys_openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0), to = -1;
	struct stat st;
	int r = from;

	if (r >= 0)
		r = to = sys_openat(dir, temp, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
	if (r >= 0)
		r = sys_fstat(from, &st);
	if (r < 0)
		return r;
	if (!swap_still_is(&st, seen))
		return swap_refuse(a, i);
	return copy_metadata(from, to, &st, place_kept_bits(a, i), &item(a, i)->lost);
}

/* 0: the layer's file cannot be given, so that it has to be copied. */
static int place_given(struct apply *a, size_t i, const char *path, const struct stat *seen)
{
	char temp[JOURNAL_TEMP_MAX];
	struct stat ours;
	const char *name;
	int dir, r;

	journal_temp_name(a->j, temp);
	r = give_file(a, i, temp, path, &ours);
	if (r <= 0)
		return r;
	r = host_parent(&a->p->host, path, &dir, &name);
	if (r == 0)
		r = swap_put(a, i, dir, temp, &ours, name, path, seen);
	return r < 0 ? r : 1;
}

static int place_new(struct apply *a, size_t i, int box, const char *path, const struct stat *seen)
{
	_cleanup_close_ int dir = -1;
	char temp[JOURNAL_TEMP_MAX];
	struct stat ours;
	const char *name;
	int r;

	r = own_parent(a, path, &dir, &name);
	if (r < 0)
		return r;
	journal_temp_name(a->j, temp);
	r = S_ISREG(a->p->p.items[i].change->box.st_mode) ? make_regular(a, i, box, dir, temp) : make_special(a, i, box, dir, temp);
	if (r == 0 && seen->st_mode && place_kept_bits(a, i))
		r = keep_metadata(a, i, dir, name, temp, seen);
	if (r == 0)
		r = sys_fstatat(dir, temp, &ours, AT_SYMLINK_NOFOLLOW);
	if (r == 0)
		r = swap_put(a, i, dir, temp, &ours, name, path, seen);
	/* There may be another way. What we have made is nobody's; what came out of the name would be another. */
	if ((r == -EACCES || r == -EPERM) && sys_fstatat(dir, temp, &ours, AT_SYMLINK_NOFOLLOW) == 0 &&
	    inode_set_has(&a->made, ours.st_dev, ours.st_ino))
		sys_unlinkat(dir, temp, S_ISDIR(ours.st_mode) ? AT_REMOVEDIR : 0);
	return r;
}

/* True when a new file could not get the owner that this one has. */
static bool owner_is_beyond(const struct stat *host)
{
	return geteuid() != 0 && (host->st_uid != geteuid() || !cred_in_group(host->st_gid));
}

/* True when the item's file is to be written into the host's inode rather than to replace it. */
static bool keeps_inode(struct apply *a, size_t i, const struct stat *host)
{
	const struct stat *box = &a->p->p.items[i].change->box;

	if (!S_ISREG(host->st_mode) || !S_ISREG(box->st_mode))
		return false;
	bool same_owner = host->st_uid == box->st_uid && host->st_gid == box->st_gid;
	if (host->st_nlink < 2 && !(same_owner && owner_is_beyond(host)))
		return false;
	return twins_is_copy_of(a, i, host);
}

/* What no change is about that was chosen gets one more name only as it is. */
static bool may_be_one(struct apply *a, size_t i, const char *original, const struct stat *known)
{
	return twins_may_write(a, known) || classify_same_as_box(a->p, item(a, i)->change, original, known) == 1;
}

static int place_regular(struct apply *a, size_t i, int box, const char *path, const struct stat *seen)
{
	char twin[PATH_MAX];
	struct stat layer, known;
	bool many;
	int r;

	r = sys_fstat(box, &layer);
	if (r < 0)
		return r;
	many = layer.st_nlink > 1;
	r = many ? twins_find(a, &layer, twin, &known) : -ENOENT;
	if (r < 0 && r != -ENOENT && r != -ESTALE)
		return r;
	if (r == 0)
		return place_link(a, i, twin, &known, path, seen);
	if (keeps_inode(a, i, seen)) {
		r = place_in_inode(a, i, path, seen);
		return r == 0 && many ? twins_add(a, &layer, path) : r;
	}
	r = many ? twins_original(a, i, twin, &known) : -ENOENT;
	if (error_is_hard(r))
		return r;
	if (r == 0 && may_be_one(a, i, twin, &known)) {
		r = place_link(a, i, twin, &known, path, seen);
		if (r == 0 && twins_may_write(a, &known))
			r = place_in_inode(a, i, path, &known);
	} else {
		r = place_new(a, i, box, path, seen);
		/* A directory that takes no names from us may still hold a file that we can write. */
		if ((r == -EACCES || r == -EPERM) && twins_is_copy_of(a, i, seen))
			r = place_in_inode(a, i, path, seen);
	}
	return r == 0 && many ? twins_add(a, &layer, path) : r;
}

/* Symlinks, FIFOs, sockets and devices: these too can have several names. */
static int place_special(struct apply *a, size_t i, int box, const char *path, const struct stat *seen)
{
	char twin[PATH_MAX];
	struct stat layer, known;
	int r = sys_fstat(box, &layer);

	if (r < 0)
		return r;
	if (layer.st_nlink < 2)
		return place_new(a, i, box, path, seen);
	r = twins_find(a, &layer, twin, &known);
	if (r < 0 && !error_is_hard(r))
		r = twins_original(a, i, twin, &known);
	if (error_is_hard(r))
		return r;
	r = r == 0 ? place_link(a, i, twin, &known, path, seen) : place_new(a, i, box, path, seen);
	return r < 0 ? r : twins_add(a, &layer, path);
}

int place_object(struct apply *a, size_t i, const char *path, const struct stat *seen)
{
	_cleanup_close_ int box = -1;
	const struct change *ch = a->p->p.items[i].change;
	int r = S_ISREG(ch->box.st_mode) && !keeps_inode(a, i, seen) ? place_given(a, i, path, seen) : 0;

	if (r != 0)
		return r < 0 ? r : 0;
	r = changes_open(a->p->p.ov, ch, &box);
	if (r < 0)
		return r;
	if (S_ISREG(ch->box.st_mode))
		return place_regular(a, i, box, path, seen);
	return S_ISDIR(ch->box.st_mode) ? place_new(a, i, box, path, seen) : place_special(a, i, box, path, seen);
}

int place_metadata(struct apply *a, size_t i, const char *path, const struct stat *seen)
{
	_cleanup_close_ int box = -1, fd = -1;
	struct stat st;
	int r = later_meta(a, i, path, seen);

	if (r != 0)
		return r < 0 ? r : 0;
	r = changes_open(a->p->p.ov, a->p->p.items[i].change, &box);
	if (r == 0)
		r = host_open(&a->p->host, path, O_PATH, &fd);
	if (r == 0)
		r = sys_fstat(fd, &st);
	if (r < 0)
		return r;
	if (!swap_still_is(&st, seen) || (st.st_mode & S_IFMT) != (a->p->p.items[i].change->box.st_mode & S_IFMT))
		return swap_refuse(a, i);
	/* What this commit has made is removed when it is taken back. */
	r = S_ISDIR(st.st_mode) && inode_set_has(&a->made, st.st_dev, st.st_ino) ? 0 : act_meta(a, i, path, fd);
	if (r == 0)
		r = give_metadata(a, i, box, fd, COPY_ALL & ~place_kept_bits(a, i));
	/* A new owner takes set-id bits along, and any change the time. */
	return r < 0 ? r : copy_metadata(fd, fd, &st, place_kept_bits(a, i) & (COPY_MODE | COPY_TIMES), NULL);
}

int place_in_inode(struct apply *a, size_t i, const char *path, const struct stat *seen)
{
	_cleanup_close_ int box = -1;
	struct stat want = item(a, i)->change->box;
	int r = changes_open(a->p->p.ov, item(a, i)->change, &box);

	want.st_size = place_size(a, i);
	return r < 0 ? r : inplace_write(a, i, box, place_content(a, i, box), &want, path, seen);
}
