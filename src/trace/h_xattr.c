/* h_xattr.c - the extended-attribute calls in all their forms: by path, by link, by descriptor, and the *at calls of Linux 6.13. */
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <linux/xattr.h>
#include "h_util.h"

/* Which object: a descriptor (by_fd), or a path with AT_* flags. */
struct subject {
	bool by_fd;
	int fd; /* fd: the descriptor, or the directory of the path */
	uint64_t path;
	unsigned at_flags;
	bool fd_only; /* fd_only: an empty path is no name for the working directory, as listxattrat and removexattrat have it */
};

static struct subject by_path(const struct call *c, unsigned at_flags)
{
	return (struct subject){ .fd = AT_FDCWD, .path = c->arg[0], .at_flags = at_flags };
}

static struct subject by_fd(const struct call *c)
{
	return (struct subject){ .by_fd = true, .fd = arg_int(c, 0) };
}

static struct subject by_at(const struct call *c)
{
	return (struct subject){ .fd = arg_int(c, 0), .path = c->arg[1], .at_flags = arg_uint(c, 2) };
}

static int subject_check(const struct subject *s)
{
	return s->at_flags & ~(unsigned)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) ? -EINVAL : 0;
}

static int subject_find(struct call *c, struct caller *who, const struct subject *s, struct object *ret)
{
	guest_caller(c, false, who);
	if (s->by_fd)
		return target_fd(c, who, s->fd, TARGET_FILE_FD, ret);
	/* With an empty path, or none, these are the calls by descriptor, which want no O_PATH one. */
	struct place p;
	int r = place_read_null(c, s->fd, s->path, s->at_flags, &p);
	if (r < 0)
		return r;
	if (*p.at.path || (s->fd == AT_FDCWD && !s->fd_only))
		return target_place(c, who, s->fd, &p, s->at_flags, ret);
	return target_fd(c, who, s->fd, TARGET_FILE_FD, ret);
}

/* A name that is empty or too long is ERANGE, whatever else is wrong. */
static int read_name(const struct call *c, uint64_t addr, char ret[static XATTR_NAME_MAX + 1])
{
	int n = guest_read_string(c, addr, ret, XATTR_NAME_MAX + 1);
	return n == 0 || n == -ENAMETOOLONG ? -ERANGE : n;
}

/* setxattrat and getxattrat pass these in memory; the size may grow with newer kernels. */
struct attr_args {
	uint64_t value;
	uint32_t size;
	uint32_t flags;
};

static int read_args(const struct call *c, struct attr_args *ret)
{
	enum { SIZE_MAX_KNOWN = 4096 };
	uint64_t addr = c->arg[4], size = c->arg[5];
	if (size < sizeof *ret)
		return -EINVAL;
	if (size > SIZE_MAX_KNOWN)
		return -E2BIG;
	int r = guest_read(c, addr, ret, sizeof *ret);
	for (uint64_t i = sizeof *ret; r >= 0 && i < size; i++) {
		char byte = 0;
		r = guest_read(c, addr + i, &byte, 1);
		if (r >= 0 && byte)
			return -E2BIG;
	}
	return r < 0 ? r : 0;
}

/* ---- set ---- */

static int set(struct call *c, struct answer *a, struct subject s, uint64_t name_addr, const struct attr_args *v)
{
	char name[XATTR_NAME_MAX + 1];
	struct caller who;
	_cleanup_free_ char *value = NULL;
	_cleanup_object_ struct object o;
	object_init(&o);
	int r = subject_check(&s);
	if (r >= 0 && v->flags & ~(uint32_t)(XATTR_CREATE | XATTR_REPLACE))
		r = -EINVAL;
	if (r >= 0)
		r = read_name(c, name_addr, name);
	if (r >= 0 && v->size > XATTR_SIZE_MAX)
		r = -E2BIG;
	if (r < 0)
		return answer_errno(a, r);
	value = malloc(v->size + 1);
	if (!value)
		return -ENOMEM;
	if (v->size)
		r = guest_read(c, v->value, value, v->size);
	if (r >= 0)
		r = subject_find(c, &who, &s, &o);
	if (r >= 0)
		r = object_setxattr(c->ov, &who, &o, name, value, v->size, (int)v->flags);
	return answer_done(a, r);
}

/* set*xattr(object, name, value, size, flags) */
static int set_old(struct call *c, struct answer *a, struct subject s)
{
	bool big = c->arg[3] > XATTR_SIZE_MAX;
	struct attr_args v = { .value = c->arg[2],
		               .size = big ? XATTR_SIZE_MAX + 1 : (uint32_t)c->arg[3],
		               .flags = arg_uint(c, 4) };
	return set(c, a, s, c->arg[1], &v);
}

