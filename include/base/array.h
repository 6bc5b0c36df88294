/* array.h - arrays that grow as they are filled. */
#ifndef COWBOX_BASE_ARRAY_H
#define COWBOX_BASE_ARRAY_H

#include <stddef.h>

/* Room for one more of that size: array is the address of a pointer from malloc(3), or of NULL; *room is how many fit. 0 or -ENOMEM, which leaves all as
 * it was. */
int array_room(void *array, size_t count, size_t *room, size_t size);

#endif
