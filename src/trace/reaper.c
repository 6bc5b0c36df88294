#include "reaper.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

static void report(int fd, enum reaper_kind kind, int status)
{
	struct reaper_report r = { kind, status };

	/* The parent may be dead: then nobody cares. SIGPIPE is blocked. */
	if (write(fd, &r, sizeof r) < 0)
		return;
}

static void reap(int fd, pid_t command, pid_t supervisor)
{
	for (;;) {
		int status;
		pid_t pid = waitpid(-1, &status, __WALL | WUNTRACED | WCONTINUED);

		if (pid < 0 && errno == EINTR)
			continue;
		if (pid < 0)
			return;
		if (pid != command)
			continue;
		if (WIFSTOPPED(status)) {
			report(fd, REAPER_STOPPED, status);
		} else if (WIFCONTINUED(status)) {
			report(fd, REAPER_CONTINUED, status);
			/* Somebody woke the command while the supervisor lies stopped for its sake: nobody would answer it. */
			if (getppid() == supervisor)
				kill(supervisor, SIGCONT);
		} else {
			report(fd, REAPER_ENDED, status);
		}
	}
}

static _Noreturn void reaper_main(const struct child *ch, int fd, pid_t supervisor)
{
	struct sigaction act = { .sa_handler = SIG_DFL };
	pid_t command;

	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	sigaction(SIGCHLD, &act, NULL);
	command = fork();
	if (command == 0)
		child_main(ch);
	if (command < 0) {
		ch->shared->code = -errno;
		ch->shared->step = CHILD_FORK;
		child_set_state(ch->shared, CHILD_FAILED);
		_exit(1);
	}
	/* It holds no end of anybody's pipe open. */
	if (dup3(fd, 0, 0) == 0)
		syscall(SYS_close_range, 1U, ~0U, 0);
	reap(0, command, supervisor);
	report(0, REAPER_DESERTED, 0);
	_exit(0);
}

pid_t reaper_start(const struct child *ch, int *ret_pipe)
{
	int ends[2];
	pid_t pid, self = getpid();

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		reaper_main(ch, ends[1], self);
	if (pid < 0) {
		pid = -errno;
		close(ends[0]);
	} else {
		*ret_pipe = ends[0];
	}
	close(ends[1]);
	return pid;
}
