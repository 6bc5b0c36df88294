/* h_socket.c - bind, connect, getsockname and getpeername.
 *
 * A connection to one of the host's pathname sockets (D-Bus, docker.sock) is a way out of the box that neither seccomp nor Landlock closes.
 *
 * Invariants:
 * (I1) connect() never continues in the guest, of whatever family the socket is: between our look and the kernel's another thread could
 *      put another socket at the number and another address into the memory. It is done here, on our duplicate, with our copy.
 * (I2) bind() of an AF_UNIX name is done here too. Of other families it continues: should the socket be exchanged for an AF_UNIX one
 *      meanwhile, Landlock refuses to make its file.
 * (I3) What may block is tried without blocking: see guest_pause().
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include "base/path.h"
#include "base/sys.h"
#include "base/cred.h"
#include "h_socket.h"
#include "trace/run.h"
#include "unix_diag.h"

#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76 /* Linux 6.5 */
#endif

int socket_kind(int sock, int *ret_domain, int *ret_type)
{
	int domain, type;
	socklen_t n = sizeof domain, m = sizeof type;
	if (getsockopt(sock, SOL_SOCKET, SO_DOMAIN, &domain, &n) < 0 || getsockopt(sock, SOL_SOCKET, SO_TYPE, &type, &m) < 0)
		return errno == EBADF ? -EBADF : -ENOTSOCK;
	*ret_domain = domain;
	*ret_type = type;
	return 0;
}

int socket_address(const struct call *c, uint64_t addr, int len, struct unix_name *ret)
{
	memset(ret, 0, sizeof *ret);
	if (len < 0 || (size_t)len > sizeof(struct sockaddr_storage))
		return -EINVAL;
	int r = len ? guest_read(c, addr, ret->bytes, (size_t)len) : 0;
	if (r >= 0)
		ret->len = (socklen_t)len;
	return r;
}

static int64_t now_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t socket_deadline(int sock)
{
	struct timeval tv = { 0 };
	socklen_t n = sizeof tv;
	if (getsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &tv, &n) < 0 || (!tv.tv_sec && !tv.tv_usec))
		return -1;
	return now_ms() + tv.tv_sec * 1000 + tv.tv_usec / 1000;
}

bool deadline_passed(int64_t deadline)
{
	return deadline >= 0 && now_ms() >= deadline;
}

/* ---- destinations ---- */

void unix_dest_init(struct unix_dest *d)
{
	memset(&d->name, 0, sizeof d->name);
	object_init(&d->object);
	d->guest_only = false;
}

void unix_dest_release(struct unix_dest *d)
{
	object_release(&d->object);
}

/* An option names a host's socket by path, through links perhaps, or an abstract one as "@name". */
static bool socket_allowed(struct call *c, const struct caller *who, const char *name)
{
	char *const *allow = supervisor_options(c)->allow_socket;
	for (; allow && *allow; allow++) {
		if (!strcmp(*allow, name))
			return true;
		if (**allow != '/' || *name != '/')
			continue;
		_cleanup_object_ struct object o;
		object_init(&o);
		if (overlay_lookup(c->ov, who, AT_VIEW(*allow), 0, &o) >= 0 && !strcmp(o.view, name))
			return true;
	}
	return false;
}

static void abstract_printable(const struct unix_name *n, char ret[static 128])
{
	size_t len = n->len - UNIX_PATH_AT;
	for (size_t i = 0; i < len; i++)
		ret[i] = n->un.sun_path[i] ? n->un.sun_path[i] : '@'; /* as /proc/net/unix writes them */
	ret[len] = 0;
}

enum abstract_owner { ABSTRACT_FREE, ABSTRACT_GUEST, ABSTRACT_HOST };

struct wanted {
	const struct unix_name *name;
	int type;
};

static int has_name(const struct unix_diag *s, void *arg)
{
	const struct wanted *w = arg;
	if (s->connected && s->type != SOCK_DGRAM)
		return 0;
	return s->type == w->type && s->name.len == w->name->len && !memcmp(s->name.bytes, w->name->bytes, w->name->len);
}

/* Who has the abstract name now, among the sockets of the type that sock may reach. That some guest bound it once does not count: its socket may be
 * closed, and the name another's. What cannot be told is the host's. */
