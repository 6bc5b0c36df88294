/* h_send.c - sendto, sendmsg and sendmmsg.
 *
 * Only AF_UNIX datagram sockets take an address that may be a path; what they send is sent from here, on our duplicate, with our copy of all
 * the guest's memory. Stream and seqpacket sockets go where they are connected to, whatever the address says, and other
 * families know no paths: those calls continue, but only where no other thread could put a datagram socket in their place before the
 * kernel looks. Where one could, they too are sent from here, with no more capabilities than guests have.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include <linux/capability.h>
#include "child.h"
#include "guest.h"
#include "h_socket.h"

#define DATA_MAX (4u << 20)
#define CONTROL_MAX (64u << 10)
#define IOV_COUNT_MAX 1024
#define SCM_FDS_MAX 253
#define STREAM_CHUNK (256u << 10)
#define STREAM_MAX 0x7ffff000u /* STREAM_MAX: as much as one call of the kernel's moves */

/* The socket of the call. */
struct sender {
	int sock;
	bool path;   /* path: AF_UNIX datagrams, whose address may be a path */
	int domain, type;
};

/* One message, copied out of the guest. */
struct outgoing {
	struct msghdr h;
	struct iovec iov;
	void *control;
	struct unix_dest dest;
	int *fds; /* fds: duplicates of what SCM_RIGHTS passes on */
	size_t nfds;
};

static void outgoing_init(struct outgoing *m)
{
	*m = (struct outgoing){ 0 };
	unix_dest_init(&m->dest);
}

static void outgoing_release(struct outgoing *m)
{
	for (size_t i = 0; i < m->nfds; i++)
		close(m->fds[i]);
	free(m->fds);
	free(m->iov.iov_base);
	free(m->control);
	unix_dest_release(&m->dest);
}
#define _cleanup_outgoing_ __attribute__((cleanup(outgoing_release)))

static int outgoing_address(struct call *c, const struct sender *s, struct outgoing *m, const char *what, uint64_t addr, int len)
{
	struct unix_name given;
	if (!addr || !len)
		return 0;
	int r = socket_address(c, addr, len, &given);
	if (r >= 0 && s->path)
		socket_autobind(s->sock);
	if (r >= 0 && s->path)
		r = unix_dest_find(c, what, s->sock, &given, &m->dest);
	else if (r >= 0)
		m->dest.name = given;
	if (r < 0)
		return r;
	m->h.msg_name = m->dest.name.bytes;
	m->h.msg_namelen = m->dest.name.len;
	return 0;
}

static int outgoing_data(struct call *c, struct outgoing *m, const struct iovec *iov, size_t count)
{
	size_t size = 0, at = 0;
	for (size_t i = 0; i < count; i++)
		if ((ssize_t)iov[i].iov_len < 0)
			return -EINVAL;
	for (size_t i = 0; i < count; i++) {
		if (iov[i].iov_len > DATA_MAX || (size += iov[i].iov_len) > DATA_MAX)
			return -EMSGSIZE;
	}
	m->iov = (struct iovec){ .iov_base = malloc(size + 1), .iov_len = size };
	if (!m->iov.iov_base)
		return -ENOBUFS;
	for (size_t i = 0; i < count; at += iov[i++].iov_len) {
		int r = guest_read(c, (uint64_t)(uintptr_t)iov[i].iov_base, (char *)m->iov.iov_base + at, iov[i].iov_len);
		if (r < 0)
			return r;
	}
	m->h.msg_iov = &m->iov;
	m->h.msg_iovlen = 1;
	return 0;
}

/* The guest's descriptor numbers become ours. */
static int control_rights(struct call *c, struct outgoing *m, struct cmsghdr *cm)
{
	size_t n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	if (m->nfds + n > SCM_FDS_MAX) /* of the whole message */
		return -EINVAL;
	int *grown = realloc(m->fds, (m->nfds + n + 1) * sizeof *grown);
	if (!grown)
		return -ENOBUFS;
	m->fds = grown;
	for (size_t i = 0; i < n; i++) {
		int theirs, ours;
		memcpy(&theirs, CMSG_DATA(cm) + i * sizeof(int), sizeof theirs);
		ours = guest_fd(c, theirs);
		if (ours < 0)
			return ours;
		m->fds[m->nfds++] = ours;
		memcpy(CMSG_DATA(cm) + i * sizeof(int), &ours, sizeof ours);
	}
	return 0;
}

