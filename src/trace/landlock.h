/* landlock.h - the second wall: a Landlock domain that reads and executes everywhere and writes nowhere but on harmless devices.
 *
 * Calling sequence:
 *     landlock_build, landlock_allow_socket              in the supervisor, before fork
 *     landlock_enforce                                   in the child, before filter_install (which refuses Landlock's calls)
 *
 * The kernel asks whoever opens: what the supervisor opens and puts into a guest still writes. Not covered by any ABI: chmod, chown, times,
 * xattrs, file flags, chdir, stat, and before ABI 9 connect to a pathname socket. Those stand behind the first wall only. So do truncation
 * before ABI 3, and ioctls on devices before ABI 5. So a guest is left no open but with O_PATH (h_open.c).
 */
#ifndef COWBOX_TRACE_LANDLOCK_H
#define COWBOX_TRACE_LANDLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

/* The ABI that the kernel has: 1 or more, or -ENOSYS (not built in, or hidden by another filter), -EOPNOTSUPP (switched off at boot). */
int landlock_abi(void);
/* True when the domains of this ABI keep signals, and abstract sockets, to themselves. */
bool landlock_has_scopes(int abi);
/* Builds the rule set and returns its descriptor, owned by the caller; -errno and err. It handles every file right that both we and abi
 * know. abi: the kernel's, or an older one (tests). trees: those of the layers that guests write, in which they may reach each other's sockets (ABI 9). What is written or made
 * there the supervisor opens or makes. */
int landlock_build(int abi, const int *trees, size_t n, struct err *err);
/* Lets guests connect to one of the host's pathname sockets; fd is an O_PATH descriptor of it; abi: as the rule set was built for. Without
 * effect before ABI 9. */
int landlock_allow_socket(int abi, int ruleset, int fd, struct err *err);
/* Sets no_new_privs and puts the calling thread into the domain, for ever. 0 or -errno. Safe after fork. */
int landlock_enforce(int ruleset);

#endif
