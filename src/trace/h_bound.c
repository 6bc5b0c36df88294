/* h_bound.c - the AF_UNIX names that guests bound; see h_bound.h. A ring of entries; the newest that fits is the answer. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "h_bound.h"

struct bound {
	uint64_t ino;
	struct unix_name kernel, guest;
	char *view;
};

static struct {
	pthread_mutex_t lock;
	struct bound *ring[BOUND_MAX];
	size_t next; /* next: the place to write to, which holds the oldest */
} table = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void bound_free(struct bound *b)
{
	if (b)
		free(b->view);
	free(b);
}

void bound_add(uint64_t ino, const struct unix_name *kernel, const struct unix_name *guest, const char *view)
{
	struct bound *b = malloc(sizeof *b);
	char *copy = strdup(view);
	if (!b || !copy) {
		free(b);
		free(copy);
		return;
	}
	*b = (struct bound){ .ino = ino, .kernel = *kernel, .guest = *guest, .view = copy };
	pthread_mutex_lock(&table.lock);
	struct bound *old = table.ring[table.next];
	table.ring[table.next] = b;
	table.next = (table.next + 1) % BOUND_MAX;
	pthread_mutex_unlock(&table.lock);
	bound_free(old);
}

static bool same_name(const struct unix_name *a, const struct unix_name *b)
{
	return a->len == b->len && !memcmp(a->bytes, b->bytes, a->len);
}

/* Newest first; the lock is held. ino 0 matches none. */
static const struct bound *bound_find(uint64_t ino, const struct unix_name *kernel)
{
	for (size_t i = 1; i <= BOUND_MAX; i++) {
		const struct bound *b = table.ring[(table.next + BOUND_MAX - i) % BOUND_MAX];
		if (!b)
			break;
		if ((ino && b->ino == ino && same_name(&b->kernel, kernel)) || (!ino && same_name(&b->kernel, kernel)))
			return b;
	}
	return NULL;
}

bool bound_translate(uint64_t ino, struct unix_name *name)
{
	pthread_mutex_lock(&table.lock);
	const struct bound *b = ino ? bound_find(ino, name) : NULL;
	if (!b)
		b = bound_find(0, name);
	if (b)
		*name = b->guest;
	pthread_mutex_unlock(&table.lock);
	return b;
}

bool bound_view_path(const struct unix_name *kernel, char *ret, size_t size)
{
	pthread_mutex_lock(&table.lock);
	const struct bound *b = bound_find(0, kernel);
	bool fits = b && *b->view && (size_t)snprintf(ret, size, "%s", b->view) < size;
	pthread_mutex_unlock(&table.lock);
	return fits;
}

bool bound_has(uint64_t ino, const struct unix_name *kernel)
{
	pthread_mutex_lock(&table.lock);
	bool has = ino && bound_find(ino, kernel);
	pthread_mutex_unlock(&table.lock);
	return has;
}
