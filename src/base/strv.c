/* strv.c - NULL-terminated arrays of texts. */
#include "base/strv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void strv_free(char **v)
{
	for (char **p = v; p && *p; p++)
		free(*p);
	free(v);
}

void strv_freep(char ***v)
{
	strv_free(*v);
	*v = NULL;
}

int strv_add(char ***v, size_t *n, const char *text)
{
	/* Room for 1, 3, 7, ... texts and the NULL. */
	if ((*n & (*n + 1)) == 0) {
		char **p = reallocarray(*v, 2 * (*n + 1), sizeof *p);

		if (!p)
			return -ENOMEM;
		*v = p;
		p[*n] = NULL;
	}
	(*v)[*n] = strdup(text);
	if (!(*v)[*n])
		return -ENOMEM;
	(*v)[++*n] = NULL;
	return 0;
}

int strv_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void strv_sort(char **v, size_t n)
{
	if (n)
		qsort(v, n, sizeof *v, strv_cmp);
}