/* The kernel lets a sender without privilege name its own pid only, and here we are the sender: a guest that names its own pid
 * gets ours told; any other is refused, as natively. */
static int control_credentials(struct call *c, struct cmsghdr *cm)
{
	struct ucred u;
	if (cm->cmsg_len != CMSG_LEN(sizeof u))
		return -EINVAL;
	memcpy(&u, CMSG_DATA(cm), sizeof u);
	/* Our own ids may be more than the guest's. */
	bool others_ids = cred_process_is_root() && !cred_is_root() && (u.uid != cred_fsuid() || u.gid != cred_fsgid());
	if (u.pid != c->tgid || others_ids)
		return -EPERM;
	u.pid = getpid();
	memcpy(CMSG_DATA(cm), &u, sizeof u);
	return 0;
}

static int outgoing_control(struct call *c, struct outgoing *m, uint64_t addr, size_t size)
{
	if (!size)
		return 0;
	if (size > CONTROL_MAX)
		return -ENOBUFS;
	m->control = calloc(1, size);
	if (!m->control)
		return -ENOBUFS;
	int r = guest_read(c, addr, m->control, size);
	m->h.msg_control = m->control;
	m->h.msg_controllen = size;
	for (struct cmsghdr *cm = CMSG_FIRSTHDR(&m->h); r >= 0 && cm; cm = CMSG_NXTHDR(&m->h, cm)) {
		size_t left = size - (size_t)((char *)cm - (char *)m->control);
		if (cm->cmsg_len < sizeof *cm || cm->cmsg_len > left)
			return -EINVAL;
		if (cm->cmsg_level == SOL_SOCKET && cm->cmsg_type == SCM_RIGHTS)
			r = control_rights(c, m, cm);
		else if (cm->cmsg_level == SOL_SOCKET && cm->cmsg_type == SCM_CREDENTIALS)
			r = control_credentials(c, cm);
	}
	return r;
}

/* What a message asks of the kernel (netlink, packet options) is judged by its sender, which is this thread: so it has no more
 * capabilities than a guest while it sends. */
static ssize_t send_as_guest(int sock, const struct msghdr *h, int flags)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct own[2], less[2];
	uint64_t may = cred_is_root() ? child_capabilities() : 0;
	if (!cred_process_is_root()) {
		ssize_t n = sendmsg(sock, h, flags);
		return n < 0 ? -errno : n;
	}
	if (syscall(SYS_capget, &head, own) < 0)
		return -errno;
	memcpy(less, own, sizeof less);
	for (int i = 0; i < 2; i++)
		less[i].effective &= (uint32_t)(may >> (32 * i));
	ssize_t n;
	{
		/* The receiver may ask who sends. As somebody else the thread has no capabilities anyway. */
		_cleanup_cred_ids_ int ids = cred_ids_begin(true);
		if (ids == 0 && syscall(SYS_capset, &head, less) < 0)
			return -errno;
		n = sendmsg(sock, h, flags);
		if (n < 0)
			n = -errno;
	}
	if (syscall(SYS_capset, &head, own) < 0)
		abort();
	return n;
}

/* One try at sending: a count, -EAGAIN when the guest's call would have blocked and is to try again, or what the guest gets. */
static ssize_t try_send(struct call *c, const struct sender *s, const struct msghdr *h, int flags, int64_t deadline, bool blocking,
                        unsigned *turn, bool *ret_again)
{
	*ret_again = false;
	ssize_t n = send_as_guest(s->sock, h, flags | MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n != -EAGAIN && n != -EINTR)
		return n;
	if (!blocking || deadline_passed(deadline))
		return -EAGAIN;
	int r = guest_pause(c, turn, s->type == SOCK_STREAM ? s->sock : -1);
	*ret_again = r >= 0;
	return r;
}

