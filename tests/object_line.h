/* object_line.h - what a test writes of one object of a tree, so that two trees are compared by comparing lines.
 *
 *     f 0644 0:0 size=5 nlink=1 t=1234567890.5
 *
 * Code in a header, since e2e/seal.c is also compiled alone.
 */
#ifndef COWBOX_TESTS_OBJECT_LINE_H
#define COWBOX_TESTS_OBJECT_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum line_fields {
	LINE_OWNER = 1,
	LINE_SIZE = 2,
	LINE_NLINK = 4,
	LINE_TIME = 8,       /* mtime */
	LINE_IDENTITY = 16,  /* ctime, device and inode: nothing may have happened at all */
};

static inline char line_type(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG: return 'f';
	case S_IFDIR: return 'd';
	case S_IFLNK: return 'l';
	case S_IFIFO: return 'p';
	case S_IFSOCK: return 's';
	case S_IFCHR: return 'c';
	case S_IFBLK: return 'b';
	default: return '?';
	}
}

static inline void line_time(FILE *f, char tag, const struct timespec *t, const struct timespec *recent)
{
	if (recent && (t->tv_sec > recent->tv_sec || (t->tv_sec == recent->tv_sec && t->tv_nsec >= recent->tv_nsec)))
		fprintf(f, " %c=now", tag);
	else
		fprintf(f, " %c=%lld.%ld", tag, (long long)t->tv_sec, t->tv_nsec);
}

/* recent: times of modification from then on are written "now" (NULL: none): what two runs one after the other did "now" differs by nature. */
static inline void line_stat(FILE *f, const struct stat *st, unsigned fields, const struct timespec *recent)
{
	fprintf(f, "%c %04o", line_type(st->st_mode), (unsigned)(st->st_mode & 07777));
	if (fields & LINE_OWNER)
		fprintf(f, " %u:%u", st->st_uid, st->st_gid);
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
		fprintf(f, " rdev=%u:%u", major(st->st_rdev), minor(st->st_rdev));
	if (fields & LINE_SIZE)
		fprintf(f, " size=%lld", (long long)st->st_size);
	if (fields & LINE_NLINK)
		fprintf(f, " nlink=%lu", (unsigned long)st->st_nlink);
	if (fields & LINE_TIME)
		line_time(f, 't', &st->st_mtim, recent);
	if (fields & LINE_IDENTITY) {
		line_time(f, 'c', &st->st_ctim, NULL);
		fprintf(f, " id=%lx:%lu", (unsigned long)st->st_dev, (unsigned long)st->st_ino);
	}
}

/* Bytes outside the printable ones, spaces and backslashes in octal. */
static inline void line_text(FILE *f, const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c <= ' ' || c >= 127 || c == '\\')
			fprintf(f, "\\%03o", c);
		else
			fputc(c, f);
	}
}

#define LINE_HASH_START UINT64_C(0xcbf29ce484222325)

static inline uint64_t line_hash(uint64_t h, const void *data, size_t size)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < size; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return h;
}

/* For qsort of an array of names. */
static inline int line_by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The first name of each file with several. All zeroes is empty. */
struct line_groups {
	struct {
		dev_t dev;
		ino_t ino;
		char *path;
	} *v;
	size_t n, size;
};

/* The first path with that inode, NULL when this one is the first: then it is remembered. */
static inline const char *line_group(struct line_groups *g, const struct stat *st, const char *path)
{
	for (size_t i = 0; i < g->n; i++)
		if (g->v[i].dev == st->st_dev && g->v[i].ino == st->st_ino)
			return g->v[i].path;
	if (g->n == g->size) {
		g->size = g->size * 2 + 64;
		g->v = realloc(g->v, g->size * sizeof *g->v);
	}
	char *copy = strdup(path);
	if (!g->v || !copy)
		abort();
	g->v[g->n].dev = st->st_dev;
	g->v[g->n].ino = st->st_ino;
	g->v[g->n++].path = copy;
	return NULL;
}

static inline void line_groups_release(struct line_groups *g)
{
	for (size_t i = 0; i < g->n; i++)
		free(g->v[i].path);
	free(g->v);
	*g = (struct line_groups){ 0 };
}

#endif
