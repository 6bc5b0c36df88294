/* copy.c - copying one file-system object onto another, losing nothing.
 *
 * Descriptors opened with O_PATH refuse the f* calls. Metadata therefore goes by "/proc/self/fd/N" with the calls that follow
 * links: the jump through such a link ends at the very object the descriptor holds, a symlink included. (The l* calls would work on the
 * link in /proc instead.)
 */
#include "base/copy.h"

#include <errno.h>
#include <limits.h>
#include <linux/limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/fd.h"
#include "base/sys.h"

/* One step of a copy: small enough to tell of progress and to be stopped. */
#define STEP_KERNEL ((off_t)16 << 20)
#define STEP_BUFFER ((size_t)256 << 10)

struct copier {
	int src;
	int dst;
	bool in_kernel; /* in_kernel: copy_file_range has not been refused yet */
	char *buf;      /* buf: STEP_BUFFER bytes, once they are needed */
	int (*progress)(void *ctx, off_t done);
	void *ctx;
};

/* The start of the data at or after `at`; size when only a hole is left. Without SEEK_DATA all is data. */
static off_t next_data(int fd, off_t at, off_t size)
{
	off_t r = lseek(fd, at, SEEK_DATA);

	if (r < 0)
		return errno == ENXIO ? size : at;
	return r < size ? r : size;
}

static off_t next_hole(int fd, off_t at, off_t size)
{
	off_t r = lseek(fd, at, SEEK_HOLE);

	return r < 0 || r > size ? size : r;
}

/* True for errors that say "not this way", not "this failed". */
static bool refused(ssize_t r)
{
	return r == -EXDEV || r == -ENOSYS || r == -EINVAL || r == -EOPNOTSUPP || r == -EPERM || r == -EBADF || r == -ETXTBSY;
}

/* Copies up to `want` bytes at `at`. Returns the count, 0 at the end of src. */
static ssize_t copy_step(struct copier *c, off_t at, off_t want)
{
	ssize_t n;
	int r;

	if (c->in_kernel) {
		n = sys_copy_file_range(c->src, at, c->dst, at, (size_t)(want < STEP_KERNEL ? want : STEP_KERNEL));
		/* Some file systems answer 0 where they mean "cannot": reading tells which. */
		if (n > 0 || (n < 0 && !refused(n)))
			return n;
		c->in_kernel = false;
	}
	if (!c->buf) {
		c->buf = malloc(STEP_BUFFER);
		if (!c->buf)
			return -ENOMEM;
	}
	n = sys_pread_all(c->src, c->buf, (size_t)want < STEP_BUFFER ? (size_t)want : STEP_BUFFER, at);
	if (n <= 0)
		return n;
	r = sys_pwrite_all(c->dst, c->buf, (size_t)n, at);
	return r < 0 ? r : n;
}

/* Copies [at, end). *ret_end: where it stopped, before end when src has become shorter. */
static int copy_extent(struct copier *c, off_t at, off_t end, off_t *ret_end)
{
	while (at < end) {
		ssize_t n = copy_step(c, at, end - at);
		int r;

		if (n < 0)
			return (int)n;
		if (n == 0)
			break;
		at += n;
		r = c->progress ? c->progress(c->ctx, at) : 0;
		if (r != 0)
			return r;
	}
	*ret_end = at;
	return 0;
}

/* Extent by extent. *ret_size: the length that dst must have. */
static int copy_extents(struct copier *c, off_t size, off_t *ret_size)
{
	struct stat st;
	off_t at = 0;
	int r;

	while (at < size) {
		off_t start = next_data(c->src, at, size), end, got = 0;

		if (start >= size)
			break;
		end = next_hole(c->src, start, size);
		if (end <= start)
			end = size;
		r = copy_extent(c, start, end, &got);
		if (r != 0)
			return r;
		if (got < end) {
			*ret_size = got;
			return 0;
		}
		at = end;
	}
	/* The end of the file looks like a hole too. */
	r = sys_fstat(c->src, &st);
	if (r < 0)
		return r;
	*ret_size = st.st_size < size ? st.st_size : size;
	return 0;
}

