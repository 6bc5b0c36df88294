/* dnode.c - the nodes of the table of touched directories, in memory.
 *
 * (T4) A directory's buckets go by the high bits of a 31-bit hash, so walking them in order is walking the hashes in order: a listing
 *      finds its place again by the hash alone, whatever came and went in between.
 */
#include "overlay/dnode.h"

#define BUCKET_BITS_MIN 3
#define BUCKET_BITS_MAX 22

uint32_t dnode_hash(const char *name, size_t len)
{
	uint64_t h = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)name[i]) * 0x100000001b3ull;
	h ^= h >> 29;
	h *= 0xbf58476d1ce4e5b9ull;
	h = (h >> 33) & 0x7fffffff;
	return h ? (uint32_t)h : 1;
}

static size_t bucket_index(const struct dnode *d, uint32_t hash)
{
	return hash >> (31 - d->bucket_bits);
}

static struct dnode **bucket_of(const struct dnode *d, uint32_t hash)
{
	return &d->bucket[bucket_index(d, hash)];
}

struct dnode *dnode_find(const struct dnode *d, const char *name, size_t len)
{
	if (!d->bucket)
		return NULL;
	uint32_t hash = dnode_hash(name, len);

	for (struct dnode *n = *bucket_of(d, hash); n; n = n->next)
		if (n->hash == hash && !strncmp(n->name, name, len) && !n->name[len])
			return n;
	return NULL;
}

struct dnode *dnode_next(const struct dnode *d, const struct dnode *n)
{
	if (n && n->next)
		return n->next;
	size_t b = n ? bucket_index(d, n->hash) + 1 : 0;

	for (; d->bucket && b < (size_t)1 << d->bucket_bits; b++)
		if (d->bucket[b])
			return d->bucket[b];
	return NULL;
}

static void node_free(struct dnode *d)
{
	parts_free(d->parts, d->nparts);
	free(d->bucket);
	free(d);
}

/* A loop, for the tree is as deep as a guest made it: down to a child that has none itself, which goes, and up again by the parents. Buckets are
 * emptied in order, so those before a child's are not looked at again. */
void dnode_unload(struct dnode *d)
{
	struct dnode *at = d;
	size_t b = 0;

	for (;;) {
		while (at->bucket && b < (size_t)1 << at->bucket_bits && !at->bucket[b])
			b++;
		if (at->bucket && b < (size_t)1 << at->bucket_bits) {
			struct dnode *n = at->bucket[b];

			if (n->nchildren) {
				at = n;
				b = 0;
				continue;
			}
			at->bucket[b] = n->next;
			node_free(n);
			continue;
		}
		free(at->bucket);
		at->bucket = NULL;
		at->nchildren = 0;
		at->loaded = false;
		if (at == d)
			return;
		b = bucket_index(at->parent, at->hash);
		at = at->parent;
	}
}

void dnode_free(struct dnode *d)
{
	if (!d)
		return;
	dnode_unload(d);
	node_free(d);
}

static int dnode_grow(struct dnode *d)
{
	unsigned bits = d->bucket ? d->bucket_bits + 2 : BUCKET_BITS_MIN;

	if (bits > BUCKET_BITS_MAX)
		return 0;
	struct dnode **bucket = calloc((size_t)1 << bits, sizeof *bucket);
	if (!bucket)
		return d->bucket ? 0 : -ENOMEM;
	struct dnode **old = d->bucket;
	unsigned old_bits = d->bucket_bits;

	d->bucket = bucket;
	d->bucket_bits = bits;
	for (size_t i = 0; old && i < (size_t)1 << old_bits; i++)
		for (struct dnode *n = old[i], *next; n; n = next) {
			struct dnode **b = bucket_of(d, n->hash);
			next = n->next;
			n->next = *b;
			*b = n;
		}
	free(old);
	return 0;
}

int dnode_add(struct dnode *d, const char *name, enum dnode_kind kind, int layer, unsigned char type, uint64_t ino)
{
	size_t len = strlen(name);
	struct dnode *n;
	int r;

	if (!d->bucket || d->nchildren > ((size_t)2 << d->bucket_bits)) {
		r = dnode_grow(d);
		if (r < 0)
			return r;
	}
	n = calloc(1, sizeof *n + len + 1);
	if (!n)
		return -ENOMEM;
	memcpy(n->name, name, len + 1);
	n->hash = dnode_hash(name, len);
	n->parent = d;
	n->kind = kind;
	n->layer = layer;
	n->type = type;
	n->ino = ino;
	n->next = *bucket_of(d, n->hash);
	*bucket_of(d, n->hash) = n;
	d->nchildren++;
	return 0;
}

void dnode_take_out(struct dnode *n)
{
	for (struct dnode **p = bucket_of(n->parent, n->hash); *p; p = &(*p)->next)
		if (*p == n) {
			*p = n->next;
			n->parent->nchildren--;
			dnode_free(n);
			return;
		}
}

void dnode_set_meta(struct dnode *d, const struct stat *st, bool acl)
{
	d->mode = st->st_mode;
	d->uid = st->st_uid;
	d->gid = st->st_gid;
	d->acl = acl;
}
