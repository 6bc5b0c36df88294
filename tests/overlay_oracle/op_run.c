/* op_run.c - doing one operation on a side, and writing down what its caller sees. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <dirent.h>
#include <unistd.h>
#include "base/fd.h"
#include "op.h"
#include "snapshot.h"

#define SHOWN (SNAPSHOT_NLINK | SNAPSHOT_TIMES)

const char *operand_path(const struct operand *o, const struct side *s, char *buf)
{
	bool at = o->path[0] == '@';
	const char *rest = o->path + at;
	size_t n = strlen(rest) + (at ? strlen(s->root) : 0);
	char *p = buf;

	if (at)
		p += sprintf(p, "%s", s->root);
	if (o->pad && at)
		*p++ = '/', n++;
	for (; o->pad && n + 1 < o->pad; n += 2)
		p = stpcpy(p, "./");
	if (o->pad && n < o->pad)
		p = stpcpy(p, at ? "/" : "./");   /* a relative path must not begin with a slash */
	strcpy(p, rest[0] == '/' && o->pad ? rest + 1 : rest);
	return buf;
}

static void result(FILE *out, long r)
{
	if (r < 0)
		fprintf(out, "-%s", strerrorname_np((int)-r) ? strerrorname_np((int)-r) : "?");
	else
		fputs("ok", out);
}

static long sys_result(long r)
{
	return r < 0 ? -errno : r;
}

static void fill_data(char *buf, size_t size, struct rng *r)
{
	for (size_t i = 0; i < size; i++)
		buf[i] = (char)('A' + rng_below(r, 26));
}

static void write_some(const struct op *op, int fd, FILE *out)
{
	struct rng r = { op->seed };
	char data[5000];
	size_t n = rng_below(&r, 3) ? rng_below(&r, 100) : rng_below(&r, sizeof(data));
	off_t at = rng_chance(&r, 50) ? 0 : (off_t)rng_below(&r, 20000);

	fill_data(data, n, &r);
	long w = sys_result(pwrite(fd, data, n, at));
	fputs(" write ", out);
	result(out, w);
	fprintf(out, " %ld", w);
	if (rng_chance(&r, 20)) {
		fputs(" ftruncate ", out);
		result(out, sys_result(ftruncate(fd, (off_t)rng_below(&r, 9000))));
	}
}

static void show_stat(struct side *s, int fd, FILE *out)
{
	struct stat st;

	(void)s;
	if (fstat(fd, &st) < 0) {
		result(out, -errno);
		return;
	}
	fputs(" is ", out);
	/* A directory's descriptor is the host's own; what its mirror says comes from stat and from lookup by descriptor. */
	if (S_ISDIR(st.st_mode))
		fputs("directory", out);
	else
		snapshot_stat_line(out, &st, SNAPSHOT_TIMES);   /* the kernel counts the links of the real file */
}

static void show_listing(struct side *s, int fd, size_t buf, FILE *out)
{
	_cleanup_free_ struct side_dirent *list = NULL;
	size_t count = 0;
	int r = side_list_fd(s, fd, buf, &list, &count);

	fputs(" list ", out);
	result(out, r);
	for (size_t i = 0; i < count; i++) {
		fputc(' ', out);
		snapshot_text(out, s, list[i].name, strlen(list[i].name));
		fprintf(out, ":%d", list[i].type);
	}
}

static void use_open_file(const struct op *op, struct side *s, int fd, FILE *out)
{
	int access = (int)(op->flags & O_ACCMODE);
	struct stat st;

	if (op->flags & O_PATH || fstat(fd, &st) < 0) {
		show_stat(s, fd, out);
		return;
	}
	show_stat(s, fd, out);
	if (S_ISDIR(st.st_mode))
		show_listing(s, fd, 2048, out);
	if (!S_ISREG(st.st_mode))
		return;
	if (access != O_RDONLY)
		write_some(op, fd, out);
	if (access != O_WRONLY)
		snapshot_content(out, fd);
	show_stat(s, fd, out);
	if (op->number % 10 == 0) {
		fputs(" fchmod ", out);
		result(out, s->ops->fd_chmod(s, fd, (mode_t)op->number & 0777));
	}
}

static void run_open(const struct op *op, struct side *s, const struct where *w, FILE *out)
{
	_cleanup_close_ int fd = s->ops->open(s, w, op->flags, op->flags & O_CREAT ? op->mode : 0);

	result(out, fd);
	if (fd >= 0)
		use_open_file(op, s, fd, out);
}

