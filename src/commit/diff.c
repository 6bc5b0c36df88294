/* diff.c - how a box differs from the host, as unified diff.
 *
 * Sides are read whole: what is larger than TEXT_MAX, or has a NUL byte near its start, is told of by size alone.
 */
#include "host.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sys.h"
#include "commit/commit.h"
#include "diffstat.h"
#include "libgit2.h"

#define TEXT_MAX ((off_t)32 << 20)
#define BINARY_LOOK 8000

struct differ {
	struct overlay *ov;
	struct host host;
	const struct libgit2 *git;
	const struct vpath *paths;
	size_t npaths;
	unsigned flags;
	FILE *out;
	const struct change **moved; /* moved: renamed directories, an outer one before an inner */
	size_t nmoved;
	int shown;
	struct diffstat stat;
};

/* One side of one file. */
struct side {
	mode_t mode; /* mode: 0 when it is not there */
	off_t size;
	char *data; /* data: the text, or NULL when binary is set */
	size_t len;
	bool binary;
};

static void side_release(struct side *s)
{
	free(s->data);
}
#define _cleanup_side_ _cleanup_(side_release)

/* ---- writing ---- */

enum paint { PAINT_NONE, PAINT_HEAD, PAINT_HUNK, PAINT_ADD, PAINT_DEL };
static const char *const paint_code[] = {
	[PAINT_NONE] = "", [PAINT_HEAD] = "\033[1m", [PAINT_HUNK] = "\033[36m", [PAINT_ADD] = "\033[32m", [PAINT_DEL] = "\033[31m",
};

static void paint(struct differ *d, enum paint p, const char *text, size_t len)
{
	bool colour = (d->flags & DIFF_COLOR) && p != PAINT_NONE;
	size_t body = len && text[len - 1] == '\n' ? len - 1 : len;

	if (colour)
		fputs(paint_code[p], d->out);
	fwrite(text, 1, body, d->out);
	if (colour)
		fputs("\033[m", d->out);
	fwrite(text + body, 1, len - body, d->out);
}

static void head(struct differ *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void head(struct differ *d, const char *fmt, ...)
{
	_cleanup_free_ char *line = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&line, fmt, ap);
	va_end(ap);
	if (n >= 0)
		paint(d, PAINT_HEAD, line, (size_t)n);
	else
		line = NULL;
}

/* "a/etc/hosts", in quotes with C escapes where it has bytes that would break the line. */
static char *quoted(const char *prefix, const char *path, char ret[static 4 * PATH_MAX + 8])
{
	bool plain = true;
	char *at = ret;

	for (const char *s = path; *s; s++)
		plain = plain && (unsigned char)*s >= 0x20 && *s != 0x7f && *s != '"' && *s != '\\' && !(*s & 0x80);
	if (!plain)
		*at++ = '"';
	at += sprintf(at, "%s", prefix);
	for (const unsigned char *s = (const unsigned char *)path + (*path == '/'); *s; s++) {
		if (plain)
			*at++ = (char)*s;
		else if (*s == '"' || *s == '\\')
			at += sprintf(at, "\\%c", *s);
		else if (*s == '\n' || *s == '\t')
			at += sprintf(at, *s == '\n' ? "\\n" : "\\t");
		else if (*s < 0x20 || *s >= 0x7f)
			at += sprintf(at, "\\%03o", *s);
		else
			*at++ = (char)*s;
	}
	if (!plain)
		*at++ = '"';
	*at = '\0';
	return ret;
}

