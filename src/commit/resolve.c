/* resolve.c - what the user decided about conflicts, and about parts of files. */
#include "plan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/sys.h"

#define BESIDE_TRIES 100

static int refuse(const struct commit_item *it, const char *why_not, struct err *err)
{
	char text[4 * PATH_MAX];

	return err_set(err, -EOPNOTSUPP, "%s: %s", path_printable(it->change->path, text, sizeof text), why_not);
}

/* Where the host has the item's object, or is to get it. */
static int host_place(struct plan *p, size_t i, char ret[static PATH_MAX], struct err *err)
{
	const struct commit_item *it = &p->p.items[i];
	char dir[PATH_MAX];
	struct stat st;
	int r = plan_host_path(p, it->change->path, ret);

	if (r == 0)
		r = path_split(ret, dir, sizeof dir) ? host_stat(&p->host, dir, &st) : -ENAMETOOLONG;
	if (r == -ELOOP || (r == 0 && st.st_mode && !S_ISDIR(st.st_mode)))
		return refuse(it, "a directory on the way to it is none on the host now", err);
	if (r < 0)
		return err_sys(err, r, "%s", it->change->path);
	return 0;
}

static bool parent_missing(struct plan *p, const char *host)
{
	char dir[PATH_MAX];
	struct stat st;

	return !path_split(host, dir, sizeof dir) || host_stat(&p->host, dir, &st) < 0 || !st.st_mode;
}

/* The directory comes with another item. */
static bool parent_comes(const struct plan *p, size_t i)
{
	size_t k = p->above[i];

	return k != NO_ITEM && (item_makes_dir(&p->p.items[k]) || item_is_dir_rename(&p->p.items[k]));
}

/* Directories above it that the host has lost, and the box has still. */
static void take_parents(struct plan *p, size_t i)
{
	for (size_t k = p->above[i]; k != NO_ITEM; k = p->above[k]) {
		struct commit_item *up = &p->p.items[k];

		if (!item_makes_dir(up) || up->verdict != COMMIT_CONFLICT || p->now[k].st_mode)
			continue;
		up->resolved = RESOLVE_BOX;
		why(up, COMMIT_APPLY, "the box's, for what is in it");
	}
}

static int take_box(struct plan *p, size_t i, struct err *err)
{
	struct commit_item *it = &p->p.items[i];
	char host[PATH_MAX];
	int r;

	if (it->verdict != COMMIT_CONFLICT)
		return refuse(it, "it is no conflict that could be decided", err);
	if (it->change->kind == CHANGE_RENAMED && !p->now[i].st_mode)
		return refuse(it, "the host has no longer what was renamed: keep the host's, or copy the box's there by hand", err);
	r = host_place(p, i, host, err);
	if (r < 0)
		return r;
	if (it->change->kind == CHANGE_META && (p->now[i].st_mode & S_IFMT) != (it->change->box.st_mode & S_IFMT))
		return refuse(it, "the host has no longer what got other metadata: keep the host's, or copy the box's there by hand", err);
	if (it->change->kind != CHANGE_DELETED && parent_missing(p, host) && !parent_comes(p, i))
		return refuse(it, "its directory is gone on the host: mkdir it there first", err);
	/* Judging stopped at the first conflict: this was not looked at. */
	if (it->change->kind == CHANGE_RENAMED)
		r = host_stat(&p->host, host, &p->in_way[i]);
	if (r < 0)
		return err_sys(err, r, "%s", host);
	if (it->change->kind != CHANGE_DELETED)
		take_parents(p, i);
	it->resolved = RESOLVE_BOX;
	it->keep = 0;
	return why(it, COMMIT_APPLY, "the box's, by your choice");
}

static int take_host(struct plan *p, size_t i)
{
	const struct commit_item *it = &p->p.items[i];
	/* Where the host has a directory too, what is below it can be told apart. */
	bool whole = item_is_dir_rename(it) || (item_makes_dir(it) && !S_ISDIR(p->now[i].st_mode));
	size_t end = whole ? plan_end(p, i) : i + 1;

	for (size_t k = i; k < end; k++) {
		p->p.items[k].resolved = RESOLVE_HOST;
		why(&p->p.items[k], COMMIT_SAME, "the host's is kept, by your choice");
	}
	return 0;
}

static int take_text(struct plan *p, size_t i, const void *text, size_t size, bool part, struct err *err)
{
	struct commit_item *it = &p->p.items[i];
	_cleanup_close_ int fd = -1;
	unsigned keep = it->keep & ~(unsigned)COMMIT_KEEP_CONTENT;
	int r;

	if (!S_ISREG(it->change->box.st_mode))
		return refuse(it, "it is no regular file", err);
	if (part && it->change->kind != CHANGE_MODIFIED && it->change->kind != CHANGE_ADDED)
		return refuse(it, "only of a new or modified file some hunks can be taken", err);
	if (part && it->change->box.st_nlink > 1)
		return refuse(it, "it has several names: take all of it or nothing", err);
	if (it->verdict == COMMIT_CONFLICT) {
		r = take_box(p, i, err);
		if (r < 0)
			return r;
		/* What the host alone has changed of the metadata stays. */
		it->keep = keep;
	}
	if (it->verdict != COMMIT_APPLY && it->verdict != COMMIT_SAME)
		return refuse(it, it->why, err);
	fd = memfd_create("cowbox-text", MFD_CLOEXEC);
	r = fd < 0 ? -errno : sys_write_all(fd, text, size);
	if (r < 0)
		return err_sys(err, r, "the merged text");
	fd_closep(&it->text_fd);
	it->text_fd = TAKE_FD(fd);
	it->resolved = RESOLVE_TEXT;
	it->part = part;
	return why(it, COMMIT_APPLY, part ? "some hunks, by your choice" : "the merged text, by your choice");
}

