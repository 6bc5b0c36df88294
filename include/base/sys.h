/* sys.h - system calls that return -errno, through one place where tests can make them fail.
 *
 * Every call that changes a file system, and every open, goes through a sys_ function. Each returns what the call returns, or
 * -errno. EINTR is retried where a retry is safe. sys_fault() lets a test count the calls, make the Nth one fail with an
 * errno, or kill the process at it: a single branch on a global when it is off.
 */
#ifndef COWBOX_BASE_SYS_H
#define COWBOX_BASE_SYS_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <linux/openat2.h>

enum sys_fault_mode {
	SYS_FAULT_OFF,
	SYS_FAULT_COUNT,
	SYS_FAULT_FAIL,
	SYS_FAULT_KILL,
	SYS_FAULT_DEAD, /* SYS_FAULT_DEAD: the nth and all later ones fail: the disk is gone */
	SYS_FAULT_TEAR, /* SYS_FAULT_TEAR: counts writes only; of the nth half is written, and then it fails, or with code 0 the process is killed */
};
/* Arms fault injection for this process: at the nth (from 1) sys_ call from now on, fail with -code or _exit(137).
 * Also armed by the environment at start-up in test builds (COWBOX_FAULT_ENV): COWBOX_FAULT="fail:N:ERRNO" or "kill:N" or
 * "count", which prints "fault: N calls" on stderr at exit. The reads at the end of this header are not counted. */
void sys_fault(enum sys_fault_mode mode, uint64_t nth, int code);
uint64_t sys_fault_count(void);

int sys_openat(int dirfd, const char *path, int flags, mode_t mode);
int sys_openat2(int dirfd, const char *path, uint64_t flags, mode_t mode, uint64_t resolve);
/* Opens anew what fd is, O_PATH descriptors too, with other flags (through /proc/self/fd). mode: for O_TMPFILE. */
int sys_reopen(int fd, int flags, mode_t mode);
int sys_mkdirat(int dirfd, const char *path, mode_t mode);
int sys_mknodat(int dirfd, const char *path, mode_t mode, dev_t dev);
int sys_symlinkat(const char *target, int dirfd, const char *path);
int sys_linkat(int olddir, const char *old, int newdir, const char *new, int flags);
int sys_unlinkat(int dirfd, const char *path, int flags);
int sys_renameat2(int olddir, const char *old, int newdir, const char *new, unsigned flags);
int sys_fchmod(int fd, mode_t mode);
/* Works on O_PATH descriptors too. */
int sys_chmod_fd(int fd, mode_t mode);
int sys_fchownat(int dirfd, const char *path, uid_t uid, gid_t gid, int flags);
int sys_utimensat(int dirfd, const char *path, const struct timespec ts[2], int flags);
int sys_ftruncate(int fd, off_t size);
int sys_fsetxattr(int fd, const char *name, const void *value, size_t size, int flags);
int sys_setxattr(const char *path, const char *name, const void *value, size_t size, int flags);
int sys_lsetxattr(const char *path, const char *name, const void *value, size_t size, int flags);
int sys_removexattr(const char *path, const char *name);
int sys_fsync(int fd);
/* All of the file system that holds it. */
int sys_syncfs(int fd);
int sys_flock(int fd, int op);
/* Whole buffer or an error. */
int sys_write_all(int fd, const void *buf, size_t size);
int sys_pwrite_all(int fd, const void *buf, size_t size, off_t at);
/* Up to size bytes, retrying short reads; returns the count. */
ssize_t sys_read_all(int fd, void *buf, size_t size);
ssize_t sys_pread_all(int fd, void *buf, size_t size, off_t at);
/* Shares all of src's content with dst (FICLONE); an error where the file system cannot. */
int sys_ficlone(int dst, int src);
/* Copies inside the kernel, neither file's position moves; returns the count, which may be short. */
ssize_t sys_copy_file_range(int src, off_t src_at, int dst, off_t dst_at, size_t size);

/* Reads that change nothing, for symmetry of the error convention. */
int sys_fstat(int fd, struct stat *ret);
int sys_fstatat(int dirfd, const char *path, struct stat *ret, int flags);
int sys_statx(int dirfd, const char *path, int flags, unsigned mask, struct statx *ret);
/* NUL-terminated; returns the length; -ENAMETOOLONG when it does not fit. */
int sys_readlinkat(int dirfd, const char *path, char *ret, size_t size);
ssize_t sys_fgetxattr(int fd, const char *name, void *buf, size_t size);
ssize_t sys_getdents64(int fd, void *buf, size_t size);

#endif
