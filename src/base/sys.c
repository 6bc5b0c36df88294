/* sys.c - system calls that return -errno, with fault injection.
 *
 * Opens, changes and bulk reads pass sys_gate() first. When no fault is armed that is one relaxed load and a branch
 * that is never taken.
 */
#include "base/sys.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"

/* A lookup below a directory is told EAGAIN when a rename anywhere raced with its ".."; it settles after a few tries. */
#define OPENAT2_TRIES 32

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

static struct {
	atomic_int mode;           /* mode: enum sys_fault_mode */
	int code;                  /* code: errno of SYS_FAULT_FAIL, positive */
	uint64_t nth;              /* nth: the call that is hit, from 1 */
	atomic_uint_fast64_t seen; /* seen: calls since sys_fault() */
} fault;

void sys_fault(enum sys_fault_mode mode, uint64_t nth, int code)
{
	atomic_store(&fault.mode, SYS_FAULT_OFF);
	fault.nth = nth;
	fault.code = code < 0 ? -code : code;
	atomic_store(&fault.seen, 0);
	atomic_store(&fault.mode, (int)mode);
}

uint64_t sys_fault_count(void)
{
	return atomic_load(&fault.seen);
}

static __attribute__((noinline, cold)) int fault_hit(int mode)
{
	uint64_t now;

	if (mode == SYS_FAULT_TEAR)
		return 0;
	now = atomic_fetch_add(&fault.seen, 1) + 1;
	if (mode == SYS_FAULT_COUNT || now < fault.nth || (now > fault.nth && mode != SYS_FAULT_DEAD))
		return 0;
	if (mode == SYS_FAULT_KILL)
		_exit(137);
	return fault.code ? -fault.code : -EIO;
}

static inline int sys_gate(void)
{
	int mode = atomic_load_explicit(&fault.mode, memory_order_relaxed);

	return __builtin_expect(mode != SYS_FAULT_OFF, 0) ? fault_hit(mode) : 0;
}

/* Cuts a write that is to be torn; returns by how much. */
static size_t tear(size_t *size)
{
	size_t whole = *size;

	if (atomic_load_explicit(&fault.mode, memory_order_relaxed) != SYS_FAULT_TEAR || atomic_fetch_add(&fault.seen, 1) + 1 != fault.nth)
		return 0;
	*size /= 2;
	return whole - *size;
}

static int torn(void)
{
	if (!fault.code)
		_exit(137);
	return -fault.code;
}

#ifdef COWBOX_FAULT_ENV
static void fault_print_count(void)
{
	fprintf(stderr, "fault: %llu calls\n", (unsigned long long)sys_fault_count());
}

/* COWBOX_FAULT="fail:N:ERRNO", "kill:N" or "count"; anything else is a mistake in a test and ends the program. */
static __attribute__((constructor)) void fault_from_env(void)
{
	const char *s = getenv("COWBOX_FAULT");
	unsigned long long nth;
	int code, end = 0;

	if (!s || !*s)
		return;
	if (!strcmp(s, "count")) {
		sys_fault(SYS_FAULT_COUNT, 0, 0);
		atexit(fault_print_count);
	} else if (sscanf(s, "fail:%llu:%d%n", &nth, &code, &end) == 2 && !s[end]) {
		sys_fault(SYS_FAULT_FAIL, nth, code);
	} else if (sscanf(s, "kill:%llu%n", &nth, &end) == 1 && !s[end]) {
		sys_fault(SYS_FAULT_KILL, nth, 0);
	} else {
		fprintf(stderr, "COWBOX_FAULT: not understood: %s\n", s);
		_exit(2);
	}
}
#endif

/* Runs a call through the gate; -1 becomes -errno. */
#define GATED(call)                          \
	({                                   \
		int _r = sys_gate();         \
		if (!_r) {                   \
			_r = (int)(call);    \
			if (_r < 0)          \
				_r = -errno; \
		}                            \
		_r;                          \
	})

