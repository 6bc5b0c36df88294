#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../object_line.h"
#include "base/fd.h"
#include "snapshot.h"

struct walk {
	struct side *side;
	unsigned flags;
	FILE *out;
	struct line_groups groups;
};

void snapshot_stat_line(FILE *f, const struct stat *st, unsigned flags)
{
	static const struct timespec recent = { .tv_sec = RECENT };
	bool dir = S_ISDIR(st->st_mode);
	unsigned fields = LINE_OWNER | (dir ? 0 : LINE_SIZE) | (flags & SNAPSHOT_TIMES ? LINE_TIME : 0);

	if ((flags & SNAPSHOT_NLINK && !dir) || flags & SNAPSHOT_IDENTITY)
		fields |= LINE_NLINK;
	if (flags & SNAPSHOT_IDENTITY)
		fields |= LINE_IDENTITY;
	line_stat(f, st, fields, flags & SNAPSHOT_EXACT ? NULL : &recent);
}

int snapshot_content(FILE *f, int fd)
{
	static const char zeros[4096];
	char buf[4096];
	uint64_t h = LINE_HASH_START;
	off_t at = 0;

	for (;;) {
		ssize_t n = pread(fd, buf, sizeof(buf), at);
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		if (n == sizeof(buf) && !memcmp(buf, zeros, sizeof(buf)))
			h = h * 31 + 7;
		else
			h = line_hash(h, buf, (size_t)n);
		at += n;
	}
	fprintf(f, " content=%lld:%016" PRIx64, (long long)at, h);
	return 0;
}

void snapshot_text(FILE *f, const struct side *s, const char *text, size_t size)
{
	size_t n = strlen(s->shown);

	if (size >= n && !memcmp(text, s->shown, n) && (size == n || text[n] == '/')) {
		fputc('@', f);
		text += n;
		size -= n;
	}
	line_text(f, text, size);
}

static void print_xattrs(struct walk *k, const struct where *w)
{
	char list[8192], value[8192];
	char *names[256];
	int count = 0;
	ssize_t n = k->side->ops->listxattr(k->side, w, false, list, sizeof(list));

	if (n < 0 && n != -EOPNOTSUPP)
		fprintf(k->out, " x!%s", strerrorname_np((int)-n));
	if (n <= 0)
		return;
	for (char *p = list; p < list + n && count < 256; p += strlen(p) + 1)
		names[count++] = p;
	qsort(names, (size_t)count, sizeof(*names), line_by_name);
	fputs(" x{", k->out);
	for (int i = 0; i < count; i++) {
		n = k->side->ops->getxattr(k->side, w, false, names[i], value, sizeof(value));
		if (n < 0)
			fprintf(k->out, "%s!%s,", names[i], strerrorname_np((int)-n));
		else
			fprintf(k->out, "%s=%zd:%08x,", names[i], n, (unsigned)line_hash(LINE_HASH_START, value, (size_t)n));
	}
	fputc('}', k->out);
}

static void print_group(struct walk *k, const struct stat *st, const char *path)
{
	if (st->st_nlink < 2 || S_ISDIR(st->st_mode) || !(k->flags & SNAPSHOT_NLINK))
		return;
	const char *first = line_group(&k->groups, st, path);
	if (first) {
		fputs(" same-as=", k->out);
		snapshot_text(k->out, k->side, first, strlen(first));
	}
}

/* Opens what can be read; the descriptor must be the object that stat named. */
static int open_checked(struct walk *k, const struct where *w, const struct stat *st, uint64_t flags)
{
	struct stat now;
	int fd = k->side->ops->open(k->side, w, flags | O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);

	if (fd < 0) {
		fprintf(k->out, " open!%s", strerrorname_np(-fd));
		return fd;
	}
	if (k->side->ops->fd_stat(k->side, fd, &now) < 0 || now.st_dev != st->st_dev || now.st_ino != st->st_ino)
		fprintf(k->out, " FSTAT-OF-THE-OPEN-FILE-DISAGREES-WITH-STAT(%lx:%lu,%lx:%lu)", (unsigned long)now.st_dev,
			(unsigned long)now.st_ino, (unsigned long)st->st_dev, (unsigned long)st->st_ino);
	return fd;
}

