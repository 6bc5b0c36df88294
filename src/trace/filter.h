/* filter.h - the seccomp filter, built from the table of system calls.
 *
 * Calling sequence:
 *     filter_build                                       in the supervisor, before fork
 *     landlock_enforce, filter_install                   in the child, after fork: raw system calls only
 *     filter_release
 *
 * The child's listener comes back as a descriptor of the child. It cannot be sent over a socket, since sendmsg is trapped from then on: the
 * supervisor fetches it (pidfd_getfd), or parent and child share their descriptors.
 *
 * The program is written by hand rather than by libseccomp, which can say neither "all others of this call are allowed" under a default
 * of ENOSYS nor "this ioctl type but for these", and which would therefore need two stacked filters.
 */
#ifndef COWBOX_TRACE_FILTER_H
#define COWBOX_TRACE_FILTER_H

#include <stdbool.h>
#include <linux/filter.h>
#include "base/err.h"

struct filter_options {
	bool has_signal_scope; /* has_signal_scope: Landlock keeps signals in the box, so the signal calls need not be trapped */
};

/* Builds the program; ret is owned: filter_release. -ENOMEM. */
int filter_build(const struct filter_options *opt, struct sock_fprog *ret, struct err *err);
void filter_release(struct sock_fprog *prog);
/* Sets no_new_privs and puts the calling thread behind the filter, for ever. Returns the listener, close-on-exec, or -errno: -EBUSY
 * when a filter with a listener stands already. ret_unbroken, which may be NULL: whether only death ends a guest's wait for its answer, once
 * that was received. Safe after fork. */
int filter_install(const struct sock_fprog *prog, bool *ret_unbroken);

#endif