/* A name that nothing has: NAME.BOX, NAME.BOX.2, ... */
static int name_beside(struct plan *p, const char *host, char ret[static PATH_MAX])
{
	const struct box *box = overlay_box(p->p.ov);
	struct stat st;

	for (int n = 1; n <= BESIDE_TRIES; n++) {
		char number[16] = "";
		int size, r;

		if (n > 1)
			snprintf(number, sizeof number, ".%d", n);
		size = snprintf(ret, PATH_MAX, "%s.%s%s", host, box->name, number);
		if (size >= PATH_MAX || strlen(strrchr(ret, '/') + 1) > NAME_MAX)
			return -ENAMETOOLONG;
		r = host_stat(&p->host, ret, &st);
		if (r < 0)
			return r;
		if (!st.st_mode && plan_find(p, ret) == NO_ITEM)
			return 0;
	}
	return -EEXIST;
}

static int take_both(struct plan *p, size_t i, struct err *err)
{
	struct commit_item *it = &p->p.items[i];
	const struct change *ch = it->change;
	char host[PATH_MAX], beside[PATH_MAX];
	int r;

	if (it->verdict != COMMIT_CONFLICT || !p->now[i].st_mode || S_ISDIR(ch->box.st_mode) || !ch->box.st_mode || ch->kind == CHANGE_RENAMED ||
	    ch->kind == CHANGE_META || ch->box.st_nlink > 1)
		return refuse(it, "both can be kept of a file that has changed on both sides only", err);
	r = host_place(p, i, host, err);
	if (r == 0 && (r = name_beside(p, host, beside)) < 0)
		return err_sys(err, r, "%s: no name for the box's beside it", host);
	if (r < 0)
		return r;
	free(it->beside);
	it->beside = strdup(beside);
	if (!it->beside)
		return err_sys(err, -ENOMEM, "commit");
	memset(&p->now[i], 0, sizeof p->now[i]);
	it->resolved = RESOLVE_BOTH;
	return why(it, COMMIT_APPLY, "both, by your choice: the box's becomes %.100s", strrchr(beside, '/') + 1);
}

int commit_resolve(struct commit_plan *plan, size_t i, enum commit_resolution how, const void *text, size_t size, bool part, struct err *err)
{
	struct plan *p = plan_of(plan);

	switch (how) {
	case RESOLVE_BOX:
		return take_box(p, i, err);
	case RESOLVE_HOST:
		return take_host(p, i);
	case RESOLVE_TEXT:
		return take_text(p, i, text, size, part, err);
	case RESOLVE_BOTH:
		return take_both(p, i, err);
	case RESOLVE_NONE:
		break;
	}
	return 0;
}

/* The decisions hold for what was looked at: where judging anew finds another conflict than that, it is one. */
void resolve_again(struct plan *p, size_t i, const struct stat *was)
{
	struct commit_item *it = &p->p.items[i];
	const struct stat *now = &p->now[i];
	bool same = now->st_mode == was->st_mode && now->st_ino == was->st_ino && now->st_dev == was->st_dev && now->st_size == was->st_size &&
	            now->st_mtim.tv_sec == was->st_mtim.tv_sec && now->st_mtim.tv_nsec == was->st_mtim.tv_nsec;

	if (it->resolved == RESOLVE_NONE)
		return;
	if (it->resolved == RESOLVE_HOST) {
		why(it, COMMIT_SAME, "the host's is kept, by your choice");
	} else if (it->resolved == RESOLVE_BOTH) {
		memset(&p->now[i], 0, sizeof p->now[i]);
		why(it, COMMIT_APPLY, "both, by your choice");
	} else if (same) {
		it->keep = it->resolved == RESOLVE_BOX ? 0 : it->keep & ~(unsigned)COMMIT_KEEP_CONTENT;
		why(it, COMMIT_APPLY, "by your choice");
	} else {
		why(it, COMMIT_CONFLICT, "the host's was changed after you had chosen");
	}
}

/* ---- what merging needs ---- */

static int open_base(struct plan *p, const struct commit_item *it, const char *host)
{
	const char *const names[] = { it->change->path, host, it->change->from };

	for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
		const struct origin *o = names[k] ? plan_origin(p, names[k]) : NULL;
		int fd = o && o->kind == ORIGIN_REGULAR ? origin_open_base(p->base_fd, o) : -ENOENT;

		if (fd >= 0)
			return fd;
	}
	return -1;
}

int commit_open_sides(struct commit_plan *plan, size_t i, int *ret_base, int *ret_box, int *ret_host)
{
	struct plan *p = plan_of(plan);
	const struct commit_item *it = &plan->items[i];
	const struct stat *now = &p->now[i];
	_cleanup_close_ int box = -1, host_fd = -1;
	char host[PATH_MAX];
	int r;

	if (!S_ISREG(it->change->box.st_mode) || (now->st_mode && !S_ISREG(now->st_mode)))
		return -EOPNOTSUPP;
	r = it->change->kind == CHANGE_RENAMED ? path_join(host, sizeof host, it->change->from, "") : plan_host_path(p, it->change->path, host);
	if (r >= 0)
		r = changes_open(plan->ov, it->change, &box);
	if (r == 0 && now->st_mode)
		r = host_open(&p->host, host, O_RDONLY, &host_fd);
	if (r < 0)
		return r;
	*ret_base = open_base(p, it, host);
	*ret_box = TAKE_FD(box);
	*ret_host = TAKE_FD(host_fd);
	return 0;
}
