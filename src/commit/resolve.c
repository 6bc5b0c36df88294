/* resolve.c - what the user decided about conflicts, and about parts of files. */
#include "plan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/stat.h"
#include "base/sys.h"

#define BESIDE_TRIES 100

static int refuse(const struct commit_item *it, const char *why_not, struct err *err)
{
	char text[4 * PATH_MAX];

	return err_set(err, -EOPNOTSUPP, "%s: %s", path_printable(it->change->path, text, sizeof text), why_not);
}

static int fail(int r, const char *path, struct err *err)
{
	char text[4 * PATH_MAX];

	return err_sys(err, r, "%s", path_printable(path, text, sizeof text));
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
		return fail(r, it->change->path, err);
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
		return fail(r, host, err);
	if (it->change->kind != CHANGE_DELETED)
		take_parents(p, i);
	it->resolved = RESOLVE_BOX;
	it->keep = 0;
	return why(it, COMMIT_APPLY, "the box's, by your choice");
}

static int take_host(struct plan *p, size_t i, struct err *err)
{
	const struct commit_item *it = &p->p.items[i];
	/* Where the host has a directory too, what is below it can be told apart. */
	bool whole = item_is_dir_rename(it) || (item_makes_dir(it) && !S_ISDIR(p->now[i].st_mode));
	size_t end = whole ? plan_end(p, i) : i + 1;

	for (size_t k = i + 1; k < end; k++)
		if (!p->p.items[k].chosen)
			return refuse(it, "not all that the box has in it was chosen: skip it, or choose that too", err);
	for (size_t k = i; k < end; k++) {
		p->p.items[k].resolved = RESOLVE_HOST;
		why(&p->p.items[k], COMMIT_SAME, "the host's is kept, by your choice");
	}
	return 0;
}

static int take_text(struct plan *p, size_t i, const void *text, size_t size, bool part, struct err *err)
{
	struct commit_item *it = &p->p.items[i];
	char *own;
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
	own = malloc(size + 1);
	if (!own)
		return err_sys(err, -ENOMEM, "the merged text");
	memcpy(own, text, size);
	free(it->text);
	it->text = own;
	it->text_size = size;
	it->resolved = RESOLVE_TEXT;
	it->part = part;
	return why(it, COMMIT_APPLY, part ? "some hunks, by your choice" : "the merged text, by your choice");
}

/* The item whose file is, or would be, called that beside it has taken it: NAME.BOX of NAME, NAME.BOX.2 too. */
static bool is_besides(const struct plan *p, const char *host, size_t len, const char *beside)
{
	char path[PATH_MAX];
	size_t k;

	snprintf(path, sizeof path, "%.*s", (int)len, host);
	k = plan_find(p, path);
	return k != NO_ITEM && p->p.items[k].beside && strcmp(p->p.items[k].beside, beside) == 0;
}

static bool is_taken_beside(const struct plan *p, const char *path)
{
	const char *box = overlay_box(p->p.ov)->name;
	size_t len = strlen(path), end = len, tail = strlen(box) + 1;

	if (len > tail && path[len - tail] == '.' && strcmp(path + len - tail + 1, box) == 0 && is_besides(p, path, len - tail, path))
		return true;
	while (end && path[end - 1] >= '0' && path[end - 1] <= '9')
		end--;
	if (end == len || end <= tail + 1 || path[end - 1] != '.' || path[end - 1 - tail] != '.' ||
	    strncmp(path + end - tail, box, tail - 1) != 0)
		return false;
	return is_besides(p, path, end - 1 - tail, path);
}

/* A name that nothing has, or will have: NAME.BOX, NAME.BOX.2, ... */
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
		if (!st.st_mode && plan_find(p, ret) == NO_ITEM && !is_taken_beside(p, ret))
			return 0;
	}
	return -EEXIST;
}