static void run_tmpfile(const struct op *op, struct side *s, const struct where *w, const struct where *w2, FILE *out)
{
	_cleanup_close_ int fd = s->ops->open(s, w, op->flags | O_TMPFILE | O_CLOEXEC, op->mode);

	result(out, fd);
	if (fd < 0)
		return;
	write_some(op, fd, out);
	show_stat(s, fd, out);
	fputs(" link ", out);
	result(out, s->ops->link_fd(s, fd, w2));
	show_stat(s, fd, out);
}

static void run_link_fd(struct side *s, const struct where *w, const struct where *w2, FILE *out)
{
	_cleanup_close_ int fd = s->ops->open(s, w, O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0);

	result(out, fd);
	if (fd < 0)
		return;
	fputs(" link ", out);
	result(out, s->ops->link_fd(s, fd, w2));
}

static void run_stat(const struct op *op, struct side *s, const struct where *w, FILE *out)
{
	struct stat st;
	int r = s->ops->stat(s, w, (unsigned)op->flags, &st);

	result(out, r);
	fputc(' ', out);
	if (r >= 0)
		snapshot_stat_line(out, &st, SHOWN);
}

static const struct timespec *pick_times(const struct op *op, struct timespec ts[2])
{
	struct rng r = { op->seed };

	for (int i = 0; i < 2; i++)
		ts[i] = (struct timespec){ 1000000000 + (time_t)rng_below(&r, 400000000), rng_below(&r, 1000000000) };
	switch (rng_below(&r, 8)) {
	case 0: return NULL;
	case 1: ts[0].tv_nsec = UTIME_OMIT; break;
	case 2: ts[1].tv_nsec = UTIME_OMIT; break;
	case 3: ts[1].tv_nsec = UTIME_NOW; break;
	case 4: ts[0].tv_nsec = ts[1].tv_nsec = UTIME_NOW; break;
	case 5: ts[0].tv_nsec = ts[1].tv_nsec = UTIME_OMIT; break;
	default: break;
	}
	return ts;
}

static void run_utimens(const struct op *op, struct side *s, const struct where *w, FILE *out)
{
	struct timespec ts[2];

	result(out, s->ops->utimens(s, w, op->follow, pick_times(op, ts)));
}

static void put_le32(char *p, unsigned v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (char)(v >> (8 * i));
}

/* An access control list for the ACL names, letters for the others. */
static size_t xattr_value(const struct op *op, char *value)
{
	static const unsigned tags[5] = { 0x01, 0x02, 0x04, 0x10, 0x20 };
	struct rng r = { op->seed };

	if (strncmp(op->text, "system.", 7)) {
		fill_data(value, (size_t)op->number, &r);
		return (size_t)op->number;
	}
	put_le32(value, rng_chance(&r, 5) ? 1 : 2);
	for (int i = 0; i < 5; i++) {
		put_le32(value + 4 + 8 * i, tags[i] | rng_below(&r, 8) << 16);
		put_le32(value + 8 + 8 * i, tags[i] == 0x02 ? 1000 : 0xffffffff);
	}
	return 44;
}

static void run_setxattr(const struct op *op, struct side *s, const struct where *w, FILE *out)
{
	char value[2048];
	size_t n = xattr_value(op, value);

	result(out, s->ops->setxattr(s, w, op->follow, op->text, value, n, (int)op->flags));
}

static void run_getxattr(const struct op *op, struct side *s, const struct where *w, FILE *out)
{
	char value[2048] = "";
	size_t size = op->seed % 3 == 0 ? 0 : op->seed % 3 == 1 ? 5 : sizeof(value);
	ssize_t n = s->ops->getxattr(s, w, op->follow, op->text, size ? value : NULL, size);

	result(out, n);
	fprintf(out, " %zd ", n);
	for (ssize_t i = 0; size && i < n; i++)
		fprintf(out, "%02x", (unsigned char)value[i]);
}

static int name_order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void run_listxattr(const struct op *op, struct side *s, const struct where *w, FILE *out)
{
	char list[4096];
	char *names[64];
	size_t size = op->seed % 3 == 0 ? 0 : op->seed % 3 == 1 ? 8 : sizeof(list);
	size_t count = 0;
	ssize_t n = s->ops->listxattr(s, w, op->follow, size ? list : NULL, size);

	result(out, n);
	fprintf(out, " %zd", n);
	for (char *p = list; size && n > 0 && p < list + n && count < 64; p += strlen(p) + 1)
		names[count++] = p;
	if (count)
		qsort(names, count, sizeof(*names), name_order);
	for (size_t i = 0; i < count; i++)
		fprintf(out, " %s", names[i]);
}