static char *human(off_t size, char ret[static 32])
{
	static const char *const unit[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
	double x = (double)size;
	size_t k = 0;

	while (x >= 1024 && k + 1 < sizeof unit / sizeof *unit) {
		x /= 1024;
		k++;
	}
	snprintf(ret, 32, k == 0 || x >= 100 ? "%.0f %s" : "%.1f %s", x, unit[k]);
	return ret;
}

/* The mode as git writes it: type and permissions, which a symlink has none of. */
static unsigned git_mode(mode_t mode)
{
	return (unsigned)(mode & (S_ISLNK(mode) ? S_IFMT : S_IFMT | 07777));
}

static const char *type_name(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "file";
	case S_IFDIR:
		return "directory";
	case S_IFLNK:
		return "symlink";
	case S_IFIFO:
		return "FIFO";
	case S_IFSOCK:
		return "socket";
	case S_IFBLK:
		return "block device";
	case S_IFCHR:
		return "character device";
	}
	return "object";
}

/* ---- reading ---- */

static int side_take(struct side *s, const char *text)
{
	s->data = strdup(text);
	s->len = s->data ? strlen(text) : 0;
	s->size = (off_t)s->len;
	return s->data ? 0 : -ENOMEM;
}

/* fd: open for reading for a regular file, else O_PATH. */
static int side_read(struct side *s, int fd, const struct stat *st)
{
	char text[PATH_MAX];
	ssize_t n;
	int r;

	s->mode = st->st_mode;
	s->size = st->st_size;
	switch (st->st_mode & S_IFMT) {
	case S_IFLNK:
		r = sys_readlinkat(fd, "", text, sizeof text);
		return r < 0 ? r : side_take(s, text);
	case S_IFCHR:
	case S_IFBLK:
		snprintf(text, sizeof text, "device %u:%u\n", major(st->st_rdev), minor(st->st_rdev));
		return side_take(s, text);
	case S_IFREG:
		break;
	default:
		return side_take(s, "");
	}
	s->binary = st->st_size > TEXT_MAX;
	if (s->binary)
		return 0;
	s->data = malloc((size_t)st->st_size + 1);
	if (!s->data)
		return -ENOMEM;
	n = sys_read_all(fd, s->data, (size_t)st->st_size);
	if (n < 0)
		return (int)n;
	s->len = (size_t)n;
	s->binary = memchr(s->data, '\0', s->len < BINARY_LOOK ? s->len : BINARY_LOOK) != NULL;
	return 0;
}

static int read_host(struct differ *d, const char *path, const struct stat *st, struct side *ret)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (!st->st_mode)
		return 0;
	r = host_open(&d->host, path, S_ISREG(st->st_mode) ? O_RDONLY : O_PATH, &fd);
	return r < 0 ? r : side_read(ret, fd, st);
}

static int read_box(struct differ *d, const struct change *ch, struct side *ret)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (!ch->box.st_mode)
		return 0;
	r = changes_open(d->ov, ch, &fd);
	return r < 0 ? r : side_read(ret, fd, &ch->box);
}

/* ---- one file ---- */

static int count_line(const git_diff_delta *delta, const git_diff_hunk *hunk, const git_diff_line *line, void *payload)
{
	struct counts *c = payload;

	(void)delta;
	(void)hunk;
	c->added += line->origin == GIT_DIFF_LINE_ADDITION;
	c->removed += line->origin == GIT_DIFF_LINE_DELETION;
	return 0;
}

static int write_hunk(const git_diff_delta *delta, const git_diff_hunk *hunk, void *payload)
{
	(void)delta;
	paint(payload, PAINT_HUNK, hunk->header, hunk->header_len);
	return 0;
}

static int write_line(const git_diff_delta *delta, const git_diff_hunk *hunk, const git_diff_line *line, void *payload)
{
	struct differ *d = payload;
	enum paint p = line->origin == '+' ? PAINT_ADD : line->origin == '-' ? PAINT_DEL : PAINT_NONE;
	_cleanup_free_ char *text = malloc(line->content_len + 1);

	(void)delta;
	(void)hunk;
	if (!text)
		return -1;
	/* The other origins are the words about a missing newline at the end, which begin with one. */
	text[0] = line->origin;
	memcpy(text + 1, line->content, line->content_len);
	if (line->origin == '+' || line->origin == '-' || line->origin == ' ')
		paint(d, p, text, line->content_len + 1);
	else
		fwrite(line->content, 1, line->content_len, d->out);
	return ferror(d->out) ? -1 : 0;
}

