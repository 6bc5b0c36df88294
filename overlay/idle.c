/* idle.c - copies of the host's files, after changes have left the box.
 *
 * What the box does to one name of a file with several it does to all, and each name that is looked at is the copy's from then on (links.c). Once the change
 * has left the box, those names must too: else they would go on showing what the host had then.
 *
 * A copy shows the inode number of what it is a copy of. When that comes back under its own name, the two are two files, and must show it.
 */
#include "overlay/changes.h"
#include "overlay/forget_links.h"

#include <stdlib.h>

struct idle {
	struct overlay *ov;
	const char **changed;    /* changed: paths of changes, sorted */
	size_t count;
	struct inode_set copies; /* copies: that changes are about: their other names stay with them */
	char **go, **stay;       /* go: names of copies that no change is about; stay: of others, as the host has them */
	size_t ngo, nstay;
};

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
	qsort(x->changed, x->count, sizeof *x->changed, strv_cmp);
	return r;
}

/* The name of the record, where the view has it now, is a copy of that file and no change. */
static int is_idle(struct idle *x, const struct origin *o, const char *view)
{
	struct caller caller = { .umask = 022 };
	_cleanup_object_ struct object obj;
	int r;

	object_init(&obj);
	if (bsearch(&view, x->changed, x->count, sizeof *x->changed, strv_cmp))
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

	if (o->kind == ORIGIN_ABSENT || o->kind == ORIGIN_DIRECTORY || !links_get(x->ov, o->dev, o->ino, &e) || !e.copied)
		return 0;
	r = overlay_view_of_name(x->ov, o->path, view);
	if (r == 0)
		r = is_idle(x, o, view);
	if (r <= 0)
		return r == -ENAMETOOLONG ? 0 : r;
	return inode_set_has(&x->copies, o->dev, o->ino) ? strv_add(&x->stay, &x->nstay, o->path) : strv_add(&x->go, &x->ngo, view);
}

/* ---- copies whose original is there again ---- */

static int original_is_back(struct overlay *ov, const struct change *ch)
{
	struct caller caller = { .umask = 022 };
	char from[PATH_MAX], view[PATH_MAX];
	_cleanup_object_ struct object o;
	int r = changes_copied_from(ov, ch, from, sizeof from);

	object_init(&o);
	if (r == 0)
		r = overlay_view_of_name(ov, from, view);
	if (r == 0)
		r = overlay_lookup(ov, &caller, AT_VIEW(view), LOOKUP_NOFOLLOW, &o);
	return r == 0 && o.where == OBJECT_HOST && o.st.st_dev == ch->box.st_dev && o.st.st_ino == ch->box.st_ino;
}

static int make_own(struct overlay *ov, const char *path)
{
	_cleanup_object_ struct object o;
	struct stat st;
	int r = change_begin(ov);

	object_init(&o);
	if (r < 0)
		return r;
	r = lookup_canonical_locked(ov, path, &o);
	if (r == 0 && o.where == OBJECT_LAYER && o.is_top)
		r = sys_fstat(o.fd, &st);
	if (r == 0 && o.where == OBJECT_LAYER && o.is_top)
		r = copy_detach(o.fd, &st);
	change_end(ov, false);
	return r;
}

static int detach_copies(struct overlay *ov, const struct changes *left)
{
	int r = 0;

	for (size_t i = 0; i < left->count && r == 0; i++) {
		const struct change *ch = &left->list[i];
		struct link_entry e;

		/* At its own name it is what the host has there, changed. */
		if (S_ISREG(ch->box.st_mode) && (ch->box.st_dev != ch->host.st_dev || ch->box.st_ino != ch->host.st_ino) &&
		    links_get(ov, ch->box.st_dev, ch->box.st_ino, &e) && original_is_back(ov, ch))
			r = make_own(ov, ch->path);
	}
	return r;
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
	if (!left)
		left = &own;
	if (r == 0)
		r = detach_copies(ov, left);
	if (r == 0)
		r = note_changes(&x, left);
	if (r == 0)
		r = origins_load(ov->layers[ov->top].fd, &origins, NULL);
	if (r == 0)
		r = origins_each(origins, look_at, &x);
	for (size_t i = 0; i < x.ngo && r == 0; i++) {
		r = overlay_forget(ov, (struct vpath){ x.go[i] });
		if (r == -ENOENT)
			r = 0;
	}
	/* Mirrors are left, at most. */
	if (r == 0 && !x.count && ov->nlinks && (r = change_begin(ov)) == 0) {
		r = links_reset(ov, false);
		change_end(ov, true);
	} else if (r == 0 && ov->nlinks && left != &own) {
		r = overlay_recount(ov, left, x.stay, x.nstay);
	}
	strv_free(x.go);
	strv_free(x.stay);
	free(x.changed);
	inode_set_release(&x.copies);
	origins_free(origins);
	changes_release(&own);
	return r;
}
