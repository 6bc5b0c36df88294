/* known.c - records of origins, by the inode they are of. */
#include "overlay/known.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

struct known_record {
	struct origin o; /* o: path and target are its own */
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
	n->o.comm = NULL;
	n->o.path = strdup(o->path);
	n->o.target = o->target ? strdup(o->target) : NULL;
	k->count++;
	return n->o.path && (n->o.target || !o->target) ? 0 : -ENOMEM;
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

/* One past the last record of that inode, or where it would be. */
static size_t end_of(struct known *k, const struct stat *st)
{
	size_t low = 0, end = k->count;

	if (!k->sorted && k->count)
		qsort(k->v, k->count, sizeof *k->v, by_inode);
	k->sorted = true;
	while (low < end) {
		size_t mid = low + (end - low) / 2;
		const struct origin *o = &k->v[mid].o;

		if (o->dev < st->st_dev || (o->dev == st->st_dev && o->ino <= st->st_ino))
			low = mid + 1;
		else
			end = mid;
	}
	return low;
}

static bool is_of(const struct known *k, size_t end, const struct stat *st)
{
	return end && k->v[end - 1].o.dev == st->st_dev && k->v[end - 1].o.ino == st->st_ino;
}

bool known_has(struct known *k, const struct stat *st)
{
	return is_of(k, end_of(k, st), st);
}

const struct origin *known_find(struct known *k, const struct stat *st, const char *host)
{
	for (size_t end = end_of(k, st); is_of(k, end, st); end--) {
		const struct origin *o = &k->v[end - 1].o;

		if (o->path && (host ? origin_was_at(o, host) : o->moved))
			return o;
	}
	return NULL;
}

void known_release(struct known *k)
{
	for (size_t i = 0; i < k->count; i++) {
		free((char *)k->v[i].o.path);
		free((char *)k->v[i].o.target);
	}
	free(k->v);
	*k = (struct known){ 0 };
}
