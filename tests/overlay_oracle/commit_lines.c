#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../object_line.h"
#include "base/fd.h"
#include "commit_lines.h"

static const char *next_line(const char *p)
{
	p = strchrnul(p, '\n');
	return p + (*p == '\n');
}

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

static bool is_dir(const char *line)
{
	size_t head = strcspn(line, " \n");

	return !strncmp(line + head, " d ", 3);
}

/* The words of a line but those that are not wanted, and the end of the line as it is. */
static void put_line(FILE *f, const char *line, unsigned without)
{
	size_t n = strcspn(line, "\n");
	bool dir = is_dir(line);

	for (const char *p = line, *end = line + n; p < end;) {
		size_t len = strcspn(p, " \n");
		bool skip = (without & LINE_NO_NLINK && !strncmp(p, "nlink=", 6)) || (without & LINE_NO_SAME_AS && !strncmp(p, "same-as=", 8)) ||
			    (without & LINE_NO_DIR_TIME && dir && !strncmp(p, "t=", 2));

		if (!skip)
			fprintf(f, "%s%.*s", p == line ? "" : " ", (int)len, p);
		p += len;
		p += *p == ' ';
	}
}

char *line_without(const char *snapshot, const char *other, unsigned what)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		abort();
	for (const char *p = snapshot; *p; p = next_line(p)) {
		_cleanup_free_ char *path = strndup(p, strcspn(p, " \n"));
		const char *there = what & LINE_NO_DIR_NOW && is_dir(p) ? line_find(other, path) : NULL;
		bool now = there && (line_has(p, " t=now") || line_has(there, " t=now"));

		if (what & LINE_NO_GROUPS && *p == '=')
			continue;
		put_line(f, p, what | (now ? LINE_NO_DIR_TIME : 0));
		fputc('\n', f);
	}
	fclose(f);
	return text;
}

/* type_only: of a directory only that it is one. */
static char *essence(const char *line, bool type_only)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		abort();
	if (type_only && is_dir(line))
		fprintf(f, "%.*s d", (int)strcspn(line, " "), line);
	else
		put_line(f, line, LINE_NO_NLINK | LINE_NO_SAME_AS | LINE_NO_DIR_TIME);
	fclose(f);
	return text;
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

		if (state == 1 || *p == '=')
			continue;
		_cleanup_free_ char *a = essence(p, state == 2), *b = now ? essence(now, state == 2) : strdup("(nothing)");
		if (strcmp(a, b))
			fprintf(f, "  before: %s\n   after: %s\n", a, b);
	}
	for (const char *p = after; *p; p = next_line(p)) {
		_cleanup_free_ char *path = strndup(p, strcspn(p, " \n"));

		if (*p != '=' && line_state(g, p) == 0 && !line_find(before, path))
			fprintf(f, "  before: (nothing)\n   after: %.*s\n", (int)strcspn(p, "\n"), p);
	}
	fclose(f);
	if (!size) {
		free(text);
		return NULL;
	}
	return text;
}