static void print_body(struct walk *k, const struct where *w, const struct stat *st)
{
	char target[PATH_MAX];

	if (S_ISLNK(st->st_mode)) {
		int n = k->side->ops->readlink(k->side, w, target, sizeof(target));
		fputs(" -> ", k->out);
		if (n < 0)
			fprintf(k->out, "!%s", strerrorname_np(-n));
		else
			snapshot_text(k->out, k->side, target, (size_t)n);
	} else if (S_ISREG(st->st_mode)) {
		_cleanup_close_ int fd = open_checked(k, w, st, 0);
		int r = fd < 0 ? 0 : snapshot_content(k->out, fd);
		if (r < 0)
			fprintf(k->out, " read!%s", strerrorname_np(-r));
	}
}

static unsigned char type_of(mode_t mode)
{
	return (unsigned char)((mode & S_IFMT) >> 12);
}

static void walk_object(struct walk *k, const char *path, int d_type);

static void walk_directory(struct walk *k, const struct where *w, const struct stat *st, const char *path)
{
	_cleanup_free_ struct side_dirent *list = NULL;
	size_t count = 0;
	_cleanup_close_ int fd = open_checked(k, w, st, O_DIRECTORY);
	int r = fd < 0 ? 0 : side_list_fd(k->side, fd, 4096, &list, &count);

	if (r < 0)
		fprintf(k->out, " list!%s", strerrorname_np(-r));
	fputc('\n', k->out);
	fd_closep(&fd);
	fd = -1;
	for (size_t i = 0; i < count; i++) {
		char child[PATH_MAX];

		if (i && !strcmp(list[i].name, list[i - 1].name))
			fprintf(k->out, "LISTED-TWICE ");
		if ((size_t)snprintf(child, sizeof(child), "%s/%s", path, list[i].name) < sizeof(child))
			walk_object(k, child, list[i].type);
	}
}

static void walk_object(struct walk *k, const char *path, int d_type)
{
	struct where w = { .base = "", .path = path };
	struct stat st;
	int r = k->side->ops->stat(k->side, &w, LOOKUP_NOFOLLOW, &st);

	snapshot_text(k->out, k->side, path, strlen(path));
	fputc(' ', k->out);
	if (r < 0) {
		fprintf(k->out, "stat!%s\n", strerrorname_np(-r));
		return;
	}
	snapshot_stat_line(k->out, &st, k->flags);
	if (d_type && d_type != type_of(st.st_mode))
		fprintf(k->out, " LISTED-WITH-TYPE-%d", d_type);
	print_group(k, &st, path);
	print_xattrs(k, &w);
	if (S_ISDIR(st.st_mode)) {
		walk_directory(k, &w, &st, path);
		return;
	}
	print_body(k, &w, &st);
	fputc('\n', k->out);
}

int snapshot_take(struct side *s, unsigned flags, char **ret)
{
	size_t size;
	struct walk k = { .side = s, .flags = flags, .out = open_memstream(ret, &size) };

	if (!k.out)
		return -ENOMEM;
	walk_object(&k, ".", 0);
	fclose(k.out);
	line_groups_release(&k.groups);
	return 0;
}

/* The tree order of the walk is not the order of the lines' bytes, so lines are looked for by their path. */
static const char *line_of(const char *text, const char *path, size_t n)
{
	for (const char *p = text; *p;) {
		const char *end = strchrnul(p, '\n');

		if ((size_t)(end - p) > n && !memcmp(p, path, n) && p[n] == ' ')
			return p;
		p = *end ? end + 1 : end;
	}
	return NULL;
}

static bool same_line(const char *a, const char *b)
{
	size_t n = strcspn(a, "\n");

	return n == strcspn(b, "\n") && !memcmp(a, b, n);
}

static void one_way(FILE *f, const char *al, const char *a, const char *bl, const char *b, bool both, int *left)
{
	for (const char *p = a; *p && *left > 0;) {
		const char *other = line_of(b, p, strcspn(p, " \n"));

		if (!other)
			fprintf(f, "  %s: %.*s\n  %s: (nothing)\n", al, (int)strcspn(p, "\n"), p, bl);
		else if (both && !same_line(p, other))
			fprintf(f, "  %s: %.*s\n  %s: %.*s\n", al, (int)strcspn(p, "\n"), p, bl, (int)strcspn(other, "\n"), other);
		if (!other || (both && !same_line(p, other)))
			(*left)--;
		p = strchrnul(p, '\n');
		p += *p == '\n';
	}
}

char *snapshot_diff(const char *a_label, const char *a, const char *b_label, const char *b, int max)
{
	char *text = NULL;
	size_t size;

	if (!strcmp(a, b))
		return NULL;
	FILE *f = open_memstream(&text, &size);
	if (!f)
		abort();
	one_way(f, a_label, a, b_label, b, true, &max);
	one_way(f, b_label, b, a_label, a, false, &max);
	fclose(f);
	return text;
}
