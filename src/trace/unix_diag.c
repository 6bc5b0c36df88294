/* unix_diag.c - see unix_diag.h. The messages are those of sock_diag(7), "UNIX domain sockets". */
#include "unix_diag.h"
#include <errno.h>
#include <stddef.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include "base/fd.h"
#include "trace/run.h"
#include "probe.h"

enum { ANSWER_SIZE = 16384 };

static int ask(uint16_t flags, uint32_t ino, uint64_t cookie)
{
	struct {
		struct nlmsghdr h;
		struct unix_diag_req r;
	} q = {
		.h = { .nlmsg_len = sizeof q, .nlmsg_type = SOCK_DIAG_BY_FAMILY, .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags) },
		.r = { .sdiag_family = AF_UNIX, .udiag_states = UINT32_MAX, .udiag_ino = ino, .udiag_show = UDIAG_SHOW_NAME,
		       .udiag_cookie = { (uint32_t)cookie, (uint32_t)(cookie >> 32) } },
	};
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	if (probe_forced_off("unix-diag"))
		return -EOPNOTSUPP;
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (fd < 0 || sendto(fd, &q, sizeof q, 0, (struct sockaddr *)&kernel, sizeof kernel) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static int read_socket(const struct nlmsghdr *h, struct unix_diag *ret)
{
	const struct unix_diag_msg *m = NLMSG_DATA(h);
	if (h->nlmsg_type != SOCK_DIAG_BY_FAMILY || h->nlmsg_len < NLMSG_LENGTH(sizeof *m))
		return -EPROTO;
	memset(ret, 0, sizeof *ret);
	ret->cookie = m->udiag_cookie[0] | (uint64_t)m->udiag_cookie[1] << 32;
	ret->type = m->udiag_type;
	ret->connected = m->udiag_state == TCP_ESTABLISHED;
	size_t left = h->nlmsg_len - NLMSG_LENGTH(sizeof *m);
	for (const struct rtattr *a = (const struct rtattr *)(m + 1); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		size_t n = RTA_PAYLOAD(a);
		if (a->rta_type != UNIX_DIAG_NAME || UNIX_PATH_AT + n >= sizeof ret->name.bytes)
			continue;
		ret->name.any.sa_family = AF_UNIX;
		memcpy(ret->name.un.sun_path, RTA_DATA(a), n);
		ret->name.len = (socklen_t)(UNIX_PATH_AT + n);
	}
	return 0;
}

/* One datagram of answers: what fn returned, 0, or the error. *ret_more: more will come. */
static int read_answers(int fd, int (*fn)(const struct unix_diag *s, void *arg), void *arg, bool *ret_more)
{
	union {
		struct nlmsghdr h;
		char bytes[ANSWER_SIZE];
	} buf;
	struct unix_diag s;
	ssize_t n = recv(fd, &buf, sizeof buf, 0);
	*ret_more = n < 0 && errno == EINTR;
	if (n < 0)
		return *ret_more ? 0 : -errno;
	int left = (int)n;
	for (const struct nlmsghdr *h = &buf.h; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
		if (h->nlmsg_type == NLMSG_DONE)
			return 0;
		if (h->nlmsg_type == NLMSG_ERROR)
			return ((const struct nlmsgerr *)NLMSG_DATA(h))->error;
		int r = read_socket(h, &s);
		if (r >= 0)
			r = fn(&s, arg);
		if (r != 0)
			return r;
	}
	*ret_more = true;
	return 0;
}

int unix_diag_each(int (*fn)(const struct unix_diag *s, void *arg), void *arg)
{
	_cleanup_close_ int fd = ask(NLM_F_DUMP, 0, 0);
	int r = fd < 0 ? fd : 0;
	for (bool more = true; r == 0 && more;)
		r = read_answers(fd, fn, arg, &more);
	return r;
}

struct found {
	struct unix_diag *ret;
	bool done;
};

static int take(const struct unix_diag *s, void *arg)
{
	struct found *f = arg;
	*f->ret = *s;
	f->done = true;
	return 0;
}

int unix_diag_find(uint32_t ino, uint64_t cookie, struct unix_diag *ret)
{
	struct found f = { .ret = ret };
	_cleanup_close_ int fd = ask(0, ino, cookie);
	int r = fd < 0 ? fd : 0;
	for (bool more = true; r == 0 && more && !f.done;)
		r = read_answers(fd, take, &f, &more);
	return r < 0 ? r : f.done ? 0 : -ENOENT;
}