static bool sender_blocks(const struct sender *s, int flags)
{
	int fl = fcntl(s->sock, F_GETFL);
	return !(flags & MSG_DONTWAIT) && fl >= 0 && !(fl & O_NONBLOCK);
}

/* The receiver's queue may be full; then a blocking sender waits, and so do we, in small steps. */
static ssize_t outgoing_send(struct call *c, const struct sender *s, const struct outgoing *m, int flags)
{
	bool blocking = sender_blocks(s, flags), again;
	int64_t deadline = blocking ? socket_deadline(s->sock) : -1;
	unsigned turn = 0;
	ssize_t n;
	do {
		n = try_send(c, s, &m->h, flags, deadline, blocking, &turn, &again);
		if (again && (n = unix_dest_still(s->sock, &m->dest)) < 0)
			return n;
	} while (again);
	return n;
}

/* ---- streams ---- */

/* The bytes from `from` on, at most a chunk of them. The iovec array is our copy. */
static ssize_t stream_chunk(struct call *c, const struct iovec *iov, size_t count, size_t from, char *buf)
{
	size_t have = 0;
	for (size_t i = 0; i < count && have < STREAM_CHUNK; i++) {
		if (from >= iov[i].iov_len) {
			from -= iov[i].iov_len;
			continue;
		}
		size_t n = iov[i].iov_len - from < STREAM_CHUNK - have ? iov[i].iov_len - from : STREAM_CHUNK - have;
		int r = guest_read(c, (uint64_t)(uintptr_t)iov[i].iov_base + from, buf + have, n);
		if (r < 0)
			return have && guest_valid(c) ? (ssize_t)have : r;
		have += n;
		from = 0;
	}
	return (ssize_t)have;
}

/* A stream takes what it can, so it is fed piece by piece. */
static ssize_t stream_send(struct call *c, const struct sender *s, struct outgoing *m, const struct iovec *iov, size_t count, int flags)
{
	size_t total = 0, sent = 0;
	for (size_t i = 0; i < count; i++) {
		if ((ssize_t)iov[i].iov_len < 0)
			return -EINVAL;
		total = iov[i].iov_len > STREAM_MAX - total ? STREAM_MAX : total + iov[i].iov_len;
	}
	m->iov.iov_base = malloc(total < STREAM_CHUNK ? total + 1 : STREAM_CHUNK);
	if (!m->iov.iov_base)
		return -ENOBUFS;
	m->h.msg_iov = &m->iov;
	m->h.msg_iovlen = 1;
	for (;;) {
		ssize_t n = stream_chunk(c, iov, count, sent, m->iov.iov_base);
		if (n >= 0) {
			m->iov.iov_len = (size_t)n;
			n = outgoing_send(c, s, m, flags);
		}
		if (n < 0) {
			if (n == -EPIPE && !sent && !(flags & MSG_NOSIGNAL) && guest_valid(c))
				syscall(SYS_tgkill, c->tgid, c->tid, SIGPIPE);
			return sent ? (ssize_t)sent : n;
		}
		sent += (size_t)n;
		m->h.msg_control = NULL;
		m->h.msg_controllen = 0;
		if (sent >= total || n == 0)
			return (ssize_t)sent;
	}
}

/* ---- the calls ---- */

static ssize_t message_send(struct call *c, const struct sender *s, const char *what, const struct msghdr *h, const struct iovec *iov,
                            int flags)
{
	_cleanup_outgoing_ struct outgoing m;
	outgoing_init(&m);
	if (flags & MSG_ZEROCOPY && !s->path) /* no pages of the guest's can be pinned from here; its callers copy when told this */
		return -ENOBUFS;
	int r = outgoing_address(c, s, &m, what, (uint64_t)(uintptr_t)h->msg_name, (int)h->msg_namelen);
	if (r >= 0)
		r = outgoing_control(c, &m, (uint64_t)(uintptr_t)h->msg_control, h->msg_controllen);
	if (r >= 0 && s->type == SOCK_STREAM)
		return stream_send(c, s, &m, iov, h->msg_iovlen, flags);
	if (r >= 0)
		r = outgoing_data(c, &m, iov, h->msg_iovlen);
	return r < 0 ? r : outgoing_send(c, s, &m, flags);
}

