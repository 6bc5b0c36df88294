/* strv.h - NULL-terminated arrays of texts, owned with all that is in them. */
#ifndef COWBOX_BASE_STRV_H
#define COWBOX_BASE_STRV_H

#include <stddef.h>

void strv_free(char **v);   /* NULL does nothing */
void strv_freep(char ***v);
/* Adds a copy of text to *v, which has *n texts (*v may be NULL when that is 0); -ENOMEM, and the array is as it was. */
int strv_add(char ***v, size_t *n, const char *text);
/* Of two texts, as qsort and bsearch want it: by the bytes. */
int strv_cmp(const void *a, const void *b);
void strv_sort(char **v, size_t n);

#define _cleanup_strv_ __attribute__((cleanup(strv_freep)))

#endif
