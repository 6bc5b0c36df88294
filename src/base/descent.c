/* descent.c - walking a tree of directories in a loop. */
#include "base/descent.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/dir.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/strv.h"
#include "base/sys.h"

static const char *path_of(const struct descent *d, int k)
{
	return d->path[k] ? d->path[k] : "";
}

int descent_enter(struct descent *d, char **names)
{
	if (array_room(&d->levels, d->depth, &d->size, sizeof *d->levels) < 0) {
		strv_free(names);
		return -ENOMEM;
	}
	d->levels[d->depth++] = (struct descent_level){ .names = names, .len = { strlen(path_of(d, 0)), strlen(path_of(d, 1)) } };
	return 0;
}

int descent_enter_at(struct descent *d, int top, const char *path)
{
	_cleanup_closedir_ DIR *dir = NULL;
	char **names;
	int r = sys_openat2(top, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0,
	                    RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);

	if (r < 0)
		return r;
	dir = dir_take(r);
	r = dir ? dir_names(dir, &names) : -ENOMEM;
	return r < 0 ? r : descent_enter(d, names);
}

int descent_step(struct descent *d)
{
	struct descent_level *l = &d->levels[d->depth - 1];
	const char *name = l->names[l->next];

	for (int k = 0; k < 2 && d->path[k]; k++)
		d->path[k][l->len[k]] = '\0';
	if (!name) {
		strv_freep(&l->names);
		d->depth--;
		return 0;
	}
	l->next++;
	for (int k = 0; k < 2 && d->path[k]; k++) {
		int r = path_join(d->path[k], PATH_MAX, d->path[k], name);

		if (r < 0)
			return r;
	}
	return 1;
}

void descent_release(struct descent *d)
{
	while (d->depth)
		strv_free(d->levels[--d->depth].names);
	free(d->levels);
}
