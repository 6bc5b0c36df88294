/* Processes and threads killed in the middle of a call: what they did was done when others learn of their end, as in the kernel. */
#include "guest.h"
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#define ROUNDS 250

static int shared_dir, shared_list;   /* shared_dir, shared_list: descriptors that all have; shared_list is a directory's with a position */

static void getdents_once(int fd)
{
	char buf[512];

	syscall(SYS_getdents64, fd, buf, sizeof(buf));
}

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
		link("stays", "link");
		unlink("link");
		fchmod(shared_dir, 0711);
		getdents_once(shared_list);
	}
	return NULL;
}

/* How often one of the names was there again after it had been removed. */
static int again(void)
{
	static const char *const names[] = { "made", "moved", "sym", "link" };
	struct stat st;
	int n = 0;

	for (int i = 0; i < 4; i++)
		unlink(names[i]);
	rmdir("dir");
	fchmod(shared_dir, 0700);
	lseek(shared_list, 0, SEEK_SET);
	usleep(1000);
	for (int i = 0; i < 4; i++)
		n += unlink(names[i]) == 0;
	n += fstat(shared_dir, &st) < 0 || (st.st_mode & 0777) != 0700;
	n += lseek(shared_list, 0, SEEK_CUR) != 0;
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

static void wait_for_reader(void)
{
	close(open("fifo", O_RDONLY));
}

/* Blocks in a datagram for which its receiver has no room, under a name of its own. */
static void send_from_name(void)
{
	struct sockaddr_un to = { AF_UNIX, "to" }, own = { AF_UNIX, "" };
	int s = socket(AF_UNIX, SOCK_DGRAM, 0);

	snprintf(own.sun_path + 1, sizeof(own.sun_path) - 1, "deaths-%d", getppid());
	if (bind(s, (struct sockaddr *)&own, sizeof(own)) == 0)
		while (sendto(s, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)) == 1)
			;
	_exit(1);
}

/* What a call that blocks holds open is closed when its process has ended. */
static int held(void (*block)(void), int (*look)(void))
{
	int n = 0;

	for (int i = 0; i < 15; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			block();
			_exit(0);
		}
		usleep(10000 + i * 700);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		n += look();
	}
	return n;
}

static int has_reader(void)
{
	int fd = open("fifo", O_WRONLY | O_NONBLOCK);

	close(fd);
	return fd >= 0;
}

static int name_is_taken(void)
{
	struct sockaddr_un own = { AF_UNIX, "" };
	int s = socket(AF_UNIX, SOCK_DGRAM, 0), r;

	snprintf(own.sun_path + 1, sizeof(own.sun_path) - 1, "deaths-%d", getpid());
	r = bind(s, (struct sockaddr *)&own, sizeof(own));
	close(s);
	return r < 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_un to = { AF_UNIX, "to" };
	int s;

	mkdir("shared", 0700);
	guest_put("stays", "text");
	guest_put("host/dir/new", "text");   /* a directory of the box and of the host */
	shared_dir = open("shared", O_RDONLY | O_DIRECTORY);
	shared_list = open("host/dir", O_RDONLY | O_DIRECTORY);
	if (argc > 1)
		return again();
	mkfifo("fifo", 0600);
	s = socket(AF_UNIX, SOCK_DGRAM, 0);
	SHOW(bind(s, (struct sockaddr *)&to, sizeof(to)));
	printf("readers of a FIFO that are gone: %d\n", held(wait_for_reader, has_reader));
	printf("names of sockets that are gone: %d\n", held(send_from_name, name_is_taken));
	unlink("to");
	printf("seen by waiting, there again: %d\n", by_wait(1));
	printf("seen by waiting, of several threads: %d\n", by_wait(3));
	printf("seen at a pipe: %d\n", by_pipe());
	printf("seen by an exec: %d\n", by_exec(argv[0]));
	return 0;
}
