/* Processes and threads killed in the middle of a call: what they did was done when others learn of their end, as in the kernel. */
#include "guest.h"
#include <pthread.h>
#include <signal.h>

#define ROUNDS 250

static void *work(void *arg)
{
	(void)arg;
	for (;;) {
		int fd = open("made", O_CREAT | O_WRONLY | O_TRUNC, 0600);

		close(fd);
		rename("made", "moved");
		mkdir("dir", 0700);
		rmdir("dir");
		symlink("x", "sym");
		unlink("sym");
	}
	return NULL;
}

/* How often one of the names was there again after it had been removed. */
static int again(void)
{
	static const char *const names[] = { "made", "moved", "sym" };
	int n = 0;

	for (int i = 0; i < 3; i++)
		unlink(names[i]);
	rmdir("dir");
	usleep(1000);
	for (int i = 0; i < 3; i++)
		n += unlink(names[i]) == 0;
	return n + (rmdir("dir") == 0);
}

static pid_t start(int ready, int nthreads)
{
	pid_t pid = fork();

	if (pid == 0) {
		pthread_t t;

		for (int i = 1; i < nthreads; i++)
			pthread_create(&t, NULL, work, NULL);
		close(ready);
		work(NULL);
	}
	return pid;
}

/* Its end is seen by waiting for it. */
static int by_wait(int nthreads)
{
	int n = 0;

	for (int i = 0; i < ROUNDS; i++) {
		pid_t pid = start(-1, nthreads);

		usleep(500 + i * 37 % 1000);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		n += again();
	}
	return n;
}

/* By the end of a pipe that only it holds: its parent, another, has not waited for it. */
static int by_pipe(void)
{
	int n = 0;

	for (int i = 0; i < ROUNDS; i++) {
		int p[2];
		pid_t pid;
		char c;

		if (pipe(p))
			return -1;
		pid = start(p[0], 1);
		close(p[1]);
		usleep(500 + i * 37 % 1000);
		kill(pid, SIGKILL);
		while (read(p[0], &c, 1) < 0 && errno == EINTR)
			;
		close(p[0]);
		n += again();
		waitpid(pid, NULL, 0);
	}
	return n;
}

/* Threads that end since another one of the process executes a program. */
static int by_exec(const char *self)
{
	int n = 0;

	for (int i = 0; i < ROUNDS / 2; i++) {
		int status;
		pid_t pid = fork();

		if (pid == 0) {
			pthread_t t;

			pthread_create(&t, NULL, work, NULL);
			usleep(500 + i * 37 % 1000);
			execl(self, self, "again", (char *)0);
			_exit(99);
		}
		waitpid(pid, &status, 0);
		n += WEXITSTATUS(status);
	}
	return n;
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return again();
	printf("seen by waiting, there again: %d\n", by_wait(1));
	printf("seen by waiting, of several threads: %d\n", by_wait(3));
	printf("seen at a pipe: %d\n", by_pipe());
	printf("seen by an exec: %d\n", by_exec(argv[0]));
	return 0;
}