static void run_readlink(const struct op *op, struct side *s, const struct where *w, FILE *out)
{
	char buf[PATH_MAX];
	size_t size = op->seed % 4 ? sizeof(buf) : 3;
	int n = s->ops->readlink(s, w, buf, size);

	result(out, n);
	fprintf(out, " %d ", n);
	if (n > 0)
		snapshot_text(out, s, buf, (size_t)n);
}

static void run_list(const struct op *op, struct side *s, const struct where *w, FILE *out)
{
	_cleanup_close_ int fd = s->ops->open(s, w, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);

	result(out, fd);
	if (fd < 0)
		return;
	show_listing(s, fd, op->seed % 2 ? 600 : 8192, out);
	/* From the start again, by the same descriptor. */
	if (lseek(fd, 0, SEEK_SET) == 0)
		show_listing(s, fd, 1200, out);
}

/* ---- a listing that is half-way when the directory changes ---- */

struct seen {
	char name[256];
	int before, after;   /* how often listed before and after the changes */
	bool touched;
};

static struct seen *seen_find(struct seen **list, size_t *count, const char *name)
{
	for (size_t i = 0; i < *count; i++)
		if (!strcmp((*list)[i].name, name))
			return &(*list)[i];
	struct seen *more = realloc(*list, (*count + 1) * sizeof(*more));
	if (!more)
		abort();
	*list = more;
	memset(&more[*count], 0, sizeof(*more));
	snprintf(more[*count].name, sizeof(more->name), "%s", name);
	return &more[(*count)++];
}

static int list_part(struct side *s, int fd, size_t buf_size, bool all, bool after, struct seen **list, size_t *count)
{
	char buf[4096];

	do {
		ssize_t n = s->ops->getdents(s, fd, buf, buf_size);
		if (n <= 0)
			return (int)n;
		for (ssize_t at = 0; at < n;) {
			const struct linux_dirent64 *d = (const void *)(buf + at);
			struct seen *e = seen_find(list, count, d->d_name);
			at += d->d_reclen;
			*(after ? &e->after : &e->before) += 1;
		}
	} while (all);
	return 0;
}

/* One change by name; both sides see the same names, whatever the order they list them in. */
static void change_one(struct side *s, const struct where *dir, const char *name, struct rng *r, struct seen **list, size_t *count)
{
	char path[OP_PATH + 600], fresh[OP_PATH + 600], fresh_name[32];
	struct where w = { .base = dir->base, .path = path, .umask = 022 };
	struct where w2 = { .base = dir->base, .path = fresh, .umask = 022 };
	int fd;

	snprintf(fresh_name, sizeof(fresh_name), "fresh%u", rng_below(r, 1000));
	snprintf(path, sizeof(path), "%s/%s", dir->path, name);
	snprintf(fresh, sizeof(fresh), "%s/%s", dir->path, fresh_name);
	seen_find(list, count, name)->touched = true;
	seen_find(list, count, fresh_name)->touched = true;
	switch (rng_below(r, 4)) {
	case 0:
		s->ops->rename(s, &w, &w2, 1 /* RENAME_NOREPLACE */);
		break;
	case 1:
		fd = s->ops->open(s, &w2, O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0644);
		fd_closep(&fd);
		break;
	default:
		s->ops->unlink(s, &w, 0);
	}
}

static void report_seen(const struct seen *list, size_t count, struct side *s, FILE *out)
{
	for (size_t i = 0; i < count; i++) {
		int times = list[i].before + list[i].after;
		if (times > 1 || (times == 0 && !list[i].touched)) {
			fputs(times ? " LISTED-TWICE:" : " LOST:", out);
			snapshot_text(out, s, list[i].name, strlen(list[i].name));
		}
	}
}

