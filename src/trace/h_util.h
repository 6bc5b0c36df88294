/* h_util.h - what several handlers share: finding the object that a call names, waiting on a guest's behalf, steering by path.
 *
 * Private to the h_*.c files. Functions return 0 or a positive value, or -errno: the guest's errno, unless the comment says otherwise.
 */
#ifndef COWBOX_TRACE_H_UTIL_H
#define COWBOX_TRACE_H_UTIL_H

#include "handlers.h"

/* A path argument, read: room for guest_at(). */
struct place {
	struct at at;
	char path[PATH_MAX];
	char dir[PATH_MAX];
};
int place_read(const struct call *c, int dirfd, uint64_t addr, bool empty_ok, struct place *ret);
/* The same for a path that is already in our memory (borrowed); relative ones start at the guest's working directory. */
int place_text(const struct call *c, const char *text, struct place *ret);

/* As place_read, for calls that with AT_EMPTY_PATH take NULL for an empty path: stat and statx since Linux 6.11, the xattrat calls of 6.13. Here as
 * this kernel has it. */
int place_read_null(const struct call *c, int dirfd, uint64_t addr, unsigned at_flags, struct place *ret);

/* The object a call names by (dirfd, path, AT_* flags). AT_EMPTY_PATH and AT_SYMLINK_NOFOLLOW count, other flags are the caller's to check. */
int target_find(struct call *c, const struct caller *who, int dirfd, uint64_t addr, unsigned at_flags, struct object *ret);
/* The same when the path has been read already. */
int target_place(struct call *c, const struct caller *who, int dirfd, const struct place *p, unsigned at_flags, struct object *ret);
enum target_fd_how {
	TARGET_ANY_FD,  /* any descriptor */
	TARGET_FILE_FD, /* -EBADF for O_PATH ones, as fdget() in the kernel has it */
};
int target_fd(struct call *c, const struct caller *who, int fd, enum target_fd_how how, struct object *ret);

/* True when the kernel, given the path as it stands, would come to this very object of the host: then the guest may run the call itself. */
bool place_is_native(const struct call *c, const struct at *at, const struct object *o, bool nofollow);
/* True when the text begins with the guest's own /proc/self, and the kernel comes by it to the object's own inode, be that a layer's. */
bool place_is_own_link(const struct call *c, const char *text, const struct object *o, bool nofollow);
/* The thread runs nr with its own arguments, but argument path_arg is an absolute path (copied). */
int answer_steer_text(struct answer *a, long nr, const uint64_t args[6], int path_arg, const char *path);
/* The same, with the path of an object of a layer: through its directory when that can be opened, else by text. */
int answer_steer_object(struct call *c, struct answer *a, long nr, const uint64_t args[6], int path_arg, const struct object *o);

/* A descriptor that a guest has for the moment of a steered call, also a guest that may only search the directory: by one with this flag nothing that a
 * layer has is listed (h_dir.c). No guest can take the flag off (F_SETFL), and none is given a directory with it. */
#define LENT_FLAG O_DSYNC
/* Opens a directory, or a regular file that the guest may read, to be lent. -EACCES for other things. */
int object_lend(const struct call *c, const struct object *o);

/* False for an object of the host that the guest cannot walk to, although the view lets it: a directory above was moved or opened up in the box.
 * The guest can be steered there by descriptor, or to a copy, alone. */
bool guest_reaches(const struct call *c, const struct object *o);
/* The thread runs nr (fchdir, or a call with a path) on a directory's mirror in the top layer, which is made when there is none: for a directory of
 * the host with which the kernel would not let the guest do what the view does. */
int answer_steer_mirror(struct call *c, struct answer *a, const struct caller *who, long nr, const uint64_t args[6], int arg, struct object *o);

/* Turns n bytes of struct linux_dirent64, as getdents64 fills them in, into getdents' struct linux_dirent, in place (h_dir.c). Both kinds of record have
 * the same length for the same name: the new one's type and the name's NUL trade places, so to say. */
void dents_make_old(char *buf, size_t n);

/* Between two tries of something that a guest's call blocks on. Sleeps a little; not longer than until fd (-1: none) can be written to.
 * turn counts the tries and starts at 0. 0: try again.
 * -ERESTARTSYS: a signal waits for the guest; given to the guest as it is, the kernel restarts the call or makes it EINTR.
 * -EINTR: the same where the kernel could not tell. -ENFILE: too many guests wait already. -ESRCH: the guest is gone, the answer does not matter. */
#ifndef ERESTARTSYS
#define ERESTARTSYS 512
#endif
int guest_pause(const struct call *c, unsigned *turn, int fd);

/* Answers 0, or the guest's errno, for a result of guest_write() and the like. */
static inline int answer_done(struct answer *a, int r)
{
	return r < 0 ? answer_errno(a, r) : answer_value(a, 0);
}
/* int-sized arguments are what their low 32 bits say. */
static inline int arg_int(const struct call *c, int i)
{
	return (int)(uint32_t)c->arg[i];
}
static inline unsigned arg_uint(const struct call *c, int i)
{
	return (unsigned)(uint32_t)c->arg[i];
}

#endif
