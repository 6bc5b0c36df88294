/* handlers.h - one handler for every trapped system call, by the call's own name.
 *
 * syscalls.def names them; table.c refers to each, so a handler that is declared here and in no h_*.c does not link. A handler
 * gets every call of its number that the filter traps: for the rows marked (some) in syscalls.def that is not every call, yet a handler
 * must be right for any arguments, since a guest's filter cannot make ours stricter but the rows may change.
 */
#ifndef COWBOX_TRACE_HANDLERS_H
#define COWBOX_TRACE_HANDLERS_H

#include "handler.h"

/* Opening and making. */
handler_fn h_open, h_openat, h_openat2, h_creat;
handler_fn h_mkdir, h_mkdirat, h_mknod, h_mknodat;
handler_fn h_link, h_linkat, h_symlink, h_symlinkat;
handler_fn h_unlink, h_unlinkat, h_rmdir;
handler_fn h_rename, h_renameat, h_renameat2;
handler_fn h_truncate;

/* Looking. */
handler_fn h_stat, h_lstat, h_fstat, h_newfstatat, h_statx;
handler_fn h_access, h_faccessat, h_faccessat2;
handler_fn h_readlink, h_readlinkat;
handler_fn h_statfs;
handler_fn h_getdents, h_getdents64;
handler_fn h_inotify_add_watch;

/* Objects that the kernel names for all processes. */
handler_fn h_shmget, h_shmat, h_shmctl, h_semget, h_semop, h_semtimedop, h_semctl, h_msgget, h_msgsnd, h_msgrcv, h_msgctl;
handler_fn h_mq_open, h_mq_unlink;

/* The working directory and the mask. */
handler_fn h_chdir, h_fchdir, h_getcwd;
handler_fn h_umask;

/* Metadata. */
handler_fn h_chmod, h_fchmod, h_fchmodat, h_fchmodat2;
handler_fn h_chown, h_lchown, h_fchown, h_fchownat;
handler_fn h_utime, h_utimes, h_futimesat, h_utimensat;

/* Extended attributes. The *at calls are Linux 6.13's. */
handler_fn h_setxattr, h_lsetxattr, h_fsetxattr, h_setxattrat;
handler_fn h_getxattr, h_lgetxattr, h_fgetxattr, h_getxattrat;
handler_fn h_listxattr, h_llistxattr, h_flistxattr, h_listxattrat;
handler_fn h_removexattr, h_lremovexattr, h_fremovexattr, h_removexattrat;

/* Programs. clone: CLONE_FS without CLONE_THREAD only (working directory and mask are shared with the child from then on). unshare:
 * CLONE_FS only (no longer shared). Flags that make name spaces never get here. */
handler_fn h_execve, h_execveat;
handler_fn h_clone, h_unshare;

/* Identity: noted, then continued (all arguments but setgroups' list and capset's data are scalars, and those only give rights that
 * the kernel grants anyway). */
handler_fn h_setuid, h_setgid, h_setreuid, h_setregid, h_setresuid, h_setresgid;
handler_fn h_setfsuid, h_setfsgid, h_setgroups, h_capset;

/* Sockets. sendto: only with an address. */
handler_fn h_bind, h_connect;
handler_fn h_sendto, h_sendmsg, h_sendmmsg;
handler_fn h_getsockname, h_getpeername;

/* Acting on other processes: refused (EPERM, or ESRCH as the call has it) when the pid is not a guest. The first argument is the
 * pid, but for setpriority and ioprio_set (which, who). pid 0 and PRIO_PROCESS 0 never get here. */
handler_fn h_prlimit64;
handler_fn h_setpriority, h_ioprio_set;
handler_fn h_sched_setparam, h_sched_setscheduler, h_sched_setaffinity, h_sched_setattr;

/* Signals: trapped only where Landlock has no signal scope (filter_options.has_signal_scope). fcntl: F_SETOWN and F_SETOWN_EX only. */
handler_fn h_kill, h_tkill, h_tgkill;
handler_fn h_rt_sigqueueinfo, h_rt_tgsigqueueinfo;
handler_fn h_pidfd_send_signal;
handler_fn h_fcntl;

#endif
