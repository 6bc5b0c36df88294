#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "base/fd.h"
#include "sample.h"

#define MADE_MAX 120

struct made {
	char path[PATH_MAX];
	mode_t type;
};

struct builder {
	const char *root;
	struct rng *r;
	unsigned flags;
	struct made *made;
	int count;
};

const char *sample_name(struct rng *r, char *buf)
{
	static const char *const odd[] = { "with space", "\xc3\xa9t\xc3\xa9", "\xff\xfe", ".hidden", ".wh.a", "-f", "new\nline", "...", "\\" };

	switch (rng_below(r, 40)) {
	case 0:
		memset(buf, 'L', 255);
		buf[255] = '\0';
		return buf;
	case 1: case 2: case 3:
		return RNG_PICK(r, odd);
	default:
		snprintf(buf, 300, "%c", 'a' + (char)rng_below(r, 8));
		return buf;
	}
}

static void put_le(unsigned char *p, unsigned value, int bytes)
{
	for (int i = 0; i < bytes; i++)
		p[i] = (unsigned char)(value >> (8 * i));
}

size_t sample_acl(struct rng *r, unsigned char *buf)
{
	/* tag, permissions, id: owner, one named user, group, mask, other */
	const unsigned entries[5][3] = {
		{ 0x01, 5 + 2 * rng_below(r, 2), 0xffffffff }, { 0x02, rng_below(r, 8), 1000 }, { 0x04, rng_below(r, 8), 0xffffffff },
		{ 0x10, rng_below(r, 8), 0xffffffff }, { 0x20, rng_below(r, 8), 0xffffffff },
	};

	put_le(buf, 2, 4);
	for (int i = 0; i < 5; i++) {
		put_le(buf + 4 + 8 * i, entries[i][0], 2);
		put_le(buf + 6 + 8 * i, entries[i][1], 2);
		put_le(buf + 8 + 8 * i, entries[i][2], 4);
	}
	return 4 + 8 * 5;
}

static int make_file(struct builder *b, const char *path)
{
	char data[6000];
	size_t n = rng_below(b->r, 4) ? rng_below(b->r, 200) : rng_below(b->r, sizeof(data));
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	for (size_t i = 0; i < n; i++)
		data[i] = (char)('a' + rng_below(b->r, 26));
	if (rng_chance(b->r, 6) && ftruncate(fd, 300000) < 0)
		return -errno;
	if (pwrite(fd, data, n, rng_chance(b->r, 6) ? 131072 : 0) < 0)
		return -errno;
	return 0;
}

static int make_symlink(struct builder *b, const char *path)
{
	static const char *const fixed[] = { ".", "..", "nowhere", "/nonexistent-oracle/x", "a/", "./a", "../b" };
	char target[PATH_MAX], rest[300], name[300];

	/* To the directory part below the root, to a name, absolute or relative, or to itself. */
	snprintf(name, sizeof(name), "%s", sample_name(b->r, rest));
	switch (rng_below(b->r, 5)) {
	case 0:
		snprintf(target, sizeof(target), "%s", RNG_PICK(b->r, fixed));
		break;
	case 1:
		snprintf(target, sizeof(target), "%s", strrchr(path, '/') + 1);
		break;
	case 2:
		snprintf(target, sizeof(target), "%s/%s", b->root, name);
		break;
	default:
		snprintf(target, sizeof(target), "%s", name);
	}
	return symlink(target, path) < 0 ? -errno : 0;
}

static int make_link(struct builder *b, const char *path)
{
	for (int tries = 0; tries < 10 && b->count; tries++) {
		const struct made *m = &b->made[rng_below(b->r, (unsigned)b->count)];

		if (!S_ISDIR(m->type))
			return link(m->path, path) < 0 ? -errno : 0;
	}
	return make_file(b, path);
}

static int make_one(struct builder *b, const char *path, mode_t *ret_type)
{
	unsigned kind = rng_below(b->r, 100);

	*ret_type = S_IFREG;
	if (kind < 30)
		return *ret_type = S_IFDIR, mkdir(path, 0700) < 0 ? -errno : 0;
	if (kind < 45)
		return *ret_type = S_IFLNK, make_symlink(b, path);
	if (kind < 50)
		return *ret_type = S_IFIFO, mkfifo(path, 0600) < 0 ? -errno : 0;
	if (kind < 62 && b->flags & SAMPLE_HARD_LINKS)
		return *ret_type = 0, make_link(b, path);
	return make_file(b, path);
}

