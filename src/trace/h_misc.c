/* h_misc.c - what fits nowhere else: inotify_add_watch. */
#include <errno.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <unistd.h>
#include "h_proc.h"

#define WATCH_BITS                                                                                                              \
	(IN_ALL_EVENTS | IN_UNMOUNT | IN_Q_OVERFLOW | IN_IGNORED | IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK | IN_MASK_ADD | \
	 IN_MASK_CREATE | IN_ISDIR | IN_ONESHOT)

/* What guests do in a directory that the host has happens in its mirror, so that is what is watched. Where the guest could
 * change it, the mirror is made for this; where it could not, the host's own directory is all there will be. */
static int watched_fd(struct call *c, const struct caller *who, struct object *o)
{
	if (o->where == OBJECT_HOST && S_ISDIR(o->st.st_mode) && !proc_is_kernel_file(o->fd, &o->st) &&
	    object_access(c->ov, o, W_OK | X_OK, AT_EACCESS) >= 0)
		object_copy_up(c->ov, who, o); /* failing, the host's is watched */
	return o->meta_fd >= 0 ? o->meta_fd : o->fd;
}

int h_inotify_add_watch(struct call *c, struct answer *a)
{
	struct caller who;
	unsigned mask = arg_uint(c, 2);
	_cleanup_object_ struct object o;
	object_init(&o);
	if (!(mask & WATCH_BITS) || (mask & IN_MASK_ADD && mask & IN_MASK_CREATE))
		return answer_errno(a, EINVAL);
	_cleanup_close_ int queue = guest_fd(c, arg_int(c, 0));
	if (queue < 0)
		return answer_errno(a, queue);
	guest_caller(c, false, &who);
	int r = target_find(c, &who, AT_FDCWD, c->arg[1], mask & IN_DONT_FOLLOW ? AT_SYMLINK_NOFOLLOW : 0, &o);
	if (r >= 0 && mask & IN_ONLYDIR && !S_ISDIR(o.st.st_mode))
		r = -ENOTDIR;
	if (r >= 0)
		r = object_access(c->ov, &o, R_OK, AT_EACCESS);
	if (r < 0)
		return answer_errno(a, r);
	/* The way through our descriptor is a link itself, and leads to the very object, a symlink too. */
	r = inotify_add_watch(queue, FD_PATH(watched_fd(c, &who, &o)), mask & ~(unsigned)IN_DONT_FOLLOW);
	return answer_result(a, r < 0 ? -errno : r);
}
