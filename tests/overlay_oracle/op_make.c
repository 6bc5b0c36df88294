/* op_make.c - choosing operations, and keeping them inside the tree. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <dirent.h>
#include <unistd.h>
#include "base/fd.h"
#include "op.h"
#include "sample.h"

#define POOL_MAX 600

struct pool {
	char (*path)[OP_PATH];
	unsigned char *type;
	int count;
};

static void pool_add(struct pool *p, struct side *plain, const char *dir, int depth)
{
	_cleanup_free_ struct side_dirent *list = NULL;
	size_t count = 0;

	if (side_list(plain, dir, &list, &count) < 0)
		return;
	for (size_t i = 0; i < count && p->count < POOL_MAX; i++) {
		char *path = p->path[p->count];

		if (snprintf(path, OP_PATH, "%s%s%s", dir, dir[0] ? "/" : "", list[i].name) >= OP_PATH - 300)
			continue;
		p->type[p->count++] = list[i].type;
		if (list[i].type == DT_DIR && depth < 6) {
			char below[OP_PATH];
			snprintf(below, sizeof(below), "%s", path);
			pool_add(p, plain, below, depth + 1);
		}
	}
}

static const char *pool_pick(const struct pool *p, struct rng *r, int type)
{
	for (int tries = 0; tries < 20 && p->count; tries++) {
		int i = (int)rng_below(r, (unsigned)p->count);
		if (!type || p->type[i] == type)
			return p->path[i];
	}
	return "";
}

/* A name in an existing directory, or below something that may not be a directory. */
static void new_path(char *ret, const struct pool *p, struct rng *r)
{
	char name[300];
	const char *dir = rng_chance(r, 20) ? "" : pool_pick(p, r, rng_chance(r, 85) ? DT_DIR : 0);

	snprintf(ret, OP_PATH, "%s%s%s", dir, dir[0] ? "/" : "", sample_name(r, name));
}

/* The same object by an unusual path. */
static void decorate(struct operand *o, const struct pool *p, struct rng *r)
{
	char old[OP_PATH], name[300];
	char *slash;

	snprintf(old, sizeof(old), "%s", o->path);
	switch (rng_below(r, 13)) {
	case 0: snprintf(o->path, OP_PATH, "%s/", old); break;
	case 1: snprintf(o->path, OP_PATH, "%s//", old); break;
	case 2: snprintf(o->path, OP_PATH, "%s/.", old); break;
	case 3: snprintf(o->path, OP_PATH, "%s/..", old); break;
	case 4: snprintf(o->path, OP_PATH, "./%s", old); break;
	case 5: snprintf(o->path, OP_PATH, "@/%s", old); break;
	case 6: snprintf(o->path, OP_PATH, "@//%s", old); break;
	case 7: snprintf(o->path, OP_PATH, "%s/../%s", pool_pick(p, r, 0), old); break;
	case 8: snprintf(o->path, OP_PATH, "%s/../%s", pool_pick(p, r, DT_DIR), old); break;
	case 9:
		slash = strchr(old, '/');
		if (slash)
			*slash++ = '\0';
		snprintf(o->path, OP_PATH, slash ? "%s//%s" : "%s", old, slash);
		break;
	case 10:
		memset(name, 'N', 256);
		name[255 + rng_below(r, 2)] = '\0';
		snprintf(o->path, OP_PATH, "%s%s%s", rng_chance(r, 50) ? old : "", rng_chance(r, 50) ? "/" : "", name);
		break;
	case 11: o->pad = 4094 + rng_below(r, 3); break;
	default:
		if (rng_chance(r, 30))
			o->path[0] = '\0';
	}
}

enum want { WANT_ANY, WANT_FILE, WANT_DIR, WANT_LINK, WANT_NEW };

