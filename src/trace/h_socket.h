/* h_socket.h - where an AF_UNIX address leads in the view, for connecting and for sending. Private to h_*.c. */
#ifndef COWBOX_TRACE_H_SOCKET_H
#define COWBOX_TRACE_H_SOCKET_H

#include "h_bound.h"
#include "h_util.h"

/* SO_DOMAIN and SO_TYPE of a duplicate of a guest's descriptor: 0, or -ENOTSOCK. */
int socket_kind(int sock, int *ret_domain, int *ret_type);
/* An address argument as the kernel copies it in: -EINVAL for an impossible length, -EFAULT. */
int socket_address(const struct call *c, uint64_t addr, int len, struct unix_name *ret);

/* A destination that may be used: its address for our own call. Holds the socket's file while it is used. */
struct unix_dest {
	struct unix_name name;
	struct object object;
	bool guest_only; /* guest_only: an abstract name that is a guest's, and must be for each try, and after we have connected */
};
void unix_dest_init(struct unix_dest *d);
void unix_dest_release(struct unix_dest *d);
#define _cleanup_unix_dest_ __attribute__((cleanup(unix_dest_release)))
/* Finds what the guest's address names for its socket sock. The host's sockets are -EACCES (noted; what: the call) unless allowed by the run's options. */
int unix_dest_find(struct call *c, const char *what, int sock, struct unix_name *given, struct unix_dest *ret);

/* 0, or -ECONNREFUSED: the name is no guest's any more. For every try after the first, as time has passed. */
int unix_dest_still(int sock, const struct unix_dest *d);

/* Before a call in which the kernel would name the socket by itself, as it does for those that ask who sends (SO_PASSCRED): the name is then known
 * as a guest's before anybody can answer to it. */
void socket_autobind(int sock);

/* When a blocking operation on sock is to end by the guest's SO_SNDTIMEO, in milliseconds of the monotonic clock; -1: never. */
int64_t socket_deadline(int sock);
bool deadline_passed(int64_t deadline);

#endif