static void run_list_changing(const struct op *op, struct side *s, const struct where *w, bool renames, FILE *out)
{
	_cleanup_close_ int fd = s->ops->open(s, w, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	_cleanup_close_ int whole = s->ops->open(s, w, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	_cleanup_free_ struct side_dirent *names = NULL;
	_cleanup_free_ struct seen *list = NULL;
	size_t count = 0, nnames = 0;
	struct rng r = { op->seed };
	int e;

	result(out, fd);
	if (fd < 0 || whole < 0 || strlen(w->path) > OP_PATH)
		return;
	e = side_list_fd(s, whole, 4096, &names, &nnames);
	for (size_t i = 0; i < nnames; i++)
		seen_find(&list, &count, names[i].name);
	if (e >= 0)
		e = list_part(s, fd, 600, false, false, &list, &count);
	for (unsigned i = 0; i < 1 + rng_below(&r, 4) && nnames; i++) {
		const struct side_dirent *d = &names[rng_below(&r, (unsigned)nnames)];
		if (d->type != DT_DIR || renames)
			change_one(s, w, d->name, &r, &list, &count);
	}
	if (e >= 0)
		e = list_part(s, fd, 600, true, true, &list, &count);
	result(out, e);
	report_seen(list, count, s, out);
}

/* ---- rm -rf ---- */

static int remove_below(struct side *s, const struct where *dir, const char *path, int depth)
{
	struct where w = { .base = dir->base, .path = path };
	_cleanup_close_ int fd = s->ops->open(s, &w, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
	char buf[400];

	for (;;) {
		ssize_t n = fd < 0 ? 0 : s->ops->getdents(s, fd, buf, sizeof(buf));
		if (n <= 0)
			break;
		for (ssize_t at = 0; at < n;) {
			const struct linux_dirent64 *d = (const void *)(buf + at);
			char below[PATH_MAX];
			struct where v = { .base = dir->base, .path = below };
			at += d->d_reclen;
			if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, "..") ||
			    snprintf(below, sizeof(below), "%s/%s", path, d->d_name) >= (int)sizeof(below))
				continue;
			if (s->ops->unlink(s, &v, 0) == -EISDIR && depth < 20)
				remove_below(s, dir, below, depth + 1);
		}
	}
	return s->ops->unlink(s, &w, AT_REMOVEDIR);
}

/* ---- descriptors that stay open across operations ---- */

static void run_held(const struct op *op, struct side *s, FILE *out)
{
	int fd = s->held[op->seed % SIDE_HELD];
	struct timespec ts[2];
	struct stat st;
	int r;

	if (fd < 0) {
		fputs("nothing held", out);
		return;
	}
	switch (op->kind) {
	case OP_HELD_STAT:
		r = s->ops->fd_stat(s, fd, &st);
		result(out, r);
		if (r >= 0)
			snapshot_stat_line(out, &st, SHOWN);
		break;
	case OP_HELD_CHMOD: result(out, s->ops->fd_chmod(s, fd, op->mode & 07777)); break;
	case OP_HELD_UTIMENS: result(out, s->ops->fd_utimens(s, fd, pick_times(op, ts))); break;
	case OP_HELD_WRITE: write_some(op, fd, out); break;
	default: fd_closep(&s->held[op->seed % SIDE_HELD]); s->held[op->seed % SIDE_HELD] = -1;
	}
}

static void run_hold(const struct op *op, struct side *s, const struct where *w, FILE *out)
{
	int *slot = &s->held[op->seed % SIDE_HELD];

	fd_closep(slot);
	*slot = -1;
	/* O_PATH is what kept the opening of a FIFO from waiting for its other end. */
	int fd = s->ops->open(s, w, (op->flags & ~(uint64_t)O_PATH) | O_NONBLOCK, op->flags & O_CREAT ? op->mode : 0);
	result(out, fd);
	if (fd >= 0)
		*slot = fd;
}

void op_run(const struct op *op, struct side *s, FILE *out)
{
	char a[PATH_MAX + 64], b[PATH_MAX + 64], text[PATH_MAX + OP_PATH];
	struct where w = { .base = op->a.base, .path = operand_path(&op->a, s, a), .umask = op->umask };
	struct where w2 = { .base = op->b.base, .path = operand_path(&op->b, s, b), .umask = op->umask };

	snprintf(text, sizeof(text), "%s%s", op->text[0] == '@' ? s->shown : "", op->text + (op->text[0] == '@'));
	switch (op->kind) {
	case OP_OPEN: run_open(op, s, &w, out); break;
	case OP_MKDIR: result(out, s->ops->mkdir(s, &w, op->mode)); break;
	case OP_MKNOD: result(out, s->ops->mknod(s, &w, op->mode, S_ISCHR(op->mode) ? (dev_t)op->number : 0)); break;
	case OP_SYMLINK: result(out, s->ops->symlink(s, text, &w)); break;
	case OP_LINK: result(out, s->ops->link(s, &w, &w2, op->follow ? AT_SYMLINK_FOLLOW : 0)); break;
	case OP_UNLINK: result(out, s->ops->unlink(s, &w, 0)); break;
	case OP_RMDIR: result(out, s->ops->unlink(s, &w, AT_REMOVEDIR)); break;
	case OP_RENAME: result(out, s->ops->rename(s, &w, &w2, (unsigned)op->flags)); break;
	case OP_STAT: run_stat(op, s, &w, out); break;
	case OP_CHMOD: result(out, s->ops->chmod(s, &w, op->mode)); break;
	case OP_CHOWN: result(out, s->ops->chown(s, &w, op->follow, op->uid, op->gid)); break;
	case OP_UTIMENS: run_utimens(op, s, &w, out); break;
	case OP_TRUNCATE: result(out, s->ops->truncate(s, &w, op->number)); break;
	case OP_SETXATTR: run_setxattr(op, s, &w, out); break;
	case OP_REMOVEXATTR: result(out, s->ops->removexattr(s, &w, op->follow, op->text)); break;
	case OP_GETXATTR: run_getxattr(op, s, &w, out); break;
	case OP_LISTXATTR: run_listxattr(op, s, &w, out); break;
	case OP_READLINK: run_readlink(op, s, &w, out); break;
	case OP_ACCESS: result(out, s->ops->access(s, &w, (int)op->mode, (int)op->flags)); break;
	case OP_LIST: run_list(op, s, &w, out); break;
	case OP_LIST_CHANGING: run_list_changing(op, s, &w, false, out); break;
	case OP_REMOVE_TREE: result(out, remove_below(s, &w, w.path, 0)); break;
	case OP_TMPFILE: run_tmpfile(op, s, &w, &w2, out); break;
	case OP_LINK_FD: run_link_fd(s, &w, &w2, out); break;
	case OP_HOLD: run_hold(op, s, &w, out); break;
	default: run_held(op, s, out);
	}
}

static const char *const kind_names[OP_KINDS] = {
	"open", "mkdir", "mknod", "symlink", "link", "unlink", "rmdir", "rename", "stat", "chmod", "chown", "utimens", "truncate",
	"setxattr", "removexattr", "getxattr", "listxattr", "readlink", "access", "list", "list_changing", "remove_tree", "tmpfile",
	"link_fd", "hold", "held_stat", "held_chmod", "held_utimens", "held_write", "held_drop",
};

/* Long runs of one letter (the names of 255 bytes) are told by their length: "L*255". */
static void print_path(FILE *f, const char *text)
{
	static const struct side none = { .shown = "\x01" };

	while (*text) {
		size_t n = 1;
		while (text[n] == text[0])
			n++;
		if (n > 20)
			fprintf(f, "%c*%zu", text[0], n);
		else
			snapshot_text(f, &none, text, n);
		text += n;
	}
}

static void print_operand(FILE *f, const struct operand *o)
{
	fputs(" [", f);
	if (o->base[0]) {
		print_path(f, o->base);
		fputs("] [", f);
	}
	print_path(f, o->path);
	fputs("]", f);
	if (o->pad)
		fprintf(f, " stretched to %u", o->pad);
}

static void print_open_flags(FILE *f, uint64_t flags)
{
	static const struct {
		uint64_t bit;
		const char *name;
	} bits[] = { { O_CREAT, "CREAT" }, { O_EXCL, "EXCL" }, { O_TRUNC, "TRUNC" }, { O_APPEND, "APPEND" }, { O_NOFOLLOW, "NOFOLLOW" },
		     { O_DIRECTORY, "DIRECTORY" }, { O_PATH, "PATH" }, { O_NOATIME, "NOATIME" } };
	static const char *const access[] = { "RDONLY", "WRONLY", "RDWR", "3" };

	fprintf(f, " %s", access[flags & O_ACCMODE]);
	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
		if (flags & bits[i].bit)
			fprintf(f, "|%s", bits[i].name);
}

char *op_run_text(const struct op *op, struct side *s)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		abort();
	op_run(op, s, f);
	fclose(f);
	return text;
}

void op_print(FILE *f, const struct op *op)
{
	fputs(kind_names[op->kind], f);
	if (op->kind >= OP_HELD_STAT) {
		fprintf(f, " slot %d", (int)(op->seed % SIDE_HELD));
	} else {
		print_operand(f, &op->a);
		if (op->b.path[0])
			print_operand(f, &op->b);
	}
	if (op->kind == OP_OPEN || op->kind == OP_HOLD || op->kind == OP_TMPFILE)
		print_open_flags(f, op->flags);
	else if (op->flags)
		fprintf(f, " flags %#llx", (unsigned long long)op->flags);
	if (op->text[0])
		fprintf(f, " \"%.60s\"", op->text);
	if (op->kind == OP_CHOWN)
		fprintf(f, " %d:%d", (int)op->uid, (int)op->gid);
	fprintf(f, " mode %04o umask %03o n=%ld%s%s\n", op->mode, op->umask, op->number, op->follow ? " follow" : "",
		op->as_user ? " as-user" : "");
}
