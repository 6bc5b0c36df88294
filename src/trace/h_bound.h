/* h_bound.h - the AF_UNIX names that guests bound. Private to h_*.c.
 *
 * The kernel knows a guest's socket by the name the overlay bound it to ("/proc/self/fd/N/name"). Guests are told the name they gave.
 * It also tells guests' abstract names from the host's. The table lives as long as the process; what it holds of sockets that are gone
 * is dropped by and by.
 */
#ifndef COWBOX_TRACE_H_BOUND_H
#define COWBOX_TRACE_H_BOUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#define UNIX_PATH_AT offsetof(struct sockaddr_un, sun_path)

/* An address with its length, as the kernel passes them: the longest path, NUL included, is one byte longer than struct sockaddr_un. */
struct unix_name {
	socklen_t len;
	union {
		struct sockaddr any;
		struct sockaddr_un un;
		char bytes[sizeof(struct sockaddr_storage) + 1];
	};
};

static inline bool unix_name_is_abstract(const struct unix_name *n)
{
	return n->len > UNIX_PATH_AT && !n->un.sun_path[0];
}
/* A pathname's text, NUL-terminated at its length. */
static inline const char *unix_name_path(struct unix_name *n)
{
	n->bytes[n->len] = 0;
	return n->un.sun_path;
}

/* A socket, by what no other one ever has. */
struct bound_socket {
	uint32_t ino;
	uint64_t cookie; /* cookie: SO_COOKIE */
	int type;
};
int bound_socket_of(int sock, struct bound_socket *ret);

/* kernel: the socket's name now. guest: the name it gave. view: that name as an absolute path in the view ("" for abstract names). Copies all.
 * Failing to remember is no failure: the guest then sees the kernel's name. */
void bound_add(const struct bound_socket *s, const struct unix_name *kernel, const struct unix_name *guest, const char *view);
/* The socket did not get that name after all. */
void bound_drop(const struct bound_socket *s, const struct unix_name *kernel);
/* The socket has that abstract name: whatever else of its type had it has it no more. */
void bound_settle(const struct bound_socket *s, const struct unix_name *kernel);
/* The guest's name for a socket, by itself (NULL: unknown) or else by the kernel's name; false: leaves *name as it is. */
bool bound_translate(const struct bound_socket *s, struct unix_name *name);
/* The view path of what the kernel calls so. */
bool bound_view_path(const struct unix_name *kernel, char *ret, size_t size);
/* The sockets of that type that guests bound, or are binding, to that name, the newest first: how many, at most max. Some may be gone, or have it no more. */
size_t bound_sockets(const struct unix_name *kernel, int type, struct bound_socket *ret, size_t max);

#endif