static enum abstract_owner abstract_owner(int sock, const struct unix_name *name)
{
	enum { TRIES = 64 };
	struct bound_socket own, bound[TRIES];
	struct unix_diag s;
	/* A socket of another network name space would find the names there. */
	if (bound_socket_of(sock, &own) < 0 || unix_diag_find(own.ino, own.cookie, &s) < 0)
		return ABSTRACT_HOST;
	struct wanted w = { .name = name, .type = own.type };
	size_t n = bound_sockets(name, own.type, bound, TRIES);
	for (size_t i = 0; i < n; i++)
		if (unix_diag_find(bound[i].ino, bound[i].cookie, &s) == 0 && has_name(&s, &w))
			return ABSTRACT_GUEST;
	return unix_diag_each(has_name, &w) == 0 ? ABSTRACT_FREE : ABSTRACT_HOST;
}

static int dest_abstract(struct call *c, const struct caller *who, const char *what, int sock, const struct unix_name *given,
                         struct unix_dest *ret)
{
	char name[128];
	abstract_printable(given, name);
	if (!socket_allowed(c, who, name)) {
		enum abstract_owner owner = abstract_owner(sock, given);
		if (owner == ABSTRACT_FREE)
			return -ECONNREFUSED;
		if (owner == ABSTRACT_HOST) {
			supervisor_refused(c, what, name, EACCES);
			return -EACCES;
		}
		ret->guest_only = true;
	}
	ret->name = *given;
	return 0;
}

int unix_dest_still(int sock, const struct unix_dest *d)
{
	return !d->guest_only || abstract_owner(sock, &d->name) == ABSTRACT_GUEST ? 0 : -ECONNREFUSED;
}

/* The name may have changed hands while we connected; or its owner has closed it since, having all that it waited for. Who listened there the kernel
 * tells of a stream. What other threads of the guest send meanwhile is there already. */
static int dest_check_again(struct call *c, int sock, int type, const struct unix_dest *d)
{
	const struct sockaddr none = { .sa_family = AF_UNSPEC };
	struct ucred u = { 0 };
	socklen_t n = sizeof u;
	if (unix_dest_still(sock, d) == 0)
		return 0;
	if (type == SOCK_DGRAM) {
		connect(sock, &none, sizeof none);
		return -ECONNREFUSED;
	}
	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &u, &n) == 0 && u.pid > 0) {
		if (guest_is_ours(c->sup, u.pid) || (kill(u.pid, 0) < 0 && errno == ESRCH && abstract_owner(sock, &d->name) == ABSTRACT_FREE))
			return 0;
	}
	shutdown(sock, SHUT_RDWR);
	return -ECONNREFUSED;
}

/* The kernel's own order: no right to write is EACCES, what is no socket is ECONNREFUSED. */
static int dest_check_host(struct call *c, const struct caller *who, const char *what, const struct object *o)
{
	if (o->where == OBJECT_ANON) /* a socket without a name, or whose name is gone */
		return -ECONNREFUSED;
	/* What is allowed by name is the host's object of that name, not another that a renamed directory brought there. */
	if (!S_ISSOCK(o->st.st_mode) || (!strcmp(o->real, o->view) && socket_allowed(c, who, o->view)))
		return 0;
	int r = object_access(c->ov, o, W_OK, AT_EACCESS);
	if (r < 0)
		return r;
	supervisor_refused(c, what, o->view, EACCES);
	return -EACCES;
}

int unix_dest_find(struct call *c, const char *what, int sock, struct unix_name *given, struct unix_dest *ret)
{
	struct caller who;
	struct place p;
	char view[PATH_MAX];
	if (given->len <= UNIX_PATH_AT || given->len > sizeof(struct sockaddr_un) || given->any.sa_family != AF_UNIX)
		return -EINVAL;
	guest_caller(c, false, &who);
	if (unix_name_is_abstract(given))
		return dest_abstract(c, &who, what, sock, given, ret);

	/* A datagram's sender is known to its receiver by the kernel's name, which it may answer to. */
	const char *path = unix_name_path(given);
	struct unix_name kernel = *given;
	kernel.len = (socklen_t)(UNIX_PATH_AT + strlen(path) + 1);
	if (bound_view_path(&kernel, view, sizeof view))
		path = view;
	int r = place_text(c, path, &p);
	if (r >= 0)
		r = overlay_lookup(c->ov, &who, p.at, 0, &ret->object);
	if (r >= 0 && ret->object.where != OBJECT_LAYER)
		r = dest_check_host(c, &who, what, &ret->object);
	if (r < 0)
		return r;

	/* 108 bytes are too few for a layer's path; our descriptor of the very file is short, and cannot be exchanged for another. */
	ret->name = (struct unix_name){ .un.sun_family = AF_UNIX };
	fd_path(ret->name.un.sun_path, ret->object.fd);
	ret->name.len = (socklen_t)(UNIX_PATH_AT + strlen(ret->name.un.sun_path) + 1);
	return 0;
}

/* ---- names that the kernel gives ---- */

