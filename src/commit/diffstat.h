/* diffstat.h - what `diff --stat` shows: one line a file, in columns, and a total. */
#ifndef COWBOX_COMMIT_DIFFSTAT_H
#define COWBOX_COMMIT_DIFFSTAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct counts {
	size_t added, removed; /* lines */
};

struct diffstat_row;
struct diffstat {
	struct diffstat_row *rows;
	size_t nrows;
	size_t files, dirs; /* files, dirs: how many there are, with a line or without; counted by the caller */
	struct counts total;
};

/* One line, under the path (a slash is added to a directory's): the counts, and a note, which stands alone where nothing is counted. -ENOMEM. */
int diffstat_add(struct diffstat *s, const char *path, bool dir, const struct counts *c, const char *note);
/* All lines and the total; nothing when there are neither files nor directories. */
void diffstat_write(const struct diffstat *s, bool colour, FILE *out);
void diffstat_release(struct diffstat *s);

#endif
