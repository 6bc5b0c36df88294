/* FIFOs of the host and of the box: opens that block, meet, fail. */
#include "guest.h"
#include <poll.h>
#include <signal.h>

static void meet(const char *path)
{
	char buf[32] = "";
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		int fd = open(path, O_WRONLY);

		_exit(fd < 0 || write(fd, "through", 7) != 7);
	}
	int fd = open(path, O_RDONLY);

	printf("%s: open %d read %zd", path, fd >= 0, read(fd, buf, sizeof(buf) - 1));
	printf(" \"%s\" end %zd\n", buf, read(fd, buf, 1));
	close(fd);
	guest_wait(pid);
}

static void on_alarm(int sig)
{
	(void)sig;
}

int main(void)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	int fd;

	SHOW(mkfifo("pipe", 0644));
	meet("pipe");
	meet("host/fifo");
	SHOW(chmod("host/fifo", 0600));
	meet("host/fifo");
	SHOW(rename("host/fifo", "host/fifo2"));
	meet("host/fifo2");
	SHOW(open("pipe", O_WRONLY | O_NONBLOCK));
	SHOW(fd = open("pipe", O_RDONLY | O_NONBLOCK));
	int wr = open("pipe", O_WRONLY | O_NONBLOCK);

	SHOW(write(wr, "x", 1));
	struct pollfd p = { .fd = fd, .events = POLLIN };

	SHOW(poll(&p, 1, 1000));
	close(wr);
	close(fd);
	SHOW(fd = open("pipe", O_RDWR));
	SHOW(write(fd, "y", 1));
	close(fd);
	SHOW(open("pipe", O_RDONLY | O_DIRECTORY));
	SHOW(open("pipe", O_RDONLY | O_CREAT | O_EXCL, 0600));
	/* a signal ends a blocked open */
	sigaction(SIGALRM, &sa, NULL);
	alarm(1);
	SHOW(open("pipe", O_RDONLY));
	alarm(1);
	SHOW(open("host/fifo2", O_WRONLY));
	SHOW(mkfifo("pipe", 0644));
	SHOW(mkfifo("host/f1/x", 0644));
	/* nothing is emptied, but the right to write is asked for (who is root has it) */
	SHOW(chmod("pipe", 0400));
	SHOW(open("pipe", O_RDONLY | O_TRUNC | O_NONBLOCK));
	SHOW(chmod("host/fifo2", 0400));
	SHOW(open("host/fifo2", O_RDONLY | O_TRUNC | O_NONBLOCK));
	SHOW(unlink("pipe"));
	SHOW(unlink("host/fifo2"));
	return 0;
}
