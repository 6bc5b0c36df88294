/* twins.c - files of several names: what is one file in the box becomes one file on the host. */
#include "apply.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/copy.h"
#include "base/descent.h"
#include "base/dir.h"
#include "base/fd.h"
#include "base/sys.h"

static size_t slot_of(uint64_t dev, uint64_t ino, size_t size)
{
	return (size_t)((ino * 0x9e3779b97f4a7c15u ^ dev) >> 17) & (size - 1);
}

static struct twin *twins_slot(struct twin *table, size_t size, uint64_t dev, uint64_t ino)
{
	size_t at = slot_of(dev, ino, size);

	while (table[at].ino && (table[at].ino != ino || table[at].dev != dev))
		at = (at + 1) & (size - 1);
	return &table[at];
}

static int table_find(const struct apply *a, const struct twins *t, const struct stat *st, char ret[static PATH_MAX])
{
	const struct twin *twin = t->size ? twins_slot(t->slot, t->size, st->st_dev, st->st_ino) : NULL;

	return twin && twin->ino ? apply_forward_since(a, twin->since, twin->path, ret) : -ENOENT;
}

static int table_grow(struct twins *t)
{
	size_t size = t->size ? t->size * 2 : 64;
	struct twin *slot = calloc(size, sizeof *slot);

	if (!slot)
		return -ENOMEM;
	for (size_t i = 0; i < t->size; i++)
		if (t->slot[i].ino)
			*twins_slot(slot, size, t->slot[i].dev, t->slot[i].ino) = t->slot[i];
	free(t->slot);
	t->slot = slot;
	t->size = size;
	return 0;
}

static int table_add(const struct apply *a, struct twins *t, const struct stat *st, const char *path)
{
	struct twin *twin;
	char *copy;
	int r = 2 * (t->count + 1) > t->size ? table_grow(t) : 0;

	if (r < 0)
		return r;
	twin = twins_slot(t->slot, t->size, st->st_dev, st->st_ino);
	copy = strdup(path);
	if (!copy)
		return -ENOMEM;
	if (!twin->ino)
		t->count++;
	free(twin->path);
	*twin = (struct twin){ .dev = st->st_dev, .ino = st->st_ino, .path = copy, .since = a->nmoves };
	return 0;
}

static void table_release(struct twins *t)
{
	for (size_t i = 0; i < t->size; i++)
		free(t->slot[i].path);
	free(t->slot);
	*t = (struct twins){ 0 };
}

int twins_find(const struct apply *a, const struct stat *layer, char ret[static PATH_MAX], struct stat *ret_host)
{
	int r = table_find(a, &a->twins, layer, ret);

	if (r == 0)
		r = host_stat(&a->p->host, ret, ret_host);
	return r == 0 && !apply_touched(a, ret_host) ? -ESTALE : r;
}

int twins_add(struct apply *a, const struct stat *layer, const char *path)
{
	return table_add(a, &a->twins, layer, path);
}

/* ---- host files that are to get new names ---- */

int twins_begin(struct apply *a)
{
	for (size_t i = 0; i < a->p->p.count; i++) {
		const struct stat *box = &item(a, i)->change->box, *now = &a->p->now[i];
		int r = 0;

		/* The view shows a copy under the identity of the host's file. */
		if (S_ISREG(box->st_mode) && item_planned(item(a, i)) && (box->st_dev != now->st_dev || box->st_ino != now->st_ino))
			r = inode_set_add(&a->wanted, box->st_dev, box->st_ino);
		if (r == 0 && now->st_mode && item_planned(item(a, i)))
			r = inode_set_add(&a->chosen, now->st_dev, now->st_ino);
		if (r < 0)
			return r;
	}
	return 0;
}

bool twins_are_wanted(const struct apply *a, const struct stat *host)
{
	return S_ISREG(host->st_mode) && host->st_nlink > 1 && inode_set_has(&a->wanted, host->st_dev, host->st_ino) &&
	       !inode_set_has(&a->made, host->st_dev, host->st_ino) &&
	       !(a->spared.size && twins_slot(a->spared.slot, a->spared.size, host->st_dev, host->st_ino)->ino);
}

bool twins_may_write(const struct apply *a, const struct stat *host)
{
	return a->p->all || inode_set_has(&a->chosen, host->st_dev, host->st_ino) ||
	       inode_set_has(&a->made, host->st_dev, host->st_ino);
}

int twins_spare(struct apply *a, const struct stat *host, const char *path)
{
	return table_add(a, &a->spared, host, path);
}

/* The copy of the host's file that has no name in the box's tree any more; -ENOENT: there is none. */
static int nameless_copy(struct plan *p, const struct stat *host, int *ret_fd, struct stat *ret)
{
	const struct box *box = overlay_box(p->p.ov);

	for (int layer = box->nlayers - 1; layer >= 0; layer--) {
		_cleanup_close_ int fd = -1;
		char path[96];
		int r;

		snprintf(path, sizeof path, "layers/%d/links/%u:%u:%llu", box->layer[layer], major(host->st_dev),
		         minor(host->st_dev), (unsigned long long)host->st_ino);
		fd = box_open_in(box, path, O_RDONLY);
		if (fd == -ENOENT || fd == -ELOOP || fd == -ENXIO)
			continue;
		r = fd < 0 ? fd : sys_fstat(fd, ret);
		if (r < 0)
			return r;
		if (!S_ISREG(ret->st_mode) || ret->st_nlink > 1)
			return -ENOENT;
		*ret_fd = TAKE_FD(fd);
		return 0;
	}
	return -ENOENT;
}