/* As GATED, begun again when a signal came first: for calls that have done nothing when they say EINTR. */
#define GATED_RETRY(call)                                   \
	({                                                  \
		int _r = sys_gate();                        \
		if (!_r) {                                  \
			do {                                \
				_r = (int)(call);           \
			} while (_r < 0 && errno == EINTR); \
			if (_r < 0)                         \
				_r = -errno;                \
		}                                           \
		_r;                                         \
	})

int sys_openat(int dirfd, const char *path, int flags, mode_t mode)
{
	return GATED_RETRY(openat(dirfd, path, flags, mode));
}

int sys_openat2(int dirfd, const char *path, uint64_t flags, mode_t mode, uint64_t resolve)
{
	/* openat2 refuses what openat ignores: a mode without O_CREAT, and file-type bits. */
	bool creates = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
	struct open_how how = {
		.flags = flags,
		.mode = creates ? mode & 07777 : 0,
		.resolve = resolve,
	};
	bool races = (resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) && !(resolve & RESOLVE_CACHED);
	int r = sys_gate(), tries = 0;

	if (r < 0)
		return r;
	do {
		r = (int)syscall(SYS_openat2, dirfd, path, &how, sizeof how);
	} while (r < 0 && (errno == EINTR || (errno == EAGAIN && races && ++tries < OPENAT2_TRIES)));
	return r < 0 ? -errno : r;
}

int sys_reopen(int fd, int flags, mode_t mode)
{
	char name[FD_PATH_MAX];
	int dir = fd_proc_at(fd, name);

	return sys_openat(dir, name, flags, mode);
}

int sys_mkdirat(int dirfd, const char *path, mode_t mode)
{
	return GATED(mkdirat(dirfd, path, mode));
}

int sys_mknodat(int dirfd, const char *path, mode_t mode, dev_t dev)
{
	return GATED(mknodat(dirfd, path, mode, dev));
}

int sys_symlinkat(const char *target, int dirfd, const char *path)
{
	return GATED(symlinkat(target, dirfd, path));
}

int sys_linkat(int olddir, const char *old, int newdir, const char *new, int flags)
{
	return GATED(linkat(olddir, old, newdir, new, flags));
}

int sys_unlinkat(int dirfd, const char *path, int flags)
{
	return GATED(unlinkat(dirfd, path, flags));
}

int sys_renameat2(int olddir, const char *old, int newdir, const char *new, unsigned flags)
{
	return GATED(renameat2(olddir, old, newdir, new, flags));
}

int sys_fchmod(int fd, mode_t mode)
{
	return GATED_RETRY(fchmod(fd, mode));
}

/* fchmodat2 knows O_PATH descriptors since Linux 6.6, and is spared the walk through /proc. EPERM may be that of a container's filter, and is
 * then asked again. */
static int chmod_fd(int fd, mode_t mode)
{
	static atomic_bool missing;

	if (!atomic_load_explicit(&missing, memory_order_relaxed)) {
		if (syscall(SYS_fchmodat2, fd, "", mode, AT_EMPTY_PATH) == 0)
			return 0;
		if (errno == ENOSYS)
			atomic_store(&missing, true);
		else if (errno != EPERM)
			return -1;
	}
	return chmod(FD_PATH(fd), mode);
}

int sys_chmod_fd(int fd, mode_t mode)
{
	return GATED_RETRY(chmod_fd(fd, mode));
}

int sys_fchownat(int dirfd, const char *path, uid_t uid, gid_t gid, int flags)
{
	return GATED_RETRY(fchownat(dirfd, path, uid, gid, flags));
}

int sys_utimensat(int dirfd, const char *path, const struct timespec ts[2], int flags)
{
	/* The C library refuses a null path; the kernel takes it to mean dirfd itself. */
	return GATED_RETRY(syscall(SYS_utimensat, dirfd, path, ts, flags));
}

int sys_ftruncate(int fd, off_t size)
{
	return GATED_RETRY(ftruncate(fd, size));
}

