/* array.c - arrays that grow. */
#include "base/array.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int array_room(void *array, size_t count, size_t *room, size_t size)
{
	size_t want = *room ? 2 * *room : 16;
	void *old, *all;

	if (count < *room)
		return 0;
	/* The pointer is of whatever type. */
	memcpy(&old, array, sizeof old);
	all = reallocarray(old, want, size);
	if (!all)
		return -ENOMEM;
	memcpy(array, &all, sizeof all);
	*room = want;
	return 0;
}