static int kernel_name(int sock, bool peer, struct unix_name *ret)
{
	struct unix_name n = { .len = sizeof(struct sockaddr_storage) };
	int r = peer ? getpeername(sock, &n.any, &n.len) : getsockname(sock, &n.any, &n.len);
	if (r < 0)
		return -errno;
	*ret = n;
	return 0;
}

/* An abstract name, or the kernel's choice of one. */
static int bind_abstract(int sock, const struct unix_name *given)
{
	struct bound_socket s;
	struct unix_name name = *given;
	int r = bound_socket_of(sock, &s);
	if (r < 0)
		return r;
	bool chosen = given->len > UNIX_PATH_AT;
	/* It may have one that others bound, from accept(), and the kernel does not give it another. */
	if (kernel_name(sock, false, &name) >= 0 && name.len > UNIX_PATH_AT)
		return bind(sock, &given->any, given->len) < 0 ? -errno : 0;
	name = *given;
	if (chosen) /* before others can find it */
		bound_add(&s, &name, &name, "");
	r = bind(sock, &given->any, given->len) < 0 ? -errno : 0;
	if (r < 0 && chosen)
		bound_drop(&s, &name);
	if (r < 0 || (!chosen && (kernel_name(sock, false, &name) < 0 || !unix_name_is_abstract(&name))))
		return r;
	if (!chosen)
		bound_add(&s, &name, &name, "");
	bound_settle(&s, &name);
	return 0;
}

void socket_autobind(int sock)
{
	struct unix_name name = { .any.sa_family = AF_UNIX, .len = UNIX_PATH_AT }, has;
	int credentials = 0, pidfd = 0;
	socklen_t n = sizeof credentials, m = sizeof pidfd;
	getsockopt(sock, SOL_SOCKET, SO_PASSCRED, &credentials, &n);
	getsockopt(sock, SOL_SOCKET, SO_PASSPIDFD, &pidfd, &m);
	if ((credentials || pidfd) && kernel_name(sock, false, &has) >= 0 && has.len <= UNIX_PATH_AT)
		bind_abstract(sock, &name);
}

/* ---- connect ---- */

static int connect_once(int sock, const struct unix_name *to)
{
	_cleanup_cred_ids_ int ids = cred_ids_begin(false); /* the other end may ask who connects */
	return connect(sock, &to->any, to->len) < 0 ? -errno : 0;
}

/* The descriptor is shared with the guest, so O_NONBLOCK cannot be set for a moment; a send timeout of one tick does the same for a
 * socket that is not connected yet, and so sends nothing. */
static int connect_briefly(int sock, const struct unix_name *to)
{
	struct timeval old = { 0 }, tick = { .tv_usec = 1 };
	socklen_t n = sizeof old;
	if (getsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &old, &n) < 0 ||
	    setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &tick, sizeof tick) < 0)
		return connect_once(sock, to);
	int r = connect_once(sock, to);
	setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &old, sizeof old);
	return r;
}

/* dest: whose name it is; NULL: not of a guest's alone. */
static int connect_for_guest(struct call *c, int sock, int domain, int type, const struct unix_name *to, const struct unix_dest *dest)
{
	int fl = fcntl(sock, F_GETFL);
	if (fl < 0 || (fl & O_NONBLOCK) || type == SOCK_DGRAM || type == SOCK_RAW)
		return connect_once(sock, to);
	int64_t deadline = socket_deadline(sock);
	for (unsigned turn = 0;;) {
		int r = connect_briefly(sock, to);
		if (r != -EINPROGRESS && r != -EALREADY && r != -EAGAIN && r != -EINTR)
			return r;
		if (deadline_passed(deadline))
			return domain == AF_UNIX ? -EAGAIN : -EINPROGRESS;
		/* A listener whose queue is full cannot be waited for by poll. */
		int paused = guest_pause(c, &turn, domain == AF_UNIX ? -1 : sock);
		if (paused >= 0 && dest)
			paused = unix_dest_still(sock, dest);
		if (paused < 0)
			return paused;
	}
}

int h_connect(struct call *c, struct answer *a)
{
	int domain, type;
	struct unix_name given;
	_cleanup_unix_dest_ struct unix_dest dest;
	_cleanup_close_ int sock = guest_fd(c, arg_int(c, 0));
	unix_dest_init(&dest);
	int r = sock < 0 ? sock : socket_kind(sock, &domain, &type);
	if (r >= 0)
		r = socket_address(c, c->arg[1], arg_int(c, 2), &given);
	if (r < 0)
		return answer_errno(a, r);
	/* AF_UNSPEC ends an association; any other family the kernel refuses by itself. */
	if (domain != AF_UNIX || (given.len >= sizeof(sa_family_t) && given.any.sa_family != AF_UNIX))
		return answer_done(a, connect_for_guest(c, sock, domain, type, &given, NULL));
	socket_autobind(sock);
	r = unix_dest_find(c, "connect", sock, &given, &dest);
	if (r >= 0)
		r = connect_for_guest(c, sock, domain, type, &dest.name, &dest);
	if (r >= 0)
		r = dest_check_again(c, sock, type, &dest);
	return answer_done(a, r);
}

