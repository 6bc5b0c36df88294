/* A guest's own seccomp filters: what one of them lets through, or another guest that listens to it says of a call, must open no way that is shut. */
#include "attack.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>

static void go_at_it(void)
{
	int fd = TRY(open(prey("file"), O_WRONLY | O_TRUNC));

	if (fd >= 0) {
		TRY(write(fd, "attack", 6));
		close(fd);
	}
	TRY(unlink(prey("hard")));
	TRY(chmod(prey("private"), 0777));
	TRY(truncate(prey("large"), 1));
	TRY(rename(prey("noted"), prey("renamed")));
	TRY(mkdir(prey("made"), 0777));
}

/* action for everything but what a listener needs itself. */
static int install(unsigned action, unsigned flags)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 4, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sendmsg, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog p = { sizeof f / sizeof f[0], f };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &p);
}

static void allowing(void *arg)
{
	(void)arg;
	TRY(install(SECCOMP_RET_ALLOW, 0));
	go_at_it();
}

static void logging(void *arg)
{
	(void)arg;
	TRY(install(SECCOMP_RET_LOG, 0));
	go_at_it();
}

static volatile int listener = -1;

static void *listen_to(void *arg)
{
	char room[512];
	struct seccomp_notif *n = (void *)room;
	struct seccomp_notif_resp r;

	(void)arg;
	while (listener < 0)
		usleep(100);
	for (;;) {
		memset(room, 0, sizeof room);
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, n) < 0)
			return NULL;
		memset(&r, 0, sizeof r);
		r.id = n->id;
		r.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &r);
	}
}

static void listened_to(void *arg)
{
	pthread_t t;

	(void)arg;
	pthread_create(&t, NULL, listen_to, NULL);
	listener = TRY(install(SECCOMP_RET_USER_NOTIF, SECCOMP_FILTER_FLAG_NEW_LISTENER));
	go_at_it();
}

static void traced(void *arg)
{
	(void)arg;
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		TRY(install(SECCOMP_RET_TRACE | 1, 0));
		go_at_it();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL);
	while (ptrace(PTRACE_CONT, pid, 0, 0) == 0 && waitpid(pid, &status, 0) == pid && WIFSTOPPED(status))
		;
}

static void *sleeping_thread(void *arg)
{
	usleep(20000);
	go_at_it();
	return arg;
}

static void for_all_threads(void *arg)
{
	pthread_t t;

	(void)arg;
	pthread_create(&t, NULL, sleeping_thread, NULL);
	TRY(install(SECCOMP_RET_ALLOW, SECCOMP_FILTER_FLAG_TSYNC));
	pthread_join(t, NULL);
}

/* A process that has no filter of its own: by exec, by clone with odd flags, by vfork. */
static void fresh(void *arg)
{
	char command[9000];

	(void)arg;
	snprintf(command, sizeof command, "echo attack >>%s; rm -f %s", prey("file"), prey("hard"));
	pid_t pid = vfork();
	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(127);
	}
	waitpid(pid, NULL, 0);
	pid = (pid_t)syscall(SYS_clone, SIGCHLD | 0x00800000 /* CLONE_UNTRACED */, 0, 0, 0, 0);
	if (pid == 0) {
		go_at_it();
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	TRY(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
}

int main(int argc, char **argv)
{
	attack_begin(argc, argv);
	attack_child(allowing, NULL, 5);
	attack_child(logging, NULL, 5);
	attack_child(listened_to, NULL, 3);
	attack_child(traced, NULL, 5);
	attack_child(for_all_threads, NULL, 5);
	attack_child(fresh, NULL, 5);
	return attack_end();
}
