/* inode_set.c - sets of inodes, by device and number. */
#include "base/inode_set.h"

#include <errno.h>
#include <stdlib.h>

static size_t inode_slot(const struct inode_set *s, uint64_t dev, uint64_t ino)
{
	uint64_t h = (ino ^ (dev << 40) ^ dev) * 0x9e3779b97f4a7c15ull;
	size_t i = (size_t)(h >> 32) & (s->size - 1);

	while (s->slot[i].ino && (s->slot[i].ino != ino || s->slot[i].dev != dev))
		i = (i + 1) & (s->size - 1);
	return i;
}

bool inode_set_has(const struct inode_set *s, uint64_t dev, uint64_t ino)
{
	return s->size && s->slot[inode_slot(s, dev, ino)].ino;
}

int inode_set_add(struct inode_set *s, uint64_t dev, uint64_t ino)
{
	if (!ino)
		return 0;
	if (s->used * 2 >= s->size) {
		struct inode_set n = { .size = s->size ? s->size * 2 : 256 };
		n.slot = calloc(n.size, sizeof *n.slot);
		if (!n.slot)
			return -ENOMEM;
		for (size_t i = 0; i < s->size; i++)
			if (s->slot[i].ino)
				n.slot[inode_slot(&n, s->slot[i].dev, s->slot[i].ino)] = s->slot[i];
		n.used = s->used;
		free(s->slot);
		*s = n;
	}
	size_t i = inode_slot(s, dev, ino);
	if (!s->slot[i].ino) {
		s->slot[i].dev = dev;
		s->slot[i].ino = ino;
		s->used++;
	}
	return 0;
}

void inode_set_release(struct inode_set *s)
{
	free(s->slot);
	*s = (struct inode_set){ 0 };
}
