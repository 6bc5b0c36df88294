/* diff.c - how a box differs from the host, as unified diff that patch(1) and git apply take.
 *
 * Sides are read whole: what is larger than TEXT_MAX, or has a NUL byte near its start, is told of by size alone.
 *
 * (I1) Each part that begins with "diff --git" can be applied: it is about a regular file or a symlink, and holds all that git's format has words
 *      for. What it has none for (directories, devices, owners, times, binary content, conflicts) stands before the part in lines that begin with
 *      "# ", which both programs skip. Such a line may stand between parts only: in the midst of a part's head it would end the head.
 * (I2) A file is the subject of one part (diff_parts.h), except that a change of type and a new target of a symlink are a deletion and then a
 *      creation. A file that a renamed directory took along has a part of its own.
 *
 * patch(1) 2.7 wants: a symlink deleted and created rather than renamed; the index line where an empty file is deleted; names with blanks
 * in quotes on the "diff --git" line, which is all that it reads where there are no hunks.
 */
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "attrs.h"
#include "base/copy.h"
#include "base/fd.h"
#include "base/sys.h"
#include "commit/commit.h"
#include "diff_parts.h"
#include "diffstat.h"
#include "libgit2.h"
#include "paint.h"

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
	diff_note note;
	void *note_ctx;
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
		paint(d->out, d->flags, PAINT_HEAD, line, (size_t)n);
	else
		line = NULL;
}

