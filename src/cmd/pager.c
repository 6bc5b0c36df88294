/* pager.c - long output on a terminal goes through $PAGER. */
#include "cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *pager_command(void)
{
	const char *pager = getenv("PAGER");

	if (!isatty(STDOUT_FILENO))
		return NULL;
	if (!pager)
		return "less -FRX";
	return *pager && strcmp(pager, "cat") != 0 ? pager : NULL;
}

/* Without a shell where none is needed: it would have its own words about a program that is not there. */
static void exec_plain(const char *command)
{
	char words[256], *argv[16], *rest = words;
	size_t n = 0;

	if (strlen(command) >= sizeof words || command[strcspn(command, "|&;<>()$`\\\"'*?[]#~=%!{}\n")])
		return;
	strcpy(words, command);
	while (n < sizeof argv / sizeof *argv && (argv[n] = strsep(&rest, " \t")))
		n += *argv[n] != '\0';
	if (n == 0 || n == sizeof argv / sizeof *argv)
		return;
	argv[n] = NULL;
	execvp(argv[0], argv);
	/* A script without #! is for the shell. */
	if (errno != ENOEXEC)
		_exit(127);
}

static void pager_child(const char *command, int fd)
{
	signal(SIGPIPE, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	if (dup2(fd, STDIN_FILENO) < 0)
		_exit(127);
	setenv("LESS", "FRX", 0);
	exec_plain(command);
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}

void pager_begin(struct pager *p)
{
	const char *command = pager_command();
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	_cleanup_close_ int in = -1, out = -1;
	int fds[2];
	pid_t pid;

	*p = (struct pager){ .out = stdout };
	if (!command || pipe2(fds, O_CLOEXEC) < 0)
		return;
	in = fds[0];
	out = fds[1];
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		return;
	if (pid == 0)
		pager_child(command, in);
	p->out = fdopen(out, "w");
	if (!p->out) {
		p->out = stdout;
		fd_closep(&out);
		waitpid(pid, NULL, 0);
		return;
	}
	(void)TAKE_FD(out);
	p->pid = pid;
	/* ^C is for the pager; its end is no reason for ours. */
	sigaction(SIGINT, &ignore, &p->interrupt);
	sigaction(SIGPIPE, &ignore, &p->pipe);
}

bool pager_end(struct pager *p)
{
	const char *command = pager_command();
	int status = 0;

	if (!p->pid)
		return true;
	fclose(p->out);
	while (waitpid((pid_t)p->pid, &status, 0) < 0 && errno == EINTR)
		;
	sigaction(SIGINT, &p->interrupt, NULL);
	sigaction(SIGPIPE, &p->pipe, NULL);
	*p = (struct pager){ .out = stdout };
	/* Who ends it by a signal has seen enough. */
	if (WIFSIGNALED(status) ? WTERMSIG(status) == SIGINT || WTERMSIG(status) == SIGPIPE || WTERMSIG(status) == SIGTERM || WTERMSIG(status) == SIGHUP
	                        : WEXITSTATUS(status) == 0)
		return true;
	if (WIFSIGNALED(status))
		log_warn("the pager %s was ended by signal %d: this is without it", command, WTERMSIG(status));
	else if (WEXITSTATUS(status) == 127)
		log_warn("the pager %s cannot be run: this is without it", command);
	else
		log_warn("the pager %s failed (exit status %d): this is without it", command, WEXITSTATUS(status));
	return false;
}
