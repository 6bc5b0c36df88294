/* A guest's own seccomp filters, laid over the box's: one that allows everything, one whose calls a tracer exchanges, a listener that lets everything
 * go on, one set for all threads by one of them; and the strict mode. */
#include "attack.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/user.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

/* ret for the calls of a number (-1: of all), else allowed */
static long filter(uint64_t op, uint64_t flags, long nr, uint32_t ret)
{
	struct sock_filter insn[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, ret),
		BPF_STMT(BPF_RET | BPF_K, nr < 0 ? ret : SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = sizeof insn / sizeof insn[0], .filter = insn };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return TRY(syscall(SYS_seccomp, op, flags, &prog));
}

/* What every part does once its filter stands; n tells the parts' names apart. */
static void harm(int n)
{
	static const char *const files[] = { "file", "private", "large", "noted", "program" };
	const char *name = files[n % 5];
	char made[64];

	snprintf(made, sizeof made, "dir/made%d", n);
	TRY(chmod(prey(name), 0600 + (mode_t)n));
	TRY(truncate(prey(name), n));
	TRY(open(prey(made), O_WRONLY | O_CREAT, 0666));
	TRY(mkdir(prey("dir/sub/new"), 0777));
	TRY(symlink("file", prey("dir/sub/newlink")));
	TRY(rename(prey("link"), prey("dir/sub/link")));
	TRY(unlink(prey("hard")));
}

/* ---- a filter that allows ---- */

static void allowed(void *arg)
{
	struct sock_filter insn[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
	struct sock_fprog prog = { .len = 1, .filter = insn };

	(void)arg;
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	for (unsigned long flags = 0; flags < 64; flags++)
		if (!(flags & SECCOMP_FILTER_FLAG_NEW_LISTENER))
			TRY(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog));
	TRY(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog));
	TRY(prctl(PR_SET_SECCOMP, 0, &prog));
	harm(0);
}

/* ---- answers that would keep the supervisor from being asked ---- */

static void answered(void *arg)
{
	static const uint32_t rets[] = { SECCOMP_RET_LOG, SECCOMP_RET_TRACE, SECCOMP_RET_USER_NOTIF, SECCOMP_RET_ERRNO };
	const int n = *(const int *)arg;

	filter(SECCOMP_SET_MODE_FILTER, 0, n & 1 ? SYS_unlink : SYS_truncate, rets[n / 2]);
	harm(1);
}

/* ---- a tracer that exchanges calls at its seccomp stops ---- */

static const struct exchange {
	long nr;
	const char *first, *second;
	unsigned long arg1, arg2;
	bool at;
} exchanges[] = {
	{ SYS_chmod, "program", NULL, 0700, 0, false },
	{ SYS_truncate, "large", NULL, 4096, 0, false },
	{ SYS_open, "private", NULL, O_RDWR | O_TRUNC, 0, false },
	{ SYS_open, "noted", NULL, O_RDWR | O_CREAT | O_TRUNC, 0644, false },
	{ SYS_openat, "dir/traced", NULL, O_RDWR | O_CREAT, 0644, true },
	{ SYS_mkdir, "traced", NULL, 0755, 0, false },
	{ SYS_rename, "dir/file", "dir/renamed", 0, 0, false },
	{ SYS_link, "file", "traced-hard", 0, 0, false },
	{ SYS_unlink, "hard", NULL, 0, 0, false },
	{ SYS_unlinkat, "link", NULL, 0, 0, true },
	{ SYS_rmdir, "dir/sub", NULL, 0, 0, false },
	{ SYS_lchown, "program", NULL, 0, 0, false },
	{ SYS_chroot, "dir", NULL, 0, 0, false },
};
#define EXCHANGES (sizeof exchanges / sizeof exchanges[0])

static void ask(void)
{
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	raise(SIGSTOP);
	filter(SECCOMP_SET_MODE_FILTER, 0, SYS_getppid, SECCOMP_RET_TRACE);
	for (size_t i = 0; i < EXCHANGES; i++)
		syscall(SYS_getppid);
	_exit(0);
}

