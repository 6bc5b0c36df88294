/* seal.c - a tree as text, so that two trees are equal when their texts are. */
#include "stage.h"

#include <dirent.h>
#include <sys/xattr.h>

#include "../object_line.h"
#include "base/strv.h"

struct sealing {
	FILE *out;
	struct line_groups groups;
};

static void seal_xattrs(struct sealing *s, int fd)
{
	char list[4096], value[4096], path[FD_PATH_MAX];
	char *names[64];
	size_t count = 0;
	ssize_t n;

	fd_path(path, fd);
	n = listxattr(path, list, sizeof list);
	for (char *p = list; n > 0 && p < list + n && count < 64; p += strlen(p) + 1)
		names[count++] = p;
	qsort(names, count, sizeof *names, line_by_name);
	for (size_t i = 0; i < count; i++) {
		n = getxattr(path, names[i], value, sizeof value);
		fprintf(s->out, " %s=%zd:%08x", names[i], n, n < 0 ? 0 : (unsigned)line_hash(LINE_HASH_START, value, (size_t)n));
	}
}

static void seal_content(struct sealing *s, int fd)
{
	_cleanup_close_ int in = open(FD_PATH(fd), O_RDONLY | O_CLOEXEC);
	static char buf[1 << 16];
	uint64_t h = LINE_HASH_START;
	ssize_t n = in < 0 ? -1 : 0;

	while (in >= 0 && (n = read(in, buf, sizeof buf)) > 0)
		h = line_hash(h, buf, (size_t)n);
	if (n < 0)
		fputs(" unreadable", s->out);
	else
		fprintf(s->out, " %016llx", (unsigned long long)h);
}

static void seal_object(struct sealing *s, int dir, const char *name, const char *path);

static void seal_directory(struct sealing *s, int fd, const char *path)
{
	char *names[4096], child[PATH_MAX];
	struct dirent *e;
	struct stat st;
	size_t n = 0;
	bool locked =
		geteuid() != 0 && fstat(fd, &st) == 0 && (st.st_mode & 0500) != 0500 && chmod(FD_PATH(fd), st.st_mode | 0500) == 0;
	DIR *d = opendir(FD_PATH(fd));

	if (!d) {
		fprintf(s->out, "%s/ cannot be listed\n", path);
		return;
	}
	while ((e = readdir(d)) && n < 4096)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			names[n++] = strdup(e->d_name);
	qsort(names, n, sizeof *names, line_by_name);
	for (size_t i = 0; i < n; i++) {
		if ((size_t)snprintf(child, sizeof child, "%s/%s", path, names[i]) < sizeof child)
			seal_object(s, fd, names[i], child);
		free(names[i]);
	}
	closedir(d);
	if (locked)
		chmod(FD_PATH(fd), st.st_mode);
}

static void seal_object(struct sealing *s, int dir, const char *name, const char *path)
{
	_cleanup_close_ int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	char target[PATH_MAX];
	const char *first;
	struct stat st;
	ssize_t n;

	line_text(s->out, path, strlen(path));
	if (fd < 0 || fstat(fd, &st) < 0) {
		fprintf(s->out, " %s\n", strerror(errno));
		return;
	}
	fputc(' ', s->out);
	/* How many names a directory has differs among file systems. */
	line_stat(s->out, &st, LINE_OWNER | LINE_TIME | (S_ISDIR(st.st_mode) ? 0 : LINE_SIZE | LINE_NLINK), NULL);
	first = S_ISDIR(st.st_mode) || st.st_nlink < 2 ? NULL : line_group(&s->groups, &st, path);
	if (first)
		fprintf(s->out, " one-with=%s", first);
	if (!S_ISLNK(st.st_mode))
		seal_xattrs(s, fd);
	if (S_ISREG(st.st_mode))
		seal_content(s, fd);
	if (S_ISLNK(st.st_mode)) {
		n = readlinkat(fd, "", target, sizeof target);
		fputs(" -> ", s->out);
		line_text(s->out, target, n < 0 ? 0 : (size_t)n);
	}
	fputc('\n', s->out);
	if (S_ISDIR(st.st_mode))
		seal_directory(s, fd, path);
}

char *seal_tree(const char *path)
{
	struct sealing s = { 0 };
	char *text = NULL;
	size_t size;

	s.out = open_memstream(&text, &size);
	if (!s.out)
		abort();
	seal_object(&s, AT_FDCWD, path, ".");
	fclose(s.out);
	line_groups_release(&s.groups);
	return text;
}

static bool has_line(const char *text, const char *line, size_t n)
{
	for (const char *p = text; *p; p = strchrnul(p, '\n'), p += *p == '\n')
		if (strncmp(p, line, n) == 0 && (p[n] == '\n' || !p[n]))
			return true;
	return false;
}

/* Lines of a that b has not, printed where f is given. */
static size_t missing(FILE *f, const char *label, const char *a, const char *b)
{
	size_t count = 0;

	for (const char *p = a; *p; p = strchrnul(p, '\n'), p += *p == '\n') {
		size_t n = strcspn(p, "\n");

		if (has_line(b, p, n))
			continue;
		if (f && count < 12)
			fprintf(f, "    %s: %.*s\n", label, (int)n, p);
		count++;
	}
	return count;
}

size_t seal_diff(FILE *f, const char *a_label, const char *a, const char *b_label, const char *b)
{
	size_t n = missing(f, a_label, a, b);

	return n + missing(f, b_label, b, a);
}
