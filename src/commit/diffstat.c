/* diffstat.c - the lines of `diff --stat`, kept until all are known: only then are the columns. */
#include "diffstat.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"

#define BAR_MAX 40           /* signs of the longest bar */
#define NAME_MAX_COLUMNS 100 /* names up to here are aligned; longer ones stand out */

struct diffstat_row {
	char *name;   /* name: as it is printed */
	char *note;   /* note: NULL for none */
	bool counted; /* counted: the counts are shown, and the note after them */
	struct counts c;
};

int diffstat_add(struct diffstat *s, const char *path, bool dir, const struct counts *c, const char *note)
{
	struct diffstat_row row = { .c = c ? *c : (struct counts){ 0 }, .counted = c && (!note || c->added || c->removed) };
	char text[4 * PATH_MAX];

	/* Room doubles at each power of two. */
	if ((s->nrows & (s->nrows - 1)) == 0) {
		struct diffstat_row *all = reallocarray(s->rows, s->nrows ? 2 * s->nrows : 1, sizeof *all);

		if (!all)
			return -ENOMEM;
		s->rows = all;
	}
	row.note = note ? strdup(note) : NULL;
	if ((note && !row.note) || asprintf(&row.name, "%s%s", path_printable(path, text, sizeof text), dir ? "/" : "") < 0) {
		free(row.note);
		return -ENOMEM;
	}
	s->rows[s->nrows++] = row;
	s->total.added += row.c.added;
	s->total.removed += row.c.removed;
	return 0;
}

/* One column a character: there are no control characters in what is printable, and wide ones are rare. */
static size_t columns_of(const char *name)
{
	size_t n = 0;

	for (; *name; name++)
		n += (*name & 0xc0) != 0x80;
	return n;
}

static void write_signs(char sign, size_t n, const char *paint, FILE *out)
{
	if (n)
		fputs(paint, out);
	for (size_t i = 0; i < n; i++)
		fputc(sign, out);
	if (n && *paint)
		fputs("\033[m", out);
}

/* most: the lines that the longest bar stands for. Neither sort of line vanishes beside the other. */
static void write_bar(const struct counts *c, size_t most, bool colour, FILE *out)
{
	size_t lines = c->added + c->removed, length = most > BAR_MAX ? lines * BAR_MAX / most : lines, plus;

	if (!lines)
		return;
	if (length < (c->added != 0) + (size_t)(c->removed != 0))
		length = (c->added != 0) + (size_t)(c->removed != 0);
	plus = c->added * length / lines;
	if (c->added && !plus)
		plus = 1;
	if (c->removed && plus == length)
		plus--;
	fputc(' ', out);
	write_signs('+', plus, colour ? "\033[32m" : "", out);
	write_signs('-', length - plus, colour ? "\033[31m" : "", out);
}

void diffstat_write(const struct diffstat *s, bool colour, FILE *out)
{
	size_t width = 0, most = 0;
	int digits;

	for (size_t i = 0; i < s->nrows; i++) {
		size_t n = columns_of(s->rows[i].name), lines = s->rows[i].c.added + s->rows[i].c.removed;

		width = n > width && n <= NAME_MAX_COLUMNS ? n : width;
		most = lines > most ? lines : most;
	}
	digits = snprintf(NULL, 0, "%zu", most);
	for (size_t i = 0; i < s->nrows; i++) {
		const struct diffstat_row *row = &s->rows[i];
		size_t n = columns_of(row->name);

		fprintf(out, " %s%*s | ", row->name, n < width ? (int)(width - n) : 0, "");
		if (row->counted) {
			fprintf(out, "%*zu", digits, row->c.added + row->c.removed);
			write_bar(&row->c, most, colour, out);
		}
		if (row->note)
			fprintf(out, row->counted ? " (%s)" : "%s", row->note);
		fputc('\n', out);
	}
	if (!s->files && !s->dirs)
		return;
	fprintf(out, " %zu file%s changed, %zu line%s added, %zu removed", s->files, s->files == 1 ? "" : "s", s->total.added,
	        s->total.added == 1 ? "" : "s", s->total.removed);
	if (s->dirs)
		fprintf(out, "; %zu director%s", s->dirs, s->dirs == 1 ? "y" : "ies");
	fputc('\n', out);
}

void diffstat_release(struct diffstat *s)
{
	for (size_t i = 0; i < s->nrows; i++) {
		free(s->rows[i].name);
		free(s->rows[i].note);
	}
	free(s->rows);
	*s = (struct diffstat){ 0 };
}