static int run_git(struct differ *d, const struct side *a, const struct side *b, struct counts *counts)
{
	git_diff_options opt;
	int r;

	if (d->git->diff_options_init(&opt, GIT_DIFF_OPTIONS_VERSION) < 0)
		return -EINVAL;
	opt.flags = GIT_DIFF_FORCE_TEXT;
	r = d->git->diff_buffers(a->data, a->len, NULL, b->data, b->len, NULL, &opt, NULL, NULL, counts ? NULL : write_hunk,
	                         counts ? count_line : write_line, counts ? (void *)counts : d);
	if (r == 0)
		return 0;
	return ferror(d->out) ? -EPIPE : -ENOMEM;
}

static bool sides_equal(const struct side *a, const struct side *b)
{
	return a->data && b->data && a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

/* What a diff has no words for. */
static void write_meta(struct differ *d, const struct change *ch)
{
	const struct timespec *x = &ch->host.st_mtim, *y = &ch->box.st_mtim;
	char old[40], new[40];
	struct tm tm;

	if (ch->host.st_mode != ch->box.st_mode || ch->host.st_uid != ch->box.st_uid || ch->host.st_gid != ch->box.st_gid)
		return;
	if (!ch->times) {
		head(d, "extended attributes changed\n");
		return;
	}
	strftime(old, sizeof old, "%Y-%m-%d %H:%M:%S", localtime_r(&x->tv_sec, &tm));
	strftime(new, sizeof new, "%Y-%m-%d %H:%M:%S", localtime_r(&y->tv_sec, &tm));
	head(d, "old time %s.%09ld\nnew time %s.%09ld\n", old, x->tv_nsec, new, y->tv_nsec);
}

/* git and patch(1) call a symlink a file, and know it by its mode; what they have no word for gets one of ours. */
static const char *head_name(mode_t mode)
{
	return S_ISLNK(mode) ? "file" : type_name(mode);
}

static void write_head(struct differ *d, const struct change *ch, const struct side *a, const struct side *b, const char *qa,
                       const char *qb)
{
	head(d, "diff --git %s %s\n", qa, qb);
	if (!a->mode) {
		head(d, "new %s mode %06o\n", head_name(b->mode), git_mode(b->mode));
	} else if (!b->mode) {
		head(d, "deleted %s mode %06o\n", head_name(a->mode), git_mode(a->mode));
	} else if (git_mode(a->mode) != git_mode(b->mode)) {
		head(d, "old mode %06o\nnew mode %06o\n", git_mode(a->mode), git_mode(b->mode));
		if ((a->mode & S_IFMT) != (b->mode & S_IFMT))
			head(d, "type changed: %s -> %s\n", type_name(a->mode), type_name(b->mode));
	}
	if (ch && ch->kind == CHANGE_RENAMED) {
		char from[4 * PATH_MAX + 8], to[4 * PATH_MAX + 8];

		head(d, "rename from %s\nrename to %s\n", quoted("", ch->from, from), quoted("", ch->path, to));
	}
	if (ch && ch->kind == CHANGE_META)
		write_meta(d, ch);
	if (ch && a->mode && b->mode && (ch->host.st_uid != ch->box.st_uid || ch->host.st_gid != ch->box.st_gid))
		head(d, "old owner %u:%u\nnew owner %u:%u\n", ch->host.st_uid, ch->host.st_gid, ch->box.st_uid, ch->box.st_gid);
}

static int write_body(struct differ *d, const struct side *a, const struct side *b, const char *qa, const char *qb)
{
	char sa[32], sb[32];

	if (!a->binary && !b->binary) {
		if ((a->len == 0 && b->len == 0) || sides_equal(a, b))
			return 0;
		head(d, "--- %s\n+++ %s\n", a->mode ? qa : "/dev/null", b->mode ? qb : "/dev/null");
		return run_git(d, a, b, NULL);
	}
	if (a->mode && b->mode)
		fprintf(d->out, "Binary files %s and %s differ (%s -> %s)\n", qa, qb, human(a->size, sa), human(b->size, sb));
	else if (b->mode)
		fprintf(d->out, "Binary files /dev/null and %s differ (%s)\n", qb, human(b->size, sb));
	else
		fprintf(d->out, "Binary files %s and /dev/null differ (%s)\n", qa, human(a->size, sa));
	return 0;
}

/* ---- --stat ---- */

/* A directory has no lines: it is told where it is no mere place of the files that are told. */
static int stat_dir(struct differ *d, const struct change *ch, const char *path, const struct side *a, const struct side *b)
{
	const char *note = "directory, metadata";

	d->stat.dirs++;
	if (!ch || ch->kind == CHANGE_ADDED || ch->kind == CHANGE_DELETED)
		return 0;
	if (ch->kind == CHANGE_RENAMED)
		note = "directory renamed";
	else if (!S_ISDIR(a->mode) || !S_ISDIR(b->mode))
		note = "type changed";
	return diffstat_add(&d->stat, path, S_ISDIR(b->mode), NULL, note);
}

static int stat_file(struct differ *d, const char *path, const struct side *a, const struct side *b)
{
	struct counts c = { 0 };
	char note[96], sa[32], sb[32];
	int r;

	d->stat.files++;
	if (a->binary || b->binary) {
		snprintf(note, sizeof note, "binary %s -> %s", a->mode ? human(a->size, sa) : "nothing",
		         b->mode ? human(b->size, sb) : "nothing");
		return diffstat_add(&d->stat, path, false, NULL, note);
	}
	r = (a->len == 0 && b->len == 0) || sides_equal(a, b) ? 0 : run_git(d, a, b, &c);
	return r < 0 ? r : diffstat_add(&d->stat, path, false, &c, NULL);
}

static int stat_unread(struct differ *d, const struct change *ch, int code)
{
	d->stat.files++;
	return diffstat_add(&d->stat, ch->path, S_ISDIR(ch->box.st_mode), NULL, strerror(code));
}

/* ---- all of them ---- */

static int show(struct differ *d, const struct change *ch, const char *from, const char *path, const struct side *a,
                const struct side *b)
{
	char qa[4 * PATH_MAX + 8], qb[4 * PATH_MAX + 8];
	int r;

	d->shown++;
	if (d->flags & DIFF_STAT) {
		bool dir = S_ISDIR(a->mode) || S_ISDIR(b->mode);

		r = dir ? stat_dir(d, ch, path, a, b) : stat_file(d, path, a, b);
	} else {
		quoted("a/", from, qa);
		quoted("b/", path, qb);
		write_head(d, ch, a, b, qa, qb);
		r = write_body(d, a, b, qa, qb);
	}
	return ferror(d->out) ? -EPIPE : r;
}

/* A directory that the box removed, with all that the host has in it. */
static int show_deleted(struct differ *d, const struct change *ch, char path[static PATH_MAX])
{
	_cleanup_strv_ char **names = NULL;
	_cleanup_side_ struct side a = { 0 }, b = { 0 };
	size_t len = strlen(path);
	struct stat st;
	int r;

	r = host_stat(&d->host, path, &st);
	if (r < 0 || !st.st_mode)
		return r;
	if (S_ISDIR(st.st_mode)) {
		r = host_list(&d->host, path, &names);
		for (char **n = names; r == 0 && *n; n++) {
			r = path_join(path, PATH_MAX, path, *n);
			if (r >= 0)
				r = show_deleted(d, NULL, path);
			path[len] = '\0';
		}
	}
	if (r == 0)
		r = read_host(d, path, &st, &a);
	return r < 0 ? r : show(d, ch, path, path, &a, &b);
}

/* Where the host has what the change is about: below a renamed directory that is elsewhere. */
static int host_side(const struct differ *d, const struct change *ch, char ret[static PATH_MAX])
{
	const char *rest;

	if (ch->from)
		return path_join(ret, PATH_MAX, ch->from, "");
	for (size_t k = d->nmoved; k > 0; k--)
		if (path_below(ch->path, d->moved[k - 1]->path, &rest))
			return path_join(ret, PATH_MAX, d->moved[k - 1]->from, rest);
	return path_join(ret, PATH_MAX, ch->path, "");
}

static int show_change(struct differ *d, const struct change *ch)
{
	_cleanup_side_ struct side a = { 0 }, b = { 0 };
	char path[PATH_MAX];
	int r = host_side(d, ch, path);

	if (r < 0)
		return r;
	if (ch->kind == CHANGE_DELETED && S_ISDIR(ch->host.st_mode))
		return show_deleted(d, ch, path);
	r = read_host(d, path, &ch->host, &a);
	if (r == 0)
		r = read_box(d, ch, &b);
	return r < 0 ? r : show(d, ch, path, ch->path, &a, &b);
}

static int find_moved(struct differ *d, const struct changes *changes)
{
	d->moved = calloc(changes->count + 1, sizeof *d->moved);
	if (!d->moved)
		return -ENOMEM;
	for (size_t i = 0; i < changes->count; i++)
		if (changes->list[i].kind == CHANGE_RENAMED && S_ISDIR(changes->list[i].box.st_mode))
			d->moved[d->nmoved++] = &changes->list[i];
	return 0;
}

static bool wanted(const struct differ *d, const struct change *ch)
{
	for (size_t k = 0; k < d->npaths; k++)
		if (path_below(ch->path, d->paths[k].s, NULL) || (ch->from && path_below(ch->from, d->paths[k].s, NULL)))
			return true;
	return d->npaths == 0;
}

static int show_all(struct differ *d, const struct changes *changes, struct err *err)
{
	char text[PATH_MAX];

	for (size_t i = 0; i < changes->count; i++) {
		const struct change *ch = &changes->list[i];
		int r = wanted(d, ch) ? show_change(d, ch) : 0;

		if (r == -EPIPE)
			return err_set(err, r, "diff: nobody reads it any more");
		if (r == -EACCES || r == -ENOENT || r == -EPERM || r == -ELOOP) {
			/* One that cannot be read must not hide the others. */
			d->shown++;
			if ((d->flags & DIFF_STAT) && stat_unread(d, ch, -r) < 0)
				return err_sys(err, -ENOMEM, "diff");
			if (!(d->flags & DIFF_STAT))
				fprintf(d->out, "Files a%s and b%s differ (%s)\n", path_printable(ch->path, text, sizeof text),
				        text, strerror(-r));
		} else if (r < 0) {
			return err_sys(err, r, "diff: %s", path_printable(ch->path, text, sizeof text));
		}
	}
	if (d->flags & DIFF_STAT)
		diffstat_write(&d->stat, d->flags & DIFF_COLOR, d->out);
	return fflush(d->out) == 0 ? d->shown : err_set(err, -EPIPE, "diff: nobody reads it any more");
}

int diff_write(struct overlay *ov, const struct changes *changes, const struct vpath *paths, size_t npaths, unsigned flags,
               FILE *out, struct err *err)
{
	struct differ d = { .ov = ov, .paths = paths, .npaths = npaths, .flags = flags, .out = out };
	int r = host_init(&d.host);

	if (r < 0)
		return err_sys(err, r, "diff: cannot open /");
	r = libgit2_load(&d.git, err);
	if (r < 0) {
		host_release(&d.host);
		return err_wrap(err, "diff");
	}
	r = find_moved(&d, changes);
	r = r < 0 ? err_sys(err, r, "diff") : show_all(&d, changes, err);
	diffstat_release(&d.stat);
	free(d.moved);
	host_release(&d.host);
	return r;
}
