/* h_open.c - open, openat, openat2 and creat.
 *
 * The overlay opens regular files and directories; the guest gets the descriptor. O_PATH descriptors cannot be handed over: those the guest
 * opens itself, at a path that we name.
 *
 * (I1) Any path in a guest's memory can be exchanged before the kernel reads it, also one that we wrote there; so can the flags of openat2,
 *      but not flags in a register. So what a guest opens itself must be harmless whatever the path: an O_PATH descriptor is, and nothing
 *      else, since to open a FIFO or a device may do something, for reading too. Devices are opened for it (h_device.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include "base/dir.h"
#include "base/sys.h"
#include "guest.h"
#include "h_device.h"
#include "h_proc.h"

#define O_TMPFILE_BIT (O_TMPFILE & ~O_DIRECTORY)
#define KERNEL_O_LARGEFILE 0100000
#define PATH_FLAGS (O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC)
#define VALID_FLAGS                                                                                                          \
	(O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_DSYNC | O_SYNC | O_ASYNC | O_DIRECT | \
	 KERNEL_O_LARGEFILE | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_PATH | O_TMPFILE)
#define VALID_RESOLVE \
	(RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH | RESOLVE_IN_ROOT | RESOLVE_CACHED)
#define MODE_BITS 07777

struct open_args {
	int dirfd;
	uint64_t path;
	uint64_t flags;
	mode_t mode;
	unsigned lookup;
};

static bool opens_for_writing(uint64_t flags)
{
	return !(flags & O_PATH) && ((flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC)));
}

/* R_OK and W_OK as the access mode asks for them; 3 asks for both. */
static int access_wanted(uint64_t flags)
{
	static const int wanted[] = { R_OK, W_OK, R_OK | W_OK, R_OK | W_OK };
	return wanted[flags & O_ACCMODE] | (flags & O_TRUNC ? W_OK : 0);
}

/* Whether an O_PATH open may go on as it is (I1). */
static bool may_continue(const struct call *c)
{
	return c->nr != __NR_openat2;
}

/* The guest itself opens the host's object, with O_PATH: by its own path where that means the same, else at the path we know. */
static int open_natively(struct call *c, struct answer *a, const struct at *at, uint64_t flags, const struct object *o)
{
	if (may_continue(c) && place_is_native(c, at, o, flags & O_NOFOLLOW))
		return answer_continue(a);
	uint64_t args[6] = { (uint64_t)AT_FDCWD, 0, flags & ~(uint64_t)(O_CREAT | O_EXCL), 0, 0, 0 };
	return answer_steer_text(a, __NR_openat, args, 1, o->real);
}

static int open_device(struct call *c, struct answer *a, uint64_t flags, struct object *o)
{
	int r = object_access(c->ov, o, access_wanted(flags), AT_EACCESS);
	if (r < 0)
		return answer_errno(a, r);
	enum device_kind kind = device_kind(&o->st);
	/* Of those that a box made, only such as /dev/null: a terminal of its own means nothing. */
	if (kind == DEVICE_MEMORY || (kind != DEVICE_OTHER && o->where == OBJECT_HOST))
		return device_open(c, a, kind, flags, o);
	supervisor_refused(c, "open", o->view, EACCES);
	return answer_errno(a, EACCES);
}

/* 1: a writer has come since fd, a FIFO's reading end, was opened without blocking; 0: none yet.
 * tee() on an empty pipe tells one without writers (0) from one with (EAGAIN) and takes nothing out; POLLHUP tells of a writer that came
 * and went. */
static int fifo_met_writer(int fd, const int scratch[2])
{
	ssize_t n = tee(fd, scratch[1], 1, SPLICE_F_NONBLOCK);
	if (n > 0 || (n < 0 && errno == EAGAIN))
		return 1;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	return poll(&p, 1, 0) > 0;
}