/* Whether the call is ours to make: 1; 0: it continues; or the guest's errno. */
static int sender_find(struct call *c, struct sender *ret)
{
	_cleanup_close_ int sock = guest_fd(c, arg_int(c, 0));
	int r = sock < 0 ? sock : socket_kind(sock, &ret->domain, &ret->type);
	if (r < 0)
		return r;
	ret->path = ret->domain == AF_UNIX && ret->type == SOCK_DGRAM;
	if (!ret->path && !guest_files_may_change(c))
		return 0;
	ret->sock = TAKE_FD(sock);
	return 1;
}

static void sender_release(struct sender *s)
{
	fd_closep(&s->sock);
}
#define _cleanup_sender_ __attribute__((cleanup(sender_release)))

int h_sendto(struct call *c, struct answer *a)
{
	_cleanup_sender_ struct sender s = { .sock = -1 };
	int r = sender_find(c, &s);
	if (r <= 0)
		return r < 0 ? answer_errno(a, r) : answer_continue(a);
	struct iovec iov = { .iov_base = (void *)(uintptr_t)c->arg[1],
		             .iov_len = c->arg[2] > STREAM_MAX ? STREAM_MAX : c->arg[2] };
	struct msghdr h = { .msg_name = (void *)(uintptr_t)c->arg[4], .msg_namelen = (socklen_t)arg_int(c, 5), .msg_iovlen = 1 };
	return answer_result(a, message_send(c, &s, "sendto", &h, &iov, arg_int(c, 3)));
}

static ssize_t send_one(struct call *c, const struct sender *s, const char *what, uint64_t addr, int flags)
{
	struct msghdr h;
	int r = guest_read(c, addr, &h, sizeof h);
	if (r < 0)
		return r;
	if (h.msg_iovlen > IOV_COUNT_MAX)
		return -EMSGSIZE;
	if (!s->path && h.msg_namelen > sizeof(struct sockaddr_storage) && (int)h.msg_namelen > 0)
		h.msg_namelen = sizeof(struct sockaddr_storage); /* as the kernel has it */
	_cleanup_free_ struct iovec *iov = calloc(h.msg_iovlen + 1, sizeof *iov);
	if (!iov)
		return -ENOBUFS;
	if (h.msg_iovlen)
		r = guest_read(c, (uint64_t)(uintptr_t)h.msg_iov, iov, h.msg_iovlen * sizeof *iov);
	return r < 0 ? r : message_send(c, s, what, &h, iov, flags);
}

int h_sendmsg(struct call *c, struct answer *a)
{
	_cleanup_sender_ struct sender s = { .sock = -1 };
	int r = sender_find(c, &s);
	if (r <= 0)
		return r < 0 ? answer_errno(a, r) : answer_continue(a);
	return answer_result(a, send_one(c, &s, "sendmsg", c->arg[1], arg_int(c, 2)));
}

/* How many were sent; an error counts only when it is the first one's. */
int h_sendmmsg(struct call *c, struct answer *a)
{
	_cleanup_sender_ struct sender s = { .sock = -1 };
	unsigned count = arg_uint(c, 2) > IOV_COUNT_MAX ? IOV_COUNT_MAX : arg_uint(c, 2), sent = 0;
	int r = sender_find(c, &s);
	if (r <= 0)
		return r < 0 ? answer_errno(a, r) : answer_continue(a);
	for (; sent < count; sent++) {
		uint64_t at = c->arg[1] + sent * sizeof(struct mmsghdr);
		ssize_t n = send_one(c, &s, "sendmmsg", at, arg_int(c, 3));
		unsigned len = (unsigned)n;
		if (n >= 0)
			n = guest_write(c, at + offsetof(struct mmsghdr, msg_len), &len, sizeof len);
		if (n < 0)
			return answer_result(a, sent ? (int64_t)sent : n);
	}
	return answer_value(a, sent);
}
