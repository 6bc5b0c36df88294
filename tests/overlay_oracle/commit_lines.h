/* commit_lines.h - asking the lines of a snapshot. */
#ifndef ORACLE_COMMIT_LINES_H
#define ORACLE_COMMIT_LINES_H

#include <stdbool.h>
#include <stddef.h>

/* "a b" or "/a b" (relative to the tree's root) as it is written at the start of a line: "./a\040b". The caller frees. */
char *line_path(const char *relative);
/* The line of that path, NULL for none. */
const char *line_find(const char *snapshot, const char *path);
bool line_has(const char *line, const char *text);

enum line_without {
	LINE_NO_NLINK = 1,
	LINE_NO_DIR_NOW = 2, /* times of directories where either snapshot has "now" */
	LINE_NO_SAME_AS = 4,
	LINE_NO_DIR_TIME = 8,
	LINE_NO_GROUPS = 16, /* the lines that begin with "=" (commit_props.c) */
};
/* A copy without those. other: the snapshot it will be compared with. The caller frees. */
char *line_without(const char *snapshot, const char *other, unsigned what);

/* Where something may change, and what is to stay there all the same. */
struct line_region {
	char **path;
	bool *free_to; /* free_to: at and below it all may change; else it itself is to stay, as far as it is not below one that may */
	size_t count;
};
void line_region_add(struct line_region *g, const char *relative, bool free_to);
void line_region_release(struct line_region *g);
/* What changed and was not to, NULL for nothing. Not looked at: times of directories, numbers of links. */
char *line_region_diff(const struct line_region *g, const char *before, const char *after);

#endif