static void pick_operand(struct operand *o, const struct pool *p, struct rng *r, enum want want)
{
	static const int types[] = { 0, DT_REG, DT_DIR, DT_LNK, 0 };
	const char *base;
	size_t n;

	memset(o, 0, sizeof(*o));
	if (rng_chance(r, want == WANT_NEW ? 75 : 15))
		new_path(o->path, p, r);
	else
		snprintf(o->path, OP_PATH, "%s", pool_pick(p, r, rng_chance(r, 80) ? types[want] : 0));
	if (!o->path[0])
		new_path(o->path, p, r);
	/* Through a symlink on the way: "link/name" where the link may lead to a directory. */
	if (rng_chance(r, 10) && strlen(o->path) < 300) {
		char old[OP_PATH];
		const char *last = strrchr(o->path, '/');
		snprintf(old, sizeof(old), "%s", last ? last + 1 : o->path);
		snprintf(o->path, OP_PATH, "%s/%s", pool_pick(p, r, DT_LNK), old);
		if (o->path[0] == '/')
			memmove(o->path, o->path + 1, strlen(o->path));
	}
	/* From another start directory: a parent of the path, or a strange one. */
	base = pool_pick(p, r, DT_DIR);
	n = strlen(base);
	if (n && n < sizeof(o->base) && rng_chance(r, 50)) {
		if (!strncmp(o->path, base, n) && o->path[n] == '/') {
			snprintf(o->base, sizeof(o->base), "%s", base);
			memmove(o->path, o->path + n + 1, strlen(o->path + n + 1) + 1);
		} else if (rng_chance(r, 25)) {
			snprintf(o->base, sizeof(o->base), "%s", base);
		}
	}
	if (rng_chance(r, 18) && strlen(o->path) < 300)
		decorate(o, p, r);
}

static uint64_t open_flags(struct rng *r)
{
	static const uint64_t access[] = { O_RDONLY, O_RDONLY, O_WRONLY, O_RDWR, O_RDWR };
	uint64_t f = RNG_PICK(r, access) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;

	if (rng_chance(r, 6))
		return O_PATH | O_CLOEXEC | (rng_chance(r, 30) ? O_NOFOLLOW : 0) | (rng_chance(r, 20) ? O_DIRECTORY : 0);
	f |= rng_chance(r, 50) ? O_CREAT : 0;
	f |= rng_chance(r, 18) ? O_EXCL : 0;
	f |= rng_chance(r, 25) ? O_TRUNC : 0;
	f |= rng_chance(r, 18) ? O_APPEND : 0;
	f |= rng_chance(r, 12) ? O_NOFOLLOW : 0;
	f |= rng_chance(r, 3) ? O_NOATIME : 0;
	if (rng_chance(r, 8))
		f = (f | O_DIRECTORY) & ~(uint64_t)O_CREAT;
	/* O_EXCL without O_CREAT is undefined for what is no block device. */
	return f & O_CREAT ? f : f & ~(uint64_t)O_EXCL;
}

static void make_symlink_text(struct op *op, const struct pool *p, struct rng *r)
{
	static const char *const fixed[] = { ".", "..", "nowhere", "/nonexistent-oracle/x", "a/", "a/.", "../a", "", "./b//c" };
	char name[300];

	switch (rng_below(r, 5)) {
	case 0: snprintf(op->text, OP_PATH, "%s", RNG_PICK(r, fixed)); break;
	case 1: snprintf(op->text, OP_PATH, "@/%s", pool_pick(p, r, 0)); break;
	case 2: snprintf(op->text, OP_PATH, "%s", pool_pick(p, r, DT_DIR)); break;
	case 3: snprintf(op->text, OP_PATH, "%s", sample_name(r, name)); break;
	default: snprintf(op->text, OP_PATH, "%s", op->a.path);
	}
}

static void make_xattr(struct op *op, struct rng *r, const struct op_options *options)
{
	static const char *const names[] = { "user.a", "user.a", "user.mime_type", "user.long.name.of.an.attribute", "user.b",
					     "system.posix_acl_access", "system.posix_acl_default", "user.", "nonsense.x" };
	static const char *const roots[] = { "trusted.a", "security.oracle" };
	static const int flags[] = { 0, 0, 0, XATTR_CREATE, XATTR_REPLACE };

	/* Assuming another fsuid leaves CAP_SYS_ADMIN, which alone decides for these: no honest comparison. */
	snprintf(op->text, OP_PATH, "%s", options->root && !op->as_user && rng_chance(r, 10) ? RNG_PICK(r, roots) : RNG_PICK(r, names));
	op->flags = (uint64_t)RNG_PICK(r, flags);
	op->number = rng_chance(r, 10) ? 800 : (long)rng_below(r, 40);
	op->follow = rng_chance(r, 70);
}