bool twins_have_nameless(const struct plan *p)
{
	const struct box *box = overlay_box(p->p.ov);

	for (int layer = 0; layer < box->nlayers; layer++) {
		_cleanup_closedir_ DIR *links = NULL;
		char path[48];
		int fd;

		snprintf(path, sizeof path, "layers/%d/links", box->layer[layer]);
		fd = box_open_in(box, path, O_RDONLY | O_DIRECTORY);
		links = fd < 0 ? NULL : dir_take(fd);
		if (links && dir_next(links))
			return true;
	}
	return false;
}

/* The host has changed it under some name since the box saw that. */
static bool in_conflict(const struct plan *p, const struct stat *host)
{
	for (size_t k = 0; k < p->p.count; k++)
		if (p->now[k].st_ino == host->st_ino && p->now[k].st_dev == host->st_dev &&
		    p->p.items[k].verdict == COMMIT_CONFLICT)
			return true;
	return false;
}

bool twins_hidden(struct plan *p, const char *path, const struct stat *host)
{
	_cleanup_close_ int copy_fd = -1, fd = -1;
	struct stat copy;

	if (!S_ISREG(host->st_mode) || host->st_nlink < 2 || nameless_copy(p, host, &copy_fd, &copy) < 0 || in_conflict(p, host))
		return false;
	/* It may have been copied without being changed. What cannot be compared counts as changed. */
	return copy.st_mode != host->st_mode || copy.st_size != host->st_size || host_open(&p->host, path, O_RDONLY, &fd) < 0 ||
	       copy_content_equal(copy_fd, fd) != 1 || copy_xattrs_equal(copy_fd, fd) != 1;
}

int twins_settle(struct apply *a, size_t i, const char *path, struct stat *seen)
{
	_cleanup_close_ int fd = -1;
	struct stat copy, now;
	int r;

	if (!S_ISREG(seen->st_mode) || seen->st_nlink < 2 || inode_set_has(&a->settled, seen->st_dev, seen->st_ino) ||
	    inode_set_has(&a->made, seen->st_dev, seen->st_ino))
		return 0;
	/* Of what is in the way by now only: see settle_hidden. */
	if (!a->p->all && twins_hidden(a->p, path, seen))
		return swap_refuse(a, i);
	r = inode_set_add(&a->settled, seen->st_dev, seen->st_ino);
	if (r == 0)
		r = nameless_copy(a->p, seen, &fd, &copy);
	if (r < 0 || in_conflict(a->p, seen))
		return r == -ENOENT ? 0 : r;
	r = inplace_write(a, i, fd, fd, &copy, path, seen);
	if (r == 0)
		r = host_stat(&a->p->host, path, &now);
	if (r == 0 && (now.st_ino != seen->st_ino || now.st_dev != seen->st_dev))
		r = swap_refuse(a, i);
	if (r == 0)
		*seen = now;
	return r;
}

void twins_free(struct apply *a)
{
	inode_set_release(&a->settled);
	table_release(&a->twins);
	table_release(&a->spared);
	inode_set_release(&a->wanted);
	inode_set_release(&a->chosen);
	inode_set_release(&a->made);
	for (size_t i = 0; i < a->nspecials; i++)
		free(a->specials[i].view);
	free(a->specials);
	a->specials = NULL;
	a->nspecials = 0;
}

bool twins_is_copy_of(const struct apply *a, size_t i, const struct stat *host)
{
	const struct stat *box = &a->p->p.items[i].change->box;

	return S_ISREG(box->st_mode) && S_ISREG(host->st_mode) && box->st_dev == host->st_dev && box->st_ino == host->st_ino &&
	       !inode_set_has(&a->made, host->st_dev, host->st_ino);
}

/* ---- what is no regular file carries no word of where it came from: its other names in the layer are looked for ---- */

static int specials_add(struct apply *a, const struct stat *st, const char *path)
{
	struct special *all = reallocarray(a->specials, a->nspecials + 1, sizeof *all);

	if (!all)
		return -ENOMEM;
	a->specials = all;
	all[a->nspecials] = (struct special){ .dev = st->st_dev, .ino = st->st_ino };
	all[a->nspecials].view = strdup(path);
	if (!all[a->nspecials].view)
		return -ENOMEM;
	a->nspecials++;
	return 0;
}

