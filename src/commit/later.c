/* later.c - steps that are put off, so that many of them are written into the journal, and the disk waited for, at once.
 *
 * (L1) Every step is on the disk, in the journal, before it is made: a power cut leaves no step that nobody knows of.
 * (L2) Only what is about one name and one file of one name is put off: such steps do not touch each other. Before any other step they are made.
 */
#include "apply.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "base/sys.h"

#define LATER_MAX 512

struct later {
	enum { LATER_GIVE, LATER_PUT, LATER_TAKE, LATER_META } kind;
	size_t i;
	char *path;
	char temp[JOURNAL_TEMP_MAX];
	struct ident dir; /* dir: that holds the path */
	struct stat seen, ours; /* ours: of LATER_PUT: what gets the name */
	char *layer;            /* layer: of LATER_GIVE: where it is now */
};

static int add(struct apply *a, int kind, size_t i, const char *path, const char *temp, const struct stat *seen)
{
	struct later *l;
	struct ident id;
	int r;

	if (a->nlater == LATER_MAX) {
		r = later_make(a);
		if (r < 0)
			return r;
	}
	if (!a->later)
		a->later = calloc(LATER_MAX, sizeof *a->later);
	if (!a->later)
		return -ENOMEM;
	r = host_parent_ident(&a->p->host, path, &id);
	if (r < 0)
		return r;
	l = &a->later[a->nlater];
	*l = (struct later){ .kind = kind, .i = i, .path = strdup(path), .dir = id, .seen = *seen };
	if (!l->path)
		return -ENOMEM;
	if (temp)
		strcpy(l->temp, temp);
	a->nlater++;
	return 1;
}

/* A file of one name, or nothing. */
static bool is_simple(const struct stat *st)
{
	return !st->st_mode || (!S_ISDIR(st->st_mode) && st->st_nlink < 2);
}

/* A directory was made writable for the time of the item: then it is done now. */
static bool is_urgent(const struct apply *a)
{
	for (size_t k = 0; a->doors && k < a->doors->count; k++)
		if (a->doors->door[k].fd >= 0)
			return true;
	return a->making || a->nmoves;
}

int later_put(struct apply *a, size_t i, const char *temp, const struct stat *ours, const char *path, const struct stat *seen)
{
	int r;

	/* Others are to become names of it. */
	if (is_urgent(a) || !is_simple(ours) || !is_simple(seen) || item(a, i)->change->box.st_nlink > 1)
		return 0;
	r = add(a, LATER_PUT, i, path, temp, seen);
	if (r == 1)
		a->later[a->nlater - 1].ours = *ours;
	return r;
}

int later_give(struct apply *a, size_t i, const struct plain *p, const char *temp, const char *path)
{
	int r;

	if (is_urgent(a))
		return 0;
	r = add(a, LATER_GIVE, i, path, temp, &p->st);
	if (r != 1)
		return r;
	a->later[a->nlater - 1].layer = strdup(p->path);
	return a->later[a->nlater - 1].layer ? 1 : -ENOMEM;
}

int later_take(struct apply *a, size_t i, const char *path, const char *temp, const struct stat *seen)
{
	if (is_urgent(a) || !is_simple(seen))
		return 0;
	return add(a, LATER_TAKE, i, path, temp, seen);
}

int later_meta(struct apply *a, size_t i, const char *path, const struct stat *seen)
{
	/* What is done to one name of it is to be seen under the next; what we have made needs no step. */
	if (is_urgent(a) || inode_set_has(&a->made, seen->st_dev, seen->st_ino) || (!S_ISDIR(seen->st_mode) && seen->st_nlink > 1))
		return 0;
	return add(a, LATER_META, i, path, NULL, seen);
}

static int make_given(struct apply *a, struct later *l)
{
	/* The directory is the host's, which knows two: this one and that in which the path is. */
	struct plain p = { .dir = -1, .st = l->seen };
	const char *name;
	int r = l->layer ? host_parent(&a->p->host, l->layer, &p.dir, &name) : -ENOMEM;

	if (r < 0)
		return r;
	strcpy(p.name, name);
	strcpy(p.path, l->layer);
	host_pin(&a->p->host, l->path, l->dir);
	r = give_move(a, l->i, &p, l->temp, l->path);
	/* A file system may keep the two apart for reasons of its own (project quotas): then all is taken back, and done by copies. */
	a->give_failed |= r == 0;
	return r == 0 ? -EXDEV : r < 0 ? r : 0;
}

/* In the round of LOGGING each step is written down; in that of DOING it is made. */
static int make_one(struct apply *a, struct later *l)
{
	const char *name;
	int dir, r;

	host_pin(&a->p->host, l->path, l->dir);
	switch (l->kind) {
	case LATER_GIVE:
		host_unpin(&a->p->host);
		r = make_given(a, l);
		break;
	case LATER_PUT:
		r = host_parent(&a->p->host, l->path, &dir, &name);
		if (r == 0)
			r = swap_put(a, l->i, dir, l->temp, &l->ours, name, l->path, &l->seen);
		break;
	case LATER_TAKE:
		r = swap_take(a, l->i, l->path, &l->seen, l->temp);
		break;
	case LATER_META:
		r = place_metadata(a, l->i, l->path, &l->seen);
		break;
	default:
		r = -EINVAL;
	}
	host_unpin(&a->p->host);
	return r;
}

static int round_of(struct apply *a, enum making making)
{
	a->making = making;
	for (size_t k = 0; k < a->nlater; k++) {
		int r = make_one(a, &a->later[k]);

		if (making == MAKING_LOGGED && r == -EINPROGRESS)
			continue;
		if (r < 0) {
			apply_settle(a, a->later[k].i, r);
			return -ECANCELED;
		}
	}
	return 0;
}

/* Of those that were made: nobody has asked the overlay for them meanwhile. */
static void tell_overlay(struct apply *a)
{
	struct vpath gone[LATER_MAX];
	size_t n = 0;

	for (size_t k = 0; k < a->nlater; k++)
		if (a->later[k].kind == LATER_GIVE)
			gone[n++] = (struct vpath){ item(a, a->later[k].i)->change->path };
	if (n)
		overlay_moved_out(a->p->p.ov, gone, n);
}

int later_make(struct apply *a)
{
	struct host caller;
	int r;

	/* What was put off and could not be made is not to be forgotten over another way to do the next one. */
	if (a->broken || !a->nlater || a->making)
		return a->broken;
	/* The directory that the caller has of it, and what it has pinned, stay. */
	caller = a->p->host;
	host_blank(&a->p->host, caller.root_fd);
	r = round_of(a, MAKING_LOGGED);
	if (r == 0) {
		r = journal_sync(a->j);
		if (r < 0)
			apply_stopped(a, "the journal", r);
	}
	if (r == 0)
		r = round_of(a, MAKING_DONE);
	a->making = MAKING_NONE;
	if (r == 0)
		tell_overlay(a);
	host_moved(&a->p->host);
	a->p->host = caller;
	for (size_t k = 0; k < a->nlater; k++) {
		free(a->later[k].path);
		free(a->later[k].layer);
	}
	a->nlater = 0;
	a->broken = r < 0 ? -ECANCELED : 0;
	return a->broken;
}

void later_free(struct apply *a)
{
	for (size_t k = 0; k < a->nlater; k++) {
		free(a->later[k].path);
		free(a->later[k].layer);
	}
	free(a->later);
}