/* The tracer has the same memory, by fork: its strings stand at the same addresses. */
static void traced(void *arg)
{
	static char first[EXCHANGES][4096], second[EXCHANGES][4096];
	size_t i = 0;
	int status;

	(void)arg;
	for (size_t k = 0; k < EXCHANGES; k++) {
		snprintf(first[k], sizeof first[k], "%s", prey(exchanges[k].first));
		snprintf(second[k], sizeof second[k], "%s", exchanges[k].second ? prey(exchanges[k].second) : "");
	}
	pid_t pid = fork();

	if (pid == 0)
		ask();
	waitpid(pid, &status, 0);
	/* without its filters a call of its own would be the harm; natively root may */
	if (TRY(ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL | PTRACE_O_SUSPEND_SECCOMP)) == 0 && !getenv("ATTACK_NATIVE"))
		reached("the filters of a guest suspended by its tracer");
	TRY(ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL));
	ptrace(PTRACE_CONT, pid, NULL, NULL);
	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
		struct user_regs_struct regs;

		if (status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8) && i < EXCHANGES) {
			const struct exchange *e = &exchanges[i];
			unsigned long a[3] = { (unsigned long)first[i], e->second ? (unsigned long)second[i] : e->arg1, e->arg2 };

			ptrace(PTRACE_GETREGS, pid, NULL, &regs);
			regs.orig_rax = (unsigned long long)e->nr;
			regs.rdi = e->at ? (unsigned long)AT_FDCWD : a[0];
			regs.rsi = e->at ? a[0] : a[1];
			regs.rdx = e->at ? a[1] : a[2];
			regs.r10 = e->arg2;
			TRY(ptrace(PTRACE_SETREGS, pid, NULL, &regs));
			i++;
		}
		ptrace(PTRACE_CONT, pid, NULL, NULL);
	}
}

/* ---- a listener that lets every call go on ---- */

static void send_fd(int to, int fd)
{
	char control[CMSG_SPACE(sizeof fd)] = { 0 }, byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(c), &fd, sizeof fd);
	sendmsg(to, &m, 0);
}

static int receive_fd(int from)
{
	char control[CMSG_SPACE(sizeof(int))], byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
	int fd = -1;

	if (recvmsg(from, &m, 0) == 1 && CMSG_FIRSTHDR(&m))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof fd);
	return fd;
}

static void go_on(int listener)
{
	struct seccomp_notif n;
	struct seccomp_notif_resp r;

	for (;;) {
		memset(&n, 0, sizeof n);
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &n) < 0)
			return;
		memset(&r, 0, sizeof r);
		r.id = n.id;
		r.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &r);
	}
}

static void listened(void *arg)
{
	static const long numbers[] = { SYS_chmod, SYS_truncate, SYS_openat, SYS_unlink, SYS_mkdir };
	const uint64_t flags[] = { SECCOMP_FILTER_FLAG_NEW_LISTENER, SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
				   SECCOMP_FILTER_FLAG_NEW_LISTENER | 0xdead00000000, SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_SPEC_ALLOW };
	const uint64_t ops[] = { SECCOMP_SET_MODE_FILTER, SECCOMP_SET_MODE_FILTER | 0xbeef00000000 };
	const int n = *(const int *)arg;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		return;
	pid_t pid = fork();

	if (pid == 0) {
		int fd = receive_fd(pair[1]);

		if (fd >= 0)
			go_on(fd);
		_exit(0);
	}
	long fd = filter(ops[n / 4 % 2], flags[n % 4], numbers[n % 5], SECCOMP_RET_USER_NOTIF);

	if (fd >= 0)
		send_fd(pair[0], (int)fd);
	else
		close(pair[0]), close(pair[1]);
	harm(2);
	close(pair[0]);
	close(pair[1]);
	close((int)fd);
	kill(pid, SIGKILL);
}

/* ---- one thread sets it for all ---- */

static void *set_for_all(void *arg)
{
	filter(SECCOMP_SET_MODE_FILTER, *(const unsigned long *)arg, -1, SECCOMP_RET_ALLOW);
	return NULL;
}

static void synced(void *arg)
{
	unsigned long flags[] = { SECCOMP_FILTER_FLAG_TSYNC, SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH,
				  SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH | SECCOMP_FILTER_FLAG_NEW_LISTENER };

	(void)arg;
	for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
		pthread_t t;

		if (pthread_create(&t, NULL, set_for_all, &flags[i]) == 0)
			pthread_join(t, NULL);
	}
	harm(3);
}