/* A line that is for people alone (I1). */
static void note(struct differ *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void note(struct differ *d, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	if (text)
		head(d, "# %s\n", text);
}

/* prefix and text, in quotes with C escapes unless it is plain. */
static char *escape(const char *prefix, const char *path, bool plain, char ret[static 4 * PATH_MAX + 8])
{
	char *at = ret;

	if (!plain)
		*at++ = '"';
	at += sprintf(at, "%s", prefix);
	for (const unsigned char *s = (const unsigned char *)path; *s; s++) {
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

/* "a/etc/hosts", in quotes with C escapes where it has bytes that would break the line, and, if asked for, where it has blanks. */
static char *quoted(const char *prefix, const char *path, bool blanks, char ret[static 4 * PATH_MAX + 8])
{
	bool plain = true;

	for (const char *s = path; *s; s++)
		plain = plain && (unsigned char)*s >= 0x20 && *s != 0x7f && *s != '"' && *s != '\\' && !(*s & 0x80) &&
		        !(blanks && *s == ' ');
	return escape(prefix, path + (*path == '/'), plain, ret);
}

/* Small ones to the byte: of two sizes that differ a little, both would read the same. */
static char *human(off_t size, char ret[static 32])
{
	static const char *const unit[] = { "MiB", "GiB", "TiB", "PiB", "EiB" };
	double x = (double)size / (1 << 20);
	size_t k = 0;

	for (; x >= 1024 && k + 1 < sizeof unit / sizeof *unit; k++)
		x /= 1024;
	if (size < 1 << 20)
		snprintf(ret, 32, "%lld B", (long long)size);
	else
		snprintf(ret, 32, x >= 100 ? "%.0f %s" : "%.1f %s", x, unit[k]);
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
	struct differ *d = payload;

	(void)delta;
	paint(d->out, d->flags, PAINT_HUNK, hunk->header, hunk->header_len);
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
		paint(d->out, d->flags, p, text, line->content_len + 1);
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

/* What a part can hold (I1): a regular file, a symlink, or nothing. A target of several lines would look like several lines of a file. */
static bool side_held(const struct side *s)
{
	return !s->mode || S_ISREG(s->mode) || (S_ISLNK(s->mode) && !memchr(s->data ? s->data : "", '\n', s->len));
}

/* Where the time is all that changed; where the content did, that it did later is no news. */
static void note_times(struct differ *d, const struct change *ch, const char *qb)
{
	const struct timespec *x = &ch->host.st_mtim, *y = &ch->box.st_mtim;
	char old[40], new[40];
	struct tm tm;

	strftime(old, sizeof old, "%Y-%m-%d %H:%M:%S", localtime_r(&x->tv_sec, &tm));
	strftime(new, sizeof new, "%Y-%m-%d %H:%M:%S", localtime_r(&y->tv_sec, &tm));
	note(d, "time of %s: %s.%09ld -> %s.%09ld", qb, old, x->tv_nsec, new, y->tv_nsec);
}

struct attrs_note {
	struct differ *d;
	const char *qb;
	bool told;
};

static void note_attr(void *ctx, const char *name, const void *a, ssize_t na, const void *b, ssize_t nb)
{
	struct attrs_note *n = ctx;
	_cleanup_free_ char *old = attr_value(name, a, na), *new = attr_value(name, b, nb);
	char text[4 * XATTR_NAME_MAX + 32];

	note(n->d, "%s of %s: %s%s%s", attr_name(name, text, sizeof text), n->qb, na >= 0 && old ? old : "", na >= 0 ? " -> " : "",
	     new ? new : "?");
	n->told = true;
}

/* Each that differs, ACLs and capabilities among them: commit gives them all to the host. from: where the host has it, or NULL. */
static bool note_attrs(struct differ *d, const struct change *ch, const char *from, const char *qb)
{
	_cleanup_close_ int box = -1, host = -1;
	struct attrs_note n = { .d = d, .qb = qb };
	int r = changes_open(d->ov, ch, &box);

	if (r == 0 && from && ch->host.st_mode)
		r = host_open(&d->host, from, O_PATH, &host);
	if (r == 0)
		r = copy_xattrs_compare(host, box, note_attr, &n);
	if (r < 0)
		note(d, "the extended attributes of %s cannot be compared (%s)", qb, strerror(-r));
	return n.told || r < 0;
}

/* Who starts the program has the rights of another. */
static void note_set_id(struct differ *d, const struct change *ch, const char *qb)
{
	if (!S_ISREG(ch->box.st_mode))
		return;
	if (ch->box.st_mode & S_ISUID)
		note(d, "set-uid: %s runs as user %u", qb, ch->box.st_uid);
	if (ch->box.st_mode & S_ISGID)
		note(d, "set-gid: %s runs as group %u", qb, ch->box.st_gid);
}

static void note_meta(struct differ *d, const struct change *ch, const char *from, const char *qb)
{
	bool owner = ch->host.st_uid != ch->box.st_uid || ch->host.st_gid != ch->box.st_gid, attrs;

	if (!ch->box.st_mode)
		return;
	if (ch->host.st_mode && owner)
		note(d, "owner of %s: %u:%u -> %u:%u", qb, ch->host.st_uid, ch->host.st_gid, ch->box.st_uid, ch->box.st_gid);
	else if (!ch->host.st_mode && (ch->box.st_uid != geteuid() || ch->box.st_gid != getegid()))
		note(d, "owner of %s: %u:%u", qb, ch->box.st_uid, ch->box.st_gid);
	note_set_id(d, ch, qb);
	attrs = note_attrs(d, ch, from, qb);
	if (ch->kind != CHANGE_META || owner || ch->host.st_mode != ch->box.st_mode)
		return;
	if (ch->times)
		note_times(d, ch, qb);
	else if (!attrs)
		note(d, "extended attributes of %s changed", qb);
}

/* A symlink that a part cannot hold. */
static void note_target(struct differ *d, const struct side *a, const struct side *b, const char *name)
{
	char old[4 * PATH_MAX + 8] = "none", new[4 * PATH_MAX + 8] = "none";

	if (S_ISLNK(a->mode) && a->data)
		escape("", a->data, false, old);
	if (S_ISLNK(b->mode) && b->data)
		escape("", b->data, false, new);
	note(d, "target of symlink %s: %s -> %s", name, old, new);
}

/* Of what is no text, and may be too large to be read, the change tells. */
static bool same_content(const struct change *ch, const struct side *a, const struct side *b)
{
	if (!a->mode || !b->mode)
		return false;
	return sides_equal(a, b) || (ch && !ch->content && (ch->kind == CHANGE_META || ch->kind == CHANGE_RENAMED));
}

/* A directory or a special file that is only on one side, or differs in its mode or in what it is. */
static void note_unheld(struct differ *d, const struct side *a, const struct side *b, const char *qa, const char *qb)
{
	const struct side *one = !b->mode || (a->mode && side_held(b)) ? a : b;
	unsigned ma = a->mode & 07777, mb = b->mode & 07777;
	char device[48] = "";

	if (S_ISLNK(one->mode)) {
		note_target(d, a, b, b->mode ? qb : qa);
		return;
	}
	if (one->data && (S_ISCHR(one->mode) || S_ISBLK(one->mode)))
		snprintf(device, sizeof device, " (%.*s)", (int)strcspn(one->data, "\n"), one->data);
	if (!a->mode)
		note(d, "new %s %s%s, mode %04o", type_name(b->mode), qb, device, mb);
	else if (!b->mode)
		note(d, "deleted %s %s%s", type_name(a->mode), qa, device);
	else if ((a->mode & S_IFMT) == (b->mode & S_IFMT) && ma != mb)
		note(d, "mode of %s %s: %04o -> %04o", type_name(b->mode), qb, ma, mb);
}

static void write_notes(struct differ *d, const struct change *ch, const struct side *a, const struct side *b, const char *from,
                        const char *qa, const char *qb)
{
	const char *said = ch && d->note ? d->note(d->note_ctx, ch) : NULL;
	char sa[32], sb[32];

	if (said)
		note(d, "%s", said);
	if (a->mode && b->mode && (a->mode & S_IFMT) != (b->mode & S_IFMT))
		note(d, "type of %s changed: %s -> %s", qb, type_name(a->mode), type_name(b->mode));
	if (ch && ch->from && S_ISDIR(b->mode))
		note(d, "renamed directory %s -> %s", qa, qb);
	if (!side_held(a) || !side_held(b))
		note_unheld(d, a, b, qa, qb);
	if (ch)
		note_meta(d, ch, from, qb);
	if ((a->binary || b->binary) && !same_content(ch, a, b)) {
		human(a->size, sa);
		human(b->size, sb);
		if (a->mode && b->mode)
			note(d, "Binary files %s and %s differ (%s -> %s)", qa, qb, sa, sb);
		else
			note(d, "Binary files %s and %s differ (%s, mode %04o)", a->mode ? qa : "/dev/null",
			     b->mode ? qb : "/dev/null", a->mode ? sa : sb, (unsigned)(a->mode ? a->mode : b->mode) & 07777);
	}
}

/* The names of the hunks: to the TAB, where there is a blank; patch(1) takes blanks before the TAB for none of the name. */
static void write_names(struct differ *d, const struct side *a, const struct side *b, const char *from, const char *path)
{
	char qa[4 * PATH_MAX + 8], qb[4 * PATH_MAX + 8];

	quoted("a/", from, from[strlen(from) - 1] == ' ', qa);
	quoted("b/", path, path[strlen(path) - 1] == ' ', qb);
	head(d, "--- %s%s\n", a->mode ? qa : "/dev/null", a->mode && strchr(qa, ' ') ? "\t" : "");
	head(d, "+++ %s%s\n", b->mode ? qb : "/dev/null", b->mode && strchr(qb, ' ') ? "\t" : "");
}

static void write_renamed(struct differ *d, const char *from, const char *path, bool equal)
{
	char qa[4 * PATH_MAX + 8], qb[4 * PATH_MAX + 8];

	if (equal)
		head(d, "similarity index 100%%\n");
	head(d, "rename from %s\nrename to %s\n", quoted("", from, false, qa), quoted("", path, false, qb));
}

#define EMPTY_BLOB "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
#define NO_BLOB "0000000000000000000000000000000000000000"

/* One part (I1), if there is anything that it can hold. */
static int write_part(struct differ *d, const struct side *a, const struct side *b, const char *from, const char *path)
{
	bool both = a->mode && b->mode, binary = a->binary || b->binary;
	bool renamed = both && strcmp(from, path) != 0, mode = both && git_mode(a->mode) != git_mode(b->mode);
	bool text = !binary && (a->len || b->len) && !sides_equal(a, b);
	char qa[4 * PATH_MAX + 8], qb[4 * PATH_MAX + 8];

	if (!side_held(a) || !side_held(b) || (both ? !renamed && !mode && !text : binary))
		return 0;
	head(d, "diff --git %s %s\n", quoted("a/", from, true, qa), quoted("b/", path, true, qb));
	if (!a->mode)
		head(d, "new file mode %06o\n", git_mode(b->mode));
	else if (!b->mode)
		head(d, "deleted file mode %06o\n", git_mode(a->mode));
	else if (mode)
		head(d, "old mode %06o\nnew mode %06o\n", git_mode(a->mode), git_mode(b->mode));
	if (renamed)
		write_renamed(d, from, path, !text && !binary);
	if (!both && !text)
		head(d, "index %s..%s\n", a->mode ? EMPTY_BLOB : NO_BLOB, b->mode ? EMPTY_BLOB : NO_BLOB);
	if (!text)
		return 0;
	write_names(d, a, b, from, path);
	return run_git(d, a, b, NULL);
}

static const struct side nothing;

/* One object that is `from` on the host and `path` in the box (I2). */
static int write_pair(struct differ *d, const struct side *a, const struct side *b, const char *from, const char *path)
{
	bool anew = a->mode && b->mode && ((a->mode & S_IFMT) != (b->mode & S_IFMT) || (S_ISLNK(b->mode) && !sides_equal(a, b)));
	int r;

	if (!anew)
		return write_part(d, a, b, from, path);
	r = write_part(d, a, &nothing, from, from);
	return r < 0 ? r : write_part(d, &nothing, b, path, path);
}

/* Two objects: what is `from` on the host goes, and what is `path` in the box comes, perhaps in place of another. */
static int write_two(struct differ *d, const struct part *p, const struct side *a, const struct side *b)
{
	_cleanup_side_ struct side c = { 0 };
	struct stat st = { 0 };
	int r = 0;

	if (p->from && !p->made && !p->twice)
		r = write_pair(d, a, &nothing, p->from, p->from);
	if (r == 0 && p->path && p->there)
		r = host_stat(&d->host, p->path, &st);
	if (r == 0 && p->path)
		r = read_host(d, p->path, &st, &c);
	return r < 0 || !p->path ? r : write_pair(d, &c, b, p->path, p->path);
}

static int write_object(struct differ *d, const struct part *p, const struct side *a, const struct side *b)
{
	const char *from = p->from ? p->from : p->path, *path = p->path ? p->path : p->from;
	char qa[4 * PATH_MAX + 8], qb[4 * PATH_MAX + 8];

	write_notes(d, p->ch, a, b, p->from, quoted("a/", from, false, qa), quoted("b/", path, false, qb));
	if (p->from && p->path && (strcmp(from, path) == 0 || p->renamed))
		return write_pair(d, a, b, from, path);
	return write_two(d, p, a, b);
}

/* ---- --stat ---- */

/* What the counts do not say: "" for nothing. */
static void stat_note(const struct side *a, const struct side *b, const char *from, const char *path, char *ret, size_t size)
{
	char text[4 * PATH_MAX];
	size_t at = 0;

	ret[0] = '\0';
	if (!a->mode || !b->mode)
		return;
	if (strcmp(from, path) != 0)
		at += (size_t)snprintf(ret, size, "renamed from %s", path_printable(from, text, sizeof text));
	if (at < size && (a->mode & S_IFMT) != (b->mode & S_IFMT))
		snprintf(ret + at, size - at, "%stype changed: %s -> %s", at ? ", " : "", type_name(a->mode), type_name(b->mode));
	else if (at < size && git_mode(a->mode) != git_mode(b->mode))
		snprintf(ret + at, size - at, "%smode %03o -> %03o", at ? ", " : "", (unsigned)a->mode & 07777,
		         (unsigned)b->mode & 07777);
}

/* A directory has no lines: it is told where it is no mere place of the files that are told. */
static int stat_dir(struct differ *d, const struct change *ch, const char *from, const char *path, const struct side *a,
                    const struct side *b)
{
	char text[4 * PATH_MAX + 128];

	d->stat.dirs++;
	if (!ch || ch->kind == CHANGE_ADDED || ch->kind == CHANGE_DELETED)
		return 0;
	stat_note(a, b, from, path, text, sizeof text);
	return diffstat_add(&d->stat, path, S_ISDIR(b->mode), NULL, *text ? text : "directory, metadata");
}

static int stat_file(struct differ *d, const struct change *ch, const char *from, const char *path, const struct side *a,
                     const struct side *b)
{
	struct counts c = { 0 };
	char text[4 * PATH_MAX + 128], binary[4 * PATH_MAX + 256], sa[32], sb[32];
	int r;

	d->stat.files++;
	stat_note(a, b, from, path, text, sizeof text);
	if ((a->binary || b->binary) && same_content(ch, a, b))
		return diffstat_add(&d->stat, path, false, NULL, *text ? text : "metadata");
	if (a->binary || b->binary) {
		snprintf(binary, sizeof binary, "binary %s -> %s%s%s", a->mode ? human(a->size, sa) : "nothing",
		         b->mode ? human(b->size, sb) : "nothing", *text ? ", " : "", text);
		return diffstat_add(&d->stat, path, false, NULL, binary);
	}
	r = (a->len == 0 && b->len == 0) || sides_equal(a, b) ? 0 : run_git(d, a, b, &c);
	return r < 0 ? r : diffstat_add(&d->stat, path, false, &c, *text ? text : NULL);
}

static int stat_unread(struct differ *d, const char *path, bool dir, int code)
{
	d->stat.files++;
	return diffstat_add(&d->stat, path, dir, NULL, strerror(code));
}

/* ---- all of them ---- */

static int show(struct differ *d, const struct part *p, const struct side *a, const struct side *b)
{
	const char *from = p->from ? p->from : p->path, *path = p->path ? p->path : p->from;
	int r = 0;

	d->shown += p->alone;
	if (!(d->flags & DIFF_STAT))
		r = write_object(d, p, a, b);
	else if (!p->alone || (p->twice && !p->path))
		r = 0;
	else if (S_ISDIR(a->mode) || S_ISDIR(b->mode))
		r = stat_dir(d, p->ch, from, path, a, b);
	else
		r = stat_file(d, p->ch, from, path, a, b);
	return ferror(d->out) ? -EPIPE : r;
}

static int show_part(struct differ *d, const struct part *p)
{
	_cleanup_side_ struct side a = { 0 }, b = { 0 };
	struct stat st = { 0 };
	int r = p->code;

	if (r < 0)
		return r;
	/* Of a file that a renamed directory took along the name alone is told. */
	if (!p->ch && p->renamed) {
		a.mode = b.mode = p->mode;
		return show(d, p, &a, &b);
	}
	if (p->ch)
		st = p->ch->host;
	else if (p->from)
		r = host_stat(&d->host, p->from, &st);
	if (r == 0 && p->from)
		r = read_host(d, p->from, &st, &a);
	if (r == 0 && p->path)
		r = p->ch ? read_box(d, p->ch, &b) : read_host(d, p->from, &st, &b);
	return r < 0 ? r : show(d, p, &a, &b);
}

static bool wanted(void *ctx, const struct change *ch)
{
	const struct differ *d = ctx;

	for (size_t k = 0; k < d->npaths; k++) {
		if (d->flags & DIFF_EXACT) {
			if (!strcmp(ch->path, d->paths[k].s))
				return true;
		} else if (path_below(ch->path, d->paths[k].s, NULL) || (ch->from && path_below(ch->from, d->paths[k].s, NULL))) {
			return true;
		}
	}
	return d->npaths == 0;
}

/* One that cannot be read must not hide the others. */
static int show_unread(struct differ *d, const struct part *p, int code)
{
	const char *path = p->path ? p->path : p->from ? p->from : p->ch->path;
	char text[4 * PATH_MAX];

	d->shown += p->alone;
	path_printable(path, text, sizeof text);
	if (!(d->flags & DIFF_STAT))
		note(d, "Files a%s and b%s differ (%s)", text, text, strerror(code));
	else if (p->alone)
		return stat_unread(d, path, p->ch && S_ISDIR(p->ch->box.st_mode), code);
	return 0;
}

static int show_all(struct differ *d, const struct parts *parts, struct err *err)
{
	char text[PATH_MAX];

	for (size_t i = 0; i < parts->count; i++) {
		const struct part *p = &parts->list[i];
		int r = show_part(d, p);

		if (r == -EACCES || r == -ENOENT || r == -EPERM || r == -ELOOP)
			r = show_unread(d, p, -r);
		if (r == -EPIPE)
			return err_set(err, r, "diff: nobody reads it any more");
		if (r < 0)
			return err_sys(err, r, "diff: %s",
			               path_printable(p->path   ? p->path
			                              : p->from ? p->from
			                                        : p->ch->path,
			                              text, sizeof text));
	}
	if (d->flags & DIFF_STAT)
		diffstat_write(&d->stat, d->flags & DIFF_COLOR, d->out);
	return fflush(d->out) == 0 ? d->shown : err_set(err, -EPIPE, "diff: nobody reads it any more");
}

int diff_write_noted(struct overlay *ov, const struct changes *changes, const struct vpath *paths, size_t npaths, unsigned flags,
                     diff_note note_of, void *ctx, FILE *out, struct err *err)
{
	struct differ d = {
		.ov = ov, .paths = paths, .npaths = npaths, .flags = flags, .out = out, .note = note_of, .note_ctx = ctx
	};
	struct parts parts = { 0 };
	int r = host_init(&d.host);

	if (r < 0)
		return err_sys(err, r, "diff: cannot open /");
	r = libgit2_load(&d.git, err);
	if (r < 0) {
		host_release(&d.host);
		return err_wrap(err, "diff");
	}
	r = parts_collect(&d.host, changes, wanted, &d, &parts);
	r = r < 0 ? err_sys(err, r, "diff") : show_all(&d, &parts, err);
	diffstat_release(&d.stat);
	parts_release(&parts);
	host_release(&d.host);
	return r;
}

int diff_write(struct overlay *ov, const struct changes *changes, const struct vpath *paths, size_t npaths, unsigned flags,
               FILE *out, struct err *err)
{
	return diff_write_noted(ov, changes, paths, npaths, flags, NULL, NULL, out, err);
}
