/* Signals to processes outside: sent by every call that sends one, and by the kernel on a guest's behalf (SIGIO, SIGURG, exit signals, timers),
 * to a process, to its threads, to its group; at the victim, at the supervisor and at the reaper.
 */
#include "outsiders.h"

#include <dirent.h>
#include <mqueue.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#ifndef PIDFD_SIGNAL_PROCESS_GROUP
#define PIDFD_SIGNAL_PROCESS_GROUP 4
#endif
#ifndef SIOCSPGRP
#define SIOCSPGRP 0x8902
#endif
#ifndef FIOSETOWN
#define FIOSETOWN 0x8901
#endif
#ifndef F_SETSIG
#define F_SETSIG 10
#endif

static void got(const char *what, long r)
{
	if (r == 0)
		reached(what);
}

static void by_pid(pid_t pid)
{
	siginfo_t info = { .si_signo = SIGUSR1, .si_code = SI_QUEUE };
	char path[64];

	got("kill 0", TRY(kill(pid, 0)));
	TRY(kill(pid, SIGUSR1));
	TRY(syscall(SYS_kill, (long)pid | 0x700000000L, SIGUSR1));
	TRY(syscall(SYS_tkill, pid, SIGUSR1));
	TRY(syscall(SYS_tgkill, pid, pid, SIGUSR1));
	TRY(syscall(SYS_tgkill, getpid(), pid, SIGUSR1));
	TRY(syscall(SYS_rt_sigqueueinfo, pid, SIGUSR1, &info));
	TRY(syscall(SYS_rt_tgsigqueueinfo, pid, pid, SIGUSR1, &info));
	int fd = (int)TRY(syscall(SYS_pidfd_open, pid, 0));
	if (fd >= 0) {
		got("pidfd_send_signal 0", TRY(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0)));
		TRY(syscall(SYS_pidfd_send_signal, fd, SIGUSR1, NULL, 0));
		TRY(syscall(SYS_pidfd_send_signal, fd, SIGUSR1, &info, 0));
		for (unsigned flag = 1; flag <= 2; flag <<= 1)   /* a thread, a thread group; of a process group others may be */
			TRY(syscall(SYS_pidfd_send_signal, fd, SIGUSR1, NULL, flag));
		if (pid == attack_victim)
			TRY(syscall(SYS_pidfd_send_signal, fd, SIGUSR1, NULL, PIDFD_SIGNAL_PROCESS_GROUP));
		close(fd);
	}
	/* a directory of procfs is a pidfd too */
	snprintf(path, sizeof path, "/proc/%d", (int)pid);
	fd = open(path, O_RDONLY | O_DIRECTORY);
	if (fd >= 0) {
		TRY(syscall(SYS_pidfd_send_signal, fd, SIGUSR1, NULL, 0));
		close(fd);
	}
}

static void by_thread(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
	DIR *d = opendir(path);
	for (struct dirent *e; d && (e = readdir(d));) {
		pid_t tid = atoi(e->d_name);

		if (tid <= 0)
			continue;
		TRY(syscall(SYS_tkill, tid, SIGUSR1));
		TRY(syscall(SYS_tgkill, pid, tid, SIGUSR1));
	}
	if (d)
		closedir(d);
}

/* The kernel sends SIGIO where a descriptor's owner says: a pipe, a socket, a pseudo-terminal. */
static void by_owner(pid_t pid)
{
	enum { WAYS = 7 };
	for (int kind = 0; kind < 3; kind++)
		for (int way = 0; way < WAYS; way++) {
			int p[2], who = pid;
			struct f_owner_ex o = { .type = way == 1 ? F_OWNER_PID : way == 2 ? F_OWNER_TID : F_OWNER_PGRP, .pid = pid };

			if (kind == 2) {
				p[1] = posix_openpt(O_RDWR | O_NOCTTY);
				if (p[1] < 0 || grantpt(p[1]) < 0 || unlockpt(p[1]) < 0 || (p[0] = open(ptsname(p[1]), O_RDWR | O_NOCTTY)) < 0)
					continue;
			} else if ((kind == 0 ? pipe(p) : socketpair(AF_UNIX, SOCK_STREAM, 0, p)) < 0) {
				continue;
			}
			if (way == 0)
				TRY(fcntl(p[0], F_SETOWN, pid));
			else if (way <= 2 || (way == 3 && pid == attack_victim))
				TRY(fcntl(p[0], F_SETOWN_EX, &o));
			else if (way == 4)
				TRY(ioctl(p[0], FIOSETOWN, &who));
			else if (way == 5)
				TRY(ioctl(p[0], SIOCSPGRP, &who));
			else if (pid == attack_victim)
				TRY(fcntl(p[0], F_SETOWN, -pid));
			TRY(fcntl(p[0], F_SETSIG, SIGUSR2));
			TRY(fcntl(p[0], F_SETFL, fcntl(p[0], F_GETFL) | O_ASYNC));
			TRY(write(p[1], "x\n", 2));
			if (kind == 1)
				TRY(send(p[1], "x", 1, MSG_OOB));
			close(p[0]);
			close(p[1]);
		}
}

