/* h_dir.c - listing: getdents64, and getdents made from it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>
#include "h_util.h"

/* Larger buffers get fewer bytes than they could hold, which callers must expect anyway. */
#define LIST_MAX (64 * 1024)

static ssize_t list(struct call *c, int fd, char *buf, size_t size)
{
	struct caller who;
	int fl = fcntl(fd, F_GETFL);
	if (fl < 0 || (fl & O_PATH))
		return -EBADF;
	if ((fl & O_SYNC) == LENT_FLAG)
		return -EACCES;
	guest_caller(c, false, &who);
	return overlay_getdents(c->ov, &who, fd, buf, size);
}

struct dirent_new {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

struct dirent_old {
	unsigned long ino;
	unsigned long off;
	uint16_t reclen;
	char name[]; /* name: NUL-terminated; the type is the last byte of the record */
};

void dents_make_old(char *buf, size_t size)
{
	for (size_t at = 0; at < size;) {
		struct dirent_new *new = (struct dirent_new *)(buf + at);
		size_t reclen = new->reclen, room = reclen - offsetof(struct dirent_new, name);
		char type = (char)new->type;
		char *name = buf + at + offsetof(struct dirent_old, name);
		size_t len = strnlen(new->name, room);
		memmove(name, new->name, len);
		memset(name + len, 0, reclen - offsetof(struct dirent_old, name) - len);
		buf[at + reclen - 1] = type;
		at += reclen;
	}
}

static int getdents_any(struct call *c, struct answer *a, bool old)
{
	_cleanup_close_ int dup = guest_fd(c, arg_int(c, 0));
	if (dup < 0)
		return answer_errno(a, dup);
	if (overlay_getdents_is_host(c->ov, dup))
		return answer_continue(a);
	size_t size = arg_uint(c, 2) > LIST_MAX ? LIST_MAX : arg_uint(c, 2);
	_cleanup_free_ char *buf = malloc(size + 1);
	if (!buf)
		return -ENOMEM;
	ssize_t n = list(c, dup, buf, size);
	if (n > 0 && old)
		dents_make_old(buf, (size_t)n);
	if (n > 0) {
		int r = guest_write(c, c->arg[1], buf, (size_t)n);
		if (r < 0)
			n = r;
	}
	return answer_result(a, n);
}

int h_getdents64(struct call *c, struct answer *a)
{
	return getdents_any(c, a, false);
}
int h_getdents(struct call *c, struct answer *a)
{
	return getdents_any(c, a, true);
}
