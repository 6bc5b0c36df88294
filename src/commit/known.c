/* known.c - what the box has seen of the host's objects, by their inodes: for what is now under another name than when the box first changed it. */
#include "plan.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/fd.h"

struct known {
	struct origin o; /* o: target is its own; path and comm are not kept */
	size_t when;     /* when: its place in the log */
};

static int known_add(void *ctx, const struct origin *o)
{
	struct knowns *k = ctx;
	struct known *n;

	if (o->kind == ORIGIN_ABSENT)
		return 0;
	if (array_room(&k->v, k->count, &k->room, sizeof *k->v) < 0)
		return -ENOMEM;
	n = &k->v[k->count];
	*n = (struct known){ .o = *o, .when = k->count };
	n->o.path = n->o.comm = NULL;
	if (o->target) {
		n->o.target = strdup(o->target);
		if (!n->o.target)
			return -ENOMEM;
	}
	k->count++;
	return 0;
}

static int known_cmp(const void *a, const void *b)
{
	const struct known *x = a, *y = b;

	if (x->o.dev != y->o.dev)
		return x->o.dev < y->o.dev ? -1 : 1;
	if (x->o.ino != y->o.ino)
		return x->o.ino < y->o.ino ? -1 : 1;
	return x->when < y->when ? -1 : x->when > y->when;
}

/* What cannot be read is not known: then there is a conflict too many. */
static void known_load(struct plan *p)
{
	const struct box *box = overlay_box(p->p.ov);

	for (int i = 0; i < box->nlayers; i++) {
		_cleanup_close_ int fd = -1;
		char name[32];

		snprintf(name, sizeof name, "layers/%d", box->layer[i]);
		fd = box_open_in(box, name, O_RDONLY | O_DIRECTORY);
		if (fd >= 0)
			(void)origins_history(fd, known_add, &p->known);
	}
	if (p->known.count)
		qsort(p->known.v, p->known.count, sizeof *p->known.v, known_cmp);
	p->known.loaded = true;
}

const struct origin *plan_knows_inode(struct plan *p, const struct stat *st)
{
	size_t lo = 0, hi;

	if (!p->known.loaded)
		known_load(p);
	/* One past its last. */
	hi = p->known.count;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct origin *o = &p->known.v[mid].o;

		if (o->dev < st->st_dev || (o->dev == st->st_dev && o->ino <= st->st_ino))
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo || p->known.v[lo - 1].o.dev != st->st_dev || p->known.v[lo - 1].o.ino != st->st_ino)
		return NULL;
	return &p->known.v[lo - 1].o;
}

void known_release(struct knowns *k)
{
	for (size_t i = 0; i < k->count; i++)
		free((char *)k->v[i].o.target);
	free(k->v);
	*k = (struct knowns){ 0 };
}
