/* stat.c - questions about what stat(2) said. */
#include "base/stat.h"

bool stat_same_content(const struct stat *a, const struct stat *b)
{
	return a->st_size == b->st_size && time_same(&a->st_mtim, &b->st_mtim);
}

bool stat_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_mode == b->st_mode && a->st_size == b->st_size &&
	       time_same(&a->st_mtim, &b->st_mtim) && time_same(&a->st_ctim, &b->st_ctim);
}
