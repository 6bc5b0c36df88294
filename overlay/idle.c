/* idle.c - copies of the host's files with several names that are no change any more.
 *
 * What the box does to one name of such a file it does to all, and each name that is looked at is the copy's from then on (links.c). Once the change has left
 * the box, those names must too: else they would go on showing what the host had then.
 */
#include "base/array.h"
#include "overlay/changes.h"
#include "overlay/internal.h"

#include <stdlib.h>

struct idle {
	struct overlay *ov;
	const char **changed;    /* changed: paths of changes, sorted */
	size_t count;
	struct inode_set copies; /* copies: that changes are about: their other names stay with them */
	char **names;            /* names: found */
	size_t nnames, room;
};

static int by_path(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int note_changes(struct idle *x, const struct changes *left)
{
	int r = 0;

	x->changed = calloc(left->count + 1, sizeof *x->changed);
	if (!x->changed)
		return -ENOMEM;
	for (size_t i = 0; i < left->count && r == 0; i++) {
		const struct change *ch = &left->list[i];

		x->changed[x->count++] = ch->path;
		if (ch->box.st_mode && !S_ISDIR(ch->box.st_mode))
			r = inode_set_add(&x->copies, ch->box.st_dev, ch->box.st_ino);
	}
	qsort(x->changed, x->count, sizeof *x->changed, by_path);
	return r;
}

/* The name of the record, where the view has it now, is a copy of that file and no change. */
static int is_idle(struct idle *x, const struct origin *o, const char *view)
{
	struct caller caller = { .umask = 022 };
	_cleanup_object_ struct object obj;
	int r;

	object_init(&obj);
	if (bsearch(&view, x->changed, x->count, sizeof *x->changed, by_path))
		return 0;
	r = overlay_lookup(x->ov, &caller, AT_VIEW(view), LOOKUP_NOFOLLOW, &obj);
	if (r < 0)
		return r == -ENOMEM || r == -EIO ? r : 0;
	return obj.where == OBJECT_LAYER && obj.is_top && obj.st.st_dev == o->dev && obj.st.st_ino == o->ino;
}

static int look_at(void *ctx, const struct origin *o)
{
	struct idle *x = ctx;
	struct link_entry e;
	char view[PATH_MAX];
	int r;

	if (o->kind == ORIGIN_ABSENT || o->kind == ORIGIN_DIRECTORY || !links_get(x->ov, o->dev, o->ino, &e) || !e.copied ||
	    inode_set_has(&x->copies, o->dev, o->ino))
		return 0;
	r = overlay_view_of_name(x->ov, o->path, view);
	if (r == 0)
		r = is_idle(x, o, view);
	if (r <= 0)
		return r == -ENAMETOOLONG ? 0 : r;
	if (array_room(&x->names, x->nnames, &x->room, sizeof *x->names) < 0)
		return -ENOMEM;
	x->names[x->nnames] = strdup(view);
	return x->names[x->nnames] ? (x->nnames++, 0) : -ENOMEM;
}

int overlay_forget_idle(struct overlay *ov, const struct changes *left)
{
	struct idle x = { .ov = ov };
	struct changes own = { 0 };
	struct origins *origins = NULL;
	int r = 0;

	if (!ov->nlinks)
		return 0;
	if (!left)
		r = changes_collect(ov, 0, &own, NULL);
	if (r == 0)
		r = note_changes(&x, left ? left : &own);
	if (r == 0)
		r = origins_load(ov->layers[ov->top].fd, &origins, NULL);
	if (r == 0)
		r = origins_each(origins, look_at, &x);
	for (size_t i = 0; i < x.nnames; i++) {
		if (r == 0)
			r = overlay_forget(ov, (struct vpath){ x.names[i] });
		if (r == -ENOENT)
			r = 0;
		free(x.names[i]);
	}
	/* Mirrors are left, at most. */
	if (r == 0 && !x.count && ov->nlinks && (r = change_begin(ov)) == 0) {
		r = links_reset(ov, false);
		change_end(ov, true);
	}
	free(x.names);
	free(x.changed);
	inode_set_release(&x.copies);
	origins_free(origins);
	changes_release(&own);
	return r;
}