/* path: in the layer's tree. The descriptor is closed again: there may be thousands of levels. */
static int specials_enter(int tree, const char *path, struct descent *d)
{
	_cleanup_closedir_ DIR *dir = NULL;
	char **names;
	int r = sys_openat2(tree, path_relative(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0,
	                    RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);

	/* Its owner made it unreadable: what is in it is not found, and becomes an object of its own. */
	if (error_is_hard(r))
		return r;
	dir = r < 0 ? NULL : dir_take(r);
	if (!dir)
		return 0;
	r = dir_names(dir, &names);
	return r < 0 ? r : descent_enter(d, names);
}

static int specials_walk(struct apply *a, int tree)
{
	char path[PATH_MAX] = "/";
	_cleanup_descent_ struct descent d = { .path = { path } };
	int r = specials_enter(tree, path, &d);

	while (r >= 0 && d.depth) {
		struct stat st;

		r = descent_step(&d);
		if (r <= 0) {
			r = 0; /* nor does it matter what no path can name */
			continue;
		}
		r = sys_fstatat(tree, path_relative(path), &st, AT_SYMLINK_NOFOLLOW);
		if (r == 0 && S_ISDIR(st.st_mode))
			r = specials_enter(tree, path, &d);
		else if (r == 0 && !S_ISREG(st.st_mode) && st.st_nlink > 1 && !(S_ISCHR(st.st_mode) && st.st_rdev == 0))
			r = specials_add(a, &st, path);
	}
	return r;
}

static int specials_read(struct apply *a)
{
	const struct box *box = overlay_box(a->p->p.ov);
	int r = 0;

	a->specials_read = true;
	for (int i = 0; r == 0 && i < box->nlayers; i++) {
		_cleanup_close_ int tree = -1;
		char path[PATH_MAX];

		snprintf(path, sizeof path, "layers/%d/tree", box->layer[i]);
		tree = box_open_in(box, path, O_RDONLY | O_DIRECTORY);
		r = tree < 0 ? tree : specials_walk(a, tree);
	}
	return r;
}

/* A name of the same object in the layer that no change is about: then the host has that object there, as it was. */
static int special_original(struct apply *a, size_t i, char ret[static PATH_MAX], struct stat *st)
{
	const struct commit_item *it = &a->p->p.items[i];
	_cleanup_close_ int box = -1;
	struct stat layer;
	int r = a->specials_read ? 0 : specials_read(a);

	if (r == 0)
		r = changes_open(a->p->p.ov, it->change, &box);
	if (r == 0)
		r = sys_fstat(box, &layer);
	for (size_t k = 0; r == 0 && k < a->nspecials; k++) {
		const struct special *s = &a->specials[k];
		struct change as_there = *it->change;

		if (s->ino != layer.st_ino || s->dev != layer.st_dev || plan_find(a->p, s->view) != NO_ITEM)
			continue;
		as_there.path = s->view;
		r = host_stat(&a->p->host, s->view, st);
		if (r == 0 && st->st_mode)
			r = classify_same_as_box(a->p, &as_there, s->view, st);
		if (r == 1) {
			strcpy(ret, s->view);
			return 0;
		}
		r = error_is_hard(r) ? r : 0;
	}
	return r < 0 ? r : -ENOENT;
}

/* The original has no origin under its name of before: a directory above it was renamed first. Its inode then tells, and that it is older than
 * the box or has the box's bytes. */
static int known_elsewhere(struct apply *a, size_t i, const char *path, const struct stat *st)
{
	if (!plan_knows_inode(a->p, st))
		return 0;
	return apply_touched(a, st) || host_older(overlay_box(a->p->p.ov), st)
	               ? 1
	               : classify_same_as_box(a->p, a->p->p.items[i].change, path, st);
}

int twins_original(struct apply *a, size_t i, char ret[static PATH_MAX], struct stat *st)
{
	const struct commit_item *it = &a->p->p.items[i];
	const struct origin *o;
	char from[PATH_MAX];
	size_t k;
	int r;

	if (!S_ISREG(it->change->box.st_mode))
		return special_original(a, i, ret, st);
	r = table_find(a, &a->spared, &it->change->box, ret);
	if (r == 0 && host_stat(&a->p->host, ret, st) == 0 && twins_is_copy_of(a, i, st))
		return 0;
	r = changes_copied_from(a->p->p.ov, it->change, from, sizeof from);
	if (r < 0)
		return error_is_hard(r) ? r : -ENOENT;
	/* When the original's own change stays behind, this one must not carry it along. */
	k = plan_find(a->p, from);
	if (k != NO_ITEM && k != i && !item_planned(&a->p->p.items[k]))
		return -ENOENT;
	k = plan_rename_from(a->p, from);
	if (k != NO_ITEM && k != i && !item_planned(&a->p->p.items[k]))
		return -ENOENT;
	r = apply_forward(a, from, ret);
	if (r == 0)
		r = host_stat(&a->p->host, ret, st);
	if (r < 0)
		return r;
	if (!twins_is_copy_of(a, i, st))
		return -ENOENT;
	o = plan_origin(a->p, from);
	if (!o || o->dev != st->st_dev || o->ino != st->st_ino)
		r = known_elsewhere(a, i, ret, st);
	else
		r = apply_touched(a, st) ? 1 : classify_same_as_origin(a->p, o, ret, st);
	return r == 1 ? 0 : error_is_hard(r) ? r : -ENOENT;
}