int sys_fsetxattr(int fd, const char *name, const void *value, size_t size, int flags)
{
	return GATED_RETRY(fsetxattr(fd, name, value, size, flags));
}

int sys_setxattr(const char *path, const char *name, const void *value, size_t size, int flags)
{
	return GATED_RETRY(setxattr(path, name, value, size, flags));
}

int sys_lsetxattr(const char *path, const char *name, const void *value, size_t size, int flags)
{
	return GATED_RETRY(lsetxattr(path, name, value, size, flags));
}

int sys_removexattr(const char *path, const char *name)
{
	return GATED_RETRY(removexattr(path, name));
}

int sys_fsync(int fd)
{
	return GATED_RETRY(fsync(fd));
}

int sys_syncfs(int fd)
{
	return GATED_RETRY(syncfs(fd));
}

int sys_flock(int fd, int op)
{
	return GATED_RETRY(flock(fd, op));
}

int sys_write_all(int fd, const void *buf, size_t size)
{
	const char *p = buf;
	size_t cut;
	int r = sys_gate();

	if (r < 0)
		return r;
	cut = tear(&size);
	while (size) {
		ssize_t n = write(fd, p, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		p += n;
		size -= (size_t)n;
	}
	return cut ? torn() : 0;
}

int sys_pwrite_all(int fd, const void *buf, size_t size, off_t at)
{
	const char *p = buf;
	size_t cut;
	int r = sys_gate();

	if (r < 0)
		return r;
	cut = tear(&size);
	while (size) {
		ssize_t n = pwrite(fd, p, size, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		p += n;
		at += n;
		size -= (size_t)n;
	}
	return cut ? torn() : 0;
}

ssize_t sys_read_all(int fd, void *buf, size_t size)
{
	char *p = buf;
	size_t got = 0;
	int r = sys_gate();

	if (r < 0)
		return r;
	while (got < size) {
		ssize_t n = read(fd, p + got, size - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

ssize_t sys_pread_all(int fd, void *buf, size_t size, off_t at)
{
	char *p = buf;
	size_t got = 0;
	int r = sys_gate();

	if (r < 0)
		return r;
	while (got < size) {
		ssize_t n = pread(fd, p + got, size - got, at + (off_t)got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

int sys_ficlone(int dst, int src)
{
	return GATED_RETRY(ioctl(dst, FICLONE, src));
}

ssize_t sys_copy_file_range(int src, off_t src_at, int dst, off_t dst_at, size_t size)
{
	ssize_t n = sys_gate();

	if (n < 0)
		return n;
	do {
		n = copy_file_range(src, &src_at, dst, &dst_at, size, 0);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int sys_fstat(int fd, struct stat *ret)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	*ret = st;
	return 0;
}

int sys_fstatat(int dirfd, const char *path, struct stat *ret, int flags)
{
	struct stat st;

	if (fstatat(dirfd, path, &st, flags) < 0)
		return -errno;
	*ret = st;
	return 0;
}

int sys_statx(int dirfd, const char *path, int flags, unsigned mask, struct statx *ret)
{
	struct statx stx;

	if (statx(dirfd, path, flags, mask, &stx) < 0)
		return -errno;
	*ret = stx;
	return 0;
}

int sys_readlinkat(int dirfd, const char *path, char *ret, size_t size)
{
	ssize_t n;

	if (size == 0)
		return -ENAMETOOLONG;
	n = readlinkat(dirfd, path, ret, size);
	if (n < 0)
		return -errno;
	/* A full buffer may have cut the target short. */
	if ((size_t)n >= size)
		return -ENAMETOOLONG;
	ret[n] = '\0';
	return (int)n;
}

ssize_t sys_fgetxattr(int fd, const char *name, void *buf, size_t size)
{
	ssize_t n = fgetxattr(fd, name, buf, size);

	return n < 0 ? -errno : n;
}

ssize_t sys_getdents64(int fd, void *buf, size_t size)
{
	long n = syscall(SYS_getdents64, fd, buf, size);

	return n < 0 ? -errno : (ssize_t)n;
}
