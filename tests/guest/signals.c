/* kill, tkill, tgkill, rt_sigqueueinfo, rt_tgsigqueueinfo and pidfd_send_signal among the programs of one box. */
#include "guest.h"

#include <signal.h>

static volatile sig_atomic_t last_sig, last_value, last_code;

static void caught(int sig, siginfo_t *info, void *ctx)
{
	(void)ctx;
	last_sig = sig;
	last_value = info->si_value.sival_int;
	last_code = info->si_code;
}

static void seen(const char *what)
{
	printf("%s: signal %d code %d value %d\n", what, (int)last_sig, (int)last_code, last_code == SI_QUEUE ? (int)last_value : 0);
	last_sig = last_value = last_code = 0;
}

static siginfo_t queued(int value)
{
	siginfo_t i;

	memset(&i, 0, sizeof(i));
	i.si_code = SI_QUEUE;
	i.si_value.sival_int = value;
	return i;
}

static void to_self(void)
{
	siginfo_t info = queued(77), forged = queued(1);
	pid_t pid = getpid(), tid = (pid_t)syscall(SYS_gettid);
	int fd;

	SHOW(kill(pid, SIGUSR1));
	seen("kill");
	SHOW(kill(pid, 0));
	SHOW(kill(pid, 99));
	SHOW(syscall(SYS_tkill, tid, SIGUSR2));
	seen("tkill");
	SHOW(syscall(SYS_tkill, -1, SIGUSR1));
	SHOW(syscall(SYS_tgkill, pid, tid, SIGUSR1));
	seen("tgkill");
	SHOW(syscall(SYS_tgkill, pid, 1, 0));
	SHOW(syscall(SYS_tgkill, -1, tid, 0));
	SHOW(syscall(SYS_rt_sigqueueinfo, pid, SIGUSR1, &info));
	seen("rt_sigqueueinfo");
	SHOW(syscall(SYS_rt_tgsigqueueinfo, pid, tid, SIGUSR2, &info));
	seen("rt_tgsigqueueinfo");
	SHOW(syscall(SYS_rt_sigqueueinfo, pid, SIGUSR1, NULL));
	forged.si_code = SI_USER;
	SHOW(syscall(SYS_rt_sigqueueinfo, getppid(), 0, &forged));
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	SHOW(syscall(SYS_pidfd_send_signal, fd, SIGUSR1, NULL, 0));
	seen("pidfd_send_signal");
	SHOW(syscall(SYS_pidfd_send_signal, fd, SIGUSR2, &info, 0));
	seen("pidfd_send_signal");
	SHOW(syscall(SYS_pidfd_send_signal, fd, SIGUSR1, NULL, 99));
	SHOW(syscall(SYS_pidfd_send_signal, 0, SIGUSR1, NULL, 0));
	SHOW(syscall(SYS_pidfd_send_signal, 999, 0, NULL, 0));
	close(fd);
}

static pid_t sleeper(void)
{
	struct sigaction old, dfl = { .sa_handler = SIG_DFL };
	pid_t pid;

	/* before it is there, or a signal could come too early */
	sigaction(SIGUSR1, &dfl, &old);
	pid = fork();
	if (pid == 0)
		for (;;)
			pause();
	sigaction(SIGUSR1, &old, NULL);
	return pid;
}

static void to_child(void)
{
	siginfo_t info = queued(5);
	pid_t pid = sleeper();
	int status;

	SHOW(kill(pid, 0));
	SHOW(kill(pid, SIGSTOP));
	waitpid(pid, &status, WUNTRACED);
	printf("stopped %d\n", WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	SHOW(kill(pid, SIGCONT));
	waitpid(pid, &status, WCONTINUED);
	printf("continued %d\n", WIFCONTINUED(status) != 0);
	SHOW(kill(pid, SIGTERM));
	waitpid(pid, &status, 0);
	printf("ended by %d\n", WTERMSIG(status));
	SHOW(kill(pid, 0));
	pid = sleeper();
	SHOW(syscall(SYS_tgkill, pid, pid, SIGUSR1));
	waitpid(pid, &status, 0);
	printf("ended by %d\n", WTERMSIG(status));
	pid = sleeper();
	SHOW(syscall(SYS_rt_sigqueueinfo, pid, SIGUSR1, &info));
	waitpid(pid, &status, 0);
	printf("ended by %d\n", WTERMSIG(status));
	pid = sleeper();
	SHOW(syscall(SYS_rt_tgsigqueueinfo, pid, pid, SIGUSR1, &info));
	waitpid(pid, &status, 0);
	printf("ended by %d\n", WTERMSIG(status));
	pid = sleeper();
	SHOW(syscall(SYS_tkill, pid, SIGKILL));
	waitpid(pid, &status, 0);
	printf("ended by %d\n", WTERMSIG(status));
}

/* A group of their own: kill(0) and kill(-group) reach its members. */
static void to_group(void)
{
	int status, p[2];
	pid_t leader, a;
	char c;

	if (pipe(p) < 0)
		return;
	leader = fork();
	if (leader == 0) {
		setpgid(0, 0);
		a = sleeper();
		(void)!write(p[1], "x", 1);
		waitpid(a, &status, 0);
		_exit(WTERMSIG(status));
	}
	(void)!read(p[0], &c, 1);
	SHOW(kill(-leader, 0));
	SHOW(kill(-leader, SIGCONT));
	kill(-leader, SIGKILL);
	waitpid(leader, &status, 0);
	printf("leader ended by %d\n", WTERMSIG(status));
	leader = fork();
	if (leader == 0) {
		setpgid(0, 0);
		SHOW(kill(0, SIGUSR1));
		seen("kill(0)");
		_exit(0);
	}
	guest_wait(leader);
}

int main(void)
{
	struct sigaction act = { .sa_sigaction = caught, .sa_flags = SA_SIGINFO };

	sigaction(SIGUSR1, &act, NULL);
	sigaction(SIGUSR2, &act, NULL);
	to_self();
	fflush(stdout);
	to_child();
	fflush(stdout);
	to_group();
	return 0;
}