int copy_data_progress(int src, int dst, off_t size, int (*progress)(void *ctx, off_t done), void *ctx)
{
	struct copier c = { .src = src, .dst = dst, .in_kernel = true, .progress = progress, .ctx = ctx };
	off_t length = size;
	struct stat st;
	int r;

	if (size <= 0)
		return 0;
	r = sys_ficlone(dst, src);
	if (r == 0) {
		r = sys_fstat(dst, &st);
		if (r == 0 && st.st_size > size)
			r = sys_ftruncate(dst, size);
		return r == 0 && progress ? progress(ctx, size) : r;
	}
	/* Any refusal of a clone is a reason to copy; a disk that is full or broken says so again below. */
	r = copy_extents(&c, size, &length);
	free(c.buf);
	if (r != 0)
		return r;
	r = sys_fstat(dst, &st);
	if (r == 0 && st.st_size != length)
		r = sys_ftruncate(dst, length);
	return r;
}

int copy_data(int src, int dst, off_t size)
{
	return copy_data_progress(src, dst, size, NULL, NULL);
}

/* --- extended attributes --- */

struct names {
	char small[512];
	char *list; /* list: small, or memory of its own */
	size_t len;
};

static void names_release(struct names *n)
{
	if (n->list != n->small)
		free(n->list);
}

/* All names at path; none where the file system has no xattrs. */
static int names_read(struct names *n, const char *path)
{
	ssize_t len = listxattr(path, n->small, sizeof n->small);

	n->list = n->small;
	n->len = 0;
	if (len < 0 && errno == ERANGE) {
		n->list = malloc(XATTR_LIST_MAX);
		if (!n->list) {
			n->list = n->small;
			return -ENOMEM;
		}
		len = listxattr(path, n->list, XATTR_LIST_MAX);
	}
	if (len < 0)
		return errno == EOPNOTSUPP || errno == ENOSYS ? 0 : -errno;
	n->len = (size_t)len;
	return 0;
}

static const char *names_first(const struct names *n)
{
	return n->len ? n->list : NULL;
}

static const char *names_next(const struct names *n, const char *name)
{
	name += strlen(name) + 1;
	return name < n->list + n->len ? name : NULL;
}

static bool names_has(const struct names *n, const char *name)
{
	for (const char *s = names_first(n); s; s = names_next(n, s))
		if (strcmp(s, name) == 0)
			return true;
	return false;
}

static bool starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* Ours, the kernel overlay's, and sums over content that the kernel makes itself: never copied, never compared. */
static bool is_private(const char *name)
{
	return starts(name, "user.overlay.") || starts(name, "trusted.overlay.") || strcmp(name, "security.ima") == 0 ||
	       strcmp(name, "security.evm") == 0;
}

/* A label that a security module gives to every object, by where it lies: copied where that is allowed, but no difference. */
static bool is_label(const char *name)
{
	return strcmp(name, "security.selinux") == 0 || starts(name, "security.SMACK64") || strcmp(name, "security.apparmor") == 0;
}

/* Errors of one attribute that leave the others worth copying. */
static bool is_refusal(int r)
{
	return r == -EPERM || r == -EACCES || r == -EOPNOTSUPP || r == -EINVAL || r == -E2BIG || r == -ENOSYS;
}

static int copy_xattr(const char *src, const char *dst, const char *name, char *value)
{
	ssize_t n = getxattr(src, name, value, XATTR_SIZE_MAX);

	if (n < 0)
		return errno == ENODATA ? 0 : -errno;
	return sys_setxattr(dst, name, value, (size_t)n, 0);
}

