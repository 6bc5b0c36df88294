/* undo_check.c - what the host has changed since a commit: an undo would take that away. */
#include "plan.h"
#include "undo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/descent.h"
#include "base/inode_set.h"
#include "base/path.h"
#include "base/stat.h"
#include "base/sys.h"
#include "overlay/changes.h"

struct check {
	struct undo *u;
	const struct place **after; /* after: what the commit has left, in the order of the paths */
	struct inode_set made;      /* made: directories that the commit made */
	struct inode_set walked;    /* walked: those of them that were looked into from the top */
};

static int by_path(const void *a, const void *b)
{
	return strcmp((*(const struct place *const *)a)->path, (*(const struct place *const *)b)->path);
}

static const struct place *find_after(const struct check *c, const char *path)
{
	const struct place key = { .path = (char *)path }, *p = &key;
	const struct place **found = bsearch(&p, c->after, c->u->n.after.count, sizeof *c->after, by_path);

	return found ? *found : NULL;
}

static bool is_after(const struct check *c, const char *path)
{
	return find_after(c, path) != NULL;
}

static int conflict(struct check *c, const char *path, const char *what)
{
	const struct undo_wish *w = c->u->wish;

	if (w->conflicting)
		w->conflicting(w->ctx, path, what);
	return strv_add(&c->u->conflicts, &c->u->nconflicts, path);
}

/* The times that the commit left a directory with. */
static bool is_time_of(const struct check *c, const struct place *p, const struct stat *now)
{
	const struct places *times = &c->u->n.times;

	if (time_same(&now->st_mtim, &p->st.st_mtim))
		return true;
	for (size_t i = 0; i < times->count; i++)
		if (strcmp(times->list[i].path, p->path) == 0)
			return time_same(&now->st_mtim, &times->list[i].st.st_mtim);
	return false;
}

/* An undo of a later commit may have brought a copy back, or somebody who had saved it. */
static bool is_copy(const struct check *c, const struct place *p, const struct stat *now)
{
	if (!replay_is_alike(now, &p->st))
		return false;
	/* It was parted from the others, which the commit has changed too, perhaps. */
	if (!S_ISDIR(now->st_mode) && now->st_nlink < undo_names_left(c->u, &p->st))
		return false;
	if (S_ISLNK(now->st_mode))
		return now->st_size == p->st.st_size && time_same(&now->st_mtim, &p->st.st_mtim);
	return !S_ISDIR(now->st_mode) || is_time_of(c, p, now);
}

/* NULL: nothing. */
static const char *what_changed(const struct check *c, const struct place *p, const struct stat *now)
{
	const struct stat *was = &p->st;

	if (!was->st_mode)
		return now->st_mode ? "something of that name has come since" : NULL;
	if (!now->st_mode)
		return "it was removed since";
	if ((now->st_mode & S_IFMT) != (was->st_mode & S_IFMT))
		return "it is of another type since";
	if (S_ISREG(now->st_mode) && !stat_same_content(now, was))
		return "it was changed since";
	if (now->st_mode != was->st_mode || now->st_uid != was->st_uid || now->st_gid != was->st_gid)
		return "its mode or owner was changed since";
	if ((now->st_ino != was->st_ino || now->st_dev != was->st_dev) && !is_copy(c, p, now))
		return "it is another since";
	return NULL;
}

/* What is to come back has no place any more: the directory is gone, and neither by the commit nor as a part of what comes back. */
static bool place_is_gone(struct check *c, const char *path)
{
	bool gone = false;
	char dir[PATH_MAX];

	if (!path_split(path, dir, sizeof dir))
		return false;
	for (;;) {
		const struct place *after = find_after(c, dir);
		struct stat st;

		/* A temporary comes out of the entry. */
		if ((after && !S_ISDIR(after->st.st_mode)) || (dir[1] && journal_is_temp_path(&c->u->n, dir)))
			return false;
		if (!dir[1] || (undo_stat(c->u, dir, &st) == 0 && S_ISDIR(st.st_mode)))
			return gone;
		gone = true;
		path_split(dir, dir, sizeof dir);
	}
}

