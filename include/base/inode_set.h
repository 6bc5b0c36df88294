/* inode_set.h - a set of inodes, by device and number. All zeroes is an empty one. */
#ifndef COWBOX_BASE_INODE_SET_H
#define COWBOX_BASE_INODE_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct inode_set {
	struct { uint64_t dev, ino; } *slot;   /* slot: an open hash; ino 0 is an empty slot */
	size_t size, used;
};

bool inode_set_has(const struct inode_set *s, uint64_t dev, uint64_t ino);
/* -ENOMEM. What is there already stays; the number 0, which no file has, is left out. */
int inode_set_add(struct inode_set *s, uint64_t dev, uint64_t ino);
/* Frees what it holds, and leaves it empty. */
void inode_set_release(struct inode_set *s);

#endif