static int set_beside(struct plan *p, size_t i, struct err *err)
{
	struct commit_item *it = &p->p.items[i];
	char host[PATH_MAX], beside[PATH_MAX], text[4 * PATH_MAX];
	int r = host_place(p, i, host, err);

	if (r < 0)
		return r;
	free(it->beside);
	it->beside = NULL;
	r = name_beside(p, host, beside);
	if (r < 0)
		return err_sys(err, r, "%s: no name for the box's beside it", path_printable(host, text, sizeof text));
	it->beside = strdup(beside);
	if (!it->beside)
		return err_sys(err, -ENOMEM, "commit");
	memset(&p->now[i], 0, sizeof p->now[i]);
	return why(it, COMMIT_APPLY, "both, by your choice: the box's becomes %.*s", COMMIT_WHY_MAX - 60,
	           path_printable(strrchr(beside, '/') + 1, text, sizeof text));
}

static int take_both(struct plan *p, size_t i, struct err *err)
{
	struct commit_item *it = &p->p.items[i];
	const struct change *ch = it->change;
	int r;

	if (it->verdict != COMMIT_CONFLICT || !p->now[i].st_mode || S_ISDIR(ch->box.st_mode) || !ch->box.st_mode || ch->kind == CHANGE_RENAMED ||
	    ch->kind == CHANGE_META || ch->box.st_nlink > 1)
		return refuse(it, "both can be kept of a file that has changed on both sides only", err);
	r = set_beside(p, i, err);
	if (r == 0)
		it->resolved = RESOLVE_BOTH;
	return r;
}

int commit_resolve(struct commit_plan *plan, size_t i, enum commit_resolution how, const void *text, size_t size, bool part, struct err *err)
{
	struct plan *p = plan_of(plan);

	switch (how) {
	case RESOLVE_BOX:
		return take_box(p, i, err);
	case RESOLVE_HOST:
		return take_host(p, i, err);
	case RESOLVE_TEXT:
		return take_text(p, i, text, size, part, err);
	case RESOLVE_BOTH:
		return take_both(p, i, err);
	case RESOLVE_NONE:
		break;
	}
	return 0;
}

/* As it was when it was decided on, to the time of change: what this commit has moved itself has its time in `was` already. */
static bool is_as_decided(const struct stat *now, const struct stat *was)
{
	return now->st_mode == was->st_mode && now->st_ino == was->st_ino && now->st_dev == was->st_dev && now->st_uid == was->st_uid &&
	       now->st_gid == was->st_gid && (S_ISDIR(now->st_mode) || (stat_same_content(now, was) && time_same(&now->st_ctim, &was->st_ctim)));
}

/* Back to what it was before it was decided. */
static void undecide(struct commit_item *it)
{
	it->resolved = RESOLVE_NONE;
	free(it->text);
	it->text = NULL;
	free(it->beside);
	it->beside = NULL;
	it->part = false;
}

static void beside_again(struct plan *p, size_t i)
{
	struct commit_item *it = &p->p.items[i];
	struct err err = { 0 };

	if (set_beside(p, i, &err) < 0) {
		undecide(it);
		why(it, COMMIT_CONFLICT, "%s", err.msg);
	}
}

/* The decisions hold for what was looked at: where judging anew finds another conflict than that, it is one. */
void resolve_again(struct plan *p, size_t i, const struct stat *was)
{
	struct commit_item *it = &p->p.items[i];

	switch (it->resolved) {
	case RESOLVE_NONE:
		return;
	case RESOLVE_HOST:
		why(it, COMMIT_SAME, "the host's is kept, by your choice");
		return;
	case RESOLVE_BOTH:
		beside_again(p, i);
		return;
	case RESOLVE_BOX:
	case RESOLVE_TEXT:
		break;
	}
	if (!is_as_decided(&p->now[i], was)) {
		undecide(it);
		why(it, COMMIT_CONFLICT, "the host's was changed after you had chosen");
		return;
	}
	it->keep = it->resolved == RESOLVE_BOX ? 0 : it->keep & ~(unsigned)COMMIT_KEEP_CONTENT;
	why(it, COMMIT_APPLY, "by your choice");
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