static int fifo_wait_writer(struct call *c, int fd)
{
	int scratch[2] = { -1, -1 }, r = 0;
	unsigned turn = 0;
	if (pipe2(scratch, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	while (r == 0 && !fifo_met_writer(fd, scratch))
		r = guest_pause(c, &turn, -1);
	close(scratch[0]);
	close(scratch[1]);
	return r;
}

/* Opens it for the guest without blocking ourselves. A reader that is open counts as one, so a guest that waits for writing finds it,
 * exactly as with two blocking opens. */
static int fifo_open(struct call *c, uint64_t flags, const struct object *o)
{
	bool blocking = !(flags & O_NONBLOCK);
	int acc = flags & O_ACCMODE,
	    how = (int)(flags & ~(uint64_t)(O_CREAT | O_EXCL | O_TRUNC | O_NOFOLLOW)) | O_CLOEXEC | O_NONBLOCK;
	unsigned turn = 0;
	_cleanup_close_ int fd = -1;
	/* An end that is open counts. */
	if (!inflight_acts(c))
		return -ESRCH;
	for (;;) {
		fd = sys_reopen(o->fd, how, 0);
		if (fd != -ENXIO || !blocking || acc != O_WRONLY)
			break;
		int r = guest_pause(c, &turn, -1);
		if (r < 0)
			return r;
	}
	if (fd >= 0 && blocking && acc == O_RDONLY) {
		int r = fifo_wait_writer(c, fd);
		if (r < 0)
			return r;
	}
	if (fd >= 0 && blocking && fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) < 0)
		return -errno;
	return TAKE_FD(fd);
}

/* A pipe by /proc/self/fd/N: the kernel opens the guest's own anew. What it opens for us it would open for the guest: Landlock does not judge
 * pipes. But a FIFO whose name is gone may be the host's, and there it lets nobody write. */
static int open_pipe(struct call *c, struct answer *a, uint64_t flags, const struct object *o)
{
	struct statfs fs;
	if (fstatfs(o->fd, &fs) < 0)
		return answer_errno(a, errno);
	bool pipe = fs.f_type == PIPEFS_MAGIC;
	if (!pipe && (flags & O_ACCMODE) != O_RDONLY)
		return answer_errno(a, EACCES);
	int fd = pipe ? device_reopen(flags, o) : fifo_open(c, flags, o);
	return fd < 0 ? answer_errno(a, fd) : answer_fd(a, fd, flags & O_CLOEXEC);
}

static int open_fifo(struct call *c, struct answer *a, const struct caller *who, uint64_t flags, struct object *o)
{
	if (o->where == OBJECT_ANON)
		return open_pipe(c, a, flags, o);
	int r = object_access(c->ov, o, access_wanted(flags), AT_EACCESS);
	if (r >= 0 && !(o->where == OBJECT_LAYER && o->is_top))
		r = object_copy_up(c->ov, who, o); /* guests talk among themselves, not to the host */
	if (r >= 0)
		r = fifo_open(c, flags, o);
	return r < 0 ? answer_errno(a, r) : answer_fd(a, r, flags & O_CLOEXEC);
}

/* See guest_reaches(). What the guest may read is lent to it, so that nothing is copied for a look; the host's sockets and devices are not got at. */
static int open_out_of_reach(struct call *c, struct answer *a, const struct caller *who, uint64_t flags, struct object *o)
{
	uint64_t args[6] = { (uint64_t)AT_FDCWD, 0, flags & ~(uint64_t)O_NOFOLLOW, 0, 0, 0 };
	int fd = object_lend(c, o);
	if (fd >= 0)
		return answer_steer_path(c, a, __NR_openat, args, 1, fd, NULL);
	if (S_ISDIR(o->st.st_mode))
		return answer_steer_mirror(c, a, who, __NR_openat, args, 1, o);
	args[2] = flags;
	bool copies = S_ISREG(o->st.st_mode) || S_ISLNK(o->st.st_mode) || S_ISFIFO(o->st.st_mode);
	if (!copies || object_copy_up(c->ov, who, o) < 0)
		return answer_errno(a, EACCES);
	return answer_steer_object(c, a, __NR_openat, args, 1, o);
}

static int open_path_only(struct call *c, struct answer *a, const struct caller *who, const struct at *at, uint64_t flags, struct object *o)
{
	uint64_t args[6] = { (uint64_t)AT_FDCWD, 0, flags, 0, 0, 0 };
	if (may_continue(c) && *at->dir.s && place_is_own_link(c, at->path, o, flags & O_NOFOLLOW))
		return answer_continue(a);
	if (!guest_reaches(c, o))
		return open_out_of_reach(c, a, who, flags, o);
	if (o->where == OBJECT_ANON && may_continue(c))
		return answer_continue(a);
	if (o->where == OBJECT_ANON) { /* it has no other path than the link that the guest went by */
		args[0] = c->arg[0];
		return answer_steer_text(a, __NR_openat, args, 1, at->path);
	}
	if (o->where != OBJECT_LAYER)
		return open_natively(c, a, at, flags, o);
	return answer_steer_object(c, a, __NR_openat, args, 1, o);
}

/* A file of tracefs. What some give is gone for the host's readers, and the ring buffer is emptied as free_buffer is closed. */
static int open_tracing(struct call *c, struct answer *a, uint64_t flags, const struct object *o)
{
	static const char *const taking[] = { "trace_pipe", "trace_pipe_raw", "snapshot_raw", "free_buffer", "user_events_data" };
	const char *name = strrchr(o->real, '/');
	bool takes = !name;
	for (size_t i = 0; name && i < sizeof taking / sizeof *taking; i++)
		takes = takes || !strcmp(name + 1, taking[i]);
	if (opens_for_writing(flags) || takes) {
		supervisor_refused(c, "open", o->view, EACCES);
		return answer_errno(a, EACCES);
	}
	int fd = device_reopen(flags, o);
	return fd < 0 ? answer_errno(a, fd) : answer_fd(a, fd, flags & O_CLOEXEC);
}

static int open_special(struct call *c, struct answer *a, const struct caller *who, const struct at *at, uint64_t flags,
                        struct object *o)
{
	if (flags & O_PATH)
		return open_path_only(c, a, who, at, flags, o);
	if (S_ISFIFO(o->st.st_mode))
		return open_fifo(c, a, who, flags, o);
	if (S_ISSOCK(o->st.st_mode))
		return answer_errno(a, ENXIO);
	if (S_ISCHR(o->st.st_mode) || S_ISBLK(o->st.st_mode))
		return open_device(c, a, flags, o);
	if (S_ISREG(o->st.st_mode))
		return open_tracing(c, a, flags, o);
	/* eventfd, epoll and the like: the kernel opens them for nobody */
	return answer_errno(a, o->where == OBJECT_ANON ? ENXIO : EACCES);
}

/* The overlay opens none of the kernel's own files for writing, since all it could do is copy them into the layer. The few that a guest may
 * write to are opened here. 1: *ret_fd is it. 0: the path leads to no such file. */
static int open_kernel_file(struct call *c, const struct caller *who, const struct place *p, const struct open_args *o, int *ret_fd)
{
	_cleanup_object_ struct object obj;
	object_init(&obj);
	bool exclusive = (o->flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);
	if (!opens_for_writing(o->flags) || exclusive || !proc_path_suspect(&p->at))
		return 0;
	int r = overlay_lookup(c->ov, who, p->at, o->lookup | (o->flags & O_NOFOLLOW ? LOOKUP_NOFOLLOW : 0), &obj);
	if (r < 0) /* below /dev the box may make files, but none in the kernel's own trees */
		return proc_path_is_kernel(&p->at) && !(r == -ENOENT && proc_path_leaves(&p->at)) ? r : 0;
	if (!S_ISREG(obj.st.st_mode) || !proc_is_kernel_file(obj.fd, &obj.st))
		return 0; /* led out again, as /dev/fd/N does */
	r = proc_may_write(c, obj.real);
	if (r >= 0)
		r = sys_reopen(obj.fd, (int)(o->flags & ~(uint64_t)(O_CREAT | O_NOFOLLOW)) | O_CLOEXEC, 0);
	if (r < 0)
		return r;
	*ret_fd = r;
	return 1;
}

/* A process may list its own descriptors also when /proc/PID/fd belongs to root, as after it took on other ids. The descriptor, or -EACCES. */
static int open_own_fds(struct call *c, const struct caller *who, const struct place *p, const struct open_args *o)
{
	_cleanup_object_ struct object obj;
	object_init(&obj);
	if (!cred_process_is_root() || opens_for_writing(o->flags) || !proc_path_suspect(&p->at) || overlay_lookup(c->ov, who, p->at, o->lookup, &obj) < 0)
		return -EACCES;
	if (!proc_is_own_fds(c, &obj))
		return -EACCES;
	_cleanup_cred_ int own = cred_own_begin();
	return sys_reopen(obj.fd, (int)(o->flags & (O_NONBLOCK | O_LARGEFILE)) | O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
}

/* -EMFILE when the guest has no number left for one more descriptor: the kernel finds that out before it makes a file, or empties one. */
static int room_for_fd(const struct call *c)
{
	uint64_t limit = guest_rlimit(c, RLIMIT_NOFILE), used = 0;
	_cleanup_closedir_ DIR *d = NULL;
	int r;
	if (limit == 0)
		return -EMFILE;
	if (limit > INT_MAX)
		return 0;
	/* Mostly the last number is free. */
	r = guest_fd(c, (int)limit - 1);
	if (r < 0)
		return 0;
	close(r);
	r = guest_proc_fd(c);
	if (r >= 0)
		r = sys_openat(r, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	d = r < 0 ? NULL : dir_take(r);
	if (!d)
		return 0;
	for (struct dirent *e; (e = dir_next(d));)
		used += strtoull(e->d_name, NULL, 10) < limit;
	return used >= limit ? -EMFILE : 0;
}

static int open_at(struct call *c, struct answer *a, const struct open_args *o)
{
	struct place p;
	struct caller who;
	_cleanup_opened_ struct opened opened;
	opened_init(&opened);
	int r = place_read(c, o->dirfd, o->path, false, &p);
	/* A directory that is gone, by a text of ours (guest_at): the guest's rules for paths are none for that. */
	bool itself = r >= 0 && !*p.at.dir.s && path_below(p.at.path, "/proc/thread-self", NULL);
	if (r >= 0 && o->lookup & LOOKUP_IN_ROOT && *p.at.path == '/' && !itself) /* absolute, but its root is the directory given */
		r = guest_dir(c, o->dirfd, p.dir, sizeof p.dir);
	if (r >= 0 && o->flags & (O_CREAT | O_TRUNC))
		r = room_for_fd(c);
	if (r < 0)
		return answer_errno(a, r);
	guest_caller(c, o->flags & (O_CREAT | O_TMPFILE_BIT), &who);
	unsigned lookup = itself ? 0 : o->lookup;
	uint64_t flags = o->flags & O_DIRECTORY ? o->flags & ~(uint64_t)O_SYNC : o->flags; /* LENT_FLAG is ours */
	r = open_kernel_file(c, &who, &p, o, &opened.fd);
	if (r > 0)
		return answer_fd(a, TAKE_FD(opened.fd), o->flags & O_CLOEXEC);
	if (r == 0)
		r = overlay_open(c->ov, &who, p.at, flags, o->mode, lookup, &opened);
	if (r == -EACCES) {
		int fds = open_own_fds(c, &who, &p, o);
		if (fds >= 0)
			return answer_fd(a, fds, o->flags & O_CLOEXEC);
	}
	if (r < 0)
		return answer_errno(a, r);
	if (opened.how == OPENED_SPECIAL)
		return open_special(c, a, &who, &p.at, o->flags, &opened.object);
	r = opened.is_layers ? 0 : proc_opened(c, o->flags, &opened.fd);
	if (r < 0)
		return answer_errno(a, r);
	return answer_fd(a, TAKE_FD(opened.fd), o->flags & O_CLOEXEC);
}

/* The rules that openat2 holds its callers to, and that open's flags are bent to before. */
static int check_flags(const struct open_args *o)
{
	if (o->flags & O_CREAT && o->flags & O_DIRECTORY)
		return -EINVAL;
	if (o->flags & O_TMPFILE_BIT && (!(o->flags & O_DIRECTORY) || (o->flags & O_ACCMODE) == O_RDONLY))
		return -EINVAL;
	return 0;
}

/* open, openat and creat drop the flags they do not know, and those that O_PATH makes meaningless. */
static int open_old(struct call *c, struct answer *a, int dirfd, uint64_t path, uint64_t flags, uint64_t mode)
{
	struct open_args o = { .dirfd = dirfd, .path = path, .flags = (uint32_t)flags & VALID_FLAGS };
	if (o.flags & O_PATH)
		o.flags &= PATH_FLAGS;
	else
		o.flags |= KERNEL_O_LARGEFILE;
	if (o.flags & (O_CREAT | O_TMPFILE_BIT))
		o.mode = (mode_t)mode & MODE_BITS;
	int r = check_flags(&o);
	return r < 0 ? answer_errno(a, r) : open_at(c, a, &o);
}

int h_open(struct call *c, struct answer *a)
{
	return open_old(c, a, AT_FDCWD, c->arg[0], c->arg[1], c->arg[2]);
}
int h_openat(struct call *c, struct answer *a)
{
	return open_old(c, a, arg_int(c, 0), c->arg[1], c->arg[2], c->arg[3]);
}

int h_creat(struct call *c, struct answer *a)
{
	return open_old(c, a, AT_FDCWD, c->arg[0], O_CREAT | O_WRONLY | O_TRUNC, c->arg[1]);
}

static unsigned resolve_to_lookup(uint64_t resolve)
{
	return (resolve & RESOLVE_NO_SYMLINKS ? LOOKUP_NO_SYMLINKS : 0) |
	       (resolve & RESOLVE_NO_MAGICLINKS ? LOOKUP_NO_MAGICLINKS : 0) | (resolve & RESOLVE_BENEATH ? LOOKUP_BENEATH : 0) |
	       (resolve & RESOLVE_IN_ROOT ? LOOKUP_IN_ROOT : 0) | (resolve & RESOLVE_NO_XDEV ? LOOKUP_NO_XDEV : 0);
}

static int check_how(const struct open_how *how)
{
	bool creates = how->flags & (O_CREAT | O_TMPFILE_BIT);
	if (how->flags & ~(uint64_t)VALID_FLAGS || how->resolve & ~(uint64_t)VALID_RESOLVE)
		return -EINVAL;
	if (how->resolve & RESOLVE_BENEATH && how->resolve & RESOLVE_IN_ROOT)
		return -EINVAL;
	if (creates ? how->mode & ~(uint64_t)MODE_BITS : how->mode)
		return -EINVAL;
	if (how->flags & O_PATH && how->flags & ~(uint64_t)PATH_FLAGS)
		return -EINVAL;
	return 0;
}

/* A struct of a size that newer kernels may have made larger: what we do not know must be zero. */
static int read_how(const struct call *c, struct open_how *ret)
{
	uint64_t addr = c->arg[2], size = c->arg[3];
	char rest[256];
	if (size < sizeof *ret)
		return -EINVAL;
	if (size > 4096)
		return -E2BIG;
	int r = guest_read(c, addr, ret, sizeof *ret);
	for (uint64_t at = sizeof *ret; r >= 0 && at < size; at += sizeof rest) {
		size_t n = size - at < sizeof rest ? size - at : sizeof rest;
		r = guest_read(c, addr + at, rest, n);
		for (size_t i = 0; r >= 0 && i < n; i++)
			if (rest[i])
				return -E2BIG;
	}
	return r < 0 ? r : 0;
}

int h_openat2(struct call *c, struct answer *a)
{
	struct open_how how;
	int r = read_how(c, &how);
	if (r >= 0)
		r = check_how(&how);
	if (r < 0)
		return answer_errno(a, r);
	struct open_args o = { .dirfd = arg_int(c, 0),
		               .path = c->arg[1],
		               .flags = how.flags,
		               .mode = (mode_t)how.mode,
		               .lookup = resolve_to_lookup(how.resolve) };
	if (!(o.flags & O_PATH))
		o.flags |= KERNEL_O_LARGEFILE;
	r = check_flags(&o);
	if (r < 0)
		return answer_errno(a, r);
	if (how.resolve & RESOLVE_CACHED) /* a try that must not wait: callers go on without the flag */
		return answer_errno(a, EAGAIN);
	return open_at(c, a, &o);
}