/* Removes what dst has and src has not: what a default ACL of the parent gave it, say. */
static int drop_extra(const struct names *want, const char *dst, bool *lost)
{
	struct names have;
	int r = names_read(&have, dst);

	for (const char *s = r < 0 ? NULL : names_first(&have); s; s = names_next(&have, s)) {
		if (is_private(s) || is_label(s) || names_has(want, s))
			continue;
		r = sys_removexattr(dst, s);
		if (is_refusal(r)) {
			*lost = true;
			r = 0;
		} else if (r == -ENODATA) {
			r = 0;
		}
		if (r < 0)
			break;
	}
	names_release(&have);
	return r;
}

/* An ACL decides, as the mode does, who may set the other attributes: of an ordinary user it could bar this one. */
static bool is_acl(const char *name)
{
	return starts(name, "system.posix_acl_");
}

static int copy_names(const struct names *want, bool acls, const char *src, const char *dst, bool *lost)
{
	_cleanup_free_ char *value = NULL;

	for (const char *s = names_first(want); s; s = names_next(want, s)) {
		int r;

		if (is_private(s) || is_acl(s) != acls)
			continue;
		if (!value) {
			value = malloc(XATTR_SIZE_MAX);
			if (!value)
				return -ENOMEM;
		}
		r = copy_xattr(src, dst, s, value);
		if (r >= 0)
			continue;
		if (!is_refusal(r))
			return r;
		if (!is_label(s))
			*lost = true;
	}
	return 0;
}

static int copy_xattrs(int src, int dst, bool *lost)
{
	char from[FD_PATH_MAX], to[FD_PATH_MAX];
	struct names want;
	int r;

	fd_path(from, src);
	fd_path(to, dst);
	r = names_read(&want, from);
	if (r == 0)
		r = drop_extra(&want, to, lost);
	if (r == 0)
		r = copy_names(&want, false, from, to, lost);
	if (r == 0)
		r = copy_names(&want, true, from, to, lost);
	names_release(&want);
	return r;
}

/* The owner's own mode may refuse the owner user.*: then it does not for the time being. */
static int copy_xattrs_writable(int src, int dst, bool *lost)
{
	struct stat st;
	int r = copy_xattrs(src, dst, lost), back = 0;

	if (r < 0 || !*lost || geteuid() == 0 || sys_fstat(dst, &st) < 0 || st.st_uid != geteuid() || (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)))
		return r;
	/* An ACL is there by now, and may have made it writable. */
	if (!(st.st_mode & 0200) && sys_chmod_fd(dst, (st.st_mode & 07777) | 0200) < 0)
		return 0;
	*lost = false;
	r = copy_xattrs(src, dst, lost);
	if (!(st.st_mode & 0200))
		back = sys_chmod_fd(dst, st.st_mode & 07777);
	return r < 0 ? r : back;
}

/* --- metadata --- */

/* Sets owner and group, each where it is permitted. Returns the mode bits that must not be set then, or -errno. */
static int copy_owner(int dst, const struct stat *st, unsigned *lost)
{
	int flags = AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, r;
	int drop = 0;

	r = sys_fchownat(dst, "", st->st_uid, st->st_gid, flags);
	if (r == 0)
		return 0;
	/* EINVAL: an id that this user namespace has no name for. */
	if (!is_refusal(r))
		return r;
	*lost |= COPY_LOST_OWNER;
	r = sys_fchownat(dst, "", (uid_t)-1, st->st_gid, flags);
	if (r < 0 && !is_refusal(r))
		return r;
	if (r < 0)
		drop |= S_ISGID;
	r = sys_fchownat(dst, "", st->st_uid, (gid_t)-1, flags);
	if (r < 0 && !is_refusal(r))
		return r;
	if (r < 0)
		drop |= S_ISUID;
	/* On a directory the bits say how new entries are grouped, and lend nobody's rights. */
	return S_ISDIR(st->st_mode) ? 0 : drop;
}