#define NO_PLACE "its directory was removed since"

static int lose(struct check *c, const char *path, const char *what)
{
	int r = strv_add(&c->u->lost, &c->u->nlost, path);

	return r < 0 ? r : conflict(c, path, what);
}

static int check_after(struct check *c)
{
	int r = 0;

	for (size_t i = 0; i < c->u->n.after.count && r == 0; i++) {
		const struct place *p = &c->u->n.after.list[i];
		const char *what;
		struct stat now;

		r = undo_stat(c->u, p->path, &now);
		if (r < 0)
			return r;
		what = what_changed(c, p, &now);
		if (what)
			r = conflict(c, p->path, what);
		else if (!p->st.st_mode && place_is_gone(c, p->path))
			r = lose(c, p->path, NO_PLACE);
	}
	return r;
}

/* Names that the commit took away have not come again. */
static int check_gone(struct check *c)
{
	const struct journal *n = &c->u->n;

	for (size_t k = 0; k < n->nsteps; k++) {
		const struct step *s = &n->steps[k];
		char path[PATH_MAX];
		struct stat now;
		int r;

		/* What was given does not go back to the box, which may have another there by now. */
		if (s->kind != STEP_RENAME || s->exchange || s->given || journal_is_temp_path(n, s->a))
			continue;
		r = replay_forward(n, k, s->a, path);
		if (r < 0 || is_after(c, path))
			continue;
		r = undo_stat(c->u, path, &now);
		if (r < 0)
			return r;
		if (!now.st_mode && !place_is_gone(c, path))
			continue;
		r = now.st_mode ? conflict(c, path, "something of that name has come since") : lose(c, path, NO_PLACE);
		if (r < 0)
			return r;
	}
	return 0;
}

/* What the entry does not keep, since the host had it under another name, is there still. */
static int check_others(struct check *c)
{
	const struct journal *n = &c->u->n;
	int r = 0;

	for (size_t k = 0; k < n->nsteps && r == 0; k++) {
		const struct step *s = &n->steps[k];
		const struct stat *old = s->old == OLD_A ? &s->at_b : &s->at_a;
		char path[PATH_MAX], kept[JOURNAL_KEPT_MAX];
		struct stat st;

		if (s->old == OLD_NONE)
			continue;
		journal_kept_name(s->kept, true, kept);
		if (sys_fstatat(n->dir_fd, kept, &st, AT_SYMLINK_NOFOLLOW) != -ENOENT ||
		    replay_forward(n, k, s->old == OLD_A ? s->b : s->a, path) < 0)
			continue;
		if (!undo_other_name(c->u, old, &st))
			r = lose(c, path,
			         replay_other_name(n, old)
			                 ? "it was one file with another name, which was removed or is another since"
			                 : "the history does not have it");
	}
	return r;
}

/* In a directory that the commit made there is nothing but what it put there. */
static int check_tree(struct check *c, const char *top)
{
	char path[PATH_MAX];
	_cleanup_descent_ struct descent d = { .path = { path } };
	struct stat st;
	int r;

	strcpy(path, top);
	r = host_enter(&c->u->host, path, &d);
	while (r >= 0 && d.depth) {
		r = descent_step(&d);
		if (r <= 0)
			continue;
		if (!is_after(c, path))
			r = conflict(c, path, "it has come since");
		else if (host_stat(&c->u->host, path, &st) == 0 && S_ISDIR(st.st_mode) &&
		         inode_set_has(&c->made, st.st_dev, st.st_ino))
			r = host_enter(&c->u->host, path, &d);
	}
	/* One that cannot be read, or is gone, is told of elsewhere. */
	return r == -ENOMEM ? r : 0;
}

static bool makes_dir(const struct journal_item *it)
{
	return it->done && S_ISDIR(it->mode) && (it->kind == CHANGE_ADDED || it->kind == CHANGE_TYPE);
}