/* ---- bind ---- */

static int bind_path(struct call *c, int sock, struct unix_name *given)
{
	struct caller who;
	struct place p;
	struct bound_socket s;
	struct unix_name kernel;
	char view[PATH_MAX];
	int r = place_text(c, unix_name_path(given), &p);
	if (r < 0)
		return r;
	guest_caller(c, true, &who);
	r = overlay_bind(c->ov, &who, p.at, sock);
	if (r < 0)
		return r == -EEXIST ? -EADDRINUSE : r;
	if (*p.at.path == '/' || path_join(view, sizeof view, p.at.dir.s, p.at.path) < 0)
		snprintf(view, sizeof view, "%s", p.at.path);
	given->len = (socklen_t)(UNIX_PATH_AT + strlen(given->un.sun_path) + 1); /* as the kernel tells it */
	if (kernel_name(sock, false, &kernel) >= 0 && bound_socket_of(sock, &s) >= 0)
		bound_add(&s, &kernel, given, view);
	return 0;
}

int h_bind(struct call *c, struct answer *a)
{
	int domain, type;
	struct unix_name given;
	_cleanup_close_ int sock = guest_fd(c, arg_int(c, 0));
	int r = sock < 0 ? sock : socket_kind(sock, &domain, &type);
	if (r < 0)
		return answer_errno(a, r);
	if (domain != AF_UNIX)
		return answer_continue(a); /* (I2) */
	r = socket_address(c, c->arg[1], arg_int(c, 2), &given);
	if (r < 0)
		return answer_errno(a, r);
	if (given.len < UNIX_PATH_AT || given.len > sizeof(struct sockaddr_un) || given.any.sa_family != AF_UNIX)
		return answer_errno(a, EINVAL);
	if (given.len == UNIX_PATH_AT || unix_name_is_abstract(&given))
		return answer_done(a, bind_abstract(sock, &given));
	return answer_done(a, bind_path(c, sock, &given));
}

/* ---- names ---- */

/* From the kernel's name to the one a guest gave, or else to what the view calls it. */
static void name_for_guest(struct call *c, const struct bound_socket *s, struct unix_name *n)
{
	char view[PATH_MAX];
	if (n->len <= UNIX_PATH_AT || unix_name_is_abstract(n) || bound_translate(s, n))
		return;
	const char *path = unix_name_path(n);
	if (*path != '/' || !overlay_hides(c->ov, path))
		return;
	int r = overlay_view_path(c->ov, path, view, sizeof view);
	if (r < 0 && r != -ENOENT)
		*view = 0;
	size_t len = strnlen(view, sizeof n->un.sun_path - 1);
	memcpy(n->un.sun_path, view, len);
	n->un.sun_path[len] = 0;
	n->len = (socklen_t)(UNIX_PATH_AT + len + 1);
}

static int name_write(struct call *c, uint64_t addr, uint64_t len_addr, const struct unix_name *n)
{
	int room, full = (int)n->len;
	int r = guest_read(c, len_addr, &room, sizeof room);
	if (r < 0)
		return r;
	if (room < 0)
		return -EINVAL;
	if (room > full)
		room = full;
	if (room)
		r = guest_write(c, addr, n->bytes, (size_t)room);
	return r < 0 ? r : guest_write(c, len_addr, &full, sizeof full);
}

static int name_answer(struct call *c, struct answer *a, bool peer)
{
	int domain, type;
	struct unix_name n;
	struct bound_socket s;
	_cleanup_close_ int sock = guest_fd(c, arg_int(c, 0));
	int r = sock < 0 ? sock : socket_kind(sock, &domain, &type);
	if (r < 0)
		return answer_errno(a, r);
	if (domain != AF_UNIX)
		return answer_continue(a);
	r = kernel_name(sock, peer, &n);
	if (r < 0)
		return answer_errno(a, r);
	name_for_guest(c, !peer && bound_socket_of(sock, &s) >= 0 ? &s : NULL, &n);
	return answer_done(a, name_write(c, c->arg[1], c->arg[2], &n));
}

int h_getsockname(struct call *c, struct answer *a)
{
	return name_answer(c, a, false);
}
int h_getpeername(struct call *c, struct answer *a)
{
	return name_answer(c, a, true);
}
