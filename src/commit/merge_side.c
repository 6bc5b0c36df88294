/* merge_side.c - reading one side of a merge, and judging whether it is text. */
#include "commit/merge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/sys.h"

#define BINARY_LOOK 8000
#define READ_FIRST ((size_t)4096)

/* How much to ask for at first. One more than the file has, so that one read sees its end too; what is no regular file says 0. */
static int first_size(int fd, size_t *ret)
{
	struct stat st;
	int r = sys_fstat(fd, &st);

	if (r < 0)
		return r;
	*ret = READ_FIRST;
	if (S_ISREG(st.st_mode) && st.st_size >= (off_t)READ_FIRST)
		*ret = st.st_size > (off_t)MERGE_SIZE_MAX ? MERGE_SIZE_MAX + 1 : (size_t)st.st_size + 1;
	return 0;
}

int merge_side_read(int fd, struct merge_side *ret)
{
	_cleanup_free_ char *data = NULL;
	size_t room, got = 0;
	int r = first_size(fd, &room);

	if (r < 0)
		return r;
	for (;;) {
		char *more = realloc(data, room);
		ssize_t n;

		if (!more)
			return -ENOMEM;
		data = more;
		n = sys_read_all(fd, data + got, room - got);
		if (n < 0)
			return (int)n;
		got += (size_t)n;
		if (got < room)
			break;
		if (got > MERGE_SIZE_MAX)
			return -EFBIG;
		room = room > MERGE_SIZE_MAX / 2 ? MERGE_SIZE_MAX + 1 : 2 * room;
	}
	ret->data = TAKE_PTR(data);
	ret->size = got;
	return 0;
}

void merge_side_release(struct merge_side *s)
{
	free(s->data);
	*s = (struct merge_side){ 0 };
}

static bool too_many_lines(const struct merge_side *s)
{
	const char *at = s->data, *end = s->data + s->size;
	size_t n = 0;

	while (n <= MERGE_LINES_MAX && at < end) {
		const char *nl = memchr(at, '\n', (size_t)(end - at));

		at = nl ? nl + 1 : end;
		n++;
	}
	return n > MERGE_LINES_MAX;
}

int merge_side_check(const struct merge_side *s, const char *what, struct err *err)
{
	if (s->size == 0)
		return 0;
	if (s->size > MERGE_SIZE_MAX)
		return err_set(err, -EFBIG, "%s is larger than %zu MiB", what, MERGE_SIZE_MAX >> 20);
	if (memchr(s->data, '\0', s->size < BINARY_LOOK ? s->size : BINARY_LOOK))
		return err_set(err, -EMEDIUMTYPE, "%s is binary", what);
	if (too_many_lines(s))
		return err_set(err, -EFBIG, "%s has more than %zu lines", what, MERGE_LINES_MAX);
	return 0;
}