/* Also those that came with one above them. */
static int fill_made(struct check *c)
{
	const struct journal *n = &c->u->n;
	int r = 0;

	for (size_t i = 0; i < n->nitems && r == 0; i++) {
		const struct place *p = makes_dir(&n->items[i]) ? find_after(c, n->items[i].path) : NULL;

		if (p)
			r = inode_set_add(&c->made, p->st.st_dev, p->st.st_ino);
	}
	for (size_t k = 0; k < n->nsteps && r == 0; k++)
		if (journal_made(n, &n->steps[k]))
			r = inode_set_add(&c->made, n->steps[k].at_a.st_dev, n->steps[k].at_a.st_ino);
	return r;
}

/* Unless that was done, or is done from further above. */
static int check_top(struct check *c, const char *path)
{
	char up[PATH_MAX];
	struct stat st;
	int r;

	path_split(path, up, sizeof up);
	if (host_stat(&c->u->host, up, &st) == 0 && inode_set_has(&c->made, st.st_dev, st.st_ino))
		return 0;
	if (host_stat(&c->u->host, path, &st) < 0 || !S_ISDIR(st.st_mode) || inode_set_has(&c->walked, st.st_dev, st.st_ino))
		return 0;
	r = inode_set_add(&c->walked, st.st_dev, st.st_ino);
	return r < 0 ? r : check_tree(c, path);
}

static int check_made(struct check *c)
{
	const struct journal *n = &c->u->n;
	int r = fill_made(c);

	for (size_t k = 0; k < n->nsteps && r == 0; k++) {
		char path[PATH_MAX];

		if (journal_made(n, &n->steps[k]) && replay_forward(n, k, n->steps[k].b, path) == 0)
			r = check_top(c, path);
	}
	/* One that took the place of something else came by an exchange. */
	for (size_t i = 0; i < n->nitems && r == 0; i++)
		if (makes_dir(&n->items[i]))
			r = check_top(c, n->items[i].path);
	return r;
}

/* What came out of the box by a rename does not go back there, but where all else goes that the commit brought: so it had a temporary name before. */
static int not_to_the_box(struct undo *u)
{
	for (size_t k = 0; k < u->n.nsteps; k++) {
		struct step *s = &u->n.steps[k];
		char temp[JOURNAL_TEMP_MAX], path[PATH_MAX];

		if (!s->given)
			continue;
		/* It was a temporary first, and becomes that again: the step before has nothing to do. */
		if (journal_is_temp_path(&u->n, s->b)) {
			u->skip[k] = true;
			continue;
		}
		snprintf(temp, sizeof temp, ".cowbox-%016llx-g%zu.tmp", (unsigned long long)u->n.tag, k);
		if (!path_split(s->b, path, sizeof path) || path_join(path, sizeof path, path, temp) < 0)
			return -ENAMETOOLONG;
		free(s->a);
		s->a = strdup(path);
		if (!s->a)
			return -ENOMEM;
		s->dir_a = s->dir_b;
	}
	return 0;
}

int undo_check(struct undo *u)
{
	struct check c = { .u = u };
	int r;

	u->skip = calloc(u->n.nsteps + 1, sizeof *u->skip);
	u->left = calloc(u->n.nitems + 1, sizeof *u->left);
	c.after = calloc(u->n.after.count + 1, sizeof *c.after);
	if (!u->skip || !u->left || !c.after) {
		free(c.after);
		return -ENOMEM;
	}
	r = not_to_the_box(u);
	if (r < 0) {
		free(c.after);
		return r;
	}
	for (size_t i = 0; i < u->n.after.count; i++)
		c.after[i] = &u->n.after.list[i];
	qsort(c.after, u->n.after.count, sizeof *c.after, by_path);
	r = check_after(&c);
	if (r == 0)
		r = check_gone(&c);
	if (r == 0)
		r = check_others(&c);
	if (r == 0)
		r = check_made(&c);
	inode_set_release(&c.made);
	inode_set_release(&c.walked);
	free(c.after);
	return r < 0 ? r : undo_settle(u);
}