static mode_t pick_mode(struct rng *r)
{
	static const mode_t modes[] = { 0644, 0600, 0755, 0700, 0666, 0777, 0444, 0555, 04755, 02755, 01755, 06711, 02775 };

	return rng_chance(r, 8) ? (mode_t)rng_below(r, 010000) : RNG_PICK(r, modes);
}

static void pick_owner(struct op *op, struct rng *r, const struct op_options *options)
{
	static const uid_t ids[] = { (uid_t)-1, 0, 1000, 65534 };

	op->uid = options->root ? RNG_PICK(r, ids) : rng_chance(r, 50) ? (uid_t)-1 : options->own_uid;
	op->gid = options->root ? RNG_PICK(r, ids) : rng_chance(r, 50) ? (gid_t)-1 : getgid();
}

static void make_node(struct op *op, struct rng *r, const struct op_options *options)
{
	static const mode_t types[] = { S_IFIFO, S_IFIFO, S_IFREG, 0, S_IFSOCK };

	op->mode = RNG_PICK(r, types);
	if (op->mode == S_IFSOCK && options->no_sockets)
		op->mode = S_IFIFO;
	op->mode |= pick_mode(r) & 0777;
	if (options->root && rng_chance(r, 8)) {
		op->mode = S_IFCHR | 0600;
		op->number = (long)makedev(1, 3);
	}
}

struct weight {
	unsigned char kind, weight, want;
};

static const struct weight weights[] = {
	{ OP_OPEN, 20, WANT_FILE }, { OP_MKDIR, 7, WANT_NEW }, { OP_MKNOD, 3, WANT_NEW }, { OP_SYMLINK, 5, WANT_NEW },
	{ OP_LINK, 5, WANT_FILE }, { OP_UNLINK, 7, WANT_ANY }, { OP_RMDIR, 5, WANT_DIR }, { OP_RENAME, 12, WANT_ANY },
	{ OP_STAT, 6, WANT_ANY }, { OP_CHMOD, 5, WANT_ANY }, { OP_CHOWN, 3, WANT_ANY }, { OP_UTIMENS, 5, WANT_ANY },
	{ OP_TRUNCATE, 3, WANT_FILE }, { OP_SETXATTR, 4, WANT_ANY }, { OP_REMOVEXATTR, 2, WANT_ANY }, { OP_GETXATTR, 3, WANT_ANY },
	{ OP_LISTXATTR, 2, WANT_ANY }, { OP_READLINK, 2, WANT_LINK }, { OP_ACCESS, 3, WANT_ANY }, { OP_LIST, 3, WANT_DIR },
	{ OP_LIST_CHANGING, 3, WANT_DIR }, { OP_REMOVE_TREE, 1, WANT_DIR }, { OP_TMPFILE, 2, WANT_DIR }, { OP_LINK_FD, 2, WANT_FILE },
	{ OP_HOLD, 3, WANT_FILE }, { OP_HELD_STAT, 3, WANT_ANY }, { OP_HELD_CHMOD, 1, WANT_ANY }, { OP_HELD_UTIMENS, 1, WANT_ANY },
	{ OP_HELD_WRITE, 2, WANT_ANY }, { OP_HELD_DROP, 1, WANT_ANY },
};

static const struct weight *pick_kind(struct rng *r, const struct op_options *options)
{
	for (;;) {
		const struct weight *w = &RNG_PICK(r, weights);

		if (rng_below(r, 20) >= w->weight || (options->no_held && w->kind >= OP_HOLD))
			continue;
		return w;
	}
}

static void make_rename(struct op *op, const struct pool *p, struct rng *r)
{
	unsigned dice = rng_below(r, 100);

	op->flags = dice < 65 ? 0 : dice < 78 ? RENAME_NOREPLACE : dice < 98 ? RENAME_EXCHANGE : RENAME_NOREPLACE | RENAME_EXCHANGE;
	pick_operand(&op->b, p, r, op->flags & RENAME_EXCHANGE || rng_chance(r, 45) ? WANT_ANY : WANT_NEW);
}

