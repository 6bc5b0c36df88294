/* Opening devices: flags, memory devices, pipes by /proc/self/fd, and what terminals do to those who open them. */
#include "guest.h"
#include <linux/openat2.h>
#include <sys/ioctl.h>
#include <termios.h>

static void show_fd(const char *what, int fd)
{
	struct stat st;
	int e = errno;

	if (fd < 0) {
		printf("%s: %s\n", what, strerrorname_np(e));
		return;
	}
	if (fstat(fd, &st) < 0)
		perror("fstat");
	printf("%s: type %o fl %o fd %d\n", what, st.st_mode & S_IFMT, fcntl(fd, F_GETFL), fcntl(fd, F_GETFD));
	close(fd);
}

static int open_how(const char *path, uint64_t flags)
{
	struct open_how how = { .flags = flags };

	return (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
}

static void memory(void)
{
	static const char *const names[] = { "/dev/null", "/dev/zero", "/dev/full", "/dev/urandom", "/dev/ptmx", "nul" };
	static const int flags[] = {
		O_RDONLY, O_WRONLY | O_CREAT | O_TRUNC, O_RDWR | O_CLOEXEC, O_RDONLY | O_TRUNC, O_ACCMODE, O_ACCMODE | O_TRUNC,
		O_WRONLY | O_APPEND | O_NONBLOCK, O_RDONLY | O_DIRECTORY, O_RDWR | O_CREAT | O_EXCL, O_PATH, O_PATH | O_CLOEXEC | O_NOFOLLOW,
	};
	char what[64], byte = 1;

	if (symlink("/dev/null", "nul") < 0)
		perror("nul");
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		for (size_t k = 0; k < sizeof flags / sizeof flags[0]; k++) {
			snprintf(what, sizeof what, "%s %o", names[i], flags[k]);
			show_fd(what, open(names[i], flags[k] | O_NOCTTY, 0600));
			/* openat2 knows no O_PATH with other flags */
			show_fd(what, open_how(names[i], (uint64_t)(flags[k] & ~O_CREAT)));
		}
	int fd = open("/dev/zero", O_RDWR);

	SHOW(read(fd, &byte, 1));
	SHOW(byte);
	SHOW(write(fd, "x", 1));
	fd = open("/dev/full", O_WRONLY | O_TRUNC);
	SHOW(write(fd, "x", 1));
	SHOW(creat("/dev/null", 0600) >= 0);
	struct winsize size;
	SHOW(ioctl(fd, TIOCGWINSZ, &size));
}

static void pipes(void)
{
	int p[2];
	char name[40], buf[8] = "";

	if (pipe(p) < 0)
		return;
	snprintf(name, sizeof name, "/proc/self/fd/%d", p[1]);
	int w = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	SHOW(write(w, "abc", 3));
	SHOW(read(p[0], buf, sizeof buf));
	show_fd("read a writing end", open(name, O_RDONLY | O_TRUNC));
	show_fd("both", open(name, O_RDWR | O_CLOEXEC));
	show_fd("ioctl only", open(name, O_ACCMODE | O_NONBLOCK));
	show_fd("path", open(name, O_PATH));
	show_fd("openat2 path", open_how(name, O_PATH));
	show_fd("openat2", open_how(name, O_RDONLY));
	show_fd("path of a link", open(name, O_PATH | O_NOFOLLOW));
	close(w);
	close(p[1]);
	/* no writer: a pipe does not wait for one */
	snprintf(name, sizeof name, "/proc/self/fd/%d", p[0]);
	show_fd("read without writers", open(name, O_RDONLY));
	close(p[0]);
	/* a FIFO whose name is gone */
	if (mkfifo("gone", 0600) < 0)
		perror("gone");
	int f = open("gone", O_RDONLY | O_NONBLOCK);
	unlink("gone");
	snprintf(name, sizeof name, "/proc/self/fd/%d", f);
	show_fd("a FIFO without a name", open(name, O_RDONLY | O_NONBLOCK));
	close(f);
}

static const char *slave;

static void child_session(int flags)
{
	char what[64];

	if (setsid() < 0)
		perror("setsid");
	int fd = open(slave, flags);

	snprintf(what, sizeof what, "slave %o", flags);
	SHOW(fd >= 0);
	SHOW(fcntl(fd, F_GETFD));
	printf("%s: session %s, group %s\n", what, tcgetsid(fd) == getpid() ? "ours" : "none", tcgetpgrp(fd) == getpid() ? "ours" : "none");
	int tty = open("/dev/tty", O_RDWR | O_CREAT | O_TRUNC, 0600);

	SHOW(tty >= 0 ? 0 : -1);
	SHOW(tty < 0 ? 0 : isatty(tty));
	SHOW(tty < 0 ? 0 : write(tty, "hi", 2));
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		/* it has the terminal without having opened it */
		int mine = open("/dev/tty", O_WRONLY | O_CLOEXEC);

		SHOW(mine >= 0 ? 0 : -1);
		SHOW(mine < 0 ? 0 : ioctl(mine, TIOCNOTTY));
		SHOW(open("/dev/tty", O_RDWR));
		fflush(stdout);
		_exit(0);
	}
	guest_wait(pid);
	/* a second terminal is not taken */
	SHOW(open(slave, O_RDONLY) >= 0 ? 0 : -1);
	_exit(0);
}

static void terminals(void)
{
	static const int flags[] = { O_RDWR, O_RDWR | O_CLOEXEC, O_RDWR | O_NOCTTY, O_WRONLY, O_RDONLY };

	for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
		char buf[16] = "";
		int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

		SHOW(master >= 0 ? 0 : -1);
		SHOW(grantpt(master));
		SHOW(unlockpt(master));
		slave = ptsname(master);
		fflush(stdout);
		pid_t pid = fork();

		if (pid == 0)
			child_session(flags[i]);
		guest_wait(pid);
		fcntl(master, F_SETFL, O_NONBLOCK);
		ssize_t n = read(master, buf, sizeof buf);
		printf("master: %zd %s\n", n, n < 0 ? "" : buf);
		close(master);
	}
}

int main(void)
{
	/* not the terminal of whoever runs the test, if any */
	if (setsid() < 0) {
		fflush(stdout);
		pid_t pid = fork();

		if (pid)
			return guest_wait(pid), 0;
		setsid();
	}
	SHOW(open("/dev/tty", O_RDWR));
	memory();
	pipes();
	terminals();
	return 0;
}
