/* probe_live.c - the probes that need a child: one behind a small filter, one to be traced.
 *
 * Both children share this process's descriptors (CLONE_FILES) but not its memory, make only raw system calls, and never return. So the
 * listener is ours under the number that the child got; it travels through a shared page, since the child's calls may be trapped.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include "base/fd.h"
#include "probe.h"
#include "table.h"

#define FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#define FD_SYNC_WAKE_UP (1UL << 0)
#define IOC_SET_FLAGS SECCOMP_IOW(4, uint64_t)
#define PIDFD_FLAG_THREAD O_EXCL
/* A number that no kernel has, so that trapping it disturbs nothing that a C library might do. */
#define PROBE_NR 0x3ffff
#define WAIT_MS 2000

struct page {
	_Atomic int listener; /* listener: its number, or -errno; UNKNOWN before */
	_Atomic int killable;
};
#define UNKNOWN 1000000

/* The child's side: a filter that traps PROBE_NR only, then that call. */
static void notify_child(struct page *page)
{
	struct sock_filter insn[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PROBE_NR, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = sizeof(insn) / sizeof(insn[0]), .filter = insn };
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
		atomic_store(&page->listener, -errno);
		_exit(1);
	}
	unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_SPEC_ALLOW;
	long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags | FLAG_WAIT_KILLABLE_RECV, &prog);
	atomic_store(&page->killable, fd < 0 ? -errno : 0);
	if (fd < 0)
		fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
	atomic_store(&page->listener, fd < 0 ? -errno : (int)fd);
	syscall(SYS_futex, &page->listener, 1 /* FUTEX_WAKE */, 1, NULL, NULL, 0);
	if (fd >= 0)
		syscall(PROBE_NR);
	_exit(0);
}

/* Waits until the child told its listener, or died. */
static int await_listener(struct page *page)
{
	struct timespec limit = { .tv_sec = WAIT_MS / 1000 };
	while (atomic_load(&page->listener) == UNKNOWN)
		if (syscall(SYS_futex, &page->listener, 0 /* FUTEX_WAIT */, UNKNOWN, &limit, NULL, 0) < 0 && errno != EAGAIN &&
		    errno != EINTR)
			return -errno;
	return atomic_load(&page->listener);
}

/* Buffers as large as this kernel wants them, which may be larger than the headers' structs. */
union notif_buffer {
	struct seccomp_notif notif;
	struct seccomp_notif_resp resp;
	char space[512];
};

static void answer_child(int listener, struct probe_notify *ret)
{
	ret->sync_wake_up = ioctl(listener, IOC_SET_FLAGS, FD_SYNC_WAKE_UP) < 0 ? -errno : 0;
	struct seccomp_notif_sizes sizes = { 0 };
	if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) < 0) {
		ret->receive = -errno;
		return;
	}
	union notif_buffer buf = { 0 };
	struct pollfd p = { .fd = listener, .events = POLLIN };
	int n = poll(&p, 1, WAIT_MS);
	if (n <= 0 || sizes.seccomp_notif > sizeof(buf)) {
		ret->receive = n < 0 ? -errno : n == 0 ? -ETIMEDOUT : -E2BIG;
		return;
	}
	ret->receive = ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &buf) < 0 ? -errno : 0;
	if (ret->receive < 0)
		return;
	_cleanup_close_ int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct seccomp_notif_addfd add = {
		.id = buf.notif.id,
		.srcfd = (uint32_t)null,
		.newfd_flags = O_CLOEXEC,
	};
	/* The child shares our descriptors: what is added there is ours to close. */
	int got = ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
	ret->addfd = got < 0 ? -errno : 0;
	if (got >= 0)
		close(got);
	union notif_buffer resp = { .resp = { .id = buf.notif.id } };
	if (ret->addfd == 0 && ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &resp) < 0)
		ret->addfd = -errno;
}

static pid_t share_clone(void)
{
	return (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
}

static void reap(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

void probe_notify(struct probe_notify *ret)
{
	*ret = (struct probe_notify){ -ENOSYS, -ENOSYS, -ENOSYS, -ENOSYS, -ENOSYS, 0 };
	struct page *page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED) {
		ret->listener = -errno;
		return;
	}
	atomic_init(&page->listener, UNKNOWN);
	atomic_init(&page->killable, -ENOSYS);
	pid_t pid = share_clone();
	if (pid == 0)
		notify_child(page);
	if (pid < 0) {
		int e = -errno;
		*ret = (struct probe_notify){ e, e, e, e, e, e };
	} else {
		int listener = await_listener(page);
		ret->listener = listener < 0 ? listener : 0;
		ret->killable = atomic_load(&page->killable);
		if (listener >= 0) {
			answer_child(listener, ret);
			close(listener);
		}
		reap(pid);
	}
	munmap(page, sizeof(*page));
}

static int try_seize(pid_t pid)
{
	struct user_regs_struct regs;
	int status;
	if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0)
		return -errno;
	if (ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) < 0)
		return -errno;
	if (waitpid(pid, &status, __WALL) < 0 || !WIFSTOPPED(status))
		return -ECHILD;
	if (ptrace(PTRACE_GETREGS, pid, NULL, &regs) < 0)
		return -errno;
	return ptrace(PTRACE_DETACH, pid, NULL, NULL) < 0 ? -errno : 0;
}

static int try_vm_read(pid_t pid)
{
	static const char mark[] = "cowbox";
	char seen[sizeof(mark)] = "";
	struct iovec local = { seen, sizeof(seen) }, remote = { (void *)(uintptr_t)mark, sizeof(mark) };
	ssize_t n = process_vm_readv(pid, &local, 1, &remote, 1, 0);
	if (n < 0)
		return -errno;
	return n == (ssize_t)sizeof(mark) && memcmp(seen, mark, sizeof(mark)) == 0 ? 0 : -EIO;
}

static int try_getfd(pid_t pid)
{
	_cleanup_close_ int pidfd = (int)syscall(NR_pidfd_open, pid, 0);
	if (pidfd < 0)
		return -errno;
	/* Any descriptor will do, and the child has all of ours. */
	_cleanup_close_ int any = open("/", O_PATH | O_CLOEXEC);
	if (any < 0)
		return -errno;
	_cleanup_close_ int got = (int)syscall(NR_pidfd_getfd, pidfd, any, 0);
	return got < 0 ? -errno : 0;
}

void probe_child(struct probe_child *ret)
{
	*ret = (struct probe_child){ -ENOSYS, -ENOSYS, -ENOSYS, -ENOSYS };
	pid_t pid = share_clone();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		for (;;)
			pause();
	}
	if (pid < 0) {
		int e = -errno;
		*ret = (struct probe_child){ e, e, e, e };
		return;
	}
	ret->vm_read = try_vm_read(pid);
	ret->getfd = try_getfd(pid);
	_cleanup_close_ int pidfd = (int)syscall(NR_pidfd_open, pid, PIDFD_FLAG_THREAD);
	ret->pidfd_thread = pidfd < 0 ? -errno : 0;
	ret->seize = try_seize(pid);
	reap(pid);
}
