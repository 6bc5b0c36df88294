/* known.c - records of origins, by the inode they are of. */
#include "overlay/known.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

struct known_record {
	struct origin o; /* o: target is its own */
	size_t order;
};

static int note(void *ctx, const struct origin *o)
{
	struct known *k = ctx;
	struct known_record *n;

	if (o->kind == ORIGIN_ABSENT)
		return 0;
	if (array_room(&k->v, k->count, &k->room, sizeof *k->v) < 0)
		return -ENOMEM;
	n = &k->v[k->count];
	*n = (struct known_record){ .o = *o, .order = k->count };
	n->o.path = n->o.comm = NULL;
	if (o->target) {
		n->o.target = strdup(o->target);
		if (!n->o.target)
			return -ENOMEM;
	}
	k->count++;
	return 0;
}

int known_load(struct known *k, int layer_fd)
{
	k->sorted = false;
	return origins_history(layer_fd, note, k);
}

static int by_inode(const void *a, const void *b)
{
	const struct known_record *x = a, *y = b;

	if (x->o.dev != y->o.dev)
		return x->o.dev < y->o.dev ? -1 : 1;
	if (x->o.ino != y->o.ino)
		return x->o.ino < y->o.ino ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

const struct origin *known_find(struct known *k, const struct stat *st)
{
	size_t low = 0, end = k->count;

	if (!k->sorted && k->count)
		qsort(k->v, k->count, sizeof *k->v, by_inode);
	k->sorted = true;
	/* One past its last. */
	while (low < end) {
		size_t mid = low + (end - low) / 2;
		const struct origin *o = &k->v[mid].o;

		if (o->dev < st->st_dev || (o->dev == st->st_dev && o->ino <= st->st_ino))
			low = mid + 1;
		else
			end = mid;
	}
	if (!low || k->v[low - 1].o.dev != st->st_dev || k->v[low - 1].o.ino != st->st_ino)
		return NULL;
	return &k->v[low - 1].o;
}

void known_release(struct known *k)
{
	for (size_t i = 0; i < k->count; i++)
		free((char *)k->v[i].o.target);
	free(k->v);
	*k = (struct known){ 0 };
}