int h_setxattr(struct call *c, struct answer *a)
{
	return set_old(c, a, by_path(c, 0));
}
int h_lsetxattr(struct call *c, struct answer *a)
{
	return set_old(c, a, by_path(c, AT_SYMLINK_NOFOLLOW));
}
int h_fsetxattr(struct call *c, struct answer *a)
{
	return set_old(c, a, by_fd(c));
}

int h_setxattrat(struct call *c, struct answer *a)
{
	struct attr_args v;
	int r = read_args(c, &v);
	return r < 0 ? answer_errno(a, r) : set(c, a, by_at(c), c->arg[3], &v);
}

/* ---- get and list ---- */

/* What getxattr and listxattr have in common: a buffer of at most max bytes that a result may not fit in. name NULL lists. */
static int get_or_list(struct call *c, struct answer *a, const struct subject *s, const char *name, uint64_t addr, uint64_t size,
                       size_t max)
{
	struct caller who;
	_cleanup_free_ char *buf = NULL;
	_cleanup_object_ struct object o;
	object_init(&o);
	size_t room = size > max ? max : (size_t)size;
	int r = subject_find(c, &who, s, &o);
	if (r < 0)
		return answer_errno(a, r);
	if (room && !(buf = malloc(room)))
		return -ENOMEM;
	ssize_t n = name ? object_getxattr(c->ov, &o, name, buf, room) : object_listxattr(c->ov, &o, buf, room);
	if (n == -ERANGE && room == max)
		n = -E2BIG;
	if (n > 0 && room) {
		r = guest_write(c, addr, buf, (size_t)n);
		if (r < 0)
			n = r;
	}
	return answer_result(a, n);
}

static int get(struct call *c, struct answer *a, struct subject s, uint64_t name_addr, uint64_t value, uint64_t size)
{
	char name[XATTR_NAME_MAX + 1];
	int r = subject_check(&s);
	if (r >= 0)
		r = read_name(c, name_addr, name);
	return r < 0 ? answer_errno(a, r) : get_or_list(c, a, &s, name, value, size, XATTR_SIZE_MAX);
}

int h_getxattr(struct call *c, struct answer *a)
{
	return get(c, a, by_path(c, 0), c->arg[1], c->arg[2], c->arg[3]);
}
int h_lgetxattr(struct call *c, struct answer *a)
{
	return get(c, a, by_path(c, AT_SYMLINK_NOFOLLOW), c->arg[1], c->arg[2], c->arg[3]);
}
int h_fgetxattr(struct call *c, struct answer *a)
{
	return get(c, a, by_fd(c), c->arg[1], c->arg[2], c->arg[3]);
}

int h_getxattrat(struct call *c, struct answer *a)
{
	struct attr_args v;
	int r = read_args(c, &v);
	if (r >= 0 && v.flags)
		r = -EINVAL;
	return r < 0 ? answer_errno(a, r) : get(c, a, by_at(c), c->arg[3], v.value, v.size);
}

static int list(struct call *c, struct answer *a, struct subject s, uint64_t addr, uint64_t size)
{
	int r = subject_check(&s);
	return r < 0 ? answer_errno(a, r) : get_or_list(c, a, &s, NULL, addr, size, XATTR_LIST_MAX);
}

int h_listxattr(struct call *c, struct answer *a)
{
	return list(c, a, by_path(c, 0), c->arg[1], c->arg[2]);
}
int h_llistxattr(struct call *c, struct answer *a)
{
	return list(c, a, by_path(c, AT_SYMLINK_NOFOLLOW), c->arg[1], c->arg[2]);
}
int h_flistxattr(struct call *c, struct answer *a)
{
	return list(c, a, by_fd(c), c->arg[1], c->arg[2]);
}
int h_listxattrat(struct call *c, struct answer *a)
{
	struct subject s = by_at(c);
	s.fd_only = true;
	return list(c, a, s, c->arg[3], c->arg[4]);
}

/* ---- remove ---- */

static int drop(struct call *c, struct answer *a, struct subject s, uint64_t name_addr)
{
	char name[XATTR_NAME_MAX + 1];
	struct caller who;
	_cleanup_object_ struct object o;
	object_init(&o);
	int r = subject_check(&s);
	if (r >= 0)
		r = read_name(c, name_addr, name);
	if (r >= 0)
		r = subject_find(c, &who, &s, &o);
	if (r >= 0)
		r = object_removexattr(c->ov, &who, &o, name);
	return answer_done(a, r);
}

int h_removexattr(struct call *c, struct answer *a)
{
	return drop(c, a, by_path(c, 0), c->arg[1]);
}
int h_lremovexattr(struct call *c, struct answer *a)
{
	return drop(c, a, by_path(c, AT_SYMLINK_NOFOLLOW), c->arg[1]);
}
int h_fremovexattr(struct call *c, struct answer *a)
{
	return drop(c, a, by_fd(c), c->arg[1]);
}
int h_removexattrat(struct call *c, struct answer *a)
{
	struct subject s = by_at(c);
	s.fd_only = true;
	return drop(c, a, s, c->arg[3]);
}