/* Reading and writing alone are left, to a descriptor of before. */
static void strict(void *arg)
{
	int fd = open(prey("private"), O_RDWR), ro = open(prey("file"), O_RDONLY);

	(void)arg;
	TRY(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
	if (write(fd, "attack", 6) < 0 || write(ro, "attack", 6) < 0)
		syscall(SYS_exit, 1);
	syscall(SYS_exit, 0);
}

/* ---- filters against what the supervisor has a thread do: going into a directory of the box, running its programs, waiting at its FIFOs ---- */

static char own_dir[64];

struct hindered {
	long nr;
	uint32_t ret;
};

static void hindered(void *arg)
{
	const struct hindered *h = arg;
	char fifo[80], program[80], copy[80];
	int fd;

	snprintf(fifo, sizeof fifo, "%s/fifo", own_dir);
	snprintf(program, sizeof program, "%s/program", own_dir);
	snprintf(copy, sizeof copy, "%s/dir", own_dir);
	/* relative names mean PREY's or its own files, wherever a chdir leads */
	if (chdir(prey("dir")) < 0)
		return;
	filter(SECCOMP_SET_MODE_FILTER, 0, h->nr, h->ret);
	syscall(SYS_chdir, own_dir);
	syscall(SYS_truncate, "file", 3);
	syscall(SYS_chmod, "file", 0611);
	fd = (int)syscall(SYS_open, own_dir, O_RDONLY | O_DIRECTORY);
	syscall(SYS_fchdir, fd);
	syscall(SYS_chdir, copy);
	syscall(SYS_unlink, "file");
	syscall(SYS_open, fifo, O_PATH);
	syscall(SYS_open, fifo, O_RDONLY | O_NONBLOCK);
	syscall(SYS_openat, AT_FDCWD, fifo, O_RDWR);
	syscall(SYS_chdir, prey("dir"));
	syscall(SYS_truncate, "file", 3);
	if (vfork() == 0) {
		syscall(SYS_execve, program, (char *[]){ program, NULL }, environ);
		_exit(1);
	}
	harm(4);
	syscall(SYS_execve, program, (char *[]){ program, NULL }, environ);
}

static void hinder(void)
{
	static const long numbers[] = { SYS_chdir, SYS_fchdir, SYS_close, SYS_mmap, SYS_munmap, SYS_open, SYS_openat, SYS_execve, SYS_execveat };
	static const uint32_t rets[] = { SECCOMP_RET_ERRNO, SECCOMP_RET_ERRNO | EPERM, SECCOMP_RET_TRAP, SECCOMP_RET_TRACE, SECCOMP_RET_USER_NOTIF,
					 SECCOMP_RET_KILL_THREAD, SECCOMP_RET_KILL_PROCESS };
	char name[80], data[65536];
	int from = open(prey("program"), O_RDONLY), to;
	ssize_t n;

	snprintf(own_dir, sizeof own_dir, "/tmp/attack-filter-%d", getpid());
	mkdir(own_dir, 0755);
	snprintf(name, sizeof name, "%s/fifo", own_dir);
	mkfifo(name, 0644);
	snprintf(name, sizeof name, "%s/dir", own_dir);
	mkdir(name, 0755);
	snprintf(name, sizeof name, "%s/program", own_dir);
	to = open(name, O_WRONLY | O_CREAT, 0755);
	while ((n = read(from, data, sizeof data)) > 0)
		if (write(to, data, (size_t)n) != n)
			break;
	close(from);
	close(to);
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		for (size_t k = 0; k < sizeof rets / sizeof rets[0]; k++) {
			struct hindered h = { numbers[i], rets[k] };
			int status = attack_child(hindered, &h, 1);

			if (status == -1)
				printf("did not end: call %ld, return %x\n", h.nr, h.ret);
		}
	unlink(name);
	snprintf(name, sizeof name, "%s/fifo", own_dir);
	unlink(name);
	snprintf(name, sizeof name, "%s/dir", own_dir);
	rmdir(name);
	rmdir(own_dir);
}

int main(int argc, char **argv)
{
	attack_begin(argc, argv);
	hinder();
	attack_child(strict, NULL, 1);
	attack_child(allowed, NULL, 1);
	for (int n = 0; n < 8; n++)
		attack_child(answered, &n, 1);
	for (int n = 0; n < 8; n++)
		attack_child(listened, &n, 1);
	attack_child(synced, NULL, 1);
	attack_child(traced, NULL, 2);
	return attack_end();
}
