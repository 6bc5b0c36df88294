#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../object_line.h"
#include "base/fd.h"
#include "commit_lines.h"

char *line_path(const char *relative)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		abort();
	fputs(relative[0] == '/' || !relative[0] ? "." : "./", f);
	line_text(f, relative, strlen(relative));
	fclose(f);
	return text;
}

const char *line_find(const char *snapshot, const char *path)
{
	size_t n = strlen(path);

	for (const char *p = snapshot; *p;) {
		if (!strncmp(p, path, n) && p[n] == ' ')
			return p;
		p = strchrnul(p, '\n');
		p += *p == '\n';
	}
	return NULL;
}

bool line_has(const char *line, const char *text)
{
	return memmem(line, strcspn(line, "\n"), text, strlen(text)) != NULL;
}

void line_region_add(struct line_region *g, const char *relative, bool free_to)
{
	g->path = reallocarray(g->path, g->count + 1, sizeof(*g->path));
	g->free_to = reallocarray(g->free_to, g->count + 1, sizeof(*g->free_to));
	if (!g->path || !g->free_to)
		abort();
	g->path[g->count] = line_path(relative);
	g->free_to[g->count++] = free_to;
}

void line_region_release(struct line_region *g)
{
	for (size_t i = 0; i < g->count; i++)
		free(g->path[i]);
	free(g->path);
	free(g->free_to);
}

static bool below(const char *line, size_t n, const char *dir)
{
	size_t d = strlen(dir);

	return n >= d && !memcmp(line, dir, d) && (n == d || line[d] == '/');
}

/* 0: must stay. 1: may change. 2: is in a place that may change, but stays. */
static int line_state(const struct line_region *g, const char *line)
{
	size_t n = strcspn(line, " \n");
	int state = 0;

	for (size_t i = 0; i < g->count; i++)
		if (g->free_to[i] && below(line, n, g->path[i]))
			state = 1;
	for (size_t i = 0; state == 1 && i < g->count; i++)
		if (!g->free_to[i] && strlen(g->path[i]) == n && !memcmp(line, g->path[i], n))
			state = 2;
	return state;
}

/* The line without a directory's time, and without what tells of other names. */
static char *essence(const char *line, bool type_only)
{
	size_t n = strcspn(line, "\n"), head = strcspn(line, " \n");
	char *text = strndup(line, n), *to = text, *word, *rest = text;
	bool dir = n > head + 1 && line[head + 1] == 'd';

	if (!text)
		abort();
	if (dir && type_only) {
		text[head + 2] = '\0';
		return text;
	}
	while ((word = strsep(&rest, " "))) {
		size_t len = strlen(word);

		if (!strncmp(word, "nlink=", 6) || !strncmp(word, "same-as=", 8) || (dir && !strncmp(word, "t=", 2)))
			continue;
		if (to != text)
			*to++ = ' ';
		memmove(to, word, len);
		to += len;
	}
	*to = '\0';
	return text;
}

static const char *next_line(const char *p)
{
	p = strchrnul(p, '\n');
	return p + (*p == '\n');
}

char *line_region_diff(const struct line_region *g, const char *before, const char *after)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		abort();
	for (const char *p = before; *p; p = next_line(p)) {
		int state = line_state(g, p);
		_cleanup_free_ char *path = strndup(p, strcspn(p, " \n"));
		const char *now = line_find(after, path);

		if (state == 1)
			continue;
		_cleanup_free_ char *a = essence(p, state == 2), *b = now ? essence(now, state == 2) : strdup("(nothing)");
		if (strcmp(a, b))
			fprintf(f, "  before: %s\n   after: %s\n", a, b);
	}
	for (const char *p = after; *p; p = next_line(p)) {
		_cleanup_free_ char *path = strndup(p, strcspn(p, " \n"));

		if (line_state(g, p) == 0 && !line_find(before, path))
			fprintf(f, "  before: (nothing)\n   after: %.*s\n", (int)strcspn(p, "\n"), p);
	}
	fclose(f);
	if (!size) {
		free(text);
		return NULL;
	}
	return text;
}