int copy_metadata(int src, int dst, const struct stat *st, unsigned flags, unsigned *ret_lost)
{
	struct timespec times[2] = { st->st_atim, st->st_mtim };
	unsigned lost = 0;
	bool lost_xattr = false;
	int r = 0, drop = 0;

	/* Owner first: a change of owner clears set-id bits and security.capability. */
	if (flags & COPY_OWNER) {
		drop = copy_owner(dst, st, &lost);
		if (drop < 0)
			return drop;
	}
	if (flags & COPY_XATTRS) {
		r = copy_xattrs_writable(src, dst, &lost_xattr);
		if (r < 0)
			return r;
		if (lost_xattr)
			lost |= COPY_LOST_XATTR;
	}
	/* Mode after the attributes, as ACLs after the others: a mode without the write bit would refuse user.* to their owner. With an ACL the
	 * group bits of the source's mode are the mask its ACL has, so that this changes nothing of it. */
	if ((flags & COPY_MODE) && !S_ISLNK(st->st_mode)) {
		r = sys_chmod_fd(dst, st->st_mode & 07777 & ~(mode_t)drop);
		if (r < 0)
			return r;
	}
	if (flags & COPY_TIMES) {
		r = sys_utimensat(dst, "", times, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW);
		if (r < 0)
			return r;
	}
	if (ret_lost)
		*ret_lost = lost;
	return 0;
}

/* --- comparing --- */

static bool is_compared(const char *name)
{
	return !is_private(name) && !is_label(name);
}

static size_t names_compared(const struct names *n)
{
	size_t count = 0;

	for (const char *s = names_first(n); s; s = names_next(n, s))
		count += is_compared(s);
	return count;
}

/* 1 when both have the attribute with one value. */
static int xattr_equal(const char *a, const char *b, const char *name, char *buf)
{
	ssize_t na = getxattr(a, name, buf, XATTR_SIZE_MAX), nb;

	if (na < 0)
		return errno == ENODATA ? 0 : -errno;
	nb = getxattr(b, name, buf + XATTR_SIZE_MAX, XATTR_SIZE_MAX);
	if (nb < 0)
		return errno == ENODATA ? 0 : -errno;
	return na == nb && memcmp(buf, buf + XATTR_SIZE_MAX, (size_t)na) == 0;
}

static int values_equal(const struct names *n, const char *a, const char *b)
{
	_cleanup_free_ char *buf = NULL;
	int r = 1;

	for (const char *s = names_first(n); s && r == 1; s = names_next(n, s)) {
		if (!is_compared(s))
			continue;
		if (!buf) {
			buf = malloc(2 * (size_t)XATTR_SIZE_MAX);
			if (!buf)
				return -ENOMEM;
		}
		r = xattr_equal(a, b, s, buf);
	}
	return r;
}

int copy_xattrs_equal(int a, int b)
{
	char path_a[FD_PATH_MAX], path_b[FD_PATH_MAX];
	struct names names_a, names_b;
	int r;

	fd_path(path_a, a);
	fd_path(path_b, b);
	r = names_read(&names_a, path_a);
	if (r < 0) {
		names_release(&names_a);
		return r;
	}
	r = names_read(&names_b, path_b);
	if (r == 0)
		r = names_compared(&names_a) == names_compared(&names_b) ? values_equal(&names_a, path_a, path_b) : 0;
	names_release(&names_a);
	names_release(&names_b);
	return r;
}

/* -1: it has none of that name. */
static ssize_t value_read(int fd, const char *path, const char *name, char *buf)
{
	ssize_t n = fd < 0 ? -1 : getxattr(path, name, buf, XATTR_SIZE_MAX);

	return n >= 0 ? n : fd < 0 || errno == ENODATA ? -1 : -errno - 1;
}