static void make_rest(struct op *op, const struct pool *p, struct rng *r, const struct op_options *options)
{
	switch (op->kind) {
	case OP_OPEN: case OP_HOLD: op->flags = open_flags(r); break;
	case OP_MKNOD: make_node(op, r, options); break;
	case OP_SYMLINK: make_symlink_text(op, p, r); break;
	case OP_LINK: case OP_LINK_FD: pick_operand(&op->b, p, r, WANT_NEW); break;
	case OP_RENAME: make_rename(op, p, r); break;
	case OP_TMPFILE:
		op->flags = (rng_chance(r, 50) ? O_RDWR : O_WRONLY) | (rng_chance(r, 15) ? O_EXCL : 0);
		pick_operand(&op->b, p, r, WANT_NEW);
		break;
	case OP_STAT:
		op->flags = (rng_chance(r, 40) ? LOOKUP_NOFOLLOW : 0) | (rng_chance(r, 8) ? LOOKUP_DIRECTORY : 0);
		break;
	case OP_CHOWN: pick_owner(op, r, options); break;
	case OP_TRUNCATE: op->number = rng_chance(r, 10) ? -1 : (long)rng_below(r, 9000); break;
	case OP_SETXATTR: case OP_REMOVEXATTR: case OP_GETXATTR: case OP_LISTXATTR: make_xattr(op, r, options); break;
	case OP_ACCESS:
		op->mode = rng_below(r, 8);
		op->flags = (rng_chance(r, 40) || op->as_user ? AT_EACCESS : 0) | (rng_chance(r, 20) ? AT_SYMLINK_NOFOLLOW : 0);
		break;
	default: break;
	}
}

void op_make(struct op *op, struct rng *r, struct side *plain, const struct op_options *options)
{
	static const mode_t umasks[] = { 022, 022, 0, 077, 0777, 027 };
	_cleanup_free_ char (*paths)[OP_PATH] = calloc(POOL_MAX, OP_PATH);
	unsigned char types[POOL_MAX];
	struct pool p = { .path = paths, .type = types };
	const struct weight *w = pick_kind(r, options);

	if (!paths)
		abort();
	pool_add(&p, plain, "", 0);
	memset(op, 0, sizeof(*op));
	op->kind = w->kind;
	op->umask = RNG_PICK(r, umasks);
	op->mode = pick_mode(r);
	op->number = (long)rng_below(r, 8000);
	op->seed = rng_next(r);
	op->follow = rng_chance(r, 70);
	op->as_user = options->as_uid != (uid_t)-1 && rng_chance(r, 50);
	pick_operand(&op->a, &p, r, w->want);
	/* The plain side prefixes the paths of calls that take no directory; a path of the greatest length leaves no room. */
	if (op->kind == OP_TRUNCATE || (op->kind >= OP_SETXATTR && op->kind <= OP_LISTXATTR))
		op->a.pad = 0;
	make_rest(op, &p, r, options);
}

/* ---- staying inside ---- */

static bool is_root_or_below(const char *path, const char *root, size_t n)
{
	return !strncmp(path, root, n) && (path[n] == '/' || !path[n]);
}

/* Follows a path as the kernel would, links in the last place too, and tells whether it stays at or below the root.
 * *ret_names: 0 when it ends at the root itself. What grows longer than a path can be is refused too. */