/* Who sends SIGIO to a group that it is in itself, as the newest of it. In a box the supervisor may be of the group; natively its own kind only. */
static void by_own_group(void *arg)
{
	int way = *(int *)arg, p[2], who = -getpgrp();
	struct f_owner_ex o = { .type = F_OWNER_PGRP, .pid = getpgrp() };

	signal(SIGUSR2, SIG_IGN);
	if (pipe(p) < 0)
		return;
	if (way == 0)
		fcntl(p[0], F_SETOWN, who);
	else if (way == 1)
		fcntl(p[0], F_SETOWN_EX, &o);
	else if (way == 2)
		ioctl(p[0], FIOSETOWN, &who);
	else
		ioctl(p[0], SIOCSPGRP, &who);
	fcntl(p[0], F_SETSIG, SIGUSR2);
	fcntl(p[0], F_SETFL, fcntl(p[0], F_GETFL) | O_ASYNC);
	if (write(p[1], "x", 1) < 0)
		return;
	usleep(20000);
}

static void by_timer(pid_t pid)
{
	timer_t t;
	struct sigevent ev = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1 };
	const struct itimerspec soon = { .it_value.tv_nsec = 1000 };
	char name[64];

	ev._sigev_un._tid = pid;
	if (TRY(timer_create(CLOCK_MONOTONIC, &ev, &t)) == 0) {
		TRY(timer_settime(t, 0, &soon, NULL));
		usleep(2000);
		timer_delete(t);
	}
	snprintf(name, sizeof name, "/attack-own-%d", (int)getpid());
	mqd_t q = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK, 0600, NULL);
	if (q != (mqd_t)-1) {
		mq_unlink(name);
		TRY(mq_notify(q, &ev));
		TRY(mq_send(q, "x", 1, 0));
		mq_close(q);
	}
}

/* Signals for a parent: of the guest's own choice, for a parent that is not its own */
static void by_exit(void *arg)
{
	(void)arg;
	prctl(PR_SET_PDEATHSIG, SIGUSR1);
	if (attack_native())
		return;
	for (int sig = SIGUSR1; sig <= SIGUSR2; sig += SIGUSR2 - SIGUSR1)
		if (syscall(SYS_clone, CLONE_PARENT | sig, NULL, NULL, NULL, NULL) == 0)
			_exit(0);
	if (syscall(SYS_clone, SIGKILL, NULL, NULL, NULL, NULL) == 0) {
		usleep(20000);   /* its parent is gone by then: it is the reaper's child */
		_exit(0);
	}
}

/* Groups: of one's own session all, and the victim's by its number. kill(-1) is for boxes only: natively it would reach everybody. */
static void by_group(void *arg)
{
	(void)arg;
	signal(SIGUSR1, SIG_IGN);
	TRY(kill(-attack_victim, SIGUSR1));
	TRY(killpg(attack_victim, SIGUSR1));
	TRY(setpgid(0, attack_victim));
	TRY(setpgid(attack_victim, 0));
	setsid();
	signal(SIGUSR1, SIG_IGN);
	TRY(kill(0, SIGUSR1));
	TRY(setpgid(attack_victim, getpid()));
}

/* In the group that cowbox started in, too: nobody but guests may get it. */
static void by_everybody(void *arg)
{
	(void)arg;
	signal(SIGURG, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	kill(-1, 0);
	kill(0, SIGUSR1);
	kill(-getpgrp(), SIGUSR1);
}

int main(int argc, char **argv)
{
	pid_t pids[8];

	attack_begin(argc, argv);
	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, SIG_IGN);
	size_t n = outsiders(pids);
	for (size_t i = 0; i < n; i++) {
		by_pid(pids[i]);
		by_thread(pids[i]);
		by_owner(pids[i]);
		by_timer(pids[i]);
	}
	attack_child(by_group, NULL, 5);
	attack_child(by_exit, NULL, 5);
	if (!attack_native()) {
		attack_child(by_everybody, NULL, 5);
		for (int way = 0; way < 4; way++)
			attack_child(by_own_group, &way, 5);
	}
	if (TRY(kill(attack_victim, SIGSTOP)) == 0)
		TRY(kill(attack_victim, SIGCONT));
	if (!attack_native())   /* natively it would take away what the others did to it */
		for (size_t i = 0; i < n; i++)
			TRY(kill(pids[i], SIGKILL));
	return attack_end();
}