/* Of the names, those that skip has not. */
static int values_compare(const struct names *names, const struct names *skip, int a, int b, copy_xattr_tell tell, void *ctx)
{
	_cleanup_free_ char *buf = malloc(2 * (size_t)XATTR_SIZE_MAX);
	char path_a[FD_PATH_MAX], path_b[FD_PATH_MAX];

	if (!buf)
		return -ENOMEM;
	if (a >= 0)
		fd_path(path_a, a);
	if (b >= 0)
		fd_path(path_b, b);
	for (const char *s = names_first(names); s; s = names_next(names, s)) {
		ssize_t na, nb;

		if (!is_compared(s) || (skip && names_has(skip, s)))
			continue;
		na = value_read(a, path_a, s, buf);
		nb = value_read(b, path_b, s, buf + XATTR_SIZE_MAX);
		if (na < -1 || nb < -1)
			return (int)(na < -1 ? na : nb) + 1;
		if (na != nb || (na > 0 && memcmp(buf, buf + XATTR_SIZE_MAX, (size_t)na) != 0))
			tell(ctx, s, buf, na, buf + XATTR_SIZE_MAX, nb);
	}
	return 0;
}

int copy_xattrs_compare(int a, int b, copy_xattr_tell tell, void *ctx)
{
	char path[FD_PATH_MAX];
	struct names names_a = { .list = names_a.small }, names_b = { .list = names_b.small };
	int r = 0;

	if (a >= 0) {
		fd_path(path, a);
		r = names_read(&names_a, path);
	}
	if (r == 0 && b >= 0) {
		fd_path(path, b);
		r = names_read(&names_b, path);
	}
	if (r == 0 && names_a.len)
		r = values_compare(&names_a, NULL, a, b, tell, ctx);
	if (r == 0 && names_b.len)
		r = values_compare(&names_b, &names_a, a, b, tell, ctx);
	names_release(&names_a);
	names_release(&names_b);
	return r;
}

/* 1 when [at, at + want) is the same in both. buf: twice STEP_BUFFER. */
int copy_content_hash(int fd, uint64_t *ret)
{
	enum { PIECE = 1 << 18 };
	_cleanup_free_ char *buf = malloc(PIECE);
	XXH3_state_t *state = XXH3_createState();
	ssize_t n = buf && state ? 0 : -ENOMEM;

	if (n == 0)
		XXH3_64bits_reset(state);
	for (off_t at = 0; n >= 0; at += n) {
		n = sys_pread_all(fd, buf, PIECE, at);
		if (n <= 0)
			break;
		XXH3_64bits_update(state, buf, (size_t)n);
	}
	if (n >= 0)
		*ret = XXH3_64bits_digest(state);
	XXH3_freeState(state);
	return n < 0 ? (int)n : 0;
}

static int step_equal(int a, int b, off_t at, size_t want, char *buf)
{
	ssize_t na = sys_pread_all(a, buf, want, at), nb;

	if (na < 0)
		return (int)na;
	nb = sys_pread_all(b, buf + STEP_BUFFER, want, at);
	if (nb < 0)
		return (int)nb;
	return na == nb && (size_t)na == want && memcmp(buf, buf + STEP_BUFFER, want) == 0;
}

int copy_content_equal(int a, int b)
{
	_cleanup_free_ char *buf = NULL;
	struct stat sa = { 0 }, sb = { 0 };
	int r;

	r = sys_fstat(a, &sa);
	if (r == 0)
		r = sys_fstat(b, &sb);
	if (r < 0)
		return r;
	if (sa.st_size != sb.st_size)
		return 0;
	if ((sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino) || sa.st_size == 0)
		return 1;
	buf = malloc(2 * STEP_BUFFER);
	if (!buf)
		return -ENOMEM;
	for (off_t at = 0; at < sa.st_size;) {
		/* Where both have a hole there is nothing to compare. */
		off_t da = next_data(a, at, sa.st_size), db = next_data(b, at, sa.st_size);
		size_t want;

		at = da < db ? da : db;
		if (at >= sa.st_size)
			break;
		want = (size_t)(sa.st_size - at) < STEP_BUFFER ? (size_t)(sa.st_size - at) : STEP_BUFFER;
		r = step_equal(a, b, at, want, buf);
		if (r != 1)
			return r;
		at += (off_t)want;
	}
	return 1;
}