static bool path_stays(const struct side *plain, const char *base, const char *path, int *ret_names)
{
	char cur[4 * PATH_MAX], rest[3 * PATH_MAX], tail[3 * PATH_MAX], link[PATH_MAX];
	size_t root = strlen(plain->root);
	int links = 0;

	*ret_names = 1;
	snprintf(cur, sizeof(cur), "%s%s%s", plain->root, base[0] ? "/" : "", base);
	snprintf(rest, sizeof(rest), "%s", path);
	if (path[0] == '/') {
		if (!is_root_or_below(path, plain->root, root))
			return !strncmp(path, "/nonexistent-oracle", 19);
		cur[root] = '\0';
		memmove(rest, rest + root, strlen(rest + root) + 1);
	}
	while (rest[0]) {
		size_t n = strcspn(rest, "/");
		char name[PATH_MAX];
		ssize_t got;

		snprintf(name, sizeof(name), "%.*s", (int)n, rest);
		memmove(rest, rest + n + (rest[n] == '/'), strlen(rest + n + (rest[n] == '/')) + 1);
		if (!name[0] || !strcmp(name, "."))
			continue;
		if (!strcmp(name, "..")) {
			if (!cur[root])
				return false;
			*strrchr(cur, '/') = '\0';
			continue;
		}
		if (strlen(cur) + strlen(name) + 2 > PATH_MAX)
			return false;
		snprintf(cur + strlen(cur), sizeof(cur) - strlen(cur), "/%s", name);
		got = readlink(cur, link, sizeof(link) - 1);
		if (got < 0)
			continue;
		link[got] = '\0';
		if (++links > 40)
			return true;
		if (strlen(link) + strlen(rest) + 2 > sizeof(rest))
			return false;
		*strrchr(cur, '/') = '\0';
		if (link[0] == '/') {
			if (!is_root_or_below(link, plain->root, root))
				return !strncmp(link, "/nonexistent-oracle", 19);
			cur[root] = '\0';
			memmove(link, link + root, strlen(link + root) + 1);
		}
		strcpy(tail, rest);
		snprintf(rest, sizeof(rest), "%s/%s", link, tail);
	}
	*ret_names = cur[root] ? 1 : 0;
	return true;
}

static bool operand_stays(const struct operand *o, struct side *plain, bool *ret_root)
{
	char buf[PATH_MAX + 64];
	const char *path = operand_path(o, plain, buf);
	struct where w = { .base = "", .path = o->base[0] ? o->base : "." };
	struct stat st;
	int names = 1;

	/* The start directory has to be there for the call to mean anything. */
	if (plain->ops->stat(plain, &w, LOOKUP_NOFOLLOW, &st) < 0 || !S_ISDIR(st.st_mode))
		return false;
	if (!path_stays(plain, o->base, path, &names))
		return false;
	*ret_root = names == 0;
	return true;
}

static bool is_directory(const struct operand *o, struct side *plain)
{
	char buf[PATH_MAX + 64];
	struct where w = { .base = o->base, .path = operand_path(o, plain, buf) };
	struct stat st;

	return plain->ops->stat(plain, &w, LOOKUP_NOFOLLOW, &st) >= 0 && S_ISDIR(st.st_mode);
}

/* A link on the way is in the tree that the path leads to. */
static bool goes_through_itself(const struct operand *o, struct side *plain)
{
	char buf[PATH_MAX + 64], full[2 * PATH_MAX + 64], to[PATH_MAX], at[PATH_MAX];
	const char *path = operand_path(o, plain, buf);
	int n = path[0] == '/' ? snprintf(full, sizeof full, "%s", path)
	                       : snprintf(full, sizeof full, "%s/%s/%s", plain->root, o->base, path);
	size_t len;

	if (n >= PATH_MAX || !realpath(full, to))
		return false;
	len = strlen(to);
	for (char *slash = full; (slash = strchr(slash + 1, '/'));) {
		*slash = '\0';
		/* Of each part the directory that it is in: what the part before leads to. */
		if (realpath(full, at) && strcmp(at, to) != 0 && !strncmp(at, to, len) && at[len] == '/')
			return true;
		*slash = '/';
	}
	return false;
}

bool op_stays_inside(const struct op *op, struct side *plain, const struct op_options *options)
{
	bool names = op->kind == OP_RENAME || op->kind == OP_RMDIR || op->kind == OP_UNLINK || op->kind == OP_REMOVE_TREE;
	bool two = op->kind == OP_RENAME || op->kind == OP_LINK || op->kind == OP_LINK_FD || op->kind == OP_TMPFILE;
	bool root_a, root_b;

	if (op->kind >= OP_HELD_STAT)
		return true;
	if (!operand_stays(&op->a, plain, &root_a) || (two && !operand_stays(&op->b, plain, &root_b)))
		return false;
	if (names && (root_a || (two && root_b)))
		return false;
	/* A path through what is being removed ends at a time that depends on the order of the listing. */
	if (op->kind == OP_REMOVE_TREE && (strstr(op->a.path, "..") || goes_through_itself(&op->a, plain)))
		return false;
	if (op->kind == OP_RENAME && options->no_directory_rename && (is_directory(&op->a, plain) || is_directory(&op->b, plain)))
		return false;
	return true;
}