static int fill(struct builder *b, const char *dir, int depth)
{
	unsigned n = depth == 0 ? 14 : rng_below(b->r, 9);

	for (unsigned i = 0; i < n && b->count < MADE_MAX; i++) {
		char path[PATH_MAX], name[300];
		mode_t type;
		int r;

		if (snprintf(path, sizeof(path), "%s/%s", dir, sample_name(b->r, name)) >= (int)sizeof(path) - 300)
			return 0;
		r = make_one(b, path, &type);
		if (r == -EEXIST)
			continue;
		if (r < 0)
			return r;
		snprintf(b->made[b->count].path, PATH_MAX, "%s", path);
		b->made[b->count++].type = type;
		if (S_ISDIR(type) && depth < 3) {
			r = fill(b, path, depth + 1);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

static mode_t pick_mode(struct builder *b, mode_t type)
{
	static const mode_t files[] = { 0644, 0644, 0600, 0755, 0444, 0666, 04755, 02755, 0400 };
	static const mode_t hard_files[] = { 0200, 0000, 0222, 0111 };
	static const mode_t dirs[] = { 0755, 0755, 0700, 0775, 0555, 02775, 01775, 0500, 0777 };
	static const mode_t hard_dirs[] = { 0300, 0000, 0311, 0444 };

	if (b->flags & SAMPLE_UNREADABLE && rng_chance(b->r, 8))
		return S_ISDIR(type) ? RNG_PICK(b->r, hard_dirs) : RNG_PICK(b->r, hard_files);
	return S_ISDIR(type) ? RNG_PICK(b->r, dirs) : RNG_PICK(b->r, files);
}

static int set_xattrs(struct builder *b, const char *path, mode_t type)
{
	static const char *const names[] = { "user.a", "user.mime_type", "user.long.name.of.an.attribute" };
	unsigned char acl[64];
	size_t n;

	if (!S_ISREG(type) && !S_ISDIR(type))
		return 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (rng_chance(b->r, 15) && setxattr(path, names[i], "some value", rng_below(b->r, 10), 0) < 0 && errno != EOPNOTSUPP)
			return -errno;
	if (b->flags & SAMPLE_ACLS && rng_chance(b->r, 6)) {
		const char *name = S_ISDIR(type) && rng_chance(b->r, 50) ? "system.posix_acl_default" : "system.posix_acl_access";
		n = sample_acl(b->r, acl);
		if (setxattr(path, name, acl, n, 0) < 0 && errno != EOPNOTSUPP)
			return -errno;
	}
	return 0;
}

/* Owner, xattrs, mode, times: children before their directory, since that may become unwritable by its mode. */
static int finish(struct builder *b, const char *path, mode_t type)
{
	static const uid_t uids[] = { 0, 0, 1000, 65534 };
	static const gid_t gids[] = { 0, 0, 1000 };
	struct timespec ts[2];

	for (int i = 0; i < 2; i++)
		ts[i] = (struct timespec){ 1000000000 + (time_t)rng_below(b->r, 400000000), rng_below(b->r, 1000000000) };
	if (b->flags & SAMPLE_OWNERS) {
		uid_t uid = RNG_PICK(b->r, uids);
		gid_t gid = RNG_PICK(b->r, gids);
		if (lchown(path, uid, gid) < 0)
			return -errno;
	}
	/* A file with several names comes by here several times. */
	int r = S_ISREG(type) && chmod(path, 0600) < 0 ? -errno : set_xattrs(b, path, type);
	if (r < 0)
		return r;
	if (!S_ISLNK(type)) {
		mode_t mode = pick_mode(b, type);
		/* An ACL's mask is the group bits; leave it as set. */
		if (getxattr(path, "system.posix_acl_access", NULL, 0) < 0 && chmod(path, mode) < 0)
			return -errno;
	}
	return utimensat(AT_FDCWD, path, ts, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

int sample_build(const char *root, struct rng *r, unsigned flags)
{
	_cleanup_free_ struct made *made = calloc(MADE_MAX + 8, sizeof(*made));
	struct builder b = { .root = root, .r = r, .flags = flags, .made = made };
	struct timespec ts[2] = { { 1000000000, 1 }, { 1000000000, 2 } };
	int n;

	if (!made)
		return -ENOMEM;
	n = fill(&b, root, 0);
	for (int i = b.count - 1; n == 0 && i >= 0; i--) {
		struct stat st;

		if (lstat(made[i].path, &st) < 0)
			return -errno;
		n = finish(&b, made[i].path, st.st_mode);
	}
	if (n < 0)
		return n;
	return chmod(root, 0755) < 0 || utimensat(AT_FDCWD, root, ts, 0) < 0 ? -errno : 0;
}

static int remove_at(int dirfd, const char *name)
{
	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM && errno != EACCES)
		return -errno;
	if (fchmodat(dirfd, name, 0700, 0) < 0)
		return -errno;
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	_cleanup_closedir_ DIR *d = fdopendir(fd);
	if (!d)
		return close(fd), -ENOMEM;
	for (struct dirent *e; (e = readdir(d));) {
		int r = strcmp(e->d_name, ".") && strcmp(e->d_name, "..") ? remove_at(fd, e->d_name) : 0;
		if (r < 0)
			return r;
	}
	return unlinkat(dirfd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

int sample_remove(const char *path)
{
	return remove_at(AT_FDCWD, path);
}
