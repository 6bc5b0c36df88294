/* unix_diag.h - what the kernel tells of AF_UNIX sockets by sock_diag(7). Unlike /proc/net/unix, whose lines a name with newlines in it can forge, it tells
 * names byte by byte, with the type and the cookie (SO_COOKIE) that no other socket ever has.
 */
#ifndef COWBOX_TRACE_UNIX_DIAG_H
#define COWBOX_TRACE_UNIX_DIAG_H

#include "h_bound.h"

struct unix_diag {
	uint64_t cookie;
	int type;              /* type: SOCK_STREAM, ... */
	bool connected;        /* connected: an end of a connection; one that accept() made has its listener's name, and nobody finds it by that */
	struct unix_name name; /* name: len 0 when it has none */
};

/* The socket of that inode and cookie. -ENOENT: none such in our network name space; -ESTALE: another has the inode; other errors: it cannot be told. */
int unix_diag_find(uint32_t ino, uint64_t cookie, struct unix_diag *ret);
/* Calls fn for all sockets of our network name space, until it returns other than 0, and returns that. */
int unix_diag_each(int (*fn)(const struct unix_diag *s, void *arg), void *arg);

#endif
