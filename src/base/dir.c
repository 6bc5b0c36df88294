/* dir.c - listing directories. */
#include "base/dir.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/strv.h"
#include "base/sys.h"

int dir_open(int dirfd, DIR **ret)
{
	int fd = sys_openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	DIR *d;

	if (fd < 0)
		return fd;
	d = dir_take(fd);
	if (!d)
		return -ENOMEM;
	*ret = d;
	return 0;
}

struct dirent *dir_next(DIR *d)
{
	struct dirent *e;

	do {
		errno = 0;
		e = readdir(d);
	} while (e && (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")));
	return e;
}

int dir_names(DIR *d, char ***ret)
{
	_cleanup_strv_ char **v = calloc(1, sizeof *v);
	size_t n = 0;

	if (!v)
		return -ENOMEM;
	for (struct dirent *e; (e = dir_next(d));) {
		int r = strv_add(&v, &n, e->d_name);
		if (r < 0)
			return r;
	}
	if (errno)
		return -errno;
	strv_sort(v, n);
	*ret = TAKE_PTR(v);
	return 0;
}
